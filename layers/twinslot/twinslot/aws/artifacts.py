"""S3: reads one version of one object by ranges. The only module that uses S3."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from twinslot.aws.calling import calling, code
from twinslot.domain.model import Release
from twinslot.errors import GiveUp, NotAJar, TryAgain
from twinslot.intake import jar
from twinslot.intake.sanitize import sanitize
from twinslot.intake.upload import MAX_BY_CHARACTERS, Upload

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
GONE = ("NoSuchKey", "NoSuchVersion", "MethodNotAllowed", "404")
"""S3 responds with MethodNotAllowed when the version is a delete marker."""


class ArtifactGone(GiveUp):
    """The object or this version of it was deleted after the upload."""


class ArtifactUnreadable(GiveUp):
    """This function has no permission to read the object."""


@dataclass(frozen=True)
class Artifact:
    """One version of one object, as a `jar.Source`; every call is one GET.

    The version id pins the bytes, not a checksum: S3's response to a ranged GET has none, or that of one part
    of a multipart upload.
    """

    s3: S3Client
    bucket: str
    key: str
    version: str
    metadata: dict[str, str] = field(default_factory=dict)
    """The object's metadata, known once anything was read."""

    def tail(self, length: int) -> tuple[bytes, int]:
        """Return the last `length` bytes and the size of the object.

        Raises ArtifactGone, ArtifactUnreadable, and TryAgain.
        """
        try:
            answer, body = self._get(f"bytes=-{length}")
        except _EmptyError:
            return b"", 0
        match = CONTENT_RANGE.fullmatch(answer.get("ContentRange", ""))
        if not match:
            # A server may respond with the whole object instead of a range.
            return body, len(body)
        size = int(match[3])
        self._check(len(body), min(length, size))
        return body, size

    def read(self, start: int, length: int) -> bytes:
        """Return these bytes. Raises as `tail` does."""
        _, body = self._get(f"bytes={start}-{start + length - 1}")
        self._check(len(body), length)
        return body

    def _get(self, wanted: str) -> tuple[GetObjectOutputTypeDef, bytes]:
        doing = f"reading {wanted} of s3://{self.bucket}/{self.key} version {self.version}"
        with calling(doing, ArtifactUnreadable):
            try:
                answer = self.s3.get_object(
                    Bucket=self.bucket, Key=self.key, VersionId=self.version, Range=wanted
                )
                self.metadata.update(answer.get("Metadata", {}))
                return answer, answer["Body"].read()
            except ClientError as error:
                if code(error) == "InvalidRange":
                    raise _EmptyError from error
                if code(error) in GONE:
                    raise ArtifactGone(f"{doing}: it was deleted meanwhile; upload it again") from error
                raise

    def _check(self, got: int, wanted: int) -> None:
        if got != wanted:
            raise TryAgain(f"reading s3://{self.bucket}/{self.key}: S3 sent {got} of {wanted} bytes")


class _EmptyError(Exception):
    """The object has 0 bytes, so that no range is valid."""


class Artifacts:
    """The jars in the artifact bucket."""

    def __init__(self, s3: S3Client) -> None:
        self._s3 = s3

    def inspect(self, upload: Upload) -> tuple[Release, str]:
        """Return the release of an upload and who uploaded it, after at most 3 GETs.

        S3's event has only the account. The object's metadata `by`, where it exists, is a claim of the
        uploader that is not verified: `twinslot deploy` sets it to the name of the credentials.

        Raises NotAJar with the uploader in `by`, ArtifactGone, ArtifactUnreadable, and TryAgain.
        """
        artifact = Artifact(self._s3, upload.bucket, upload.key, upload.version)
        try:
            found = jar.inspect(artifact, upload.key)
        except NotAJar as error:
            error.by = _uploader(artifact, upload)
            raise
        release = Release(upload.bucket, upload.key, upload.version, found.size, found.label, found.sha256)
        return release, _uploader(artifact, upload)


def _uploader(artifact: Artifact, upload: Upload) -> str:
    return sanitize(artifact.metadata.get("by", ""), MAX_BY_CHARACTERS).strip() or upload.by
