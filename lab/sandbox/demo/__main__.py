"""`make demo`: five deployments to one real host under keep-alive load, and what became of each request.

1.0.0 goes live. Then, under load, 2.0.0 goes live, 3.0.0 never becomes healthy, 4.0.0 answers 5xx in its
bake, and a rollback makes 1.0.0 live again. Everything is done as with an AWS account: an SSM command
provisions the host, an upload to S3 deploys, an invocation rolls back.

Writes summary.json (see summary.py), traffic.png and records.tsv (see lab/sandbox/traffic/records.py) to
build/demo. Exits 0 when every deployment ended as expected and no request was lost, 2 when it cannot run
here, 130 when it was interrupted, else 1.
"""

import fcntl
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twinslot.aws.hosts import IN_PROGRESS

from lab.project import ROOT
from lab.samples.build import build
from lab.sandbox.demo import summary
from lab.sandbox.demo.chart import draw
from lab.sandbox.demo.costs import Cost, cost
from lab.sandbox.demo.progress import Progress
from lab.sandbox.demo.summary import Ended
from lab.sandbox.sandbox import Host, Listener, Sandbox, unavailable
from lab.sandbox.services.sns import Announcement
from lab.sandbox.traffic.load_generator import Load
from lab.sandbox.traffic.records import Traffic

APP = "shop"
RESULTS = ROOT / "build" / "demo"
SETTINGS = {"start_seconds": 10, "bake_seconds": 6}
"""Short, to keep the demo short: the sample application starts in a second."""

REQUESTS_PER_SECOND = 300
CONNECTIONS = 32
PAUSE_SECONDS = 2
"""Between deployments, so that the picture shows one release."""

DEADLINE_SECONDS = 60
PROVISION_SECONDS = 120
"""Includes the installation of nginx."""

COMMANDS = "EC2 Command Status-change Notification"
PHASES = {"stage": "staging", "flip": "flipping", "bake": "baking", "revert": "reverting"}


@dataclass(frozen=True)
class Scene:
    """One deployment of the demo and its expected outcome: an upload, or else a rollback."""

    label: str
    outcome: str
    faults: str = ""
    uploads: bool = True


FIRST = Scene("1.0.0", "LIVE")
MEASURED = Scene("2.0.0", "LIVE")
UNSEEN = Scene("3.0.0", "FAILED", "never-healthy")
BAD = Scene("4.0.0", "REVERTED", "errors-after=live+2")
UNDER_LOAD = (MEASURED, UNSEEN, BAD, Scene("1.0.0", "LIVE", uploads=False))
EXPECTED = [(scene.label, scene.outcome) for scene in (FIRST, *UNDER_LOAD)]


class Demo:
    """Deploys to one host of a sandbox. `ended` has the deployments so far."""

    def __init__(self, sandbox: Sandbox, jars: Mapping[Scene, Path], progress: Progress) -> None:
        self._sandbox = sandbox
        self._jars = jars
        self._progress = progress
        self._ids: dict[str, str] = {}
        self.ended: list[Ended] = []

    def provision(self, host: Host) -> None:
        """Let the product provision the bare host. Raises RuntimeError or TimeoutError."""
        ssm = self._sandbox.client("ssm")
        sent = ssm.send_command(
            DocumentName=self._sandbox.outputs["HostDocumentName"],
            InstanceIds=[host.instance_id],
            Parameters={"verb": ["provision"], "step": ["provision"], "app": [APP]},
        )
        where = {"CommandId": sent["Command"]["CommandId"], "InstanceId": host.instance_id}
        deadline = time.monotonic() + PROVISION_SECONDS
        while (found := ssm.get_command_invocation(**where))["Status"] in IN_PROGRESS:
            if time.monotonic() > deadline:
                raise TimeoutError(f"provisioning {host.address} took over {PROVISION_SECONDS} s")
            time.sleep(0.2)
        if found["Status"] != "Success":
            raise RuntimeError(f"{host.address} was not provisioned: {found['StandardOutputContent']}")

    def perform(self, scene: Scene) -> None:
        """Deploy, and wait until the outcome is announced. Raises TimeoutError."""
        self._progress.about = scene.label
        if scene.uploads:
            jar = self._jars[scene]
            key = f"{APP}/{jar.name}"
            self._progress.line(
                f"uploading {key}" + (f", with the fault {scene.faults}" if scene.faults else "")
            )
            requested = time.time()
            self._sandbox.upload(jar, key)
            announced = self._announcement(lambda data: data["key"] == key)
        else:
            self._progress.line("requesting a rollback")
            requested = time.time()
            answer = self._sandbox.invoke("Rollback", {"app": APP, "to": scene.label})
            announced = self._announcement(lambda data: data["deployment"] == answer["deployment"])
        data = announced.data
        phases = {name: spent for name, spent in data["seconds"].items() if name in summary.PHASES}
        self._ids[scene.label] = data["deployment"]
        self.ended.append(Ended(scene.label, data["kind"], data["outcome"], requested, announced.at, phases))
        self._progress.line(_verdict(data, announced.at - requested))

    def cost_of(self, scene: Scene) -> Cost:
        """Return what this deployment cost, which went LIVE."""
        ended = next(each for each in self.ended if each.label == scene.label)
        ssm, invocations = self._sandbox.client("ssm"), self._sandbox.invocations
        bake = float(SETTINGS["bake_seconds"])
        return cost(ssm, invocations, self._ids[scene.label], ended.requested, ended.announced, bake)

    def _announcement(self, wanted: Callable[[dict[str, Any]], bool]) -> Announcement:
        return self._sandbox.announcements.wait_for(
            lambda each: each.attributes.get("app") == APP and each.tells_an_end and wanted(each.data),
            DEADLINE_SECONDS,
        )


