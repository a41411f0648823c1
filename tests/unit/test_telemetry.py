"""What CloudWatch gets to count: few metrics, and nothing in their dimensions that a stranger chose."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from twinslot import telemetry
from twinslot.domain.model import (
    Deployment,
    Failure,
    Kind,
    Outcome,
    Phase,
    PhaseEntry,
    Release,
    Survey,
    UploadOrder,
)

from tests.hostile import TEXT

ENDED = Deployment(
    id="01JD0000000000000000000001",
    app="shop",
    kind=Kind.UPLOAD,
    order=UploadOrder("shop/a.jar", "1", 1000.0),
    release=Release("artifacts", "shop/a.jar", "v1", 10, "1.4.2"),
    by="somebody",
    phase=Phase.ENDED,
    outcome=Outcome.LIVE,
    timeline=(
        PhaseEntry(Phase.STAGING, 1000.0),
        PhaseEntry(Phase.FLIPPING, 1004.0),
        PhaseEntry(Phase.ENDED, 1004.5),
    ),
    hosts=("i-1",),
)

Metrics = dict[tuple[str, frozenset[tuple[str, str]]], float]


def metrics(printed: str) -> Metrics:
    """What CloudWatch reads out of these lines: each metric's value by its name and its dimensions."""
    found: Metrics = {}
    for line in printed.splitlines():
        told: dict[str, Any] = json.loads(line)
        for directive in told.get("_aws", {}).get("CloudWatchMetrics", []):
            assert directive["Namespace"] == "twinslot"
            for names in directive["Dimensions"]:
                dimensions = frozenset((name, told[name]) for name in names if name != "service")
                for metric in directive["Metrics"]:
                    (found[metric["Name"], dimensions],) = told[metric["Name"]]
    return found


def by(**dimensions: str) -> frozenset[tuple[str, str]]:
    return frozenset(dimensions.items())


def test_an_ended_deployment_counts_by_outcome_and_its_phases_are_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    telemetry.log_outcome(ENDED)

    assert metrics(capsys.readouterr().out) == {
        ("Deployments", by(outcome="LIVE")): 1,
        ("Deployments", by(app="shop", outcome="LIVE")): 1,
        ("PhaseSeconds", by(app="shop", phase="staging")): 4.0,
        ("PhaseSeconds", by(app="shop", phase="flipping")): 0.5,
    }


def test_an_app_that_has_no_hosts_does_not_count_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.log_outcome(replace(ENDED, app="made-up", outcome=Outcome.REFUSED, hosts=()))

    assert metrics(capsys.readouterr().out) == {("Deployments", by(outcome="REFUSED")): 1}


def test_a_deployment_that_has_not_ended_counts_for_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.log_outcome(replace(ENDED, outcome=None))

    assert metrics(capsys.readouterr().out) == {}


def test_an_act_that_is_put_off_counts(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.log_deferred("shop", Survey("act", 1.0, ENDED.id), RuntimeError("throttled"))

    assert metrics(capsys.readouterr().out) == {("ActsDeferred", by()): 1}


@given(text=TEXT)
def test_no_text_from_users_is_a_dimension(text: str) -> None:
    hostile = replace(
        ENDED,
        by=text,
        order=UploadOrder(text, text, 1.0),
        release=Release(text, text, text, 1, text),
        failure=Failure(Phase.STAGING, text, text, (text,)),
        hosts=(text,),
    )

    with pytest.MonkeyPatch.context() as patched:
        seen: list[tuple[str, dict[str, str]]] = []
        patched.setattr(telemetry, "_measure", lambda name, unit, value, **of: seen.append((name, of)))
        telemetry.log_outcome(hostile)

    values = {value for _, of in seen for value in of.values()}
    assert values == {"shop", "LIVE", "staging", "flipping"}
