"""People who use the application while it is deployed: a few keep-alive clients, and what each of them
got."""

import http.client
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Self


class Visitors:
    """Ask each address for a page, every PAUSE_SECONDS, as long as the context lasts.

    An answer is recorded as (address, status, body); a connection that broke under a request as status 0.
    """

    PAUSE_SECONDS = 0.02

    def __init__(self, *addresses: str) -> None:
        self.answers: list[tuple[str, int, str]] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._visit, args=(address,), name=f"visitor-{address}")
            for address in addresses
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def statuses(self) -> Counter[int]:
        return Counter(status for _, status, _ in self.answers)

    def seen_on(self, address: str) -> set[str]:
        """Every body that this address answered with 200."""
        return {body for asked, status, body in self.answers if asked == address and status == 200}

    def _visit(self, address: str) -> None:
        connection = http.client.HTTPConnection(address, timeout=10)
        while not self._stop.is_set():
            try:
                connection.request("GET", "/")
                response = connection.getresponse()
                self.answers.append((address, response.status, response.read().decode()))
            except (OSError, http.client.HTTPException):
                self.answers.append((address, 0, ""))
                connection.close()
            time.sleep(self.PAUSE_SECONDS)
        connection.close()


def page(address: str) -> str:
    """What one visitor gets now. Raises OSError where nothing answers."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        body = response.read().decode()
        assert response.status == 200, f"{address} answered {response.status}: {body[:200]}"
        return body
    finally:
        connection.close()
