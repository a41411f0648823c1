"""Measures what a flip costs users: with twinslot, and with the usual script that reloads nginx. See
README.md.

    python -m lab.bench.flip                writes build/bench/flip.json and build/bench/flip.png

Both flip the same two processes behind the same nginx on one host, in turns, under the same load.
"""

import contextlib
import http.client
import json
import math
import os
import shutil
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lab.bench.chart import draw
from lab.bench.flip_methods import PLAIN_PORT, PLAIN_SERVER, FlipMethod, NginxReload, Twinslot, check_run
from lab.bench.wrk import CONNECTIONS, Counted, load
from lab.project import PORTS, ROOT
from lab.samples.build import build
from lab.sandbox.hosts.machine import Machine
from lab.sandbox.sandbox import Host, Sandbox, unavailable

RESULTS = ROOT / "build" / "bench"
LABELS = ("1.0.0", "2.0.0")
BLOCKS = 5
FLIPS_PER_BLOCK = 20
QUIET_SECONDS = 10.0
PAUSE_SECONDS = 0.1
THROUGHPUT_ROUNDS = 15
THROUGHPUT_SECONDS = 2.0
ANSWER_SECONDS = 20.0


@dataclass
class Flips:
    """The results of one method. Times are of each flip, in seconds from its call."""

    counted: Counted = field(default_factory=Counted)
    quiet: Counted = field(default_factory=Counted)
    to_new_slot: list[float] = field(default_factory=list)
    to_return: list[float] = field(default_factory=list)


def _until(condition: Callable[[], bool], otherwise: str, pause_seconds: float = 0.001) -> None:
    """Wait for a condition. Raises TimeoutError with `otherwise`."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(otherwise)
        time.sleep(pause_seconds)


def _answer(address: str, port: int) -> tuple[int, str]:
    """Return the status and the release of an answer on a new connection; 0 without an answer."""
    connection = http.client.HTTPConnection(address, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        return answer.status, answer.headers.get("X-Release", "")
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


def flip_once(method: FlipMethod, address: str, label: str, flips: Flips) -> None:
    """Flip once, and record the time until the new slot answered and until the call returned."""
    answered: list[float] = []

    def watch() -> None:
        _until(
            lambda: _answer(address, method.port) == (200, label), f"{method.name}: {label} does not answer"
        )
        answered.append(time.monotonic())

    watcher = threading.Thread(target=watch)
    began = time.monotonic()
    watcher.start()
    method.flip(label)
    flips.to_return.append(time.monotonic() - began)
    watcher.join()
    if not answered:
        raise TimeoutError(f"{method.name}: {label} did not answer after a flip")
    flips.to_new_slot.append(answered[0] - began)


def _until_served(address: str, port: int) -> None:
    """Wait until nginx serves this port: a reload returns before it is done."""
    _until(lambda: _answer(address, port)[0] == 200, f"nginx does not serve port {port}", 0.05)


def _until_settled(machine: Machine) -> None:
    """Wait until no worker of an earlier configuration is left: nginx runs one for each processor."""
    most = os.cpu_count() or 1

    def is_settled() -> bool:
        return check_run(machine, ["ps", "-eo", "args"]).count("nginx: worker process") <= most

    _until(is_settled, "old workers of nginx do not end", 0.1)


def measure_flips(host: Host, methods: list[FlipMethod]) -> dict[str, Flips]:
    """Measure BLOCKS blocks of flips of each method, in turns, each under its own load; before them, load
    only."""
    results = {method.name: Flips() for method in methods}
    for method in methods:
        _until_served(host.address, method.port)
    for method in methods:
        _until_settled(host.machine)
        with load(host.address, method.port) as counted:
            time.sleep(QUIET_SECONDS)
        results[method.name].quiet = counted
    for block in range(BLOCKS):
        for method in methods:
            flips = results[method.name]
            _until_settled(host.machine)
            with load(host.address, method.port) as counted:
                for number in range(FLIPS_PER_BLOCK):
                    flip_once(method, host.address, LABELS[number % 2], flips)
                    time.sleep(PAUSE_SECONDS)
            flips.counted.add(counted)
            print(
                f"block {block + 1} of {BLOCKS}: {method.name:8} lost {counted.lost:5} of {counted.requests}"
            )
    return results


def measure_throughput(host: Host) -> dict[str, list[float]]:
    """Measure requests a second through the product's server and a plain one, in turns."""
    check_run(host.machine, ["systemctl", "stop", "twinslot-shop@blue", "twinslot-shop@green"])
    host.machine.write("/etc/nginx/conf.d/plain.conf", PLAIN_SERVER)
    check_run(host.machine, ["nginx", "-s", "reload"])
    _until_served(host.address, PLAIN_PORT)
    _until_settled(host.machine)
    rates: dict[str, list[float]] = {Twinslot.name: [], "plain": []}
    for _ in range(THROUGHPUT_ROUNDS):
        for name, port in ((Twinslot.name, Twinslot.port), ("plain", PLAIN_PORT)):
            with load(host.address, port) as counted:
                time.sleep(THROUGHPUT_SECONDS)
            if counted.lost:
                raise RuntimeError(f"{name} loses requests without a flip: {counted.errors}")
            rates[name].append(round(counted.requests / counted.seconds))
    return rates


