"""What counts as a deployable jar; hostile bytes stop here. No I/O of its own, and no zip library: those
read the whole directory, whose size the uploader chooses.

A jar is read from its end, as Java does: the end record says where the directory lies, the directory says
where the manifest lies. However large the jar, that is at most 3 reads and 917,553 bytes:

    tail          131,072    the end record (its comment may be 65,535 bytes), and mostly the whole directory
    directory     655,360    its first 6,000 entries or so, when it begins before the tail
    manifest      131,121    its local header, whose extra field may be 65,535 bytes, and its data

Format: PKWARE APPNOTE 6.3.10 (4.3.6 to 4.3.16, 4.5.3); manifest: JAR File Specification.
"""

import re
import struct
import zlib
from dataclasses import dataclass
from hashlib import sha256
from typing import NoReturn, Protocol

from twinslot.errors import NotAJar
from twinslot.intake.sanitize import quoted, sanitize

TAIL_BYTES = 131_072
DIRECTORY_BYTES = 655_360
MAX_MANIFEST_BYTES = 65_536
MAX_EXTRA_BYTES = 65_535
MAX_LABEL_CHARACTERS = 64
MANIFEST = b"META-INF/MANIFEST.MF"

END = struct.Struct("<4s4H2LH")
END_64_LOCATOR = struct.Struct("<4sLQL")
END_64 = struct.Struct("<4sQ2H2L4Q")
ENTRY = struct.Struct("<4s6H3L5H2L")
LOCAL = struct.Struct("<4s5H3L2H")
STORED, DEFLATED = 0, 8
ENCRYPTED = 0x1
SIXTEEN_BITS, THIRTY_TWO_BITS = 0xFFFF, 0xFFFFFFFF

WANTED = "upload the runnable jar that `mvn package` or `gradle bootJar` makes"


class Source(Protocol):
    """An object of unknown size that can be read in parts; every call is one request."""

    def tail(self, length: int) -> tuple[bytes, int]:
        """The last `length` bytes, fewer when the object is smaller, and the size of the object."""

    def read(self, start: int, length: int) -> bytes:
        """Exactly these bytes."""


@dataclass(frozen=True)
class Jar:
    """A jar that Java can run. `sha256` (hex) is known only where reading the tail read all of it."""

    size: int
    label: str
    main_class: str
    sha256: str | None


@dataclass(frozen=True)
class _Directory:
    """Where the central directory lies. `shift` is what stands before the zip archive (a start script)."""

    start: int
    size: int
    shift: int


@dataclass(frozen=True)
class _Manifest:
    """What the central directory says of the manifest."""

    flags: int
    method: int
    checksum: int
    packed: int
    unpacked: int
    start: int


def inspect(source: Source, key: str) -> Jar:
    """The jar in `source`, whose label is its Implementation-Version, else the stem of `key`.

    Raises NotAJar, in a sentence that says what is wrong and what to do.
    """
    tail, size = source.tail(TAIL_BYTES)
    if size == 0:
        raise NotAJar(f"the file is empty (0 bytes); {WANTED}")
    window = _Window(source, tail, size)
    directory = _directory(window)
    attributes = main_attributes(_unpack(window, directory, _find_manifest(window, directory)))
    main_class = attributes.get("main-class", "")
    if not main_class or key.endswith("-plain.jar"):
        _refuse_library(key, attributes)
    return Jar(
        size=size,
        label=label(attributes.get("implementation-version", ""), key),
        main_class=sanitize(main_class, 200),
        sha256=sha256(tail).hexdigest() if len(tail) == size else None,
    )


def main_attributes(manifest: bytes) -> dict[str, str]:
    """The attributes of a manifest's main section, their names in lower case.

    A line that begins with a space continues the one before, even in the midst of a character: lines are at
    most 72 bytes. The section ends at the first empty line.
    """
    lines: list[bytearray] = []
    for line in manifest.splitlines():
        if not line:
            break
        if line.startswith(b" ") and lines:
            lines[-1] += line[1:]
        else:
            lines.append(bytearray(line))
    attributes = {}
    for whole in lines:
        name, separator, value = whole.decode("utf-8", "replace").partition(":")
        if separator:
            attributes[name.strip().lower()] = value.strip()
    return attributes


