"""Whatever a jar claims, it is refused in a sentence or known by a few small reads. Nothing is unpacked."""

import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twinslot.errors import NotAJar
from twinslot.intake import jar
from twinslot.intake.jar import MAX_LABEL_CHARACTERS
from twinslot.shared.manifest import MAX_CLAIMED_BYTES, MAX_MANIFEST_BYTES

from tests.hostile import TEXT, Cases
from tests.unit.jars import NAME, SPRING, Sparse, end, end_64, entry, local, spread, whole, zipped

pytestmark = pytest.mark.hostile("jars")

MANIFEST = b"Main-Class: a.B\nImplementation-Version: 1\n"
FIRST = local(NAME, MANIFEST)
DIRECTORY = entry(NAME, MANIFEST)
SMALL = FIRST + DIRECTORY + end(1, len(DIRECTORY), len(FIRST))
WIDE = FIRST + DIRECTORY + end_64(1, len(DIRECTORY), len(FIRST))
BOUNDS = (0, 1, 45, 46, 255, 0x7FFF, 0xFFFE, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)
MAX_MEMORY = 4 * 2**20
"""Bytes. What is read (at most 1 MB) may be held more than once while it is looked at."""


def judge(source: Sparse, key: str = "shop/shop-1.4.2.jar") -> bool:
    """What must hold of any object; whether it is known as a jar. The source itself limits what is read."""
    refusal, found = "", None
    try:
        found = jar.inspect(source, key)
    except NotAJar as error:
        refusal = str(error)
    assert refusal.isprintable()
    assert len(refusal) < 1000
    if found is None:
        return False
    assert found.size == source.size
    assert 0 < len(found.label) <= MAX_LABEL_CHARACTERS
    assert set(found.label) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-")
    assert found.main_class.isprintable()
    assert len(found.main_class) <= 200
    return True


def with_a_byte_changed(content: bytes) -> Iterator[bytes]:
    """The content with each of its bytes in turn replaced by another, which is low, high, or near."""
    for at, byte in enumerate(content):
        for other in {0, 0xFF, byte ^ 1, byte ^ 0x80} - {byte}:
            yield content[:at] + bytes([other]) + content[at + 1 :]


@pytest.mark.parametrize("content", [SMALL, WIDE], ids=["zip", "zip64"])
def test_no_change_of_a_byte_passes_for_another_release(content: bytes, cases: Cases[bytes]) -> None:
    assert judge(whole(content))
    for changed in cases(with_a_byte_changed(content)):
        if judge(whole(changed)):
            found = jar.inspect(whole(changed), "shop/a.jar")
            assert (found.main_class, found.label) == ("a.B", "1")


@pytest.mark.parametrize("content", [SMALL, WIDE, zipped(SPRING)], ids=["zip", "zip64", "deflated"])
def test_no_part_of_a_jar_passes_for_the_whole(content: bytes, cases: Cases[bytes]) -> None:
    for cut in cases(content[:length] for length in range(len(content))):
        assert not judge(whole(cut))
    for rest in cases(content[start:] for start in range(1, len(content))):
        assert not judge(whole(rest))


def test_parts_in_any_order_are_refused_or_known(cases: Cases[tuple[bytes, ...]]) -> None:
    parts = (
        FIRST,
        DIRECTORY,
        end(1, len(DIRECTORY), len(FIRST)),
        end_64(1, len(DIRECTORY), 0),
        b"PK\5\6",
        bytes(50),
    )
    for count in (1, 2, 3, 4):
        for chosen in cases(product(parts, repeat=count)):
            judge(whole(b"".join(chosen)))


def test_a_directory_that_lies_twice_is_refused(cases: Cases[tuple[object, ...]]) -> None:
    """None of these lies makes another jar: what the directory says must be what is there."""
    truth = {"flags": 0, "method": 0, "checksum": zlib.crc32(MANIFEST), "start": 0}
    truth |= {"packed": len(MANIFEST), "unpacked": len(MANIFEST)}
    small = {"flags", "method"}
    for one, other in combinations(truth, 2):
        for value, another in cases(product(BOUNDS, repeat=2)):
            lies = {
                name: lie % 2**16 if name in small else lie for name, lie in ((one, value), (other, another))
            }
            directory = entry(NAME, MANIFEST, lies)
            known = judge(whole(FIRST + directory + end(1, len(directory), len(FIRST))))
            harmless = {name for name, lie in lies.items() if lie == truth[name]} | {"flags"}
            assert not known or set(lies) <= harmless


def test_an_end_record_that_lies_is_refused_or_known(cases: Cases[tuple[int, ...]]) -> None:
    for entries, size, offset in cases(product(BOUNDS, repeat=3)):
        judge(whole(FIRST + DIRECTORY + end(entries % 2**16, size, offset)))


def test_a_zip64_record_that_lies_is_refused_or_known(cases: Cases[tuple[int, ...]]) -> None:
    wider = (0, 1, 2**16, 2**32 - 1, 2**32, 2**62, 2**63, 2**64 - 1)
    for entries, size, offset in cases(product(wider, repeat=3)):
        record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, entries, entries, size, offset)
        locator = struct.pack("<4sLQL", b"PK\6\7", 0, offset, 1)
        judge(whole(FIRST + DIRECTORY + record + locator + end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)))


