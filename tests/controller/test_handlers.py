"""The handlers: what they take, what they refuse, and that each calls the controller once."""

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from twinslot.controller import FreezeAnswer, Rollback
from twinslot.domain.model import Deployment, Kind, Live, Release, UploadOrder
from twinslot.errors import BadEvent
from twinslot.intake.upload import Upload

ROOT = Path(__file__).parents[2]


class RecordingController:
    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def upload(self, upload: Upload) -> None:
        self.calls.append(("upload", upload.app, upload.key))

    def command_ended(self, command: str) -> None:
        self.calls.append(("command_ended", command))

    def hosts_reported(self, app: str, command: str) -> None:
        self.calls.append(("hosts_reported", app, command))

    def request_reports(self) -> None:
        self.calls.append(("request_reports",))

    def scheduled_check(self) -> None:
        self.calls.append(("scheduled_check",))

    def rollback(self, app: str, to: str | None, by: str, request: str) -> Rollback:
        self.calls.append(("rollback", app, to, by, request))
        live = Live(Release("b", "shop/2.jar", "v", 1, "2.0.0"), "01J00000000000000000000002", 1.0)
        return Rollback("01J00000000000000000000003", to or "1.0.0", live)

    def freeze(self, app: str, why: str, by: str) -> FreezeAnswer:
        self.calls.append(("freeze", app, why, by))
        return FreezeAnswer(True, False, 1_790_000_000.0, why, None)

    def unfreeze(self, app: str, by: str) -> FreezeAnswer:
        self.calls.append(("unfreeze", app, by))
        release = Release("b", "shop/2.jar", "v", 1, "2.0.0")
        waiting = Deployment("01J", app, Kind.UPLOAD, UploadOrder("", "", 0.0), release, "ann")
        return FreezeAnswer(False, True, None, None, waiting)

    def host_ready(self, instance: str) -> None:
        self.calls.append(("host_ready", instance))


@dataclass
class Context:
    """What the Lambda runtime hands to a handler, as far as Powertools reads it."""

    function_name: str = "twinslot"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:twinslot"
    aws_request_id: str = "request-1"


Function = tuple[Callable[[Any], Any], RecordingController]


@cache
def _module(name: str) -> ModuleType:
    """A handler's module, as the runtime loads it: once. Making its clients is most of a cold start."""
    names = ("TABLE", "TOPIC", "DOCUMENT", "DOCUMENT_VERSION", "ROLLBACK_FUNCTION", "FREEZE_FUNCTION")
    with pytest.MonkeyPatch.context() as patched:
        for variable in names:
            patched.setenv(variable, variable.lower())
        patched.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        patched.setenv("POWERTOOLS_TRACE_DISABLED", "true")
        specification = importlib.util.spec_from_file_location(
            f"{name}_app", ROOT / "functions" / name / "app.py"
        )
        assert specification and specification.loader
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
    return module


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Function]:
    def loaded(name: str) -> Function:
        module, controller = _module(name), RecordingController()
        monkeypatch.setattr(module, "CONTROLLER", controller)
        return lambda event: module.handler(event, Context()), controller

    return loaded


def payload(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text())
    return event


def test_an_upload_reaches_the_controller(load: Callable[[str], Function]) -> None:
    handler, controller = load("deploy")
    handler(payload("s3-object-created"))
    ((call, app, key),) = controller.calls
    assert (call, app) == ("upload", "shop")
    assert key.endswith(".jar")


def test_a_key_that_is_no_jar_is_ignored_and_logged(
    load: Callable[[str], Function], caplog: pytest.LogCaptureFixture
) -> None:
    handler, controller = load("deploy")
    event = payload("s3-object-created")
    event["detail"]["object"]["key"] = "shop/notes.txt"
    handler(event)
    assert controller.calls == []
    assert "ignored: the key does not end in .jar" in caplog.messages


@pytest.mark.parametrize(
    "missing", ["detail", "time", "bucket", "object", "key", "version-id", "sequencer", "size"]
)
def test_an_s3_event_that_lacks_a_field_is_an_error_and_not_a_loss(
    load: Callable[[str], Function], missing: str
) -> None:
    handler, controller = load("deploy")
    event = payload("s3-object-created")
    for part in (event, event["detail"], event["detail"]["object"]):
        part.pop(missing, None)
    with pytest.raises(BadEvent):
        handler(event)
    assert controller.calls == []


def test_the_end_of_a_command_reaches_the_controller(load: Callable[[str], Function]) -> None:
    handler, controller = load("ssm_and_schedule")
    event = payload("ssm-command-ended")
    handler(event)
    assert controller.calls == [("command_ended", event["detail"]["command-id"])]


