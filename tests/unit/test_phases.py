"""Each phase is classified once, and everything that shows phases has a place for it."""

import re
from pathlib import Path

import pytest
from twinslot.domain.model import Phase

STYLE = (Path(__file__).parents[2] / "functions" / "widget" / "style.css").read_text()


def test_a_deployment_that_succeeds_works_in_these_phases() -> None:
    assert [phase for phase in Phase if phase.working] == [Phase.STAGING, Phase.FLIPPING, Phase.BAKING]


def test_hosts_have_a_step_in_these_phases() -> None:
    working = [phase for phase in Phase if phase.working]
    assert [phase for phase in Phase if phase.has_step] == [*working, Phase.REVERTING]


def test_users_cannot_have_seen_the_release_in_these_phases() -> None:
    assert [phase for phase in Phase if phase.before_traffic] == [Phase.WAITING, Phase.STAGING]


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.ENDED])
def test_the_widget_has_a_colour_for_each_phase_that_takes_time(phase: Phase) -> None:
    assert re.search(rf"\.twinslot \.{phase.value} \{{ fill: #[0-9a-f]{{6}}; \}}", STYLE)
