"""Reads the JSON of an announcement, as json_form.py describes it, into a view.

It comes back over SNS, where anybody who may publish can have written it: each field is checked here. What
another version of twinslot has added is tolerated: a field is left out, and an outcome, a kind or a format is
named, so that people still get a plain message.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from twinslot.announce.facts import FULL, LATEST, MAX_SECONDS, Cause, Jar, LiveNow
from twinslot.announce.json_form import FORMAT
from twinslot.announce.view import MAX_WORD_CHARACTERS, View, written_by
from twinslot.announce.wording import DRIFT, FROZEN, OUTCOMES, UNFROZEN
from twinslot.domain.model import Kind
from twinslot.errors import BadEvent
from twinslot.intake.sanitize import quoted, sanitize
from twinslot.shared.constants import VERSION

OLD_OUTCOMES = {"HELD": FROZEN, "RESUMED": UNFROZEN}
"""As earlier versions called them: an announcement may arrive after an update."""

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9/_.:-]{0,149}")
"""Of an announcement and of a deployment: both end up in the key of a table."""

PHASE = re.compile(r"[a-z][a-z-]{0,29}")
MAX_HOSTS = 1_000_000


def parse(announcement: object) -> View:
    """Return the view of an announcement's JSON. Raises BadEvent, which names another version."""
    fields = _Fields(announcement, "the announcement")
    version = sanitize(fields.text_or_nothing("written_by"), MAX_WORD_CHARACTERS)
    try:
        return _view(fields, version).within(FULL)
    except BadEvent as error:
        if version in ("", VERSION):
            raise
        raise BadEvent(f"{error} (written by {written_by(version)}, this is {VERSION})") from None


def _view(fields: _Fields, version: str) -> View:
    format = fields.value("twinslot")
    if not isinstance(format, int) or isinstance(format, bool):
        raise BadEvent("the announcement does not name its format: the field twinslot is not a number")
    outcome = fields.text("outcome")
    if not outcome:
        raise BadEvent("the announcement has no outcome")
    outcome = OLD_OUTCOMES.get(outcome, outcome)
    if format != FORMAT:
        return _of_another_version(fields, outcome, version, f"format {format}")
    if outcome not in OUTCOMES:
        return _of_another_version(fields, outcome, version, f"outcome {outcome}")
    if outcome == DRIFT:
        return _of_drift(fields, version)
    if outcome in (FROZEN, UNFROZEN):
        return _of_freeze(fields, outcome, version)
    return _of_deployment(fields, outcome, version)


def _of_another_version(fields: _Fields, outcome: str, version: str, unknown: str) -> View:
    """Return what can be known of an announcement whose other fields may have another meaning."""
    release, deployment = fields.value("release"), fields.value("deployment")
    label = _Fields(release, "release").text_or_nothing("label") if isinstance(release, Mapping) else ""
    return View(
        id=fields.id("announcement"),
        app=fields.text_or_nothing("app"),
        outcome=outcome,
        written_by=version,
        deployment=deployment if isinstance(deployment, str) and ID.fullmatch(deployment) else None,
        jar=Jar(label, "", "") if label else None,
        key=fields.text_or_nothing("key"),
        by=fields.text_or_nothing("by"),
        unknown=unknown,
    )


def _of_deployment(fields: _Fields, outcome: str, version: str) -> View:
    kind = fields.text("kind")
    return View(
        id=fields.id("announcement"),
        app=fields.text("app"),
        outcome=outcome,
        written_by=version,
        deployment=fields.id("deployment"),
        kind=kind,
        jar=fields.jar(),
        key=fields.text("key"),
        by=fields.text("by"),
        live=fields.live("live"),
        previous=fields.live("previous"),
        cause=fields.failure(),
        seconds=fields.seconds(),
        hosts=fields.texts("hosts"),
        unconfirmed=fields.texts("unconfirmed"),
        command=fields.text("rollback"),
        unknown=f"kind {kind}" if kind and kind not in list(Kind) else "",
    )


