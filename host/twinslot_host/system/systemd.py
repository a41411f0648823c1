"""systemd: the units of the slots, the timer that retires a slot, and their state."""

from __future__ import annotations

import re
import sys
from typing import NamedTuple

from twinslot.shared.constants import PORTS

from twinslot_host.system.paths import Paths
from twinslot_host.system.procfs import EXPENDABLE
from twinslot_host.system.subprocesses import check_run, run

STOP_SECONDS = 45  # Spring Boot's graceful shutdown takes up to 30
JOURNAL_LINES = 30


UNIT = """\
# Written by twinslot: provision restores it. Put changes into a drop-in.
[Unit]
Description=@app@, slot %i (twinslot)
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=300
StartLimitBurst=30

[Service]
Type=exec
User=@user@
Group=@user@
# Later files win: an app cannot change the slot's own variables.
EnvironmentFile=@secrets@/%i.env
EnvironmentFile=@slots@/%i.env
ExecStart=@slots@/%i.jdk/bin/java @@slots@/%i.args -jar ${TWINSLOT_JAR}
# A process that has ended, however it ended, is no standby and not verified.
ExecStopPost=+/bin/rm -f @standby@/%i @verified@/%i.json
Restart=on-failure
RestartSec=2
SuccessExitStatus=143
KillMode=mixed
TimeoutStopSec=@stop@
# When memory is short, the kernel kills the idle slot's process: a flip resets this for the live one.
OOMScoreAdjust=@expendable@
SyslogIdentifier=twinslot-@app@-%i
StateDirectory=twinslot/@app@/work
StateDirectoryMode=0750
WorkingDirectory=@work@
UMask=0027

NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""


RETIRE_SERVICE = """\
# Written by twinslot: provision restores it.
[Unit]
Description=Stop the old slot of @app@ when its time is over (twinslot)

[Service]
Type=oneshot
ExecStart=@python@ @program@ retire @app@
"""


RETIRE_TIMER = """\
# Written by twinslot: provision restores it. It runs only while an old slot waits to be stopped.
[Unit]
Description=Check whether the old slot of @app@ can be stopped (twinslot)
ConditionPathExists=@retire_at@

[Timer]
OnActiveSec=5s
OnUnitInactiveSec=10s
AccuracySec=1s

[Install]
WantedBy=timers.target
"""


NGINX = """\
# Written by twinslot: provision restores it. Debian's unit does not restart an nginx that was killed.
[Unit]
StartLimitIntervalSec=0

[Service]
Restart=on-failure
RestartSec=1
"""


def fill(template: str, values: dict[str, str]) -> str:
    """Return the template with each @name@ replaced."""
    for name, value in values.items():
        template = template.replace(f"@{name}@", value)
    return template


def unit_files(paths: Paths) -> dict[str, str]:
    """Return the unit files of the app: path -> text."""
    values = {
        "app": paths.app,
        "user": paths.user(),
        "slots": paths.slots,
        "secrets": paths.secrets,
        "standby": paths.standby,
        "verified": paths.verified,
        "stop": str(STOP_SECONDS),
        "expendable": str(EXPENDABLE),
        "work": paths.work,
        "python": sys.executable,
        "program": paths.program,
        "retire_at": paths.retire_at,
    }
    return {
        f"{paths.units}/twinslot-{paths.app}@.service": fill(UNIT, values),
        f"{paths.units}/{paths.retire_unit}.service": fill(RETIRE_SERVICE, values),
        f"{paths.units}/{paths.retire_unit}.timer": fill(RETIRE_TIMER, values),
        f"{paths.units}/nginx.service.d/twinslot-{paths.app}.conf": NGINX,
    }


def argument_file(options: tuple[str, ...]) -> str:
    """Return the options in the format of java's @file: quoted, with backslashes and quotes escaped."""
    return "".join('"' + option.replace("\\", "\\\\").replace('"', '\\"') + '"\n' for option in options)


class Unit(NamedTuple):
    """The state of a unit; `pid` is 0 when no process runs."""

    state: str
    pid: int
    restarts: str
    invocation: str
    enabled: bool
    stale: bool


def show_units(*units: str) -> list[Unit]:
    """Return the state of these units, in one call of systemctl."""
    names = "ActiveState,MainPID,NRestarts,InvocationID,UnitFileState,NeedDaemonReload"
    text = check_run("systemctl", "show", "--property=" + names, *units)
    shown = []
    for block in text.strip().split("\n\n"):
        value = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        shown.append(
            Unit(
                value.get("ActiveState", ""),
                int(value.get("MainPID") or 0),
                value.get("NRestarts", ""),
                value.get("InvocationID", ""),
                value.get("UnitFileState") == "enabled",
                value.get("NeedDaemonReload") == "yes",
            )
        )
    return shown


def both_units(paths: Paths) -> dict[str, Unit]:
    """Return the state of the two slots' units."""
    return dict(zip(PORTS, show_units(*map(paths.unit, PORTS))))


def last_lines(invocation: str) -> list[str]:
    """Return the last journal lines of one run of a unit: those of its process and systemd's about it."""
    if not re.fullmatch("[0-9a-f]{32}", invocation):
        return []
    run("journalctl", "--sync")
    ran = run(
        "journalctl", "--quiet", "--no-pager", "--output=cat", f"--lines={JOURNAL_LINES}",
        f"_SYSTEMD_INVOCATION_ID={invocation}", "+", f"INVOCATION_ID={invocation}",
    )  # fmt: skip
    return ran.output.splitlines() if ran.code == 0 else []
