"""What the command line prints: a deployment that it followed, who is live then, and what doctor finds."""

import sys
from collections.abc import Iterator
from html import escape

from lab.project import ROOT
from lab.screenshots.picture import Picture
from lab.screenshots.screen import html, output, screen
from lab.screenshots.story import APP, JARS, Story

WIDTH = 980
COLUMNS = 112
LABEL = "1.7.0"
STRAY = "/etc/nginx/conf.d/legacy.conf"
PROGRAM = f"""twinslot() {{ {sys.executable} -m twinslot_cli "$@"; }}
"""


def pictures(story: Story) -> Iterator[Picture]:
    """The run goes on: what waited goes live, then a release that the command line deploys."""
    story.sandbox.invoke("Freeze", {"app": APP, "freeze": False, "by": "anna"})
    story.ended("1.6.1")
    jar = story.jar(LABEL)
    shell = story.host.machine.run
    shell(["sh", "-c", f"echo 'proxy_passs http://127.0.0.1;' > {STRAY}"], timeout_seconds=10)
    try:
        typed = (
            f"twinslot deploy {jar.name} --app {APP}",
            f"twinslot status {APP}",
            f"twinslot doctor {APP} | grep -A 1 '✗ nginx'",
        )
        shown = "\n".join(f"<b>$ {escape(each)}</b>\n{_seen(story, each)}" for each in typed)
    finally:
        shell(["rm", STRAY], timeout_seconds=10)
    yield Picture("cli", f"<style>{STYLE}</style><pre>{shown}</pre>", WIDTH)


def _seen(story: Story, command: str) -> str:
    """What is on the terminal after this command."""
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
