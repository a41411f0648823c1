"""A certificate and its key are looked at before nginx is to use them."""

import os
from pathlib import Path

import pytest
from twinslot_host.nginx.certificate import check_certificate
from twinslot_host.system.errors import StepFailed

from tests.certificates import issue


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    certificate, key = issue("shop.example.com")
    (tmp_path / "cert.pem").write_bytes(certificate)
    (tmp_path / "key.pem").write_bytes(key)
    return f"{tmp_path}/cert.pem", f"{tmp_path}/key.pem"


def test_a_certificate_with_its_key_is_fine(files: tuple[str, str]) -> None:
    check_certificate(*files)


def test_what_is_not_there_is_named(files: tuple[str, str]) -> None:
    certificate, key = files
    with pytest.raises(StepFailed, match=f"is {certificate}x: No such file or directory; create it"):
        check_certificate(certificate + "x", key)
    with pytest.raises(StepFailed, match=f"tls_key is {key}/x: Not a directory"):
        check_certificate(certificate, key + "/x")


@pytest.mark.parametrize("kind", ["directory", "pipe", "endless"])
def test_what_is_no_file_is_not_read(files: tuple[str, str], tmp_path: Path, kind: str) -> None:
    other = tmp_path / kind
    if kind == "directory":
        other.mkdir()
    elif kind == "pipe":
        os.mkfifo(other)
    else:
        other.touch()
        os.truncate(other, 2**40)
    with pytest.raises(StepFailed, match=f"tls_certificate is {other}, which is no file in PEM"):
        check_certificate(str(other), files[1])


def test_another_certificates_key_is_refused(files: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "other.pem").write_bytes(issue("shop.example.com")[1])
    with pytest.raises(StepFailed, match=r"tls_key .*other.pem is not the key of tls_certificate .*cert.pem"):
        check_certificate(files[0], f"{tmp_path}/other.pem")


def test_a_key_with_a_password_is_refused_and_nobody_asked_for_it(
    files: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "locked.pem").write_bytes(issue("shop.example.com", password=b"secret")[1])
    with pytest.raises(StepFailed, match="both have to be PEM, and the key without a password"):
        check_certificate(files[0], f"{tmp_path}/locked.pem")


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n", b"\x30\x82\x00" * 99]
)
def test_what_is_not_pem_is_refused(files: tuple[str, str], content: bytes) -> None:
    for file in files:
        good = Path(file).read_bytes()
        Path(file).write_bytes(content)
        with pytest.raises(StepFailed, match=r"cannot be used \(.+\): both have to be PEM"):
            check_certificate(*files)
        Path(file).write_bytes(good)
