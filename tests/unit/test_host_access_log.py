"""What a bake reads of nginx's log: bounded, across rotation, and of the live slot alone."""

from pathlib import Path

import pytest
from twinslot_host.verbs.bake import AccessLog, count_errors


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "access.log"
    file.write_text("1.0 blue 500 old\n")
    return file


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_only_what_comes_after_counts(path: Path) -> None:
    log = AccessLog(str(path))
    append(path, "2.0 blue 200 a\n2.1 blue 5")
    assert log.read() == [b"2.0 blue 200 a"]
    append(path, "02 b\n")
    assert log.read() == [b"2.1 blue 502 b"]
    assert log.read() == []


def test_a_rotated_log_is_read_to_its_end_and_then_the_new_one(path: Path) -> None:
    log = AccessLog(str(path))
    path.rename(path.with_suffix(".1"))
    path.touch()
    append(path.with_suffix(".1"), "2.0 blue 200 a\n")
    assert log.read() == [b"2.0 blue 200 a"]
    append(path.with_suffix(".1"), "2.1 blue 200 b\n")
    append(path, "3.0 blue 200 c\n")
    assert [*log.read(), *log.read()] == [b"2.1 blue 200 b", b"3.0 blue 200 c"]


def test_a_log_truncated_in_place_is_read_from_its_start(path: Path) -> None:
    log = AccessLog(str(path))
    path.write_text("3.0 x\n")
    assert log.read() == [b"3.0 x"]


def test_a_flood_is_sampled_at_its_newest_end(path: Path) -> None:
    log = AccessLog(str(path), at_most=100)
    append(path, "".join(f"{number:09}\n" for number in range(1000)))
    lines = log.read()
    assert lines[-1] == b"000000999"
    assert sum(map(len, lines)) <= 100
    assert log.read() == []


def test_errors_are_those_of_the_slot() -> None:
    lines = [b"1 blue 200 x", b"1 blue 503 x", b"1 green 500 x", b"1 blue 404 x", b"", b"blue 500"]
    assert count_errors(lines, "blue") == (3, 1)
