"""What is otherwise on a host than the table says. Pure, and the only home of that comparison."""

from twinslot.domain.model import Difference, HostReport, HostResult, Live


def difference(result: HostResult, live: Live | None) -> Difference | None:
    """How a host differs from `live`, which is what its users should get; None when it does not.

    A host that gave no report differs when its silence is a failure (`ok` is False). One that is fresh does
    not: it waits for its join, or people were told that this failed.
    """
    if result.report is None:
        return Difference(result.host, result.reason) if result.ok is False else None
    if is_fresh(result):
        return None
    what = _what(result.report, live) if live else ""
    return Difference(result.host, what) if what else None


def is_fresh(result: HostResult) -> bool:
    """Whether a host says that it serves nothing and holds no release but the one of this very command."""
    report = result.report
    if report is None or report.live is not None:
        return False
    return all(slot.release in (None, report.sha256) for slot in report.slots.values())


def served_by_all(results: tuple[HostResult, ...]) -> str | None:
    """The SHA-256 (hex) of the release that users get on all of these hosts but fresh ones; None when they
    disagree."""
    served = {_served(result.report) for result in results if result.report and not is_fresh(result)}
    return served.pop() if len(served) == 1 else None


def _served(report: HostReport) -> str | None:
    slot = report.slots.get(report.live) if report.live else None
    return slot.release if slot else None


def _what(report: HostReport, live: Live) -> str:
    slot = report.slots.get(report.live) if report.live else None
    wanted = live.release
    if slot is None:
        return f"nginx sends no user to a slot, and {wanted.label} should be live: is nginx running there?"
    if wanted.sha256 and slot.release != wanted.sha256:
        digest = (slot.release or "nothing")[:12]
        return f"users get {slot.label} ({digest}), and {wanted.label} ({wanted.sha256[:12]}) should be live"
    if slot.state != "active":
        return f"the process of {wanted.label} in the live slot {report.live} is gone ({slot.state})"
    if not slot.verified:
        return (
            f"the process of {wanted.label} in the live slot {report.live} is not the one that was verified"
        )
    if slot.restarts:
        often = "once" if slot.restarts == 1 else f"{slot.restarts} times"
        return (
            f"the process of {wanted.label} in the live slot {report.live} ended by itself and was started"
            f" again ({often} since its start): journalctl -u twinslot-{report.app}@{report.live} says why"
        )
    return ""
