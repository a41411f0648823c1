"""A person's call: make an earlier release live."""

import re
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from twinslot.assembly import assemble
from twinslot.errors import BadEvent
from twinslot.printable import quoted
from twinslot.telemetry import logger, tracer
from twinslot.upload import APP

CONTROLLER = assemble()
LABEL = re.compile(r"[A-Za-z0-9._+-]{1,64}")
"""What `jar.label` makes; the ids of deployments are such texts, too."""


@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`{"app": "shop"}` or `{"app": "shop", "to": LABEL or deployment id}`.

    Returns the deployment's id, the label it goes to and what was live before.
    Raises BadEvent, NothingToRollBackTo, or TryAgain.
    """
    app, to = _asked(event)
    rollback = CONTROLLER.rollback(app, to, "rollback", context.aws_request_id)
    was_live = rollback.was_live
    return {
        "app": app,
        "deployment": rollback.deployment,
        "to": rollback.to,
        "was_live": {"label": was_live.release.label, "deployment": was_live.deployment}
        if was_live
        else None,
    }


def _asked(event: object) -> tuple[str, str | None]:
    if not isinstance(event, dict) or set(event) - {"app", "to"}:
        raise BadEvent('a rollback takes {"app": "shop"} or {"app": "shop", "to": "1.4.1"}, and nothing else')
    app, to = event.get("app"), event.get("to")
    if not isinstance(app, str) or not APP.fullmatch(app):
        raise BadEvent(f"app: {_shown(app)} is no name of an application (a-z, 0-9, -; 30 at most)")
    if to is not None and (not isinstance(to, str) or not LABEL.fullmatch(to)):
        raise BadEvent(f"to: {_shown(to)} is neither a release's label nor a deployment's id")
    return app, to


def _shown(value: object) -> str:
    return quoted(value, 60) if isinstance(value, str) else f"a value of the type {type(value).__name__}"