@pytest.mark.parametrize("verb", ["provision", "logs", "doctor"])
def test_a_verb_that_changes_nothing_is_no_deployments_command(
    load: Callable[[str], Function], verb: str
) -> None:
    handler, controller = load("ssm_and_schedule")
    event = payload("ssm-command-ended")
    event["detail"]["parameters"] = {"verb": [verb], "app": ["shop"]}
    handler(event)
    assert controller.calls == []


def test_reports_that_anyone_requested_are_compared_with_the_expected_state(
    load: Callable[[str], Function],
) -> None:
    handler, controller = load("ssm_and_schedule")
    event = payload("ssm-command-ended")
    event["detail"]["parameters"] = {"verb": ["report"], "app": ["shop"]}
    handler(event)
    assert controller.calls == [("hosts_reported", "shop", event["detail"]["command-id"])]


def test_every_quarter_of_an_hour_reports_are_requested(load: Callable[[str], Function]) -> None:
    handler, controller = load("ssm_and_schedule")
    handler(payload("report"))
    # While a stack is updated, its schedule may still send what it sent before 0.1.0.
    handler({"twinslot": "inspect"})
    assert controller.calls == [("request_reports",), ("request_reports",)]


def test_a_command_event_without_its_id_is_an_error(load: Callable[[str], Function]) -> None:
    handler, _ = load("ssm_and_schedule")
    event = payload("ssm-command-ended")
    del event["detail"]["command-id"]
    with pytest.raises(BadEvent, match="command-id"):
        handler(event)


@pytest.mark.parametrize(
    "detail", [None, "Success", [], {}, {"command-id": "no uuid"}, {"command-id": ["c"]}]
)
def test_a_command_event_of_another_shape_is_an_error(
    load: Callable[[str], Function], detail: object
) -> None:
    handler, controller = load("ssm_and_schedule")
    with pytest.raises(BadEvent, match="command-id"):
        handler({"source": "aws.ssm", "detail": detail})
    assert controller.calls == []


@pytest.mark.parametrize("name", ["deploy", "ssm_and_schedule"])
@pytest.mark.parametrize("event", [None, [], "tick", 1])
def test_what_is_no_event_is_an_error(load: Callable[[str], Function], name: str, event: object) -> None:
    handler, controller = load(name)
    with pytest.raises(BadEvent):
        handler(event)
    assert controller.calls == []


def test_every_minute_there_is_a_scheduled_check(load: Callable[[str], Function]) -> None:
    handler, controller = load("ssm_and_schedule")
    handler(payload("schedule"))
    assert controller.calls == [("scheduled_check",)]


def test_a_rollback_answers_where_it_goes_and_what_was_live(load: Callable[[str], Function]) -> None:
    handler, controller = load("rollback")
    assert handler({"app": "shop"}) == {
        "app": "shop",
        "deployment": "01J00000000000000000000003",
        "to": "1.0.0",
        "was_live": {"label": "2.0.0", "deployment": "01J00000000000000000000002"},
    }
    assert controller.calls == [("rollback", "shop", None, "rollback", "request-1")]


def test_a_rollback_may_be_requested_by_a_dashboards_button(load: Callable[[str], Function]) -> None:
    handler, controller = load("rollback")
    handler({"app": "shop", "to": "1.4.1", "by": "the dashboard", **payload("widget")})
    assert controller.calls == [("rollback", "shop", "1.4.1", "the dashboard", "request-1")]


def test_a_rollback_may_name_who_requests_it(load: Callable[[str], Function]) -> None:
    handler, controller = load("rollback")
    handler({"app": "shop", "by": "Änn (on call)"})
    assert controller.calls == [("rollback", "shop", None, "Änn (on call)", "request-1")]


def test_a_freeze_returns_the_state_of_the_app(load: Callable[[str], Function]) -> None:
    handler, controller = load("freeze")
    assert handler(payload("freeze")) == {
        "app": "shop",
        "frozen": True,
        "was_frozen": False,
        "since": 1_790_000_000.0,
        "why": "the database is moved until noon",
        "waiting": None,
    }
    assert controller.calls == [("freeze", "shop", "the database is moved until noon", "ann")]


def test_unfreezing_answers_what_waited(load: Callable[[str], Function]) -> None:
    handler, controller = load("freeze")
    assert handler(payload("unfreeze")) == {
        "app": "shop",
        "frozen": False,
        "was_frozen": True,
        "since": None,
        "why": None,
        "waiting": "2.0.0",
    }
    assert controller.calls == [("unfreeze", "shop", "ann")]


