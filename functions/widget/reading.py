"""What the widget shows, read from the table: the apps, what their hosts last said, their history."""

from dataclasses import dataclass

from twinslot.aws.store import Heard, Store
from twinslot.domain.model import Application, Deployment

MAX_APPS = 50
MAX_DEPLOYMENTS = 20


@dataclass(frozen=True)
class Shown:
    """One app: its hosts' last reports, and its deployments, the newest first."""

    application: Application
    heard: tuple[Heard, ...] = ()
    history: tuple[Deployment, ...] = ()


def read(store: Store) -> tuple[tuple[Shown, ...], int]:
    """The apps, those with something under way first, and how many there are besides.

    Raises TryAgain or GiveUp.
    """
    # An app may be found by both queries while it changes from one to the other.
    names = tuple(dict.fromkeys((*store.busy_apps(), *store.idle_apps())))
    shown = tuple(
        Shown(store.load(name), store.heard(name), store.history(name, MAX_DEPLOYMENTS))
        for name in names[:MAX_APPS]
    )
    return shown, len(names) - len(shown)
