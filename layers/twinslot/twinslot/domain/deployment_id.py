"""The id of a deployment: a ULID derived from the request, so that a repeated event has the same id."""

import json
from hashlib import sha256

from ulid import ULID

from twinslot.errors import BadEvent

MAX_MILLISECONDS = 2**48 - 1
TIME_CHARACTERS = 10
"""The characters of a ULID that encode its time; the others encode the identity of the request."""


def deployment_id(at: float, *identity: str) -> str:
    """Return the ULID of the deployment requested by `identity` at the time `at` (seconds since the epoch).

    It is a function of its arguments, so that a repeated event leads to the same deployment: the first 48
    bits are the time in milliseconds, the other 80 the beginning of the identity's SHA-256. Raises BadEvent
    for a time that 48 bits cannot hold.
    """
    milliseconds = round(at * 1000)
    if not 0 <= milliseconds <= MAX_MILLISECONDS:
        raise BadEvent(f"{at} s is not a time that a deployment can have")
    digest = sha256(json.dumps(identity).encode()).digest()
    return str(ULID.from_bytes(milliseconds.to_bytes(6, "big") + digest[:10]))


def is_same_request(id: str, other: str) -> bool:
    """Whether two deployment ids were made from the same identity, at any times."""
    return id[TIME_CHARACTERS:] == other[TIME_CHARACTERS:]
