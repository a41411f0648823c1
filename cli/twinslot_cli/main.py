"""The commands and options of `twinslot`, and the exit code of each error.

0: done; after a deployment or a rollback: it is live. 1: it is not live. 2: nothing was started (usage,
credentials, an invalid jar). 130: Ctrl-C.
"""

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from twinslot.domain.model import Outcome
from twinslot.errors import TwinslotError
from twinslot.shared.constants import VERSION

from twinslot_cli.aws.errors import CannotWork, NotLive, explain
from twinslot_cli.aws.stack import Stack
from twinslot_cli.commands.deploy import deploy as run_deploy
from twinslot_cli.commands.doctor import doctor as run_doctor
from twinslot_cli.commands.freeze import freeze as run_freeze
from twinslot_cli.commands.freeze import unfreeze as run_unfreeze
from twinslot_cli.commands.history import history as run_history
from twinslot_cli.commands.logs import logs as run_logs
from twinslot_cli.commands.rollback import rollback as run_rollback
from twinslot_cli.commands.status import status as run_status
from twinslot_cli.output.terminal import Terminal

DONE, NOT_DONE, NOT_STARTED, INTERRUPTED = 0, 1, 2, 130
DEFAULT_STACK = "twinslot"

app = typer.Typer(
    name="twinslot",
    epilog="Exit codes: 0 done (a deployment: live), 1 not live, 2 nothing was started, 130 Ctrl-C.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _complete_app(context: typer.Context, incomplete: str) -> list[str]:
    """Return the apps whose names begin so; none when AWS cannot be asked, as completion shows no errors."""
    try:
        stack = context.params.get("stack") or os.environ.get("TWINSLOT_STACK") or DEFAULT_STACK
        return [name for name in Stack(str(stack)).apps() if name.startswith(incomplete)]
    except (CannotWork, TwinslotError, BotoCoreError, ClientError):
        return []


StackName = Annotated[str, typer.Option("--stack", envvar="TWINSLOT_STACK", help="The CloudFormation stack.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document (docs/cli.md) and nothing else.")]
App = Annotated[str, typer.Argument(help="The app.", autocompletion=_complete_app)]
AppOption = Annotated[str, typer.Option("--app", help="The app to deploy.", autocompletion=_complete_app)]
AnyApp = Annotated[str | None, typer.Argument(help="The app; default: all.", autocompletion=_complete_app)]
JarPath = Annotated[Path, typer.Argument(help="The jar that `mvn package` or `gradle bootJar` built.")]
Why = Annotated[str, typer.Option("--why", help="The reason, to be announced; 200 characters at most.")]
Idle = Annotated[
    bool,
    typer.Option("--idle", help="Read the idle slot, where a failed release ran."),
]
Lines = Annotated[int, typer.Option("--lines", min=1, max=999, help="The number of lines from each host.")]
To = Annotated[
    str | None,
    typer.Option("--to", help="A release's label or a deployment's id; default: the previous release."),
]
Limit = Annotated[int, typer.Option("--limit", min=1, help="The number of deployments at most.")]
WithOutcome = Annotated[
    Outcome | None,
    typer.Option(
        "--outcome",
        metavar="OUTCOME",
        case_sensitive=False,
        help=f"List only deployments with this outcome: {', '.join(Outcome)}.",
    ),
]


@app.command()
def status(app: AnyApp = None, stack: StackName = DEFAULT_STACK, json: Json = False) -> None:
    """Show what is live and what is under way."""
    _run(json, lambda terminal: run_status(Stack(stack), terminal, app))


@app.command()
def deploy(jar: JarPath, app: AppOption, stack: StackName = DEFAULT_STACK, json: Json = False) -> None:
    """Upload a jar and follow its deployment.

    Exits with 0 only when the release is live. While the app is frozen, the upload waits, and so does this
    command. Ctrl-C during the upload aborts it; later it only stops following, and the deployment continues.
    """
    _run(json, lambda terminal: run_deploy(Stack(stack), terminal, jar, app))


@app.command()
def rollback(app: App, to: To = None, stack: StackName = DEFAULT_STACK, json: Json = False) -> None:
    """Make an earlier release live again.

    That is the previous release, unless `--to` names another. The rollback starts at once, without a
    confirmation, even while the app is frozen, and is followed to its outcome. It cancels the deployment
    under way and the upload that waits.
    """
    _run(json, lambda terminal: run_rollback(Stack(stack), terminal, app, to))


@app.command()
def history(
    app: App,
    limit: Limit = 20,
    outcome: WithOutcome = None,
    stack: StackName = DEFAULT_STACK,
    json: Json = False,
) -> None:
    """List deployments, and why they failed."""
    _run(json, lambda terminal: run_history(Stack(stack), terminal, app, limit, outcome))


@app.command()
def logs(
    app: App, idle: Idle = False, lines: Lines = 200, stack: StackName = DEFAULT_STACK, json: Json = False
) -> None:
    """Show each host's last log lines.

    They are read from the journal of the live slot, or of the idle one.
    """
    _run(json, lambda terminal: run_logs(Stack(stack), terminal, app, idle, lines))


@app.command()
def doctor(app: App, stack: StackName = DEFAULT_STACK, json: Json = False) -> None:
    """Check everything that deployments need.

    The checks are made in AWS and on each host, and each failed one has a remedy. A check for which your
    credentials have no permission is shown as unknown.
    """
    _run(json, lambda terminal: run_doctor(Stack(stack), terminal, app))


@app.command()
@app.command("hold", hidden=True)
def freeze(app: App, why: Why, stack: StackName = DEFAULT_STACK, json: Json = False) -> None:
    """Make uploads wait until `unfreeze`.

    Of several uploads only the newest goes live then. Rollbacks do not wait.
    """
    _run(json, lambda terminal: run_freeze(Stack(stack), terminal, app, why))


@app.command()
@app.command("resume", hidden=True)
def unfreeze(app: App, stack: StackName = DEFAULT_STACK, json: Json = False) -> None:
    """Let uploads go live again.

    The deployment of the upload that waits starts at once.
    """
    _run(json, lambda terminal: run_unfreeze(Stack(stack), terminal, app))


def _version(wanted: bool) -> None:
    if wanted:
        print(f"twinslot {VERSION}")
        raise typer.Exit(DONE)


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Zero-downtime deployments of Spring Boot jars to EC2 hosts, with your own AWS credentials."""


def main() -> int:
    """Run the program on this process's arguments; return its exit code."""
    try:
        app(standalone_mode=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else NOT_STARTED
    return DONE


def _run(json: bool, command: Callable[[Terminal], int]) -> None:
    """Run a command; print an error in one line. Always raises typer.Exit."""
    terminal = Terminal(json=json)
    raise typer.Exit(_exit_code(terminal, command))


def _exit_code(terminal: Terminal, command: Callable[[Terminal], int]) -> int:
    try:
        return command(terminal)
    except CannotWork as error:
        return _failed(terminal, str(error), NOT_STARTED)
    except NotLive as error:
        return _failed(terminal, str(error), NOT_DONE)
    except (TwinslotError, BotoCoreError, ClientError) as error:
        return _failed(terminal, explain(error), NOT_STARTED)
    except KeyboardInterrupt:
        terminal.print_json({"error": "interrupted by Ctrl-C"})
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has closed the pipe; discard what Python flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOT_DONE
    except Exception as error:
        return _failed(terminal, _bug(error), NOT_STARTED)


def _bug(error: Exception) -> str:
    """Return what to report of an error that the program does not expect."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}:{place.lineno}"
    return (
        f"this is a bug in twinslot {VERSION}: {type(error).__name__} at {where}: {error}; please report this"
        " line and the command"
    )


def _failed(terminal: Terminal, text: str, code: int) -> int:
    terminal.print_error(text)
    terminal.print_json({"error": text})
    return code
