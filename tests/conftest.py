"""What holds for every tier: no test can reach a real AWS account, and in CI no test is skipped."""

import os
import shutil
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.hostile import MARK, HostileCases

for name in (
    *("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"),
    *("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"),  # rich takes a pipe for a terminal, or the reverse
):
    os.environ.pop(name, None)
os.environ.update(
    AWS_ACCESS_KEY_ID="testing",
    AWS_SECRET_ACCESS_KEY="testing",
    AWS_DEFAULT_REGION="eu-central-1",
    AWS_CONFIG_FILE=os.devnull,
    AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    AWS_EC2_METADATA_DISABLED="true",
    POWERTOOLS_SERVICE_NAME="twinslot",
    POWERTOOLS_METRICS_NAMESPACE="twinslot",
)

# A shell starts what it puts into the background with SIGINT ignored, and what tests start would inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)

TESTS = Path(__file__).parent
TIERS = {
    "unit": "rules, parsers, pages and the template; no AWS, no process but Python's",
    "controller": "functions and AWS adapters against moto and DynamoDB Local",
    "sandbox": "the lab itself: the simulated AWS, the sample application, the load generator",
    "proof": "the model checker, whole flows and least privilege, on simulated hosts",
    "host": "the host program on machines that are booted (root)",
    "e2e": "everything together on machines that are booted, and in a browser (root)",
    "screenshots": "the demo and the pictures of the pages, on machines that are booted, in a browser (root)",
    "cli": "the command line against the simulated AWS",
}
"""The folders of tests, each of which is a marker as well, in the order in which one run takes them.

The cli tier shares one account, which lives until the session ends. A process has one moto, so that no test
of another tier can follow it.
"""

IN_CI = os.environ.get("CI", "").lower() in ("1", "true")

# A busy machine is no bug, so that no example has a deadline; in CI every run tries the same examples.
settings.register_profile("twinslot", deadline=None, derandomize=IN_CI)
settings.load_profile("twinslot")


def pytest_configure(config: pytest.Config) -> None:
    for tier, meaning in TIERS.items():
        config.addinivalue_line("markers", f"{tier}: {meaning}")
    config.addinivalue_line("markers", "needs(*programs): is skipped where one of them is not on the PATH")
    config.addinivalue_line("markers", f"{MARK}(kind): tries hostile input of this kind, which is counted")
    config.pluginmanager.register(HostileCases(required=IN_CI), "hostile-cases")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its tier and put the tiers in order."""
    order = list(TIERS)
    for item in items:
        item.add_marker(_tier(item))
    items.sort(key=lambda item: order.index(_tier(item)))


def _tier(item: pytest.Item) -> str:
    """Return the folder of a test. Raises pytest.UsageError when it is no tier."""
    folder = item.path.relative_to(TESTS).parts[0]
    if folder not in TIERS:
        raise pytest.UsageError(f"{item.nodeid} is in no tier: {', '.join(TIERS)}")
    return folder


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose programs are missing, before its fixtures start them."""
    for marker in item.iter_markers("needs"):
        if missing := [program for program in marker.args if shutil.which(program) is None]:
            pytest.skip(f"not on the PATH: {', '.join(missing)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one in CI."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"CI must run every test; this one was skipped: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a skipped module into a failed one in CI."""
    report = yield
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"CI must run every test; this module was skipped: {report.longrepr}"
    return report
