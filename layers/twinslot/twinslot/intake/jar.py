"""Which jars can be deployed. shared/manifest.py reads them; hostile bytes stop there."""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import NoReturn

from twinslot.errors import NotAJar
from twinslot.intake.sanitize import sanitize
from twinslot.shared.manifest import RUNNABLE, NoManifest, Source, Window, main_attributes
from twinslot.shared.quoting import quoted

MAX_LABEL_CHARACTERS = 64


@dataclass(frozen=True)
class Jar:
    """A jar that Java can run. `sha256` (hex) is None unless reading the tail has read all of it."""

    size: int
    label: str
    main_class: str
    sha256: str | None


def inspect(source: Source, key: str) -> Jar:
    """Return the jar in `source`. Its label is its Implementation-Version, else the stem of `key`.

    Raises NotAJar, in a sentence that names the fault and what to do.
    """
    window = Window(source)
    try:
        attributes = main_attributes(window)
    except NoManifest as error:
        raise NotAJar(str(error)) from error
    main_class = attributes.get("main-class", "").strip()
    if not main_class or key.endswith("-plain.jar"):
        _refuse_library(key, attributes)
    return Jar(
        size=window.size,
        label=label(attributes.get("implementation-version", ""), key),
        main_class=sanitize(main_class, 200),
        sha256=sha256(window.tail).hexdigest() if len(window.tail) == window.size else None,
    )


def label(version: str, key: str) -> str:
    """Return the release's label, in `[A-Za-z0-9._+-]{1,64}`: the version, else the stem of the key."""
    for text in (version, key.rpartition("/")[2].removesuffix(".jar")):
        safe = re.sub(r"[^A-Za-z0-9._+-]+", "-", text.strip())[:MAX_LABEL_CHARACTERS]
        if safe.strip("-"):
            return safe
    return "unlabelled"


def _refuse_library(key: str, attributes: dict[str, str]) -> NoReturn:
    if key.endswith("-plain.jar"):
        raise NotAJar(
            "this is Spring Boot's plain jar, which contains the classes without their libraries and cannot"
            " run; upload the other one, whose name does not end in -plain.jar"
        )
    title = attributes.get("implementation-title")
    what = f" of {quoted(title)}" if title else ""
    raise NotAJar(
        f"the manifest{what} has no Main-Class: this is a library, which Java cannot run; {RUNNABLE}"
    )
