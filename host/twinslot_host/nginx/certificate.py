"""The certificate and its key, looked at before nginx is to use them."""

from __future__ import annotations

import os
import ssl
import stat

from twinslot_host.system.errors import StepFailed

MAX_BYTES = 1024 * 1024


def check_certificate(certificate: str, key: str) -> None:
    """Trouble: one of the files is not there, is no file, is not PEM, or the key is another certificate's."""
    for setting, path in (("tls_certificate", certificate), ("tls_key", key)):
        try:
            about = os.stat(path)
        except OSError as error:
            raise StepFailed(
                f"{setting} is {path}: {error.strerror}; put it there, or correct the setting"
            ) from error
        if not stat.S_ISREG(about.st_mode) or about.st_size > MAX_BYTES:
            raise StepFailed(f"{setting} is {path}, which is no file in PEM; correct the setting")
    try:
        # A password would be asked for on a terminal that nobody looks at: an empty one fails instead.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, lambda: "")
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror
        if reason == "KEY_VALUES_MISMATCH":
            raise StepFailed(f"tls_key {key} is not the key of tls_certificate {certificate}") from error
        raise StepFailed(
            f"tls_certificate {certificate} with tls_key {key} cannot be used ({reason}): both have to be"
            " PEM, and the key without a password"
        ) from error
