"""The releases on this host's disk: written atomically, the old ones removed."""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import os
import shutil

from twinslot.shared.constants import PORTS, VERSION

from twinslot_host.aws.s3 import open_object
from twinslot_host.command.context import Command, log_step
from twinslot_host.command.request import Release
from twinslot_host.slot.state import read_content, unreadable
from twinslot_host.system.errors import StepFailed, Transient
from twinslot_host.system.files import read_object, sync_directory, write_file
from twinslot_host.system.paths import Paths

RELEASES_KEPT = 5
SOURCES_KEPT = 20
SPARE_BYTES = 64 * 1024 * 1024  # that a download must leave free on the disk


def copy_object(command: Command, path: str) -> str:
    """Download the release into a new file and return its sha-256.

    Raises Transient, or StepFailed: wrong size.
    """
    release = command.release
    connection, response = open_object(release)
    digest, count = hashlib.sha256(), 0
    buffer = bytearray(1024 * 1024)
    view = memoryview(buffer)
    try:
        with open(path, "wb") as file:
            while count <= release.size:
                command.check_fence()
                try:
                    got = response.readinto(buffer)
                except (OSError, http.client.HTTPException) as error:
                    raise Transient(
                        f"S3 closed the connection after {count} of {release.size} bytes: {error}"
                    ) from error
                if not got:
                    break
                count += got
                digest.update(view[:got])
                file.write(view[:got])
            os.fchmod(file.fileno(), 0o644)
            file.flush()
            os.fsync(file.fileno())
    finally:
        connection.close()
    announced = response.headers.get("Content-Length", "")
    if count < release.size and announced == str(release.size):
        raise Transient(f"S3 closed the connection after {count} of {release.size} bytes")
    if count != release.size:
        raise StepFailed(
            f"{release.key} has {announced or count} bytes and not {release.size}, which S3 reported before"
        )
    return digest.hexdigest()


def release_folders(paths: Paths) -> list[str]:
    """Return the folders of the releases on this host."""
    if not os.path.isdir(paths.releases):
        return []
    return [f"{paths.releases}/{name}" for name in os.listdir(paths.releases) if not name.startswith(".")]


def find_release(paths: Paths, release: Release) -> str | None:
    """Return the sha-256 of this release if it is on this host."""
    for folder in release_folders(paths):
        sha256, sources = read_record(folder)
        if sha256 and (sha256 == release.sha256 or release.source in sources):
            return sha256
    return None


def read_record(folder: str) -> tuple[str | None, list[list[str]]]:
    """Return the sha-256 of the release in a folder and its sources in S3; None: its record is unreadable."""
    about = read_object(folder + "/release.json") or {}
    sha256, sources = about.get("sha256"), about.get("sources")
    if not isinstance(sha256, str) or not isinstance(sources, list):
        return None, []
    return sha256, sources


def store_release(command: Command) -> str:
    """Put the release on this host's disk, if it is not there, and return its sha-256.

    It appears by one rename, complete and flushed. Raises StepFailed: no space, or other bytes than uploaded.
    """
    paths, release = command.paths, command.release
    incoming = paths.releases + "/.incoming"
    shutil.rmtree(incoming, ignore_errors=True)
    sha256 = find_release(paths, release)
    if sha256 is None:
        free = shutil.disk_usage(paths.releases).free
        if free < release.size + SPARE_BYTES:
            raise StepFailed(
                f"{paths.releases} has {free} bytes free, and {release.key} needs {release.size}: free some"
            )
        os.makedirs(incoming, mode=0o755)
        try:
            sha256 = download(command, incoming + "/app.jar")
            if not os.path.isdir(paths.release(sha256)):
                record_source(incoming, sha256, release)
                sync_directory(incoming)
                os.rename(incoming, paths.release(sha256))
                sync_directory(paths.releases)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise StepFailed(
                f"the disk of {paths.releases} is full: {release.key} needs {release.size} bytes"
            ) from error
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
        log_step("placed the release")
    command.sha256 = sha256
    if release.sha256 not in (None, sha256):
        raise StepFailed(
            f"{release.key} has the sha-256 {sha256} and not {release.sha256}: it is not what was uploaded"
        )
    record_source(paths.release(sha256), sha256, release)
    os.utime(paths.release(sha256))
    return sha256


def download(command: Command, path: str) -> str:
    """Download the release, with retries.

    Raises StepFailed when its bytes are not those that were uploaded.
    """
    with command.timed("download"):
        sha256 = command.with_retries(lambda: copy_object(command, path))
    wanted = command.release.sha256
    if wanted not in (None, sha256):
        raise StepFailed(
            f"{command.release.key} has the sha-256 {sha256} and not {wanted}: it is not what was uploaded"
        )
    return sha256


def record_source(folder: str, sha256: str, release: Release) -> None:
    """Record the source of a release: the same bytes may have been uploaded more than once."""
    recorded, sources = read_record(folder)
    if recorded not in (None, sha256):
        raise StepFailed(f"{folder} holds the release {recorded}, whose name collides with {sha256}")
    others = [source for source in sources if source != release.source]
    about = {
        "sha256": sha256,
        "sources": [*others[1 - SOURCES_KEPT :], release.source],
        "written_by": VERSION,
    }
    write_file(folder + "/release.json", json.dumps(about))


def prune(paths: Paths, *needed: str) -> None:
    """Remove releases beyond the newest RELEASES_KEPT, never one that a slot holds or that is `needed`.

    While a slot's file is unreadable nothing is removed: the slot may hold any of them.
    """
    if unreadable(paths):
        return
    kept = {paths.release(sha256) for sha256 in needed}
    kept |= {
        paths.release(content.sha256) for content in (read_content(paths, slot) for slot in PORTS) if content
    }
    folders = sorted(release_folders(paths), key=os.path.getmtime, reverse=True)
    for folder in folders[RELEASES_KEPT:]:
        if folder not in kept:
            discarded = paths.releases + "/.incoming"
            shutil.rmtree(discarded, ignore_errors=True)
            os.rename(folder, discarded)
            shutil.rmtree(discarded, ignore_errors=True)
            log_step("pruned a release")
