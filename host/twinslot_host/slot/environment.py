"""An app's environment: its parameters in Parameter Store, stored in files that only root can read.

Its values are written nowhere else: not to a report, the journal, a command line or the name of a file.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import secrets

from twinslot.shared.constants import PORTS

from twinslot_host.aws.parameter_store import read_parameters
from twinslot_host.system.errors import StepFailed
from twinslot_host.system.files import point_link, read_text, remove, write_file
from twinslot_host.system.paths import Paths

NAME = "[A-Za-z_][A-Za-z0-9_]{0,63}"
REFUSED = {
    # Spring reads its port from these names in any case.
    "(?i)(MANAGEMENT_)?SERVER_PORT|TWINSLOT_.*": "is set by the slot",
    # The unit's ExecStopPost runs as root, with this environment.
    "LD_.*|GLIBC_TUNABLES|MALLOC_.*|GCONV_PATH|LOCPATH|NLSPATH": "would affect programs that run as root",
    "JAVA_TOOL_OPTIONS|JDK_JAVA_OPTIONS|_JAVA_OPTIONS": (
        "is printed by the JVM with its value: use the setting java_options"
    ),
}


def path_of(app: str) -> str:
    """Return the path of an app's environment in Parameter Store."""
    return f"/twinslot/apps/{app}/env"


def read_environment(app: str) -> str:
    """Return an app's environment as systemd reads it; empty when it has no parameters.

    Raises StepFailed, naming the parameter, when one is refused, and what read_parameters raises.
    """
    return compose(path_of(app), read_parameters(path_of(app)))


def compose(path: str, parameters: dict[str, str]) -> str:
    """Return the variables in the format of EnvironmentFile, sorted.

    Raises StepFailed when one is refused.
    """
    for name, value in sorted(parameters.items()):
        why = refusal(name, value)
        if why:
            raise StepFailed(
                f"{path}/{name[:64]} {why}; or remove it: aws ssm delete-parameter --name {path}/{name[:64]}"
            )
    return "".join(f'{name}="{quoted(value)}"\n' for name, value in sorted(parameters.items()))


def refusal(name: str, value: str) -> str:
    """Return why no process can be given this variable; empty: it can."""
    if not re.fullmatch(NAME, name):
        return f"is no valid name of a variable ({NAME}): rename it"
    for pattern, why in REFUSED.items():
        if re.fullmatch(pattern, name):
            return why
    if not all(map(fits_in, value)):
        return "has a character that systemd does not accept: store it as base64"
    return ""


def fits_in(character: str) -> bool:
    """Return whether systemd accepts the character: neither NUL nor a surrogate nor a noncharacter.

    It would drop the variable, and write its value to the journal.
    """
    point = ord(character)
    return bool(
        point and not 0xD800 <= point <= 0xDFFF and not 0xFDD0 <= point <= 0xFDEF and point & 0xFFFE != 0xFFFE
    )


def quoted(value: str) -> str:
    """Return the value for systemd's double quotes, in which only these four have a meaning."""
    return re.sub(r'["\\`$]', r"\\\g<0>", value)


def fingerprint(paths: Paths, text: str) -> str:
    """Return a keyed hash that identifies an environment on this host, and reveals nothing of its values.

    The key stays in the folder that only root can read.
    """
    os.makedirs(paths.secrets, mode=0o700, exist_ok=True)
    key = read_text(paths.secrets + "/key")
    if not key:
        key = secrets.token_hex(32)
        write_file(paths.secrets + "/key", key, 0o600)
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]


def keep(paths: Paths, text: str) -> str:
    """Store an environment for the slots that are started with it, and return its fingerprint."""
    mark = fingerprint(paths, text)
    write_file(paths.kept(mark), text, 0o600)
    return mark


def link_environment(paths: Paths, slot: str, mark: str | None) -> bool:
    """Link the slot's unit to the environment that it was staged with.

    Returns False when that is not stored.
    """
    if not mark or not os.path.exists(paths.kept(mark)):
        return False
    point_link(paths.environment(slot), mark)
    return True


def write_empty_environment(paths: Paths, slot: str) -> None:
    """Write an empty environment for a slot that has none: systemd starts no unit whose file is missing."""
    if not os.path.lexists(paths.environment(slot)):
        os.makedirs(paths.secrets, mode=0o700, exist_ok=True)
        write_file(paths.environment(slot), "", 0o600)


def forget_environments(paths: Paths, *marks: str | None) -> None:
    """Remove every environment except these, and the links of slots to removed ones."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(paths.secrets):
            if re.fullmatch("[0-9a-f]{32}", name) and name not in marks:
                remove(f"{paths.secrets}/{name}")
    for slot in PORTS:
        if os.path.islink(paths.environment(slot)) and not os.path.exists(paths.environment(slot)):
            remove(paths.environment(slot))