def label(version: str, key: str) -> str:
    """What people call the release, in `[A-Za-z0-9._+-]{1,64}`: the version, else the stem of the key."""
    for text in (version, key.rpartition("/")[2].removesuffix(".jar")):
        safe = re.sub(r"[^A-Za-z0-9._+-]+", "-", text.strip())[:MAX_LABEL_CHARACTERS]
        if safe.strip("-"):
            return safe
    return "unlabelled"


class _Window:
    """The object as far as it has been read, and the one place where more of it is read."""

    def __init__(self, source: Source, tail: bytes, size: int) -> None:
        self.source = source
        self.tail = tail
        self.tail_start = size - len(tail)
        self.size = size

    def read(self, start: int, length: int) -> bytes:
        """These bytes; fewer when the object ends before."""
        length = min(length, self.size - start)
        if start >= self.tail_start:
            return self.tail[start - self.tail_start :][:length]
        return self.source.read(start, length)


def _directory(window: _Window) -> _Directory:
    """Where the central directory lies, by the end record, or by the one of zip64 when there is one."""
    tail = window.tail
    at = _end_record(tail)
    if at is None:
        _refuse_without_end(window)
    _, disk, first_disk, _, entries, size, offset, _ = END.unpack_from(tail, at)
    locator = at - END_64_LOCATOR.size
    too_small = THIRTY_TWO_BITS in (size, offset) or SIXTEEN_BITS in (disk, first_disk, entries)
    if too_small and locator >= END_64.size and tail.startswith(b"PK\6\7", locator):
        at = locator - END_64.size
        signature, _, _, _, disk, first_disk, _, entries, size, offset = END_64.unpack_from(tail, at)
        if signature != b"PK\6\6":
            _refuse_damaged("its zip64 end record is not where it should be")
    if disk or first_disk:
        _refuse_damaged("it is one part of a split zip archive")
    start = window.tail_start + at - size
    shift = start - offset
    if start < 0 or shift < 0:
        _refuse_damaged(f"its directory of {size} bytes at {offset} does not fit into the file")
    if not entries or not size:
        _refuse_without_manifest()
    return _Directory(start, size, shift)


def _end_record(tail: bytes) -> int | None:
    """Where in the tail the end record begins: the last one whose comment ends with the file."""
    at = len(tail)
    while (at := tail.rfind(b"PK\5\6", 0, at)) >= 0:
        if at + END.size <= len(tail):
            comment = END.unpack_from(tail, at)[-1]
            if at + END.size + comment == len(tail):
                return at
    return None


def _find_manifest(window: _Window, directory: _Directory) -> _Manifest:
    """The manifest's entry. Java's tools write it first; here it must be in what is read of the directory."""
    records = window.read(directory.start, min(directory.size, DIRECTORY_BYTES))
    found = None
    at = 0
    while at + ENTRY.size <= len(records):
        entry = ENTRY.unpack_from(records, at)
        signature, flags, method, checksum = entry[0], entry[3], entry[4], entry[7]
        if signature != b"PK\1\2":
            _refuse_damaged(f"its directory holds something else than an entry {at} bytes in")
        packed, unpacked, name_size, extra_size, comment_size = entry[8:13]
        name = records[at + ENTRY.size :][:name_size] if name_size == len(MANIFEST) else b""
        if name.upper() == MANIFEST:
            if found:
                _refuse_damaged("it has two manifests")
            extra = records[at + ENTRY.size + name_size :][:extra_size]
            unpacked, packed, start = _sizes(extra, unpacked, packed, entry[16])
            found = _Manifest(flags, method, checksum, packed, unpacked, start + directory.shift)
        at += ENTRY.size + name_size + extra_size + comment_size
    if not found:
        _refuse_without_manifest_in(directory, records, at)
    return found


def _sizes(extra: bytes, *fields: int) -> tuple[int, ...]:
    """The fields of a directory entry, taken from its zip64 extra field where they do not fit 32 bits."""
    wide = [place for place, value in enumerate(fields) if value == THIRTY_TWO_BITS]
    values = list(fields)
    at = 0
    while wide and at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            if min(size, len(extra) - at - 4) < 8 * len(wide):
                break
            for place, value in zip(wide, struct.unpack_from(f"<{len(wide)}Q", extra, at + 4), strict=True):
                values[place] = value
            return tuple(values)
        at += 4 + size
    if wide:
        _refuse_damaged("the zip64 sizes of its manifest are missing")
    return tuple(values)


