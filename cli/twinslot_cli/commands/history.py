"""`twinslot history`: an app's last deployments, the newest first."""

from collections.abc import Sequence

from rich.text import Text
from twinslot.domain.model import Deployment, Kind, Outcome

from twinslot_cli.aws.stack import Stack
from twinslot_cli.commands.status import standing
from twinslot_cli.output.json_output import deployment_shape
from twinslot_cli.output.terminal import Terminal, line, moment, shown
from twinslot_cli.output.watch import STYLES, WORK

MOST = 20
WHEN_COLUMN = len(moment(0))
OUTCOME_COLUMN = max(len(outcome) for outcome in Outcome)
MAX_LABEL_CHARACTERS = 40


def history(stack: Stack, terminal: Terminal, app: str) -> int:
    """Show the last deployments of an app; 0. Raises CannotWork for one that was never seen."""
    application = standing(stack, app).application
    found = stack.store.history(application.name, MOST)
    for told in lines(found, terminal.width):
        terminal.say(told, hang=WHEN_COLUMN + 2)
    terminal.answer({"app": application.name, "deployments": [deployment_shape(each) for each in found]})
    return 0


def lines(deployments: Sequence[Deployment], columns: int) -> list[Text]:
    """A line a deployment under titles, and a second one that says why where one did not go live. The
    seconds of the phases are left out where they do not fit."""
    releases = [_release(each) for each in deployments]
    width = max((len(release) for release in ("release", *releases)), default=0)
    longest = max((len(each.by) for each in deployments), default=0)
    phases = "".join(f"  {phase.value:>8}" for phase in WORK)
    fits = WHEN_COLUMN + 2 + OUTCOME_COLUMN + 2 + width + len(phases) + 2 + longest <= columns
    titles = f"{'when':<{WHEN_COLUMN}}  {'outcome':<{OUTCOME_COLUMN}}  {'release':<{width}}"
    told = [shown(f"{titles}{phases if fits else ''}  who", "bold")]
    for each, release in zip(deployments, releases, strict=True):
        when = moment(each.timeline[-1].at) if each.timeline else ""
        outcome, style = (
            (each.outcome.value, STYLES[each.outcome]) if each.outcome else (each.phase.value, "cyan")
        )
        told.append(
            line(
                f"{when:<{WHEN_COLUMN}}  ",
                shown(f"{outcome:<{OUTCOME_COLUMN}}", style),
                f"  {release:<{width}}{_seconds(each) if fits else ''}  {each.by}",
            )
        )
        if each.failure and each.outcome is not Outcome.LIVE:
            host = f"{each.failure.host}: " if each.failure.host else ""
            told.append(line(shown(f"{'':<{WHEN_COLUMN}}  {host}{each.failure.reason}", "dim")))
    return told


def _release(deployment: Deployment) -> str:
    label = deployment.release.label if deployment.release else deployment.order.key
    label = shown(label, limit=MAX_LABEL_CHARACTERS).plain
    return label if deployment.kind is Kind.UPLOAD else f"{label} ({deployment.kind.value})"


def _seconds(deployment: Deployment) -> str:
    """How long each phase of the work took; a phase that was not reached has none."""
    spent = deployment.seconds()
    cells = (f"{spent[phase.value]:.1f}" if phase.value in spent else "-" for phase in WORK)
    return "".join(f"  {cell:>8}" for cell in cells)
