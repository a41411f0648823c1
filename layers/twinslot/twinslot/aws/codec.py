"""Dataclasses to DynamoDB's attribute values and back. Pure.

Covers what the model is made of: dataclasses, enums, tuples, dictionaries, optional values, floats. A member
of the union `Act` has its class's name in the attribute `act`.

Items of other versions are read as far as possible. A missing attribute takes its field's default; an
unknown one is kept in `Stored.unknown` and encoded again; an unknown word is kept as a `Word` that is not
`known`; an act that this version cannot perform becomes an `UnknownAct`. Names that older versions wrote
are in OLD_ACTS and OLD_FIELDS.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from twinslot.domain.model import (
    Act,
    AnnounceFreeze,
    Application,
    Deployment,
    Settings,
    Stored,
    UnknownAct,
    Word,
)
from twinslot.shared.constants import VERSION

ACTS = {act.__name__: act for act in get_args(Act)}
OLD_ACTS = {"AnnounceHold": "AnnounceFreeze"}
OLD_FIELDS = {(Application, "freeze"): "hold", (AnnounceFreeze, "frozen"): "held"}

TAG = "act"
WRITTEN_BY = "written_by"
STORE_NAMES = frozenset({"pk", "sk", "busy", "expires", WRITTEN_BY})
"""Attributes that the store adds to an item; they are not part of the value."""

UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What decoding raises for an item that is not of the expected shape."""

Attribute = dict[str, Any]
"""An attribute value as the DynamoDB API spells it, such as {"S": "shop"}."""

Value = TypeVar("Value")


def encode(value: object) -> Attribute:
    """Return the attribute value of anything that the model is made of. Raises TypeError for other types."""
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
        case _:
            return {"M": encode_fields(value)}


def encode_fields(value: object) -> dict[str, Attribute]:
    """Return the attribute values of a dataclass's fields, by name, and those that it keeps unread."""
    if not is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"{type(value).__name__} cannot be encoded: it is no part of the model")
    attributes = {name: encode(getattr(value, name)) for name in _names(type(value))}
    if type(value).__name__ in ACTS:
        attributes |= {TAG: {"S": type(value).__name__}, WRITTEN_BY: {"S": VERSION}}
    for name, unknown in value.unknown if isinstance(value, Stored) else ():
        # What is unknown in a part that cannot keep it itself is kept beside the part: see `decode_fields`.
        attributes[name] = {"M": {**unknown["M"], **attributes[name]["M"]}} if name in attributes else unknown
    return attributes


def decode_fields(kind: type[Value], attributes: dict[str, Attribute]) -> Value:
    """Return the dataclass `kind` from its attributes. Raises one of UNREADABLE."""
    values: dict[str, Any] = {}
    unknown = {name: each for name, each in attributes.items() if name not in STORE_NAMES}
    if kind in ACTS.values():
        unknown.pop(TAG, None)
    for name, hint in _hints(cast("Hashable", kind)).items():
        stored = name if name in attributes else OLD_FIELDS.get((kind, name), name)
        if stored in attributes:
            values[name] = _decode(hint, attributes[stored])
            unknown.pop(stored, None)
            if hint is Settings and (others := set(attributes[stored]["M"]) - set(_names(Settings))):
                unknown[name] = {"M": {other: attributes[stored]["M"][other] for other in others}}
    if issubclass(kind, Stored):
        values["unknown"] = tuple(unknown.items())
    return kind(**values)


def _decode(hint: Any, attribute: Attribute) -> Any:
    ((kind, value),) = attribute.items()
    wanted, optional = _plain(hint)
    match kind:
        case "NULL" if optional:
            return None
        case "N" if wanted in (int, float):
            return wanted(value)
        case "BOOL" if wanted is bool:
            return value
        case "S" if wanted is str:
            return value
        case "S" if isinstance(wanted, type) and issubclass(wanted, Word):
            return wanted.read(value)
        case "L" if get_origin(wanted) is tuple:
            return tuple(_decode(get_args(wanted)[0], entry) for entry in value)
        case "M" if get_origin(wanted) is dict:
            return {name: _decode(get_args(wanted)[1], entry) for name, entry in value.items()}
        case "M" if is_dataclass(wanted):
            return decode_fields(cast("type", wanted), value)
        case "M" if TAG in value:
            return _decode_act(value)
        case _:
            raise TypeError(f"an attribute of the type {kind} is no {wanted}")


def _decode_act(attributes: dict[str, Attribute]) -> Act | UnknownAct:
    """Return the act, or an UnknownAct when this version cannot perform it."""
    name = attributes[TAG]["S"]
    kind = ACTS.get(OLD_ACTS.get(name, name))
    if kind:
        try:
            act: Any = decode_fields(kind, attributes)
        except UNREADABLE:
            pass
        else:
            deployment = getattr(act, "deployment", None)
            # What this version decided it can perform: it cancels a deployment of an unknown kind, too.
            known = not isinstance(deployment, Deployment) or deployment.known
            if known or attributes.get(WRITTEN_BY) == {"S": VERSION}:
                return cast("Act", act)
    return decode_fields(UnknownAct, attributes)


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if field.name != "unknown")


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {name: hints[name] for name in _names(cast("type", kind))}


@cache
def _plain(hint: Any) -> tuple[Any, bool]:
    """Return `X` and whether None is allowed, for `X` or `X | None`; a union of acts as it is."""
    arms = get_args(hint) if get_origin(hint) is UnionType else (hint,)
    others = tuple(arm for arm in arms if arm is not NoneType)
    return (others[0] if len(others) == 1 else hint), len(others) < len(arms)
