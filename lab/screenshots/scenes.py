"""The sandbox's page while traffic moves, and the widget on it while uploads wait."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from lab.sandbox.demo.page import Page
from lab.screenshots.browser import Browser
from lab.screenshots.picture import Picture, photograph, take
from lab.screenshots.story import DEADLINE_SECONDS, Story

WIDTH = 900
MOVED_SECONDS = 3
"""How long users have been on the new release when the picture is taken: the bake still goes on."""

HAS_MOVED = """
const widget = document.querySelector("#widget");
const live = widget.querySelector(".slot.live");
const slot = live?.classList.contains("green") ? "green" : "blue";
return widget.querySelector(".phase.now.baking") && live.textContent.includes(arguments[0])
    && Number(document.getElementById(slot).textContent) > 0;
"""

END = "tr:nth-child(7 of :has(.pill))"
"""The pictures show six deployments of the history: one of each kind."""

DARK = '<body style="margin: 16px; background: #0e151d">{}</body>'


def take_scenes(story: Story, browser: Browser, folder: Path) -> Iterator[Path]:
    """Deploy a release, then freeze the app; yield each picture's path when it is taken."""
    with Page(story.sandbox, story.records) as page:
        browser.open(page.address, WIDTH)
        key = story.upload("1.6.0")
        _until(lambda: bool(browser.driver.execute_script(HAS_MOVED, "1.6.0")))
        time.sleep(MOVED_SECONDS)
        yield photograph(browser, folder / "sandbox.png", END)
        story.ended(key)
        story.freeze("the database is being moved")
        waiting = story.upload("1.6.1")
        _until(lambda: "1.6.1 waits" in page.widget("dark"))
        yield take(browser, Picture("widget", DARK.format(page.widget("dark")), WIDTH, END), folder)
        story.unfreeze()
        story.ended(waiting)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the scene was not ready within {DEADLINE_SECONDS} s")
        time.sleep(0.1)
