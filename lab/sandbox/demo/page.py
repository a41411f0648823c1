"""The sandbox's page on loopback: the requests that each slot answers, and the dashboard's widget as
CloudWatch shows it.

The real function renders the widget, and its button calls the real rollback function; page.js does what
CloudWatch's console does. Only the page can make that call: another Host than loopback's is refused, since a
foreign site may resolve to it (DNS rebinding), and so is a call without the token, which only the page
contains.
"""

import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from lab.sandbox.api.server import Handler, Server
from lab.sandbox.sandbox import FunctionError, Sandbox
from lab.sandbox.traffic.slot_traffic import SlotTraffic

SHOWN_SECONDS = 90
MAX_CALL_BYTES = 10_000
HERE = Path(__file__).parent
TOKEN_MARK = "@token@"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'unsafe-inline';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Page:
    """The page of a running sandbox, a context manager; `address` is its URL.

    `users` is the file of records of a load on the hosts: it has the requests that never reached nginx.
    """

    def __init__(self, sandbox: Sandbox, users: Path | None = None) -> None:
        self.sandbox = sandbox
        self.traffic = SlotTraffic(lambda: [host.access_log for host in sandbox.hosts], users)
        self.token = secrets.token_urlsafe()
        self._server = Server("127.0.0.1", self, _Handler, "page")
        self.address = f"{self._server.endpoint}/"
        self.names = {f"{name}:{self._server.server_port}" for name in ("127.0.0.1", "localhost")}

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    def widget(self, theme: str) -> str:
        """Return the widget's HTML for a dashboard of this theme."""
        minutes = -time.localtime().tm_gmtoff // 60
        zone = {
            "offsetISO": time.strftime("%z")[:3] + ":" + time.strftime("%z")[3:],
            "offsetInMinutes": minutes,
        }
        html: str = self.sandbox.invoke("Widget", {"widgetContext": {"theme": theme, "timezone": zone}})
        return html

    def call(self, endpoint: str, payload: dict[str, Any]) -> object:
        """Invoke the rollback function. Raises FunctionError, and LookupError for another function."""
        if endpoint.rpartition(":")[2] != self.sandbox.aws.stack.resources["Rollback"].id:
            raise LookupError("the page may only call the rollback function")
        return self.sandbox.invoke("Rollback", {**payload, "widgetContext": {}})


class _Handler(Handler):
    # A refused call is not read, so its connection cannot be used again.
    protocol_version = "HTTP/1.0"
    server: Server[Page]

    def do_GET(self) -> None:
        if not self._has_its_own_host():
            return
        url = urlsplit(self.path)
        page = self.server.owner
        match url.path:
            case "/":
                html = (HERE / "page.html").read_text().replace(TOKEN_MARK, page.token)
                self._answer(200, "text/html; charset=utf-8", html)
            case "/page.js":
                self._answer(200, "text/javascript; charset=utf-8", (HERE / "page.js").read_text())
            case "/widget":
                theme = parse_qs(url.query).get("theme", ["light"])[0]
                self._answer_json(lambda: {"html": page.widget(theme)})
            case "/traffic":
                until = int(time.time())
                self._answer_json(lambda: {"until": until, "slots": page.traffic.rates(until, SHOWN_SECONDS)})
            case _:
                self._answer(404, "text/plain", "not found")

    def do_POST(self) -> None:
        if not self._has_its_own_host():
            return
        length = self.headers.get("Content-Length", "")
        if self.path != "/call" or not secrets.compare_digest(
            self.headers.get("X-Twinslot-Token", "").encode(), self.server.owner.token.encode()
        ):
            self._answer(403, "text/plain", "only the page may call functions")
        elif not length.isdigit() or int(length) > MAX_CALL_BYTES:
            self._answer(413, "text/plain", "a call is a short JSON object")
        else:
            body = self.rfile.read(int(length))
            self._answer_json(lambda: self._called(body))

    def _called(self, body: bytes) -> dict[str, object]:
        call = json.loads(body)
        if not isinstance(call, dict) or not isinstance(call.get("payload"), dict):
            raise ValueError('a call is {"endpoint": "arn:…", "payload": {…}}')
        return {"answer": self.server.owner.call(str(call.get("endpoint")), call["payload"])}

    def _has_its_own_host(self) -> bool:
        if self.headers.get("Host") in self.server.owner.names:
            return True
        self._answer(421, "text/plain", "the sandbox's page is served at its own address only")
        return False

    def _answer_json(self, answer: Callable[[], object]) -> None:
        """Answer with JSON; an expected error becomes {"error": "…"}."""
        try:
            self._answer(200, "application/json", json.dumps(answer()))
        except (FunctionError, LookupError, ValueError) as error:
            self._answer(200, "application/json", json.dumps({"error": str(error)}))

    def _answer(self, status: int, kind: str, text: str) -> None:
        self.reply(status, text.encode(), {"Content-Type": kind, **HEADERS})
