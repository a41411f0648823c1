"""Where the checkout is, and the slots, for a lab that runs without the product on Python's path."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

PORTS = {"blue": 8081, "green": 8082}
"""The slots and the ports of their processes. A test compares it with twinslot.shared.constants."""

OTHER = {"blue": "green", "green": "blue"}
