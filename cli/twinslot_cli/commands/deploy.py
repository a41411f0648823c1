"""`twinslot deploy`: inspect a jar, upload it, and follow its deployment to the outcome."""

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
from twinslot.domain.deployment_id import deployment_id, is_same_request
from twinslot.domain.model import Outcome
from twinslot.errors import NotAJar
from twinslot.intake import jar
from twinslot.intake.upload import owner

from twinslot_cli.aws.errors import CannotWork, NotLive, explain
from twinslot_cli.aws.stack import Stack, validate_app
from twinslot_cli.output.terminal import Terminal, styled
from twinslot_cli.output.watch import DeploymentWatcher, follow, outcome_json, outcome_rows

MAX_JAR_BYTES = 5 * 1024**3
"""S3 accepts more, but no service's jar is larger."""

PART_BYTES = 8 * 1024**2
"""A part of a multipart upload; S3's minimum is 5 MiB, except for the last part."""

FIGURE_COLUMNS = 40
"""At most so many columns are needed for the figures beside the progress bar."""


@dataclass(frozen=True)
class File:
    """An open file that implements `jar.Source`."""

    file: BinaryIO
    size: int

    def tail(self, length: int) -> tuple[bytes, int]:
        """Return the last `length` bytes, and the size."""
        start = max(0, self.size - length)
        return self.read(start, self.size - start), self.size

    def read(self, start: int, length: int) -> bytes:
        """Return `length` bytes from `start`."""
        self.file.seek(start)
        return self.file.read(length)


def deploy(stack: Stack, terminal: Terminal, path: Path, app: str) -> int:
    """Upload the jar to the app's folder and follow its deployment; return 0 when it is live, else 1.

    Raises CannotWork before anything was uploaded, NotLive, and KeyboardInterrupt.
    """
    key = _key(path, validate_app(app))
    label = inspect(path, key).label
    bucket = stack.output("ArtifactBucket")
    version = upload(stack, terminal, path, bucket, key)
    identity = deployment_id(0, bucket, key, version)
    watcher = DeploymentWatcher(stack.store, app, lambda id: is_same_request(id, identity))
    try:
        snapshot = follow(watcher, terminal, f"{app} {label}")
    except KeyboardInterrupt:
        terminal.print(
            f"The deployment of {app} {label} continues. To see its state: twinslot status {app};"
            f" to see its outcome: twinslot history {app}"
        )
        if terminal.json:
            terminal.print_json(outcome_json(watcher.last_look()))
        raise
    for row in outcome_rows(snapshot):
        terminal.print(row)
    terminal.print_json(outcome_json(snapshot))
    return 0 if snapshot.deployment and snapshot.deployment.outcome is Outcome.LIVE else 1


def inspect(path: Path, key: str) -> jar.Jar:
    """Check the jar in a file by the same rules as the stack. Raises CannotWork."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_JAR_BYTES:
                raise CannotWork(f"{path} has {size:,} bytes; the maximum is {MAX_JAR_BYTES:,}")
            return jar.inspect(File(file, size), key)
    except IsADirectoryError as error:
        raise CannotWork(f"{path} is a folder: name the jar in it") from error
    except OSError as error:
        raise CannotWork(f"{path} cannot be read: {error.strerror}") from error
    except NotAJar as error:
        raise CannotWork(f"{path} cannot be deployed: {error}") from error


def upload(stack: Stack, terminal: Terminal, path: Path, bucket: str, key: str) -> str:
    """Upload the file, in parts where it is large, and show the progress; return its version id in S3.

    Raises CannotWork when the upload failed, and KeyboardInterrupt: it was aborted, or had just completed.
    """
    s3 = stack.client("s3")
    completion = _Completion()
    for operation in ("PutObject", "CompleteMultipartUpload"):
        s3.meta.events.register(f"after-call.s3.{operation}", completion)
    config = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES)
    size = path.stat().st_size
    # S3's event names only the account. Metadata is ASCII.
    uploader = {"Metadata": {"by": stack.caller.encode("ascii", "replace").decode()}}
    terminal.print(f"uploading {path.name} ({decimal(size)}) to s3://{bucket}/{key}")
    try:
        with _bar(terminal, path.name, size) as advance, create_transfer_manager(s3, config) as manager:
            subscribers = [_Advance(advance)]
            manager.upload(str(path), bucket, key, extra_args=uploader, subscribers=subscribers).result()
    except KeyboardInterrupt:
        if completion.version:
            terminal.print(
                f"The upload is complete (version {completion.version}): its deployment continues."
            )
        else:
            terminal.print("The upload was aborted: nothing is left in the bucket, and nothing is deployed.")
        raise
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise CannotWork(f"{path} was not uploaded: {explain(error.__cause__ or error)}") from error
    if not completion.version:
        raise NotLive(
            f"s3://{bucket}/{key} was uploaded, but has no version id, because the bucket's versioning is"
            f" off: to see how to enable it, twinslot doctor {key.partition('/')[0]}"
        )
    return completion.version


class _Completion:
    """Keeps the version id, which only S3's response to the completing call contains."""

    def __init__(self) -> None:
        self.version = ""

    def __call__(self, parsed: dict[str, Any], **_: Any) -> None:
        self.version = parsed.get("VersionId", "")


class _Advance(BaseSubscriber):
    """Adds up the bytes sent; the transfer manager calls it from several threads."""

    def __init__(self, advance: Any) -> None:
        self._advance = advance
        self._lock = Lock()

    def on_progress(self, future: Any, bytes_transferred: int, **_: Any) -> None:
        with self._lock:
            self._advance(bytes_transferred)


@contextmanager
def _bar(terminal: Terminal, name: str, size: int) -> Iterator[Any]:
    """Yield a function that takes the number of bytes sent, for a progress bar on a live terminal."""
    if not terminal.is_live:
        yield lambda sent: None
        return
    bar = BarColumn(bar_width=max(4, min(40, terminal.width - FIGURE_COLUMNS)))
    columns = (TextColumn("{task.percentage:>3.0f}%"), bar, DownloadColumn(), TransferSpeedColumn())
    with Progress(
        *columns, console=terminal.console, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as progress:
        task = progress.add_task(styled(name).plain, total=size)
        yield lambda sent: progress.advance(task, sent)


def _key(path: Path, app: str) -> str:
    """Return the jar's key in the bucket. Raises CannotWork for a name that the stack would refuse."""
    key = f"{app}/{path.name}"
    if not key.endswith(".jar"):
        raise CannotWork(
            f"{path} does not end in .jar: name the jar that `mvn package` or `gradle bootJar` built"
        )
    _, problem = owner(key, "")
    if problem:
        raise CannotWork(f"rename {path.name}, whose name becomes the key in the bucket: {problem}")
    return key
