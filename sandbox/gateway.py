"""AWS's endpoint on this machine: one port, all services, the stock AWS CLI and SDKs as clients.

Each call is identified by its signature, judged by the caller's policies, and answered by the sandbox where moto
cannot, else by moto, one at a time.
"""

import io
import json
import socket
import threading
import traceback
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from sandbox import permissions, signatures
from sandbox.backends import LOCK
from sandbox.policies import UnknownPolicy
from sandbox.principals import Principals
from sandbox.requests import ApiError, ApiRequest, error_body

Answer = tuple[int, dict[str, str], bytes]
"""An HTTP status, headers and body."""


class Gateway:
    """The server. `answers` maps (service, operation) to whoever answers it instead of moto, without the LOCK."""

    def __init__(self, address: str, principals: Principals) -> None:
        self._principals = principals
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server(address, 0, self._answer, threaded=True, request_handler=_QuietHandler)
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self._under_way = threading.local()
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="gateway", daemon=True
        )
        self.answers: dict[tuple[str, str], Callable[[ApiRequest], Answer]] = {}
        self.resource_policies: dict[str, list[dict[str, Any]]] = {}
        self.endpoint = f"http://{address}:{self._server.server_port}"

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    @property
    def request(self) -> ApiRequest | None:
        """The request that this thread is answering, for those whom moto calls back."""
        return getattr(self._under_way, "request", None)

    def answer_json(
        self, service: str, operation: str, answer: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> None:
        """Let `answer` take the parameters of a JSON operation and return its result, or raise ApiError."""

        def wrapped(request: ApiRequest) -> Answer:
            return (
                200,
                {"Content-Type": "application/x-amz-json-1.1"},
                json.dumps(answer(request.json)).encode(),
            )

        self.answers[service, operation] = wrapped

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = _read(environ)
        try:
            request = self._identified(request)
            self._under_way.request = request
            with LOCK:
                permissions.check(request, self.resource_policies)
            own = self.answers.get((request.service, request.operation))
            if own is None:
                return self._ask_moto(environ, request, start_response)
            status, headers, body = own(request)
        except ApiError as error:
            status, (body, headers) = error.status, error_body(request, error)
        except UnknownPolicy as error:
            status, (body, headers) = 500, error_body(request, ApiError("InternalError", str(error)))
        except Exception as error:
            traceback.print_exc()
            failure = ApiError("InternalError", f"the sandbox failed: {type(error).__name__}: {error}")
            status, (body, headers) = 500, error_body(request, failure)
        finally:
            self._under_way.request = None
        start_response(
            f"{status} {'OK' if status < 400 else 'Error'}",
            [*headers.items(), ("Content-Length", str(len(body)))],
        )
        return [] if request.method == "HEAD" else [body]

    def _identified(self, request: ApiRequest) -> ApiRequest:
        """The request with its caller. Raises ApiError where AWS would not know him."""
        header = request.headers.get("authorization")
        if not header:
            raise ApiError("MissingAuthenticationToken", "the request is not signed", 403)
        try:
            authorization = signatures.parse(header)
            principal = self._principals.find(authorization.access_key)
            if principal is None:
                raise ApiError("InvalidClientTokenId", "the access key is none of this sandbox's", 403)
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

    def _ask_moto(
        self, environ: WSGIEnvironment, request: ApiRequest, start_response: StartResponse
    ) -> Iterable[bytes]:
        environ["wsgi.input"] = io.BytesIO(request.body)
        environ["CONTENT_LENGTH"] = str(len(request.body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        with LOCK:
            return [b"".join(self._moto(environ, start_response))]


def _read(environ: WSGIEnvironment) -> ApiRequest:
    """The request, its body read to the end. Whose service it is for is not known before its signature is read."""
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_") or (name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value)
    }
    length = environ.get("CONTENT_LENGTH")
    stream = environ["wsgi.input"]
    body = (
        stream.read(int(length)) if length else stream.read() if environ.get("wsgi.input_terminated") else b""
    )
    service = headers.get("authorization", "").partition("/aws4_request")[0].rpartition("/")[2]
    return ApiRequest(
        service,
        environ["REQUEST_METHOD"],
        environ["REQUEST_URI"],
        headers,
        body,
        environ.get("REMOTE_ADDR", ""),
    )


class _QuietHandler(MotoRequestHandler):
    disable_nagle_algorithm = True

    def setup(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        super().setup()

    def log(self, type: str, message: str, *args: Any) -> None:
        """Nothing: the sandbox tells what happens in its own words."""
