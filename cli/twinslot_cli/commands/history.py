"""`twinslot history`: an app's deployments, newest first."""

from collections.abc import Sequence

from rich.text import Text
from twinslot.aws.store import Unreadable
from twinslot.domain.model import Deployment, Kind, Outcome, Phase

from twinslot_cli.aws.stack import Stack
from twinslot_cli.output.json_output import deployment_json
from twinslot_cli.output.terminal import Terminal, line, styled, timestamp
from twinslot_cli.output.watch import outcome_style

WHEN_COLUMNS = len(timestamp(0))
OUTCOME_COLUMNS = max(len(outcome) for outcome in Outcome)
INDENT = WHEN_COLUMNS + 2
MAX_LABEL_CHARACTERS = 40


def history(stack: Stack, terminal: Terminal, app: str, limit: int, outcome: Outcome | None) -> int:
    """Show the newest deployments of an app, or the newest with this outcome, at most `limit`; return 0.

    Raises CannotWork for an unknown app.
    """
    stack.require_known(app)
    listed = stack.store.history(app, limit, outcome)
    found = [each for each in listed if isinstance(each, Deployment)]
    unreadable = [f"deployment {each}" for each in listed if isinstance(each, Unreadable)]
    if found:
        for row in rows(found, terminal.width):
            terminal.print(row, indent=INDENT)
    elif not unreadable:
        terminal.print(f"{app} has no deployment{f' with the outcome {outcome}' if outcome else ''}.")
    for note in unreadable:
        terminal.print(styled(note, "yellow"))
    deployments = [deployment_json(each) for each in found]
    terminal.print_json({"app": app, "deployments": deployments, "unreadable": unreadable})
    return 0


def rows(deployments: Sequence[Deployment], columns: int) -> list[Text]:
    """Return titles, a row per deployment, and below one that did not go live a row with the cause.

    The seconds of the phases are left out where they do not fit.
    """
    releases = [_release(each) for each in deployments]
    width = max((len(release) for release in ("release", *releases)), default=0)
    longest = max((len(each.by) for each in deployments), default=0)
    phases = "".join(f"  {phase.value:>8}" for phase in Phase if phase.working)
    fits = WHEN_COLUMNS + 2 + OUTCOME_COLUMNS + 2 + width + len(phases) + 2 + longest <= columns
    titles = f"{'when':<{WHEN_COLUMNS}}  {'outcome':<{OUTCOME_COLUMNS}}  {'release':<{width}}"
    found = [styled(f"{titles}{phases if fits else ''}  by", "bold")]
    for each, release in zip(deployments, releases, strict=True):
        when = timestamp(each.timeline[-1].at) if each.timeline else ""
        outcome, style = each.phase.value, "cyan"
        if each.outcome:
            outcome, style = each.outcome.value, outcome_style(each.outcome)
        found.append(
            line(
                f"{when:<{WHEN_COLUMNS}}  ",
                styled(f"{outcome:<{OUTCOME_COLUMNS}}", style),
                f"  {release:<{width}}{_seconds(each) if fits else ''}  {each.by}",
            )
        )
        if each.failure and each.outcome is not Outcome.LIVE:
            host = f"{each.failure.host}: " if each.failure.host else ""
            found.append(line(styled(f"{'':<{WHEN_COLUMNS}}  {host}{each.failure.reason}", "dim")))
    return found


def _release(deployment: Deployment) -> str:
    label = deployment.release.label if deployment.release else deployment.order.key
    label = styled(label, limit=MAX_LABEL_CHARACTERS).plain
    return label if deployment.kind is Kind.UPLOAD else f"{label} ({deployment.kind.value})"


def _seconds(deployment: Deployment) -> str:
    """Return a column of seconds per phase of the work; `-` for a phase that was not reached."""
    spent = deployment.seconds()
    cells = (f"{spent[phase.value]:.1f}" if phase.value in spent else "-" for phase in Phase if phase.working)
    return "".join(f"  {cell:>8}" for cell in cells)
