"""A host changes while no deployment is under way: that has to be announced as drift, once."""

from lab.chaos.fault import Ending, Fault, Group, LossBudget
from lab.chaos.host_under_test import HostUnderTest
from lab.project import OTHER

BACK_SECONDS = 30.0

GONE_AND_BACK = 2
"""A check before systemd has restarted the process finds it gone, and the next one finds it back."""


def live_killed_with_warm_standby(target: HostUnderTest) -> Ending:
    """nginx sends requests to the standby until systemd has restarted the live process."""
    live = target.live
    _, pid = target.slot_of(live)
    target.shell(f"kill -KILL {pid}")
    target.until(lambda: target.serving() not in ("", live), 10, "the standby serves")
    target.until(lambda: target.serving() == live, BACK_SECONDS, "the live release is back")
    return Ending("failed over")


def live_killed_alone(target: HostUnderTest) -> Ending:
    """The previous release was stopped before, so that there is no standby."""
    live = target.live
    slot, pid = target.slot_of(live)
    target.shell(f"systemctl stop twinslot-{target.app}@{OTHER[slot]}")
    target.shell(f"kill -KILL {pid}")
    target.until(lambda: target.serving() == live, BACK_SECONDS, "the live release is back")
    return Ending("restarted")


def flag_moved_by_hand(target: HostUnderTest) -> Ending:
    """Users get the standby, though the table has the other release as live."""
    live = target.live
    flag = f"/var/lib/twinslot/{target.app}/live/green"
    target.shell(f"if [ -e {flag} ]; then rm {flag}; else touch {flag}; fi")
    target.until(lambda: target.serving() not in ("", live), 10, "users get the other release")
    return Ending("noticed")


GROUPS = (
    Group(
        "drift/",
        (
            Fault(
                "live/killed-with-the-old-one-warm",
                "SIGKILL of the live process while the other slot is a standby",
                live_killed_with_warm_standby,
                frozenset({"failed over"}),
                LossBudget.ANSWERS_BEGUN,
                deployments=0,
                drift_announcements=GONE_AND_BACK,
            ),
            Fault(
                "live/killed-with-no-other",
                "SIGKILL of the live process while the other slot is stopped",
                live_killed_alone,
                frozenset({"restarted"}),
                LossBudget.WHILE_DOWN,
                deployments=0,
                drift_announcements=GONE_AND_BACK,
            ),
            Fault(
                "flag/moved-by-hand",
                "a person moves the flag that nginx checks",
                flag_moved_by_hand,
                frozenset({"noticed"}),
                deployments=0,
            ),
        ),
    ),
)
