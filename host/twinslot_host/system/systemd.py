"""systemd's side: the unit of the slots, the timer that retires, and what systemd says of them."""

from __future__ import annotations

import re
import sys
from typing import NamedTuple

from twinslot_host.system.paths import PORTS, Paths
from twinslot_host.system.procfs import EXPENDABLE
from twinslot_host.system.subprocesses import check_run, run

STOP_SECONDS = 45  # Spring Boot's graceful shutdown takes up to 30
JOURNAL_LINES = 30


UNIT = """\
# Written by twinslot: provision puts it back. Changes belong in a drop-in.
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
# Later ones win: the slot's own are not the app's to change.
EnvironmentFile=@secrets@/%i.env
EnvironmentFile=@slots@/%i.env
ExecStart=@slots@/%i.jdk/bin/java @@slots@/%i.args -jar ${TWINSLOT_JAR}
# A process that ended is no standby and no longer verified, however it ended.
ExecStopPost=+/bin/rm -f @standby@/%i @verified@/%i.json
Restart=on-failure
RestartSec=2
SuccessExitStatus=143
KillMode=mixed
TimeoutStopSec=@stop@
# Where memory is short, the process goes that no user needs: a flip takes this from the live one.
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
# Written by twinslot: provision puts it back.
[Unit]
Description=Stop the old slot of @app@ once its time is over (twinslot)

[Service]
Type=oneshot
ExecStart=@python@ @program@ retire @app@
"""


RETIRE_TIMER = """\
# Written by twinslot: provision puts it back. It runs only while an old slot waits for its end.
[Unit]
Description=Look whether the old slot of @app@ may stop (twinslot)
ConditionPathExists=@retire_at@

[Timer]
OnActiveSec=5s
OnUnitInactiveSec=10s
AccuracySec=1s

[Install]
WantedBy=timers.target
"""


NGINX = """\
# Written by twinslot: provision puts it back. Debian's unit leaves nginx dead when it was killed.
[Unit]
StartLimitIntervalSec=0

[Service]
Restart=on-failure
RestartSec=1
"""


def fill(template: str, values: dict[str, str]) -> str:
    """The template with each @name@ replaced."""
    for name, value in values.items():
        template = template.replace(f"@{name}@", value)
    return template


def unit_files(paths: Paths) -> dict[str, str]:
    """The unit files of the app: path -> text."""
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
    """The options as java reads them from an @file: quoted, with backslashes and quotes escaped."""
    return "".join('"' + option.replace("\\", "\\\\").replace('"', '\\"') + '"\n' for option in options)


class Unit(NamedTuple):
    """What systemd says of a unit; `pid` is 0 when no process runs."""

    state: str
    pid: int
    restarts: str
    invocation: str
    enabled: bool
    stale: bool


def show_units(*units: str) -> list[Unit]:
    """What systemd says of these units, asked once."""
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
    """What systemd says of the two slots."""
    return dict(zip(PORTS, show_units(*map(paths.unit, PORTS))))


def last_lines(invocation: str) -> list[str]:
    """The end of the journal of one run of a unit: the process's own lines and systemd's about it."""
    if not re.fullmatch("[0-9a-f]{32}", invocation):
        return []
    run("journalctl", "--sync")
    ran = run(
        "journalctl", "--quiet", "--no-pager", "--output=cat", f"--lines={JOURNAL_LINES}",
        f"_SYSTEMD_INVOCATION_ID={invocation}", "+", f"INVOCATION_ID={invocation}",
    )  # fmt: skip
    return ran.output.splitlines() if ran.code == 0 else []
