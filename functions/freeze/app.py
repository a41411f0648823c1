"""Invoked by people: freeze an app, so that uploads wait, or unfreeze it."""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from twinslot.errors import BadEvent
from twinslot.intake.payloads import parse_app, parse_by, parse_text
from twinslot.telemetry import logger, tracer
from twinslot.wiring import assemble

CONTROLLER = assemble()
MAX_WHY_CHARACTERS = 200


@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Freeze or unfreeze an app: `{"app": "shop", "freeze": true, "why": "…"}` or
    `{"app": "shop", "freeze": false}`; "by" is optional. `hold` is the old name of `freeze`.

    Return the state of the app now, whether it was frozen before, and the label of the upload that waits or
    waited until now. Raises BadEvent, UnknownApp, or TryAgain.
    """
    app, why, by = _parse(event)
    answer = CONTROLLER.freeze(app, why, by) if why else CONTROLLER.unfreeze(app, by)
    waiting = answer.waiting
    return {
        "app": app,
        "frozen": answer.frozen,
        "was_frozen": answer.was_frozen,
        "since": answer.since,
        "why": answer.why,
        "waiting": waiting.release.label if waiting and waiting.release else None,
    }


def _parse(event: object) -> tuple[str, str, str]:
    """Return the app, the reason to freeze it ("" to unfreeze it), and the caller's name."""
    if not isinstance(event, dict) or set(event) - {"app", "freeze", "hold", "why", "by"}:
        raise BadEvent(
            'to freeze, send {"app": "shop", "freeze": true, "why": "…", "by": "…"}; to unfreeze, '
            '{"app": "shop", "freeze": false, "by": "…"}; no other fields'
        )
    app, by = parse_app(event), parse_by(event, "somebody")
    match _freeze(event):
        case True:
            return app, parse_text(event, "why", MAX_WHY_CHARACTERS), by
        case False if "why" not in event:
            return app, "", by
        case False:
            raise BadEvent("why: only a freeze has a reason; omit it to unfreeze")
        case _:
            raise BadEvent("freeze: it must be true or false")


def _freeze(event: Mapping[str, Any]) -> object:
    if "freeze" in event and "hold" in event:
        raise BadEvent("hold: it is the old name of freeze; send only freeze")
    return event.get("freeze", event.get("hold"))
