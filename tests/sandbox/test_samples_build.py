"""The sample's jars are what was asked for, byte for byte."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lab.project import ROOT
from lab.samples.build import build

pytestmark = pytest.mark.needs("javac")


def manifest_of(jar: Path) -> str:
    with zipfile.ZipFile(jar) as archive:
        return archive.read("META-INF/MANIFEST.MF").decode()


def test_a_jar_names_its_main_class_and_its_release(tmp_path: Path) -> None:
    jar = build(tmp_path / "jars", "1.4.2")
    assert jar == tmp_path / "jars" / "shop-1.4.2.jar"
    assert manifest_of(jar) == (
        "Manifest-Version: 1.0\r\nMain-Class: Shop\r\nImplementation-Title: shop\r\n"
        "Implementation-Version: 1.4.2\r\n\r\n"
    )


def test_faults_go_into_the_manifest(tmp_path: Path) -> None:
    assert "Sample-Faults: slow-start=3,never-healthy\r\n" in manifest_of(
        build(tmp_path, "1", "slow-start=3,never-healthy")
    )


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    jars = [build(tmp_path / name, "1.4.2", "never-healthy", 50_000) for name in ("a", "b")]
    assert jars[0].read_bytes() == jars[1].read_bytes()


def test_a_long_attribute_goes_on_in_the_next_line(tmp_path: Path) -> None:
    faults = ",".join(f"slow-start={n}" for n in range(20))
    text = manifest_of(build(tmp_path, "1", faults))
    assert all(len(line) <= 72 for line in text.split("\r\n"))
    assert f"Sample-Faults: {faults}\r\n" in text.replace("\r\n ", "")


@pytest.mark.parametrize("size", [20_000, 1_000_003, 5_000_000])
def test_a_jar_is_exactly_as_large_as_asked(tmp_path: Path, size: int) -> None:
    jar = build(tmp_path, "1.4.2", size_bytes=size)
    assert jar.stat().st_size == size
    with zipfile.ZipFile(jar) as archive:
        assert archive.testzip() is None


def test_a_size_too_small_for_the_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="as small as 100 bytes"):
        build(tmp_path, "1.4.2", size_bytes=100)


@pytest.mark.parametrize("label", ["", "../1", "a b", "1\n", "-1", "x" * 65])
def test_a_label_that_is_not_a_file_name_is_refused(tmp_path: Path, label: str) -> None:
    with pytest.raises(ValueError, match="not a file name"):
        build(tmp_path, label)
    assert list(tmp_path.iterdir()) == []


def test_faults_of_two_lines_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one line"):
        build(tmp_path, "1", "never-healthy\r\nClass-Path: evil.jar")


def test_the_command_prints_where_the_jar_is(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "lab.samples.build",
        "--label",
        "2",
        "--faults",
        "never-healthy",
        str(tmp_path),
    ]
    out = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stdout
    assert out == f"{tmp_path}/shop-2.jar\n"
    assert "Sample-Faults: never-healthy" in manifest_of(tmp_path / "shop-2.jar")
