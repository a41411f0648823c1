"""AWS's endpoint on this machine: all services on one port, for the standard AWS CLI and SDKs.

Each call is authenticated by its signature, authorized by the caller's policies, and answered by the sandbox
or else by moto, one at a time. Connections are kept alive and answers are sent in one segment: most of a
handler's time is such calls.
"""

import io
import json
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from lab.sandbox.api import iam_permissions, signatures
from lab.sandbox.api.iam_policies import UnknownPolicy
from lab.sandbox.api.principals import Principals
from lab.sandbox.api.requests import ApiError, ApiRequest, error_body
from lab.sandbox.api.server import Handler, Server
from lab.sandbox.stack.moto_backends import LOCK

Answer = tuple[int, dict[str, str], bytes]
"""An HTTP status, headers and body."""

ONE_APP_SERVICES = frozenset(
    {"cloudformation", "dynamodb", "ec2", "events", "iam", "lambda", "logs", "sns", "sqs", "ssm", "sts"}
)
"""Services for which moto has one application, so that it is looked up once."""


class Gateway:
    """The server. `answers` maps (service, operation) to what answers instead of moto, without the LOCK.

    `around` can inject faults: it gets each permitted request and what would answer it, and returns the
    answer or raises ApiError.
    """

    def __init__(self, address: str, principals: Principals) -> None:
        self._principals = principals
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._apps: dict[tuple[str, str], Any] = {}
        self._server = Server(address, self, _Handler, "gateway")
        self._under_way = threading.local()
        self.answers: dict[tuple[str, str], Callable[[ApiRequest], Answer]] = {}
        self.around: Callable[[ApiRequest, Callable[[ApiRequest], Answer]], Answer] = _as_it_is
        self.resource_policies: dict[str, list[dict[str, Any]]] = {}
        self.endpoint = self._server.endpoint

    def start(self) -> None:
        self._server.start()

    def close(self) -> None:
        self._server.close()

    @property
    def request(self) -> ApiRequest | None:
        """Return the request that this thread is answering, for moto's callbacks."""
        return getattr(self._under_way, "request", None)

    def answer_json(
        self, service: str, operation: str, answer: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> None:
        """Answer a JSON operation with `answer`, which gets the parameters and returns the result or raises
        ApiError."""

        def wrapped(request: ApiRequest) -> Answer:
            headers = {"Content-Type": "application/x-amz-json-1.1"}
            return 200, headers, json.dumps(answer(request.json)).encode()

        self.answers[service, operation] = wrapped

    def answer(self, request: ApiRequest) -> Answer:
        """Authenticate, authorize and answer a request."""
        try:
            request = self._identified(request)
            self._under_way.request = request
            with LOCK:
                iam_permissions.check(request, self.resource_policies)
            own = self.answers.get((request.service, request.operation))
            return self.around(request, own or self._ask_moto)
        except ApiError as error:
            return _failed(request, error)
        except UnknownPolicy as error:
            return _failed(request, ApiError("InternalError", str(error), 500))
        except Exception as error:
            traceback.print_exc()
            text = f"the sandbox failed: {type(error).__name__}: {error}"
            return _failed(request, ApiError("InternalError", text, 500))
        finally:
            self._under_way.request = None

    def _identified(self, request: ApiRequest) -> ApiRequest:
        """Return the request with its caller. Raises ApiError for an unknown caller or a wrong signature."""
        header = request.headers.get("authorization")
        if not header:
            raise ApiError("MissingAuthenticationToken", "the request is not signed", 403)
        try:
            authorization = signatures.parse(header)
            principal = self._principals.find(authorization.access_key)
            if principal is None:
                raise ApiError("InvalidClientTokenId", "the access key is not one of this sandbox's", 403)
            signatures.check(
                authorization, principal.secret, request.method, request.target, request.headers, request.body
            )
        except signatures.BadSignature as error:
            raise ApiError("SignatureDoesNotMatch", str(error), 403) from error
        if principal.token and request.headers.get("x-amz-security-token") != principal.token:
            raise ApiError("InvalidClientTokenId", "the security token is not that of the access key", 403)
        return ApiRequest(
            authorization.service,
            request.method,
            request.target,
            request.headers,
            request.body,
            request.source_ip,
            principal,
        )

    def _ask_moto(self, request: ApiRequest) -> Answer:
        answered: list[Answer] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> None:
            answered.append((int(status.split()[0]), dict(headers), b""))

        environ = _environ(request)
        with LOCK:
            body = b"".join(self._app_for(request, environ)(environ, start_response))
        status, headers, _ = answered[0]
        return status, headers, body

    def _app_for(self, request: ApiRequest, environ: dict[str, Any]) -> Any:
        key = (request.service, request.headers.get("x-amz-target", "").partition(".")[0])
        app = self._apps.get(key)
        if app is None:
            app = self._moto.get_application(environ)
            if request.service in ONE_APP_SERVICES:
                self._apps[key] = app
        return app


def _as_it_is(request: ApiRequest, answer: Callable[[ApiRequest], Answer]) -> Answer:
    return answer(request)


def _failed(request: ApiRequest, error: ApiError) -> Answer:
    body, headers = error_body(request, error)
    return error.status, headers, body


def _environ(request: ApiRequest) -> dict[str, Any]:
    """Return the request as a WSGI environment (PEP 3333: the path's bytes as Latin-1)."""
    path, _, query = request.target.partition("?")
    host, _, port = request.headers.get("host", "localhost:80").partition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "REQUEST_URI": request.target,
        "RAW_URI": request.target,
        "SERVER_NAME": host,
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": request.source_ip,
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        if name == "content-type":
            environ["CONTENT_TYPE"] = value
        elif name not in ("content-length", "transfer-encoding", "expect"):
            environ["HTTP_" + name.upper().replace("-", "_")] = value
    return environ


class _Handler(Handler):
    server: Server[Gateway]

    def handle_any(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        service = headers.get("authorization", "").partition("/aws4_request")[0].rpartition("/")[2]
        request = ApiRequest(service, self.command, self.path, headers, self.body(), self.client_address[0])
        status, answered, body = self.server.owner.answer(request)
        self.send_response_only(status)
        # Hosts check their clock by S3's Date.
        self.send_header("Date", self.date_time_string())
        for name, value in answered.items():
            if name.lower() not in ("content-length", "connection", "date"):
                self.send_header(name, value)
        # The answer to HEAD has the length of the body that it does not have.
        length = answered.get("Content-Length") or answered.get("content-length")
        self.send_header("Content-Length", length if length and self.command == "HEAD" else str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_any

    def handle_expect_100(self) -> bool:
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def body(self) -> bytes:
        """Read the request's body, chunked or not; call it once."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return super().body()
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(chunks)
