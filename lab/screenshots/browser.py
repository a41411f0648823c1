"""Headless Chromium without a network, to see pages as people do.

    with Browser() as browser:
        browser.show("<p>Hello</p>", width=600)         # or browser.open("http://127.0.0.1:8080/")
        browser.driver                                  # Selenium's, for all the rest
        browser.photograph(Path("hello.png"), "p")      # one element; without a selector the whole page

It finds Debian's `chromium` and `chromedriver`, or Google's Chrome with its driver, and never downloads one.
"""

import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
DRIVERS = ("chromedriver", "chromium.chromedriver")
HEIGHT = 800
SCALE = 2
"""Pixels of the picture for each of the page's: sharp on good screens."""

LOAD_SECONDS = 20
CHARSET = '<!doctype html><meta charset="utf-8">'


def unavailable() -> str | None:
    """Return why there is no browser here; None when there is one."""
    missing = [names[0] for names, path in ((BROWSERS, _browser()), (DRIVERS, _driver())) if path is None]
    if missing:
        return f"missing here: {', '.join(missing)}; on Debian lab/setup.sh packages installs them"
    return None


class Browser:
    """One browser, from entering to leaving. It reaches this machine's loopback and nothing else.

    Raises RuntimeError on entering where it cannot start: `unavailable()` returns the reason beforehand.
    """

    def __init__(self) -> None:
        self._driver: webdriver.Chrome | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        reason = unavailable()
        if reason:
            raise RuntimeError(reason)
        self._folder = tempfile.TemporaryDirectory(prefix="twinslot-browser-")
        try:
            # Named, or Selenium would look for a driver on the network.
            service = Service(executable_path=_driver())
            self._driver = webdriver.Chrome(self._options(self._folder.name), service)
        except WebDriverException as error:
            self._folder.cleanup()
            raise RuntimeError(f"the browser does not start: {error.msg}") from error
        self._driver.set_page_load_timeout(LOAD_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._driver:
            self._driver.quit()
        if self._folder:
            self._folder.cleanup()

    @property
    def driver(self) -> webdriver.Chrome:
        """Return Selenium's driver. Raises RuntimeError outside of the context."""
        if self._driver is None:
            raise RuntimeError("the browser is not running: use it as a context manager")
        return self._driver

    def open(self, address: str, width: int = 1000) -> None:
        """Load a page, in a window of this width (CSS pixels)."""
        self._resize(width, HEIGHT)
        self.driver.get(address)

    def show(self, html: str, width: int = 1000) -> None:
        """Load this HTML as a page of its own, from a file."""
        assert self._folder
        page = Path(self._folder.name) / "page.html"
        page.write_text(html if html.lstrip()[:9].lower() == "<!doctype" else CHARSET + html)
        self.open(page.as_uri(), width)

    def photograph(self, path: Path, selector: str = "html") -> None:
        """Write the first element that the CSS selector finds as a PNG, however long it is."""
        width = self.driver.get_window_size()["width"]
        whole = self.driver.execute_script("return document.documentElement.scrollHeight")
        self._resize(width, max(HEIGHT, whole))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.driver.find_element(By.CSS_SELECTOR, selector).screenshot_as_png)

    def top_of(self, selector: str) -> float | None:
        """Return where the first element that the CSS selector finds begins, in CSS pixels from the page's
        top; None without such an element."""
        script = "return document.querySelector(arguments[0])?.getBoundingClientRect().top"
        top: float | None = self.driver.execute_script(script, selector)
        return top

    def _resize(self, width: int, height: int) -> None:
        """Set the page's own size: Chromium's windows have a minimum width, an emulated screen has none."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": SCALE, "mobile": False},
        )
        self.driver.set_window_size(width, height)

    def _options(self, folder: str) -> webdriver.ChromeOptions:
        options = webdriver.ChromeOptions()
        options.binary_location = _browser() or ""
        options.add_argument("--headless=new")
        options.add_argument(f"--user-data-dir={folder}/profile")
        # A container's /dev/shm may have 64 MB, which a page fills.
        options.add_argument("--disable-dev-shm-usage")
        options.add_argument("--disable-gpu")
        options.add_argument("--hide-scrollbars")
        # The same picture on every machine.
        options.add_argument("--force-color-profile=srgb")
        options.add_argument("--font-render-hinting=none")
        options.add_argument("--lang=en-GB")
        options.add_argument("--no-first-run")
        options.add_argument("--disable-background-networking")
        options.add_argument("--disable-component-update")
        options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
        # Chromium refuses to start its sandbox as root, and a container of CI has only root. The pages are
        # our own. Other users keep the sandbox.
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")
        return options


def _browser() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def _driver() -> str | None:
    # GitHub's machines have Chrome's driver in a folder that this variable names.
    path = f"{os.environ.get('CHROMEWEBDRIVER', '')}:{os.environ.get('PATH', os.defpath)}"
    return next(filter(None, (shutil.which(name, path=path) for name in DRIVERS)), None)
