"""What doctor makes of a host: each fault is found, told with its value, and has a remedy."""

import inspect
import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
from twinslot.shared.constants import VERSION
from twinslot_host.command.request import Request
from twinslot_host.doctor import machine, run
from twinslot_host.doctor.check import Checks
from twinslot_host.doctor.host import Host, S3Answer
from twinslot_host.doctor.machine import Clock, Disk, Memory
from twinslot_host.doctor.nginx import Nginx, Site
from twinslot_host.doctor.slots import Served
from twinslot_host.doctor.tls import Certificate
from twinslot_host.system.errors import StepFailed

MIB = 1024**2
CHECKS = {check.name: check for check in run.CHECKS}
READ = S3Answer("host-role", 206, "", "s3://artifacts/shop/shop.jar", "", 0.2)
CONF = "/etc/nginx/conf.d/twinslot-shop.conf"

WELL: dict[str, Any] = {
    "agent": "3.3.2746.0",
    "python": (3, 9, 0),
    "nginx installed": "nginx version: nginx/1.28.0",
    "nginx running": Nginx("active", True),
    "nginx configuration": "",
    "nginx site": Site(CONF, "0123", "0123"),
    "port 80": [],
    "users": [],
    "java": "21 in /usr/lib/jvm/java-21",
    "provisioned": [],
    "one app": ["shop"],
    "live slot": Served("green", "green", "1.4.2", "active", True),
    "slot ports": {},
    "units": [],
    "slot files": "",
    "state": [],
    "memory": Memory(2000 * MIB, 700 * MIB, 400 * MIB, False),
    "disk": Disk("/opt/twinslot/shop/releases", 1000 * MIB, 60 * MIB),
    "clock": Clock(True, 0.2),
    "metadata": READ,
    "s3": READ,
    "environment": "",
    "certificate": Certificate("/etc/tls/shop.pem", 60.0, ""),
}

FAULTS: list[tuple[str, Any, str, str]] = [
    ("agent", "3.2.1705.0", "3.2.1705.0; 3.3.2746.0 or later", "AWS-UpdateSSMAgent"),
    ("python", (3, 8, 10), "Python 3.8.10", "python3"),
    ("nginx installed", "", "not installed", "verb=provision"),
    ("nginx running", Nginx("inactive", True), "inactive", "systemctl enable --now nginx"),
    ("nginx running", Nginx("active", False), "not start at boot", "systemctl enable --now nginx"),
    ("nginx configuration", "unknown directive in a.conf:1", "unknown directive in a.conf:1", "nginx -t"),
    ("nginx site", Site(CONF, None, None), "was not provisioned", "verb=provision"),
    ("nginx site", Site(CONF, "0123", None), "does not answer", "reload-or-restart nginx"),
    ("nginx site", Site(CONF, "0123", "4567"), "runs the configuration 4567", "reload-or-restart nginx"),
    ("port 80", ["`listen 80 default_server` in /etc/x"], "default_server` in /etc/x", "nginx -t"),
    ("port 80", None, "no valid configuration", "see nginx configuration"),
    ("nginx running", None, "nginx is not installed", "see nginx installed"),
    ("nginx configuration", None, "nginx is not installed", "see nginx installed"),
    ("users", ["/etc/nginx/conf.d/shop.conf"], "users of /etc/nginx/conf.d/shop.conf", "docs/migrating.md"),
    ("java", "", "no Java is installed", "verb=provision"),
    ("provisioned", ["the user twinslot-shop"], "the user twinslot-shop", "verb=provision"),
    ("one app", ["till"], "serves till, and doctor was asked about shop", "tag this instance"),
    ("live slot", Served("green", "green", "1.4.2", "failed", False), "1.4.2 in green is failed", "rollback"),
    ("live slot", Served("green", "blue", "1.4.2", "active", True), "nginx answers blue", "logs shop"),
    ("live slot", Served("green", None, "1.4.2", "active", True), "does not answer", "logs shop"),
    (
        "live slot",
        Served("green", "green", "1.4.2", "active", True, False),
        "would not start after a boot",
        "systemctl enable twinslot-shop@green",
    ),
    ("slot ports", {8082: "process 7 (python3)"}, "8082 is taken by process 7 (python3)", "sport = :8082"),
    ("units", ["nginx.service"], "nginx.service", "journalctl --unit nginx.service"),
    (
        "slot files",
        "blue.json was written by twinslot 0.2.0, this is 0.1.0",
        "twinslot 0.2.0",
        "upload a jar",
    ),
    ("state", ["/var/lib/twinslot/shop"], "/var/lib/twinslot/shop", "remount,rw"),
    ("memory", Memory(400 * MIB, 300 * MIB, 0, False), "300 of 400 MiB", "java_options"),
    ("memory", Memory(1000 * MIB, 399 * MIB, 400 * MIB, False), "live process uses 400 MiB", "java_options"),
    ("disk", Disk("/opt", 183 * MIB, 60 * MIB), "183 MiB free in /opt; 184 MiB", "free some"),
    ("clock", Clock(True, 61.0), "61 s ahead", "chronyd"),
    ("clock", Clock(True, -900.0), "900 s behind", "chronyd"),
    ("clock", Clock(False, None), "not synchronised", "chronyd"),
    ("metadata", S3Answer("", 0, "", "", "the service did not answer", None), "did not answer", "options"),
    ("s3", S3Answer("", 0, "", "", "x", None), "no credentials", "see metadata"),
    ("s3", READ._replace(status=0, failure="S3 did not answer"), "S3 did not answer", "gateway endpoint"),
    (
        "s3",
        READ._replace(status=403, code="AccessDenied"),
        "403 AccessDenied to host-role",
        "Key=twinslot,Value=shop",
    ),
    ("s3", READ._replace(status=403, code="RequestTimeTooSkewed"), "RequestTimeTooSkewed", "see clock"),
    ("s3", READ._replace(status=404, code="NoSuchVersion"), "404 NoSuchVersion", "upload a jar"),
    ("environment", "/twinslot/apps/shop/env/A is refused", "env/A is refused", "get-parameters-by-path"),
    ("certificate", Certificate("/c.pem", 13.0, ""), "ends in 13 days", "certbot renew"),
    ("certificate", Certificate("/c.pem", -1.0, ""), "has ended", "certbot renew"),
    ("certificate", Certificate("/c.pem", None, "No such file"), "No such file", "openssl x509"),
]


