"""The manifest of a jar, read as Java reads it, without a zip library and without I/O of its own.

A jar is read from its end: the end record locates the central directory, the directory locates the manifest.
A zip library reads the whole directory, whose size the uploader chooses. However large the jar, this takes at
most 3 reads and 917,553 bytes:

    tail          131,072    the end record (its comment has up to 65,535 bytes), and mostly the whole
    directory directory     655,360    its first 6,000 entries or so, when it begins before the tail
    manifest      131,121    its local header, whose extra field has up to 65,535 bytes, and its data

Format: PKWARE APPNOTE 6.3.10 (4.3.6 to 4.3.16, 4.5.3). Manifest: JAR File Specification, and where that is
silent java.util.jar.Attributes of JDK 17 and 25, with which a test compares it.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from typing import NoReturn, Protocol

from twinslot.shared.quoting import quoted

TAIL_BYTES = 131_072
DIRECTORY_BYTES = 655_360
MAX_MANIFEST_BYTES = 65_536
"""The bytes of a manifest, packed and unpacked, that are read. The main section comes first; what follows
is a section for each signed file."""
MAX_CLAIMED_BYTES = 16_000_000
"""The largest manifest that Java reads (jdk.jar.maxSignatureFileSize)."""
MAX_EXTRA_BYTES = 65_535
MAX_LINE_BYTES = 512
"""The longest line, with its end, that Java reads."""
MANIFEST = b"META-INF/MANIFEST.MF"

END = struct.Struct("<4s4H2LH")
END_64_LOCATOR = struct.Struct("<4sLQL")
END_64 = struct.Struct("<4sQ2H2L4Q")
ENTRY = struct.Struct("<4s6H3L5H2L")
LOCAL = struct.Struct("<4s5H3L2H")
STORED, DEFLATED = 0, 8
ENCRYPTED = 0x1
SIXTEEN_BITS, THIRTY_TWO_BITS = 0xFFFF, 0xFFFFFFFF
LINE_END = re.compile(rb"\r\n|\r|\n")
ATTRIBUTE = re.compile(rb"([A-Za-z0-9_-]{1,70}): (.*)", re.S)

RUNNABLE = "upload the runnable jar that `mvn package` or `gradle bootJar` makes"


class NoManifest(Exception):
    """Java cannot run this file. The text is a sentence that names the reason and what to do."""


class Source(Protocol):
    """An object of unknown size that can be read in parts; every call is one request."""

    def tail(self, length: int) -> tuple[bytes, int]:
        """Return the last `length` bytes, fewer when the object is smaller, and the size of the object."""

    def read(self, start: int, length: int) -> bytes:
        """Return exactly these bytes."""


class Window:
    """An object as far as it has been read, and the one place that reads more of it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.tail, self.size = source.tail(TAIL_BYTES)
        self.tail_start = self.size - len(self.tail)

    def read(self, start: int, length: int) -> bytes:
        """Return these bytes; fewer when the object ends before."""
        length = min(length, self.size - start)
        if start >= self.tail_start:
            return self.tail[start - self.tail_start :][:length]
        return self.source.read(start, length)


@dataclass(frozen=True)
class _Directory:
    """The central directory's place. `shift` is the size of a start script before the archive."""

    start: int
    size: int
    shift: int


@dataclass(frozen=True)
class _Entry:
    """The manifest's entry in the central directory."""

    flags: int
    method: int
    checksum: int
    packed: int
    unpacked: int
    start: int


def main_attributes(window: Window) -> dict[str, str]:
    """Return the attributes in the main section of a jar's manifest, their names in lower case.

    Raises NoManifest when the file is no jar or Java rejects its manifest.
    """
    if window.size == 0:
        raise NoManifest(f"the file is empty (0 bytes); {RUNNABLE}")
    directory = _directory(window)
    entry = _find_manifest(window, directory)
    return parse(_unpack(window, directory, entry), is_whole=entry.unpacked <= MAX_MANIFEST_BYTES)


