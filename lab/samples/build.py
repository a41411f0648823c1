"""Builds the sample applications' jars: shop-<label>.jar, with faults or without, of any size.

Shop.java is compiled once and cached in build/sample; the same arguments give the same bytes. As a command:

    python -m lab.samples.build --label 1.4.2 --faults never-healthy build/jars
"""

import argparse
import hashlib
import os
import re
import subprocess
import tempfile
import zipfile
from pathlib import Path

from lab.project import ROOT

SOURCE = Path(__file__).resolve().parent / "Shop.java"
SPRING_SOURCE = Path(__file__).resolve().parent / "spring"
CACHE = ROOT / "build" / "sample"

MANIFEST_LINE = 72
"""The maximum of bytes in a manifest's line; a longer one is continued in the next, after a space."""

PADDING = "padding.bin"
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def build(directory: Path, label: str, faults: str = "", size_bytes: int = 0) -> Path:
    """Write shop-<label>.jar into `directory` and return its path.

    `faults` are those of Shop.java, separated by commas; `size_bytes` is the jar's exact size, 0 for no
    padding. Raises ValueError for an invalid label or too small a size, and subprocess.CalledProcessError
    when Shop.java does not compile.
    """
    _check(label)
    classes = _compiled()
    directory.mkdir(parents=True, exist_ok=True)
    jar = directory / f"shop-{label}.jar"
    attributes = {"Main-Class": "Shop", "Implementation-Title": "shop", "Implementation-Version": label}
    if faults:
        attributes["Sample-Faults"] = faults
    _write(jar, attributes, classes, padding=None)
    if size_bytes:
        # An entry has a local header (30 + name) and one in the central directory (46 + name).
        padding = size_bytes - jar.stat().st_size - 30 - 46 - 2 * len(PADDING)
        if padding < 0:
            raise ValueError(f"{jar.name} cannot be as small as {size_bytes} bytes")
        _write(jar, attributes, classes, padding)
    return jar


def build_spring(directory: Path, label: str) -> Path:
    """Write a real Spring Boot application as spring-<label>.jar into `directory` and return its path.

    Maven runs once for each label and state of the sources; the result is cached in build/sample. Raises
    RuntimeError when Maven fails.
    """
    _check(label)
    sources = sorted(path for path in SPRING_SOURCE.rglob("*") if path.is_file())
    key = _digest([str(path.relative_to(SPRING_SOURCE)).encode() + path.read_bytes() for path in sources])
    kept = CACHE / f"spring-{key}" / f"spring-{label}.jar"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as target:
            _maven(Path(target), label)
            os.replace(Path(target) / "app.jar", kept)
    directory.mkdir(parents=True, exist_ok=True)
    jar = directory / kept.name
    with tempfile.TemporaryDirectory(dir=directory) as aside:
        copy = Path(aside) / kept.name
        copy.write_bytes(kept.read_bytes())
        os.replace(copy, jar)
    return jar


def _check(label: str) -> None:
    if not LABEL.fullmatch(label):
        raise ValueError(f"the label {label!r} is not a file name of up to 64 of A-Z a-z 0-9 . _ -")


def _maven(target: Path, label: str) -> None:
    """Package the application into `target`; offline when everything has been downloaded before."""
    command = ["mvn", "-q", "-B", "-f", str(SPRING_SOURCE / "pom.xml")]
    command += [f"-Drevision={label}", f"-Dtarget={target}"]
    offline = subprocess.run([*command, "-o", "package"], capture_output=True)
    if offline.returncode != 0:
        online = subprocess.run(
            [*command, "package"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if online.returncode != 0:
            raise RuntimeError(f"Maven cannot package {SPRING_SOURCE}:\n{online.stdout}")


def _compiled() -> dict[str, bytes]:
    """Return the classes of Shop.java by their names in the jar; compile the source once."""
    kept = CACHE / f"classes-{_digest([SOURCE.read_bytes()])}"
    if not kept.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as aside:
            classes = Path(aside) / "classes"
            command = ["javac", "--release", "17", "-Xlint:all", "-Werror", "-d", str(classes), str(SOURCE)]
            subprocess.run(command, check=True)
            try:
                classes.rename(kept)
            except OSError:
                if not kept.exists():  # else another process compiled the same source
                    raise
    return {path.name: path.read_bytes() for path in sorted(kept.iterdir())}


def _digest(parts: list[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:12]


def _write(jar: Path, attributes: dict[str, str], classes: dict[str, bytes], padding: int | None) -> None:
    """Write the jar to a temporary file and rename it, so that no incomplete jar is uploaded."""
    with tempfile.TemporaryDirectory(dir=jar.parent) as aside:
        path = Path(aside) / jar.name
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(_entry("META-INF/MANIFEST.MF"), _manifest(attributes))
            for name, content in classes.items():
                archive.writestr(_entry(name, zipfile.ZIP_DEFLATED), content)
            if padding is not None:
                _pad(archive, padding)
        os.replace(path, jar)


def _pad(archive: zipfile.ZipFile, size: int) -> None:
    entry = _entry(PADDING)
    entry.file_size = size
    block = bytes(1 << 20)
    with archive.open(entry, "w") as file:
        while size > 0:
            file.write(block[:size])
            size -= len(block)


def _entry(name: str, compression: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    """Return an entry that does not depend on the current time and umask."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = compression
    entry.external_attr = 0o644 << 16
    return entry


def _manifest(attributes: dict[str, str]) -> bytes:
    text = b""
    for name, value in {"Manifest-Version": "1.0", **attributes}.items():
        line = f"{name}: {value}".encode()
        if b"\n" in line or b"\r" in line:
            raise ValueError(f"the manifest's {name} must be one line")
        while len(line) > MANIFEST_LINE:
            text += line[:MANIFEST_LINE] + b"\r\n"
            line = b" " + line[MANIFEST_LINE:]
        text += line + b"\r\n"
    return text + b"\r\n"


def main() -> None:
    """Build one jar and print its path."""
    parser = argparse.ArgumentParser(
        prog="python -m lab.samples.build", description="Build a sample application's jar."
    )
    parser.add_argument("directory", type=Path, help="where to write the jar")
    parser.add_argument("--label", required=True, help="the release's label, such as 1.4.2")
    parser.add_argument("--faults", default="", help="faults of Shop.java, separated by commas")
    parser.add_argument("--size", type=int, default=0, metavar="BYTES", help="the jar's exact size")
    parser.add_argument("--spring", action="store_true", help="build the real Spring Boot application")
    arguments = parser.parse_args()
    if arguments.spring:
        print(build_spring(arguments.directory, arguments.label))
    else:
        print(build(arguments.directory, arguments.label, arguments.faults, arguments.size))


if __name__ == "__main__":
    main()
