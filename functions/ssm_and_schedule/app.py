"""EventBridge: an SSM command ended, a host was provisioned, or a schedule is due."""

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
"""The verbs that people and associations send; they do not affect a deployment."""

REQUEST_REPORTS = ({"twinslot": "report"}, {"twinslot": "inspect"})
"""The payload of the schedule EachQuarter in template.yaml, and the one that it had before 0.1.0."""


@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Continue a deployment, add a new host, do the scheduled check, or request the hosts' reports.

    Raises BadEvent, or UnknownCommand for Lambda to retry.
    """
    if not isinstance(event, dict):
        raise BadEvent("the event is neither EventBridge's nor a schedule's: it is not a JSON object")
    if event in REQUEST_REPORTS:
        CONTROLLER.request_reports()
    elif event.get("source") == "aws.ssm":
        detail = event.get("detail")
        ended = _host_ready if event.get("detail-type") == ASSOCIATION else _command_ended
        ended(detail if isinstance(detail, Mapping) else {})
    else:
        CONTROLLER.scheduled_check()


def _host_ready(detail: Mapping[str, Any]) -> None:
    """An association succeeded on an instance; the rule selects those of this stack's document."""
    instance = detail.get("instance-id")
    if not isinstance(instance, str) or not INSTANCE.fullmatch(instance):
        raise BadEvent(
            "aws.ssm: detail.instance-id is not the id of an EC2 instance; the event cannot be processed"
        )
    CONTROLLER.host_ready(instance)


def _command_ended(detail: Mapping[str, Any]) -> None:
    """A command ended: of a deployment, or without one, such as `report` (from a schedule, or a person)."""
    command = detail.get("command-id")
    if not isinstance(command, str) or not COMMAND.fullmatch(command):
        raise BadEvent("aws.ssm: detail.command-id is not the id of a command; the event cannot be processed")
    parameters = detail.get("parameters")
    verb, app = (_only(parameters, name) for name in ("verb", "app"))
    if verb in WITHOUT_DEPLOYMENT:
        logger.info("ignored: the verb affects no deployment", command=command, verb=verb)
    elif verb == "report" and APP.fullmatch(app):
        CONTROLLER.hosts_reported(app, command)
    else:
        CONTROLLER.command_ended(command)


def _only(parameters: object, name: str) -> str:
    """Return the one value of a parameter, which SSM sends as a list; "" when it is missing."""
    value = parameters.get(name) if isinstance(parameters, Mapping) else None
    return str(value[0]) if isinstance(value, list) and len(value) == 1 else ""
