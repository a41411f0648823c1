"""The sandbox takes what AWS's own client signs, and nothing that was changed on its way."""

from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lab.sandbox.api import signatures
from lab.sandbox.api.signatures import BadSignature

CREDENTIALS = Credentials("AKIDEXAMPLE", "secret", "token")


def _signed(signer: type[SigV4Auth], service: str, method: str, url: str, body: bytes) -> dict[str, str]:
    request = AWSRequest(method, url, data=body, headers={"Host": urlsplit(url).netloc})
    signer(CREDENTIALS, service, "eu-central-1").add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


def _check(headers: dict[str, str], method: str, url: str, body: bytes, secret: str = "secret") -> None:
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    signatures.check(signatures.parse(headers["authorization"]), secret, method, target, headers, body)


URL = "http://10.0.0.1:4566/jars/shop/a%20b%2B%C3%BC.jar?versionId=abc%2F1&partNumber=2"


def test_what_botocore_signs_for_s3_is_taken() -> None:
    _check(_signed(S3SigV4Auth, "s3", "GET", URL, b""), "GET", URL, b"")


def test_what_botocore_signs_for_other_services_is_taken() -> None:
    url = "http://10.0.0.1:4566/2015-03-31/functions/arn%3Aaws/invocations"

    _check(_signed(SigV4Auth, "lambda", "POST", url, b"{}"), "POST", url, b"{}")


def test_another_secret_body_or_path_is_not_taken() -> None:
    headers = _signed(S3SigV4Auth, "s3", "PUT", URL, b"jar")

    with pytest.raises(BadSignature, match="does not match"):
        _check(headers, "PUT", URL, b"jar", secret="guessed")
    with pytest.raises(BadSignature, match="digest of the body"):
        _check(headers, "PUT", URL, b"other")
    with pytest.raises(BadSignature, match="does not match"):
        _check(headers, "PUT", URL.replace("shop", "bank"), b"jar")


def test_an_amz_header_that_is_not_signed_is_not_taken() -> None:
    headers = _signed(S3SigV4Auth, "s3", "GET", URL, b"") | {"x-amz-acl": "public-read"}

    with pytest.raises(BadSignature, match="x-amz-acl"):
        _check(headers, "GET", URL, b"")


def test_another_scheme_is_not_taken() -> None:
    with pytest.raises(BadSignature):
        signatures.parse("AWS AKIDEXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=")
