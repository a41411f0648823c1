"""`twinslot rollback`: the release before, or any earlier one, goes live again. Nobody is asked whether he is
sure: who goes back is in a hurry, and going back from it is another rollback."""

from botocore.exceptions import BotoCoreError, ClientError
from twinslot.domain.model import Outcome

from twinslot_cli.aws.errors import CannotWork, explained
from twinslot_cli.aws.stack import Refusal, Stack, named
from twinslot_cli.output.terminal import Terminal
from twinslot_cli.output.watch import DeploymentWatcher, ending, follow, outcome_document


def rollback(stack: Stack, terminal: Terminal, app: str, to: str | None) -> int:
    """Ask for the rollback and follow it; 0 when the release is live, 1 when it is not.

    Raises CannotWork when nothing was begun, NotLive, and KeyboardInterrupt.
    """
    app = named(app)
    try:
        asked = stack.invoke("RollbackFunctionName", {"app": app, "to": to, "by": stack.caller})
    except Refusal as error:
        raise CannotWork(f"no rollback was begun: {error}") from error
    except (BotoCoreError, ClientError) as error:
        raise CannotWork(f"no rollback was begun: {explained(error)}") from error
    id, label = str(asked.get("deployment")), str(asked.get("to"))
    followed = DeploymentWatcher(stack.store, app, lambda known: known == id)
    try:
        sight = follow(followed, terminal, f"{app} rollback to {label}")
    except KeyboardInterrupt:
        terminal.say(f"The rollback of {app} to {label} goes on. How it goes: twinslot status {app}")
        if terminal.json:
            terminal.answer(outcome_document(followed.last_look()))
        raise
    for told in ending(sight):
        terminal.say(told)
    terminal.answer(outcome_document(sight))
    return 0 if sight.deployment and sight.deployment.outcome is Outcome.LIVE else 1
