"""The sandbox's page: it answers its own browser alone, and calls nothing but the rollback function."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from lab.sandbox.demo.page import Page
from lab.sandbox.traffic.records import Record
from lab.sandbox.traffic.slot_traffic import SlotTraffic
from tests.sandbox.fake_sandbox import FakeSandbox

ARN = "arn:aws:lambda:eu-central-1:123456789012:function:twinslot-rollback"
NONE = {"blue": [0, 0, 0], "green": [0, 0, 0], "failed": [0, 0, 0]}
CALL = {"endpoint": ARN, "payload": {"app": "shop"}}


@pytest.fixture
def sandbox() -> FakeSandbox:
    return FakeSandbox()


@pytest.fixture
def page(sandbox: FakeSandbox) -> Iterator[Page]:
    with Page(sandbox) as page:
        yield page


def called(page: Page, call: Any = CALL, **headers: str) -> requests.Response:
    return requests.post(f"{page.address}call", json=call, headers=headers, timeout=10)


def with_token(page: Page, call: Any) -> Any:
    return called(page, call, **{"X-Twinslot-Token": page.token}).json()


def test_the_page_is_whole_and_lets_no_script_run_but_its_own(page: Page) -> None:
    answer = requests.get(page.address, timeout=10)
    assert page.token in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "<script src" in answer.text
    assert (
        requests.get(f"{page.address}page.js", timeout=10)
        .headers["Content-Type"]
        .startswith("text/javascript")
    )


def test_the_widget_is_what_its_function_answers_a_dashboard(page: Page, sandbox: FakeSandbox) -> None:
    told = requests.get(f"{page.address}widget?theme=dark", timeout=10).json()
    assert told == {"html": sandbox.html}
    ((function, payload),) = sandbox.asked
    assert function == "Widget"
    assert payload["widgetContext"]["theme"] == "dark"
    assert payload["widgetContext"]["timezone"]["offsetISO"][0] in "+-"


def test_a_button_calls_the_rollback_function_as_a_dashboard_does(page: Page, sandbox: FakeSandbox) -> None:
    assert with_token(page, CALL) == {"answer": {"app": "shop", "to": "1.4.1"}}
    assert sandbox.rollbacks == [{"app": "shop", "widgetContext": {}}]


@pytest.mark.parametrize("token", ["", "guess"])
def test_a_call_without_the_pages_token_is_refused(page: Page, sandbox: FakeSandbox, token: str) -> None:
    assert called(page, **{"X-Twinslot-Token": token}).status_code == 403
    assert sandbox.asked == []


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "localhost:1"])
def test_a_foreign_name_that_points_here_gets_nothing(page: Page, sandbox: FakeSandbox, host: str) -> None:
    for path in ("", "widget", "traffic"):
        assert requests.get(page.address + path, headers={"Host": host}, timeout=10).status_code == 421
    assert called(page, Host=host, **{"X-Twinslot-Token": page.token}).status_code == 421
    assert sandbox.asked == []


@pytest.mark.parametrize(
    "call",
    [
        {"endpoint": ARN.replace("rollback", "deploy"), "payload": {}},
        {"endpoint": None, "payload": {}},
        {"endpoint": ARN},
        {"endpoint": ARN, "payload": []},
        [],
        None,
    ],
)
def test_any_other_call_is_an_error_that_says_so(page: Page, sandbox: FakeSandbox, call: object) -> None:
    assert set(with_token(page, call)) == {"error"}
    assert sandbox.asked == []


def test_a_call_that_is_too_long_is_refused(page: Page, sandbox: FakeSandbox) -> None:
    answer = called(page, {**CALL, "x": "x" * 20_000}, **{"X-Twinslot-Token": page.token})
    assert answer.status_code == 413
    assert sandbox.asked == []


def test_a_functions_error_is_shown(page: Page, sandbox: FakeSandbox) -> None:
    sandbox.error = "no release was live before the present one"
    assert with_token(page, CALL) == {"error": sandbox.error}


def test_nothing_else_is_there(page: Page) -> None:
    assert requests.get(f"{page.address}../page.py", timeout=10).status_code == 404


def answered(moment: float, status: int, *ports: int, flagged: str = "blue") -> str:
    """A line of the access log, in the host's format."""
    upstreams = ", ".join(f"127.0.0.1:{port}" for port in ports) or "-"
    times = ", ".join("0.001" for _ in ports) or "-"
    return f'{moment} {flagged} {status} 0.002 {times} "{upstreams}" 10.0.0.9 "GET / HTTP/1.1" 5 "-" "-"\n'


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "twinslot-shop.log"


@pytest.fixture
def traffic(log: Path, tmp_path: Path) -> SlotTraffic:
    return SlotTraffic(lambda: [log], tmp_path / "records.tsv")


def test_requests_are_counted_by_slot_and_second_and_each_once(log: Path, traffic: SlotTraffic) -> None:
    assert traffic.rates(until=103, seconds=3) == NONE

    cut = answered(102.0, 502, 8082)
    log.write_text(
        answered(100.1, 200, 8081)
        + answered(101.0, 200, 8081)
        + answered(101.9, 404, 8082)
        + "odd line\n1.2.3 blue 200 a\n"
        + cut[:9]
    )
    assert traffic.rates(until=103, seconds=3) == {**NONE, "blue": [1, 1, 0], "green": [0, 1, 0]}
    with log.open("a") as file:
        file.write(cut[9:])
    assert traffic.rates(until=103, seconds=3) == {
        "blue": [1, 1, 0],
        "green": [0, 1, 0],
        "failed": [0, 0, 1],
    }


def test_a_request_counts_for_the_slot_that_answered_and_not_for_the_flagged_one(
    log: Path, traffic: SlotTraffic
) -> None:
    log.write_text(
        answered(100.1, 200, 8082, flagged="blue")
        + answered(101.1, 200, 8081, 8082, flagged="blue")
        + answered(101.2, 308, flagged="-")
        + answered(102.1, 499, 8081, flagged="blue")
    )
    assert traffic.rates(until=103, seconds=3) == {**NONE, "green": [1, 1, 0]}


def test_requests_that_never_reached_nginx_are_failed(
    log: Path, traffic: SlotTraffic, tmp_path: Path
) -> None:
    log.write_text(answered(100.1, 502, 8081))
    (tmp_path / "records.tsv").write_text(
        Record(100.0, 0.1, 502, "").line()
        + Record(101.0, 0.1, 200, "1.4.1").line()
        + Record(101.5, 0.1, 0, "", "connection refused").line()
        + Record(101.9, 0.2, 0, "", "connection refused").line()
        + "102.5\t0.1"
    )
    assert traffic.rates(until=103, seconds=3) == {**NONE, "failed": [1, 1, 1]}


def test_a_log_that_was_rotated_is_read_from_its_start(log: Path, traffic: SlotTraffic) -> None:
    log.write_text(answered(100.1, 200, 8081) * 5)
    traffic.rates(until=103, seconds=3)
    log.write_text(answered(102.1, 200, 8082))
    assert traffic.rates(until=103, seconds=3) == {**NONE, "blue": [5, 0, 0], "green": [0, 0, 1]}
