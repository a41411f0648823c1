"""How hosts differ from the expected state. Pure; no other module compares the two."""

from twinslot.domain.model import Difference, HostReport, HostResult, Live


def difference(result: HostResult, live: Live | None) -> Difference | None:
    """Return how a host differs from `live`, which its users should get; None when it does not.

    A host without a report differs when that is a failure (`ok` is False). One that is fresh does not: it
    waits for its join, or the failure of the join was announced.
    """
    if result.report is None:
        return Difference(result.host, result.reason) if result.ok is False else None
    if is_fresh(result):
        return None
    what = _describe(result.report, live) if live else ""
    return Difference(result.host, what) if what else None


def is_fresh(result: HostResult) -> bool:
    """Whether a host reports that it serves nothing and holds at most the release of this very command."""
    report = result.report
    if report is None or report.live is not None:
        return False
    return all(slot.release in (None, report.sha256) for slot in report.slots.values())


def served_by_all(results: tuple[HostResult, ...]) -> str | None:
    """Return the SHA-256 (hex) of the release that users get on all of these hosts, fresh ones left out.

    None when they disagree.
    """
    served = {_served(result.report) for result in results if result.report and not is_fresh(result)}
    return served.pop() if len(served) == 1 else None


def _served(report: HostReport) -> str | None:
    slot = report.slots.get(report.live) if report.live else None
    return slot.release if slot else None


def _describe(report: HostReport, live: Live) -> str:
    """Return the difference as a sentence; "" when there is none."""
    slot = report.slots.get(report.live) if report.live else None
    wanted = live.release
    process = f"the process of {wanted.label} in the live slot {report.live}"
    if slot is None:
        return f"nginx sends no user to a slot, but {wanted.label} should be live; is nginx running there?"
    if wanted.sha256 and slot.release != wanted.sha256:
        digest = (slot.release or "nothing")[:12]
        return f"users get {slot.label} ({digest}), but {wanted.label} ({wanted.sha256[:12]}) should be live"
    if slot.state != "active":
        return f"{process} is not running ({slot.state})"
    if not slot.verified:
        return f"{process} is not the one that was verified"
    if slot.restarts:
        times = "once" if slot.restarts == 1 else f"{slot.restarts} times"
        journal = f"journalctl -u twinslot-{report.app}@{report.live}"
        return f"{process} ended unexpectedly and was restarted ({times} since its start); see: {journal}"
    return ""
