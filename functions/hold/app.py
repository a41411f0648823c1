"""A person's call: let uploads wait, or go live again."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from twinslot.errors import BadEvent
from twinslot.intake.payloads import app_of, by_of, text_of
from twinslot.telemetry import logger, tracer
from twinslot.wiring import assemble

CONTROLLER = assemble()
MAX_WHY_CHARACTERS = 200


@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`{"app": "shop", "hold": true, "why": "…"}` or `{"app": "shop", "hold": false}`, each with "by" or not.

    Returns how the app stands now, whether it was held before, and the label of the upload that waits, or
    waited until now. Raises BadEvent, UnknownApp, or TryAgain.
    """
    app, why, by = _asked(event)
    holding = CONTROLLER.hold(app, why, by) if why else CONTROLLER.resume(app, by)
    waiting = holding.waiting
    return {
        "app": app,
        "held": holding.held,
        "was_held": holding.was_held,
        "since": holding.since,
        "why": holding.why,
        "waiting": waiting.release.label if waiting and waiting.release else None,
    }


def _asked(event: object) -> tuple[str, str, str]:
    """The app, why it is to be held ("": it is to be resumed), and who asks."""
    if not isinstance(event, dict) or set(event) - {"app", "hold", "why", "by"}:
        raise BadEvent(
            'a hold takes {"app": "shop", "hold": true, "why": "…", "by": "…"}, and resuming takes '
            '{"app": "shop", "hold": false, "by": "…"}; nothing else'
        )
    app, by = app_of(event), by_of(event, "somebody")
    match event.get("hold"):
        case True:
            return app, text_of(event, "why", MAX_WHY_CHARACTERS), by
        case False if "why" not in event:
            return app, "", by
        case False:
            raise BadEvent("why: only a hold has a reason; leave it out to resume")
    raise BadEvent("hold: it is neither true nor false")
