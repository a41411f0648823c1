"""A jar is read from the very version that the event named; what S3 answers otherwise has a name."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from twinslot.aws.artifacts import Artifact, ArtifactGone, Artifacts, ArtifactUnreadable
from twinslot.domain.model import Release, UploadOrder
from twinslot.errors import NotAJar, TryAgain
from twinslot.intake.upload import MAX_BY_CHARACTERS, Upload

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "artifacts"
KEY = "shop/shop-1.4.2.jar"


def jar(version: str, filling: int = 0) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", f"Main-Class: a.B\nImplementation-Version: {version}\n\n")
        archive.writestr("BOOT-INF/filling", bytes(filling))
    return buffer.getvalue()


@pytest.fixture
def s3(aws: boto3.Session) -> S3Client:
    client = aws.client("s3")
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return client


def uploaded(s3: S3Client, content: bytes, **how: Any) -> Upload:
    version = s3.put_object(Bucket=BUCKET, Key=KEY, Body=content, **how)["VersionId"]
    return Upload("shop", BUCKET, KEY, version, len(content), UploadOrder(KEY, "1", 0.0), "id", "somebody")


def gets(s3: S3Client) -> list[dict[str, Any]]:
    """What is asked of S3 from now on."""
    asked: list[dict[str, Any]] = []
    s3.meta.events.register("provide-client-params.s3.GetObject", lambda params, **_: asked.append(params))
    return asked


def test_the_version_that_the_event_named_is_read_though_there_is_a_newer_one(s3: S3Client) -> None:
    first = uploaded(s3, jar("1.4.2"))
    uploaded(s3, jar("9.9.9"))
    release, _ = Artifacts(s3).inspect(first)
    assert release == Release(BUCKET, KEY, first.version, first.size, "1.4.2", release.sha256)


def test_a_large_jar_costs_two_ranged_gets(s3: S3Client) -> None:
    upload = uploaded(s3, jar("1.4.2", filling=5_000_000))
    asked = gets(s3)
    assert Artifacts(s3).inspect(upload)[0].label == "1.4.2"
    assert [params["VersionId"] for params in asked] == [upload.version] * 2
    assert asked[0]["Range"] == "bytes=-131072"
    assert asked[1]["Range"].startswith("bytes=0-")


def test_a_checksum_of_s3_does_not_stand_in_the_way_of_a_range(s3: S3Client) -> None:
    upload = uploaded(s3, jar("1.4.2", filling=500_000), ChecksumAlgorithm="SHA256")
    assert Artifacts(s3).inspect(upload)[0].sha256 is None


@pytest.mark.parametrize(
    ("metadata", "by"),
    [
        ({"by": "deployer/anna"}, "deployer/anna"),
        ({}, "somebody"),
        ({"by": "  "}, "somebody"),
        ({"by": "anna\tb"}, "anna b"),
        ({"by": "a" * 500}, "a" * (MAX_BY_CHARACTERS - 1) + "…"),
    ],
)
def test_who_uploaded_it_is_whom_the_object_names(s3: S3Client, metadata: dict[str, str], by: str) -> None:
    upload = uploaded(s3, jar("1.4.2"), Metadata=metadata)
    assert Artifacts(s3).inspect(upload)[1] == by


def test_an_empty_object_is_no_jar(s3: S3Client) -> None:
    with pytest.raises(NotAJar, match="empty"):
        Artifacts(s3).inspect(uploaded(s3, b""))


def test_a_deleted_version_is_gone(s3: S3Client) -> None:
    upload = uploaded(s3, jar("1.4.2"))
    s3.delete_object(Bucket=BUCKET, Key=KEY, VersionId=upload.version)
    with pytest.raises(ArtifactGone, match="deleted meanwhile; upload it again"):
        Artifacts(s3).inspect(upload)


class Answering:
    """A client that gives one answer, or fails."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self.answer = answer

    def get_object(self, **_: object) -> dict[str, Any]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("NoSuchKey", ArtifactGone),
        ("NoSuchVersion", ArtifactGone),
        ("MethodNotAllowed", ArtifactGone),
        ("AccessDenied", ArtifactUnreadable),
        ("SlowDown", TryAgain),
        ("InternalError", TryAgain),
    ],
)
def test_a_refusal_of_s3_has_a_name(code: str, expected: type[Exception]) -> None:
    client: Any = Answering(ClientError({"Error": {"Code": code}}, "GetObject"))
    with pytest.raises(expected):
        Artifact(client, BUCKET, KEY, "v").tail(10)


def test_a_response_that_is_too_short_is_retried() -> None:
    client: Any = Answering({"ContentRange": "bytes 90-99/100", "Body": io.BytesIO(b"short")})
    with pytest.raises(TryAgain, match="5 of 10 bytes"):
        Artifact(client, BUCKET, KEY, "v").tail(10)
    with pytest.raises(TryAgain, match="0 of 7 bytes"):
        Artifact(client, BUCKET, KEY, "v").read(0, 7)
