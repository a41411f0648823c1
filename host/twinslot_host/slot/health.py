"""The health of a slot: ask its process, judge the answer, count answers in a row."""

from __future__ import annotations

import json

from twinslot.shared.constants import PORTS

from twinslot_host.command.request import management_port
from twinslot_host.slot.state import SlotContent, is_verified, port_mismatch, read_content
from twinslot_host.system.http import Answer, ask
from twinslot_host.system.paths import Paths
from twinslot_host.system.systemd import Unit

HEALTH_SECONDS = 5.0  # timeout of one question
HEALTH_STREAK = 3  # healthy answers in a row that verify a slot, unhealthy ones that fail a bake


def judge(answer: Answer) -> str:
    """Return what is wrong with an answer of the health path; empty: healthy."""
    if not answer.status:
        return f"no answer ({answer.text})"
    if not 200 <= answer.status < 300:
        return f"the answer {answer.status} {answer.text[:60]}".strip()
    try:
        value = json.loads(answer.text)
    except ValueError:
        return ""
    status = value.get("status", "UP") if isinstance(value, dict) else "UP"
    return "" if status == "UP" else f"the status {str(status)[:40]}"


def health_port(content: SlotContent, slot: str) -> int:
    """Return the port that answers the health path: the management port where there is one."""
    return management_port(content.settings, slot) or PORTS[slot]


def ask_health(content: SlotContent, slot: str, timeout: float = HEALTH_SECONDS) -> str:
    """Ask a slot for its health, at most `timeout` seconds. Returns what is wrong; empty: healthy."""
    return judge(ask(health_port(content, slot), content.settings.health_path, timeout))


class HealthStreak:
    """Counts a slot's healthy and unhealthy answers in a row; `problem` is that of the last one."""

    def __init__(self, content: SlotContent, slot: str) -> None:
        self.content = content
        self.slot = slot
        self.problem = ""
        self.good = self.bad = 0

    def ask(self, timeout: float = HEALTH_SECONDS) -> None:
        """Ask once more."""
        self.problem = ask_health(self.content, self.slot, timeout)
        self.good, self.bad = (0, self.bad + 1) if self.problem else (self.good + 1, 0)

    @property
    def is_healthy(self) -> bool:
        """Return whether the last HEALTH_STREAK answers were healthy."""
        return self.good >= HEALTH_STREAK

    @property
    def is_unhealthy(self) -> bool:
        """Return whether the last HEALTH_STREAK answers were unhealthy."""
        return self.bad >= HEALTH_STREAK


def serves(paths: Paths, slot: str, unit: Unit) -> bool:
    """Return whether the slot's verified process is alive and healthy now."""
    content = read_content(paths, slot)
    return bool(content and is_verified(paths, slot, unit) and not ask_health(content, slot))


def would_verify(paths: Paths, slot: str, unit: Unit) -> bool:
    """Return whether a process that was never verified serves the slot now: systemd has restarted it."""
    content = read_content(paths, slot)
    if not content or unit.state != "active":
        return False
    return not ask_health(content, slot) and not port_mismatch(paths, slot, content, unit.pid)
