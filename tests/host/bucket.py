"""What a host asks of AWS while it stages: its role's credentials (IMDSv2), one version of an object (S3),
its app's environment (Parameter Store, two parameters a page).

A small HTTP server that hands out what `put` was given, records every request, and fails on demand.
tests/unit/test_host_s3.py compares the signature with botocore's; here it only has to be present.
"""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

NAME = "artifacts"
ROLE = "/latest/meta-data/iam/security-credentials/"


class Bucket:
    """The server, until `close`. `faults` are statuses, or "cut", for the next GETs of objects; `refusals`
    are statuses with a body for the next pages of parameters."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.requests: list[str] = []
        self.faults: list[int | str] = []
        self.parameters: dict[str, str] = {}
        self.refusals: list[tuple[int, object]] = []
        bucket = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Nothing: the tests look at `requests`."""

            def do_PUT(self) -> None:
                self.answer(200, b"token-1" if self.path == "/latest/api/token" else b"")

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                bucket.requests.append(body["Path"])
                assert self.headers["X-Amz-Target"] == "AmazonSSM.GetParametersByPath"
                assert "/ssm/aws4_request" in self.headers["Authorization"]
                assert (body["Recursive"], body["WithDecryption"]) == (False, True)
                if bucket.refusals:
                    status, said = bucket.refusals.pop(0)
                    self.answer(status, said if isinstance(said, bytes) else json.dumps(said).encode())
                    return
                start = int(body.get("NextToken", "0"))
                below = sorted(
                    (name, value)
                    for name, value in bucket.parameters.items()
                    if name.rpartition("/")[0] == body["Path"]
                )
                page = [{"Name": name, "Value": value} for name, value in below[start : start + 2]]
                more = {"NextToken": str(start + 2)} if below[start + 2 :] else {}
                self.answer(200, json.dumps({"Parameters": page, **more}).encode())

            def do_GET(self) -> None:
                bucket.requests.append(self.path)
                if self.path.startswith("/latest/"):
                    self.metadata()
                else:
                    self.object()

            def metadata(self) -> None:
                if self.headers["X-aws-ec2-metadata-token"] != "token-1":
                    self.answer(401, b"no token: this is version 2")
                elif self.path == ROLE:
                    self.answer(200, b"host-role")
                elif self.path == ROLE + "host-role":
                    keys = {"AccessKeyId": "AKIA", "SecretAccessKey": "secret", "Token": "session"}
                    self.answer(200, json.dumps(keys).encode())
                else:
                    self.answer(404, b"")

            def object(self) -> None:
                url = urlsplit(self.path)
                version = parse_qs(url.query).get("versionId", [""])[0]
                fault = bucket.faults.pop(0) if bucket.faults else 200
                body = bucket.objects.get((url.path, version))
                if not self.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 Credential=AKIA/"):
                    self.answer(403, b"<Error><Code>AccessDenied</Code></Error>")
                elif fault == "cut" and body:
                    self.answer(200, body[: len(body) // 2], length=len(body))
                    self.close_connection = True
                elif fault != 200:
                    self.answer(int(fault), b"<Error><Code>SlowDown</Code></Error>")
                elif body is None:
                    self.answer(404, b"<Error><Code>NoSuchVersion</Code></Error>")
                elif self.headers.get("Range") == "bytes=0-0":
                    self.answer(206, body[:1])
                else:
                    self.answer(200, body)

            def answer(self, status: int, body: bytes, length: int | None = None) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body) if length is None else length))
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer((address, 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        """Where it answers."""
        host, port = self.server.server_address[:2]
        return f"http://{host!s}:{port}"

    def put(self, jar: Path, key: str = "", version: str = "") -> dict[str, object]:
        """Keeps the jar as a version of an object, and returns the release that a command names it by."""
        content = jar.read_bytes()
        key, version = key or f"shop/{jar.name}", version or f"v{len(self.objects)}"
        self.objects[f"/{NAME}/{key}", version] = content
        sha256 = hashlib.sha256(content).hexdigest()
        label = jar.stem.removeprefix("shop-")
        return {
            "bucket": NAME,
            "key": key,
            "version": version,
            "size": len(content),
            "label": label,
            "sha256": sha256,
        }

    def close(self) -> None:
        """Ends the server."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
