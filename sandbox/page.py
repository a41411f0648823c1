"""The sandbox's page on loopback: the dashboard's widget as CloudWatch would show it, above it the requests
that each slot answers.

The widget's HTML comes from the real function, and its button calls the real rollback function: what
CloudWatch's console does is done by page.js. Only the page itself can make that call: other names than
loopback's are refused (a foreign site may point its own name here), and so is a call without the token, which
stands in the page alone.
"""

import json
import secrets
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from sandbox.sandbox import FunctionError, Sandbox
from sandbox.slot_traffic import SlotTraffic

SHOWN_SECONDS = 90
LONGEST_CALL_BYTES = 10_000
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
        self._server = _Server(self)
        self.address = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="page", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

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


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, page: Page) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.page = page
        self.names = {f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost")}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is no error of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        if not self._is_asked_by_its_name():
            return
        asked = urlsplit(self.path)
        page = self.server.page
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
            self.headers.get("X-Twinslot-Token", "").encode(), self.server.page.token.encode()
        ):
            self._answer(403, "text/plain", "only the page itself may call functions")
        elif not length.isdigit() or int(length) > LONGEST_CALL_BYTES:
            self._answer(413, "text/plain", "a call is a short JSON object")
        else:
            body = self.rfile.read(int(length))
            self._tell(lambda: self._called(body))

    def _called(self, body: bytes) -> dict[str, object]:
        call = json.loads(body)
        if not isinstance(call, dict) or not isinstance(call.get("payload"), dict):
            raise ValueError('a call is {"endpoint": "arn:…", "payload": {…}}')
        return {"answer": self.server.page.call(str(call.get("endpoint")), call["payload"])}

    def _is_asked_by_its_name(self) -> bool:
        if self.headers.get("Host") in self.server.names:
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
        body = text.encode()
        self.send_response_only(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **HEADERS}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the sandbox tells what happens in its own words."""
