"""The traffic of a demo, as the demo draws it."""

import shutil
import subprocess
import sys
from pathlib import Path

from lab.project import ROOT
from lab.sandbox.demo.__main__ import RESULTS


def take_traffic(folder: Path) -> Path:
    """Run the demo; return the path of its picture. Raises RuntimeError when the demo failed."""
    ended = subprocess.run([sys.executable, "-m", "lab.sandbox.demo"], cwd=ROOT, check=False)
    if ended.returncode:
        raise RuntimeError(f"the demo exited with {ended.returncode}")
    return Path(shutil.copy(RESULTS / "traffic.png", folder))
