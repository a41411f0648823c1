"""What stands for Slack: takes what is posted to webhooks and to chat.postMessage, and keeps it.

slack = Slack()                                 # Aws has one: aws.slack, and leads its functions there
slack.messages                                  # what it took, in order
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
        self._server = Server("127.0.0.1", self, _Handler, "slack")
        self._server.start()
        self.endpoint = self._server.endpoint

    def close(self) -> None:
        self.closing.set()
        self._server.close()

    def take(self, post: Post) -> Reply:
        """Keep what was posted, and a message that is taken with 200; how it is answered."""
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


class _Handler(Handler):
    # A connection ends with its answer, or without one.
    protocol_version = "HTTP/1.0"
    server: Server[Slack]

    def do_POST(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.owner.take(Post(self.path, headers, json.loads(self.body())))
        self.server.owner.closing.wait(reply.after)
        if reply.status:
            self.reply(reply.status, reply.body.encode(), reply.headers)
