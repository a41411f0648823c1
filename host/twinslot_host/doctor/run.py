"""The verb doctor: check every precondition of a host, with a remedy for each failure."""

from __future__ import annotations

import json

from twinslot.shared.constants import VERSION

from twinslot_host.command.request import Request
from twinslot_host.doctor import aws, machine, nginx, program, slots, tls
from twinslot_host.doctor.host import Host

CHECKS = [check for module in (program, nginx, slots, machine, aws, tls) for check in module.check]


def doctor(request: Request, host_id: str) -> str:
    """Return one line of JSON with the result of every check. Nothing is changed, and no lock is taken."""
    host = Host(request, host_id)
    results = [check.run(host)._asdict() for check in CHECKS]
    fields = {
        "twinslot": 1,
        "written_by": VERSION,
        "host": host_id,
        "app": request.app,
        "verb": "doctor",
        "checks": results,
    }
    return json.dumps(fields, ensure_ascii=False)
