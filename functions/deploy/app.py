"""EventBridge: S3 created an object in the artifact bucket."""

import os
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from twinslot.intake.upload import parse
from twinslot.telemetry import logger, tracer
from twinslot.wiring import assemble

CONTROLLER = assemble()
DEFAULT_APP = os.environ.get("DEFAULT_APP", "")


@tracer.capture_lambda_handler(capture_response=False)
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Accept or refuse the upload as a deployment. Raises BadEvent, or TryAgain for Lambda to retry."""
    upload = parse(event, DEFAULT_APP)
    if upload is None:
        logger.info("ignored: the key does not end in .jar", key=event["detail"]["object"]["key"])
        return
    CONTROLLER.upload(upload)
