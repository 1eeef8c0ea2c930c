"""The health checks of the compose files that ask over HTTP.

They tell good from bad, and leave nothing behind when the engine ends them.
"""

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
FILES = ("docker-compose.yml", "docker-compose.self-hosted.yml")
#: on loopback, and for Prometheus, which is somebody else's program, where it listens
PORT = re.compile(r"/dev/tcp/(?:127\.0\.0\.1|prometheus-on-browser)/(\d+)")


def checks() -> dict[str, list[str]]:
    """Return the commands of all checks that bash runs, as the engine gets them.

    Compose reads $$ as a dollar.
    """
    found = {}
    for file in FILES:
        for name, service in yaml.safe_load((ROOT / file).read_text())["services"].items():
            kind, *command = service.get("healthcheck", {}).get("test", ("NONE", ""))
            if kind == "CMD" and command[0].endswith("bash"):
                found[f"{file} {name}"] = [word.replace("$$", "$") for word in command]
    return found


CHECKS = checks()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Listen; a check is heard and answered by the test."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(30)
        yield listening


def begun(name: str, listener: socket.socket) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a check against the listener, and return it with its connection when it has asked."""
    command = [PORT.sub(f"/dev/tcp/127.0.0.1/{listener.getsockname()[1]}", word) for word in CHECKS[name]]
    check = subprocess.Popen(command)
    connection, _ = listener.accept()
    connection.settimeout(30)
    asked = b""
    while b"\r\n\r\n" not in asked:
        asked += connection.recv(4096)
    path = b"/-/healthy" if name.endswith(" prometheus") else b"/healthz"
    assert asked == b"GET %s HTTP/1.0\r\n\r\n" % path
    return check, connection


def test_there_are_such_checks() -> None:
    assert {name.rpartition(" ")[2] for name in CHECKS} >= {
        "apiserver",
        "scheduler",
        "controller",
        "node",
        "node-containerd",
    }


@pytest.mark.parametrize(
    ("answer", "healthy"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", True),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\n200", False),
        (b"", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", CHECKS)
def test_a_check_believes_the_first_line(
    name: str, answer: bytes, healthy: bool, listener: socket.socket
) -> None:
    check, connection = begun(name, listener)
    with connection:
        connection.sendall(answer)
    assert (check.wait(30) == 0) is healthy


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_that_is_killed_leaves_no_process(name: str, listener: socket.socket) -> None:
    check, connection = begun(name, listener)
    with connection:
        children = Path(f"/proc/{check.pid}/task/{check.pid}/children")
        try:
            # It has asked and waits for an answer: whoever holds its end of the connection lives on.
            connection.sendall(b"HTTP/1.1 200")
            _until_it_waits(check.pid)
            left = children.read_text().split()
        finally:
            check.kill()
            check.wait(30)
        for pid in left:
            os.kill(int(pid), 9)
    assert left == []


def _until_it_waits(pid: int) -> None:
    """Return when a process sleeps: it has started all that it starts."""
    while True:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
        if state == "S":
            return
