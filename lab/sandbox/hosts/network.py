"""The machines' network: a bridge of its own with a private subnet that nothing else here uses.

Each machine's end is a network namespace that is whole before the machine boots, as an EC2 host has its
address from the start. There is no way to the outside: a host reaches this machine and the other hosts.
"""

import ipaddress
import json
import secrets
import subprocess
from pathlib import Path

# The first subnet in it that overlaps nothing is taken. The range has no meaning; it is merely seldom used.
_RANGE = ipaddress.IPv4Network("10.213.0.0/16")
PREFIX = 24


def _ip(*arguments: str) -> str:
    """What ip(8) prints. Raises RuntimeError with its own words when it fails."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _ip_in(namespace: Path, *commands: str) -> None:
    """Does several ip commands within a network namespace."""
    argv = ["nsenter", f"--net={namespace}", "ip", "-batch", "-"]
    done = subprocess.run(argv, input="\n".join(commands), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"network in {namespace}: {done.stderr.strip()}")


def _taken() -> list[ipaddress.IPv4Network]:
    """Every IPv4 network that this machine has a route to, but for the one to everywhere."""
    routes = json.loads(_ip("-4", "-j", "route", "show", "table", "all"))
    named = [ipaddress.ip_network(r["dst"], strict=False) for r in routes if r["dst"] != "default"]
    return [network for network in named if isinstance(network, ipaddress.IPv4Network)]


def choose_subnet(taken: list[ipaddress.IPv4Network]) -> ipaddress.IPv4Network:
    """The first candidate that overlaps none of the taken ones. Raises RuntimeError when none is left."""
    for candidate in _RANGE.subnets(new_prefix=PREFIX):
        if not any(candidate.overlaps(network) for network in taken):
            return candidate
    raise RuntimeError(f"no free subnet in {_RANGE}: remove bridges that are not needed")


class Network:
    """A bridge `name` (at most 11 characters); `gateway` is this machine's address on it.

    Two that are made at once must hold a lock, or they may choose the same subnet.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.subnet = choose_subnet(_taken())
        self.gateway = str(self.subnet[1])
        self._given = 0
        _ip("link", "add", name, "type", "bridge")
        # A bridge without an address of its own takes another one when a cable comes or goes, and hosts that
        # know the old one find nobody for many seconds. The first octet says: locally administered.
        octets = ["02", *(f"{octet:02x}" for octet in secrets.token_bytes(5))]
        _ip("link", "set", name, "address", ":".join(octets))
        _ip("address", "add", f"{self.gateway}/{PREFIX}", "dev", name)
        _ip("link", "set", name, "up")

    def reserve(self) -> int:
        """The number of the next machine; not to be called by two threads at once."""
        self._given += 1
        return self._given

    def connect(self, number: int, namespace: Path) -> str:
        """Plugs machine `number` in: eth0 in its network namespace, with the address that is returned.

        The cable's other end goes with the namespace, when its last process is gone.
        """
        address = str(self.subnet[10 + number])
        cable = f"{self.name}.{number}"
        peer = f"{self.name}p{number}"
        _ip("link", "add", cable, "type", "veth", "peer", "name", peer)
        _ip("link", "set", cable, "master", self.name, "up")
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
    """Removes the bridge and the cables in it; nothing to do when there is none."""
    links = json.loads(_ip("-j", "link", "show"))
    for link in links:
        if link["ifname"] == name or link["ifname"].startswith((f"{name}.", f"{name}p")):
            # A cable goes by itself with its machine, perhaps at this moment.
            subprocess.run(["ip", "link", "delete", link["ifname"]], capture_output=True)
    left = [link["ifname"] for link in json.loads(_ip("-j", "link", "show")) if link["ifname"] == name]
    if left:
        raise RuntimeError(f"the bridge {name} cannot be removed")
