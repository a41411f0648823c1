"""What the command line prints: a deployment that it follows, the status after it, and doctor's checks."""

import sys
from collections.abc import Iterator
from html import escape

from lab.project import ROOT
from lab.screenshots.picture import Picture
from lab.screenshots.screen import html, output, screen
from lab.screenshots.story import APP, JARS, Story

WIDTH = 980
COLUMNS = 112
STRAY = "/etc/nginx/conf.d/legacy.conf"
PROGRAM = f"""twinslot() {{ {sys.executable} -m twinslot_cli "$@"; }}
"""


def pictures(story: Story) -> Iterator[Picture]:
    """Yield a deployment by the command line with the status after it, and a fault that doctor finds."""
    jar = story.jar("1.7.0")
    yield _terminal(story, "cli", f"twinslot deploy {jar.name} --app {APP}", f"twinslot status {APP}")
    run = story.host.machine.run
    run(["sh", "-c", f"echo 'proxy_passs http://127.0.0.1;' > {STRAY}"], timeout_seconds=10)
    try:
        yield _terminal(story, "doctor", f"twinslot doctor {APP}")
    finally:
        run(["rm", STRAY], timeout_seconds=10)


def _terminal(story: Story, name: str, *commands: str) -> Picture:
    """Return a terminal on which these commands were typed."""
    shown = "\n".join(f"<b>$ {escape(each)}</b>\n{_seen(story, each)}" for each in commands)
    return Picture(name, f"<style>{STYLE}</style><pre>{shown}</pre>", WIDTH)


def _seen(story: Story, command: str) -> str:
    """Run a command; return what is on the terminal after it."""
    environment = {
        **story.sandbox.variables(),
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": f"{ROOT / 'cli'}:{ROOT / 'layers' / 'twinslot'}",
        "HOME": "/nonexistent",
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
    }
    told = output(["bash", "-c", PROGRAM + command], environment, JARS, COLUMNS)
    return html(screen(told.rstrip()))


STYLE = """
body { margin: 0; background: #0e151d }
pre { margin: 0; padding: 18px 20px; color: #c5c8c6; font: 13px/1.45 "DejaVu Sans Mono", monospace;
      white-space: pre-wrap; overflow-wrap: anywhere }
b { color: #fff }
"""
