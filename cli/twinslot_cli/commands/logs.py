"""`twinslot logs`: the last lines of a slot's journal, host by host, through SSM."""

import json

from botocore.exceptions import BotoCoreError, ClientError

from twinslot_cli.aws.errors import CannotWork, explained
from twinslot_cli.aws.ssm_query import Answer, ask, pings, running
from twinslot_cli.aws.stack import Stack
from twinslot_cli.commands.status import standing
from twinslot_cli.output.terminal import Terminal, shown


def logs(stack: Stack, terminal: Terminal, app: str, idle: bool, lines: int) -> int:
    """Show what the live slot wrote last, or the idle one; 0, or 1 when a host did not tell.

    Raises CannotWork when there is no host that could be asked.
    """
    app = standing(stack, app).application.name
    try:
        hosts = [str(each["InstanceId"]) for each in running(stack, app)]
        known = pings(stack, app)
        online = [host for host in hosts if known.get(host) == "Online"]
        if not online:
            raise CannotWork(f"no host of {app} can be asked: see `twinslot doctor {app}`")
        given = {"slot": "idle" if idle else "live", "lines": str(lines)}
        answers = ask(stack, app, "logs", online, given)
    except (BotoCoreError, ClientError) as error:
        raise CannotWork(explained(error)) from error
    answers += [
        Answer(host, False, "", "its SSM agent is not online") for host in hosts if host not in online
    ]
    for answer in answers:
        terminal.say(shown(f"== {answer.host}", "bold"))
        if not answer.ok:
            terminal.say(shown(_why(answer), "red"))
            continue
        for each in answer.text.splitlines():
            terminal.say(each, hang=0)
    terminal.answer({"app": app, "slot": given["slot"], "hosts": [_document(answer) for answer in answers]})
    return 0 if all(answer.ok for answer in answers) else 1


def _document(answer: Answer) -> dict[str, object]:
    lines = answer.text.splitlines() if answer.ok else []
    return {"host": answer.host, "lines": lines, "problem": None if answer.ok else _why(answer)}


def _why(answer: Answer) -> str:
    """What a host says of its failure, in its report; else what SSM says."""
    try:
        told = json.loads(answer.text.strip().splitlines()[-1])
        return str(told["reason"])
    except (ValueError, LookupError, TypeError):
        return answer.problem
