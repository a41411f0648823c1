"""Releases that are bad, each in its own way."""

from chaos.fault import Ending, Fault, Group, Losing
from chaos.station import Station


def deployed(faults: str, name: str, what: str, outcome: str, losing: Losing = Losing.NOTHING) -> Fault:
    """A release with these faults of the sample application."""

    def strike(station: Station) -> Ending:
        upload = station.upload(faults)
        ended = station.outcome(upload)
        station.must_serve(station.live)
        return Ending(ended, upload.label)

    return Fault(name, what, strike, frozenset({outcome}), losing)


FAULTS = (
    deployed("dies-at-start", "jar/dies-at-start", "it ends before it opens its port", "FAILED"),
    deployed(
        "dies-after=live+0.5",
        "jar/dies-in-its-bake",
        "it ends half a second after it went live",
        "REVERTED",
        Losing.NOTHING_REPEATABLE,
    ),
    deployed(
        "errors-after=0", "jar/healthy-and-nothing-else", "it answers health and fails all else", "REVERTED"
    ),
)

GROUPS = (Group("jar/", FAULTS, minutes=1),)
