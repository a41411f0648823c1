"""`twinslot rollback`: make the previous release, or any earlier one, live again.

It asks for no confirmation: a rollback is urgent, and another rollback undoes it.
"""

from twinslot.domain.model import Outcome

from twinslot_cli.aws.errors import CannotWork
from twinslot_cli.aws.stack import Stack
from twinslot_cli.output.terminal import Terminal
from twinslot_cli.output.watch import DeploymentWatcher, follow, outcome_json, outcome_rows


def rollback(stack: Stack, terminal: Terminal, app: str, to: str | None) -> int:
    """Start the rollback and follow it; return 0 when the release is live, 1 when it is not.

    Raises CannotWork when nothing was started, NotLive, and KeyboardInterrupt.
    """
    try:
        started = stack.invoke("RollbackFunctionName", app, to=to)
    except CannotWork as error:
        raise CannotWork(f"no rollback was started: {error}") from error
    id, label = str(started.get("deployment")), str(started.get("to"))
    watcher = DeploymentWatcher(stack.store, app, lambda known: known == id)
    try:
        snapshot = follow(watcher, terminal, f"{app} rollback to {label}")
    except KeyboardInterrupt:
        terminal.print(f"The rollback of {app} to {label} continues. To see its state: twinslot status {app}")
        if terminal.json:
            terminal.print_json(outcome_json(watcher.last_look()))
        raise
    for row in outcome_rows(snapshot):
        terminal.print(row)
    terminal.print_json(outcome_json(snapshot))
    return 0 if snapshot.deployment and snapshot.deployment.outcome is Outcome.LIVE else 1