def bomb(megabytes: int, **claims: int) -> Sparse:
    """A manifest of so many megabytes of zeros, deflated, of which the directory makes these claims."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    # Flushed in full, a block needs nothing of what is before it: the same one can come again and again.
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = block * megabytes + packer.flush()
    first = local(NAME, packed)
    directory = entry(NAME, packed, {"method": 8, **claims})
    return whole(first + directory + end(1, len(directory), len(first)))


def bombs() -> dict[str, Sparse]:
    """Small uploads that would fill a memory, a disk or an hour, if somebody believed or unpacked them."""
    shared = local(b"0" * 20, bytes(1000))
    overlapping = entry(NAME, SPRING, {"start": len(shared)}) + b"".join(
        entry(b"%020d" % number, bytes(1000), {"unpacked": 2**32 - 2}) for number in range(65_534)
    )
    start = len(shared) + len(local(NAME, SPRING))
    nothing = b"".join(entry(b"%05d" % number) for number in range(5_000))
    attributes = b"Main-Class: a.B\n" + b"a:b\n" * 16_000
    continued = b"Main-Class: a" + b"\n a" * 21_000 + b"\n"
    return {
        "a manifest of 50 MB that claims 1 GB": bomb(50, unpacked=10**9),
        "a manifest of 50 MB that claims 100 bytes": bomb(50, unpacked=100),
        "a manifest of 1 GB that is too large packed": bomb(1024, unpacked=MAX_MANIFEST_BYTES),
        "a manifest of 1 GB that claims what is allowed": bomb(
            1024, packed=MAX_MANIFEST_BYTES, unpacked=MAX_MANIFEST_BYTES
        ),
        "a manifest of 1 GB that claims all that Java reads": bomb(
            1024, packed=MAX_CLAIMED_BYTES, unpacked=MAX_CLAIMED_BYTES
        ),
        "a manifest of 50 MB that claims all that Java reads": bomb(50, unpacked=MAX_CLAIMED_BYTES),
        "a manifest without a line end": whole(zipped(b"a" * 10**6)),
        "a stored manifest that claims 1 GB": spread(SPRING + bytes(10**6), gap=0),
        "65,534 entries that all begin at the same place": whole(
            shared + local(NAME, SPRING) + overlapping + end(65_535, len(overlapping), start)
        ),
        "65,535 entries, none of them a manifest": whole(nothing * 13 + end(65_535, len(nothing) * 13, 0)),
        "2^64 - 1 entries in no bytes": whole(FIRST + end_64(2**64 - 1, 0, len(FIRST))),
        "a directory of 2^63 bytes": whole(FIRST + end_64(1, 2**63, 0)),
        "5 TB of nothing with a directory at its end": spread(
            SPRING, gap=5 * 10**12, others=70_000, wide=True
        ),
        "a comment full of end records": whole(SMALL[:-2] + b"\xff\xff" + b"PK\5\6" * 16_384),
        "131,072 bytes that could be end records": whole(b"PK\5\6" * 32_768),
        "a manifest of 16,000 attributes": whole(zipped(attributes)),
        "a line that is continued 21,000 times": whole(zipped(continued)),
    }


BOMBS = bombs()


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_looked_at_within_a_few_megabytes(name: str) -> None:
    tracemalloc.start()
    try:
        judge(BOMBS[name])
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < MAX_MEMORY


@pytest.mark.parametrize(
    "name",
    [
        *(b"../META-INF/MANIFEST.MF", b"/META-INF/MANIFEST.MF", b"META-INF/../META-INF/MANIFEST.MF"),
        *(
            b"META-INF\\MANIFEST.MF",
            b"META-INF/MANIFEST.MF/",
            b"META-INF/MANIFEST.MF\0",
            b"META-INF//MANIFEST.MF",
        ),
        *(b"./META-INF/MANIFEST.MF", b"C:/META-INF/MANIFEST.MF", "META-INF/MANİFEST.MF".encode()),
    ],
)
def test_a_manifest_is_known_by_its_very_name_alone(name: bytes) -> None:
    first, directory = local(name, SPRING), entry(name, SPRING)
    with pytest.raises(NotAJar, match=r"without META-INF/MANIFEST\.MF"):
        jar.inspect(whole(first + directory + end(1, len(directory), len(first))), "shop/a.jar")


@pytest.mark.parametrize(
    "name", [b"../../etc/cron.d/evil", b"/etc/passwd", b"..\\..\\evil", b"a\0b", b"\x1b[2J"]
)
def test_where_other_entries_would_lead_is_nobodys_business(name: bytes) -> None:
    """Nothing is unpacked, here or on a host: such an entry is a name within one file."""
    directory = entry(name) + entry(NAME, SPRING)
    first = local(NAME, SPRING)
    assert judge(whole(first + directory + end(2, len(directory), len(first))))


def test_a_local_header_that_names_another_file_is_refused() -> None:
    first = local(b"META-INF/MANIFEST.MX", SPRING)
    directory = entry(NAME, SPRING)
    with pytest.raises(NotAJar, match="is something else"):
        jar.inspect(whole(first + directory + end(1, len(directory), len(first))), "shop/a.jar")


ATTRIBUTES = st.sampled_from(
    ["Main-Class", "Implementation-Version", "Implementation-Title", "Start-Class", "X"]
)


@settings(max_examples=250)
@given(st.lists(st.tuples(ATTRIBUTES, TEXT), max_size=3), TEXT)
def test_no_text_of_a_manifest_gets_further_than_it_may(attributes: list[tuple[str, str]], stem: str) -> None:
    text = "".join(f"{name}: {value}\n" for name, value in attributes)
    judge(spread(text.encode("utf-8", "surrogatepass"), gap=0), f"shop/{stem}.jar")
