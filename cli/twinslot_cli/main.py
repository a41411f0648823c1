"""The program `twinslot`: its verbs and options, and what each error comes to.

Exit codes: 0 done, and for a deployment or a rollback that it is live; 1 it is not; 2 nothing was begun
(usage, credentials, a jar that is none); 130 Ctrl-C.
"""

import os
import sys
import traceback
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from twinslot.errors import TwinslotError

from twinslot_cli.aws.errors import CannotWork, NotLive, explained
from twinslot_cli.aws.stack import Stack
from twinslot_cli.commands.deploy import deploy as deploy_jar
from twinslot_cli.commands.doctor import doctor as examine
from twinslot_cli.commands.freeze import freeze as freeze_uploads
from twinslot_cli.commands.freeze import unfreeze as let_go_on
from twinslot_cli.commands.history import history as tell_history
from twinslot_cli.commands.logs import logs as tell_logs
from twinslot_cli.commands.rollback import rollback as roll_back
from twinslot_cli.commands.status import status as tell_status
from twinslot_cli.output.terminal import Terminal

DONE, NOT_DONE, NOT_BEGUN, INTERRUPTED = 0, 1, 2, 130
STACK = "twinslot"

app = typer.Typer(
    name="twinslot",
    epilog="Exit codes: 0 done (a deployment: live), 1 not live, 2 nothing was begun, 130 Ctrl-C.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _completed_apps(context: typer.Context, incomplete: str) -> list[str]:
    """The applications whose names begin so; none when AWS cannot be asked: a completion never complains."""
    try:
        stack = context.params.get("stack") or os.environ.get("TWINSLOT_STACK") or STACK
        return [name for name in Stack(str(stack)).apps() if name.startswith(incomplete)]
    except (CannotWork, TwinslotError, BotoCoreError, ClientError):
        return []


StackName = Annotated[str, typer.Option("--stack", envvar="TWINSLOT_STACK", help="The CloudFormation stack.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document (docs/cli.md) and nothing else.")]
App = Annotated[str, typer.Argument(help="The application.", autocompletion=_completed_apps)]
AppOption = Annotated[
    str, typer.Option("--app", help="The application that the jar is of.", autocompletion=_completed_apps)
]
AnyApp = Annotated[
    str | None,
    typer.Argument(help="The application; all of them when left out.", autocompletion=_completed_apps),
]
JarPath = Annotated[Path, typer.Argument(help="The jar that `mvn package` or `gradle bootJar` made.")]
Why = Annotated[str, typer.Option("--why", help="The reason, which is announced; 200 characters at most.")]
Idle = Annotated[bool, typer.Option("--idle", help="The idle slot's journal, where a failed release ran.")]
Lines = Annotated[int, typer.Option("--lines", min=1, max=999, help="How many lines of each host.")]
To = Annotated[
    str | None, typer.Option("--to", help="A release's label or a deployment's id; the one before.")
]


@app.command()
def status(app: AnyApp = None, stack: StackName = STACK, json: Json = False) -> None:
    """What is live where, and what is under way."""
    _run(json, lambda terminal: tell_status(Stack(stack), terminal, app))


@app.command()
def deploy(jar: JarPath, app: AppOption, stack: StackName = STACK, json: Json = False) -> None:
    """Upload a jar and follow its deployment.

    It ends with 0 only when the release is live. While the application is frozen the upload waits, and so
    does this command. Ctrl-C during the upload aborts it; later it only stops following, and the deployment
    goes on.
    """
    _run(json, lambda terminal: deploy_jar(Stack(stack), terminal, jar, app))


@app.command()
def rollback(app: App, to: To = None, stack: StackName = STACK, json: Json = False) -> None:
    """Make an earlier release live again.

    That is the one before, unless `--to` names another. It is done at once, without a question, also while
    the application is frozen, and followed to its outcome. It cancels what is under way, and the upload that
    waits under a freeze.
    """
    _run(json, lambda terminal: roll_back(Stack(stack), terminal, app, to))


@app.command()
def history(app: App, stack: StackName = STACK, json: Json = False) -> None:
    """The last 20 deployments, and why they failed."""
    _run(json, lambda terminal: tell_history(Stack(stack), terminal, app))


@app.command()
def logs(
    app: App, idle: Idle = False, lines: Lines = 200, stack: StackName = STACK, json: Json = False
) -> None:
    """What each host's live release wrote last."""
    _run(json, lambda terminal: tell_logs(Stack(stack), terminal, app, idle, lines))


@app.command()
def doctor(app: App, stack: StackName = STACK, json: Json = False) -> None:
    """Check what deployments need, everywhere.

    It looks at AWS and at each host, and each failure comes with its remedy. What your credentials may not
    look at is said to be unknown.
    """
    _run(json, lambda terminal: examine(Stack(stack), terminal, app))


@app.command()
@app.command("hold", hidden=True)
def freeze(app: App, why: Why, stack: StackName = STACK, json: Json = False) -> None:
    """Let uploads wait until `unfreeze`.

    Of several only the newest goes live then. Rollbacks do not wait.
    """
    _run(json, lambda terminal: freeze_uploads(Stack(stack), terminal, app, why))


@app.command()
@app.command("resume", hidden=True)
def unfreeze(app: App, stack: StackName = STACK, json: Json = False) -> None:
    """Let uploads go live again.

    The one that waits begins at once.
    """
    _run(json, lambda terminal: let_go_on(Stack(stack), terminal, app))


def _version(wanted: bool) -> None:
    if wanted:
        try:
            print(metadata.version("twinslot"))
        except metadata.PackageNotFoundError:
            print("not installed: this runs from its sources")
        raise typer.Exit(DONE)


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version and end.")
    ] = False,
) -> None:
    """Deploys jars to EC2 hosts without an interruption, on your own AWS credentials."""


def main() -> int:
    """Run the program on this process's arguments; its exit code."""
    try:
        app(standalone_mode=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else NOT_BEGUN
    return DONE


def _run(json: bool, verb: Callable[[Terminal], int]) -> None:
    """Run a verb, and say in one line what kept it from its work. Raises typer.Exit, always."""
    terminal = Terminal(json=json)
    raise typer.Exit(_code(terminal, verb))


def _code(terminal: Terminal, verb: Callable[[Terminal], int]) -> int:
    try:
        return verb(terminal)
    except CannotWork as error:
        return _failed(terminal, str(error), NOT_BEGUN)
    except NotLive as error:
        return _failed(terminal, str(error), NOT_DONE)
    except (TwinslotError, BotoCoreError, ClientError) as error:
        return _failed(terminal, explained(error), NOT_BEGUN)
    except KeyboardInterrupt:
        terminal.answer({"error": "broken off by Ctrl-C"})
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read has had enough; what Python still wants to flush goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOT_DONE
    except Exception as error:
        return _failed(terminal, _own_fault(error), NOT_BEGUN)


def _own_fault(error: Exception) -> str:
    """What to report of an error that nobody thought of."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}:{place.lineno}"
    return (
        f"this is a fault of twinslot's own: {type(error).__name__} at {where}: {error}; please report this"
        " line, the command, and what `twinslot --version` says"
    )


def _failed(terminal: Terminal, text: str, code: int) -> int:
    terminal.complain(text)
    terminal.answer({"error": text})
    return code
