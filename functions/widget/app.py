"""CloudWatch's custom widget: what is live, what is under way, and a button to roll back.

The dashboard invokes it with the permissions of its viewer, and removes scripts from what it answers.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_custom_widget_dashboard_about.html
"""

import os
import re
import time
from collections.abc import Mapping
from typing import Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext
from twinslot.aws.store import Store
from twinslot.errors import GiveUp, TryAgain
from twinslot.telemetry import logger, tracer
from twinslot.wiring import Environment

from .page import page, trouble
from .reading import read
from .view import View

NAMES = Environment.read(os.environ)
STORE = Store(NAMES.table, boto3.Session().client("dynamodb"))
OFFSET = re.compile(r"([+-])([01][0-9]):([0-5][0-9])")
DESCRIPTION = """\
## twinslot

Each app's two slots on each host, which of them is live, the deployment under way and the last ones, and a
button that rolls back to the previous release. It takes no parameters.
"""


@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> str:
    """Return the widget's HTML; for `{"describe": true}` its description, in Markdown."""
    if isinstance(event, Mapping) and event.get("describe"):
        return DESCRIPTION
    try:
        apps, more = read(STORE)
    except (GiveUp, TryAgain) as error:
        logger.exception("the widget could not be drawn")
        return trouble(str(error), _view(event, context))
    return page(apps, more, _view(event, context))


def _view(event: object, context: LambdaContext) -> View:
    """Return how the dashboard wants it; what is missing or malformed has its default."""
    asked = event.get("widgetContext") if isinstance(event, Mapping) else None
    about = asked if isinstance(asked, Mapping) else {}
    zone = about.get("timezone")
    offset = zone.get("offsetISO") if isinstance(zone, Mapping) else None
    # arn:aws:lambda:REGION:ACCOUNT:function:NAME, perhaps with a version behind it.
    parts = [*context.invoked_function_arn.split(":")[:6], NAMES.rollback_function]
    return View(
        now=time.time(), rollback=":".join(parts), dark=about.get("theme") == "dark", offset=_minutes(offset)
    )


def _minutes(offset: object) -> int:
    """Return the minutes east of UTC, of a text such as "+09:00"; 0 for any other."""
    found = OFFSET.fullmatch(offset) if isinstance(offset, str) else None
    if not found:
        return 0
    minutes = int(found[2]) * 60 + int(found[3])
    return -minutes if found[1] == "-" else minutes
