"""Errors of AWS clients as one of the two roots. Every module that calls AWS wraps its calls in `calling`."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)

from twinslot.errors import GiveUp, TryAgain
from twinslot.intake.sanitize import sanitize

TEMPORARY_CODES = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttled",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "TooManyUpdates",
        "TransactionInProgressException",
    }
)
"""Error codes of requests that may succeed on a retry."""

MAX_MESSAGE_CHARACTERS = 300


def code(error: ClientError) -> str:
    """Return the error's code, such as `ThrottlingException`; "" when the response has none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status(error: ClientError) -> int:
    """Return the HTTP status of the response; 0 when it is not known."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_temporary(error: BotoCoreError | ClientError) -> bool:
    """Whether the same call may succeed later: throttling, a server error, or no response at all."""
    if isinstance(error, ClientError):
        return code(error) in TEMPORARY_CODES or status(error) >= 500
    return isinstance(error, ConnectionError | HTTPClientError | IncompleteReadError | ResponseStreamingError)


@contextmanager
def calling(doing: str, refused: type[GiveUp]) -> Iterator[None]:
    """Raise TryAgain for a temporary client error, and `refused` for a permanent one.

    `doing` begins the message and names the attempt: "sending stage to the hosts of shop".
    """
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        root = TryAgain if is_temporary(error) else refused
        raise root(f"{doing}: {sanitize(str(error), MAX_MESSAGE_CHARACTERS)}") from error
