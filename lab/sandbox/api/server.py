"""The HTTP servers of a sandbox: one thread per connection, handlers that call their `owner`, no log
output."""

import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Generic, TypeVar

Owner = TypeVar("Owner")


class Server(ThreadingHTTPServer, Generic[Owner]):
    """Listens on a free port of `address`, and answers from `start` to `close`."""

    daemon_threads = True
    request_queue_size = 128
    """The backlog. http.server's default of 5 loses connections for seconds in a burst."""

    def __init__(self, address: str, owner: Owner, handler: type["Handler"], name: str) -> None:
        super().__init__((address, 0), handler)
        self.owner = owner
        self.endpoint = f"http://{address}:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop the server. Idempotent."""
        if self._thread.is_alive():
            self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore that a client closed its connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Keeps connections alive, and sends each answer in one segment: separate ones cost 40 ms per call."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def body(self) -> bytes:
        """Read the request's body; call it once."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def reply(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """Send an answer with these headers and the body's length."""
        self.send_response_only(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""
