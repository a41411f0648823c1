"""An SSM command ended, a host was provisioned, a minute passed, or the hosts are to be inspected."""

import re
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from twinslot.errors import BadEvent
from twinslot.intake.upload import APP
from twinslot.telemetry import logger, tracer
from twinslot.wiring import assemble

CONTROLLER = assemble()
COMMAND = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
INSTANCE = re.compile(r"i-[0-9a-f]{8,17}")
ASSOCIATION = "EC2 State Manager Instance Association State Change"
WITHOUT_DEPLOYMENT = ("provision", "logs", "doctor")
"""Verbs that people and associations command, and that change no deployment."""

INSPECT = {"twinslot": "inspect"}
"""What the rule EachQuarter of template.yaml sends."""


@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Bring the end of a command, a new host, the clock's tick or an inspection to the controller.

    Raises BadEvent, or UnknownCommand for Lambda to retry.
    """
    if not isinstance(event, dict):
        raise BadEvent("neither an event of EventBridge nor an inspection: it is not an object")
    if event == INSPECT:
        CONTROLLER.inspect()
    elif event.get("source") == "aws.ssm":
        detail = event.get("detail")
        ended = _host_ready if event.get("detail-type") == ASSOCIATION else _command_ended
        ended(detail if isinstance(detail, Mapping) else {})
    else:
        CONTROLLER.tick()


def _host_ready(detail: Mapping[str, Any]) -> None:
    """An association ended well on an instance; the rule passes on those of this stack's document alone."""
    instance = detail.get("instance-id")
    if not isinstance(instance, str) or not INSTANCE.fullmatch(instance):
        raise BadEvent(
            "aws.ssm: detail.instance-id is no EC2 instance's id; nothing can be concluded from this event"
        )
    CONTROLLER.host_ready(instance)


def _command_ended(detail: Mapping[str, Any]) -> None:
    """A deployment's command, or one that has none: `report` (an inspection, or a person), and others."""
    command = detail.get("command-id")
    if not isinstance(command, str) or not COMMAND.fullmatch(command):
        raise BadEvent(
            "aws.ssm: detail.command-id is no command's id; nothing can be concluded from this event"
        )
    parameters = detail.get("parameters")
    verb, app = (_only(parameters, name) for name in ("verb", "app"))
    if verb in WITHOUT_DEPLOYMENT:
        logger.info("ignored: it changes no deployment", command=command, verb=verb)
    elif verb == "report" and APP.fullmatch(app):
        CONTROLLER.hosts_reported(app, command)
    else:
        CONTROLLER.command_ended(command)


def _only(parameters: object, name: str) -> str:
    """The one value of a parameter, which SSM gives as a list; "" when it is not there."""
    value = parameters.get(name) if isinstance(parameters, Mapping) else None
    return str(value[0]) if isinstance(value, list) and len(value) == 1 else ""
