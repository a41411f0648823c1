"""Runs all faults on several hosts at once, and prints a row for each as it ends."""

import contextlib
import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lab.chaos import judgement
from lab.chaos.calls import Calls
from lab.chaos.fault import Group
from lab.chaos.host_under_test import HostUnderTest
from lab.chaos.judgement import Row
from lab.project import ROOT
from lab.sandbox.sandbox import Sandbox

SUMMARY = ROOT / "build" / "chaos" / "summary.json"
HEAD = f"{'fault':<58} {'outcome':<11} {'lost':>5} {'seconds':>8} {'announced':>9}  passed"


class Runner:
    """Runs groups of faults on `hosts` hosts. `wanted` selects faults by name."""

    def __init__(
        self, sandbox: Sandbox, groups: Sequence[Group], hosts: int, wanted: Callable[[str], bool]
    ) -> None:
        self.rows: list[Row] = []
        self._sandbox = sandbox
        self._calls = Calls(sandbox)
        self._wanted = wanted
        self._hosts = hosts
        self._groups: queue.Queue[Group] = queue.Queue()
        self._all = sorted(groups, key=lambda each: -each.minutes)
        self._left = 0
        self._lock = threading.Lock()
        self._over = threading.Event()

    def run(self) -> list[Row]:
        """Run all groups and return the rows. Raises KeyboardInterrupt: faults under way get no row, and
        their machines are removed with the sandbox."""
        print(HEAD, flush=True)
        try:
            self._run_side_by_side([group for group in self._all if group.alone], 1)
            self._run_side_by_side([group for group in self._all if not group.alone], self._hosts)
        finally:
            self._over.set()
        for row in self.rows:
            row.recount(self._sandbox.announcements)
        return self.rows

    def _run_side_by_side(self, groups: Sequence[Group], hosts: int) -> None:
        for group in groups:
            self._put(group)
        # Daemons: what they wait for may take minutes, and Ctrl-C should not.
        threads = [threading.Thread(target=self._work, name=f"host-{n}", daemon=True) for n in range(hosts)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _put(self, group: Group) -> None:
        with self._lock:
            self._left += 1
        self._groups.put(group)

    def _work(self) -> None:
        target: HostUnderTest | None = None
        while not self._over.is_set():
            try:
                group = self._groups.get(timeout=0.2)
            except queue.Empty:
                # Another target may still find faults for this one.
                if not self._left:
                    break
                continue
            try:
                target = self._run_group(group, target)
            except Exception as error:
                self._add(Row(group.name, why=[f"{type(error).__name__}: {error}"]))
                target = self._discard(target)
            finally:
                with self._lock:
                    self._left -= 1
        self._discard(target)

    def _run_group(self, group: Group, target: HostUnderTest | None) -> HostUnderTest | None:
        if target and (target.kind != group.kind or group.kind == "small-disks"):
            target = self._discard(target)
        faults = list(group.faults)
        if group.expand:
            target = target or HostUnderTest(self._sandbox, self._calls, group.kind)
            faults += group.expand(target)
            if group.spread:
                for fault in filter(lambda each: self._wanted(each.name), faults):
                    self._put(Group(fault.name, (fault,), kind=group.kind))
                return target
        for fault in filter(lambda each: self._wanted(each.name), faults):
            target = target or HostUnderTest(self._sandbox, self._calls, group.kind)
            row = judgement.run(fault, target)
            self._add(row)
            # A fault that failed may have left something behind: the next one gets a new host.
            if not row.passed:
                target = self._discard(target)
        return target

    @staticmethod
    def _discard(target: HostUnderTest | None) -> None:
        """Terminate the host; a machine that does not end in time is removed with the sandbox."""
        if target:
            with contextlib.suppress(subprocess.TimeoutExpired):
                target.close()

    def _add(self, row: Row) -> None:
        if self._over.is_set():
            return
        with self._lock:
            self.rows.append(row)
            write(self.rows)
            print(line(row), flush=True)
            for why in row.why:
                print(f"    {sanitize(why)}", flush=True)


def line(row: Row) -> str:
    passed = "yes" if row.passed else "NO"
    return (
        f"{row.name:<58} {row.outcome:<11} {row.lost:>5} {row.seconds:>8.1f} {row.announcements:>9}  {passed}"
    )


def sanitize(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)[:600]


def write(rows: Sequence[Row], path: Path = SUMMARY) -> None:
    """Write the rows as JSON."""
    faults = [
        {
            "name": row.name,
            "outcome": row.outcome,
            "lost": row.lost,
            "seconds": round(row.seconds, 1),
            "announcements": row.announcements,
            "passed": row.passed,
            "why": row.why,
        }
        for row in rows
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"at": round(time.time()), "faults": faults}, indent=1) + "\n")
