"""What another version of twinslot wrote on a host is read as far as it is known, and never stops a verb."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twinslot.shared.constants import VERSION
from twinslot.shared.settings_schema import Settings
from twinslot_host.command.ledger import Report, finish, finished, read_ledger
from twinslot_host.command.request import Release, Request, read_request
from twinslot_host.main import carry_out
from twinslot_host.nginx.applied_settings import applied_settings, record_settings
from twinslot_host.slot.releases import find_release, prune, record_source
from twinslot_host.slot.state import (
    SlotContent,
    forget_unused_environments,
    is_verified,
    read_content,
    record_verified,
    unreadable,
    write_content,
)
from twinslot_host.system.paths import Paths
from twinslot_host.system.systemd import Unit
from twinslot_host.verbs import bake, flip

from tests.hostile import JSON
from tests.unit.test_host_request import environment

SHA256 = "a1" * 32
CONTENT = SlotContent(
    SHA256, "1.4.2", ["artifacts", "shop/a.jar", "v1"], Settings(bake_seconds=7), 21, "f0" * 16
)
NEWER = {"colour": "red", "written_by": "0.2.0"}
RUNNING = Unit("active", os.getpid(), "0", "", True, False)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths("shop", str(tmp_path))


def stored(path: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(Path(path).read_text())
    return value


def store(path: str, value: object) -> None:
    """Write a text as it is, also where it is not UTF-8 (a lone surrogate), and anything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value)
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode("utf-8", "surrogatepass"))


def test_what_a_host_keeps_carries_the_version_that_wrote_it(paths: Paths) -> None:
    write_content(paths, "blue", CONTENT)
    record_settings(paths, Settings())
    finish(paths, Request("stage", "shop", "stage", "D"), Report(True, "{}"))
    record_source(paths.release(SHA256), SHA256, Release("b", "k", "v", 1, "l", None))
    for path in (
        paths.content("blue"),
        paths.settings,
        paths.ledger,
        paths.release(SHA256) + "/release.json",
    ):
        assert stored(path)["written_by"] == VERSION


def test_a_slot_that_a_newer_version_filled_is_read(paths: Paths) -> None:
    newer = asdict(CONTENT.settings) | {"colour": "red"}
    store(paths.content("blue"), CONTENT._asdict() | NEWER | {"settings": newer})
    assert read_content(paths, "blue") == CONTENT
    assert unreadable(paths) == ""


def test_a_slot_that_was_filled_before_versions_were_written_is_read(paths: Paths) -> None:
    value = CONTENT._asdict() | {"settings": asdict(CONTENT.settings)}
    del value["java"], value["environment"], value["settings"]["tls_key"]
    store(paths.content("blue"), value)
    assert read_content(paths, "blue") == CONTENT._replace(java=None, environment=None)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"written_by": "0.2.0", "release": {}}, f"was written by twinslot 0.2.0, this is {VERSION}"),
        ({}, "is damaged"),
        ("{", "is damaged"),
        ([1], "is damaged"),
        (CONTENT._asdict() | {"settings": {}, "java": "21"}, "is damaged"),
    ],
)
def test_a_slot_that_cannot_be_read_is_named_and_keeps_what_it_may_need(
    paths: Paths, value: object, found: str
) -> None:
    store(paths.content("blue"), value)
    assert read_content(paths, "blue") is None
    assert unreadable(paths) == f"{paths.content('blue')} {found}"
    folders = [f"{paths.releases}/{number}" for number in range(9)]
    for folder in folders:
        os.makedirs(folder)
    store(paths.kept("e" * 32), "A=b")
    prune(paths)
    forget_unused_environments(paths)
    assert all(map(os.path.isdir, folders))
    assert os.path.exists(paths.kept("e" * 32))
    os.unlink(paths.content("blue"))
    prune(paths)
    forget_unused_environments(paths)
    assert len(os.listdir(paths.releases)) == 5
    assert not os.path.exists(paths.kept("e" * 32))


