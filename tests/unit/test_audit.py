"""A pinned version that an advisory is about is found; without a database the audit says it is skipped."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from requirements.audit import Finding, audit, is_about, main, pins

ADVISORY: dict[str, Any] = {
    "id": "PYSEC-2026-1",
    "aliases": ["CVE-2026-1"],
    "affected": [
        {
            "package": {"name": "Some.Package", "ecosystem": "PyPI"},
            "ranges": [
                {"type": "GIT", "events": [{"introduced": "0"}]},
                {
                    "type": "ECOSYSTEM",
                    "events": [
                        {"introduced": "0"},
                        {"fixed": "1.4.2"},
                        {"introduced": "2.0"},
                        {"fixed": "2.0.3"},
                    ],
                },
            ],
            "versions": ["0.9rc1"],
        }
    ],
}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    folder = tmp_path / "database" / "vulns" / "some-package"
    folder.mkdir(parents=True)
    (folder / "PYSEC-2026-1.yaml").write_text(yaml.safe_dump(ADVISORY))
    return tmp_path / "database"


def requirements(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "requirements.txt"
    file.write_text(text)
    return file


@pytest.mark.parametrize("version", ["0.9rc1", "1.0", "1.4.1", "2.0", "2.0.2", "1.4.2rc1"])
def test_a_version_within_a_range_has_the_vulnerability(version: str) -> None:
    assert is_about(ADVISORY, "some-package", version)


@pytest.mark.parametrize("version", ["1.4.2", "1.10", "2.0.3", "3"])
def test_a_version_that_mends_it_has_not(version: str) -> None:
    assert not is_about(ADVISORY, "some_package", version)


def test_a_range_may_name_its_last_version() -> None:
    events = [{"introduced": "1.0"}, {"last_affected": "1.2"}]
    affected = {"package": {"name": "a"}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
    told = {"id": "X", "affected": [affected]}
    assert [is_about(told, "a", version) for version in ("0.9", "1.0", "1.2", "1.3")] == [
        False,
        True,
        True,
        False,
    ]


def test_an_advisory_of_another_package_or_one_that_was_withdrawn_is_about_nothing() -> None:
    assert not is_about(ADVISORY, "other", "1.0")
    assert not is_about({**ADVISORY, "withdrawn": "2026-01-01T00:00:00Z"}, "some-package", "1.0")


def test_a_finding_names_file_version_advisory_and_what_mends_it(database: Path, tmp_path: Path) -> None:
    file = requirements(
        tmp_path, "other==1.0\nSome_Package[extra]==1.0 ; python_version > '3' \\\n  --hash=sha256:00\n"
    )
    assert audit(database, [file]) == [
        Finding("Some_Package", "1.0", "PYSEC-2026-1, CVE-2026-1", "1.4.2", str(file))
    ]


def test_a_finding_fails_the_audit(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(database, [requirements(tmp_path, "some-package==2.0.1\n")]) == 1
    assert "some-package 2.0.1 has PYSEC-2026-1, CVE-2026-1, fixed in 2.0.3" in capsys.readouterr().out


def test_no_finding_passes_it(database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(database, [requirements(tmp_path, "some-package==2.0.3\n")]) == 0
    assert "known vulnerabilities: 0 in 1 pinned packages" in capsys.readouterr().out


def test_without_a_database_the_audit_is_skipped_with_a_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tmp_path / "none", [requirements(tmp_path, "some-package==1.0\n")]) == 0
    assert "skipped, since there is no database" in capsys.readouterr().out


def test_every_pin_is_read_from_what_make_lock_writes() -> None:
    text = "a==1 \\\n    --hash=sha256:00\n    # via b==2\nb-c[d,e]==2.0.post1 ; python_version < '4'\n"
    assert list(pins(text)) == [("a", "1"), ("b-c", "2.0.post1")]
