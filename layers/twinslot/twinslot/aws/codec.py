"""Dataclasses to DynamoDB's attribute values and back. Pure.

Whatever the model is made of goes: dataclasses, enums, tuples, dictionaries, optional values, floats. A
member of the union `Act` bears its class's name in the attribute `act`. An attribute that is missing takes
its field's default, and one that is unknown is passed over: so items of another version can be read.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from twinslot.domain.model import Act, AnnounceFreeze, Application

ACTS = {act.__name__: act for act in get_args(Act)}
OLD_ACTS = {"AnnounceHold": "AnnounceFreeze"}
OLD_FIELDS = {(Application, "freeze"): "hold", (AnnounceFreeze, "frozen"): "held"}
"""Names that an earlier version wrote: they are still read."""

TAG = "act"

Attribute = dict[str, Any]
"""An attribute value as the DynamoDB API spells it, such as {"S": "shop"}."""

Value = TypeVar("Value")


def encode(value: object) -> Attribute:
    """The attribute value of anything that the model is made of. Raises TypeError for other things."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case Enum():
            return {"S": value.value}
        case str():
            return {"S": value}
        case int() | float():
            return {"N": repr(value)}
        case tuple():
            return {"L": [encode(item) for item in value]}
        case dict():
            return {"M": {name: encode(item) for name, item in value.items()}}
    return {"M": encode_fields(value)}


def encode_fields(value: object) -> dict[str, Attribute]:
    """A dataclass's fields, each with its attribute value."""
    if not is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"{type(value).__name__} has no place in an item")
    attributes = {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    if type(value).__name__ in ACTS:
        attributes[TAG] = {"S": type(value).__name__}
    return attributes


def decode_fields(kind: type[Value], attributes: dict[str, Attribute]) -> Value:
    """The dataclass `kind` with the fields that these attributes spell."""
    hints = _hints(cast("Hashable", kind))
    found = {name: attributes.get(name, attributes.get(OLD_FIELDS.get((kind, name), name))) for name in hints}
    return kind(**{name: _decode(hints[name], value) for name, value in found.items() if value is not None})


def _decode(hint: Any, attribute: Attribute) -> Any:
    ((kind, value),) = attribute.items()
    if kind == "NULL":
        return None
    if kind == "N":
        return float(value) if _plain(hint) is float else int(value)
    if kind in ("S", "BOOL"):
        plain = _plain(hint)
        return plain(value) if issubclass(plain, Enum) else value
    if kind == "L":
        item, _ = get_args(hint)
        return tuple(_decode(item, entry) for entry in value)
    if get_origin(hint) is dict:
        _, item = get_args(hint)
        return {name: _decode(item, entry) for name, entry in value.items()}
    return decode_fields(_act(value[TAG]["S"]) if TAG in value else _plain(hint), value)


def _act(name: str) -> Any:
    return ACTS[OLD_ACTS.get(name, name)]


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    return get_type_hints(kind)


@cache
def _plain(hint: Any) -> Any:
    """`X` of `X | None`."""
    if get_origin(hint) is UnionType:
        (hint,) = (arm for arm in get_args(hint) if arm is not NoneType)
    return hint
