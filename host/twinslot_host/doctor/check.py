"""What a check of doctor is, and how a module registers its checks.

A new check is one edit in one of this package's modules: a probe, which looks at the host, and the judge
below `@check(NAME, PROBE)`, which is pure, so that a test can plant every fault.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Optional, TypeVar

from twinslot_host.doctor.host import Host
from twinslot_host.system.sanitize import sanitize

TEXT_CHARACTERS = 300
PROVISION = (
    "aws ssm send-command --document-name DOCUMENT --instance-ids HOST"
    " --parameters verb=provision,step=provision,app={app}"
)
"""doctor replaces HOST; the command line, which knows the stack, replaces DOCUMENT."""

Found = TypeVar("Found")
Verdict = tuple[Optional[bool], str, str]
"""Whether the check passed (None: another check has to pass before this one can be made), what was found,
with its value, and the remedy: a command to type, or `see CHECK`."""


class Result(NamedTuple):
    """A check in doctor's answer; `remedy` is empty when `ok`."""

    name: str
    ok: bool | None
    what: str
    remedy: str


class Check(NamedTuple):
    """One precondition: how to look at it and how to judge what was found, given the app's name."""

    name: str
    probe: Callable[[Host], Any]
    judge: Callable[[Any, str], Verdict]

    def run(self, host: Host) -> Result:
        """Probe and judge. A probe that fails makes a failed check."""
        try:
            ok, what, remedy = self.judge(self.probe(host), host.app)
        except Exception as error:  # one probe that fails must not hide the other checks
            what, remedy = f"could not be checked: {error}", "correct the other failed checks first"
            ok = False
        remedy = "" if ok else remedy.replace("--instance-ids HOST", f"--instance-ids {host.id}")
        return Result(self.name, ok, sanitize(what, TEXT_CHARACTERS), sanitize(remedy, TEXT_CHARACTERS))


Judge = Callable[[Found, str], Verdict]


class Checks(list[Check]):
    """The checks of a module, in the order of doctor's answer."""

    def __call__(self, name: str, probe: Callable[[Host], Found]) -> Callable[[Judge[Found]], Judge[Found]]:
        """Register the function below as the judge of what this probe finds."""

        def register(judge: Judge[Found]) -> Judge[Found]:
            self.append(Check(name, probe, judge))
            return judge

        return register
