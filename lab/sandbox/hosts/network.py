"""The machines' network: a bridge with a private subnet that nothing else here uses.

Each machine has a network namespace that is complete before the machine boots, as an EC2 host has its address
from the start. There is no route to the outside: a host reaches this machine and the other hosts only.
"""

import ipaddress
import json
import secrets
import subprocess
from pathlib import Path

# The first free subnet of a range that is seldom used.
_RANGE = ipaddress.IPv4Network("10.213.0.0/16")
PREFIX = 24


def _ip(*arguments: str) -> str:
    """Return the output of ip(8). Raises RuntimeError with its error message."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _ip_in(namespace: Path, *commands: str) -> None:
    """Run several ip commands in a network namespace. Raises RuntimeError."""
    argv = ["nsenter", f"--net={namespace}", "ip", "-batch", "-"]
    done = subprocess.run(argv, input="\n".join(commands), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"network in {namespace}: {done.stderr.strip()}")


def _taken() -> list[ipaddress.IPv4Network]:
    """Return every IPv4 network to which this machine has a route, without the default route."""
    routes = json.loads(_ip("-4", "-j", "route", "show", "table", "all"))
    named = [ipaddress.ip_network(r["dst"], strict=False) for r in routes if r["dst"] != "default"]
    return [network for network in named if isinstance(network, ipaddress.IPv4Network)]


def choose_subnet(taken: list[ipaddress.IPv4Network]) -> ipaddress.IPv4Network:
    """Return the first candidate that overlaps none of the taken ones.

    Raises RuntimeError when none is left.
    """
    for candidate in _RANGE.subnets(new_prefix=PREFIX):
        if not any(candidate.overlaps(network) for network in taken):
            return candidate
    raise RuntimeError(f"no free subnet in {_RANGE}: remove bridges that are not needed")


class Network:
    """A bridge `name` (at most 11 characters); `gateway` is this machine's address on it.

    Hold a lock while creating one: two at the same time could choose the same subnet.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.subnet = choose_subnet(_taken())
        self.gateway = str(self.subnet[1])
        self._given = 0
        _ip("link", "add", name, "type", "bridge")
        # Without a fixed MAC address a bridge changes it when a link is added or removed, and hosts that
        # cached the old one lose the connection for seconds. The first octet means: locally administered.
        octets = ["02", *(f"{octet:02x}" for octet in secrets.token_bytes(5))]
        _ip("link", "set", name, "address", ":".join(octets))
        _ip("address", "add", f"{self.gateway}/{PREFIX}", "dev", name)
        _ip("link", "set", name, "up")

    def reserve(self) -> int:
        """Return the number of the next machine; not thread-safe."""
        self._given += 1
        return self._given

    def connect(self, number: int, namespace: Path) -> str:
        """Connect machine `number`: create eth0 in its network namespace and return its address.

        The other end is removed with the namespace, when its last process has ended.
        """
        address = str(self.subnet[10 + number])
        link_name = f"{self.name}.{number}"
        peer = f"{self.name}p{number}"
        _ip("link", "add", link_name, "type", "veth", "peer", "name", peer)
        _ip("link", "set", link_name, "master", self.name, "up")
        _ip("link", "set", peer, "netns", str(namespace))
        _ip_in(
            namespace,
            "link set lo up",
            f"link set {peer} name eth0",
            f"address add {address}/{PREFIX} dev eth0",
            "link set eth0 up",
            f"route add default via {self.gateway}",
        )
        return address


def remove(name: str) -> None:
    """Remove the bridge and its links; nothing to do when there is none."""
    links = json.loads(_ip("-j", "link", "show"))
    for link in links:
        if link["ifname"] == name or link["ifname"].startswith((f"{name}.", f"{name}p")):
            # The kernel may be removing the link with its machine.
            subprocess.run(["ip", "link", "delete", link["ifname"]], capture_output=True)
    left = [link["ifname"] for link in json.loads(_ip("-j", "link", "show")) if link["ifname"] == name]
    if left:
        raise RuntimeError(f"the bridge {name} cannot be removed")
