"""A jar on this host's disk, for the manifest reader that host and controller share."""

from __future__ import annotations

import os

from twinslot.shared.manifest import NoManifest, Window, main_attributes


class LocalJar:
    """A jar that can be read in parts."""

    def __init__(self, path: str) -> None:
        self.path = path

    def tail(self, length: int) -> tuple[bytes, int]:
        """Return the last `length` bytes, fewer when the file is smaller, and its size."""
        size = os.path.getsize(self.path)
        start = max(0, size - length)
        return self.read(start, size - start), size

    def read(self, start: int, length: int) -> bytes:
        """Return these bytes."""
        with open(self.path, "rb") as file:
            file.seek(start)
            return file.read(length)


def attributes_of(path: str) -> dict[str, str]:
    """Return the main attributes of a jar's manifest, their names in lower case; none if Java rejects it."""
    try:
        return main_attributes(Window(LocalJar(path)))
    except NoManifest:
        return {}
