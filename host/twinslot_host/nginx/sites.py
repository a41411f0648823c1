"""The servers of nginx beside ours, from the configuration that `nginx -T` prints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

FOLDER = "/etc/nginx/"  # what the name of an included file is relative to
FILE = re.compile(r"^# configuration file (.+):$", re.M)
PIECE = re.compile(r"""#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[{};]|(?:\$\{\w+\}|[^\s{};])+""")
PASSES = ("proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass")


class Directive(NamedTuple):
    """A directive: its file, the number of its `server` block (0: in none), its words."""

    file: str
    server: int
    words: list[str]


def directives(text: str, own: str) -> Iterator[Directive]:
    """Yield every directive of the configuration, except those of our file."""
    parts, servers = FILE.split(text), 0
    for file, content in zip(parts[1::2], parts[2::2]):
        blocks: list[str] = []
        words: list[str] = []
        for piece in PIECE.findall(content if file != own else ""):
            if piece.startswith("#"):
                continue
            if piece not in ("{", "}", ";"):
                words.append(piece.strip("\"'"))
                continue
            if piece == "{":
                blocks.append(words[0] if words else "")
                servers += blocks[-1] == "server"
            elif piece == "}":
                del blocks[-1:]
            elif words:
                yield Directive(file, servers if "server" in blocks else 0, words)
            words = []


def claim(address: str) -> tuple[str, str]:
    """Return the one address of a `listen` ("": all addresses), and its port."""
    host, _, port = address.rpartition(":")
    if address.isdigit():
        host, port = "", address
    elif not port.isdigit():
        host, port = address, "80"
    return host.strip("*0.[]:"), port


def rivals_in(text: str, own: str) -> list[str]:
    """Return the other `listen` on port 80 that take precedence: default_server, or for one address."""
    found = []
    for file, _, (name, *words) in directives(text, own):
        if name == "listen" and words and not words[0].startswith("unix:"):
            host, port = claim(words[0])
            if port == "80" and ("default_server" in words or host):
                found.append(f"`listen {' '.join(words)}` in {file}")
    return found


def sites_replaced_in(text: str, own: str, names: list[str]) -> list[str]:
    """Return the files of servers on port 80 whose requests our server would get instead.

    Ours answers to these names, and to all names that no other server has. Only servers that pass requests to
    a process count.
    """
    servers: dict[int, list[Directive]] = {}
    passing = set()
    for directive in directives(text, own):
        servers.setdefault(directive.server, []).append(directive)
        if directive.words[0] in PASSES:
            passing.add(directive.file)
    servers.pop(0, None)

    def passes(words: list[str]) -> bool:
        pattern = words[-1] if words[-1].startswith("/") else FOLDER + words[-1]
        return words[0] in PASSES or (
            words[0] == "include" and any(fnmatchcase(file, pattern) for file in passing)
        )

    found = set()
    for server in servers.values():
        listens = [each.words[1] for each in server if each.words[0] == "listen" and each.words[1:]]
        named = {word for each in server if each.words[0] == "server_name" for word in each.words[1:]}
        named -= {"_", ""}
        if (
            any(claim(listen) == ("", "80") for listen in listens or ["80"])
            and (not named or named.intersection(names))
            and any(passes(each.words) for each in server)
        ):
            found.add(server[0].file)
    return sorted(found)
