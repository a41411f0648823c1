"""What tests share: the stack as CloudFormation gets it, and applications during their life."""

from pathlib import Path
from typing import Any

import pytest

from lab.sandbox.stack.template import translate
from tests.unit.lifecycle_driver import LifecycleDriver

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def stack() -> dict[str, Any]:
    """template.yaml, translated to plain CloudFormation."""
    return translate(ROOT / "template.yaml", "eu-central-1", {}).document


@pytest.fixture(scope="session")
def resources(stack: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The resources of the stack by their logical names."""
    resources: dict[str, dict[str, Any]] = stack["Resources"]
    return resources


@pytest.fixture
def driver() -> LifecycleDriver:
    return LifecycleDriver()


@pytest.fixture
def running() -> LifecycleDriver:
    """v1 and then v2 went live."""
    driver = LifecycleDriver()
    driver.deploy("v1")
    driver.deploy("v2")
    return driver
