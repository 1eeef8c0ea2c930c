"""Say which ports of this machine somebody else has, before a cluster is started.

check_ports.py COMPOSE_FILE COMMAND.

Ports and their variables are read from the compose file. A line for each port that is taken, and one with the
command that would do; exit code 1 then. Ports that the same project publishes already are its own: it is
brought up again.
"""

import errno
import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

_PUBLISHED = re.compile(r"127\.0\.0\.1:\$\{(?P<variable>\w+):-(?P<default>\d+)\}:\d+")
#: what is proposed: the port and so much more
_STEP = 10_000


@dataclass(frozen=True, slots=True)
class Published:
    """A port that a service wants, and the variable that gives it another."""

    service: str
    variable: str
    port: int


def published(text: str, environ: Mapping[str, str]) -> list[Published]:
    """Return the ports of a compose file that have a variable, of services that always start."""
    found = []
    for name, service in yaml.safe_load(text)["services"].items():
        if service.get("profiles"):
            continue
        for match in map(_PUBLISHED.fullmatch, service.get("ports", [])):
            if match is None:
                continue
            wanted = environ.get(match["variable"]) or match["default"]
            # What is no port compose tells.
            if len(wanted) <= 5 and wanted.isdecimal() and int(wanted) < 65_536:
                found.append(Published(name, match["variable"], int(wanted)))
    return found


def is_taken(port: int) -> bool:
    """Say whether somebody has a port of loopback."""
    with socket.socket() as probe:
        # As engines do: connections that have just ended keep nobody from listening.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            # Small numbers may be refused to this user, and not to the engine.
            return error.errno == errno.EADDRINUSE
    with socket.socket() as probe:
        probe.settimeout(1)
        # Elsewhere than on Linux one may listen on an address besides somebody who listens on all.
        return probe.connect_ex(("127.0.0.1", port)) == 0


def complaints(wanted: Sequence[Published], own: frozenset[int], command: str) -> list[str]:
    """Return a line for each port that cannot be had, and a last one that says what to type.

    Args:
        wanted: what would be published.
        own: ports that the project publishes now.
        command: that the reader typed.
    """
    lines, settings = [], []
    proposed = {one.port for one in wanted}
    first: dict[int, Published] = {}
    for one in wanted:
        twice = first.setdefault(one.port, one)
        if twice is not one:
            why = f"is asked for by {twice.variable} as well"
        elif one.port not in own and is_taken(one.port):
            why = "is taken"
        else:
            continue
        other = _free_port(one.port, proposed)
        proposed.add(other)
        settings.append(f"{one.variable}={other}")
        lines.append(f"error: port {one.port} ({one.service}) {why}; choose another: {settings[-1]}")
    return [*lines, f"again: {' '.join(settings)} {command}"] if lines else []


def _free_port(port: int, avoided: set[int]) -> int:
    start = port + _STEP if port + _STEP < 32_768 else 1_024 + port % _STEP
    return next(other for other in range(start, 65_536) if other not in avoided and not is_taken(other))


def own_ports(project: str) -> frozenset[int]:
    """Return what containers of a project publish; nothing where no engine answers."""
    label = f"label=com.docker.compose.project={project}"
    listing = subprocess.run(
        ["docker", "ps", "--filter", label, "--format", "{{.Ports}}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return frozenset(int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)->", listing.stdout))


def main(file: str, command: str) -> int:
    """Tell, and return the exit code."""
    project = os.environ.get("COMPOSE_PROJECT_NAME") or "vaina"
    wanted = published(Path(file).read_text(), os.environ)
    try:
        own = own_ports(project)
    except OSError:
        # No engine yet, so nothing of ours.
        own = frozenset()
    lines = complaints(wanted, own, command)
    for line in lines:
        print(line, file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
