"""docs/cli.md, made of the program's own help: `python -m twinslot_cli.docs > docs/cli.md`."""

import typer
from typer.cli import get_docs_for_click

from twinslot_cli.main import app

SHAPES = """
## What `--json` prints

One JSON document on standard output, in ASCII, with `"twinslot": 1`; fields are only ever added. Times are seconds since
the epoch. A command that could not do its work prints `{"twinslot": 1, "error": "…"}`. While a deployment is followed
nothing is printed until it has ended; at Ctrl-C its `outcome` is null.

| command | document |
| --- | --- |
| `status` | `{"apps": [{"app", "live", "previous", "current", "waiting", "frozen": {"by", "why", "since"} or null, "drift": [{"host", "what"}], "hosts": [{"host", "heard", "live", "standby", "slots": {"blue": {"label", "sha256", "state", "verified"}, …}}]}]}` |
| `deploy`, `rollback` | `{"deployment", "live"}` |
| `history` | `{"app", "deployments": []}` |
| `logs` | `{"app", "slot", "hosts": [{"host", "lines": [], "problem": null or a text}]}` |
| `doctor` | `{"app", "checks": [{"name", "ok": true, false or null (not looked at), "what", "remedy", "host": an id or null}]}` |
| `freeze`, `unfreeze` | `{"app", "frozen", "was_frozen", "since", "why", "waiting"}` |

`live` and `previous` are `{"label", "deployment", "since", "key", "version", "sha256"}` or null. A deployment is `{"deployment", "app",
"kind", "by", "label", "key", "version", "phase", "outcome", "began", "ended", "seconds": {"staging": 4.2, …}, "failure": {"phase", "host",
"reason", "log": []} or null, "hosts", "unconfirmed"}`.

## Exit codes

| code | meaning |
| --- | --- |
| 0 | done; after `deploy` and `rollback`: it is live; after `doctor`: no check failed |
| 1 | the deployment began and is not live; a check failed; a host did not tell its log |
| 2 | nothing was begun: usage, credentials, permission, region, a jar that is none |
| 130 | Ctrl-C. A deployment that was followed goes on |
"""  # noqa: E501 (lines of a page)


def page() -> str:
    """The page."""
    command = typer.main.get_command(app)
    context = typer.Context(command)
    made = get_docs_for_click(obj=command, ctx=context, name="twinslot", title="The command line")
    return made.rstrip() + "\n" + SHAPES


if __name__ == "__main__":
    print(page(), end="")
