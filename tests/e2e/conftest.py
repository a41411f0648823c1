"""Whole deployments: the real template, functions, document and host program, on real machines.

One sandbox serves a module; a test finds what the one before it left live, and says what it needs. SETTINGS
hold for every application, since a change of settings counts only some seconds later.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.samples.build import build
from lab.sandbox.sandbox import Sandbox, unavailable
from lab.screenshots.browser import Browser
from lab.screenshots.browser import unavailable as no_browser
from tests.e2e.deployments import SETTINGS, Deployer

Jar = Callable[..., Path]


@pytest.fixture(scope="session")
def jar(tmp_path_factory: pytest.TempPathFactory) -> Jar:
    """A sample jar by its label and faults, each built once."""
    directory = tmp_path_factory.mktemp("jars")

    def made(label: str, faults: str = "") -> Path:
        path = directory / f"shop-{label}.jar"
        return path if path.exists() else build(directory, label, faults)

    return made


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium. Where there is none the test is skipped, but not in CI."""
    reason = no_browser()
    if reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI has to look at pages, but: {reason}")
        pytest.skip(reason)
    with Browser() as running:
        yield running


@pytest.fixture(scope="module")
def parameters() -> dict[str, str]:
    """Of the stack, where a module wants others than the defaults."""
    return {}


@pytest.fixture(scope="module")
def java() -> bool:
    """Whether a host that the stack makes has Java from the start: to install it takes a while."""
    return True


@pytest.fixture(scope="module")
def sandbox(parameters: dict[str, str], java: bool) -> Iterator[Sandbox]:
    """AWS without a host yet, unless the stack makes one. Where machines cannot be booted the test is
    skipped, but not in CI."""
    reason = unavailable()
    if reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI has to run the e2e tests, but: {reason}")
        pytest.skip(reason)
    with Sandbox(parameters=parameters, java=java) as running:
        yield running


@pytest.fixture(scope="module")
def deployer(sandbox: Sandbox) -> Deployer:
    return Deployer(sandbox)


@pytest.fixture(scope="module")
def shop(sandbox: Sandbox) -> str:
    """The application `shop` with the tests' settings; its hosts are the test's own affair."""
    sandbox.set("shop", SETTINGS)
    return "shop"
