"""Runnable jars of any size are recognised by three reads; everything else is refused in a sentence."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twinslot.errors import NotAJar
from twinslot.intake import jar
from twinslot.shared.manifest import MAX_MANIFEST_BYTES, parse

from tests.unit.jars import LAUNCHER, NAME, SPRING, Sparse, end, end_64, entry, local, spread, whole, zipped


def refusal(content: bytes | Sparse, key: str = "shop/shop-1.4.2.jar") -> str:
    source = content if isinstance(content, Sparse) else whole(content)
    with pytest.raises(NotAJar) as raised:
        jar.inspect(source, key)
    sentence = str(raised.value)
    assert sentence.isprintable()
    assert "upload" in sentence or "build" in sentence
    return sentence


def test_a_spring_boot_jar_is_known_by_one_read_when_it_is_small() -> None:
    content = zipped(SPRING)
    source = whole(content)
    assert jar.inspect(source, "shop/any.jar") == jar.Jar(
        len(content), "1.4.2", LAUNCHER, sha256(content).hexdigest()
    )
    assert len(source.reads) == 1


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("comment", [b"", b"x" * 65_535, b"PK\5\6" * 1000])
def test_packed_or_not_and_with_any_comment_it_is_read(method: int, comment: bytes) -> None:
    assert jar.inspect(whole(zipped(SPRING, method, comment)), "shop/a.jar").label == "1.4.2"


def test_a_jar_of_500_mb_is_known_by_two_reads() -> None:
    source = spread(SPRING, gap=500_000_000, others=300)
    found = jar.inspect(source, "shop/a.jar")
    assert (found.size, found.main_class, found.sha256) == (source.size, LAUNCHER, None)
    assert len(source.reads) == 2


def test_a_directory_that_begins_before_the_tail_costs_a_third_read() -> None:
    source = spread(SPRING, gap=500_000_000, others=5000)
    assert jar.inspect(source, "shop/a.jar").label == "1.4.2"
    assert len(source.reads) == 3


def test_a_jar_of_more_than_4_gb_is_read_by_its_zip64_records() -> None:
    source = spread(SPRING, gap=5_000_000_000, others=70_000, wide=True)
    assert jar.inspect(source, "shop/a.jar").size == source.size > 2**32


def test_65535_entries_without_zip64_records_are_counted_as_such() -> None:
    assert jar.inspect(spread(SPRING, gap=0, others=65_534), "shop/a.jar").label == "1.4.2"


def test_a_manifest_behind_4_gb_is_found_by_its_zip64_extra_field() -> None:
    first = local(NAME, SPRING)
    at = 5_000_000_000
    extra = struct.pack("<2H5s", 0x9999, 5, b"other") + struct.pack("<2HQ", 1, 8, at)
    directory = entry(NAME, SPRING, {"start": 0xFFFFFFFF}, extra)
    offset = at + len(first)
    ending = end_64(1, len(directory), offset)
    source = Sparse(offset + len(directory) + len(ending), {at: first, offset: directory + ending})
    assert jar.inspect(source, "shop/a.jar").label == "1.4.2"


def test_a_jar_behind_a_start_script_is_read() -> None:
    assert (
        jar.inspect(whole(b"#!/bin/bash\nexec java -jar $0\n" + zipped(SPRING)), "shop/a.jar").label
        == "1.4.2"
    )


def test_a_long_local_extra_field_does_not_hide_the_manifest() -> None:
    padded = local(NAME, SPRING, extra=b"\0" * 65_535)
    gap = 200_000
    directory = entry(NAME, SPRING)
    ending = end(1, len(directory), len(padded) + gap)
    size = len(padded) + gap + len(directory) + len(ending)
    source = Sparse(size, {0: padded, len(padded) + gap: directory + ending})
    assert jar.inspect(source, "shop/a.jar").label == "1.4.2"


def test_an_empty_object_is_refused() -> None:
    assert "empty (0 bytes)" in refusal(b"")


@pytest.mark.parametrize("content", [b"hello, world\n", b"x", b"\x1b]0;title\x07", b"t" * 300_000])
def test_a_text_file_is_refused(content: bytes) -> None:
    assert "is not a jar: it begins with" in refusal(content)


@pytest.mark.parametrize("kept", [4, 100, -1, -22])
def test_an_upload_that_was_cut_short_is_told_apart(kept: int) -> None:
    assert "cut short" in refusal(zipped(SPRING)[:kept])


def test_a_large_upload_that_was_cut_short_is_told_apart() -> None:
    source = spread(SPRING, gap=500_000_000)
    source.size -= 1000
    assert "cut short; upload it again" in refusal(source)


def test_a_zip_without_a_manifest_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "without META-INF/MANIFEST.MF" in refusal(buffer.getvalue())


def test_an_empty_zip_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w"):
        pass
    assert "without META-INF/MANIFEST.MF" in refusal(buffer.getvalue())


def test_spring_boots_plain_jar_is_refused_with_the_name_of_the_other_one() -> None:
    sentence = refusal(zipped(b"Manifest-Version: 1.0\n\n"), "shop/shop-1.4.2-plain.jar")
    assert "Spring Boot's plain jar" in sentence
    assert "upload the other one" in sentence


def test_a_library_is_refused() -> None:
    manifest = b"Manifest-Version: 1.0\nImplementation-Title: guava\x1b[2J\nImplementation-Version: 33\n\n"
    sentence = refusal(zipped(manifest))
    assert "no Main-Class" in sentence
    assert "guava" in sentence


def test_a_main_class_outside_of_the_main_section_does_not_count() -> None:
    assert "no Main-Class" in refusal(zipped(b"Manifest-Version: 1.0\n\nName: a\nMain-Class: evil.Main\n\n"))


def hostile(lies: Mapping[str, int]) -> Sparse:
    first = local(NAME, SPRING)
    directory = entry(NAME, SPRING, lies)
    content = first + directory + end(1, len(directory), len(first))
    return whole(content)


@pytest.mark.hostile("jars")
@pytest.mark.parametrize(
    ("lies", "expected"),
    [
        ({"unpacked": 1_000_000_000}, "claims 1000000000 bytes"),
        ({"packed": 1_000_000_000}, "1000000000 packed"),
        ({"packed": 0xFFFFFFFF}, "zip64 sizes of its manifest are missing"),
        ({"unpacked": len(SPRING) - 1}, "not what its directory promises"),
        ({"packed": len(SPRING) + 1}, "ends outside of the archive"),
        ({"checksum": 1}, "not what its directory promises"),
        ({"start": 1}, "is something else"),
        ({"start": 10_000}, "overlaps its directory"),
        ({"flags": 1}, "encrypted"),
        ({"method": 12}, "method 12"),
        ({"method": 8}, "cannot be unpacked"),
    ],
)
def test_a_directory_that_lies_about_the_manifest_is_refused(lies: dict[str, int], expected: str) -> None:
    assert expected in refusal(hostile(lies))


def test_a_manifest_that_inflates_to_1_gb_is_not_inflated() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(50_000_000)) + packer.flush()
    first = local(NAME, packed)
    lie = entry(NAME, packed, {"method": 8, "unpacked": 1000})
    assert "not what its directory promises" in refusal(whole(first + lie + end(1, len(lie), len(first))))


@pytest.mark.parametrize(
    ("size", "offset"), [(0xFFFFFFF0, 0), (10, 0xFFFFFFF0), (1, 0), (45, 0), (0xFFFFFFFF, 0xFFFFFFFF)]
)
def test_an_end_record_that_lies_about_the_directory_is_refused(size: int, offset: int) -> None:
    refusal(local(NAME, SPRING) + entry(NAME, SPRING) + end(1, size, offset))


def test_one_part_of_a_split_archive_is_refused() -> None:
    content = bytearray(zipped(SPRING))
    content[-18] = 2
    assert "split" in refusal(bytes(content))


def test_two_manifests_are_refused() -> None:
    first = local(NAME, SPRING)
    directory = entry(NAME, SPRING) * 2
    assert "two manifests" in refusal(first + directory + end(2, len(directory), len(first)))


def test_a_manifest_far_into_a_huge_directory_is_refused_not_searched() -> None:
    first = local(NAME, SPRING)
    directory = b"".join(entry(b"x" * 50 + b"%08d" % number) for number in range(10_000)) + entry(
        NAME, SPRING
    )
    content = first + directory + end(10_001, len(directory), len(first))
    assert "which put the manifest first" in refusal(content)


def test_continued_lines_are_joined_even_in_the_midst_of_a_character() -> None:
    umlaut = "ü".encode()
    manifest = (
        b"Main-Class: shop\r\n .Appl\r\n ication\nTitle: "
        + umlaut[:1]
        + b"\n "
        + umlaut[1:]
        + b"\r\rMain-Class: x"
    )
    assert parse(manifest) == {"main-class": "shop.Application", "title": "ü"}


def test_attribute_names_are_read_in_any_case() -> None:
    assert parse(b"MAIN-CLASS: a.B\n") == {"main-class": "a.B"}


def signed(entries: int) -> bytes:
    """The manifest of a signed uber-jar, of 88 KB for 900 entries: a section for each of its files."""
    section = "Name: com/example/application/package-{}/Class.class\r\nSHA-256-Digest: {}=\r\n\r\n"
    return SPRING + b"".join(section.format(number, "a" * 43).encode() for number in range(entries))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_manifest_that_is_larger_than_what_is_read_of_it_is_read_by_its_main_section(method: int) -> None:
    manifest = signed(900)
    assert len(manifest) > 88_000 > MAX_MANIFEST_BYTES
    assert jar.inspect(whole(zipped(manifest, method)), "shop/a.jar").label == "1.4.2"


def test_a_main_section_that_is_larger_than_what_is_read_of_it_is_refused() -> None:
    manifest = b"".join(b"Attribute-%d: %s\r\n" % (number, b"a" * 40) for number in range(2000)) + SPRING
    assert "main section of its manifest has more than 65536 bytes" in refusal(zipped(manifest))


@pytest.mark.parametrize(
    ("manifest", "line"),
    [
        (b"Manifest-Version: 1.0\r\nMain-Class:shop.Application\r\n\r\n", "Main-Class:shop.Application"),
        (b"\xef\xbb\xbfManifest-Version: 1.0\r\nMain-Class: shop.Application\r\n", "ufeffManifest-Version"),
        (b"Main-Class : shop.Application\r\n", "Main-Class : shop.Application"),
        (b" Main-Class: shop.Application\r\n", " Main-Class: shop.Application"),
        (b"Main-\r\n Class: shop.Application\r\n", '"Main-"'),
        (b"Main-Class: " + b"a" * 512 + b"\r\n", "is longer than 512 bytes"),
    ],
)
def test_a_manifest_that_java_rejects_is_refused_with_the_line(manifest: bytes, line: str) -> None:
    sentence = refusal(zipped(manifest))
    assert line in sentence
    assert "upload the runnable jar" in sentence


def test_a_last_line_without_an_end_does_not_count() -> None:
    assert "no Main-Class" in refusal(zipped(b"Manifest-Version: 1.0\r\nMain-Class: shop.Application"))


@pytest.mark.parametrize(
    ("version", "key", "expected"),
    [
        ("1.4.2", "shop/x.jar", "1.4.2"),
        ("", "shop/deep/shop-1.4.2.jar", "shop-1.4.2"),
        ("  ", "shop.jar", "shop"),
        ("1.0 beta/2", "x.jar", "1.0-beta-2"),
        ("$(reboot)", "x.jar", "-reboot-"),
        ("版本", "shop/x.jar", "x"),
        ("1" * 100, "x.jar", "1" * 64),
        ("1.0+build.7", "x.jar", "1.0+build.7"),
        ("", "shop/-.jar", "unlabelled"),
    ],
)
def test_the_label_is_the_version_or_the_stem_made_safe(version: str, key: str, expected: str) -> None:
    assert jar.label(version, key) == expected


@pytest.mark.hostile("jars")
@given(st.binary(max_size=400))
def test_any_bytes_are_refused_or_known(content: bytes) -> None:
    with pytest.raises(NotAJar):
        jar.inspect(whole(content), "shop/a.jar")


VALID = zipped(SPRING)


@pytest.mark.hostile("jars")
@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255)), max_size=6))
def test_a_jar_with_some_bytes_changed_is_refused_or_known(changes: list[tuple[int, int]]) -> None:
    content = bytearray(VALID)
    for at, value in changes:
        content[at] = value
    with suppress(NotAJar):
        assert jar.inspect(whole(bytes(content)), "shop/a.jar").main_class == LAUNCHER
