"""The manifest reader against Java's own, java.util.jar.Manifest: what they read and what they reject."""

import base64
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from twinslot.shared.manifest import NoManifest, parse

READER = """
import java.io.*; import java.util.*; import java.util.jar.*;
public class Reader {
    public static void main(String[] arguments) throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = input.readLine()) != null; ) {
            StringBuilder out = new StringBuilder();
            try {
                byte[] manifest = Base64.getDecoder().decode(line);
                Attributes main = new Manifest(new ByteArrayInputStream(manifest)).getMainAttributes();
                for (Map.Entry<Object, Object> each : main.entrySet())
                    for (Object part : List.of(each.getKey(), each.getValue()))
                        out.append(' ').append(HexFormat.of().formatHex(part.toString().getBytes("UTF-8")))
                            .append('.');
            } catch (IOException error) { out.append("REJECTED"); }
            System.out.println(out);
        }
    }
}
"""
SHORT = [
    *(b"", b"A: b\n", b"A: b", b"A", b"A:b\n", b"A : b\n", b"A: \n", b"A:\n", b"A:  b \n", b"A: b\nA: c\n"),
    *(b"\xef\xbb\xbfManifest-Version: 1.0\n", b" x\n", b"A: x\n b\n c\n", b"A: b\n c", b"A: b\n \n"),
    *(b"A" * 70 + b": b\n", b"A" * 71 + b": b\n", b"\xc3\xbc: x\n", b"A: \xff\xfe\n", b"A: b\0c\n"),
]
LINES = [
    b"A: " + b"x" * (size - 3) + end + b"B: c\n"
    for size in range(505, 516)
    for end in (b"\n", b"\r", b"\r\n")
]
PIECES = [
    b"A",
    b"b",
    b": ",
    b":",
    b" ",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n ",
    b"\xc3",
    b"\xbc",
    b"-",
    b"Main-Class: x\n",
]

EXCLUDED = re.compile(rb"^[\r\n]|\n[\r\n]|\r\r|[\r\n] [^\r\n]*$")
"""An empty line, or a last line that continues another and has no end: Java ignores what it drops."""


def corpus() -> list[bytes]:
    """Return manifests of one section: an empty line begins the sections of files, which only Java reads."""
    chance = random.Random(1)
    some = [b"".join(chance.choices(PIECES, k=chance.randrange(14))) for _ in range(9000)]
    return [*SHORT, *LINES, *(text for text in some if not EXCLUDED.search(text))]


def read_by_java(folder: Path, manifests: list[bytes]) -> list[dict[str, str] | None]:
    (folder / "Reader.java").write_text(READER)
    done = subprocess.run(
        ["java", str(folder / "Reader.java")],
        input="".join(base64.b64encode(manifest).decode() + "\n" for manifest in manifests),
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[dict[str, str] | None] = []
    for line in done.stdout.splitlines():
        parts = [bytes.fromhex(part.rstrip(".")).decode() for part in line.split(" ")[1:]]
        attributes = {name.lower(): value for name, value in zip(parts[::2], parts[1::2], strict=True)}
        found.append(None if "REJECTED" in line else attributes)
    return found


def read_here(manifest: bytes) -> dict[str, str] | None:
    try:
        return parse(manifest)
    except NoManifest:
        return None


@pytest.mark.skipif(not shutil.which("javac"), reason="needs a JDK, which compiles the reader")
@pytest.mark.hostile("jars")
def test_a_main_section_is_read_and_rejected_as_java_does(tmp_path: Path) -> None:
    manifests = corpus()
    assert len(manifests) > 3000
    for manifest, expected in zip(manifests, read_by_java(tmp_path, manifests), strict=True):
        assert read_here(manifest) == expected, manifest
