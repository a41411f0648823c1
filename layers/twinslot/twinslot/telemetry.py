"""Structured logs, metrics and traces of the controller (Powertools for AWS Lambda).

Service name and metrics namespace come from the function's environment (POWERTOOLS_SERVICE_NAME,
POWERTOOLS_METRICS_NAMESPACE); the correlation id of a log line is the deployment's id.

    Deployments    count      by outcome; and by app and outcome
    PhaseSeconds   seconds    by app and phase, of each deployment that ended
    ActsDeferred   count      acts that failed and stay in the outbox to be repeated

Each has the dimension `service` as well. A metric costs money for each value of its dimensions, so there are
few values: phases and outcomes are the model's own, and an app is a dimension only where it has hosts, since
an upload into a folder of any name creates an app of that name. No text from users is a dimension.
"""

from aws_lambda_powertools import Logger, Tracer, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from twinslot.domain.events import Event
from twinslot.domain.model import Act, Application, Deployment

logger = Logger()
tracer = Tracer(patch_modules=["botocore"])
"""Traces AWS calls only: by default it would import every library that it can patch, at each cold start."""


def log_decision(event: Event, application: Application, acts: tuple[Act, ...]) -> None:
    """Log one line for a decision that changed something."""
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
    """Log one line and emit the metrics of a deployment that ended."""
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


def log_deferred(app: str, act: Act, error: Exception) -> None:
    """Log an act that failed: it stays in the outbox, and the scheduled check repeats it."""
    logger.warning("deferred", app=app, act=act.id, error=str(error))
    _count("ActsDeferred")


def _count(name: str, **dimensions: str) -> None:
    _measure(name, MetricUnit.Count, 1, **dimensions)


def _measure(name: str, unit: MetricUnit, value: float, **dimensions: str) -> None:
    """Emit one metric in CloudWatch's embedded metric format."""
    with single_metric(name=name, unit=unit, value=value) as metric:
        for dimension, value_of in dimensions.items():
            metric.add_dimension(dimension, value_of)
