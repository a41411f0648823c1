"""`make demo`: five deployments to one real host under keep-alive load, and what became of every request.

1.0.0 goes live; then, with users on it, 2.0.0 goes live, 3.0.0 never gets healthy, 4.0.0 turns to 5xx in its
bake, and a rollback makes 1.0.0 live again. Everything is done as a person with an AWS account would do it:
an SSM command provisions the host, a put uploads a jar, an invocation rolls back.

It leaves summary.json (see summary.py), traffic.png and records.tsv (a line a request, see traffic.py) in
build/demo. It exits with 0 only if every deployment ended as it should and no request was lost, with 2 where
it cannot run at all.
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
"""Short, so that the demo is: a jar of the sample's is up in a second."""

REQUESTS_PER_SECOND = 300
CONNECTIONS = 32
PAUSE_SECONDS = 2
"""Between deployments: users on one release, for the picture."""

DEADLINE_SECONDS = 60
PROVISION_SECONDS = 120
"""nginx is downloaded and installed."""

COMMANDS = "EC2 Command Status-change Notification"
PHASES = {"stage": "staging", "flip": "flipping", "bake": "baking", "revert": "reverting"}


@dataclass(frozen=True)
class Act:
    """One deployment of the demo, and how it has to end. What is not an upload is a rollback."""

    label: str
    outcome: str
    faults: str = ""
    uploads: bool = True


FIRST = Act("1.0.0", "LIVE")
MEASURED = Act("2.0.0", "LIVE")
UNSEEN = Act("3.0.0", "FAILED", "never-healthy")
BAD = Act("4.0.0", "REVERTED", "errors-after=live+2")
UNDER_LOAD = (MEASURED, UNSEEN, BAD, Act("1.0.0", "LIVE", uploads=False))
EXPECTED = [(act.label, act.outcome) for act in (FIRST, *UNDER_LOAD)]


class Demo:
    """The acts, on a sandbox with one host. `ended` has the deployments so far."""

    def __init__(self, sandbox: Sandbox, jars: Mapping[Act, Path], progress: Progress) -> None:
        self._sandbox = sandbox
        self._jars = jars
        self._progress = progress
        self._ids: dict[str, str] = {}
        self.ended: list[Ended] = []

    def provision(self, host: Host) -> None:
        """Have the product prepare the bare host. Raises RuntimeError when it could not."""
        ssm = self._sandbox.client("ssm")
        sent = ssm.send_command(
            DocumentName=self._sandbox.outputs["HostDocumentName"],
            InstanceIds=[host.instance_id],
            Parameters={"verb": ["provision"], "step": ["provision"], "app": [APP]},
        )
        where = {"CommandId": sent["Command"]["CommandId"], "InstanceId": host.instance_id}
        deadline = time.monotonic() + PROVISION_SECONDS
        while (found := ssm.get_command_invocation(**where))["Status"] in ("Pending", "InProgress"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"provisioning {host.address} took over {PROVISION_SECONDS} s")
            time.sleep(0.2)
        if found["Status"] != "Success":
            raise RuntimeError(f"{host.address} was not provisioned: {found['StandardOutputContent']}")

    def perform(self, act: Act) -> None:
        """Ask for the deployment and wait until its outcome is announced, whatever it is."""
        self._progress.about = act.label
        if act.uploads:
            jar = self._jars[act]
            key = f"{APP}/{jar.name}"
            self._progress.tell(f"uploading {key}" + (f", whose fault is {act.faults}" if act.faults else ""))
            asked = time.time()
            self._sandbox.upload(jar, key)
            told = self._announcement(lambda data: data["key"] == key)
        else:
            self._progress.tell("asking for a rollback")
            asked = time.time()
            answer = self._sandbox.invoke("Rollback", {"app": APP, "to": act.label})
            told = self._announcement(lambda data: data["deployment"] == answer["deployment"])
        data = told.data
        phases = {name: spent for name, spent in data["seconds"].items() if name in summary.PHASES}
        self._ids[act.label] = data["deployment"]
        self.ended.append(Ended(act.label, data["kind"], data["outcome"], asked, told.at, phases))
        self._progress.tell(_verdict(data, told.at - asked))

    def cost_of(self, act: Act) -> Cost:
        """What this deployment cost, which went LIVE."""
        ended = next(each for each in self.ended if each.label == act.label)
        ssm, invocations = self._sandbox.client("ssm"), self._sandbox.invocations
        bake = float(SETTINGS["bake_seconds"])
        return cost(ssm, invocations, self._ids[act.label], ended.asked, ended.told, bake)

    def _announcement(self, wanted: Callable[[dict[str, Any]], bool]) -> Announcement:
        return self._sandbox.announcements.wait_for(
            lambda each: each.attributes.get("app") == APP and each.tells_an_end and wanted(each.data),
            DEADLINE_SECONDS,
        )


