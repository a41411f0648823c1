"""nginx is killed, stopped or misconfigured; another process listens on the idle port."""

from lab.chaos.fault import Ending, Fault, Group, LossBudget
from lab.chaos.fault_injector import Place
from lab.chaos.host_under_test import HostUnderTest
from lab.project import OTHER, PORTS

BACK_SECONDS = 20.0
CHECKED_SECONDS = 120.0
"""Until the next check for drift: every 15 minutes, which take 75 s in the sandbox."""

KILL = "pkill -KILL nginx; true"
STOP = "systemctl stop nginx"
FOREIGN = "/etc/nginx/conf.d/somebody.conf"


def killed(target: HostUnderTest) -> Ending:
    """No deployment is under way: the host has to recover by itself."""
    target.shell(KILL)
    try:
        target.until(lambda: target.serving() == target.live, BACK_SECONDS, "nginx is back")
    except TimeoutError:
        target.shell("systemctl start nginx")
        raise
    return Ending("restarted")


def stopped_and_left(target: HostUnderTest) -> Ending:
    """No deployment is under way: the next check for drift has to find it."""
    after = len(target.sandbox.announcements)
    target.shell(STOP)
    try:
        target.announced(lambda each: each.data.get("outcome") == "DRIFT", CHECKED_SECONDS, after)
    finally:
        target.shell("systemctl start nginx")
    target.until(lambda: target.serving() == target.live, BACK_SECONDS, "users are served")
    return Ending("announced")


def lost_at(name: str, what: str, place: Place, command: str, outcomes: set[str]) -> Fault:
    """Return the fault that nginx is lost when a command reaches a place."""

    def inject(target: HostUnderTest) -> Ending:
        target.fault_injector.inject(place, "/bin/sh", "-c", command)
        outcome = target.outcome(target.upload())
        target.until(lambda: target.serving() == target.live, BACK_SECONDS, "users are served")
        return Ending(outcome)

    return Fault(name, what, inject, frozenset(outcomes), LossBudget.WHILE_DOWN)


def stopped_before(target: HostUnderTest) -> Ending:
    target.shell(STOP)
    outcome = target.outcome(target.upload())
    target.must_serve(target.live)
    return Ending(outcome)


def broken_by_somebody(target: HostUnderTest) -> Ending:
    """nginx cannot parse a file beside ours, when a setting has just changed ours."""
    target.shell(f"echo 'server {{ listen nonsense' >{FOREIGN}")
    try:
        target.configure(server_name="shop.example.com")
        outcome = target.outcome(target.upload())
        target.must_serve(target.live)
    finally:
        target.shell(f"rm {FOREIGN}")
    return Ending(outcome)


def ours_overwritten(target: HostUnderTest) -> Ending:
    target.shell(f"echo 'nonsense' >/etc/nginx/conf.d/twinslot-{target.app}.conf")
    outcome = target.outcome(target.upload())
    target.must_serve(target.live)
    return Ending(outcome)


def stranger_on_idle_port(target: HostUnderTest) -> Ending:
    other = OTHER[target.report()["live"]]
    idle = PORTS[other]
    target.shell(
        f"systemctl stop twinslot-{target.app}@{other} && "
        f"systemd-run --quiet --unit=stranger python3 -m http.server {idle} && "
        f"for i in $(seq 100); do ss -Hltn 'sport = :{idle}' | grep -q . && break; sleep 0.1; done"
    )
    try:
        outcome = target.outcome(target.upload())
        target.must_serve(target.live)
    finally:
        target.shell("systemctl stop stranger")
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
                drift_announcements=0,
            ),
            Fault(
                "nginx/stopped-and-left",
                "it is stopped while no deployment is under way",
                stopped_and_left,
                frozenset({"announced"}),
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
                "nginx is stopped when the flip begins",
                Place("flip", "did", "began"),
                STOP,
                {"LIVE", "REVERTED"},
            ),
            lost_at(
                "nginx/stopped-while-baking",
                "nginx is stopped when the bake begins",
                Place("bake", "did", "began"),
                STOP,
                {"LIVE", "REVERTED"},
            ),
            Fault(
                "nginx/stopped-before-the-upload",
                "nginx is stopped; the next deployment starts it",
                stopped_before,
                frozenset({"LIVE"}),
                LossBudget.WHILE_DOWN,
            ),
            Fault(
                "nginx/configuration-broken-by-somebody",
                "another file makes nginx -t fail just when ours has to change",
                broken_by_somebody,
                frozenset({"FAILED"}),
            ),
            Fault(
                "nginx/our-configuration-overwritten",
                "our file is overwritten with nonsense",
                ours_overwritten,
                frozenset({"LIVE"}),
            ),
            Fault(
                "port/stranger-on-the-idle-one",
                "another process listens on the idle slot's port",
                stranger_on_idle_port,
                frozenset({"FAILED"}),
            ),
        ),
        minutes=2.5,
    ),
)
