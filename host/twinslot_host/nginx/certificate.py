"""The certificate and its key, checked before nginx uses them."""

from __future__ import annotations

import os
import ssl
import stat

from twinslot_host.system.errors import StepFailed

MAX_BYTES = 1024 * 1024


def check_certificate(certificate: str, key: str) -> None:
    """Raise StepFailed unless both are files in PEM and the key is that of the certificate."""
    for setting, path in (("tls_certificate", certificate), ("tls_key", key)):
        try:
            about = os.stat(path)
        except OSError as error:
            raise StepFailed(
                f"{setting} is {path}: {error.strerror}; create it, or correct the setting"
            ) from error
        if not stat.S_ISREG(about.st_mode) or about.st_size > MAX_BYTES:
            raise StepFailed(f"{setting} is {path}, which is no file in PEM; correct the setting")
    try:
        # An empty password fails; without one OpenSSL would ask for it on a terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, lambda: "")
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror
        if reason == "KEY_VALUES_MISMATCH":
            raise StepFailed(f"tls_key {key} is not the key of tls_certificate {certificate}") from error
        raise StepFailed(
            f"tls_certificate {certificate} with tls_key {key} cannot be used ({reason}): both have to be"
            " PEM, and the key without a password"
        ) from error
