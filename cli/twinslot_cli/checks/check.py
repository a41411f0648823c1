"""One check of `twinslot doctor`, and how an error that interrupts checks becomes one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError
from twinslot.errors import OtherVersion, TwinslotError

from twinslot_cli.aws.errors import OTHER_VERSION, CannotWork, denied_action, explain, is_denied


@dataclass(frozen=True)
class Check:
    """`ok` is None when it could not be checked. `remedy` is what to do, "" when nothing has to be done."""

    name: str
    ok: bool | None
    what: str
    remedy: str = ""
    host: str | None = None


def collect(name: str, checks: Callable[[], Iterator[Check]]) -> list[Check]:
    """Return the checks up to the first error, and that error as a check called `name`.

    A lack of permission, or state of another version, leaves `ok` unknown.
    """
    found: list[Check] = []
    try:
        found.extend(checks())
    except OtherVersion as error:
        found.append(Check(name, None, str(error), OTHER_VERSION))
    except (CannotWork, TwinslotError, BotoCoreError, ClientError) as error:
        if is_denied(error):
            action = denied_action(error)
            remedy = f"attach the managed policy in the stack's output OperatorPolicyArn, or ask for {action}"
            found.append(Check(name, None, f"not checked: no permission for {action}", remedy))
        else:
            found.append(Check(name, False, explain(error), "follow the error's advice, then check again"))
    return found
