"""An app's settings, which are its JSON parameter `/twinslot/apps/<app>`.

DEFINITIONS is the one table of what may be set; docs/settings.md is made from it:

    PYTHONPATH=layers/twinslot python -m twinslot.intake.settings > docs/settings.md
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from twinslot.domain.model import Settings
from twinslot.errors import BadSettings
from twinslot.intake.sanitize import quoted
from twinslot.shared.constants import PORTS

HEALTH_PATH = re.compile(r"/[A-Za-z0-9/_.?=&-]{0,199}")
HOST_NAME_PART = "[A-Za-z0-9][A-Za-z0-9-]{0,62}"
SERVER_NAME = re.compile(rf"_|(?!.{{254}})(\*\.)?{HOST_NAME_PART}(\.{HOST_NAME_PART})*")
JAVA_OPTION = re.compile(r"-[!-~][ -~]{0,198}")
MAX_JAVA_OPTIONS = 20
JAVA_VERSIONS = (17, 21, 25)
PATH = re.compile(r"(?!.{256})(/(?!\.{1,2}(/|$))[A-Za-z0-9._-]+)+")
LOWEST_PORT, HIGHEST_PORT = 1024, 65000
TAKEN_PORTS = frozenset(port - above for port in PORTS.values() for above in range(len(PORTS)))
"""A management port serves one slot and the port above it the other: neither may be a slot's own."""


@dataclass(frozen=True)
class Definition:
    """One setting. `allowed` says in words what `accepts` checks; values come as JSON gives them."""

    name: str
    meaning: str
    allowed: str
    accepts: Callable[[object], bool]


