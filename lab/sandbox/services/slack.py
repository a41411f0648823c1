"""A fake Slack: accepts webhook posts and chat.postMessage, and keeps them.

slack = Slack()                                 # an Account has one: account.slack
slack.messages                                  # the accepted messages, in order
slack.answer = lambda post: Reply(500)          # from now on
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.sandbox.api.server import Handler, Server

WEBHOOK = "https://hooks.slack.com/services/T0SANDBOX/B0SANDBOX/xsandboxsandboxsandbox0"
TOKEN = "xoxb-sandbox-sandbox-sandbox"
CHANNEL = "C0SANDBOX"


@dataclass(frozen=True)
class Post:
    """One request: its JSON, and its headers in lower case."""

    path: str
    headers: Mapping[str, str]
    message: dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """An answer, sent `after` seconds. A status of 0 closes the connection without one."""

    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    after: float = 0.0


class Slack:
    """The server, which runs until `close`."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.messages: list[dict[str, Any]] = []
        self.answer: Callable[[Post], Reply] = _as_slack_does
        self.closing = threading.Event()
        self._changed = threading.Condition()
        self._server = Server("127.0.0.1", self, _Handler, "slack")
        self._server.start()
        self.endpoint = self._server.endpoint

    def close(self) -> None:
        self.closing.set()
        self._server.close()

    def take(self, post: Post) -> Reply:
        """Keep a post, and its message when the answer is 200; return the answer."""
        reply = self.answer(post)
        with self._changed:
            self.posts.append(post)
            if reply.status == 200:
                self.messages.append(post.message)
            self._changed.notify_all()
        return reply

    def wait_for(self, count: int, seconds: float) -> list[dict[str, Any]]:
        """Return the messages as soon as there are `count`. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while len(self.messages) < count:
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError(
                        f"{len(self.messages)} of {count} messages reached Slack in {seconds} s"
                    )
            return list(self.messages)


def _as_slack_does(post: Post) -> Reply:
    if post.path.startswith("/services/"):
        return Reply(200, "ok")
    if post.headers.get("authorization") != f"Bearer {TOKEN}":
        return Reply(200, '{"ok":false,"error":"invalid_auth"}')
    return Reply(200, json.dumps({"ok": True, "channel": CHANNEL, "ts": f"{time.time():.6f}"}))


class _Handler(Handler):
    # Each connection has one answer, or none.
    protocol_version = "HTTP/1.0"
    server: Server[Slack]

    def do_POST(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.owner.take(Post(self.path, headers, json.loads(self.body())))
        self.server.owner.closing.wait(reply.after)
        if reply.status:
            self.reply(reply.status, reply.body.encode(), reply.headers)
