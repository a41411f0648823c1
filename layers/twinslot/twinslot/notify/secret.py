"""A chat's secret in Parameter Store, such as the address of a webhook or a token."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from twinslot.aws.calling import calling
from twinslot.errors import GiveUp

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

FRESH_SECONDS = 50
"""Less than Lambda's pause before a retry, which therefore reads a secret that was corrected meanwhile."""


class Secret:
    """One SecureString, read once in FRESH_SECONDS. `clock` is monotonic, in seconds."""

    def __init__(self, name: str, ssm: SSMClient, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._ssm = ssm
        self._clock = clock
        self._value = ""
        self._read_at: float | None = None

    def value(self) -> str:
        """Return the secret. Raises TryAgain, and GiveUp when the parameter cannot be read."""
        now = self._clock()
        if self._read_at is None or now - self._read_at > FRESH_SECONDS:
            with calling(f"reading the parameter {self.name}", GiveUp):
                answer = self._ssm.get_parameter(Name=self.name, WithDecryption=True)
            self._value, self._read_at = answer["Parameter"]["Value"], now
        return self._value