def _text(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _whole(lowest: int, highest: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and lowest <= value <= highest


def _java_options(value: object) -> bool:
    is_option = _text(JAVA_OPTION)
    return isinstance(value, list) and len(value) <= MAX_JAVA_OPTIONS and all(map(is_option, value))


def _management_port(value: object) -> bool:
    return value is None or (_whole(LOWEST_PORT, HIGHEST_PORT)(value) and value not in TAKEN_PORTS)


def _java(value: object) -> bool:
    return value is None or (type(value) is int and value in JAVA_VERSIONS)


def _path(value: object) -> bool:
    return value is None or _text(PATH)(value)


PATH_IN_WORDS = (
    "null or an absolute path of at most 255 characters: letters, digits and `/ . _ -`, without `.` and `..`"
)
DEFINITIONS = (
    Definition(
        "health_path",
        "The path that answers 2xx when the application is healthy, and `UP` where it answers Spring's JSON.",
        "a path of at most 200 characters: a slash, then letters, digits and `/ _ . ? = & -`",
        _text(HEALTH_PATH),
    ),
    Definition(
        "start_seconds",
        "How long a release may take from its start until it is verified.",
        "a whole number from 5 to 1800",
        _whole(5, 1800),
    ),
    Definition(
        "bake_seconds",
        "How long the new live release is watched before the deployment counts as LIVE.",
        "a whole number from 1 to 1800",
        _whole(1, 1800),
    ),
    Definition(
        "bake_error_percent",
        "A larger share of 5xx answers while it is watched sends the traffic back.",
        "a whole number from 0 to 100",
        _whole(0, 100),
    ),
    Definition(
        "keep_warm_seconds",
        "How long the release before stays running after a deployment, so that going back is only a flip.",
        "a whole number from 0 to 86400",
        _whole(0, 86400),
    ),
    Definition(
        "java_options",
        "Options for the JVM, one an item.",
        f"a list of at most {MAX_JAVA_OPTIONS} texts, each `-` and then 1 to 199 printable ASCII characters",
        _java_options,
    ),
    Definition(
        "server_name",
        "The name that nginx answers to; `_` is any.",
        "`_` or a host name, which may begin with `*.`",
        _text(SERVER_NAME),
    ),
    Definition(
        "management_port",
        "Spring's management port in the blue slot, the port above it in the green one; null: there is none.",
        f"null or a whole number from {LOWEST_PORT} to {HIGHEST_PORT}, except"
        f" {', '.join(map(str, sorted(TAKEN_PORTS)))}",
        _management_port,
    ),
    Definition(
        "java",
        "The version of Java that runs the application, installed when missing; null: what the jar's manifest"
        " asks for.",
        f"null or one of {', '.join(map(str, JAVA_VERSIONS))}",
        _java,
    ),
    Definition(
        "tls_certificate",
        "A file on each host: the certificate with its chain, in PEM. With `tls_key`, nginx serves HTTPS; see"
        " [https.md](https.md).",
        PATH_IN_WORDS,
        _path,
    ),
    Definition(
        "tls_key",
        "A file on each host: the certificate's private key, in PEM. Set both or neither.",
        PATH_IN_WORDS,
        _path,
    ),
)
BY_NAME = {definition.name: definition for definition in DEFINITIONS}


def parse(text: str | None) -> Settings:
    """The settings that a parameter's value spells; None (no parameter) means the defaults.

    Raises BadSettings, which names the key, its value and what is allowed.
    """
    if text is None:
        return Settings()
    try:
        given = json.loads(text, object_pairs_hook=_no_key_twice, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadSettings(f"the settings are not JSON: {quoted(text)}") from error
    if not isinstance(given, dict):
        raise BadSettings(f"the settings are {quoted(text)}, not a JSON object")
    for name, value in given.items():
        definition = BY_NAME.get(name)
        if definition is None:
            raise BadSettings(f"there is no setting {quoted(name)}; there are {', '.join(BY_NAME)}")
        if not definition.accepts(value):
            raise BadSettings(f"{name} is {_shown(value)}; it must be {definition.allowed}")
    if "java_options" in given:
        given["java_options"] = tuple(given["java_options"])
    settings = Settings(**given)
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        there, absent = ("tls_key", "tls_certificate") if settings.tls_key else ("tls_certificate", "tls_key")
        raise BadSettings(f"{there} is set and {absent} is not; set both or neither")
    return settings


def page() -> str:
    """docs/settings.md."""
    defaults = Settings()
    rows = [
        f"| `{definition.name}` | `{json.dumps(getattr(defaults, definition.name))}` | {definition.meaning}"
        f" | {definition.allowed} |"
        for definition in DEFINITIONS
    ]
    return PAGE.format(rows="\n".join(rows))


PAGE = """# Settings

An app's settings are a JSON object in the Systems Manager parameter `/twinslot/apps/<app>`. Every key is
optional, and so is the parameter. They are read when a deployment begins; a change counts from the next one.

```sh
aws ssm put-parameter --type String --overwrite --name /twinslot/apps/shop \\
    --value '{{"health_path": "/actuator/health/readiness", "bake_seconds": 60}}'
```

An unknown key, or a value that is not allowed, refuses the deployment with an announcement that names it.

| key | default | meaning | allowed |
| --- | --- | --- | --- |
{rows}

## Environment and secrets

What the service finds in its environment are the parameters right below `/twinslot/apps/<app>/env/`, each
named as its variable:

```sh
aws ssm put-parameter --type SecureString --overwrite \\
    --name /twinslot/apps/shop/env/SPRING_DATASOURCE_PASSWORD --value 'battery staple'
aws ssm get-parameters-by-path --path /twinslot/apps/shop/env --query 'Parameters[].Name'
aws ssm delete-parameter --name /twinslot/apps/shop/env/SPRING_DATASOURCE_PASSWORD
```

A change counts from the next deployment: the same jar uploaded once more is started anew with it, and a
rollback to a release that is still warm takes that as it runs. `--value file://FILE` keeps a secret out of
your shell's history.

The hosts read them with their own role, each those of its own application; twinslot's functions cannot, and
no log, table, message or command line of twinslot shows them. SecureStrings under the account's default key
need nothing more. For those under a key of your own, let the hosts' role `kms:Decrypt` with that key.

A name is a letter or `_`, then up to 63 letters, digits or `_`: `spring.datasource.password` is written
`SPRING_DATASOURCE_PASSWORD`. `SERVER_PORT` and `MANAGEMENT_SERVER_PORT` belong to the slot, options of the
JVM into `java_options`. A deployment that cannot read its environment, or finds a variable that it may not
give, fails before any slot is touched, and names it; [host.md](host.md#the-environment) lists them.

This page is made from `DEFINITIONS` in `layers/twinslot/twinslot/intake/settings.py`:

```sh
PYTHONPATH=layers/twinslot python -m twinslot.intake.settings > docs/settings.md
```
"""


def _no_key_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    given = dict(pairs)
    if len(given) != len(pairs):
        names = [name for name, _ in pairs]
        raise BadSettings(f"the settings hold {quoted(max(names, key=names.count))} twice")
    return given


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _shown(value: object) -> str:
    return quoted(value) if isinstance(value, str) else quoted(json.dumps(value))[1:-1]


if __name__ == "__main__":
    print(page(), end="")
