"""What holds for every tier: no test can reach a real AWS account, and in CI no test may be skipped."""

import os
import signal
from collections.abc import Generator

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

IN_CI = os.environ.get("CI", "").lower() in ("1", "true")

# A busy machine is no bug, so that no example has a deadline; in CI every run tries the same examples.
settings.register_profile("twinslot", deadline=None, derandomize=IN_CI)
settings.load_profile("twinslot")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARK}(kind): tries hostile input of this kind, which is counted")
    config.pluginmanager.register(HostileCases(required=IN_CI), "hostile-cases")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that says in CI that it cannot run here has failed."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"CI must run every test; this one was skipped: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """And so has a module that skips itself as a whole."""
    report = yield
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"CI must run every test; this module was skipped: {report.longrepr}"
    return report
