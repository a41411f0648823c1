"""What the tests of the template share: the stack as CloudFormation gets it."""

from pathlib import Path
from typing import Any

import pytest

from sandbox.template import translate

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