def parse(manifest: bytes, is_whole: bool = True) -> dict[str, str]:
    """Return the attributes in the main section of a manifest, their names in lower case.

    A line that begins with a space continues the value before, even within a character: Java's tools write
    lines of at most 72 bytes. The section ends at the first empty line; what follows is not read. Of a
    name that comes twice the last value counts. Raises NoManifest for a line that Java rejects, and when
    the section does not end in the beginning of a manifest (`is_whole` is false).
    """
    attributes: list[tuple[str, bytearray]] = []
    start = 0
    for end in LINE_END.finditer(manifest):
        line = manifest[start : end.start()]
        size, start = end.end() - start, end.end()
        if not line:
            break
        found = ATTRIBUTE.fullmatch(line)
        if size > MAX_LINE_BYTES:
            _refuse_line(line, f"is longer than {MAX_LINE_BYTES} bytes")
        if found:
            attributes.append((found[1].decode().lower(), bytearray(found[2])))
        elif line.startswith(b" ") and attributes:
            attributes[-1][1].extend(line[1:])
        else:
            _refuse_line(line, "is not `Name: value`, with one space after the colon")
    else:
        if not is_whole:
            raise NoManifest(
                f"the main section of its manifest has more than {MAX_MANIFEST_BYTES} bytes; {RUNNABLE}"
            )
        if manifest.startswith(b" ", start):  # Java drops a last line without an end, and what it continues
            del attributes[-1:]
    return {name: value.decode("utf-8", "replace") for name, value in attributes}


def _directory(window: Window) -> _Directory:
    """Return the central directory's place, by the end record, or by that of zip64 when there is one."""
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
    """Return where in the tail the end record begins: the last one whose comment ends with the file."""
    at = len(tail)
    while (at := tail.rfind(b"PK\5\6", 0, at)) >= 0:
        if at + END.size <= len(tail):
            comment = END.unpack_from(tail, at)[-1]
            if at + END.size + comment == len(tail):
                return at
    return None


def _find_manifest(window: Window, directory: _Directory) -> _Entry:
    """Return the manifest's entry. Java's tools write it first; here it must be in the part that is read."""
    records = window.read(directory.start, min(directory.size, DIRECTORY_BYTES))
    found = None
    at = 0
    while at + ENTRY.size <= len(records):
        entry = ENTRY.unpack_from(records, at)
        signature, flags, method, checksum = entry[0], entry[3], entry[4], entry[7]
        if signature != b"PK\1\2":
            _refuse_damaged(f"its directory contains something else than an entry at {at} bytes")
        packed, unpacked, name_size, extra_size, comment_size = entry[8:13]
        name = records[at + ENTRY.size :][:name_size] if name_size == len(MANIFEST) else b""
        if name.upper() == MANIFEST:
            if found:
                _refuse_damaged("it has two manifests")
            extra = records[at + ENTRY.size + name_size :][:extra_size]
            unpacked, packed, start = _sizes(extra, unpacked, packed, entry[16])
            found = _Entry(flags, method, checksum, packed, unpacked, start + directory.shift)
        at += ENTRY.size + name_size + extra_size + comment_size
    if not found:
        _refuse_without_manifest_in(directory, records, at)
    return found


def _sizes(extra: bytes, *fields: int) -> tuple[int, ...]:
    """Return the fields of a directory entry, from its zip64 extra field where 32 bits are not enough."""
    wide = [place for place, value in enumerate(fields) if value == THIRTY_TWO_BITS]
    values = list(fields)
    at = 0
    while wide and at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            if min(size, len(extra) - at - 4) < 8 * len(wide):
                break
            for place, value in zip(wide, struct.unpack_from(f"<{len(wide)}Q", extra, at + 4)):
                values[place] = value
            return tuple(values)
        at += 4 + size
    if wide:
        _refuse_damaged("the zip64 sizes of its manifest are missing")
    return tuple(values)