def _unpack(window: _Window, directory: _Directory, manifest: _Manifest) -> bytes:
    """The manifest's bytes, checked against what the directory says of them."""
    if max(manifest.packed, manifest.unpacked) > MAX_MANIFEST_BYTES:
        raise NotAJar(
            f"its manifest claims {manifest.unpacked} bytes ({manifest.packed} packed), and at most"
            f" {MAX_MANIFEST_BYTES} are read; {WANTED}"
        )
    if manifest.flags & ENCRYPTED:
        raise NotAJar(f"its manifest is encrypted, which Java cannot read; {WANTED}")
    if manifest.start + LOCAL.size > directory.start:
        _refuse_damaged(f"its manifest at {manifest.start} overlaps its directory")
    longest = LOCAL.size + len(MANIFEST) + MAX_EXTRA_BYTES + manifest.packed
    record = window.read(manifest.start, min(longest, directory.start - manifest.start))
    header = LOCAL.unpack_from(record)
    name_size, extra_size = header[-2:]
    start = LOCAL.size + name_size + extra_size
    packed = record[start : start + manifest.packed]
    if header[0] != b"PK\3\4" or record[LOCAL.size :][:name_size].upper() != MANIFEST:
        _refuse_damaged(f"at {manifest.start}, where its manifest should begin, is something else")
    if len(packed) != manifest.packed:
        _refuse_damaged("its manifest ends outside of the archive")
    unpacked = _inflate(manifest.method, packed)
    if len(unpacked) != manifest.unpacked or zlib.crc32(unpacked) != manifest.checksum:
        _refuse_damaged("its manifest is not what its directory says (size or checksum)")
    return unpacked


def _inflate(method: int, packed: bytes) -> bytes:
    if method == STORED:
        return packed
    if method != DEFLATED:
        _refuse_damaged(f"its manifest is packed by method {method}, which Java does not know")
    try:
        # One byte more than allowed is enough to see that there is too much.
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, MAX_MANIFEST_BYTES + 1)
    except zlib.error:
        _refuse_damaged("its manifest cannot be unpacked")


def _refuse_without_end(window: _Window) -> NoReturn:
    beginning = window.read(0, 4)
    if beginning == b"PK\3\4":
        raise NotAJar(
            f"the file begins as a jar but its end is missing after {window.size} bytes: the upload was cut"
            " short; upload it again"
        )
    shown = quoted(beginning.decode("latin-1"))
    raise NotAJar(f"the file is not a jar: it begins with {shown} and is no zip archive; {WANTED}")


def _refuse_without_manifest() -> NoReturn:
    raise NotAJar(f"the file is a zip archive without META-INF/MANIFEST.MF, so Java cannot run it; {WANTED}")


def _refuse_without_manifest_in(directory: _Directory, records: bytes, end: int) -> NoReturn:
    """`end` is where the last whole entry in `records` ends."""
    if directory.size > len(records):
        raise NotAJar(
            f"META-INF/MANIFEST.MF is not in the first {len(records)} bytes of the archive's directory of"
            f" {directory.size} bytes; build it with `jar`, Maven or Gradle, which put the manifest first"
        )
    if end != len(records):
        _refuse_damaged("its directory ends in the midst of an entry")
    _refuse_without_manifest()


def _refuse_damaged(how: str) -> NoReturn:
    raise NotAJar(f"the jar is damaged: {how}; build and upload it again")


def _refuse_library(key: str, attributes: dict[str, str]) -> NoReturn:
    if key.endswith("-plain.jar"):
        raise NotAJar(
            "this is Spring Boot's plain jar, which holds the classes without their libraries and cannot run;"
            " upload the other one, whose name does not end in -plain.jar"
        )
    title = attributes.get("implementation-title")
    what = f" of {quoted(title)}" if title else ""
    raise NotAJar(f"the manifest{what} has no Main-Class: this is a library, which Java cannot run; {WANTED}")
