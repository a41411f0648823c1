"""Which Java a release gets: by the setting, by its manifest, which is an uploader's, by what is there."""

import tempfile
import zipfile
from contextlib import suppress
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twinslot.shared.manifest import NoManifest, parse
from twinslot.shared.settings_schema import JAVA_VERSIONS, Settings
from twinslot_host.runtime import java
from twinslot_host.runtime.java import Java, built_for, find, installed, wanted
from twinslot_host.runtime.manifest import attributes_of
from twinslot_host.system.errors import StepFailed

from tests.hostile import PIECES, Cases
from tests.unit.jars import NAME, SPRING, zipped


def jar(folder: Path, manifest: bytes, before: bytes = b"", packed: int = zipfile.ZIP_DEFLATED) -> str:
    path = folder / "app.jar"
    path.write_bytes(before)
    with zipfile.ZipFile(path, "a", packed) as archive:
        archive.writestr("META-INF/", "")
        archive.writestr(NAME.decode(), manifest)
        archive.writestr("BOOT-INF/classes/a.class", "a" * 100)
    return str(path)


@pytest.mark.parametrize(
    ("lines", "version"),
    [
        (b"Build-Jdk-Spec: 21\r\n", 21),
        (b"build-jdk-spec: 17\n", 17),
        (b"Build-Jdk-Spec: 1.8\n", 8),
        (b"Build-Jdk-Spec: 11\r\nJava-Version: 8\r\n", 11),
        (b"Java-Version: 25\r\n", 25),
        (b"Created-By: Apache Maven 3.6.3\r\nBuild-Jdk: 17.0.2\r\n", 17),
        (b"Build-Jdk: 1.8.0_222\r\n", 8),
        (b"Build-Jdk-Spec: 2\r\n 1\r\n", 21),
        (b"Build-Jdk-Spec: newest\r\nBuild-Jdk: 17.0.2\r\n", 17),
        (b"Build-Jdk-Spec: 123456789\r\n", None),
        (b"Created-By: 17.0.2 (Oracle Corporation)\r\n", None),
        (b"\r\nName: shop/\r\nBuild-Jdk-Spec: 21\r\n", None),
        (b"", None),
    ],
)
def test_a_manifest_tells_by_the_main_sections_attributes(lines: bytes, version: int | None) -> None:
    assert built_for(parse(b"Manifest-Version: 1.0\r\n" + lines)) == version


@pytest.mark.parametrize("packed", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("before", [b"", b"#!/bin/bash\n# META-INF/MANIFEST.MF\n" * 300])
def test_a_jar_is_read_by_its_directory(tmp_path: Path, packed: int, before: bytes) -> None:
    path = jar(tmp_path, SPRING[:-2] + b"Build-Jdk-Spec: 21\r\n\r\n", before, packed)
    assert built_for(attributes_of(path)) == 21


def test_a_jar_within_the_jar_and_before_its_manifest_does_not_count(tmp_path: Path) -> None:
    """spring-projects/spring-boot#16698: libraries are stored, so that their manifests are visible."""
    library = Path(jar(tmp_path, b"Build-Jdk-Spec: 8\n", packed=zipfile.ZIP_STORED)).read_bytes()
    path = tmp_path / "outer.jar"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("BOOT-INF/lib/a.jar", library)
        archive.writestr(NAME.decode(), b"Build-Jdk-Spec: 21\n")
    assert built_for(attributes_of(str(path))) == 21


def test_a_manifest_that_java_rejects_has_no_version(tmp_path: Path) -> None:
    assert built_for(attributes_of(jar(tmp_path, b"Build-Jdk-Spec:21\n"))) is None


@pytest.mark.parametrize(
    ("built", "version"),
    [("1.8", 17), ("11", 17), ("17", 17), ("18", 21), ("21", 21), ("22", 25), ("25", 25), ("", None)],
)
def test_the_next_version_that_is_supported_long_runs_it(
    tmp_path: Path, built: str, version: int | None
) -> None:
    assert wanted(Settings(), jar(tmp_path, f"Build-Jdk-Spec: {built}\n".encode())) == version


def test_the_setting_goes_before_the_manifest(tmp_path: Path) -> None:
    assert wanted(Settings(java=17), jar(tmp_path, b"Build-Jdk-Spec: 99\n")) == 17


def test_a_jar_for_a_java_of_tomorrow_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match=r"asks for Java 26, and the newest .* is 25: .* set `java`"):
        wanted(Settings(), jar(tmp_path, b"Build-Jdk-Spec: 26\n"))


