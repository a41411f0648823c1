"""`twinslot deploy`: a jar is judged, uploaded, and its deployment followed to the outcome."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore.exceptions import BotoCoreError, ClientError
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from s3transfer.subscribers import BaseSubscriber
from twinslot.domain.deployment_id import asks_the_same, deployment_id
from twinslot.domain.model import Outcome
from twinslot.errors import NotAJar
from twinslot.intake import jar
from twinslot.intake.upload import owner

from twinslot_cli.aws.errors import CannotWork, NotLive, explained
from twinslot_cli.aws.stack import Stack, named
from twinslot_cli.output.terminal import Terminal, shown
from twinslot_cli.output.watch import DeploymentWatcher, ending, follow, outcome_document

MAX_JAR_BYTES = 5 * 1024**3
"""Bytes. S3 takes more, but what is larger is no service's jar."""

PART_BYTES = 8 * 1024**2
"""A part of a multipart upload; S3 takes none below 5 MiB but the last."""

FIGURES = 40
"""Columns of the figures before and behind the bar of an upload, at most."""


@dataclass(frozen=True)
class File:
    """An open file as a `jar.Source`."""

    file: BinaryIO
    size: int

    def tail(self, length: int) -> tuple[bytes, int]:
        """The last `length` bytes, and the size."""
        start = max(0, self.size - length)
        return self.read(start, self.size - start), self.size

    def read(self, start: int, length: int) -> bytes:
        """These bytes."""
        self.file.seek(start)
        return self.file.read(length)


def deploy(stack: Stack, terminal: Terminal, path: Path, app: str) -> int:
    """Upload the jar to the app's folder and follow what comes of it; 0 when it is live, 1 when it is not.

    Raises CannotWork before anything was uploaded, NotLive, and KeyboardInterrupt when it was broken off.
    """
    app = named(app)
    key = _key(path, app)
    found = judge(path, key)
    bucket = stack.output("ArtifactBucket")
    version = upload(stack, terminal, path, bucket, key)
    identity = deployment_id(0, bucket, key, version)
    followed = DeploymentWatcher(stack.store, app, lambda id: asks_the_same(id, identity))
    try:
        sight = follow(followed, terminal, f"{app} {found.label}")
    except KeyboardInterrupt:
        terminal.say(
            f"The deployment of {app} {found.label} goes on. How it goes: twinslot status {app};"
            f" how it ended: twinslot history {app}"
        )
        if terminal.json:
            terminal.answer(outcome_document(followed.last_look()))
        raise
    for told in ending(sight):
        terminal.say(told)
    terminal.answer(outcome_document(sight))
    return 0 if sight.deployment and sight.deployment.outcome is Outcome.LIVE else 1


def judge(path: Path, key: str) -> jar.Jar:
    """The jar in a file, judged as the stack will judge it. Raises CannotWork."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_JAR_BYTES:
                raise CannotWork(f"{path} has {size:,} bytes, and a jar may have {MAX_JAR_BYTES:,} here")
            return jar.inspect(File(file, size), key)
    except IsADirectoryError as error:
        raise CannotWork(f"{path} is a folder; name the jar in it") from error
    except OSError as error:
        raise CannotWork(f"{path} cannot be read: {error.strerror}") from error
    except NotAJar as error:
        raise CannotWork(f"{path} cannot be deployed: {error}") from error


def upload(stack: Stack, terminal: Terminal, path: Path, bucket: str, key: str) -> str:
    """Put the file into the bucket, in parts where it is large, and show how far it is; its version id.

    Raises CannotWork when it did not arrive, and KeyboardInterrupt: then it was broken off, or had arrived.
    """
    s3 = stack.client("s3")
    arrival = _Arrival()
    for operation in ("PutObject", "CompleteMultipartUpload"):
        s3.meta.events.register(f"after-call.s3.{operation}", arrival)
    config = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES)
    size = path.stat().st_size
    # S3's event tells the account alone; metadata is ASCII.
    uploader = {"Metadata": {"by": stack.caller.encode("ascii", "replace").decode()}}
    terminal.say(f"uploading {path.name} ({decimal(size)}) to s3://{bucket}/{key}")
    try:
        with _bar(terminal, path.name, size) as advance, create_transfer_manager(s3, config) as manager:
            subscribers = [_Advance(advance)]
            manager.upload(str(path), bucket, key, extra_args=uploader, subscribers=subscribers).result()
    except KeyboardInterrupt:
        if arrival.version:
            terminal.say(f"The upload had arrived (version {arrival.version}): its deployment goes on.")
        else:
            terminal.say(
                "The upload was broken off: nothing of it is left in the bucket, nothing is deployed."
            )
        raise
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise CannotWork(f"the jar was not uploaded: {explained(error.__cause__ or error)}") from error
    if not arrival.version:
        raise NotLive(
            f"s3://{bucket}/{key} has no version: versioning of the bucket is off; see `twinslot doctor`"
        )
    return arrival.version


class _Arrival:
    """Hears S3's answer to the call that completes an upload: it alone tells the version."""

    def __init__(self) -> None:
        self.version = ""

    def __call__(self, parsed: dict[str, Any], **_: Any) -> None:
        self.version = parsed.get("VersionId", "")


class _Advance(BaseSubscriber):
    """A subscriber of the transfer: bytes that went out, told by several threads."""

    def __init__(self, advance: Any) -> None:
        self._advance = advance
        self._lock = Lock()

    def on_progress(self, future: Any, bytes_transferred: int, **_: Any) -> None:
        with self._lock:
            self._advance(bytes_transferred)


@contextmanager
def _bar(terminal: Terminal, name: str, size: int) -> Iterator[Any]:
    """A progress bar while the file goes out; nothing where nobody looks."""
    if not terminal.is_alive:
        yield lambda sent: None
        return
    bar = BarColumn(bar_width=max(4, min(40, terminal.width - FIGURES)))
    columns = (TextColumn("{task.percentage:>3.0f}%"), bar, DownloadColumn(), TransferSpeedColumn())
    with Progress(
        *columns, console=terminal.console, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as progress:
        task = progress.add_task(shown(name).plain, total=size)
        yield lambda sent: progress.advance(task, sent)


def _key(path: Path, app: str) -> str:
    """Where the jar goes in the bucket. Raises CannotWork for a name that the stack would refuse."""
    key = f"{app}/{path.name}"
    if not key.endswith(".jar"):
        raise CannotWork(f"{path} is no jar by its name: it does not end in .jar")
    _, problem = owner(key, "")
    if problem:
        raise CannotWork(f"{problem} (the file's name becomes the key)")
    return key
