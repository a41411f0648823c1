"""What a jar's manifest says of the Java that it was built for. Whoever made the jar wrote it."""

from __future__ import annotations

import contextlib
import re
import struct
import zlib

HEAD_BYTES = 1024 * 1024  # of the jar: a start script may stand before it, and the manifest comes first in it
MANIFEST_BYTES = 65536
LOCAL = struct.Struct("<4s5H3L2H")
HEADER = re.compile(rb"PK\x03\x04.{26}META-INF/MANIFEST\.MF", re.S)
STORED, DEFLATED = 0, 8
# By what of it tools tell the version. The first is what Maven and Spring Boot's plugin for Gradle write.
ATTRIBUTES = (b"build-jdk-spec", b"java-version", b"build-jdk")
VERSION = re.compile(rb"(?:1\.)?([0-9]{1,3})(?![0-9])")


def built_for(path: str) -> int | None:
    """The version of Java that a jar was built for, such as 8 or 21. None: its manifest says nothing of it,
    or is not where Java's own tools put it."""
    with open(path, "rb") as file:
        return version_in(unpack(file.read(HEAD_BYTES)))


def unpack(head: bytes) -> bytes:
    """The manifest in the beginning of a jar; empty when it is not there, or is no manifest."""
    found = HEADER.search(head)
    if not found:
        return b""
    *_, method, _, _, _, _, unpacked, name_size, extra_size = LOCAL.unpack_from(head, found.start())
    data = head[found.start() + LOCAL.size + name_size + extra_size :]
    if method == STORED:
        return data[: min(unpacked, MANIFEST_BYTES)]
    if method == DEFLATED:
        with contextlib.suppress(zlib.error):
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, MANIFEST_BYTES)
    return b""


def version_in(manifest: bytes) -> int | None:
    """The version that the manifest's main section, which ends at the first empty line, tells."""
    main = re.split(rb"\r\n\r\n|\n\n|\r\r", manifest, maxsplit=1)[0]
    said = {}
    for line in re.sub(rb"(\r\n|\r|\n) ", b"", main).splitlines():
        name, _, value = line.partition(b":")
        said[name.strip().lower()] = VERSION.match(value.strip())
    found = next(filter(None, map(said.get, ATTRIBUTES)), None)
    return int(found[1]) if found else None
