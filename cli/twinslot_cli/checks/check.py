"""One thing that has to be so, and how it was found."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError
from twinslot.errors import TwinslotError

from twinslot_cli.aws.errors import CannotWork, denied_action, explained, is_denied


@dataclass(frozen=True)
class Check:
    """`ok` is None when nobody may look. `remedy` says what to do, "" where nothing is to be done."""

    name: str
    ok: bool | None
    what: str
    remedy: str = ""
    host: str | None = None


def made(name: str, look: Callable[[], Iterator[Check]]) -> list[Check]:
    """The checks that `look` makes, as far as it comes; one that AWS refuses is said to be unknown."""
    found: list[Check] = []
    try:
        found.extend(look())
    except (CannotWork, TwinslotError, BotoCoreError, ClientError) as error:
        if is_denied(error):
            action = denied_action(error)
            remedy = f"ask for {action}, for example by the stack's OperatorPolicyArn"
            found.append(Check(name, None, f"not looked at: you may not do {action}", remedy))
        else:
            found.append(Check(name, False, explained(error), "see what the error says, and look again"))
    return found
