"""A new fault is one edit: its own module, or an entry in one that exists."""

import sys
from pathlib import Path

import pytest
from twinslot.shared.constants import PORTS

from lab import project
from lab.chaos import faults

NEW = """
from lab.chaos.fault import Ending, Fault, Group

FAULT = Fault("queue/full", "the queue is full", lambda target: Ending("LIVE"), frozenset({"LIVE"}))
GROUPS = (Group("queue/", (FAULT,)),)
"""


def test_a_module_in_the_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "queues.py").write_text(NEW)
    monkeypatch.setattr(faults, "__path__", [*faults.__path__, str(tmp_path)])
    try:
        names = [fault.name for group in faults.groups() for fault in group.faults]
    finally:
        sys.modules.pop("lab.chaos.faults.queues", None)
    assert "queue/full" in names
    assert set(names) > {fault.name for group in faults.GROUPS for fault in group.faults}


def test_every_module_has_faults_and_every_fault_a_name_of_its_own() -> None:
    modules = {path.stem for path in Path(faults.__file__).parent.glob("*.py")} - {"__init__"}
    assert all(sys.modules[f"lab.chaos.faults.{module}"].GROUPS for module in modules)
    names = [fault.name for group in faults.GROUPS for fault in group.faults]
    assert len(names) == len(set(names))


def test_the_lab_has_the_products_slots() -> None:
    assert project.PORTS == PORTS
    assert {slot: project.OTHER[other] for slot, other in project.OTHER.items()} == {
        slot: slot for slot in PORTS
    }
