"""An API call over HTTP, and errors in the format of each service."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from lab.sandbox.api.principals import Principal


class ApiError(Exception):
    """An error of an API: AWS's code, a message and an HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True)
class ApiRequest:
    """One call. `target` is the raw path and query; header names are in lower case."""

    service: str
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    source_ip: str
    principal: Principal | None = field(default=None)

    @property
    def path(self) -> str:
        return unquote(self.target.partition("?")[0])

    @cached_property
    def query(self) -> dict[str, str]:
        """Return the query's parameters; the last value of a repeated one."""
        parsed = parse_qs(self.target.partition("?")[2], keep_blank_values=True)
        return {name: values[-1] for name, values in parsed.items()}

    @cached_property
    def form(self) -> dict[str, str]:
        """Return the parameters of the query protocol (SNS, STS, EC2, IAM, CloudFormation)."""
        if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            parsed = parse_qs(self.body.decode(), keep_blank_values=True)
            return {name: values[-1] for name, values in parsed.items()}
        return {}

    @cached_property
    def json(self) -> dict[str, Any]:
        """Return the parameters of the JSON protocols. Raises ApiError for another body."""
        try:
            parsed = json.loads(self.body or b"{}")
        except ValueError as error:
            raise ApiError("SerializationException", str(error)) from error
        if not isinstance(parsed, dict):
            raise ApiError("SerializationException", "the body is not a JSON object")
        return parsed

    @property
    def operation(self) -> str:
        """Return the operation, such as SendCommand; for the REST services it follows from method and
        path."""
        target = self.headers.get("x-amz-target")
        if target:
            return target.rpartition(".")[2]
        return self.form.get("Action", "") or self._rest_operation()

    def _rest_operation(self) -> str:
        if self.service == "lambda" and self.method == "POST" and self.path.endswith("/invocations"):
            return "Invoke"
        bucket, _, key = self.path.lstrip("/").partition("/")
        if self.service == "s3" and bucket and key:
            return {
                "GET": "GetObject",
                "HEAD": "HeadObject",
                "PUT": "PutObject",
                "DELETE": "DeleteObject",
            }.get(self.method, self.method)
        return f"{self.method} {self.path}"


def error_body(request: ApiRequest, error: ApiError) -> tuple[bytes, dict[str, str]]:
    """Return the error's body and headers in the service's format."""
    if request.service == "s3":
        text = f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
        return text.encode(), {"Content-Type": "application/xml"}
    if request.form and request.service == "ec2":
        text = (
            f"<Response><Errors><Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
            "</Error></Errors><RequestID>sandbox</RequestID></Response>"
        )
        return text.encode(), {"Content-Type": "text/xml"}
    if request.form:
        text = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{error.code}</Code>"
            f"<Message>{escape(error.message)}</Message></Error><RequestId>sandbox</RequestId></ErrorResponse>"
        )
        return text.encode(), {"Content-Type": "text/xml"}
    body = {"__type": error.code, "message": error.message, "Message": error.message}
    return json.dumps(body).encode(), {
        "Content-Type": "application/x-amz-json-1.1",
        "x-amzn-ErrorType": error.code,
    }
