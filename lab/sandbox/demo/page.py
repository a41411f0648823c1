"""The sandbox's page on loopback: the dashboard's widget as CloudWatch would show it, above it the requests
that each slot answers.

The widget's HTML comes from the real function, and its button calls the real rollback function: what
CloudWatch's console does is done by page.js. Only the page itself can make that call: other names than
loopback's are refused (a foreign site may point its own name here), and so is a call without the token, which
stands in the page alone.
"""

import json
import secrets
import time
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
    """The page of a running sandbox, from entering to leaving; `address` is where it is."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.traffic = SlotTraffic(lambda: list(sandbox.hosts))
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
        """What the widget's function answers a dashboard of this theme."""
        minutes = -time.localtime().tm_gmtoff // 60
        zone = {
            "offsetISO": time.strftime("%z")[:3] + ":" + time.strftime("%z")[3:],
            "offsetInMinutes": minutes,
        }
        html: str = self.sandbox.invoke("Widget", {"widgetContext": {"theme": theme, "timezone": zone}})
        return html

    def call(self, endpoint: str, payload: dict[str, Any]) -> object:
        """What the rollback function answers. Raises FunctionError, and LookupError for any other."""
        if endpoint.rpartition(":")[2] != self.sandbox.aws.stack.resources["Rollback"].id:
            raise LookupError("the page's buttons call the rollback function and no other")
        return self.sandbox.invoke("Rollback", {**payload, "widgetContext": {}})


class _Handler(Handler):
    # A call that is refused is not read: its connection ends.
    protocol_version = "HTTP/1.0"
    server: Server[Page]

    def do_GET(self) -> None:
        if not self._is_asked_by_its_name():
            return
        asked = urlsplit(self.path)
        page = self.server.owner
        match asked.path:
            case "/":
                html = (HERE / "page.html").read_text().replace(TOKEN_MARK, page.token)
                self._answer(200, "text/html; charset=utf-8", html)
            case "/page.js":
                self._answer(200, "text/javascript; charset=utf-8", (HERE / "page.js").read_text())
            case "/widget":
                theme = parse_qs(asked.query).get("theme", ["light"])[0]
                self._tell(lambda: {"html": page.widget(theme)})
            case "/traffic":
                until = int(time.time())
                self._tell(lambda: {"until": until, "slots": page.traffic.rates(until, SHOWN_SECONDS)})
            case _:
                self._answer(404, "text/plain", "there is nothing here")

    def do_POST(self) -> None:
        if not self._is_asked_by_its_name():
            return
        length = self.headers.get("Content-Length", "")
        if self.path != "/call" or not secrets.compare_digest(
            self.headers.get("X-Twinslot-Token", "").encode(), self.server.owner.token.encode()
        ):
            self._answer(403, "text/plain", "only the page itself may call functions")
        elif not length.isdigit() or int(length) > MAX_CALL_BYTES:
            self._answer(413, "text/plain", "a call is a short JSON object")
        else:
            body = self.rfile.read(int(length))
            self._tell(lambda: self._called(body))

    def _called(self, body: bytes) -> dict[str, object]:
        call = json.loads(body)
        if not isinstance(call, dict) or not isinstance(call.get("payload"), dict):
            raise ValueError('a call is {"endpoint": "arn:…", "payload": {…}}')
        return {"answer": self.server.owner.call(str(call.get("endpoint")), call["payload"])}

    def _is_asked_by_its_name(self) -> bool:
        if self.headers.get("Host") in self.server.owner.names:
            return True
        self._answer(421, "text/plain", "this is the page of a sandbox, and only at its own address")
        return False

    def _tell(self, told: Any) -> None:
        """As JSON; what goes wrong on purpose is told as {"error": "…"}."""
        try:
            self._answer(200, "application/json", json.dumps(told()))
        except (FunctionError, LookupError, ValueError) as error:
            self._answer(200, "application/json", json.dumps({"error": str(error)}))

    def _answer(self, status: int, kind: str, text: str) -> None:
        self.reply(status, text.encode(), {"Content-Type": kind, **HEADERS})
