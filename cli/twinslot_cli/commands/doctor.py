"""`twinslot doctor`: check everything that an app's deployments need, in AWS and on each host."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from rich.text import Text

from twinslot_cli.aws.ssm_query import Answer, query
from twinslot_cli.aws.stack import Stack, validate_app
from twinslot_cli.checks.aws_checks import AwsChecks
from twinslot_cli.checks.check import Check, collect
from twinslot_cli.output.terminal import Terminal, line, styled

HOST_CHECKS = "host's own checks"
MARKS = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("?", "yellow")}
NAME_COLUMNS = 19
WHAT_COLUMN = 2 + NAME_COLUMNS + 1
"""The column of what a check found."""


def doctor(stack: Stack, terminal: Terminal, app: str) -> int:
    """Run and show every check; return 1 when one failed, 0 otherwise. Raises CannotWork without a stack."""
    app = validate_app(app)
    document = stack.output("HostDocumentName")
    aws_checks = AwsChecks(stack, app)
    checks = aws_checks.run()
    if hosts := aws_checks.online:
        checks += collect(HOST_CHECKS, lambda: _host_checks(stack, app, hosts, document))
    for row in rows(checks):
        terminal.print(row, indent=WHAT_COLUMN)
    failed = sum(check.ok is False for check in checks)
    unknown = sum(check.ok is None for check in checks)
    unchecked = f", {unknown} not checked" if unknown else ""
    terminal.print(styled(f"{len(checks)} checks, {failed} failed{unchecked}", "bold"))
    terminal.print_json({"app": app, "checks": [asdict(check) for check in checks]})
    return 1 if failed else 0


def rows(checks: Sequence[Check]) -> Iterator[Text]:
    """Yield the checks as lines of text: those of AWS, then those of each host under its id."""
    host: str | None = None
    for check in sorted(checks, key=lambda check: check.host or ""):
        if check.host != host:
            host = check.host
            yield styled(f"== {host}", "bold")
        mark, style = MARKS[check.ok]
        yield line(styled(mark, style), f" {check.name:<{NAME_COLUMNS}} ", check.what)
        if check.ok is not True and check.remedy:
            yield line(" " * WHAT_COLUMN, styled(check.remedy, "bold"))


def read_answer(answer: Answer, document: str) -> list[Check]:
    """Return the checks in a host's answer, which is untrusted; one failed check where it has none.

    A remedy with the placeholder DOCUMENT gets the name of the stack's document.
    """
    try:
        report = json.loads(answer.output.strip().splitlines()[-1])
        return [
            Check(
                str(each["name"]),
                None if each["ok"] is None else each["ok"] is True,
                str(each["what"]),
                str(each["remedy"]).replace("--document-name DOCUMENT", f"--document-name {document}"),
                answer.host,
            )
            for each in report["checks"]
        ]
    except (ValueError, LookupError, TypeError, RecursionError):
        problem = answer.problem or "its answer cannot be read"
        remedy = "see the command in Systems Manager, Run Command; the document may be older than the CLI"
        return [Check(HOST_CHECKS, False, problem, remedy, answer.host)]


def _host_checks(stack: Stack, app: str, hosts: Sequence[str], document: str) -> Iterator[Check]:
    for answer in query(stack, app, "doctor", hosts, {}):
        yield from read_answer(answer, document)
