"""Interns DynamoDB items and messages: states hold numbers, which are small and fast to compare."""

from __future__ import annotations

import json
from typing import Any

Key = tuple[str, str]
Item = dict[str, Any]


_numbers: dict[str, int] = {}
_values: list[Any] = []


def number(value: Any) -> int:
    """Return the number of an item or a message; equal ones have the same."""
    text = json.dumps(value, sort_keys=True)
    found = _numbers.get(text)
    if found is None:
        found = _numbers[text] = len(_values)
        _values.append(value)
    return found


def item(number: int) -> Any:
    """Return the item or message of this number, which is shared: do not change it."""
    return _values[number]


def version(number: int | None) -> int:
    """Return the version of an item; 0 when it has none."""
    return 0 if number is None else int(item(number).get("version", {"N": "0"})["N"])
