"""What operators see of the controller: structured logs, metrics and traces (Powertools for AWS Lambda).

Service name and metrics namespace come from the function's environment (POWERTOOLS_SERVICE_NAME,
POWERTOOLS_METRICS_NAMESPACE); the correlation id of a log line is the deployment's id.

    Deployments    count      by outcome; and by app and outcome
    PhaseSeconds   seconds    by app and phase, of each deployment that ended
    ActsPutOff     count      acts that failed and stay in the outbox

Each bears the dimension `service` besides. A metric costs money for each value of its dimensions, so that
there are few: phases and outcomes are the model's own, and an app counts by name only where it has hosts:
whoever uploads to a folder of any name makes an app of that name. What was uploaded or said is no dimension.
"""

from aws_lambda_powertools import Logger, Tracer, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from twinslot.domain.events import Event
from twinslot.domain.model import Act, Application, Deployment

logger = Logger()
tracer = Tracer(patch_modules=["botocore"])
"""Traces AWS calls alone: by default it would import, at each cold start, all that it could patch."""


def log_decision(event: Event, application: Application, acts: tuple[Act, ...]) -> None:
    """One line for each decision that changed something."""
    current = application.current
    if current:
        logger.set_correlation_id(current.id)
    logger.info(
        "decided",
        event=type(event).__name__,
        app=application.name,
        phase=current.phase.value if current else None,
        release=current.release.label if current and current.release else None,
        live=application.live.release.label if application.live else None,
        fence=application.fence,
        acts=[act.id for act in acts],
    )


def log_outcome(deployment: Deployment) -> None:
    """A line and the metrics of a deployment that ended."""
    if deployment.outcome is None:
        return
    outcome = deployment.outcome.value
    logger.set_correlation_id(deployment.id)
    logger.info(
        "ended",
        app=deployment.app,
        outcome=outcome,
        reason=deployment.failure.reason if deployment.failure else "",
        seconds=deployment.seconds(),
    )
    _count("Deployments", outcome=outcome)
    if not deployment.hosts:
        return
    _count("Deployments", app=deployment.app, outcome=outcome)
    for phase, seconds in deployment.seconds().items():
        _measure("PhaseSeconds", MetricUnit.Seconds, seconds, app=deployment.app, phase=phase)


def log_put_off(app: str, act: Act, error: Exception) -> None:
    """An act that failed: it stays in the outbox and a tick repeats it."""
    logger.warning("put off", app=app, act=act.id, error=str(error))
    _count("ActsPutOff")


def _count(name: str, **dimensions: str) -> None:
    _measure(name, MetricUnit.Count, 1, **dimensions)


def _measure(name: str, unit: MetricUnit, value: float, **dimensions: str) -> None:
    """One metric of its own, printed in CloudWatch's embedded metric format."""
    with single_metric(name=name, unit=unit, value=value) as metric:
        for dimension, of in dimensions.items():
            metric.add_dimension(dimension, of)
