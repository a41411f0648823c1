"""Files of a host's program on a disk that is full."""

import errno
import os
from pathlib import Path

import pytest
from twinslot_host.system import files
from twinslot_host.system.files import drop_ballast, write_ballast, write_file


class Disk:
    """A disk on which nothing new fits while it holds as many files as it does now."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.most = self.files()
        self.write_new = files.write_new
        monkeypatch.setattr(files, "write_new", self.write)

    def files(self) -> int:
        return sum(len(names) for _, _, names in os.walk(self.folder))

    def write(self, path: str, text: str, mode: int, group: int) -> None:
        if self.files() >= self.most:
            raise OSError(errno.ENOSPC, "No space left on device", path)
        self.write_new(path, text, mode, group)


def test_a_full_disk_takes_what_is_needed_to_go_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ballast(str(tmp_path))
    disk = Disk(tmp_path, monkeypatch)
    for number in range(20):
        write_file(f"{tmp_path}/fence", str(number))
        write_file(f"{tmp_path}/live/green", str(number))
    assert (tmp_path / "fence").read_text() == "19"
    assert disk.files() <= disk.most


def test_without_ballast_a_full_disk_is_an_error_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fence").write_text("1")
    Disk(tmp_path, monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        write_file(f"{tmp_path}/fence", "2")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"fence": "1"}


def test_ballast_that_was_dropped_is_laid_again(tmp_path: Path) -> None:
    write_ballast(str(tmp_path))
    assert drop_ballast(str(tmp_path / "live"))
    write_ballast(str(tmp_path))
    assert len(list((tmp_path / "ballast").iterdir())) == files.BALLAST_FILES


def test_another_error_drops_no_ballast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ballast(str(tmp_path))

    def refuse(path: str, text: str, mode: int, group: int) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(files, "write_new", refuse)
    with pytest.raises(PermissionError):
        write_file(f"{tmp_path}/fence", "2")
    assert len(list((tmp_path / "ballast").iterdir())) == files.BALLAST_FILES