def test_a_sound_host_has_nothing_against_it() -> None:
    assert set(WELL) == set(CHECKS)
    for name, check in CHECKS.items():
        ok, what, _ = check.judge(WELL[name], "shop")
        assert ok, name
        assert what, name


@pytest.mark.parametrize(("name", "found", "what", "remedy"), FAULTS)
def test_a_planted_fault_is_found_with_its_value_and_a_remedy(
    name: str, found: Any, what: str, remedy: str
) -> None:
    ok, found_text, advice = CHECKS[name].judge(found, "shop")
    assert not ok
    assert what in found_text
    assert remedy in advice


def test_each_check_has_a_fault_that_it_finds() -> None:
    found = {name for name, found, *_ in FAULTS if CHECKS[name].judge(found, "shop")[0] is False}
    assert found == set(CHECKS)


@pytest.mark.parametrize(
    ("name", "found", "cause"),
    [
        ("nginx running", None, "nginx installed"),
        ("nginx configuration", None, "nginx installed"),
        ("port 80", None, "nginx configuration"),
        ("s3", S3Answer("", 0, "", "", "x", None), "metadata"),
    ],
)
def test_what_follows_from_another_fault_is_none_of_its_own_and_points_to_it(
    name: str, found: Any, cause: str
) -> None:
    ok, _, remedy = CHECKS[name].judge(found, "shop")
    assert (ok, remedy) == (None, f"see {cause}")
    assert cause in CHECKS


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("agent", ""),
        ("one app", []),
        ("live slot", Served(None, None, "", "", False)),
        ("memory", Memory(1000 * MIB, 10 * MIB, 400 * MIB, True)),
        ("clock", Clock(False, 1.0)),
        ("clock", Clock(True, None)),
        ("s3", READ._replace(status=403, code="AccessDenied", what="")),
        ("certificate", Certificate("", None, "")),
    ],
)
def test_what_is_no_fault_is_not_called_one(name: str, found: Any) -> None:
    assert CHECKS[name].judge(found, "shop")[0]


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Host, "s3_answer", READ)


@pytest.mark.usefixtures("no_aws")
def test_a_probe_that_fails_hides_no_other_check(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Host) -> None:
        raise StepFailed("systemctl\x1b[31m is not there " + "x" * 400)

    monkeypatch.setattr(run, "CHECKS", [check._replace(probe=fail) for check in run.CHECKS])
    text = run.doctor(Request("doctor", "shop", "doctor"), "i-1")
    answer = json.loads(text)
    assert {name: answer[name] for name in ("twinslot", "written_by", "host", "app", "verb")} == {
        "twinslot": 1,
        "written_by": VERSION,
        "host": "i-1",
        "app": "shop",
        "verb": "doctor",
    }
    assert [check["name"] for check in answer["checks"]] == list(CHECKS)
    assert not any(check["ok"] for check in answer["checks"])
    assert "could not be checked: systemctl?[31m is not there" in answer["checks"][0]["what"]
    assert len(text) <= 20_000
    assert text.isprintable()


@pytest.mark.usefixtures("no_aws")
def test_a_check_that_passes_offers_no_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "CHECKS", [CHECKS["units"]._replace(probe=lambda _: [])])
    assert json.loads(run.doctor(Request("doctor", "shop", "doctor"), ""))["checks"] == [
        {"name": "units", "ok": True, "what": "no unit of twinslot or nginx has failed", "remedy": ""}
    ]


def test_a_new_check_is_one_edit_the_probe_and_below_it_the_registered_judge() -> None:
    """A module that gets nothing but these two functions has one more check in doctor's answer."""
    source = inspect.getsource(machine) + textwrap.dedent(
        """
        def load(host: Host) -> float:
            return 4.0

        @check("load", load)
        def judge_load(load: float, app: str) -> Verdict:
            return load < 2, f"the load is {load}", "take a larger instance type"
        """
    )
    edited: dict[str, Any] = {"__name__": machine.__name__}
    exec(source, edited)
    checks: Checks = edited["check"]
    assert [check.name for check in checks] == [*(check.name for check in machine.check), "load"]
    assert checks[-1].run(Host(Request("doctor", "shop", "doctor"), "i-1")) == (
        "load",
        False,
        "the load is 4.0",
        "take a larger instance type",
    )


def test_doctor_runs_the_checks_of_every_module() -> None:
    folder = Path(run.__file__).parent
    registered = sum(path.read_text().count("\n@check(") for path in folder.glob("*.py"))
    assert registered == len(run.CHECKS) == len(CHECKS)
