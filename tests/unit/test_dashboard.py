"""The dashboard shows what is there: its body is JSON, and whatever it names exists in the template."""

import colorsys
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from twinslot import telemetry
from twinslot.announce.wording import TONES, Tone
from twinslot.domain.model import Outcome, Survey

from tests.unit.test_telemetry import ENDED, metrics

Resources = dict[str, dict[str, Any]]
REFERENCE = re.compile(r"\$\{([^}]+)\}")
SEARCH = re.compile(r"SEARCH\('\{(?P<schema>[^}]+)\} MetricName=\"(?P<metric>\w+)\"[^']*', '\w+', \d+\)")
KINDS = {"FunctionName": "AWS::Lambda::Function", "QueueName": "AWS::SQS::Queue"}
COLUMNS = 24


def body_of(resources: Resources, conditions: set[str]) -> str:
    """The dashboard's JSON where these conditions hold, in which each value of the stack is ${NAME} or
    ${NAME.ATTRIBUTE}."""
    text: str
    text, variables = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for name, chosen in variables.items():
        condition, there, absent = chosen["Fn::If"]
        text = text.replace(f"${{{name}}}", there["Fn::Sub"] if condition in conditions else absent)
    return text


@pytest.fixture
def body(resources: Resources) -> str:
    """The dashboard's JSON with all that can be on it."""
    return body_of(resources, {"HasSlack"})


@pytest.fixture
def widgets(body: str) -> list[dict[str, Any]]:
    """The dashboard's widgets; references in them are those of the template."""
    parsed: list[dict[str, Any]] = json.loads(body)["widgets"]
    return parsed


def series(widgets: list[dict[str, Any]]) -> list[list[Any]]:
    """Every line of every chart that names its metric."""
    return [
        line
        for widget in widgets
        for line in widget["properties"].get("metrics", [])
        if isinstance(line[0], str)
    ]


def dimensions(line: list[Any]) -> dict[str, str]:
    words = [word for word in line[2:] if isinstance(word, str)]
    return dict(zip(words[::2], words[1::2], strict=True))


def test_whatever_the_dashboard_refers_to_is_in_the_template(body: str, resources: Resources) -> None:
    named = {reference.partition(".")[0] for reference in REFERENCE.findall(body)}
    assert {name for name in named if not name.startswith("AWS::")} <= set(resources)
    assert {name for name in named if name.startswith("AWS::")} <= {"AWS::Region", "AWS::StackName"}


def test_no_value_of_the_stack_can_break_out_of_the_json(body: str) -> None:
    filled = REFERENCE.sub("arn:aws:lambda:eu-central-1:123456789012:function:twinslot-widget", body)
    assert json.loads(filled)["widgets"]


def test_the_widgets_do_not_overlap(widgets: list[dict[str, Any]]) -> None:
    taken: set[tuple[int, int]] = set()
    for widget in widgets:
        assert widget["x"] + widget["width"] <= COLUMNS
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not cells & taken
        taken |= cells


def test_the_apps_are_drawn_by_the_function_and_follow_a_refresh(widgets: list[dict[str, Any]]) -> None:
    (apps,) = (widget["properties"] for widget in widgets if widget["type"] == "custom")
    assert apps["endpoint"] == "${Widget.Arn}"
    assert apps["updateOn"]["refresh"] is True


def test_every_metric_of_twinslots_own_is_one_that_the_functions_print(
    widgets: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    for outcome in Outcome:
        telemetry.log_outcome(replace(ENDED, outcome=outcome))
    telemetry.log_deferred("shop", Survey("act", 1.0, ENDED.id), RuntimeError("throttled"))
    printed = metrics(capsys.readouterr().out)

    shown = {
        (line[1], frozenset((n, v) for n, v in dimensions(line).items() if n != "service"))
        for line in series(widgets)
        if line[0] == "twinslot"
    }

    assert shown <= set(printed)
    assert {dict(of)["outcome"] for name, of in shown if name == "Deployments"} == {*Outcome}
    schemas = {(name, frozenset(dimension for dimension, _ in of)) for name, of in printed}
    searches = [
        SEARCH.fullmatch(line[0]["expression"])
        for widget in widgets
        for line in widget["properties"].get("metrics", [])
        if isinstance(line[0], dict)
    ]
    assert searches
    for search in searches:
        assert search
        namespace, *names = search["schema"].split(",")
        assert namespace == "twinslot"
        assert (search["metric"], frozenset(names) - {"service"}) in schemas


def test_every_function_and_every_dead_letter_queue_is_watched(
    widgets: list[dict[str, Any]], resources: Resources
) -> None:
    watched: dict[str, set[str]] = {}
    for line in series(widgets):
        for name, value in dimensions(line).items():
            if name in KINDS:
                (reference,) = REFERENCE.findall(value)
                watched.setdefault(line[1], set()).add(reference.partition(".")[0])

    def of(kind: str) -> set[str]:
        return {name for name, resource in resources.items() if resource["Type"] == kind}

    assert watched == {
        "Errors": of("AWS::Lambda::Function"),
        "Duration": of("AWS::Lambda::Function"),
        "ApproximateNumberOfMessagesVisible": of("AWS::SQS::Queue"),
    }


def test_where_slack_is_not_set_up_the_dashboard_has_no_line_of_it(resources: Resources, body: str) -> None:
    without = body_of(resources, set())
    conditional = {name for name, resource in resources.items() if "Condition" in resource}
    assert conditional & {reference.partition(".")[0] for reference in REFERENCE.findall(body)}
    assert not conditional & {reference.partition(".")[0] for reference in REFERENCE.findall(without)}
    assert json.loads(without)["widgets"]
    assert "slack" not in without


def test_the_outputs_have_the_address_of_the_dashboard(stack: dict[str, Any]) -> None:
    assert stack["Outputs"]["DashboardUrl"]["Value"]["Fn::Sub"].endswith("#dashboards/dashboard/${Dashboard}")
    assert stack["Outputs"]["WidgetFunctionName"]["Value"] == {"Ref": "Widget"}


HUES = {Tone.GOOD: (90, 150), Tone.BAD: (350, 10), Tone.WARN: (35, 55)}
"""Degrees; the hue of red wraps around."""


def test_an_outcome_has_the_colour_of_its_tone_in_the_chart(widgets: list[dict[str, Any]]) -> None:
    for line in series(widgets):
        if line[1] != "Deployments":
            continue
        red, green, blue = (int(line[-1]["color"][at : at + 2], 16) / 255 for at in (1, 3, 5))
        hue, _, saturation = colorsys.rgb_to_hls(red, green, blue)
        tone = TONES[dimensions(line)["outcome"]]
        if tone is Tone.NEUTRAL:
            assert saturation == 0
        else:
            least, most = HUES[tone]
            degrees = hue * 360
            assert least <= degrees <= most or (least > most and (degrees >= least or degrees <= most))
