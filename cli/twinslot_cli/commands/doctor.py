"""`twinslot doctor`: whether everything is as a deployment needs it, on AWS and on each host."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from rich.text import Text

from twinslot_cli.aws.ssm_query import Answer, ask
from twinslot_cli.aws.stack import Stack, named
from twinslot_cli.checks.aws_checks import Examination
from twinslot_cli.checks.check import Check, made
from twinslot_cli.output.terminal import Terminal, line, shown

MARKS = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("?", "yellow")}
NAME_COLUMN = 19
WHAT_COLUMN = 2 + NAME_COLUMN + 1
"""Where what was found begins."""


def doctor(stack: Stack, terminal: Terminal, app: str) -> int:
    """Make every check and show it; 1 when one failed, 0 otherwise. Raises CannotWork without a stack."""
    app = named(app)
    stack.output("StateTable")
    examination = Examination(stack, app)
    checks = examination.checks()
    if examination.online:
        checks += made("host's own checks", lambda: _of_hosts(stack, app, examination.online))
    for told in page(checks):
        terminal.say(told, hang=WHAT_COLUMN)
    failed = [check for check in checks if check.ok is False]
    unknown = [check for check in checks if check.ok is None]
    more = f", {len(unknown)} not looked at" if unknown else ""
    terminal.say(line(shown(f"{len(checks)} checks, {len(failed)} failed{more}", "bold")))
    terminal.answer({"app": app, "checks": [asdict(check) for check in checks]})
    return 1 if failed else 0


def page(checks: Sequence[Check]) -> Iterator[Text]:
    """All checks as people read them: those of AWS, then those of each host under its id."""
    place: str | None = None
    for check in sorted(checks, key=lambda check: check.host or ""):
        if check.host != place:
            place = check.host
            yield shown(f"== {place}", "bold")
        yield from lines(check)


def lines(check: Check) -> list[Text]:
    """A check, and on a second line what to do."""
    mark, style = MARKS[check.ok]
    told = [line(shown(mark, style), f" {check.name:<{NAME_COLUMN}} ", check.what)]
    if check.ok is not True and check.remedy:
        told.append(line(" " * WHAT_COLUMN, shown(check.remedy, "bold")))
    return told


def _of_hosts(stack: Stack, app: str, hosts: list[str]) -> Iterator[Check]:
    """What each host finds on itself."""
    for answer in ask(stack, app, "doctor", hosts, {}):
        yield from read(answer, stack.output("HostDocumentName"))


def read(answer: Answer, document: str) -> list[Check]:
    """The checks in a host's answer; one failed check where it gave none. All it says is taken as text. The
    stack's document is named where a remedy leaves it open."""
    try:
        told = json.loads(answer.text.strip().splitlines()[-1])
        return [
            Check(
                str(each["name"]),
                None if each["ok"] is None else each["ok"] is True,
                str(each["what"]),
                str(each["remedy"]).replace("--document-name DOCUMENT", f"--document-name {document}"),
                answer.host,
            )
            for each in told["checks"]
        ]
    except (ValueError, LookupError, TypeError, RecursionError):
        problem = answer.problem or "its answer cannot be read"
        remedy = "look at the command in Systems Manager, Run Command; the document may be older than this"
        return [Check("host's own checks", False, problem, remedy, answer.host)]
