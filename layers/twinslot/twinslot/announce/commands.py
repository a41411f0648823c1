"""The commands that announcements show, to be copied into a shell."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Commands:
    """By the names of the functions that they invoke."""

    rollback_function: str
    freeze_function: str

    def rollback(self, app: str, deployment: str) -> str:
        """Return the command that goes back to a deployment. It names it: "the previous one" is another one
        a day later."""
        return _invoke(self.rollback_function, {"app": app, "to": deployment})

    def unfreeze(self, app: str) -> str:
        """Return the command that unfreezes an app."""
        return _invoke(self.freeze_function, {"app": app, "freeze": False})


def _invoke(function: str, payload: Mapping[str, object]) -> str:
    packed = json.dumps(payload, separators=(",", ":"))
    words = ["--function-name", function, "--cli-binary-format", "raw-in-base64-out", "--payload", packed]
    return f"aws lambda invoke {shlex.join(words)} /dev/stdout"
