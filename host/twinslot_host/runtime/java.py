"""The Java that runs a release: which one, where it lies on this host, and how it comes there."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
from typing import NamedTuple

from twinslot_host.command.context import Command
from twinslot_host.command.request import JAVA_VERSIONS, Settings
from twinslot_host.runtime.manifest import built_for
from twinslot_host.runtime.packages import Need, ensure
from twinslot_host.system.errors import StepFailed

# Where packages and people put them: Debian, Corretto and Temurin; Oracle; archives that were unpacked.
PLACES = ("/usr/lib/jvm/*", "/usr/java/*", "/opt/*", "/opt/java/*")
PACKAGES = {"apt-get": "openjdk-{}-jre-headless", "dnf": "java-{}-amazon-corretto-headless"}
ANY = {"apt-get": "default-jre-headless", "dnf": "java-21-amazon-corretto-headless"}


class Java(NamedTuple):
    """An installed one. `version` is None where it does not say."""

    version: int | None
    home: str


def version_of(home: str) -> int | None:
    """What the file `release` of an installation says; nothing of it is run as root."""
    with contextlib.suppress(OSError), open(f"{home}/release", encoding="utf-8", errors="replace") as file:
        found = re.search(r'^JAVA_VERSION="(?:1\.)?([0-9]{1,3})\b', file.read(65536), re.M)
        return int(found[1]) if found else None
    return None


def installed() -> list[Java]:
    """Every Java of this host by the place of its own, which `alternatives` does not move: the one on the
    path comes first, then the newest."""
    own = shutil.which("java")
    preferred = os.path.dirname(os.path.dirname(os.path.realpath(own))) if own else None
    homes = {os.path.realpath(path) for place in PLACES for path in glob.glob(place)} | {preferred}
    javas = [
        Java(version_of(home), home) for home in homes if home and os.access(f"{home}/bin/java", os.X_OK)
    ]
    known = [java for java in javas if java.version or java.home == preferred]
    return sorted(known, key=lambda java: (java.home != preferred, -(java.version or 0), java.home))


def find(version: int | None) -> Java | None:
    """The Java of exactly this version, or, for None, the one that this host prefers. None: there is none."""
    return next((java for java in installed() if version in (None, java.version)), None)


def wanted(settings: Settings, jar: str) -> int | None:
    """The version that the setting or else the jar's manifest asks for; None: neither does. Of a manifest,
    the next version counts that is among JAVA_VERSIONS. Trouble: it is newer than all of these."""
    if settings.java:
        return settings.java
    built = built_for(jar)
    fit = [version for version in JAVA_VERSIONS if built and version >= built]
    if built and not fit:
        raise StepFailed(
            f"the jar's manifest asks for Java {built}, and the newest that is installed here is"
            f" {JAVA_VERSIONS[-1]}: build it for that, or set `java` in the app's settings"
        )
    return fit[0] if fit else None


def need(version: int | None) -> Need:
    """What has to be installed for this version, or for any, where it is missing."""
    packages = {name: package.format(version) for name, package in PACKAGES.items()} if version else ANY
    here = " or ".join(str(java.version) for java in installed() if java.version in JAVA_VERSIONS)
    advice = f"put a JDK{f' {version}' if version else ''} into /usr/lib/jvm"
    advice += f", or set `java` to {here}, which is here" if here else ""
    return Need(f"Java {version}" if version else "Java", packages, lambda: bool(find(version)), advice)


def ensure_java(command: Command, version: int | None) -> Java:
    """The Java of this version, or any, installed where it is missing. Trouble: it cannot be."""
    ensure(command, need(version))
    java = find(version)
    assert java
    return java
