"""What a host installs, with a package manager that only notes what it was asked and makes the programs."""

import threading
from pathlib import Path

import pytest
from twinslot_host.command.context import Command
from twinslot_host.command.request import Request
from twinslot_host.runtime import java
from twinslot_host.runtime.java import need
from twinslot_host.runtime.packages import NGINX, ensure
from twinslot_host.system.errors import StepFailed
from twinslot_host.system.paths import Paths

from tests.waiting import wait_until

NOTE = '#!/bin/sh\necho "$(/usr/bin/basename $0) $*" >> {log}\n'
MAKE = "for name in nginx java; do echo > {bin}/$name; /bin/chmod +x {bin}/$name; done\n"
APT = "apt-get --quiet --yes --option=DPkg::Lock::Timeout=300"
DNF = "dnf --quiet --assumeyes install java-21-amazon-corretto-headless nginx"


class Programs:
    """A PATH of its own: `has` puts a program there, which runs the lines after noting its arguments."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.log = folder / "log"
        self.log.touch()
        self.command = Command(Request("provision", "shop", "provision"), Paths("shop", str(folder)))
        self.note = Path(self.command.paths.installing)

    def has(self, name: str, lines: str = "") -> None:
        program = self.bin / name
        program.write_text((NOTE + lines).format(log=self.log, bin=self.bin))
        program.chmod(0o755)

    def asked(self) -> list[str]:
        return self.log.read_text().splitlines()

    def ensure(self, version: int | None = None) -> None:
        ensure(self.command, NGINX, need(version))


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    made = Programs(tmp_path)
    monkeypatch.setenv("PATH", str(made.bin))
    monkeypatch.setattr(java, "PLACES", (f"{tmp_path}/jvm/*",))
    return made


def test_nothing_is_asked_where_both_programs_are(programs: Programs) -> None:
    for name in ("nginx", "java", "apt-get"):
        programs.has(name)
    programs.ensure()
    assert programs.asked() == []


def test_amazon_linux_installs_with_dnf(programs: Programs) -> None:
    programs.has("dnf", MAKE)
    programs.ensure()
    assert programs.asked() == [DNF]
    assert not programs.note.exists()


def test_debian_installs_only_what_is_missing(programs: Programs) -> None:
    programs.has("java")
    programs.has("dpkg")
    programs.has("apt-get", MAKE)
    programs.ensure()
    assert programs.asked() == ["dpkg --configure -a", f"{APT} install --no-install-recommends nginx"]


def test_lists_are_fetched_when_it_does_not_work_without(programs: Programs) -> None:
    programs.has("dpkg")
    programs.has("apt-get", '[ "$4" = update ] && > {bin}/lists\n[ -e {bin}/lists ] || exit 100\n' + MAKE)
    programs.ensure()
    install = f"{APT} install --no-install-recommends default-jre-headless nginx"
    tidy = "dpkg --configure -a"
    assert programs.asked() == [tidy, install, tidy, f"{APT} update", install]


def test_an_installation_that_did_not_end_is_done_again_though_the_programs_are_there(
    programs: Programs,
) -> None:
    programs.has("dnf", MAKE + "exit 1\n")
    with pytest.raises(StepFailed, match=r"`dnf .*` failed with 1"):
        programs.ensure()
    programs.has("dnf")
    programs.ensure()
    programs.ensure()
    assert programs.asked() == [DNF] * 2


def test_what_another_app_or_none_left_halfway_is_done_again_too(programs: Programs, tmp_path: Path) -> None:
    programs.has("dnf", MAKE + "exit 1\n")
    with pytest.raises(StepFailed):
        programs.ensure()
    programs.has("dnf")
    programs.command = Command(Request("provision", "", "provision"), Paths("", str(tmp_path)))
    programs.ensure()
    assert programs.asked() == [DNF] * 2


def test_while_one_command_installs_another_waits(programs: Programs, tmp_path: Path) -> None:
    # The programs are there from the beginning of the installation on, as with dpkg; it ends when it may.
    programs.has("dnf", MAKE + "while [ ! -e {bin}/enough ]; do /bin/sleep 0.01; done\n")
    others = Command(Request("provision", "", "provision"), Paths("", str(tmp_path)))
    began = threading.Thread(target=ensure, args=(others, NGINX, need(None)))
    began.start()
    wait_until((programs.bin / "java").exists)
    waits = threading.Thread(target=programs.ensure)
    waits.start()
    waits.join(0.3)
    assert waits.is_alive()

    (programs.bin / "enough").touch()

    began.join(10)
    waits.join(10)
    assert not waits.is_alive()
    assert programs.asked() == [DNF]


def test_what_cannot_be_installed_is_named_with_what_was_said_of_it_and_what_to_do(
    programs: Programs,
) -> None:
    programs.has("nginx")
    programs.has("java")
    programs.has("dnf", "echo 'Last check: today.'\necho 'Error: Unable to find a match: it'\nexit 1\n")
    with pytest.raises(StepFailed) as failure:
        programs.ensure(25)
    assert failure.value.reason == (
        "Java 25 missing, and `dnf install java-25-amazon-corretto-headless` failed with 1:"
        " Error: Unable to find a match: it; put a JDK 25 into /usr/lib/jvm"
    )


def test_what_could_not_be_installed_is_not_asked_for_again_once_it_is_not_needed(programs: Programs) -> None:
    programs.has("nginx")
    programs.has("java")
    programs.has("dnf", "exit 1\n")
    with pytest.raises(StepFailed):
        programs.ensure(25)
    assert not programs.note.exists()
    programs.ensure()
    assert len(programs.asked()) == 1


def test_an_installation_that_was_cut_is_done_again_by_whoever_needs_it_next(programs: Programs) -> None:
    for name in ("nginx", "java", "dnf"):
        programs.has(name)
    programs.note.parent.mkdir(parents=True)
    programs.note.write_text("java-25-amazon-corretto-headless nginx")
    programs.ensure()
    assert programs.asked() == ["dnf --quiet --assumeyes install nginx"]
    assert programs.note.read_text() == "java-25-amazon-corretto-headless"


def test_a_host_without_a_package_manager_is_told_what_is_missing(programs: Programs) -> None:
    with pytest.raises(StepFailed, match="nginx and Java missing, and there is neither apt-get nor dnf"):
        programs.ensure()


def test_a_package_without_its_program_is_reported(programs: Programs) -> None:
    programs.has("dnf")
    remedies = "install nginx by hand, and put a JDK into /usr/lib/jvm"
    with pytest.raises(StepFailed, match=rf"`dnf install .*` did not install it; {remedies}$"):
        programs.ensure()
