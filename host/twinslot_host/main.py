"""From the agent's environment to the report."""

from __future__ import annotations

import contextlib
import json
import os
import re
import syslog

from twinslot_host.command.context import Command
from twinslot_host.command.fence import raise_fence
from twinslot_host.command.ledger import finish, finished
from twinslot_host.command.request import PATTERNS, Request, read_request
from twinslot_host.doctor.run import doctor
from twinslot_host.system.errors import NotExecuted, StepFailed
from twinslot_host.system.paths import Paths
from twinslot_host.verbs.bake import bake
from twinslot_host.verbs.flip import flip
from twinslot_host.verbs.logs import logs
from twinslot_host.verbs.provision import provision
from twinslot_host.verbs.report import NOTHING_KNOWN, compose, standing
from twinslot_host.verbs.retire import retire
from twinslot_host.verbs.stage import stage

VERBS = {"provision": provision, "stage": stage, "flip": flip, "bake": bake}
QUESTIONS = {"logs": logs, "doctor": doctor}
"""What a person asks. They wait for no turn, so that they answer while a verb runs, and change nothing."""


def carry_out(request: Request, host: str) -> str:
    """Does what was asked and returns the report. Whatever goes wrong becomes a report too."""
    paths = Paths(request.app)
    command = Command(request, paths)
    if request.verb == "report":
        return tell(command, host)
    with contextlib.ExitStack() as stack:
        try:
            earlier = finished(paths, request)
            if not earlier:
                raise_fence(paths, request.fence)
                stack.enter_context(command.turn())
                command.heed()
                earlier = finished(paths, request)
            if earlier:
                return earlier
            VERBS[request.verb](command)
        except NotExecuted as failure:
            return tell(command, host, failure)
        except StepFailed as failure:
            text = tell(command, host, failure)
        except Exception as error:
            text = tell(
                command, host, StepFailed(f"unexpected {type(error).__name__} in {request.verb}: {error}")
            )
        else:
            text = tell(command, host)
        if request.deployment:
            with contextlib.suppress(OSError):  # a full disk must not hide the report
                finish(paths, request, text)
    return text


def tell(command: Command, host: str, failure: StepFailed | None = None) -> str:
    """The report of a command that ended, in trouble or well, and of how things stand after it."""
    request = command.request
    report = {
        "twinslot": 1,
        "host": host,
        "app": request.app,
        "verb": request.verb,
        "step": request.step,
        "deployment": request.deployment,
        "fence": request.fence,
        "sha256": command.sha256,
        "seconds": command.seconds,
    }
    try:
        report.update(standing(command.paths) if request.app else NOTHING_KNOWN)
    except StepFailed as unknown:
        failure = failure or unknown
        report.update(NOTHING_KNOWN)
    reason, log = (failure.reason, failure.log) if failure else ("", [])
    return compose(dict(report, ok=failure is None), reason, log)


def answer(environment: dict[str, str]) -> tuple[str, bool]:
    """What the environment's command leads to, and whether it succeeded: a report, or a question's answer."""
    host = environment.get("AWS_SSM_INSTANCE_ID", "")
    host = host if re.fullmatch(r"[A-Za-z0-9-]{1,64}", host) else ""
    try:
        request = read_request(environment)
        if request.verb in QUESTIONS:
            return QUESTIONS[request.verb](request, host), True
        text = carry_out(request, host)
        return text, json.loads(text)["ok"]
    except StepFailed as failure:
        reason = failure.reason
    except Exception as error:
        reason = f"unexpected {type(error).__name__}: {error}"
    report = {"twinslot": 1, "host": host, "app": "", "verb": "", "step": "", "deployment": "", "fence": 0}
    for name in ("app", "verb", "step", "deployment"):
        value = environment.get("SSM_" + name, "")
        report[name] = value if re.fullmatch(PATTERNS[name], value) else ""
    return compose(dict(report, ok=False, sha256=None, seconds={}, **NOTHING_KNOWN), reason, []), False


def tick(app: str) -> int:
    """The timer's turn, which comes again soon: another command goes first."""
    command = Command(Request("retire", app, "retire"), Paths(app))
    try:
        with command.turn(wait=0):
            retire(command)
    except NotExecuted:
        return 0
    except StepFailed as failure:
        syslog.syslog(syslog.LOG_ERR, f"the old slot of {app} could not be retired: {failure.reason}")
        return 1
    return 0


def main(arguments: list[str], environment: dict[str, str]) -> int:
    """Runs as the script `arguments[0]`: prints the answer and returns the exit code.

    Nothing else ever reaches the two outputs: a child that holds one open would keep the command open at
    the agent."""
    syslog.openlog("twinslot")
    output = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.umask(0o022)
    os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin"
    if arguments[1:2] == ["retire"]:
        return tick(arguments[2])
    text, ok = answer(environment)
    with contextlib.suppress(OSError):
        os.write(output, text.encode() + b"\n")
    return 0 if ok else 1
