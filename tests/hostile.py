"""Hostile input: the corpus that tests draw from, and the count of the cases that a run tried.

A test marked `hostile("keys")` counts each of its Hypothesis examples, or each item that it takes from the
fixture `cases`, or itself once. The end of a run says how many there were; in CI a whole tier that tried
fewer than LEAST has failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st

MARK = "hostile"
TIERS = Path(__file__).parent
LEAST = {
    "unit": {
        "announcements": 3_500,
        "keys": 1_200,
        "jars": 5_000,
        "events": 2_000,
        "settings": 3_000,
        "host reports": 3_000,
        "log lines": 3_000,
        "subjects": 800,
        "pages": 150,
    },
    "controller": {
        "handlers' events": 700,
        "rollback payloads": 500,
        "freeze payloads": 500,
        "widget calls": 100,
    },
}
"""Cases of each kind that a whole tier tries."""

# fmt: off
PIECES = (
    # Line ends, control characters, and what terminals take for orders.
    "\n", "\r\n", "\r", "\t", "\x00", "\x07", "\x08", "\x7f", "\x85", "\x9b31m", "\u2028", "\u2029",
    "\x1b[2J", "\x1b[31m", "\x1b]0;title\x07", "\x1b]8;;http://evil\x1b\\", "\x1bc",
    # What reads otherwise than it is: bidirectional marks, nothing at all, lone surrogates, Unicode's end.
    "\u202egnp", "\u2066", "\u200b", "\ufeff", "\ud800", "\udfff", "\U000e0041", "\U0010ffff", "ü", "🎉",
    # Slack's, Markdown's and HTML's markup, a header of mail.
    "<!channel>", "<@U012AB3CD>", "<http://evil|shop>", "*bold*", "_it_", "~no~", "```", "`id`", ":tada:",
    "&lt;", "&", "<script>", "[x](http://evil)", "\nSubject: x", "\r\nBcc: x@evil", "%0d%0aX: y",
    # Shells, paths, systemd, nginx, SSM documents, Java's argument files, formats.
    "$(id)", "${HOME}", "; reboot", "| sh", "&& id", "> /etc/passwd", "'", '"', "\\", "\\n", " ", "*", "?",
    "~", "../", "..", "/", "//", "/../", "./", "/etc/passwd", "C:\\",
    "-rf", "--", "%i", "%n", "@", "@file", "#",
    "=", "{{ ssm:secret }}", "{{", "}}", "$host", "{", "}", "%s", "%(app)s", "{0}", "{app}",
    "[", "]", ",", ":",
    # Names and values that mean something elsewhere.
    "null", "None", "true", "NaN", "1e999", "-0", "0x10", "__proto__", "APP#shop", "STATE", "-", ".jar",
    "x" * 300,
)
# fmt: on
"""Texts that mean something to whatever a careless program passes them to."""

TEXT = st.lists(st.sampled_from(PIECES) | st.text(st.characters(), max_size=8), max_size=4).map("".join)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.sampled_from([2**53, -1, 10**15, 10**400])
    | st.floats()
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=4,
)
"""Any value that JSON can spell, and those that Python's reader takes besides (NaN, lone surrogates)."""

# fmt: off
ODD: tuple[object, ...] = (
    None, True, False, 0, -1, 1, 2**63, 10**400, 0.5, -0.5, float("nan"), float("inf"), "", " ", "shop", "0",
    [], [None], ["shop"], [[]], {}, {"": ""}, {"key": "value"}, [{}] * 50, "x" * 5000, "\ud800", "\x00",
)
# fmt: on
"""A value of each kind that JSON has, for fields that want another one."""

Item = TypeVar("Item")
Cases = Callable[[Iterable[Item]], Iterator[Item]]


class Tally:
    """How many cases of each kind were tried."""

    def __init__(self) -> None:
        self.tried: Counter[str] = Counter()

    def summary(self) -> str:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(self.tried.items()))
        return f"hostile cases tried: {self.tried.total():,} ({kinds})"

    def missing(self, tier: str) -> dict[str, int]:
        """How many of which kinds this tier should have tried besides."""
        short = {kind: least - self.tried[kind] for kind, least in LEAST.get(tier, {}).items()}
        return {kind: count for kind, count in short.items() if count > 0}


class HostileCases:
    """The plugin of pytest that counts. `required`: a whole run of the tier fails when it tried too few."""

    def __init__(self, required: bool) -> None:
        self.required = required
        self.tally = Tally()
        self._is_narrowed = False
        self._wrapped: set[int] = set()

    @pytest.fixture
    def cases(self, request: pytest.FixtureRequest) -> Cases[Any]:
        """Counts what a test takes from it: `for case in cases(corpus):`."""
        kind = _kind(request.node)
        assert kind, f"a test that takes cases bears the mark {MARK}"

        def counted(corpus: Iterable[Any]) -> Iterator[Any]:
            for case in corpus:
                self.tally.tried[kind] += 1
                yield case

        return counted

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            kind, test = _kind(item), getattr(getattr(item, "obj", None), "hypothesis", None)
            if kind and test and id(test) not in self._wrapped:
                self._wrapped.add(id(test))
                test.inner_test = self._counting(test.inner_test, kind)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self._is_narrowed = self._is_narrowed or bool(items)

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        kind = _kind(item)
        own = hasattr(getattr(item, "obj", None), "hypothesis") or "cases" in getattr(
            item, "fixturenames", ()
        )
        if kind and not own:
            self.tally.tried[kind] += 1

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.missing(session.config) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.tally.tried:
            terminalreporter.write_line(self.tally.summary())
        for kind, count in self.missing(terminalreporter.config).items():
            terminalreporter.write_line(f"FAILED hostile {kind}: {count:,} cases too few")

    def missing(self, config: pytest.Config) -> dict[str, int]:
        """What is missing in the tiers that were run as a whole. A run that was narrowed owes nothing."""
        if not self.required or self._is_narrowed or config.option.collectonly:
            return {}
        places = [(config.invocation_params.dir / argument).resolve() for argument in config.args]
        whole = [tier for tier in LEAST if any((TIERS / tier).is_relative_to(place) for place in places)]
        return {kind: count for tier in whole for kind, count in self.tally.missing(tier).items()}

    def _counting(self, inner: Callable[..., Any], kind: str) -> Callable[..., Any]:
        @wraps(inner)
        def counting(*arguments: Any, **options: Any) -> Any:
            self.tally.tried[kind] += 1
            return inner(*arguments, **options)

        return counting


def _kind(item: Any) -> str | None:
    marker = item.get_closest_marker(MARK)
    return str(marker.args[0]) if marker else None
