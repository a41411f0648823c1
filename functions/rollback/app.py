"""A person's call: make an earlier release live."""

import re
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from twinslot.errors import BadEvent
from twinslot.intake.payloads import app_of, by_of, shown
from twinslot.telemetry import logger, tracer
from twinslot.wiring import assemble

CONTROLLER = assemble()
LABEL = re.compile(r"[A-Za-z0-9._+-]{1,64}")
"""What `jar.label` makes; the ids of deployments are such texts, too."""


@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`{"app": "shop"}` or `{"app": "shop", "to": LABEL or deployment id}`, each with "by" or not. The
    dashboard's button adds `widgetContext`, which says nothing that counts.

    Returns the deployment's id, the label it goes to and what was live before.
    Raises BadEvent, NothingToRollBackTo, or TryAgain.
    """
    app, to, by = _asked(event)
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


def _asked(event: object) -> tuple[str, str | None, str]:
    if not isinstance(event, dict) or set(event) - {"app", "to", "by", "widgetContext"}:
        raise BadEvent(
            'a rollback takes {"app": "shop"} or {"app": "shop", "to": "1.4.1"}, each with "by" or not, '
            "and nothing else"
        )
    app, to = app_of(event), event.get("to")
    if to is not None and (not isinstance(to, str) or not LABEL.fullmatch(to)):
        raise BadEvent(f"to: {shown(to)} is neither a release's label nor a deployment's id")
    return app, to, by_of(event, "rollback")
