"""`twinslot freeze` and `twinslot unfreeze`: uploads wait, or go live again."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from twinslot_cli.aws.errors import CannotWork, explained
from twinslot_cli.aws.stack import Refusal, Stack, named
from twinslot_cli.output.terminal import Terminal


def freeze(stack: Stack, terminal: Terminal, app: str, why: str) -> int:
    """Let the app's uploads wait until somebody resumes it; 0. Raises CannotWork."""
    app = named(app)
    told = _ask(stack, {"app": app, "freeze": True, "why": why, "by": stack.caller})
    again = ", as before, for a reason of its own now" if told.get("was_frozen") else ""
    terminal.say(f"{app} is frozen{again}: uploads wait until `twinslot unfreeze {app}`; rollbacks do not.")
    if told.get("waiting"):
        terminal.say(f"{told['waiting']} waits already.")
    terminal.answer(told)
    return 0


def unfreeze(stack: Stack, terminal: Terminal, app: str) -> int:
    """Let the app's uploads go live again, first the one that waits; 0. Raises CannotWork."""
    app = named(app)
    told = _ask(stack, {"app": app, "freeze": False, "by": stack.caller})
    if not told.get("was_frozen"):
        terminal.say(f"{app} was not frozen.")
    elif told.get("waiting"):
        terminal.say(
            f"{app} goes on: {told['waiting']} waited and begins. How it goes: twinslot status {app}"
        )
    else:
        terminal.say(f"{app} goes on; nothing waited.")
    terminal.answer(told)
    return 0


def _ask(stack: Stack, payload: dict[str, object]) -> dict[str, Any]:
    try:
        return stack.invoke("FreezeFunctionName", payload)
    except Refusal as error:
        raise CannotWork(str(error)) from error
    except (BotoCoreError, ClientError) as error:
        raise CannotWork(explained(error)) from error
