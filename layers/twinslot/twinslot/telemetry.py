"""What operators see of the controller: structured logs, metrics and traces (Powertools for AWS Lambda).

Service name and metrics namespace come from the function's environment (POWERTOOLS_SERVICE_NAME,
POWERTOOLS_METRICS_NAMESPACE); the correlation id of a log line is the deployment's id.
"""

from aws_lambda_powertools import Logger, Tracer, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from twinslot.events import Event
from twinslot.model import Act, Application, Deployment

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
    """A line and the metrics of a deployment that ended: `Deployments` (count, by app and outcome) and
    `PhaseSeconds` (by app and phase)."""
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
    with single_metric(name="Deployments", unit=MetricUnit.Count, value=1) as metric:
        metric.add_dimension("app", deployment.app)
        metric.add_dimension("outcome", outcome)
    for phase, seconds in deployment.seconds().items():
        with single_metric(name="PhaseSeconds", unit=MetricUnit.Seconds, value=seconds) as metric:
            metric.add_dimension("app", deployment.app)
            metric.add_dimension("phase", phase)


def log_put_off(app: str, act: Act, error: Exception) -> None:
    """An act that failed: it stays in the outbox and a tick repeats it. Metric: `ActsPutOff` by app."""
    logger.warning("put off", app=app, act=act.id, error=str(error))
    with single_metric(name="ActsPutOff", unit=MetricUnit.Count, value=1) as metric:
        metric.add_dimension("app", app)