def _unpack(window: Window, directory: _Directory, entry: _Entry) -> bytes:
    """Return the manifest, checked by its checksum; of a large one the beginning, unchecked."""
    if max(entry.packed, entry.unpacked) > MAX_CLAIMED_BYTES:
        raise NoManifest(
            f"its manifest claims {entry.unpacked} bytes ({entry.packed} packed), and Java reads at most"
            f" {MAX_CLAIMED_BYTES}; {RUNNABLE}"
        )
    if entry.flags & ENCRYPTED:
        raise NoManifest(f"its manifest is encrypted, which Java cannot read; {RUNNABLE}")
    if entry.start + LOCAL.size > directory.start:
        _refuse_damaged(f"its manifest at {entry.start} overlaps its directory")
    wanted = min(entry.packed, MAX_MANIFEST_BYTES)
    longest = LOCAL.size + len(MANIFEST) + MAX_EXTRA_BYTES + wanted
    record = window.read(entry.start, min(longest, directory.start - entry.start))
    header = LOCAL.unpack_from(record)
    name_size, extra_size = header[-2:]
    start = LOCAL.size + name_size + extra_size
    packed = record[start : start + wanted]
    if header[0] != b"PK\3\4" or record[LOCAL.size :][:name_size].upper() != MANIFEST:
        _refuse_damaged(f"at {entry.start}, where its manifest should begin, is something else")
    if len(packed) != wanted or entry.start + start + entry.packed > directory.start:
        _refuse_damaged("its manifest ends outside of the archive")
    unpacked = _inflate(entry.method, packed)
    if entry.unpacked > MAX_MANIFEST_BYTES:
        return unpacked[:MAX_MANIFEST_BYTES]
    if len(unpacked) != entry.unpacked or zlib.crc32(unpacked) != entry.checksum:
        _refuse_damaged("its manifest is not what its directory promises (size or checksum)")
    return unpacked


def _inflate(method: int, packed: bytes) -> bytes:
    """Return at most one byte more than MAX_MANIFEST_BYTES, which is enough to see that there is too much."""
    if method == STORED:
        return packed
    if method != DEFLATED:
        _refuse_damaged(f"its manifest is packed by method {method}, which Java does not know")
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, MAX_MANIFEST_BYTES + 1)
    except zlib.error:
        _refuse_damaged("its manifest cannot be unpacked")


def _refuse_line(line: bytes, why: str) -> NoReturn:
    shown = quoted(line.decode("utf-8", "replace"), 72)
    raise NoManifest(f"Java rejects its manifest, in which the line {shown} {why}; {RUNNABLE}")


def _refuse_without_end(window: Window) -> NoReturn:
    beginning = window.read(0, 4)
    if beginning == b"PK\3\4":
        raise NoManifest(
            f"the file begins as a jar but its end is missing after {window.size} bytes: the upload was cut"
            " short; upload it again"
        )
    shown = quoted(beginning.decode("latin-1"))
    raise NoManifest(f"the file is not a jar: it begins with {shown} and is no zip archive; {RUNNABLE}")


def _refuse_without_manifest() -> NoReturn:
    raise NoManifest(
        f"the file is a zip archive without META-INF/MANIFEST.MF, so Java cannot run it; {RUNNABLE}"
    )


def _refuse_without_manifest_in(directory: _Directory, records: bytes, end: int) -> NoReturn:
    """`end` is where the last whole entry in `records` ends."""
    if directory.size > len(records):
        raise NoManifest(
            f"META-INF/MANIFEST.MF is not in the first {len(records)} bytes of the archive's directory of"
            f" {directory.size} bytes; build it with `jar`, Maven or Gradle, which put the manifest first"
        )
    if end != len(records):
        _refuse_damaged("its directory ends within an entry")
    _refuse_without_manifest()


def _refuse_damaged(how: str) -> NoReturn:
    raise NoManifest(f"the jar is damaged: {how}; build and upload it again")
