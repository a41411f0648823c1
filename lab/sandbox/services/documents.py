"""Reads an SSM document: the parameters that a command may have, and the script that an agent runs.

Supports what `aws:runShellScript` of schema 2.2 needs, with parameters that reach the script as environment
variables. Anything else in a document is an error.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.sandbox.api.requests import ApiError

DEFAULT_STEP_SECONDS = 3600
PARAMETER_KEYS = frozenset(
    {
        "type",
        "description",
        "default",
        "allowedPattern",
        "allowedValues",
        "interpolationType",
        "minChars",
        "maxChars",
    }
)


@dataclass(frozen=True)
class Script:
    """What an agent runs: the step's name, the text, the parameters as SSM_<name>, and the timeout in
    seconds."""

    step: str
    text: str
    variables: dict[str, str]
    seconds: int


def values(content: Mapping[str, Any], given: Mapping[str, list[str]]) -> dict[str, str]:
    """Return the value of every parameter. Raises ApiError (InvalidParameters)."""
    declared: Mapping[str, Any] = content.get("parameters", {})
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise ApiError("InvalidParameters", f"the document has no parameter {', '.join(unknown)}")
    return {name: _value(name, declaration, given.get(name)) for name, declaration in declared.items()}


def _value(name: str, declaration: Mapping[str, Any], given: list[str] | None) -> str:
    unknown = set(declaration) - PARAMETER_KEYS
    if unknown or declaration["type"] != "String" or declaration.get("interpolationType") != "ENV_VAR":
        raise ApiError(
            "InvalidDocumentContent",
            f"the sandbox supports parameters of type String and interpolationType ENV_VAR, not {name}",
        )
    if given is None:
        if "default" not in declaration:
            raise ApiError("InvalidParameters", f"the parameter {name} is required")
        return str(declaration["default"])
    if not isinstance(given, list) or len(given) != 1 or not isinstance(given[0], str):
        raise ApiError("InvalidParameters", f"the parameter {name} takes one string")
    value = given[0]
    pattern = declaration.get("allowedPattern")
    if pattern and not re.fullmatch(pattern, value):
        raise ApiError("InvalidParameters", f"the parameter {name} does not match {pattern}: {value[:80]!r}")
    if "allowedValues" in declaration and value not in declaration["allowedValues"]:
        raise ApiError("InvalidParameters", f"the parameter {name} is not an allowed value: {value[:80]!r}")
    if not declaration.get("minChars", 0) <= len(value) <= declaration.get("maxChars", len(value)):
        raise ApiError(
            "InvalidParameters", f"the parameter {name} is too short or too long: {len(value)} characters"
        )
    return value


def script(content: Mapping[str, Any], parameters: Mapping[str, str]) -> Script:
    """Return the script of the document's only step. Raises ApiError (InvalidDocumentContent)."""
    steps = content.get("mainSteps", [])
    if content.get("schemaVersion") != "2.2" or len(steps) != 1 or steps[0]["action"] != "aws:runShellScript":
        raise ApiError(
            "InvalidDocumentContent", "the sandbox runs documents of schema 2.2 with one aws:runShellScript"
        )
    step = steps[0]
    inputs = step["inputs"]
    unknown = (set(step) - {"action", "name", "inputs", "precondition"}) | (
        set(inputs) - {"runCommand", "timeoutSeconds"}
    )
    if unknown:
        raise ApiError(
            "InvalidDocumentContent", f"the sandbox does not support a step's {', '.join(sorted(unknown))}"
        )
    text = "\n".join(inputs["runCommand"])
    if re.search(r"\{\{\s*\w", text):
        raise ApiError("InvalidDocumentContent", "the sandbox does not support {{ }} in a script")
    variables = {f"SSM_{name}": value for name, value in parameters.items()}
    return Script(step["name"], text, variables, int(inputs.get("timeoutSeconds", DEFAULT_STEP_SECONDS)))
