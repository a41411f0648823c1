"""nginx is killed, stopped, or configured by somebody else; a stranger sits on the idle port."""

from lab.chaos.fault import Ending, Fault, Group, LossBudget
from lab.chaos.fault_injector import Place
from lab.chaos.host_under_test import HostUnderTest

BACK_SECONDS = 20.0
INSPECTED_SECONDS = 120.0
"""In the sandbox a quarter of an hour takes 75 s."""

KILL = "pkill -KILL nginx; true"
STOP = "systemctl stop nginx"
FOREIGN = "/etc/nginx/conf.d/somebody.conf"


def killed(station: HostUnderTest) -> Ending:
    """No deployment is under way: the host has to help itself."""
    station.shell(KILL)
    try:
        station.until(lambda: station.serving() == station.live, BACK_SECONDS, "nginx is back")
    except TimeoutError:
        station.shell("systemctl start nginx")
        raise
    return Ending("restarted")


def stopped_and_left(station: HostUnderTest) -> Ending:
    """No deployment is under way: what hosts report is compared from time to time, and an operator told."""
    after = len(station.sandbox.announcements)
    station.shell(STOP)
    try:
        station.announced(lambda each: each.data.get("outcome") == "DRIFT", INSPECTED_SECONDS, after)
    finally:
        station.shell("systemctl start nginx")
    station.until(lambda: station.serving() == station.live, BACK_SECONDS, "users are served")
    return Ending("told")


def lost_at(name: str, what: str, place: Place, command: str, outcomes: set[str]) -> Fault:
    """nginx goes away when a command comes to a place."""

    def inject(station: HostUnderTest) -> Ending:
        station.fault_injector.inject(place, "/bin/sh", "-c", command)
        outcome = station.outcome(station.upload())
        station.until(lambda: station.serving() == station.live, BACK_SECONDS, "users are served")
        return Ending(outcome)

    return Fault(name, what, inject, frozenset(outcomes), LossBudget.WHILE_DOWN)


def stopped_before(station: HostUnderTest) -> Ending:
    station.shell(STOP)
    outcome = station.outcome(station.upload())
    station.must_serve(station.live)
    return Ending(outcome)


def broken_by_somebody(station: HostUnderTest) -> Ending:
    """A file that nginx cannot read lies beside ours, and a setting changes what ours has to say."""
    station.shell(f"echo 'server {{ listen nonsense' >{FOREIGN}")
    try:
        station.configure(server_name="shop.example.com")
        outcome = station.outcome(station.upload())
        station.must_serve(station.live)
    finally:
        station.shell(f"rm {FOREIGN}")
    return Ending(outcome)


def ours_overwritten(station: HostUnderTest) -> Ending:
    station.shell(f"echo 'nonsense' >/etc/nginx/conf.d/twinslot-{station.app}.conf")
    outcome = station.outcome(station.upload())
    station.must_serve(station.live)
    return Ending(outcome)


def stranger_on_idle_port(station: HostUnderTest) -> Ending:
    idle = {"blue": 8082, "green": 8081}[station.standing()["live"]]
    other = {8081: "blue", 8082: "green"}[idle]
    station.shell(
        f"systemctl stop twinslot-{station.app}@{other} && "
        f"systemd-run --quiet --unit=stranger python3 -m http.server {idle} && "
        f"for i in $(seq 100); do ss -Hltn 'sport = :{idle}' | grep -q . && break; sleep 0.1; done"
    )
    try:
        outcome = station.outcome(station.upload())
        station.must_serve(station.live)
    finally:
        station.shell("systemctl stop stranger")
    return Ending(outcome)


GROUPS = (
    Group(
        "nginx/",
        (
            Fault(
                "nginx/killed",
                "every process of nginx gets SIGKILL while no deployment is under way",
                killed,
                frozenset({"restarted"}),
                LossBudget.WHILE_DOWN,
                deployments=0,
                tells=0,
            ),
            Fault(
                "nginx/stopped-and-left",
                "somebody stopped it while no deployment is under way",
                stopped_and_left,
                frozenset({"told"}),
                LossBudget.WHILE_DOWN,
                deployments=0,
            ),
            lost_at(
                "nginx/killed-while-staging",
                "SIGKILL while the new release starts",
                Place("stage", "did", "started SLOT"),
                KILL,
                {"LIVE", "REVERTED"},
            ),
            lost_at(
                "nginx/killed-while-flipping",
                "SIGKILL when the flip begins",
                Place("flip", "did", "began"),
                KILL,
                {"LIVE", "REVERTED"},
            ),
            lost_at(
                "nginx/stopped-while-flipping",
                "it is stopped when the flip begins",
                Place("flip", "did", "began"),
                STOP,
                {"LIVE", "REVERTED"},
            ),
            lost_at(
                "nginx/stopped-while-baking",
                "it is stopped when the bake begins",
                Place("bake", "did", "began"),
                STOP,
                {"LIVE", "REVERTED"},
            ),
            Fault(
                "nginx/stopped-before-the-upload",
                "somebody stopped it; the next deployment starts it",
                stopped_before,
                frozenset({"LIVE"}),
                LossBudget.WHILE_DOWN,
            ),
            Fault(
                "nginx/configuration-broken-by-somebody",
                "a file of somebody else's makes nginx -t fail just when ours has to change",
                broken_by_somebody,
                frozenset({"FAILED"}),
            ),
            Fault(
                "nginx/our-configuration-overwritten",
                "somebody wrote nonsense over our file",
                ours_overwritten,
                frozenset({"LIVE"}),
            ),
            Fault(
                "port/stranger-on-the-idle-one",
                "a process that is none of ours listens where the idle slot should",
                stranger_on_idle_port,
                frozenset({"FAILED"}),
            ),
        ),
        minutes=2.5,
    ),
)
