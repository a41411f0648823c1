"""What of an app's environment is refused, by its name alone, and how the rest is written for systemd."""

import os
import stat
from pathlib import Path

import pytest
from twinslot_host.slot.environment import (
    compose,
    fingerprint,
    forget_environments,
    keep,
    link_environment,
)
from twinslot_host.system.errors import StepFailed
from twinslot_host.system.paths import Paths

PATH = "/twinslot/apps/shop/env"
SECRET = "hunter2"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("spring.datasource.password", "is no valid name of a variable"),
        ("1ST", "is no valid name of a variable"),
        ("A-B", "is no valid name of a variable"),
        ("", "is no valid name of a variable"),
        ("A" * 65, "is no valid name of a variable"),
        ("A\nB", "is no valid name of a variable"),
        ("SERVER_PORT", "is set by the slot"),
        ("server_port", "is set by the slot"),
        ("Management_Server_Port", "is set by the slot"),
        ("TWINSLOT_JAR", "is set by the slot"),
        ("LD_PRELOAD", "programs that run as root"),
        ("GLIBC_TUNABLES", "programs that run as root"),
        ("JAVA_TOOL_OPTIONS", "use the setting java_options"),
        ("JDK_JAVA_OPTIONS", "use the setting java_options"),
        ("_JAVA_OPTIONS", "use the setting java_options"),
    ],
)
def test_a_name_that_would_break_the_slot_is_refused_without_its_value(name: str, why: str) -> None:
    with pytest.raises(StepFailed, match=f"^{PATH}/(.|\n)*{why}") as refused:
        compose(PATH, {"FINE": SECRET, name: SECRET})
    assert SECRET not in str(refused.value)
    assert "aws ssm delete-parameter" in refused.value.reason


@pytest.mark.parametrize("character", ["\0", "\ud800", "\ufdd0", "\ufffe", "\U0010ffff"])
def test_a_character_that_systemd_would_drop_and_log_is_refused(character: str) -> None:
    with pytest.raises(
        StepFailed, match=f"^{PATH}/KEY has a character that systemd does not accept"
    ) as refused:
        compose(PATH, {"KEY": SECRET + character})
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "name", ["A", "_", "a9_Z", "A" * 64, "SERVER_PORTS", "SPRING_PROFILES_ACTIVE", "PATH"]
)
def test_any_other_name_is_taken(name: str) -> None:
    assert compose(PATH, {name: "x"}) == f'{name}="x"\n'


def test_what_means_something_between_quotes_is_escaped() -> None:
    assert compose(PATH, {"B": "a\"b\\c$d`e'f%g\n", "A": ""}) == 'A=""\nB="a\\"b\\\\c\\$d\\`e\'f%g\n"\n'


def test_no_parameters_are_no_environment() -> None:
    assert compose(PATH, {}) == ""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths("shop", str(tmp_path))


def mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_an_environment_is_kept_where_only_its_owner_reads(paths: Paths) -> None:
    mark = keep(paths, 'A="1"\n')
    assert link_environment(paths, "blue", mark)
    assert Path(paths.environment("blue")).read_text() == 'A="1"\n'
    assert mode(paths.secrets) == 0o700
    assert {mode(f"{paths.secrets}/{name}") for name in os.listdir(paths.secrets)} == {0o600}


def test_a_fingerprint_tells_environments_apart_and_means_nothing_on_another_host(
    paths: Paths, tmp_path: Path
) -> None:
    assert fingerprint(paths, "a") == fingerprint(paths, "a") != fingerprint(paths, "b")
    assert fingerprint(Paths("shop", str(tmp_path / "other")), "a") != fingerprint(paths, "a")


def test_what_no_slot_was_staged_with_is_forgotten(paths: Paths) -> None:
    old, new = keep(paths, "old"), keep(paths, "new")
    link_environment(paths, "blue", old)
    link_environment(paths, "green", new)
    forget_environments(paths, new)
    assert sorted(os.listdir(paths.secrets)) == sorted([new, "green.env", "key"])
    assert not link_environment(paths, "blue", old)
    assert not link_environment(paths, "blue", None)
