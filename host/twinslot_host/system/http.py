"""HTTP requests to servers on this host."""

from __future__ import annotations

import http.client
from typing import NamedTuple


class Answer(NamedTuple):
    """An HTTP answer; without one `status` is 0 and `text` is the reason."""

    status: int
    text: str


def ask(port: int, path: str, timeout: float) -> Answer:
    """Send a GET to a port of this host. Every failure is an Answer, too."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        return Answer(response.status, response.read(65536).decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, getattr(error, "strerror", None) or str(error) or type(error).__name__)
    finally:
        connection.close()