@settings(max_examples=300)
@given(value=JSON)
@example(value="\ud800")
def test_no_content_of_a_file_stops_what_reads_it(
    tmp_path_factory: pytest.TempPathFactory, value: object
) -> None:
    paths = Paths("shop", str(tmp_path_factory.mktemp("host")))
    request = Request("stage", "shop", "stage", "D", has_settings=False)
    release = Release("b", "k", "v", 1, "l", None)
    verified = f"{paths.verified}/blue.json"
    for path in (
        paths.content("blue"),
        paths.settings,
        paths.ledger,
        verified,
        f"{paths.releases}/a/release.json",
    ):
        store(path, value)
    read_content(paths, "blue")
    assert not is_verified(paths, "blue", RUNNING)
    assert isinstance(applied_settings(paths, request), Settings)
    assert find_release(paths, release) in (None, value.get("sha256") if isinstance(value, dict) else None)
    assert finished(paths, request) is None
    finish(paths, request, Report(True, "report"))
    assert finished(paths, request) == Report(True, "report")


@settings(max_examples=200)
@given(more=st.dictionaries(st.text(max_size=9).map("new_{}".format), JSON, max_size=3))
def test_no_field_that_a_newer_version_adds_changes_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, more: dict[str, Any]
) -> None:
    paths = Paths("shop", str(tmp_path_factory.mktemp("host")))
    request, release = (
        Request("stage", "shop", "stage", "D", has_settings=False),
        Release("b", "k", "v", 1, "l", None),
    )
    write_content(paths, "blue", CONTENT)
    record_settings(paths, CONTENT.settings)
    finish(paths, request, Report(False, "report"))
    record_verified(paths, "blue", CONTENT, os.getpid())
    record_source(paths.release(SHA256), SHA256, release)
    content = stored(paths.content("blue"))
    content["settings"] |= more
    store(paths.content("blue"), more | content)
    ledger = stored(paths.ledger)
    ledger["entries"] = [more | entry for entry in ledger["entries"]]
    store(paths.ledger, more | ledger)
    for path in (paths.settings, f"{paths.verified}/blue.json", paths.release(SHA256) + "/release.json"):
        store(path, more | stored(path))
    assert read_content(paths, "blue") == CONTENT
    assert is_verified(paths, "blue", RUNNING)
    assert applied_settings(paths, request) == CONTENT.settings
    assert finished(paths, request) == Report(False, "report")
    assert find_release(paths, release) == SHA256


@pytest.mark.parametrize(
    "ledger", [[["D/stage", "report"]], {"entries": "x"}, {"entries": [1, {"step": 2}]}, "["]
)
def test_a_ledger_that_cannot_be_read_is_empty(paths: Paths, ledger: object) -> None:
    store(paths.ledger, ledger)
    assert read_ledger(paths) == {}


@pytest.mark.parametrize(("module", "verb"), [(flip, "flip"), (bake, "bake")])
def test_the_verbs_that_need_an_unreadable_slot_name_who_wrote_it(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, module: Any, verb: str
) -> None:
    store(paths.content("blue"), {"written_by": "0.2.0"})
    record_source(
        paths.release(SHA256), SHA256, Release("artifacts", "shop/shop-1.4.2.jar", "v", 1, "l", None)
    )
    monkeypatch.setattr("twinslot_host.main.Paths", lambda app: paths)
    monkeypatch.setattr("twinslot_host.main.host_status", lambda paths: {})
    monkeypatch.setattr(module, "both_units", lambda paths: {"blue": RUNNING, "green": RUNNING})
    monkeypatch.setattr(module, "find_release", lambda paths, release: SHA256)
    request = read_request(environment(verb=verb, step=verb))
    report = json.loads(carry_out(request, "i-1").text)
    assert report["ok"] is False
    assert report["written_by"] == VERSION
    assert f"{paths.content('blue')} was written by twinslot 0.2.0, this is {VERSION}" in report["reason"]
