"""The signature of a host's GET to S3 is the one that botocore makes."""

import time
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from twinslot_host.aws.imds import Credentials, Instance
from twinslot_host.aws.sigv4 import sign

AT = datetime(2026, 11, 22, 10, 11, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("key", "version"),
    [("shop/shop-1.4.2.jar", "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"), ("shop/a/b_c~d.jar", "null")],
)
def test_the_signature_is_botocores(key: str, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path, query = quote(f"/artifacts/{key}", safe="/-_.~"), f"versionId={version}"
    keys = Credentials("AKIA", "secret", "token")
    url = f"https://s3.eu-central-1.amazonaws.com{path}?{query}"
    ours = sign("s3", Instance("eu-central-1", "role", keys), AT.timetuple(), url)

    monkeypatch.setattr(auth, "get_current_datetime", lambda: AT)
    # Over https botocore leaves the payload unsigned; we sign the empty one, as it does over http.
    request = AWSRequest("GET", url.replace("https", "http"))
    auth.S3SigV4Auth(BotoCredentials(*keys), "s3", "eu-central-1").add_auth(request)

    assert ours["Authorization"] == request.headers["Authorization"]
    assert ours["x-amz-date"] == time.strftime("%Y%m%dT%H%M%SZ", AT.timetuple())
