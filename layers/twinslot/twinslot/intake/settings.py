"""Reads an app's settings, which are its JSON parameter `/twinslot/apps/<app>`.

The settings themselves are in shared/settings_schema.py. docs/settings.md is generated from it:

    PYTHONPATH=layers/twinslot python -m twinslot.intake.settings > docs/settings.md
"""

import json
from typing import NoReturn

from twinslot.errors import BadSettings
from twinslot.shared.quoting import quoted
from twinslot.shared.settings_schema import SETTINGS, SettingNotAllowed, Settings, validate


def parse(text: str | None, ignore_unknown: bool = False) -> Settings:
    """Return the settings in a parameter's value; None (no parameter) means the defaults.

    An unknown key is an error, since it can be a typo, unless it is to be ignored. Raises BadSettings, which
    names the key, its value and what is allowed.
    """
    if text is None:
        return Settings()
    try:
        given = json.loads(text, object_pairs_hook=_no_key_twice, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadSettings(f"the settings are not JSON: {quoted(text)}") from error
    if not isinstance(given, dict):
        raise BadSettings(f"the settings are {quoted(text)}, not a JSON object")
    if ignore_unknown:
        given = {name: value for name, value in given.items() if name in SETTINGS}
    try:
        return validate(given)
    except SettingNotAllowed as error:
        raise BadSettings(str(error)) from error


def page() -> str:
    """Return the text of docs/settings.md."""
    rows = [
        f"| `{name}` | `{json.dumps(setting.default)}` | {setting.meaning} | {setting.rule.allowed} |"
        for name, setting in SETTINGS.items()
    ]
    return PAGE.format(rows="\n".join(rows))


PAGE = """# Settings

An app's settings are a JSON object in the Systems Manager parameter `/twinslot/apps/<app>`. Every
key is optional, and so is the parameter. The settings are read when a deployment begins; a change
takes effect with the next deployment.

```sh
aws ssm put-parameter --type String --overwrite --name /twinslot/apps/shop \\
    --value '{{"health_path": "/actuator/health/readiness", "bake_seconds": 60}}'
```

An upload with an unknown key, or with a value that is not allowed, is REFUSED; the announcement
names the key and the value. A rollback and a join ignore unknown keys, which a later version of
twinslot may have needed.

| key | default | meaning | allowed |
| --- | --- | --- | --- |
{rows}

## Environment and secrets

The service's environment variables are the parameters directly below `/twinslot/apps/<app>/env/`,
one per variable:

```sh
aws ssm put-parameter --type SecureString --overwrite \\
    --name /twinslot/apps/shop/env/SPRING_DATASOURCE_PASSWORD --value 'battery staple'
aws ssm get-parameters-by-path --path /twinslot/apps/shop/env --query 'Parameters[].Name'
aws ssm delete-parameter --name /twinslot/apps/shop/env/SPRING_DATASOURCE_PASSWORD
```

A change takes effect with the next deployment: uploading the same jar again restarts the service
with the new values. A rollback to a release that is still warm keeps the values that it was started
with. `--value file://FILE` keeps a secret out of your shell's history.

Each host reads its own application's parameters with its own role. twinslot's functions cannot read
them, and no log, table, message or command line of twinslot contains them. SecureStrings under the
account's default key need no further permission. For SecureStrings under a key of your own, allow
the hosts' role `kms:Decrypt` with that key.

A name is a letter or `_`, then up to 63 letters, digits or `_`: `spring.datasource.password` is
written `SPRING_DATASOURCE_PASSWORD`. `SERVER_PORT` and `MANAGEMENT_SERVER_PORT` belong to the slot;
options of the JVM belong into `java_options`. A deployment that cannot read its environment, or
finds a variable that is not allowed, fails before it changes a slot, and names the variable;
[host.md](host.md#the-environment) lists them.

This page is generated from `Settings` in `layers/twinslot/twinslot/shared/settings_schema.py`:

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


if __name__ == "__main__":
    print(page(), end="")
