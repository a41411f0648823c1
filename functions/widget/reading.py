"""What the widget shows, read from the table: the apps, the last reports of their hosts, their history."""

from dataclasses import dataclass

from twinslot.aws.store import HostSnapshot, Store, Unreadable
from twinslot.domain.model import Application, Deployment
from twinslot.errors import OtherVersion

MAX_APPS = 50
MAX_DEPLOYMENTS = 20


@dataclass(frozen=True)
class Shown:
    """One app: its hosts' last reports, its deployments, the newest first, and notes about what another
    version of twinslot wrote that this one cannot read or continue."""

    application: Application
    snapshots: tuple[HostSnapshot, ...] = ()
    history: tuple[Deployment, ...] = ()
    unreadable: tuple[str, ...] = ()


def read(store: Store) -> tuple[tuple[Shown, ...], int]:
    """Return the apps, those with something under way first, and how many more there are.

    Raises TryAgain or GiveUp.
    """
    # An app may be found by both queries while it changes from one to the other.
    names = tuple(dict.fromkeys((*store.busy_apps(), *store.idle_apps())))
    shown = tuple(_read(store, name) for name in names[:MAX_APPS])
    return shown, len(names) - len(shown)


def _read(store: Store, name: str) -> Shown:
    try:
        application = store.load(name)
    except OtherVersion as error:
        return Shown(Application(name), unreadable=(str(error),))
    snapshots, history = store.host_snapshots(name), store.history(name, MAX_DEPLOYMENTS)
    return Shown(
        application,
        tuple(each for each in snapshots if not isinstance(each, Unreadable)),
        tuple(each for each in history if not isinstance(each, Unreadable)),
        (
            *application.unreadable,
            *(f"{each}" for each in (*snapshots, *history) if isinstance(each, Unreadable)),
        ),
    )
