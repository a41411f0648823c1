"""The two roots of every error the controller raises on purpose, and the domain's own errors.

What a caller does next depends only on the root: `TryAgain` means that the same call may succeed
later and nothing was decided; `GiveUp` means that it never will, and the message says what to do.
"""


class TwinslotError(Exception):
    """Raised by twinslot on purpose; its text is fit to be shown to a person."""


class TryAgain(TwinslotError):
    """The same call may succeed later: throttling, a lost race, an answer that is not there yet."""


class GiveUp(TwinslotError):
    """The same call will fail again: somebody has to change something first."""


class LostRace(TryAgain):
    """Another controller wrote the application first; load it again and decide again."""


class UnknownCommand(TryAgain):
    """An event names a command whose sending is not recorded (yet)."""


class NotAJar(GiveUp):
    """The uploaded object is not a jar that a host could run. `by` says who uploaded it, "": not known."""

    by = ""


class BadKey(GiveUp):
    """The S3 key does not name an application and a jar in the characters that twinslot takes."""


class BadSettings(GiveUp):
    """The application's settings hold an unknown key or a value of the wrong type or range."""


class BadEvent(GiveUp):
    """A Lambda payload lacks a field or has one of the wrong type."""


class BadReport(GiveUp):
    """A host's report is not JSON, not of the agreed shape, or speaks for another host."""


class NothingToRollBackTo(GiveUp):
    """The release that a rollback asks for was never live."""


class UnknownApp(GiveUp):
    """Nothing was ever heard of the application that a person means."""


class CommandRefused(GiveUp):
    """SSM will not take this command, now or later."""