def test_the_command_that_an_announcement_shows_needs_no_name(load: Callable[[str], Function]) -> None:
    handler, controller = load("freeze")
    handler({"app": "shop", "freeze": False})
    assert controller.calls == [("unfreeze", "shop", "somebody")]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"app": "shop"},
        {"app": "../shop", "freeze": False},
        {"app": "shop", "freeze": "true", "why": "x"},
        {"app": "shop", "freeze": 1, "why": "x"},
        {"app": "shop", "freeze": None},
        {"app": "shop", "freeze": True},
        {"app": "shop", "freeze": True, "why": ""},
        {"app": "shop", "freeze": True, "why": "  "},
        {"app": "shop", "freeze": True, "why": "x" * 201},
        {"app": "shop", "freeze": True, "why": "two\nlines"},
        {"app": "shop", "freeze": True, "why": "\u202e"},
        {"app": "shop", "freeze": True, "why": "\ud800"},
        {"app": "shop", "freeze": True, "why": ["x"]},
        {"app": "shop", "freeze": True, "why": "x", "by": ""},
        {"app": "shop", "freeze": True, "why": "x", "by": "x" * 65},
        {"app": "shop", "freeze": True, "why": "x", "by": "\x1b[2J"},
        {"app": "shop", "freeze": True, "why": "x", "by": 7},
        {"app": "shop", "freeze": False, "why": "x"},
        {"app": "shop", "freeze": False, "until": "noon"},
        ["shop"],
        None,
    ],
)
def test_a_freeze_payload_of_another_shape_is_refused(load: Callable[[str], Function], event: object) -> None:
    handler, controller = load("freeze")
    with pytest.raises(BadEvent):
        handler(event)
    assert controller.calls == []


def test_a_host_that_was_provisioned_reaches_the_controller(load: Callable[[str], Function]) -> None:
    handler, controller = load("ssm_and_schedule")
    event = payload("ssm-association")
    handler(event)
    assert controller.calls == [("host_ready", event["detail"]["instance-id"])]


@pytest.mark.parametrize(
    "detail",
    [
        None,
        [],
        {},
        {"instance-id": None},
        {"instance-id": ["i-0a1b2c3d"]},
        {"instance-id": "mi-0a1b2c3d4e5f60718"},
        {"instance-id": "i-0a1b2c3d\n"},
        {"instance-id": "i-0a1b2c3d; reboot"},
    ],
)
def test_an_association_event_without_an_instance_is_an_error(
    load: Callable[[str], Function], detail: object
) -> None:
    handler, controller = load("ssm_and_schedule")
    with pytest.raises(BadEvent, match="instance-id"):
        handler({**payload("ssm-association"), "detail": detail})
    assert controller.calls == []


def test_a_rollback_names_the_release_that_it_wants(load: Callable[[str], Function]) -> None:
    handler, controller = load("rollback")
    handler({"app": "shop", "to": "1.4.1"})
    assert controller.calls == [("rollback", "shop", "1.4.1", "rollback", "request-1")]


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"app": ""},
        {"app": "../shop"},
        {"app": "Shop"},
        {"app": "shop", "to": ""},
        {"app": "shop", "to": 3},
        {"app": "shop", "to": "x" * 65},
        {"app": "shop", "to": "1.4.2\n"},
        {"app": "shop", "to": "\ud800"},
        {"app": "shop", "force": True},
        {"app": "shop", "by": ""},
        {"app": "shop", "by": "x" * 65},
        {"app": "shop", "by": "two\nlines"},
        {"app": "shop", "by": ["ann"]},
        {"app": ["shop"]},
        ["shop"],
        "shop",
        None,
    ],
)
def test_a_rollback_payload_of_another_shape_is_refused(
    load: Callable[[str], Function], event: object
) -> None:
    handler, controller = load("rollback")
    with pytest.raises(BadEvent):
        handler(event)
    assert controller.calls == []


def test_the_old_name_of_a_freeze_is_still_read_and_both_together_are_refused(
    load: Callable[[str], Function],
) -> None:
    handler, controller = load("freeze")
    handler({"app": "shop", "hold": True, "why": "stock-taking"})
    handler({"app": "shop", "hold": False})
    assert controller.calls == [
        ("freeze", "shop", "stock-taking", "somebody"),
        ("unfreeze", "shop", "somebody"),
    ]
    with pytest.raises(BadEvent, match="hold: it is the old name of freeze"):
        handler({"app": "shop", "hold": True, "freeze": True, "why": "x"})
