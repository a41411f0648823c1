"""Files that appear wholly or not at all, and last once they are there."""

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
    """What the file holds, None when there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def read_json(path: str) -> Any:
    """The JSON in the file, None when there is no file."""
    text = read_text(path)
    return None if text is None else json.loads(text)


def sync_directory(path: str) -> None:
    """Makes the names in a directory last: a rename alone may be lost with the power."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_file(path: str, text: str, mode: int = 0o644, group: int = -1) -> bool:
    """Puts the text there in one step, wholly or not at all. False: it was there already."""
    if read_text(path) == text:
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
    """Writes a file that must not exist, down to the disk."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        os.fchown(file.fileno(), -1, group)
        os.fchmod(file.fileno(), mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def lay_ballast(folder: str) -> None:
    """Files that only take room: on a full disk they are dropped for what must be written to go back."""
    for number in range(BALLAST_FILES):
        write_file(f"{folder}/{BALLAST}/{number}", "." * BALLAST_BYTES, 0o600)


def drop_ballast(folder: str) -> bool:
    """Drops a file of the ballast that lies in the folder or above it. False: there is none left."""
    while True:
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(f"{folder}/{BALLAST}"):
                os.unlink(f"{folder}/{BALLAST}/{name}")
                return True
        if folder == os.path.dirname(folder):
            return False
        folder = os.path.dirname(folder)


def point_link(path: str, target: str) -> None:
    """Makes a symbolic link lead to the target in one step; nothing to do where it does."""
    if not os.path.islink(path) or os.readlink(path) != target:
        remove(path + ".new")
        os.symlink(target, path + ".new")
        os.rename(path + ".new", path)
        sync_directory(os.path.dirname(path))


def remove(path: str) -> bool:
    """Removes the file for good. False: there was none."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    sync_directory(os.path.dirname(path))
    return True
