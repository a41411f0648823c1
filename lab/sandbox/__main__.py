"""`make sandbox`: AWS and one host, until Ctrl-C. Prints a line for each event, and serves a page.

As soon as a release is live, a few users send requests all the time; the page shows which slot answers them.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from lab.sandbox.demo.page import Page
from lab.sandbox.hosts.machine import STATE
from lab.sandbox.sandbox import Host, Listener, Sandbox, unavailable
from lab.sandbox.services.lambda_functions import Invocation
from lab.sandbox.services.sns import Announcement
from lab.sandbox.traffic.load_generator import Load

APP = "shop"
COMMANDS = "EC2 Command Status-change Notification"
REQUESTS_PER_SECOND = 30
CONNECTIONS = 6
DAY_SECONDS = 86_400
USERS = STATE / "records.tsv"
STATUSES = {"InProgress": "began", "Success": "succeeded", "Failed": "failed"}


def main() -> int:
    """Run until SIGINT or SIGTERM; return 1 when this machine cannot run a sandbox."""
    reason = unavailable()
    if reason:
        print(f"the sandbox cannot run here: {reason}")
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    is_live = threading.Event()

    def announced(announcement: Announcement) -> None:
        _announcement(announcement)
        if announcement.attributes.get("outcome") == "LIVE":
            is_live.set()

    try:
        with (
            Sandbox(listener=Listener(_event, announced, _invocation)) as sandbox,
            Page(sandbox, USERS) as page,
        ):
            host = sandbox.add_host(APP)
            print(_welcome(sandbox, host, page.address), flush=True)
            is_live.wait()
            with _users(host.address):
                while True:
                    signal.pause()
    except KeyboardInterrupt:
        print("\nThe sandbox was removed.")
    return 0


def _users(address: str) -> Load:
    """Return the load. It sends no POST: an application of one's own may do something on each."""
    return Load(address, USERS, REQUESTS_PER_SECOND, CONNECTIONS, max_seconds=DAY_SECONDS, posts=False)


def _welcome(sandbox: Sandbox, host: Host, page: str) -> str:
    aws = "aws" if shutil.which("aws") else str(Path(sys.executable).with_name("aws"))
    exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in sandbox.variables().items())
    rollback = sandbox.aws.stack.resources["Rollback"].id
    payload = shlex.quote(f'{{"app": "{APP}"}}')
    bucket = sandbox.outputs["ArtifactBucket"]
    sudo = "sudo " if "SUDO_USER" in os.environ else ""
    return f"""
AWS is at {sandbox.endpoint}, and one host is tagged twinslot={APP}. In another terminal:

  export {exports}

  {aws} s3 cp build/jars/shop-1.0.0.jar s3://{bucket}/{APP}/
  {aws} lambda invoke --function-name {rollback}{_binary_format(aws)} --payload {payload} /dev/stdout

The first line deploys that jar, or any other in its place; the second rolls back to the previous release.
As soon as a release is live, http://{host.address}/ serves it, and a few users send requests.
The page {page} shows what is live and which slot answers.
The functions' logs are in build/sandbox/logs. A shell on the host, which may also be rebooted:

  {sudo}{host.machine.shell}

Ctrl-C ends the sandbox and removes everything.
"""


def _binary_format(aws: str) -> str:
    """Return the option that version 2 of the AWS CLI needs for a plain payload; version 1 does not have
    it."""
    try:
        version = subprocess.run([aws, "--version"], capture_output=True, text=True, timeout=30).stdout
    except OSError:
        version = ""
    return "" if version.startswith("aws-cli/1.") else " --cli-binary-format raw-in-base64-out"


def _print(what: str, text: str) -> None:
    plain = "".join(character if character.isprintable() else "?" for character in text)
    print(f"{time.strftime('%H:%M:%S')}  {what:<11} {plain}", flush=True)


def _event(event: dict[str, Any]) -> None:
    detail = event["detail"]
    if event["detail-type"] == "Object Created":
        _print("uploaded", f"{detail['object']['key']}, {detail['object']['size']:,} bytes")
    elif event["detail-type"] == COMMANDS:
        verb = detail["parameters"].get("verb", ["command"])[0]
        _print(verb, STATUSES.get(detail["status"], detail["status"]))


def _announcement(announcement: Announcement) -> None:
    spent = ", ".join(
        f"{phase} {spent:.1f} s" for phase, spent in announcement.data.get("seconds", {}).items()
    )
    failure = announcement.data.get("failure") or {}
    _print("announced", "; ".join(filter(None, [announcement.subject, spent, failure.get("reason", "")])))


def _invocation(invocation: Invocation) -> None:
    if invocation.error:
        error = invocation.json()
        text = error.get("errorMessage", "") if isinstance(error, dict) else str(error)
        _print("error", f"{invocation.function}: {text}")


if __name__ == "__main__":
    sys.exit(main())