def main() -> int:
    """The demo's exit code."""
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
        print("the demo cannot run here: another one runs in this checkout")
        return 2
    except KeyboardInterrupt:
        print("\nstopped; nothing of it is left running")
        return 130
    except (RuntimeError, TimeoutError) as error:
        print(f"the demo broke off: {error}")
        return 1


def _show(progress: Progress) -> tuple[list[Ended], Traffic, Cost | None]:
    """The deployments, the traffic, and what the measured one cost unless it went wrong."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for name in ("summary.json", "traffic.png", "records.tsv"):
        (RESULTS / name).unlink(missing_ok=True)
    jars = {
        act: build(RESULTS / "jars", act.label, act.faults) for act in (FIRST, *UNDER_LOAD) if act.uploads
    }
    progress.about = "aws"
    progress.tell("making the stack of template.yaml")
    with Sandbox(listener=Listener(event=lambda event: tell_phase(progress, event))) as sandbox:
        demo = Demo(sandbox, jars, progress)
        progress.about = "host"
        progress.tell("booting")
        host = sandbox.add_host(APP)
        progress.tell(f"{host.address} is up; the product provisions it")
        demo.provision(host)
        progress.tell("provisioned")
        sandbox.set(APP, SETTINGS)
        demo.perform(FIRST)
        if demo.ended[0].outcome != FIRST.outcome:
            raise RuntimeError("without a first release there is nothing to show")
        traffic = _under_load(demo, host.address, progress)
        spent = demo.cost_of(MEASURED) if demo.ended[1].outcome == MEASURED.outcome else None
    return demo.ended, traffic, spent


def _under_load(demo: Demo, address: str, progress: Progress) -> Traffic:
    """The rest of the acts, with users on the host from before the first until after the last."""
    with Load(address, RESULTS / "records.tsv", REQUESTS_PER_SECOND, CONNECTIONS) as load:
        progress.about = "users"
        progress.tell(f"{REQUESTS_PER_SECOND} requests a second on {CONNECTIONS} connections")
        progress.status = lambda: (
            f"          {load.requests:,} requests, {load.not_served:,} of them not served"
        )
        for act in UNDER_LOAD:
            time.sleep(PAUSE_SECONDS)
            demo.perform(act)
        time.sleep(PAUSE_SECONDS)
        progress.status = lambda: ""
        return load.stop(bad_release=BAD.label)


def _conclude(ended: list[Ended], traffic: Traffic, spent: Cost | None) -> int:
    """Write and print what it came to; the exit code."""
    (RESULTS / "summary.json").write_text(json.dumps(summary.as_json(ended, traffic, spent), indent=2) + "\n")
    draw(RESULTS / "traffic.png", ended, traffic)
    print(f"\n{summary.as_table(ended, traffic)}\n")
    print(f"half of the answers came within {traffic.quantile(0.5) * 1000:.1f} ms, 99 % within", end=" ")
    print(f"{traffic.quantile(0.99) * 1000:.1f} ms, all within {traffic.quantile(1.0) * 1000:.0f} ms")
    if spent:
        print(f"{MEASURED.label}: {spent.controller_ms:.0f} ms of handlers' time in all,", end=" ")
        print(f"{spent.overhead_seconds:.2f} s from upload to LIVE less start, bake and SSM's latency")
    print("build/demo has summary.json and traffic.png")
    failings = summary.failings(ended, EXPECTED, traffic, UNSEEN.label)
    for failing in failings:
        print(f"NOT AS PROMISED: {failing}")
    return 1 if failings else 0


def tell_phase(progress: Progress, event: dict[str, Any]) -> None:
    """A command that begins on the host is a phase that begins."""
    if event["detail-type"] != COMMANDS or event["detail"]["status"] != "InProgress":
        return
    step = event["detail"]["parameters"]["step"][0]
    phase = PHASES.get(step.partition("-")[0])
    if phase:
        progress.tell(phase)


def _verdict(data: dict[str, Any], seconds: float) -> str:
    text = f"{data['outcome']} after {seconds:.1f} s"
    if data["live"]:
        text += f"; live is {data['live']['label']}"
    if data["failure"]:
        text += f"; {data['failure']['reason']}"
    return text


if __name__ == "__main__":
    sys.exit(main())
