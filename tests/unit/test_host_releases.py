"""Releases on a host: they appear whole or not at all, and old ones go. S3 is a small server here."""

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from twinslot.shared.settings_schema import Settings
from twinslot_host.command.context import Command
from twinslot_host.command.fence import raise_fence
from twinslot_host.command.request import Release, Request
from twinslot_host.slot import releases
from twinslot_host.slot.releases import find_release, prune, store_release
from twinslot_host.slot.state import SlotContent, write_content
from twinslot_host.system.errors import NotExecuted, StepFailed
from twinslot_host.system.paths import Paths

from tests.host.bucket import Bucket

CONTENT = os.urandom(3 * 1024 * 1024 + 5)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    server = Bucket()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url)
    monkeypatch.setenv("AWS_SSM_REGION_NAME", "eu-central-1")
    yield server
    server.close()


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths("shop", str(tmp_path))
    os.makedirs(found.releases)
    return found


def release(bucket: Bucket, tmp_path: Path, content: bytes = CONTENT, **changes: object) -> Release:
    jar = tmp_path / "shop-1.0.jar"
    jar.write_bytes(content)
    return Release(**{**bucket.put(jar), **changes})  # type: ignore[arg-type]


def command(paths: Paths, wanted: Release, fence: int = 0) -> Command:
    return Command(Request("stage", "shop", "stage", "D", fence, wanted), paths)


def litter(paths: Paths) -> list[str]:
    return [name for name in os.listdir(paths.releases) if name.startswith(".")]


def test_a_release_is_fetched_once_and_known_by_its_version(
    bucket: Bucket, paths: Paths, tmp_path: Path
) -> None:
    wanted = release(bucket, tmp_path, sha256=None)
    assert find_release(paths, wanted) is None
    sha256 = store_release(command(paths, wanted))
    assert sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert Path(paths.release(sha256), "app.jar").read_bytes() == CONTENT
    asked = len(bucket.requests)
    assert store_release(command(paths, wanted)) == sha256 == find_release(paths, wanted)
    assert len(bucket.requests) == asked


def test_the_same_bytes_uploaded_again_are_the_same_release(
    bucket: Bucket, paths: Paths, tmp_path: Path
) -> None:
    first = release(bucket, tmp_path, sha256=None)
    second = release(bucket, tmp_path, sha256=None)
    assert first.version != second.version
    assert (
        store_release(command(paths, first))
        == store_release(command(paths, second))
        == find_release(paths, first)
    )
    assert len(os.listdir(paths.releases)) == 1


@pytest.mark.parametrize("fault", [503, 429, "cut"])
def test_a_passing_fault_of_s3_is_tried_again(
    bucket: Bucket, paths: Paths, tmp_path: Path, fault: int | str
) -> None:
    bucket.faults = [fault]
    assert store_release(command(paths, release(bucket, tmp_path)))
    assert litter(paths) == []


def test_a_lasting_fault_of_s3_is_reported(
    bucket: Bucket, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Command, "pause", lambda *_: None)
    bucket.faults = [503] * 9
    with pytest.raises(StepFailed, match="S3 answered 503 SlowDown"):
        store_release(command(paths, release(bucket, tmp_path)))
    assert os.listdir(paths.releases) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sha256": "0" * 64}, "not what was uploaded"),
        ({"size": 7}, "not 7"),
        ({"size": len(CONTENT) + 1}, f"has {len(CONTENT)} bytes"),
        ({"version": "gone"}, "404 NoSuchVersion"),
    ],
)
def test_another_object_than_the_controller_saw_is_refused_and_leaves_nothing(
    bucket: Bucket, paths: Paths, tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(StepFailed, match=reason):
        store_release(command(paths, release(bucket, tmp_path, **changes)))
    assert os.listdir(paths.releases) == []


def test_a_full_disk_is_found_before_the_download(bucket: Bucket, paths: Paths, tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="bytes free"):
        store_release(command(paths, release(bucket, tmp_path, size=1024**4)))
    assert bucket.requests == []


def test_a_disk_that_fills_up_meanwhile_leaves_nothing(
    bucket: Bucket, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(releases.os, "fsync", full)
    with pytest.raises(StepFailed, match="is full"):
        store_release(command(paths, release(bucket, tmp_path)))
    assert os.listdir(paths.releases) == []


def test_what_an_earlier_try_left_is_swept_away(bucket: Bucket, paths: Paths, tmp_path: Path) -> None:
    incoming = Path(paths.releases, ".incoming")
    incoming.mkdir()
    (incoming / "app.jar").write_bytes(b"half")
    (incoming / "release.json").write_text("{")
    wanted = release(bucket, tmp_path)
    assert find_release(paths, wanted) is None
    store_release(command(paths, wanted))
    assert litter(paths) == []


def test_a_download_gives_way_to_a_newer_command(bucket: Bucket, paths: Paths, tmp_path: Path) -> None:
    raise_fence(paths, 8)
    with pytest.raises(NotExecuted, match="fence 8 over 7"):
        store_release(command(paths, release(bucket, tmp_path), fence=7))
    assert os.listdir(paths.releases) == []


def test_the_newest_releases_stay_and_those_that_a_slot_holds(
    bucket: Bucket, paths: Paths, tmp_path: Path
) -> None:
    made = []
    for number in range(8):
        made.append(store_release(command(paths, release(bucket, tmp_path, content=bytes([number])))))
        os.utime(paths.release(made[-1]), (number, number))
    write_content(paths, "blue", SlotContent(made[0], "0", [], Settings()))
    prune(paths, made[1])
    left = set(os.listdir(paths.releases))
    assert left == {sha256[:12] for sha256 in (made[0], made[1], *made[3:])}
