"""Generate docs/cli.md from the program's help: `python -m twinslot_cli.docs > docs/cli.md`."""

import typer
from typer.cli import get_docs_for_click
from typer.core import TyperGroup

from twinslot_cli.main import app

JSON_AND_EXIT_CODES = """
## JSON output

`--json` prints one JSON document on standard output, in ASCII, with the field `"twinslot": 1`. Fields are added, never
changed or removed. Times are seconds since the epoch. A command that fails prints `{"twinslot": 1, "error": "…"}`. A
command that follows a deployment prints nothing until it has ended; after Ctrl-C its `outcome` is null.

| command | document |
| --- | --- |
| `status` | `{"apps": [{"app", "live", "previous", "current", "waiting", "frozen": {"by", "why", "since"} or null, "drift": [{"host", "what"}], "hosts": [{"host", "heard", "live", "standby", "slots": {"blue": {"label", "sha256", "state", "verified"}, …}}], "unreadable": []}], "unreadable": []}` |
| `deploy`, `rollback` | `{"deployment", "live"}` |
| `history` | `{"app", "deployments": [], "unreadable": []}` |
| `logs` | `{"app", "slot", "hosts": [{"host", "lines": [], "problem": string or null}]}` |
| `doctor` | `{"app", "checks": [{"name", "ok": true, false or null, "what", "remedy", "host": id or null}]}` |
| `freeze`, `unfreeze` | `{"app", "frozen", "was_frozen", "since", "why", "waiting"}` |

- `live` and `previous` are releases: `{"label", "deployment", "since", "key", "version", "sha256"}`, or null.
- `current`, `waiting`, `deployment` and the items of `deployments` are deployments: `{"deployment", "app", "kind", "by",
  "label", "key", "version", "phase", "outcome", "began", "ended", "seconds": {"staging": 4.2, …}, "failure": {"phase",
  "host", "reason", "log": []} or null, "hosts", "unconfirmed"}`.
- `heard` is the time of the host's last report; `drift` lists hosts that differ from the expected state.
- `unreadable` are strings that name what another version of twinslot wrote and only that version can read or continue.
- `ok` is null for a check that could not be made, for example without the permission for it.
- `waiting` of `freeze` and `unfreeze` is the label of the upload that waits, or waited until now.

## Exit codes

| code | meaning |
| --- | --- |
| 0 | done; after `deploy` and `rollback`: the release is live; after `doctor`: no check failed |
| 1 | the deployment started and is not live; a check failed; a host's log could not be read |
| 2 | nothing was started: usage, credentials, permission, region, an invalid jar |
| 130 | Ctrl-C. A deployment that was followed continues |
"""  # noqa: E501 (rows of tables)


def page() -> str:
    """Return the text of docs/cli.md."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    # Typer's generator also prints hidden commands.
    group.commands = {name: each for name, each in group.commands.items() if not each.hidden}
    help_text = get_docs_for_click(
        obj=group, ctx=typer.Context(group), name="twinslot", title="The command line"
    )
    return help_text.rstrip() + "\n" + JSON_AND_EXIT_CODES


if __name__ == "__main__":
    print(page(), end="")
