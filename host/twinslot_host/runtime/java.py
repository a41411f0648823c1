"""The Java that runs a release: which version, where it is on this host, and how it is installed."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
from typing import NamedTuple

from twinslot.shared.settings_schema import JAVA_VERSIONS, Settings

from twinslot_host.command.context import Command
from twinslot_host.runtime.manifest import attributes_of
from twinslot_host.runtime.packages import Need, ensure
from twinslot_host.system.errors import StepFailed

# Where packages and people install it: Debian, Corretto and Temurin; Oracle; unpacked archives.
PLACES = ("/usr/lib/jvm/*", "/usr/java/*", "/opt/*", "/opt/java/*")
PACKAGES = {"apt-get": "openjdk-{}-jre-headless", "dnf": "java-{}-amazon-corretto-headless"}
# The attributes in which build tools record the version, by priority. Maven and Spring Boot's plugin for
# Gradle write the first.
BUILD_ATTRIBUTES = ("build-jdk-spec", "java-version", "build-jdk")
BUILD_VERSION = re.compile(r"(?:1\.)?([0-9]{1,3})(?![0-9])")
ANY = {"apt-get": "default-jre-headless", "dnf": "java-21-amazon-corretto-headless"}


class Java(NamedTuple):
    """An installed Java. `version` is None when it is unknown."""

    version: int | None
    home: str


def version_of(home: str) -> int | None:
    """Return the version in the file `release` of an installation; nothing of it is run as root."""
    with contextlib.suppress(OSError), open(f"{home}/release", encoding="utf-8", errors="replace") as file:
        found = re.search(r'^JAVA_VERSION="(?:1\.)?([0-9]{1,3})\b', file.read(65536), re.M)
        return int(found[1]) if found else None
    return None


def installed() -> list[Java]:
    """Return every Java of this host by its real path: the one on PATH first, then the newest."""
    own = shutil.which("java")
    preferred = os.path.dirname(os.path.dirname(os.path.realpath(own))) if own else None
    homes = {os.path.realpath(path) for place in PLACES for path in glob.glob(place)} | {preferred}
    javas = [
        Java(version_of(home), home) for home in homes if home and os.access(f"{home}/bin/java", os.X_OK)
    ]
    known = [java for java in javas if java.version or java.home == preferred]
    return sorted(known, key=lambda java: (java.home != preferred, -(java.version or 0), java.home))


def find(version: int | None) -> Java | None:
    """Return the Java of exactly this version, for None the host's preferred one. None: not installed."""
    return next((java for java in installed() if version in (None, java.version)), None)


def wanted(settings: Settings, jar: str) -> int | None:
    """Return the version in the settings, else the one of JAVA_VERSIONS that runs the jar; None: unknown.

    Raises StepFailed when the jar was built for a newer version than all of these.
    """
    if settings.java:
        return settings.java
    built = built_for(attributes_of(jar))
    fit = [version for version in JAVA_VERSIONS if built and version >= built]
    if built and not fit:
        raise StepFailed(
            f"the jar's manifest asks for Java {built}, and the newest that twinslot installs is"
            f" {JAVA_VERSIONS[-1]}: build it for that, or set `java` in the app's settings"
        )
    return fit[0] if fit else None


def built_for(attributes: dict[str, str]) -> int | None:
    """Return the version of Java that a jar was built for, such as 8 or 21; None: its manifest has none."""
    versions = (BUILD_VERSION.match(attributes.get(name, "").strip()) for name in BUILD_ATTRIBUTES)
    found = next(filter(None, versions), None)
    return int(found[1]) if found else None


def need(version: int | None) -> Need:
    """Return what has to be installed for this version, or for any, when it is missing."""
    packages = {name: package.format(version) for name, package in PACKAGES.items()} if version else ANY
    here = " or ".join(str(java.version) for java in installed() if java.version in JAVA_VERSIONS)
    advice = f"put a JDK{f' {version}' if version else ''} into /usr/lib/jvm"
    advice += f", or set `java` to {here}, which is here" if here else ""
    return Need(f"Java {version}" if version else "Java", packages, lambda: bool(find(version)), advice)


def ensure_java(command: Command, version: int | None) -> Java:
    """Return the Java of this version, or any, installed when missing. Raises StepFailed: it cannot be."""
    ensure(command, need(version))
    java = find(version)
    assert java
    return java
