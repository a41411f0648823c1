"""Run the command in the agent's environment and print its report or answer."""

from __future__ import annotations

import contextlib
import os
import re
import syslog
from typing import Any

from twinslot.shared.constants import VERSION

from twinslot_host.command.context import Command
from twinslot_host.command.fence import raise_fence
from twinslot_host.command.ledger import Report, finish, finished
from twinslot_host.command.request import PATTERNS, Request, read_request
from twinslot_host.doctor.run import doctor
from twinslot_host.system.errors import NotExecuted, StepFailed
from twinslot_host.system.paths import Paths
from twinslot_host.verbs.bake import bake
from twinslot_host.verbs.flip import flip
from twinslot_host.verbs.logs import logs
from twinslot_host.verbs.provision import provision
from twinslot_host.verbs.report import UNKNOWN_STATUS, compose, host_status
from twinslot_host.verbs.retire import retire
from twinslot_host.verbs.stage import stage

VERBS = {"provision": provision, "stage": stage, "flip": flip, "bake": bake}
QUESTIONS = {"logs": logs, "doctor": doctor}
"""Verbs that people use.

They take no lock, so that they answer while another verb runs, and change nothing.
"""


def carry_out(request: Request, host: str) -> Report:
    """Carry out a verb and return its report. Every error becomes a report, too."""
    paths = Paths(request.app)
    command = Command(request, paths)
    if request.verb == "report":
        return report_of(command, host)
    with contextlib.ExitStack() as stack:
        try:
            earlier = finished(paths, request)
            if not earlier:
                raise_fence(paths, request.fence)
                stack.enter_context(command.work_lock())
                command.check_fence()
                earlier = finished(paths, request)
            if earlier:
                return earlier
            VERBS[request.verb](command)
        except NotExecuted as failure:
            return report_of(command, host, failure)
        except StepFailed as failure:
            report = report_of(command, host, failure)
        except Exception as error:
            reason = f"unexpected {type(error).__name__} in {request.verb}: {error}"
            report = report_of(command, host, StepFailed(reason))
        else:
            report = report_of(command, host)
        if request.deployment:
            with contextlib.suppress(OSError):  # a full disk must not hide the report
                finish(paths, request, report)
    return report


def report_of(command: Command, host: str, failure: StepFailed | None = None) -> Report:
    """Return the report of a command that ended, with the state of the host after it."""
    request = command.request
    try:
        status = host_status(command.paths) if request.app else UNKNOWN_STATUS
    except StepFailed as unknown:
        failure = failure or unknown
        status = UNKNOWN_STATUS
    fields: dict[str, Any] = {
        "twinslot": 1,
        "written_by": VERSION,
        "host": host,
        "app": request.app,
        "verb": request.verb,
        "step": request.step,
        "deployment": request.deployment,
        "fence": request.fence,
        "sha256": command.sha256,
        "seconds": command.seconds,
        **status,
    }
    return compose(fields, failure is None, *((failure.reason, failure.log) if failure else ("", [])))


def answer(environment: dict[str, str]) -> Report:
    """Return the report or the answer to the command in the agent's environment."""
    host = environment.get("AWS_SSM_INSTANCE_ID", "")
    host = host if re.fullmatch(r"[A-Za-z0-9-]{1,64}", host) else ""
    try:
        request = read_request(environment)
        if request.verb in QUESTIONS:
            return Report(True, QUESTIONS[request.verb](request, host))
        return carry_out(request, host)
    except StepFailed as failure:
        reason = failure.reason
    except Exception as error:
        reason = f"unexpected {type(error).__name__}: {error}"
    fields: dict[str, Any] = {"twinslot": 1, "written_by": VERSION, "host": host}
    for name in ("app", "verb", "step", "deployment"):
        value = environment.get("SSM_" + name, "")
        fields[name] = value if re.fullmatch(PATTERNS[name], value) else ""
    return compose(dict(fields, fence=0, sha256=None, seconds={}, **UNKNOWN_STATUS), False, reason, [])


def retire_idle_slot(app: str) -> int:
    """Carry out the timer's verb and return the exit code. A verb that runs goes first: the timer repeats."""
    command = Command(Request("retire", app, "retire"), Paths(app))
    try:
        with command.work_lock(wait=0):
            retire(command)
    except NotExecuted:
        return 0
    except StepFailed as failure:
        syslog.syslog(syslog.LOG_ERR, f"the old slot of {app} could not be retired: {failure.reason}")
        return 1
    return 0


def main(arguments: list[str], environment: dict[str, str]) -> int:
    """Run as the script `arguments[0]`: print the report or answer and return the exit code.

    Nothing else is ever written to the two outputs, and no child inherits them: one that keeps an output open
    would keep the command open at the agent.
    """
    syslog.openlog("twinslot")
    output = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.umask(0o022)
    os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin"
    if arguments[1:2] == ["retire"]:
        return retire_idle_slot(arguments[2])
    report = answer(environment)
    with contextlib.suppress(OSError):
        os.write(output, report.text.encode() + b"\n")
    return 0 if report.ok else 1
