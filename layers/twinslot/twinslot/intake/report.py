"""Reads the report that a host printed at the end of a command. Its shape and its origin are checked.

docs/host.md defines the shape. Texts are limited in length and made printable here, and passed on like that.
Fields that another version of the host program adds are ignored.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import NoReturn, TypeVar

from twinslot.domain.model import HostReport, SlotReport, written_by
from twinslot.errors import BadReport
from twinslot.intake.sanitize import quoted, sanitize
from twinslot.shared.constants import PORTS, VERSION

FORMAT = 1
ERROR_MARK = "----------ERROR-------"
"""The SSM agent puts this between standard output and standard error in an invocation's `Output`."""

VERBS = ("provision", "stage", "flip", "bake", "report")
SHA256 = re.compile(r"[0-9a-f]{64}")
SECONDS_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
MAX_REASON_CHARACTERS = 300
MAX_LINE_CHARACTERS = 500
MAX_WORD_CHARACTERS = 64
MAX_LINES = 50
MAX_SECONDS = 20
LARGEST = 10**15 - 1

Value = TypeVar("Value")


def read(output: str, instance: str, app: str, step: str, deployment: str) -> HostReport:
    """Return the report in `output` of the host `instance` for this step of this deployment.

    Raises BadReport when it is not JSON, not of the agreed shape, or about something else.
    """
    fields = _parse(output)
    try:
        return _read(fields, instance, app, step, deployment)
    except BadReport as error:
        version = fields.get("written_by")
        if version == VERSION:
            raise
        # A report without a version is from before 0.1.0.
        note = written_by(sanitize(version, MAX_WORD_CHARACTERS) if isinstance(version, str) else None)
        raise BadReport(f"{error} ({note})") from error


def _read(fields: Mapping[str, object], instance: str, app: str, step: str, deployment: str) -> HostReport:
    if fields.get("twinslot") != FORMAT:
        _refuse(f"its format is {_shown(fields.get('twinslot'))}, but this controller reads format {FORMAT}")
    for name, expected in (("host", instance), ("app", app), ("step", step), ("deployment", deployment)):
        if fields.get(name) != expected:
            _refuse(f"{name} is {_shown(fields.get(name))}, but {quoted(expected)} was expected")
    slots = _field(fields, "slots", dict)
    seconds = _field(fields, "seconds", dict)
    if len(seconds) > MAX_SECONDS:
        _refuse(f"seconds has {len(seconds)} entries, but at most {MAX_SECONDS} are read")
    return HostReport(
        host=instance,
        app=app,
        verb=_one_of(_field(fields, "verb", str), "verb", VERBS),
        step=step,
        deployment=deployment,
        fence=_count(fields, "fence"),
        ok=_field(fields, "ok", bool),
        reason=sanitize(_field(fields, "reason", str), MAX_REASON_CHARACTERS),
        log=tuple(_line(line) for line in _field(fields, "log", list)[-MAX_LINES:]),
        live=_optional(fields, "live", lambda live: _one_of(live, "live", tuple(PORTS))),
        standby=_field(fields, "standby", bool),
        slots={_one_of(name, "slots", tuple(PORTS)): _slot(slot) for name, slot in slots.items()},
        sha256=_optional(fields, "sha256", lambda digest: _digest(digest, "sha256")),
        seconds={_seconds_name(name): _seconds(spent) for name, spent in seconds.items()},
    )


def _parse(output: str) -> Mapping[str, object]:
    """Return the JSON object in the last line of standard output."""
    printed = output.partition(ERROR_MARK)[0].strip()
    if not printed:
        _refuse(f"nothing was printed{_stderr(output)}")
    line = printed.split("\n")[-1]
    try:
        fields = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadReport(f"the report is not JSON: {quoted(line)}{_stderr(output)}") from error
    if not isinstance(fields, dict):
        _refuse(f"it is {_shown(fields)}, not an object")
    return fields


def _slot(slot: object) -> SlotReport:
    if not isinstance(slot, dict):
        _refuse(f"a slot is {_shown(slot)}, not an object")
    return SlotReport(
        release=_optional(slot, "release", lambda digest: _digest(digest, "release of a slot")),
        label=_optional(slot, "label", lambda label: sanitize(label, MAX_WORD_CHARACTERS)),
        state=sanitize(_field(slot, "state", str), MAX_WORD_CHARACTERS),
        verified=_field(slot, "verified", bool),
        pid=_count(slot, "pid"),
        # A command in progress while the stack was updated ran the document from before this field.
        restarts=_count(slot, "restarts") if "restarts" in slot else 0,
    )


def _field(fields: Mapping[str, object], name: str, kind: type[Value]) -> Value:
    value = fields.get(name)
    # Exactly this type: to Python True is an int too.
    if type(value) is not kind:
        _refuse(f"{name} is {_shown(value)}, not {kind.__name__}")
    return value


def _optional(fields: Mapping[str, object], name: str, check: Callable[[str], str]) -> str | None:
    """Return a text or None; its key must be present."""
    if name in fields and fields[name] is None:
        return None
    return check(_field(fields, name, str))


def _count(fields: Mapping[str, object], name: str) -> int:
    value = _field(fields, name, int)
    if not 0 <= value <= LARGEST:
        _refuse(f"{name} is out of range")
    return value


def _one_of(value: str, name: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        _refuse(f"{name} is {quoted(value)}, not one of {', '.join(allowed)}")
    return value


def _digest(value: str, name: str) -> str:
    if not SHA256.fullmatch(value):
        _refuse(f"{name} is {quoted(value)}, not a sha-256")
    return value


def _line(line: object) -> str:
    if not isinstance(line, str):
        _refuse(f"a line of log is {_shown(line)}, not a string")
    return sanitize(line, MAX_LINE_CHARACTERS)


def _seconds_name(name: str) -> str:
    if not SECONDS_NAME.fullmatch(name):
        _refuse(f"seconds has the key {quoted(name)}, which is no name")
    return name


def _seconds(spent: object) -> float:
    if isinstance(spent, bool) or not isinstance(spent, int | float) or not 0 <= spent <= LARGEST:
        _refuse(f"{_shown(spent)} in seconds is not a number of seconds")
    # To the millisecond: DynamoDB refuses numbers as small as a host can print.
    return round(float(spent), 3)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _shown(value: object) -> str:
    return "missing" if value is None else quoted(value if isinstance(value, str) else repr(value))


def _stderr(output: str) -> str:
    printed = output.partition(ERROR_MARK)[2].strip()
    return f"; on standard error: {quoted(printed)}" if printed else ""


def _refuse(why: str) -> NoReturn:
    raise BadReport(f"the report cannot be used: {why}")
