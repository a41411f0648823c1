"""What a host installs, with a package manager that only notes what it was asked and makes the programs."""

from pathlib import Path

import pytest
from twinslot_host.command import Command
from twinslot_host.packages import ensure_programs
from twinslot_host.places import Places
from twinslot_host.request import Request
from twinslot_host.trouble import Trouble

NOTE = '#!/bin/sh\necho "$(/usr/bin/basename $0) $*" >> {log}\n'
MAKE = "for name in nginx java; do echo > {bin}/$name; /bin/chmod +x {bin}/$name; done\n"
APT = "apt-get --quiet --yes --option=DPkg::Lock::Timeout=300"


class Programs:
    """A PATH of its own: `has` puts a program there, which runs the lines after noting its arguments."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.log = folder / "log"
        self.log.touch()
        self.command = Command(Request("provision", "shop", "provision"), Places("shop", str(folder)))

    def has(self, name: str, lines: str = "") -> None:
        program = self.bin / name
        program.write_text((NOTE + lines).format(log=self.log, bin=self.bin))
        program.chmod(0o755)

    def asked(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    made = Programs(tmp_path)
    monkeypatch.setenv("PATH", str(made.bin))
    return made


def test_nothing_is_asked_where_both_programs_are(programs: Programs) -> None:
    for name in ("nginx", "java", "apt-get"):
        programs.has(name)
    ensure_programs(programs.command)
    assert programs.asked() == []


def test_amazon_linux_installs_with_dnf(programs: Programs) -> None:
    programs.has("dnf", MAKE)
    ensure_programs(programs.command)
    assert programs.asked() == ["dnf --quiet --assumeyes install java-21-amazon-corretto-headless nginx"]


def test_debian_installs_only_what_is_missing(programs: Programs) -> None:
    programs.has("java")
    programs.has("dpkg")
    programs.has("apt-get", MAKE)
    ensure_programs(programs.command)
    assert programs.asked() == ["dpkg --configure -a", f"{APT} install --no-install-recommends nginx"]


def test_lists_are_fetched_when_it_does_not_work_without(programs: Programs) -> None:
    programs.has("dpkg")
    programs.has("apt-get", '[ "$4" = update ] && > {bin}/lists\n[ -e {bin}/lists ] || exit 100\n' + MAKE)
    ensure_programs(programs.command)
    install = f"{APT} install --no-install-recommends default-jre-headless nginx"
    tidy = "dpkg --configure -a"
    assert programs.asked() == [tidy, install, tidy, f"{APT} update", install]


def test_an_installation_that_did_not_end_is_done_again_though_the_programs_are_there(
    programs: Programs,
) -> None:
    programs.has("dnf", MAKE + "exit 1\n")
    with pytest.raises(Trouble, match=r"`dnf .*` failed with 1"):
        ensure_programs(programs.command)
    programs.has("dnf")
    ensure_programs(programs.command)
    ensure_programs(programs.command)
    assert programs.asked() == ["dnf --quiet --assumeyes install java-21-amazon-corretto-headless nginx"] * 2


def test_a_host_without_a_package_manager_is_told_what_is_missing(programs: Programs) -> None:
    with pytest.raises(Trouble, match="nginx and java missing, and neither apt-get nor dnf"):
        ensure_programs(programs.command)


def test_a_package_without_its_program_is_reported(programs: Programs) -> None:
    programs.has("dnf")
    with pytest.raises(Trouble, match="there is still no nginx on the path"):
        ensure_programs(programs.command)
