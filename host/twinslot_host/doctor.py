"""The verb doctor: every precondition on a host, each failure with its remedy."""

from __future__ import annotations

import json
from typing import Any, Callable

from twinslot_host import diagnosis
from twinslot_host.diagnosis import Check, Verdict
from twinslot_host.examination import Patient
from twinslot_host.report import printable
from twinslot_host.request import Request

TEXT_CHARACTERS = 300

Judge = Callable[[Any, str], Verdict]
CHECKS: dict[str, tuple[Callable[[Patient], Any], Judge]] = {
    "agent": (Patient.agent, diagnosis.judge_agent),
    "python": (Patient.python, diagnosis.judge_python),
    "nginx installed": (Patient.installed, diagnosis.judge_installed),
    "nginx running": (Patient.running, diagnosis.judge_running),
    "nginx configuration": (Patient.configuration, diagnosis.judge_configuration),
    "nginx site": (Patient.site, diagnosis.judge_site),
    "port 80": (Patient.rivals, diagnosis.judge_rivals),
    "users": (Patient.cut_off, diagnosis.judge_cut_off),
    "java": (Patient.java, diagnosis.judge_java),
    "provisioned": (Patient.provisioned, diagnosis.judge_provisioned),
    "one app": (Patient.only, diagnosis.judge_only),
    "live slot": (Patient.live, diagnosis.judge_live),
    "slot ports": (Patient.ports, diagnosis.judge_ports),
    "units": (Patient.units, diagnosis.judge_units),
    "state": (Patient.state, diagnosis.judge_state),
    "memory": (Patient.memory, diagnosis.judge_memory),
    "disk": (Patient.disk, diagnosis.judge_disk),
    "clock": (Patient.clock, diagnosis.judge_clock),
    "metadata": (Patient.one_byte, diagnosis.judge_metadata),
    "s3": (Patient.one_byte, diagnosis.judge_s3),
    "environment": (Patient.environment, diagnosis.judge_environment),
    "certificate": (Patient.certificate, diagnosis.judge_certificate),
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
