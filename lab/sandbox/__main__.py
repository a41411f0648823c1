"""`make sandbox`: AWS and one host, until Ctrl-C. What happens is told in one line each, and drawn on a page.

As soon as a release is live, a few users ask for something all the time: the page shows whom they reach.
"""

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
from lab.sandbox.sandbox import Listener, Sandbox, unavailable
from lab.sandbox.services.lambda_functions import Invocation
from lab.sandbox.services.sns import Announcement
from lab.sandbox.traffic.load_generator import Load

APP = "shop"
COMMANDS = "EC2 Command Status-change Notification"
REQUESTS_PER_SECOND = 30
CONNECTIONS = 6
DAY_SECONDS = 86_400
STATUSES = {"InProgress": "began", "Success": "succeeded", "Failed": "failed"}


def main() -> int:
    """Run until a signal comes; 1 where this machine cannot."""
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
        with Sandbox(listener=Listener(_event, announced, _invocation)) as sandbox, Page(sandbox) as page:
            host = sandbox.add_host(APP)
            print(_welcome(sandbox, host.address, page.address), flush=True)
            is_live.wait()
            with _users(host.address):
                while True:
                    signal.pause()
    except KeyboardInterrupt:
        print("\nThe sandbox is gone; nothing is left of it.")
    return 0


def _users(address: str) -> Load:
    return Load(address, STATE / "records.tsv", REQUESTS_PER_SECOND, CONNECTIONS, max_seconds=DAY_SECONDS)


def _welcome(sandbox: Sandbox, address: str, page: str) -> str:
    aws = "aws" if shutil.which("aws") else str(Path(sys.executable).with_name("aws"))
    exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in sandbox.variables().items())
    rollback = sandbox.aws.stack.resources["Rollback"].id
    payload = shlex.quote(f'{{"app": "{APP}"}}')
    bucket = sandbox.outputs["ArtifactBucket"]
    return f"""
AWS is at {sandbox.endpoint}, and one host bears the tag twinslot={APP}. In another terminal:

  export {exports}

  {aws} s3 cp build/jars/shop-1.0.0.jar s3://{bucket}/{APP}/
  {aws} lambda invoke --function-name {rollback}{_binary_format(aws)} --payload {payload} /dev/stdout

The first line deploys that jar, and any other in its place; the second goes back to the release before.
The host answers at http://{address}/ as soon as a release is live.
What is live and whom the users reach is drawn at {page}
The functions' logs are in build/sandbox/logs.
Ctrl-C ends it all.
"""


def _binary_format(aws: str) -> str:
    """Version 2 of the AWS CLI takes a payload for base64 unless told otherwise; version 1 does not know the
    option."""
    try:
        version = subprocess.run([aws, "--version"], capture_output=True, text=True, timeout=30).stdout
    except OSError:
        version = ""
    return "" if version.startswith("aws-cli/1.") else " --cli-binary-format raw-in-base64-out"


def _tell(what: str, text: str) -> None:
    plain = "".join(character if character.isprintable() else "?" for character in text)
    print(f"{time.strftime('%H:%M:%S')}  {what:<11} {plain}", flush=True)


def _event(event: dict[str, Any]) -> None:
    detail = event["detail"]
    if event["detail-type"] == "Object Created":
        _tell("uploaded", f"{detail['object']['key']}, {detail['object']['size']:,} bytes")
    elif event["detail-type"] == COMMANDS:
        verb = detail["parameters"].get("verb", ["command"])[0]
        _tell(verb, STATUSES.get(detail["status"], detail["status"]))


def _announcement(announcement: Announcement) -> None:
    spent = ", ".join(
        f"{phase} {spent:.1f} s" for phase, spent in announcement.data.get("seconds", {}).items()
    )
    failure = announcement.data.get("failure") or {}
    _tell("announced", "; ".join(filter(None, [announcement.subject, spent, failure.get("reason", "")])))


def _invocation(invocation: Invocation) -> None:
    if invocation.error:
        error = invocation.json()
        text = error.get("errorMessage", "") if isinstance(error, dict) else str(error)
        _tell("error", f"{invocation.function}: {text}")


if __name__ == "__main__":
    sys.exit(main())
