"""The verb doctor: every precondition on a host, each failure with its remedy."""

from __future__ import annotations

import json
from typing import Any, Callable

from twinslot_host.command.request import Request
from twinslot_host.doctor import checks
from twinslot_host.doctor.checks import Check, Verdict
from twinslot_host.doctor.probes import Patient
from twinslot_host.verbs.report import printable

TEXT_CHARACTERS = 300

Judge = Callable[[Any, str], Verdict]
CHECKS: dict[str, tuple[Callable[[Patient], Any], Judge]] = {
    "agent": (Patient.agent, checks.judge_agent),
    "python": (Patient.python, checks.judge_python),
    "nginx installed": (Patient.installed, checks.judge_installed),
    "nginx running": (Patient.running, checks.judge_running),
    "nginx configuration": (Patient.configuration, checks.judge_configuration),
    "nginx site": (Patient.site, checks.judge_site),
    "port 80": (Patient.rivals, checks.judge_rivals),
    "users": (Patient.cut_off, checks.judge_cut_off),
    "java": (Patient.java, checks.judge_java),
    "provisioned": (Patient.provisioned, checks.judge_provisioned),
    "one app": (Patient.only, checks.judge_only),
    "live slot": (Patient.live, checks.judge_live),
    "slot ports": (Patient.ports, checks.judge_ports),
    "units": (Patient.units, checks.judge_units),
    "state": (Patient.state, checks.judge_state),
    "memory": (Patient.memory, checks.judge_memory),
    "disk": (Patient.disk, checks.judge_disk),
    "clock": (Patient.clock, checks.judge_clock),
    "metadata": (Patient.one_byte, checks.judge_metadata),
    "s3": (Patient.one_byte, checks.judge_s3),
    "environment": (Patient.environment, checks.judge_environment),
    "certificate": (Patient.certificate, checks.judge_certificate),
}


def check(name: str, patient: Patient, host: str) -> Check:
    """Looks and judges. What cannot be looked at is not well."""
    look, judge = CHECKS[name]
    try:
        ok, what, remedy = judge(look(patient), patient.request.app)
    except Exception as error:  # one thing that cannot be seen hides no other
        ok, what, remedy = False, f"could not be looked at: {error}", "mend the other failed checks first"
    remedy = remedy.replace("--instance-ids HOST", f"--instance-ids {host}")
    return Check(name, ok, printable(what, TEXT_CHARACTERS), "" if ok else printable(remedy, TEXT_CHARACTERS))


def doctor(request: Request, host: str) -> str:
    """One line of JSON with every check. It changes nothing and waits for nobody."""
    patient = Patient(request)
    checks = [check(name, patient, host)._asdict() for name in CHECKS]
    told = {"twinslot": 1, "host": host, "app": request.app, "verb": "doctor", "checks": checks}
    return json.dumps(told, ensure_ascii=False)
