"""JSON of releases and deployments, described in docs/cli.md. Fields are added, never changed or removed."""

from twinslot.domain.model import Deployment, Failure, Live, Phase


def live_json(live: Live | None) -> dict[str, object] | None:
    """Return the release that traffic goes to, or went to."""
    if live is None:
        return None
    release = live.release
    return {
        "label": release.label,
        "deployment": live.deployment,
        "since": live.since,
        "key": release.key,
        "version": release.version,
        "sha256": release.sha256,
    }


def deployment_json(deployment: Deployment | None) -> dict[str, object] | None:
    """Return a deployment; `outcome` is null until it has ended. Times are seconds since the epoch."""
    if deployment is None:
        return None
    release, timeline = deployment.release, deployment.timeline
    return {
        "deployment": deployment.id,
        "app": deployment.app,
        "kind": deployment.kind.value,
        "by": deployment.by,
        "label": release.label if release else None,
        "key": deployment.order.key,
        "version": release.version if release else None,
        "phase": deployment.phase.value,
        "outcome": deployment.outcome.value if deployment.outcome else None,
        "began": timeline[0].at if timeline else None,
        "ended": timeline[-1].at if timeline and deployment.phase is Phase.ENDED else None,
        "seconds": deployment.seconds(),
        "failure": failure_json(deployment.failure),
        "hosts": list(deployment.hosts),
        "unconfirmed": list(deployment.unconfirmed),
    }


def failure_json(failure: Failure | None) -> dict[str, object] | None:
    """Return the reason that a deployment did not go live."""
    if failure is None:
        return None
    return {
        "phase": failure.phase.value,
        "host": failure.host,
        "reason": failure.reason,
        "log": list(failure.log),
    }
