"""An SSM command ended, or a minute passed: take every deployment as far as it can go."""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent
from aws_lambda_powertools.utilities.typing import LambdaContext
from twinslot.assembly import assemble
from twinslot.errors import BadEvent
from twinslot.telemetry import logger, tracer

CONTROLLER = assemble()


@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Bring the end of a command, or the clock's tick, to the controller.

    Raises BadEvent, or UnknownCommand for Lambda to retry.
    """
    notice = EventBridgeEvent(event)
    if event.get("source") != "aws.ssm":
        CONTROLLER.tick()
        return
    command = notice.detail.get("command-id")
    if not isinstance(command, str) or not command:
        raise BadEvent("aws.ssm: detail.command-id is missing; nothing can be concluded from this event")
    if _was_sent_by_a_person(notice.detail):
        logger.info("ignored: no deployment's command", command=command)
        return
    CONTROLLER.command_ended(command)


def _was_sent_by_a_person(detail: Mapping[str, Any]) -> bool:
    """`provision` and `report` may be sent by hand: they bear no deployment and change no state."""
    parameters = detail.get("parameters")
    return isinstance(parameters, Mapping) and parameters.get("verb") in (["provision"], ["report"])