def summary(flips: dict[str, Flips], rates: dict[str, list[float]]) -> dict[str, Any]:
    """Return the results for JSON. Times are seconds, rates requests a second."""

    def of(times: list[float]) -> dict[str, Any]:
        ordered = sorted(times)
        p99 = ordered[math.ceil(len(ordered) * 0.99) - 1]
        each = [round(seconds, 4) for seconds in times]
        return {"median": round(statistics.median(times), 4), "p99": round(p99, 4), "each": each}

    def about(counted: Counted) -> dict[str, Any]:
        return {"requests": counted.requests, "lost": counted.lost, "errors": counted.errors}

    medians = {name: statistics.median(each) for name, each in rates.items()}
    # Per round: the machine's other load affects both.
    ratio = statistics.median(ours / plain for ours, plain in zip(*rates.values(), strict=True))
    return {
        "flips": BLOCKS * FLIPS_PER_BLOCK,
        "connections": CONNECTIONS,
        "processors": os.cpu_count(),
        **{
            name: {
                **about(result.counted),
                "without_flips": about(result.quiet),
                "seconds_to_new_slot": of(result.to_new_slot),
                "seconds_to_return": of(result.to_return),
            }
            for name, result in flips.items()
        },
        "throughput": {
            "each": rates,
            **medians,
            "ratio": round(ratio, 3),
        },
    }


@contextlib.contextmanager
def two_releases() -> Iterator[tuple[Host, dict[str, dict[str, Any]], dict[str, int]]]:
    """Deploy two releases to a host; yield the host, the releases and the ports that they serve."""
    with Sandbox() as sandbox:
        host = sandbox.add_host("shop")
        sandbox.set("shop", {"bake_seconds": 1, "keep_warm_seconds": 7200})
        releases = {}
        for label in LABELS:
            jar = build(RESULTS, label)
            after = len(sandbox.announcements)
            sandbox.upload(jar, f"shop/{jar.name}")
            releases[label] = sandbox.wait_for("shop", "LIVE", 120, after=after).data["release"]
        ports = {}
        for port in PORTS.values():
            answer = check_run(host.machine, ["/usr/bin/python3", "-c", ASK, str(port)])
            ports[answer.strip()] = port
        yield host, releases, ports


ASK = """
import sys, urllib.request
print(urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/").headers["X-Release"])
"""


def main() -> int:
    """Measure, print and write.

    Return 1 when the product loses requests, 2 when this machine cannot run it.
    """
    reason = unavailable() or (None if shutil.which("wrk") else "wrk is missing; lab/setup.sh installs it")
    if reason:
        print(reason, file=sys.stderr)
        return 2
    RESULTS.mkdir(parents=True, exist_ok=True)
    with two_releases() as (host, releases, ports):
        flips = measure_flips(
            host, [Twinslot(host.machine, releases), NginxReload(host.machine, ports, LABELS[-1])]
        )
        rates = measure_throughput(host)
    result = summary(flips, rates)
    (RESULTS / "flip.json").write_text(json.dumps(result, indent=1) + "\n")
    draw(RESULTS / "flip.png", result)
    for name in flips:
        method = result[name]
        first, call = method["seconds_to_new_slot"], method["seconds_to_return"]
        print(
            f"{name:9} lost {method['lost']} of {method['requests']} requests in {result['flips']} flips; "
            f"{first['median'] * 1000:.0f} ms from call to new slot (p99 {first['p99'] * 1000:.0f}), "
            f"{call['median'] * 1000:.0f} ms to the call's end"
        )
    rate = result["throughput"]
    print(f"throughput {rate['twinslot']:.0f}/s, plain {rate['plain']:.0f}/s: ratio {rate['ratio']:.1%}")
    return 1 if result[Twinslot.name]["lost"] else 0


if __name__ == "__main__":
    sys.exit(main())
