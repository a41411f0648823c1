"""Where the project is checked out: everything in the lab finds its files from here."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
