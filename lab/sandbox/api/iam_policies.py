"""IAM's decision for given statements. What is not supported is an error, so that nothing is allowed by
mistake.

The rules are those of
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html for one account: a
request is denied unless a statement allows it, and a Deny overrides every Allow.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

FOR_ALL = "ForAllValues:"
"""No request here has more than one value of a key."""

STATEMENT_KEYS = frozenset({"Sid", "Effect", "Principal", "Action", "Resource", "Condition"})


class UnknownPolicy(Exception):
    """A statement uses an unsupported element of IAM's language."""


@dataclass(frozen=True)
class Permission:
    """What a request needs: one action on one resource, and the condition keys' values (keys in lower
    case)."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def may(statements: Iterable[Mapping[str, Any]], permission: Permission) -> bool:
    """Return whether identity policies with these statements allow it. Raises UnknownPolicy."""
    effects = [statement["Effect"] for statement in statements if _applies(statement, permission)]
    return "Deny" not in effects and "Allow" in effects


def forbids(statements: Iterable[Mapping[str, Any]], permission: Permission) -> bool:
    """Return whether a resource policy with these statements denies it to everyone. Raises UnknownPolicy."""
    return any(
        statement["Effect"] == "Deny"
        and statement.get("Principal") == "*"
        and _applies(statement, permission)
        for statement in statements
    )


def _applies(statement: Mapping[str, Any], permission: Permission) -> bool:
    unknown = set(statement) - STATEMENT_KEYS
    if unknown:
        raise UnknownPolicy(f"the sandbox does not support {sorted(unknown)} in a policy's statement")
    actions = [action.lower() for action in _listed(statement["Action"])]
    if not any(_like(action)(permission.action.lower()) for action in actions):
        return False
    filled = [_filled(resource, permission.context) for resource in _listed(statement["Resource"])]
    if not any(resource is not None and _like(resource)(permission.resource) for resource in filled):
        return False
    return all(
        _holds(operator, key.lower(), _listed(wanted), permission.context)
        for operator, block in statement.get("Condition", {}).items()
        for key, wanted in block.items()
    )


def _holds(operator: str, key: str, wanted: list[str], context: Mapping[str, str]) -> bool:
    """Return whether one condition is met. A missing key only meets an operator for all values."""
    name = operator.removeprefix(FOR_ALL)
    test = _OPERATORS.get(name)
    if test is None:
        raise UnknownPolicy(f"the sandbox does not support the condition operator {operator}")
    actual = context.get(key)
    if actual is None:
        return operator != name
    return any(test(str(value), actual) for value in wanted)


def _filled(text: str, context: Mapping[str, str]) -> str | None:
    """Return the resource with its policy variables replaced; None when the request lacks a key."""
    missing = False

    def value(match: re.Match[str]) -> str:
        nonlocal missing
        found = context.get(match[1].lower())
        missing = missing or found is None
        return found or ""

    text = re.sub(r"\$\{([^}]+)\}", value, text)
    return None if missing else text


@lru_cache
def _like(pattern: str) -> Callable[[str], object]:
    """Compile IAM's wildcards: * is any text, with slashes and colons; ? is one character."""
    expression = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.compile(expression, re.DOTALL).fullmatch


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda wanted, actual: wanted == actual,
    "StringLike": lambda wanted, actual: bool(_like(wanted)(actual)),
    "ArnEquals": lambda wanted, actual: bool(_like(wanted)(actual)),
    "ArnLike": lambda wanted, actual: bool(_like(wanted)(actual)),
    "Bool": lambda wanted, actual: wanted.lower() == actual.lower(),
}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
