"""`twinslot freeze` and `twinslot unfreeze`: make an app's uploads wait, or go live again."""

from twinslot_cli.aws.stack import Stack
from twinslot_cli.output.terminal import Terminal


def freeze(stack: Stack, terminal: Terminal, app: str, why: str) -> int:
    """Make the app's uploads wait until `unfreeze`; return 0. Raises CannotWork."""
    answer = stack.invoke("FreezeFunctionName", app, freeze=True, why=why)
    still = "still " if answer.get("was_frozen") else ""
    terminal.print(f"{app} is {still}frozen: uploads wait until `twinslot unfreeze {app}`; rollbacks do not.")
    if waiting := answer.get("waiting"):
        terminal.print(f"{waiting} is already waiting.")
    terminal.print_json(answer)
    return 0


def unfreeze(stack: Stack, terminal: Terminal, app: str) -> int:
    """Let the app's uploads go live again, the waiting one first; return 0. Raises CannotWork."""
    answer = stack.invoke("FreezeFunctionName", app, freeze=False)
    if not answer.get("was_frozen"):
        terminal.print(f"{app} was not frozen.")
    elif waiting := answer.get("waiting"):
        terminal.print(
            f"{app} is no longer frozen: {waiting} was waiting and starts now. To see its state:"
            f" twinslot status {app}"
        )
    else:
        terminal.print(f"{app} is no longer frozen; no upload was waiting.")
    terminal.print_json(answer)
    return 0
