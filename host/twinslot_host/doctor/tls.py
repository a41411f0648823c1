"""The check of the certificate that nginx serves."""

from __future__ import annotations

import re
import ssl
import time
from typing import NamedTuple

from twinslot_host.doctor.check import Checks, Verdict
from twinslot_host.doctor.host import Host
from twinslot_host.nginx.applied_settings import applied_settings
from twinslot_host.system.subprocesses import run

CERTIFICATE_DAYS = 14.0  # certbot renews 30 days before the end

check = Checks()


class Certificate(NamedTuple):
    """The certificate of the settings (empty: none), and the days until its end (None: it is unreadable)."""

    path: str
    days: float | None
    failure: str


def certificate(host: Host) -> Certificate:
    """Return the certificate of the command's settings, else of those that nginx was configured with."""
    path = applied_settings(host.paths, host.request).tls_certificate or ""
    if not path:
        return Certificate("", None, "")
    ran = run("openssl", "x509", "-noout", "-enddate", "-in", path)
    found = re.findall(r"^notAfter=(.+)$", ran.output, re.M)
    if ran.code or not found:
        return Certificate(path, None, (ran.output.strip().splitlines() or ["no output"])[0])
    return Certificate(path, (ssl.cert_time_to_seconds(found[0]) - time.time()) / 86400, "")


@check("certificate", certificate)
def judge_certificate(certificate: Certificate, app: str) -> Verdict:
    """The certificate, where the settings name one, does not end soon."""
    if not certificate.path:
        return True, "the settings name no certificate", ""
    if certificate.days is None:
        what = f"{certificate.path} cannot be read: {certificate.failure}"
        return False, what, f"sudo openssl x509 -noout -enddate -in {certificate.path}"
    when = f"ends in {certificate.days:.0f} days" if certificate.days > 0 else "has ended"
    remedy = "sudo certbot renew && sudo systemctl reload nginx"
    return certificate.days >= CERTIFICATE_DAYS, f"{certificate.path} {when}", remedy