def _of_drift(fields: _Fields, version: str) -> View:
    found = fields.parts("differences")
    return View(
        id=fields.id("announcement"),
        app=fields.text("app"),
        outcome=DRIFT,
        written_by=version,
        live=fields.live("live"),
        differences=tuple((each.text("host"), each.text("what")) for each in found),
        others=int(fields.number("others", MAX_HOSTS) or 0),
    )


def _of_freeze(fields: _Fields, outcome: str, version: str) -> View:
    why = fields.text("why")
    command = "unfreeze" if fields.value("unfreeze") else "resume"
    return View(
        id=fields.id("announcement"),
        app=fields.text("app"),
        outcome=outcome,
        written_by=version,
        by=fields.text("by"),
        live=fields.live("live"),
        cause=Cause(why) if why else None,
        waiting=fields.text("waiting"),
        command=fields.text(command),
    )


class _Fields:
    """A JSON object of unknown origin. What is missing or null is "" or empty; what is of another type than
    it should be raises BadEvent."""

    def __init__(self, value: object, name: str) -> None:
        if not isinstance(value, Mapping):
            raise BadEvent(f"{name} is {_type(value)}, not a JSON object")
        self._fields = value

    def value(self, name: str) -> object:
        return self._fields.get(name)

    def id(self, name: str) -> str:
        value = self._fields.get(name)
        if not isinstance(value, str) or not ID.fullmatch(value):
            shown = quoted(value, 60) if isinstance(value, str) else _type(value)
            raise BadEvent(f"{name}: {shown} is no id of an announcement or a deployment")
        return value

    def text(self, name: str) -> str:
        value = self._fields.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise BadEvent(f"{name}: {_type(value)}, not a text")
        return sanitize(value, FULL.reason)

    def text_or_nothing(self, name: str) -> str:
        return self.text(name) if isinstance(self._fields.get(name), str) else ""

    def texts(self, name: str) -> tuple[str, ...]:
        values = self._list(name)
        if not all(isinstance(value, str) for value in values):
            raise BadEvent(f"{name}: not a list of texts")
        return tuple(sanitize(str(value), FULL.reason) for value in values)

    def number(self, name: str, most: float) -> float | None:
        return _number(name, self._fields.get(name), most)

    def part(self, name: str) -> _Fields | None:
        value = self._fields.get(name)
        return None if value is None else _Fields(value, name)

    def parts(self, name: str) -> list[_Fields]:
        return [_Fields(value, f"an item of {name}") for value in self._list(name)]

    def live(self, name: str) -> LiveNow | None:
        live = self.part(name)
        if live is None:
            return None
        label, deployment = live.text("label"), live.text("deployment")
        return LiveNow(label, deployment, live.number("since", LATEST))

    def jar(self) -> Jar | None:
        release = self.part("release")
        if release is None:
            return None
        address = f"s3://{release.text('bucket')}/{release.text('key')}"
        return Jar(release.text("label"), address, release.text("version"))

    def failure(self) -> Cause | None:
        failure = self.part("failure")
        if failure is None:
            return None
        return Cause(
            reason=failure.text("reason"),
            phase=failure.phase("phase"),
            host=failure.text("host"),
            log=failure.texts("log"),
        )

    def phase(self, name: str) -> str:
        value = self.text(name)
        if value and not PHASE.fullmatch(value):
            raise BadEvent(f"{name}: {quoted(value, 60)} is no phase of a deployment")
        return value

    def seconds(self) -> tuple[tuple[str, float], ...]:
        spent = self.part("seconds")
        if spent is None:
            return ()
        found = [(str(name), _number("seconds", value, MAX_SECONDS)) for name, value in spent._fields.items()]
        if not all(PHASE.fullmatch(name) for name, _ in found):
            raise BadEvent("seconds: a name in it is no phase of a deployment")
        return tuple((name, seconds or 0.0) for name, seconds in found)

    def _list(self, name: str) -> list[object]:
        value = self._fields.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise BadEvent(f"{name}: {_type(value)}, not a list")
        return value


def _number(name: str, value: object, most: float) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadEvent(f"{name}: {_type(value)}, not a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise BadEvent(f"{name}: not a number")
    return float(min(max(value, 0), most))


def _type(value: object) -> str:
    return f"a value of the type {type(value).__name__}"
