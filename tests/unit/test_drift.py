"""What hosts report is compared with the expected state; a difference is announced once."""

from dataclasses import replace

import pytest
from twinslot.domain.drift import difference, served_by_all
from twinslot.domain.events import HostsReported, UploadArrived
from twinslot.domain.lifecycle import decide
from twinslot.domain.model import (
    Application,
    HostReport,
    HostResult,
    Live,
    Release,
    SlotReport,
    Warn,
)
from twinslot.domain.model import UploadOrder as At

ONE, TWO = "11" * 32, "22" * 32
LIVE = Live(Release("b", "shop/2.jar", "v2", 10, "2.0.0", TWO), "D2", 1.0)
PREVIOUS = Live(Release("b", "shop/1.jar", "v1", 10, "1.0.0", ONE), "D1", 0.5)
SHOP = Application("shop", live=LIVE, previous=PREVIOUS)
KNOWN = ("i-0a", "i-0b")


def stands(
    host: str, live: str | None = "green", state: str = "active", verified: bool = True, restarts: int = 0
) -> HostResult:
    slots = {
        "blue": SlotReport(ONE, "1.0.0", "active", True, 11),
        "green": SlotReport(TWO, "2.0.0", state, verified, 12, restarts),
    }
    report = HostReport(host, "shop", "report", "report", "", 0, True, "", (), live, False, slots, None, {})
    return HostResult(host, True, report=report)


def met(application: Application, *results: HostResult, known: tuple[str, ...] = KNOWN) -> Application:
    return decide(application, HostsReported(results, known), 5.0).application


def test_a_host_in_the_expected_state_does_not_differ() -> None:
    assert difference(stands("i-0a"), LIVE) is None


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (
            stands("i-0a", live="blue"),
            "users get 1.0.0 (111111111111), but 2.0.0 (222222222222) should be live",
        ),
        (stands("i-0a", live=None), "nginx sends no user to a slot"),
        (stands("i-0a", state="failed"), "is not running (failed)"),
        (stands("i-0a", verified=False), "is not the one that was verified"),
        (stands("i-0a", restarts=1), "ended unexpectedly and was restarted (once since its start)"),
        (stands("i-0a", restarts=3), "(3 times since its start); see: journalctl -u twinslot-shop@green"),
        (HostResult("i-0a", False, "its agent does not answer"), "its agent does not answer"),
    ],
)
def test_a_difference_names_what_users_get_and_what_they_should_get(result: HostResult, words: str) -> None:
    found = difference(result, LIVE)
    assert found
    assert words in found.what


def test_a_host_that_is_still_working_differs_in_nothing_yet() -> None:
    assert difference(HostResult("i-0a", None), LIVE) is None


def test_nothing_differs_while_nothing_was_ever_live() -> None:
    assert difference(stands("i-0a", live="blue"), None) is None


def test_a_difference_is_announced_once_and_again_only_after_it_was_gone() -> None:
    wrong = stands("i-0a", live="blue")
    first = decide(SHOP, HostsReported((wrong, stands("i-0b")), KNOWN), 5.0)
    (warning,) = first.acts
    assert isinstance(warning, Warn)
    assert [found.host for found in warning.differences] == ["i-0a"]
    assert decide(first.application, HostsReported((wrong,), KNOWN), 6.0).acts == ()
    mended = met(first.application, stands("i-0a"))
    assert mended.drift == ()
    assert len(decide(mended, HostsReported((wrong,), KNOWN), 7.0).acts) == 1


def test_a_host_that_does_not_belong_to_the_app_cannot_make_it_differ() -> None:
    assert met(SHOP, stands("i-0dd", live="blue")) == SHOP


def test_what_is_known_of_a_host_goes_with_the_host() -> None:
    found = met(SHOP, stands("i-0a", live="blue"))
    assert met(found, known=("i-0b",)).drift == ()


def test_a_host_under_a_deployment_is_judged_by_that_and_not_by_other_reports() -> None:
    release = Release("b", "shop/3.jar", "v3", 10, "3.0.0")
    arrived = UploadArrived("D3", "shop", release, At("shop/3.jar", "0A", 9.0), "ann")
    deploying = decide(SHOP, arrived, 9.0).application
    assert decide(deploying, HostsReported((stands("i-0a", live="blue"),), KNOWN), 10.0).acts == ()


def test_the_truth_is_what_all_hosts_agree_on() -> None:
    assert served_by_all((stands("i-0a", live="blue"), stands("i-0b", live="blue"))) == ONE
    assert served_by_all((stands("i-0a", live="blue"), stands("i-0b"))) is None
    assert served_by_all((HostResult("i-0a", False, "gone"),)) is None
    assert served_by_all((replace(stands("i-0a"), report=None),)) is None
