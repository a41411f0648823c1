"""`twinslot logs`: the last lines of a slot's journal on each host, read through SSM."""

import json

from botocore.exceptions import BotoCoreError, ClientError
from twinslot.aws.hosts import ONLINE, ping_statuses, running_hosts

from twinslot_cli.aws.errors import CannotWork, explain
from twinslot_cli.aws.ssm_query import Answer, query
from twinslot_cli.aws.stack import Stack
from twinslot_cli.output.terminal import Terminal, styled


def logs(stack: Stack, terminal: Terminal, app: str, idle: bool, lines: int) -> int:
    """Show the journal of the live slot, or of the idle one; return 0, or 1 when a host's could not be read.

    Raises CannotWork when no host can be queried.
    """
    stack.require_known(app)
    slot = "idle" if idle else "live"
    try:
        hosts = [each["InstanceId"] for each in running_hosts(stack.client("ec2"), app)]
        status = ping_statuses(stack.client("ssm"), app)
        online = [host for host in hosts if status.get(host) == ONLINE]
        if not online:
            raise CannotWork(
                f"no host of {app} has an SSM agent that is online: to find the cause, twinslot doctor {app}"
            )
        answers = query(stack, app, "logs", online, {"slot": slot, "lines": str(lines)})
    except (BotoCoreError, ClientError) as error:
        raise CannotWork(explain(error)) from error
    answers += [
        Answer(host, False, "", "its SSM agent is not online") for host in hosts if host not in online
    ]
    for answer in answers:
        terminal.print(styled(f"== {answer.host}", "bold"))
        if not answer.ok:
            terminal.print(styled(_problem(answer), "red"))
            continue
        for entry in answer.output.splitlines():
            terminal.print(entry, indent=0)
    terminal.print_json({"app": app, "slot": slot, "hosts": [_json(answer) for answer in answers]})
    return 0 if all(answer.ok for answer in answers) else 1


def _json(answer: Answer) -> dict[str, object]:
    lines = answer.output.splitlines() if answer.ok else []
    return {"host": answer.host, "lines": lines, "problem": None if answer.ok else _problem(answer)}


def _problem(answer: Answer) -> str:
    """Return the reason in the host's report of its failure, or SSM's."""
    try:
        report = json.loads(answer.output.strip().splitlines()[-1])
        return str(report["reason"])
    except (ValueError, LookupError, TypeError):
        return answer.problem
