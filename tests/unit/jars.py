"""Jars made byte by byte, true ones and liars, and a source that remembers what was read of them."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

TRUTH: Mapping[str, int] = {}
MAX_READS = 3
MAX_BYTES = 1_000_000
NAME = b"META-INF/MANIFEST.MF"
SPRING = (
    b"Manifest-Version: 1.0\r\nMain-Class: org.springframework.boot.loader.launch.JarLauncher\r\n"
    b"Start-Class: shop.Application\r\nSpring-Boot-Version: 3.5.0\r\nImplementation-Version: 1.4.2\r\n\r\n"
)
LAUNCHER = "org.springframework.boot.loader.launch.JarLauncher"


@dataclass
class Sparse:
    """An object of which only some bytes are kept (the others are zero); remembers what was read of it."""

    size: int
    pieces: dict[int, bytes]
    reads: list[int] = field(default_factory=list)

    def tail(self, length: int) -> tuple[bytes, int]:
        start = max(0, self.size - length)
        return self._read(start, self.size - start), self.size

    def read(self, start: int, length: int) -> bytes:
        assert start >= 0
        assert 0 < length <= self.size - start
        return self._read(start, length)

    def _read(self, start: int, length: int) -> bytes:
        self.reads.append(length)
        assert len(self.reads) <= MAX_READS
        assert sum(self.reads) <= MAX_BYTES
        found = bytearray(length)
        for at, piece in self.pieces.items():
            first, last = max(at, start), min(at + len(piece), start + length)
            if first < last:
                found[first - start : last - start] = piece[first - at : last - at]
        return bytes(found)


def whole(content: bytes) -> Sparse:
    return Sparse(len(content), {0: content})


def entry(name: bytes, data: bytes = b"", lies: Mapping[str, int] = TRUTH, extra: bytes = b"") -> bytes:
    """One entry of a central directory, which tells the truth about `data` but for the `lies`."""
    facts = {
        "flags": 0,
        "method": 0,
        "checksum": zlib.crc32(data),
        "packed": len(data),
        "unpacked": len(data),
    }
    told = {**facts, "start": 0, **lies}
    record = struct.pack(
        "<4s6H3L5H2L",
        *(b"PK\1\2", 20, 20, told["flags"], told["method"], 0, 0, told["checksum"]),
        *(told["packed"], told["unpacked"], len(name), len(extra), 0, 0, 0, 0, told["start"]),
    )
    return record + name + extra


def local(name: bytes, data: bytes, extra: bytes = b"") -> bytes:
    header = struct.pack(
        "<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, zlib.crc32(data), len(data), len(data), len(name), len(extra)
    )
    return header + name + extra + data


def end(entries: int, size: int, offset: int, comment: bytes = b"") -> bytes:
    return struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, entries, entries, size, offset, len(comment)) + comment


def end_64(entries: int, size: int, offset: int) -> bytes:
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, entries, entries, size, offset)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, offset + size, 1)
    return record + locator + end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)


def spread(manifest: bytes, gap: int, others: int = 0, wide: bool = False) -> Sparse:
    """A jar whose manifest is followed by `gap` bytes of other things and a directory of many entries."""
    first = local(NAME, manifest)
    directory = entry(NAME, manifest) + b"".join(
        entry(b"BOOT-INF/lib/library-number-%08d-with-a-long-name.jar" % number) for number in range(others)
    )
    offset = len(first) + gap
    ending = (end_64 if wide else end)(others + 1, len(directory), offset)
    return Sparse(offset + len(directory) + len(ending), {0: first, offset: directory + ending})


def zipped(manifest: bytes, method: int = zipfile.ZIP_DEFLATED, comment: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("META-INF/MANIFEST.MF", manifest)
        archive.writestr("BOOT-INF/classes/shop/Application.class", b"\xca\xfe\xba\xbe" * 100)
        archive.comment = comment
    return buffer.getvalue()
