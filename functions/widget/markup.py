"""Makes HTML of elements and never of pasted text: what is not Markup already is escaped."""

from html import escape

from twinslot.intake.sanitize import sanitize

MAX_TEXT_CHARACTERS = 300
"""Characters of a text from outside; more are cut off."""


class Markup(str):
    """HTML, whole elements or escaped text."""

    __slots__ = ()


def text(plain: str) -> Markup:
    """Return a text made printable, cut, and escaped for a place between tags or between double quotes."""
    return Markup(escape(sanitize(plain, MAX_TEXT_CHARACTERS)))


def join(*children: "Markup | str | None") -> Markup:
    """Join children one after the other; None is nothing."""
    return Markup(
        "".join(
            child if isinstance(child, Markup) else text(child) for child in children if child is not None
        )
    )


def element(name: str, *children: "Markup | str | None", **attributes: str | None) -> Markup:
    """Make `<name class="…">children</name>`. Attributes are written `class_` for class and `stroke_width`
    for stroke-width; None leaves one out. `name` and the attributes' names come from the code alone."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")