def main() -> int:
    """Run the demo; return the exit code."""
    reason = unavailable()
    if reason:
        print(f"the demo cannot run here: {reason}")
        return 2
    RESULTS.mkdir(parents=True, exist_ok=True)
    try:
        with (RESULTS / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with Progress() as progress:
                shown = _show(progress)
            return _conclude(*shown)
    except BlockingIOError:
        print("the demo cannot run here: another one is running in this checkout")
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted; everything was removed")
        return 130
    except (RuntimeError, TimeoutError) as error:
        print(f"the demo stopped: {error}")
        return 1


def _show(progress: Progress) -> tuple[list[Ended], Traffic, Cost | None]:
    """Return the deployments, the traffic, and what the measured deployment cost, if it went LIVE."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for name in ("summary.json", "traffic.png", "records.tsv"):
        (RESULTS / name).unlink(missing_ok=True)
    jars = {
        scene: build(RESULTS / "jars", scene.label, scene.faults)
        for scene in (FIRST, *UNDER_LOAD)
        if scene.uploads
    }
    progress.about = "aws"
    progress.line("creating the stack of template.yaml")
    with Sandbox(listener=Listener(event=lambda event: print_phase(progress, event))) as sandbox:
        demo = Demo(sandbox, jars, progress)
        progress.about = "host"
        progress.line("booting")
        host = sandbox.add_host(APP)
        progress.line(f"{host.address} is up; the product provisions it")
        demo.provision(host)
        progress.line("provisioned")
        sandbox.set(APP, SETTINGS)
        demo.perform(FIRST)
        if demo.ended[0].outcome != FIRST.outcome:
            raise RuntimeError(f"{FIRST.label} did not go live")
        traffic = _under_load(demo, host.address, progress)
        spent = demo.cost_of(MEASURED) if demo.ended[1].outcome == MEASURED.outcome else None
    return demo.ended, traffic, spent


def _under_load(demo: Demo, address: str, progress: Progress) -> Traffic:
    """Run the other scenes, under load from before the first until after the last."""
    with Load(address, RESULTS / "records.tsv", REQUESTS_PER_SECOND, CONNECTIONS) as load:
        progress.about = "users"
        progress.line(f"{REQUESTS_PER_SECOND} requests a second on {CONNECTIONS} connections")
        progress.status = lambda: f"          {load.requests:,} requests, {load.not_served:,} without a 2xx"
        for scene in UNDER_LOAD:
            time.sleep(PAUSE_SECONDS)
            demo.perform(scene)
        time.sleep(PAUSE_SECONDS)
        progress.status = lambda: ""
        return load.stop(bad_release=BAD.label)


def _conclude(ended: list[Ended], traffic: Traffic, spent: Cost | None) -> int:
    """Write and print the results; return the exit code."""
    (RESULTS / "summary.json").write_text(json.dumps(summary.as_json(ended, traffic, spent), indent=2) + "\n")
    draw(RESULTS / "traffic.png", ended, traffic)
    print(f"\n{summary.as_table(ended, traffic)}\n")
    print(f"response times: median {traffic.quantile(0.5) * 1000:.1f} ms, 99th percentile", end=" ")
    print(f"{traffic.quantile(0.99) * 1000:.1f} ms, maximum {traffic.quantile(1.0) * 1000:.0f} ms")
    if spent:
        print(f"{MEASURED.label}: {spent.controller_ms:.0f} ms in Lambda functions,", end=" ")
        print(f"{spent.overhead_seconds:.2f} s from upload to LIVE without start, bake and SSM's latency")
    print("results: build/demo/summary.json, build/demo/traffic.png")
    failings = summary.failings(ended, EXPECTED, traffic, UNSEEN.label)
    for failing in failings:
        print(f"NOT AS EXPECTED: {failing}")
    return 1 if failings else 0


def print_phase(progress: Progress, event: dict[str, Any]) -> None:
    """Print the phase of a command that begins on the host."""
    if event["detail-type"] != COMMANDS or event["detail"]["status"] != "InProgress":
        return
    step = event["detail"]["parameters"]["step"][0]
    phase = PHASES.get(step.partition("-")[0])
    if phase:
        progress.line(phase)


def _verdict(data: dict[str, Any], seconds: float) -> str:
    text = f"{data['outcome']} after {seconds:.1f} s"
    if data["live"]:
        text += f"; live is {data['live']['label']}"
    if data["failure"]:
        text += f"; {data['failure']['reason']}"
    return text


if __name__ == "__main__":
    sys.exit(main())
