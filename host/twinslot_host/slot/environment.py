"""An app's environment: what Parameter Store holds for it, in files that only root reads.

No value of it stands anywhere else: not in a report, the journal, a command line or the name of a file.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import secrets

from twinslot_host.aws.parameter_store import read_parameters
from twinslot_host.system.errors import StepFailed
from twinslot_host.system.files import point_link, read_text, remove, write_file
from twinslot_host.system.paths import PORTS, Paths

NAME = "[A-Za-z_][A-Za-z0-9_]{0,63}"
REFUSED = {
    # Spring reads a port from the environment in any case.
    "(?i)(MANAGEMENT_)?SERVER_PORT|TWINSLOT_.*": "is the slot's own",
    # The unit's ExecStopPost runs as root, with this environment.
    "LD_.*|GLIBC_TUNABLES|MALLOC_.*|GCONV_PATH|LOCPATH|NLSPATH": "would reach programs that run as root",
    "JAVA_TOOL_OPTIONS|JDK_JAVA_OPTIONS|_JAVA_OPTIONS": (
        "is printed by the JVM, value and all: use the setting java_options"
    ),
}


def path_of(app: str) -> str:
    """Where Parameter Store holds an app's environment."""
    return f"/twinslot/apps/{app}/env"


def read_environment(app: str) -> str:
    """What systemd reads as an app's environment: none where it has no parameters. Trouble: one of them is
    refused, by its name; Trouble and Unsteady of read_parameters."""
    return compose(path_of(app), read_parameters(path_of(app)))


def compose(path: str, parameters: dict[str, str]) -> str:
    """The variables as systemd's EnvironmentFile has them, the names in order. Trouble: one is refused."""
    for name, value in sorted(parameters.items()):
        why = refusal(name, value)
        if why:
            raise StepFailed(
                f"{path}/{name[:64]} {why}; or aws ssm delete-parameter --name {path}/{name[:64]}"
            )
    return "".join(f'{name}="{quoted(value)}"\n' for name, value in sorted(parameters.items()))


def refusal(name: str, value: str) -> str:
    """Why no process may be given this variable. Empty: it may."""
    if not re.fullmatch(NAME, name):
        return f"is no name of a variable, which match {NAME}: give it another"
    for pattern, why in REFUSED.items():
        if re.fullmatch(pattern, name):
            return why
    if not all(map(fits_in, value)):
        return "has a character that no environment can hold: store it as base64"
    return ""


def fits_in(character: str) -> bool:
    """Whether systemd takes the character: not NUL, and no code point that is not for interchange. It would
    drop the variable, and tell its value in the journal."""
    point = ord(character)
    return bool(
        point and not 0xD800 <= point <= 0xDFFF and not 0xFDD0 <= point <= 0xFDEF and point & 0xFFFE != 0xFFFE
    )


def quoted(value: str) -> str:
    """The value between systemd's double quotes: there these four mean something, and line ends do not."""
    return re.sub(r'["\\`$]', r"\\\g<0>", value)


def fingerprint(paths: Paths, text: str) -> str:
    """What tells one environment from another on this host, and nothing of it to anybody else: the key never
    leaves the folder that only root reads."""
    os.makedirs(paths.secrets, mode=0o700, exist_ok=True)
    key = read_text(paths.secrets + "/key")
    if not key:
        key = secrets.token_hex(32)
        write_file(paths.secrets + "/key", key, 0o600)
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]


def keep(paths: Paths, text: str) -> str:
    """Keeps an environment for the slots that are started with it, and returns its fingerprint."""
    mark = fingerprint(paths, text)
    write_file(paths.kept(mark), text, 0o600)
    return mark


def lay_environment(paths: Paths, slot: str, mark: str | None) -> bool:
    """Points the slot's unit to the environment that it was staged with. False: that is not kept."""
    if not mark or not os.path.exists(paths.kept(mark)):
        return False
    point_link(paths.environment(slot), mark)
    return True


def lay_none(paths: Paths, slot: str) -> None:
    """No environment, for a slot that was staged when there was no such thing: systemd starts no unit whose
    file is missing."""
    if not os.path.lexists(paths.environment(slot)):
        os.makedirs(paths.secrets, mode=0o700, exist_ok=True)
        write_file(paths.environment(slot), "", 0o600)


def forget_environments(paths: Paths, *marks: str | None) -> None:
    """Removes every environment but these, and the slots' ways to them."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(paths.secrets):
            if re.fullmatch("[0-9a-f]{32}", name) and name not in marks:
                remove(f"{paths.secrets}/{name}")
    for slot in PORTS:
        if os.path.islink(paths.environment(slot)) and not os.path.exists(paths.environment(slot)):
            remove(paths.environment(slot))
