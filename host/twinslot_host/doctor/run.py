"""The verb doctor: every precondition on a host, each failure with its remedy."""

from __future__ import annotations

import json
from typing import Any, Callable

from twinslot_host.command.request import Request
from twinslot_host.doctor import checks
from twinslot_host.doctor.checks import Check, Verdict
from twinslot_host.doctor.probes import HostProbe
from twinslot_host.verbs.report import sanitize

TEXT_CHARACTERS = 300

Judge = Callable[[Any, str], Verdict]
CHECKS: dict[str, tuple[Callable[[HostProbe], Any], Judge]] = {
    "agent": (HostProbe.agent, checks.judge_agent),
    "python": (HostProbe.python, checks.judge_python),
    "nginx installed": (HostProbe.installed, checks.judge_installed),
    "nginx running": (HostProbe.running, checks.judge_running),
    "nginx configuration": (HostProbe.configuration, checks.judge_configuration),
    "nginx site": (HostProbe.site, checks.judge_site),
    "port 80": (HostProbe.rivals, checks.judge_rivals),
    "users": (HostProbe.cut_off, checks.judge_cut_off),
    "java": (HostProbe.java, checks.judge_java),
    "provisioned": (HostProbe.provisioned, checks.judge_provisioned),
    "one app": (HostProbe.only, checks.judge_only),
    "live slot": (HostProbe.live, checks.judge_live),
    "slot ports": (HostProbe.ports, checks.judge_ports),
    "units": (HostProbe.units, checks.judge_units),
    "state": (HostProbe.state, checks.judge_state),
    "memory": (HostProbe.memory, checks.judge_memory),
    "disk": (HostProbe.disk, checks.judge_disk),
    "clock": (HostProbe.clock, checks.judge_clock),
    "metadata": (HostProbe.one_byte, checks.judge_metadata),
    "s3": (HostProbe.one_byte, checks.judge_s3),
    "environment": (HostProbe.environment, checks.judge_environment),
    "certificate": (HostProbe.certificate, checks.judge_certificate),
}


def check(name: str, probe: HostProbe, host: str) -> Check:
    """Looks and judges. What cannot be looked at is not well."""
    look, judge = CHECKS[name]
    try:
        ok, what, remedy = judge(look(probe), probe.request.app)
    except Exception as error:  # one thing that cannot be seen hides no other
        ok, what, remedy = False, f"could not be looked at: {error}", "mend the other failed checks first"
    remedy = remedy.replace("--instance-ids HOST", f"--instance-ids {host}")
    return Check(name, ok, sanitize(what, TEXT_CHARACTERS), "" if ok else sanitize(remedy, TEXT_CHARACTERS))


def doctor(request: Request, host: str) -> str:
    """One line of JSON with every check. It changes nothing and waits for nobody."""
    probe = HostProbe(request)
    checks = [check(name, probe, host)._asdict() for name in CHECKS]
    told = {"twinslot": 1, "host": host, "app": request.app, "verb": "doctor", "checks": checks}
    return json.dumps(told, ensure_ascii=False)
