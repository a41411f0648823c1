"""The widget in Chromium, on the sandbox's page as on CloudWatch's: legible, harmless, and asking before it
acts."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from selenium.webdriver.common.by import By

from functions.widget.page import page
from lab.sandbox.demo.page import Page
from lab.screenshots.browser import Browser
from tests.sandbox.fake_sandbox import FakeSandbox
from tests.unit.apps import FROZEN, MOVING, QUIET, VIEW, written_by_a_stranger
from tests.waiting import wait_until

RUN = "window.ran = true"
SCRIPTS = (
    f"<script>{RUN}</script>",
    f"<img src=x onerror='{RUN}'>",
    f'"><svg onload="{RUN}"></svg>',
    f"' autofocus onfocus='{RUN}' tabindex=0 x='",
    f"</style><img src=x onerror={RUN.replace(' ', '')}>",
    f'</cwdb-action><iframe srcdoc="<script>parent.{RUN}</script>"></iframe>',
    f"<details open ontoggle='{RUN}'>",
    "<style>*{display:none}</style>",
    f"&lt;img src=x onerror='{RUN}'&gt;",
)
"""What would run, or change the page, if a label were pasted into it."""


@pytest.fixture
def account() -> FakeSandbox:
    return FakeSandbox(page([QUIET], 0, VIEW))


@pytest.fixture
def shown(account: FakeSandbox, browser: Browser) -> Iterator[Page]:
    """The page with the account's widget on it, open in the browser."""
    with Page(account) as running:
        browser.open(running.address)
        wait_until(lambda: bool(browser.driver.find_elements(By.CSS_SELECTOR, "#widget .twinslot")))
        yield running


def text(browser: Browser, selector: str) -> str:
    """What can be read there now, in one question: the page draws itself anew every second."""
    script = "return document.querySelector(arguments[0])?.innerText ?? ''"
    return str(browser.driver.execute_script(script, selector))


@pytest.mark.parametrize("width", [360, 760, 1400])
def test_nothing_sticks_out_of_the_page_on_any_screen(browser: Browser, width: int) -> None:
    browser.show(page([MOVING, FROZEN], 0, VIEW), width)

    assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert "Deploying 1.6.0" in text(browser, ".way")
    assert "the database is being moved" in text(browser, ".note")
    assert not browser.driver.find_element(By.CSS_SELECTOR, "cwdb-action").is_displayed()


def test_texts_stand_out_from_their_ground_in_the_light_and_in_the_dark(browser: Browser) -> None:
    """As the Web Content Accessibility Guidelines measure it: 4.5 to 1."""
    for dark in (False, True):
        view = replace(VIEW, dark=dark)
        browser.show(page([MOVING, FROZEN], 0, view))
        faint = browser.driver.execute_script(CONTRASTS)
        assert faint == []


CONTRASTS = """
const channels = (color) => color.match(/[\\d.]+/g).map(Number);
const linear = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
function ground(element) {
  for (; element; element = element.parentElement) {
    const color = channels(getComputedStyle(element).backgroundColor);
    if (color.length < 4 || color[3] > 0) return color;
  }
  return [255, 255, 255];
}
const found = [];
for (const element of document.querySelectorAll(".app *")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!own || !element.checkVisibility() || element.closest("svg")) continue;
  const a = luminance(channels(getComputedStyle(element).color)), b = luminance(ground(element));
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (contrast < 4.5) found.push(element.className + ": " + element.textContent + " " + contrast.toFixed(2));
}
return found;
"""


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_script_in_a_label_runs_where_html_is_put_into_a_page(browser: Browser, script: str) -> None:
    """As a console does that puts the answer into its own page, here without a policy that would stop it."""
    browser.show("<div id=console></div>")
    html = page([written_by_a_stranger(script)], 0, VIEW)

    browser.driver.execute_script("document.getElementById('console').innerHTML = arguments[0]", html)
    browser.driver.execute_async_script("setTimeout(arguments[0], 50)")

    assert browser.driver.execute_script("return window.ran") is None
    assert script.split("'")[0] in text(browser, ".app summary .label")
    assert (
        browser.driver.find_elements(By.CSS_SELECTOR, "#console script, #console img, #console iframe") == []
    )


def test_nothing_is_called_before_somebody_confirmed(
    shown: Page, account: FakeSandbox, browser: Browser
) -> None:
    browser.driver.find_element(By.CSS_SELECTOR, "a.btn").click()
    assert text(browser, "#question") == "Roll back shop from 1.4.2 to 1.4.1?"

    browser.driver.find_element(By.ID, "no").click()

    assert not browser.driver.find_element(By.ID, "dialog").is_displayed()
    assert account.rollbacks == []


def test_a_confirmed_rollback_is_asked_for_and_its_answer_shown(
    shown: Page, account: FakeSandbox, browser: Browser
) -> None:
    browser.driver.find_element(By.CSS_SELECTOR, "a.btn").click()
    browser.driver.find_element(By.ID, "yes").click()
    wait_until(lambda: browser.driver.find_element(By.ID, "answer").is_displayed())

    assert json.loads(text(browser, "#answer")) == {"app": "shop", "to": "1.4.1"}
    (asked,) = account.rollbacks
    assert (asked["app"], asked["to"]) == ("shop", QUIET.application.previous.deployment)


def test_an_app_that_somebody_folded_stays_folded(
    shown: Page, account: FakeSandbox, browser: Browser
) -> None:
    browser.driver.find_element(By.CSS_SELECTOR, "#widget summary").click()
    account.html = page([MOVING], 0, VIEW)

    wait_until(lambda: text(browser, "#widget summary .right") == "baking")

    assert not browser.driver.find_element(By.CSS_SELECTOR, "#widget .body").is_displayed()


def test_a_sandbox_that_is_gone_is_said(account: FakeSandbox, browser: Browser) -> None:
    with Page(account) as running:
        browser.open(running.address)
        wait_until(lambda: bool(browser.driver.find_elements(By.CSS_SELECTOR, "#widget .twinslot")))
    wait_until(lambda: "does not answer" in text(browser, "#most"))
