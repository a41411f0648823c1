"""What tests share: the stack as CloudFormation gets it, and applications in the midst of their life."""

from pathlib import Path
from typing import Any

import pytest

from lab.sandbox.stack.template import translate
from tests.unit.lifecycle_driver import House

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
def house() -> House:
    return House()


@pytest.fixture
def running() -> House:
    """v1 and then v2 went live."""
    house = House()
    house.deploy("v1")
    house.deploy("v2")
    return house
