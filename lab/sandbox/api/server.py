"""The HTTP servers of a sandbox: a thread a connection, in answer to `owner`, with no output of their own."""

import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Generic, TypeVar

Owner = TypeVar("Owner")


class Server(ThreadingHTTPServer, Generic[Owner]):
    """Listens on a free port of `address` from its making, and answers from `start` to `close`."""

    daemon_threads = True
    request_queue_size = 128
    """Connections that wait to be taken. Of http.server's 5, a busy moment loses some for seconds."""

    def __init__(self, address: str, owner: Owner, handler: type["Handler"], name: str) -> None:
        super().__init__((address, 0), handler)
        self.owner = owner
        self.endpoint = f"http://{address}:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Take no more connections; doing it again is harmless."""
        if self._thread.is_alive():
            self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Connections are kept, and an answer leaves in one piece: header and body apart cost 40 ms a call."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def body(self) -> bytes:
        """What came with the request; to be called once."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def reply(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """Answer; the headers are these and the body's length."""
        self.send_response_only(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the sandbox tells what happens in its own words."""
