"""Invoked by people: make an earlier release live."""

import re
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from twinslot.errors import BadEvent
from twinslot.intake.payloads import parse_app, parse_by, shown
from twinslot.telemetry import logger, tracer
from twinslot.wiring import assemble

CONTROLLER = assemble()
LABEL = re.compile(r"[A-Za-z0-9._+-]{1,64}")
"""A label that `jar.label` returns; the id of a deployment matches as well."""


@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Begin a rollback: `{"app": "shop"}` or `{"app": "shop", "to": LABEL or deployment id}`; "by" is
    optional. The dashboard's button adds `widgetContext`, which is ignored.

    Return the deployment's id, the label it goes to and what was live before. Raises BadEvent, UnknownApp,
    NothingToRollBackTo, OtherVersion, or TryAgain.
    """
    app, to, by = _parse(event)
    rollback = CONTROLLER.rollback(app, to, by, context.aws_request_id)
    was_live = rollback.was_live
    return {
        "app": app,
        "deployment": rollback.deployment,
        "to": rollback.to,
        "was_live": {"label": was_live.release.label, "deployment": was_live.deployment}
        if was_live
        else None,
    }


def _parse(event: object) -> tuple[str, str | None, str]:
    """Return the app, the release to go to (None: the previous one), and the caller's name."""
    if not isinstance(event, dict) or set(event) - {"app", "to", "by", "widgetContext"}:
        raise BadEvent(
            'to roll back, send {"app": "shop", "by": "…"} or {"app": "shop", "to": "1.4.1", "by": "…"};'
            ' "by" is optional; no other fields'
        )
    app, to = parse_app(event), event.get("to")
    if to is not None and (not isinstance(to, str) or not LABEL.fullmatch(to)):
        raise BadEvent(f"to: {shown(to)} is neither the label of a release nor the id of a deployment")
    return app, to, parse_by(event, "rollback")