class Host:
    """Homes of Java in a folder, and a path with nothing on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, name: str, version: str) -> str:
        home = self.folder / "jvm" / name
        (home / "bin").mkdir(parents=True)
        (home / "bin/java").touch(0o755)
        (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\nLIBC="gnu"\n')
        return str(home)

    def prefers(self, home: str) -> None:
        (self.folder / "bin").mkdir()
        (self.folder / "bin/java").symlink_to(f"{home}/bin/java")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    monkeypatch.setattr(java, "PLACES", (f"{tmp_path}/jvm/*",))
    return Host(tmp_path)


def test_the_exact_version_is_found_at_its_own_place(host: Host) -> None:
    seventeen = host.has("java-17-amazon-corretto.x86_64", "17.0.13")
    twenty_one = host.has("temurin-21-jdk-amd64", "21")
    eight = host.has("jre-8", "1.8.0_432")
    host.prefers(twenty_one)
    assert find(17) == Java(17, seventeen)
    assert find(21) == Java(21, twenty_one)
    assert find(8) == Java(8, eight)
    assert find(25) is None


def test_without_a_wish_it_is_the_one_on_the_path_else_the_newest(host: Host) -> None:
    older, newer = host.has("jdk-17", "17.0.13"), host.has("jdk-25", "25")
    assert find(None) == Java(25, newer)
    host.prefers(older)
    assert find(None) == Java(17, older)
    assert [java.version for java in installed()] == [17, 25]


def test_a_link_that_alternatives_moves_is_followed_to_where_it_leads(host: Host) -> None:
    home = host.has("java-21-amazon-corretto.aarch64", "21.0.5")
    (host.folder / "jvm/jre").symlink_to(home)
    assert installed() == [Java(21, home)]


def test_what_only_looks_like_a_java_is_none(host: Host) -> None:
    Path(host.has("jdk-21", "21"), "bin/java").chmod(0o644)
    Path(host.has("jdk-17", "17"), "release").unlink()
    Path(host.has("jdk-25", "25"), "release").write_bytes(b'JAVA_VERSION="\xff25"')
    (host.folder / "jvm/file").touch()
    assert installed() == []


@pytest.mark.hostile("jars")
def test_a_corpus_of_versions_is_read_as_one_that_is_supported_or_as_none(
    cases: Cases[tuple[str, str]],
) -> None:
    for name, piece in cases(product(("Build-Jdk-Spec", "Build-Jdk", "Java-Version"), PIECES)):
        text = f"{name}: {piece}\n{name}: 2{piece}1\n".encode("utf-8", "surrogatepass")
        with suppress(NoManifest):
            assert built_for(parse(text)) in (None, *range(1000))


@pytest.mark.hostile("jars")
@settings(max_examples=300)
@given(st.binary(max_size=60), st.binary(max_size=60), st.integers(0, 200))
def test_any_bytes_where_the_jar_should_be_have_a_version_or_none(
    head: bytes, manifest: bytes, at: int
) -> None:
    honest = zipped(b"Build-Jdk-Spec: 21\n" + manifest)
    with tempfile.NamedTemporaryFile() as file:
        for content in (head + honest, head + honest[:at] + manifest + honest[at:], head + honest[: at + 1]):
            file.seek(0)
            file.truncate()
            file.write(content)
            file.flush()
            assert built_for(attributes_of(file.name)) in (None, *range(1000))


def test_versions_that_can_be_had_are_those_that_the_settings_allow() -> None:
    assert JAVA_VERSIONS == (17, 21, 25)
