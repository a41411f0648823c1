"""Things change on a host while no deployment is under way: an operator has to be told, once."""

from lab.chaos.fault import Ending, Fault, Group, LossBudget
from lab.chaos.host_under_test import HostUnderTest

BACK_SECONDS = 30.0

GONE_AND_BACK = 2
"""Who looks before systemd has started the process again hears that it is gone, and then that it is back."""


def live_killed_with_warm_standby(station: HostUnderTest) -> Ending:
    """nginx sends the requests to the standby, until systemd has started the live one again."""
    live = station.live
    _, pid = station.slot_of(live)
    station.shell(f"kill -KILL {pid}")
    station.until(lambda: station.serving() not in ("", live), 10, "the standby serves")
    station.until(lambda: station.serving() == live, BACK_SECONDS, "the live one is back")
    return Ending("fell over")


def live_killed_alone(station: HostUnderTest) -> Ending:
    """The warm one was stopped in good order before: nobody can stand in."""
    live = station.live
    slot, pid = station.slot_of(live)
    station.shell(f"systemctl stop twinslot-{station.app}@{ {'blue': 'green', 'green': 'blue'}[slot] }")
    station.shell(f"kill -KILL {pid}")
    station.until(lambda: station.serving() == live, BACK_SECONDS, "the live one is back")
    return Ending("restarted")


def flag_moved_by_hand(station: HostUnderTest) -> Ending:
    """Users get the release that is warm, though the table says the other one."""
    live = station.live
    flag = f"/var/lib/twinslot/{station.app}/live/green"
    station.shell(f"if [ -e {flag} ]; then rm {flag}; else touch {flag}; fi")
    station.until(lambda: station.serving() not in ("", live), 10, "users get the other release")
    return Ending("noticed")


GROUPS = (
    Group(
        "drift/",
        (
            Fault(
                "live/killed-with-the-old-one-warm",
                "SIGKILL of the live process while the other slot is a standby",
                live_killed_with_warm_standby,
                frozenset({"fell over"}),
                LossBudget.NOTHING_REPEATABLE,
                deployments=0,
                tells=GONE_AND_BACK,
            ),
            Fault(
                "live/killed-with-no-other",
                "SIGKILL of the live process while the other slot is stopped",
                live_killed_alone,
                frozenset({"restarted"}),
                LossBudget.WHILE_DOWN,
                deployments=0,
                tells=GONE_AND_BACK,
            ),
            Fault(
                "flag/moved-by-hand",
                "somebody moves the flag that nginx asks",
                flag_moved_by_hand,
                frozenset({"noticed"}),
                deployments=0,
            ),
        ),
    ),
)
