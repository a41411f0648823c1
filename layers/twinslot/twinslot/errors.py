"""The two roots of all errors that the controller raises on purpose, and the domain's own errors.

What a caller does next depends only on the root: `TryAgain` means that the same call may succeed
later and nothing was decided; `GiveUp` means that it never will, and the message names what to do.
"""


class TwinslotError(Exception):
    """Raised by twinslot on purpose; its text is written for people."""


class TryAgain(TwinslotError):
    """The same call may succeed later: throttling, a lost race, a result that is not there yet."""


class GiveUp(TwinslotError):
    """The same call will fail again until a person changes something."""


class LostRace(TryAgain):
    """Another controller saved the application first; load it again and decide again."""


class UnknownCommand(TryAgain):
    """An event names a command whose sending is not recorded (yet)."""


class NotAJar(GiveUp):
    """The uploaded object is not a jar that a host could run. `by` is who uploaded it; "" when unknown."""

    by = ""


class BadSettings(GiveUp):
    """The application's settings have an unknown key, or a value of the wrong type or out of range."""


class BadEvent(GiveUp):
    """A Lambda payload lacks a field or has one of the wrong type."""


class BadReport(GiveUp):
    """A host's report is not JSON, not of the agreed shape, or names another host."""


class OtherVersion(GiveUp):
    """Only another version of twinslot can read an item, or continue a deployment."""


class NothingToRollBackTo(GiveUp):
    """The release that a rollback requests was never live."""


class UnknownApp(GiveUp):
    """No jar was ever uploaded for the application that a person names."""


class CommandRefused(GiveUp):
    """SSM will not accept this command, now or later."""
