"""What `make sandbox` does on its own: its users send no request that an application could act on."""

import pytest

from lab.sandbox import __main__ as sandbox


def test_its_users_send_no_post(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "Load", lambda *_, **options: options)
    assert sandbox._users("10.0.0.1") == {"max_seconds": sandbox.DAY_SECONDS, "posts": False}
