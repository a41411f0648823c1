"""Fills the small filesystem of a path to the last byte and the last inode; refuses a large one.

fill.py PATH             fills it
fill.py --free MOUNT...  removes what filled it
"""

import contextlib
import os
import sys

MAX_BYTES = 256 * 1024 * 1024
FILLER = ".chaos-filler"


def mount_of(path: str) -> str:
    """Return the mount point of the path's filesystem."""
    path = os.path.realpath(path)
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


def fill(path: str) -> None:
    """Leave no byte and no inode free on the path's filesystem. Exits when it is a large one."""
    place = mount_of(path)
    state = os.statvfs(place)
    if state.f_frsize * state.f_blocks > MAX_BYTES:
        sys.exit(f"{place} is not one of the chaos suite's small filesystems: nothing was changed")
    with contextlib.suppress(OSError), open(f"{place}/{FILLER}", "wb", buffering=0) as file:
        while file.write(bytes(65536)):
            pass
    with contextlib.suppress(OSError):
        os.mkdir(f"{place}/{FILLER}s")
    with contextlib.suppress(OSError):
        for number in range(100_000):
            os.close(os.open(f"{place}/{FILLER}s/{number}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))


def free(place: str) -> None:
    """Remove what `fill` wrote, if anything."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(f"{place}/{FILLER}s"):
            os.unlink(f"{place}/{FILLER}s/{name}")
        os.rmdir(f"{place}/{FILLER}s")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{place}/{FILLER}")


if sys.argv[1] == "--free":
    for mount in sys.argv[2:]:
        free(mount)
else:
    fill(sys.argv[1])
