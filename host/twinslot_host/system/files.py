"""Files that are written atomically and durably."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from typing import Any

BALLAST = "ballast"
BALLAST_FILES = 8
BALLAST_BYTES = 4096


def read_text(path: str) -> str | None:
    """Return the content of a file, None when it does not exist."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def has_text(path: str, text: str) -> bool:
    """Return whether a file has exactly this text; what is there need not be UTF-8."""
    try:
        with open(path, "rb") as file:
            return file.read() == text.encode()
    except FileNotFoundError:
        return False


def read_json(path: str) -> Any:
    """Return the JSON in a file, None when there is no file or no JSON in it."""
    try:
        return json.loads(read_text(path) or "null")
    except (ValueError, RecursionError):
        return None


def read_object(path: str) -> dict[str, Any] | None:
    """Return the JSON object in a file, None when there is no file or no object in it."""
    value = read_json(path)
    return value if isinstance(value, dict) else None


def sync_directory(path: str) -> None:
    """Write a directory's entries to the disk: a rename alone can be lost in a power failure."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_file(path: str, text: str, mode: int = 0o644, group: int = -1) -> bool:
    """Write a file atomically, with its folder. Returns False when it already had this text.

    On a full disk a file of the ballast is removed first. Raises OSError when there is none left.
    """
    if has_text(path, text):
        return False
    folder, name = os.path.split(path)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    temporary = f"{folder}/.{name}.new"
    while True:
        try:
            remove(temporary)
            write_new(temporary, text, mode, group)
            os.rename(temporary, path)
            break
        except OSError as error:
            with contextlib.suppress(OSError):
                remove(temporary)
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not drop_ballast(folder):
                raise
    sync_directory(folder)
    return True


def write_new(path: str, text: str, mode: int, group: int) -> None:
    """Write a file that must not exist, and flush it to the disk."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        os.fchown(file.fileno(), -1, group)
        os.fchmod(file.fileno(), mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def write_ballast(folder: str) -> None:
    """Write files that only reserve space: on a full disk they make room for what a rollback writes."""
    for number in range(BALLAST_FILES):
        write_file(f"{folder}/{BALLAST}/{number}", "." * BALLAST_BYTES, 0o600)


def drop_ballast(folder: str) -> bool:
    """Remove one file of the ballast in the folder or above it. Returns False when there is none left."""
    while True:
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(f"{folder}/{BALLAST}"):
                os.unlink(f"{folder}/{BALLAST}/{name}")
                return True
        if folder == os.path.dirname(folder):
            return False
        folder = os.path.dirname(folder)


def point_link(path: str, target: str) -> None:
    """Point a symbolic link to the target, atomically."""
    if not os.path.islink(path) or os.readlink(path) != target:
        remove(path + ".new")
        os.symlink(target, path + ".new")
        os.rename(path + ".new", path)
        sync_directory(os.path.dirname(path))


def remove(path: str) -> bool:
    """Remove a file durably. Returns False when there was none."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    sync_directory(os.path.dirname(path))
    return True
