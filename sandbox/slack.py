"""What stands for Slack: takes what is posted to webhooks and to chat.postMessage, and keeps it.

slack = Slack()                                 # Aws has one: aws.slack, and leads its functions there
slack.messages                                  # what it took, in order
slack.answer = lambda post: Reply(500)          # from now on
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WEBHOOK = "https://hooks.slack.com/services/T0SANDBOX/B0SANDBOX/xsandboxsandboxsandbox0"
TOKEN = "xoxb-sandbox-sandbox-sandbox"
CHANNEL = "C0SANDBOX"


@dataclass(frozen=True)
class Post:
    """One request: the JSON that it brought, and the headers in lower case."""

    path: str
    headers: Mapping[str, str]
    message: dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """An answer. A status of 0 ends the connection without one; `after` seconds pass before it."""

    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    after: float = 0.0


class Slack:
    """The server, from its making until `close`."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.messages: list[dict[str, Any]] = []
        self.answer: Callable[[Post], Reply] = _as_slack_does
        self.closing = threading.Event()
        self._changed = threading.Condition()
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="slack", daemon=True
        )
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def take(self, post: Post) -> Reply:
        reply = self.answer(post)
        with self._changed:
            self.posts.append(post)
            if reply.status == 200:
                self.messages.append(post.message)
            self._changed.notify_all()
        return reply

    def wait_for(self, count: int, seconds: float) -> list[dict[str, Any]]:
        """The messages, when there are at least so many. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while len(self.messages) < count:
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError(
                        f"{len(self.messages)} of {count} messages came to Slack in {seconds} s"
                    )
            return list(self.messages)


def _as_slack_does(post: Post) -> Reply:
    if post.path.startswith("/services/"):
        return Reply(200, "ok")
    if post.headers.get("authorization") != f"Bearer {TOKEN}":
        return Reply(200, '{"ok":false,"error":"invalid_auth"}')
    return Reply(200, json.dumps({"ok": True, "channel": CHANNEL, "ts": f"{time.time():.6f}"}))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, slack: Slack) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.slack = slack

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has heard enough is no error of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        reply = self.server.slack.take(Post(self.path, headers, json.loads(body)))
        self.server.slack.closing.wait(reply.after)
        if not reply.status:
            return
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body.encode())))
        self.end_headers()
        self.wfile.write(reply.body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: whoever asks for messages reads them."""
