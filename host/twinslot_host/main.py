"""From the agent's environment to the report."""

from __future__ import annotations

import contextlib
import json
import os
import re
import syslog

from twinslot_host.bake import bake
from twinslot_host.command import Command
from twinslot_host.fence import raise_fence
from twinslot_host.flip import flip
from twinslot_host.ledger import finish, finished
from twinslot_host.places import Places
from twinslot_host.provision import provision
from twinslot_host.report import NOTHING_KNOWN, compose, standing
from twinslot_host.request import PATTERNS, Request, read_request
from twinslot_host.retire import retire
from twinslot_host.stage import stage
from twinslot_host.trouble import NotDone, Trouble

VERBS = {"provision": provision, "stage": stage, "flip": flip, "bake": bake}


def carry_out(request: Request, host: str) -> str:
    """Does what was asked and returns the report. Whatever goes wrong becomes a report too."""
    places = Places(request.app)
    command = Command(request, places)
    ok, final, reason, log = True, True, "", []
    with contextlib.ExitStack() as stack:
        try:
            if request.verb != "report":
                earlier = finished(places, request)
                if not earlier:
                    raise_fence(places, request.fence)
                    stack.enter_context(command.turn())
                    command.heed()
                    earlier = finished(places, request)
                if earlier:
                    return earlier
                VERBS[request.verb](command)
        except Trouble as trouble:
            ok, final, reason, log = False, not isinstance(trouble, NotDone), trouble.reason, trouble.log
        except Exception as error:
            ok, reason = False, f"unexpected {type(error).__name__} in {request.verb}: {error}"
        report = {
            "twinslot": 1,
            "host": host,
            "app": request.app,
            "verb": request.verb,
            "step": request.step,
            "deployment": request.deployment,
            "fence": request.fence,
            "ok": ok,
        }
        try:
            report.update(standing(places))
        except Exception as error:
            reason = reason or f"unexpected {type(error).__name__} in the report: {error}"
            report.update(NOTHING_KNOWN, ok=False)
        text = compose(dict(report, sha256=command.sha256, seconds=command.seconds), reason, log)
        if final and request.deployment and request.verb != "report":
            finish(places, request, text)
    return text


def answer(environment: dict[str, str]) -> str:
    """The report that the environment's command leads to."""
    host = environment.get("AWS_SSM_INSTANCE_ID", "")
    host = host if re.fullmatch(r"[A-Za-z0-9-]{1,64}", host) else ""
    try:
        return carry_out(read_request(environment), host)
    except Trouble as trouble:
        reason = trouble.reason
    except Exception as error:
        reason = f"unexpected {type(error).__name__}: {error}"
    report = {"twinslot": 1, "host": host, "app": "", "verb": "", "step": "", "deployment": "", "fence": 0}
    for name in ("app", "verb", "step", "deployment"):
        value = environment.get("SSM_" + name, "")
        report[name] = value if re.fullmatch(PATTERNS[name], value) else ""
    return compose(dict(report, ok=False, sha256=None, seconds={}, **NOTHING_KNOWN), reason, [])


def main(arguments: list[str], environment: dict[str, str]) -> int:
    """Runs as the script `arguments[0]`: prints the report and returns the exit code.

    Nothing else ever reaches the two outputs: a child that holds one open would keep the command open at
    the agent."""
    syslog.openlog("twinslot")
    output = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.umask(0o022)
    if arguments[1:2] == ["retire"] and re.fullmatch(PATTERNS["app"], arguments[2]):
        command = Command(Request("retire", arguments[2], "retire"), Places(arguments[2]))
        with contextlib.suppress(NotDone), command.turn(wait=0):
            retire(command)
        return 0
    text = answer(environment)
    with contextlib.suppress(OSError):
        os.write(output, text.encode() + b"\n")
    return 0 if json.loads(text)["ok"] else 1
