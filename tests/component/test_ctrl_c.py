"""Ctrl-C on a terminal, while a command waits: 130, no traceback, a clean line, and the terminal as it was.

The command is a process; the apiserver and the kubelet of its node are this one, over sockets.
"""

import asyncio
import os
import pty
import select
import subprocess
import sys
import termios
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.component.test_session_ends import Plane, made_plane
from vaina.api.core.v1 import event_pb2
from vaina.testing.builders import make_pod

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[2]
#: seconds until a command that runs shows it
PATIENCE = 60.0
#: in raw mode Ctrl-C is a byte for the command, which ends as most do then
READS = "echo reads; head -c1 >/dev/null; exit 130"


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    """A Pod that runs, one that gets no node, and one that cannot go."""
    async with made_plane() as plane:
        running = await plane.client.pods.get("web", "default")
        running.status.phase, running.status.pod_ip = "Running", "127.0.0.1"
        running.status.pod_ips.add(ip="127.0.0.1")
        state = running.status.container_statuses.add(name="app", ready=True, started=True)
        state.state.running.started_at.GetCurrentTime()
        await plane.client.pods.update_status(running)
        await plane.client.pods.create(make_pod("waits", namespace="default"))
        kept = make_pod("kept", namespace="default")
        kept.metadata.finalizers.append("example.com/stays")
        await plane.client.pods.create(kept)
        event = event_pb2.Event(reason="Looked", message="At it", type="Normal")
        event.metadata.name, event.metadata.namespace = "looked", "default"
        event.involved_object.kind, event.involved_object.name = "Pod", "web"
        event.involved_object.namespace = "default"
        await plane.client.events.create(event)
        yield plane


def read_until(master: int, sign: str) -> str:
    """Read what a command writes until a sign comes, or the command ends."""
    seen = b""
    while sign.encode() not in seen and select.select([master], [], [], PATIENCE)[0]:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        seen += part
    return seen.decode(errors="replace")


def interrupted(server: str, home: Path, words: tuple[str, ...], sign: str) -> tuple[int, str]:
    """Type Ctrl-C when a command has shown a sign; return its exit code, and all that it wrote."""
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    # A session of its own, with the terminal to command it: Ctrl-C is a key there and a signal here.
    # It acts as in a shell, also where the tests were started in the background, which ignores the signal.
    start = "import fcntl, os, signal, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    start += "signal.signal(signal.SIGINT, signal.default_int_handler); "
    start += "sys.argv[:1] = []; import runpy; runpy.run_module('cli', run_name='__main__')"
    environment = {
        "VAINA_SERVER": server, "VAINA_CERT_DIR": "", "PATH": os.defpath, "TERM": "xterm", "HOME": str(home),
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-c", start, "vaina", *words], cwd=ROOT, env=environment, stdin=slave, stdout=slave,
        stderr=slave,
    )  # fmt: skip
    try:
        seen = read_until(master, sign)
        assert sign in seen, seen
        os.write(master, b"\x03")
        code = process.wait(PATIENCE)
        # Whatever mode it was in.
        assert termios.tcgetattr(slave) == before
        os.close(slave)
        slave = -1
        return code, seen + read_until(master, "no such text: all of it")
    finally:
        process.kill()
        process.wait()
        os.close(master)
        if slave >= 0:
            os.close(slave)


@pytest.mark.parametrize(
    ("words", "sign"),
    [
        (("get", "pods", "-w"), "kept"),
        (("events", "-w"), "Looked"),
        (("wait", "pod/waits", "--for=condition=Ready", "--timeout=100s"), "waiting for pods/waits"),
        (("delete", "pod", "kept"), "waiting for pods/kept to be gone"),
        (("trace", "waits", "-w"), "ADMITTED"),
        (("logs", "-f", "web"), "started"),
        (("exec", "web", "--", "sh", "-c", "echo runs; sleep 1000"), "runs"),
        (("exec", "-i", "web", "--", "sh", "-c", "echo runs; sleep 1000"), "runs"),
        (("exec", "-t", "web", "--", "sh", "-c", "echo runs; sleep 1000"), "runs"),
        (("exec", "-it", "web", "--", "sh", "-c", READS), "reads"),
        (("attach", "web"), "try pressing enter"),
        (("attach", "-i", "web"), "try pressing enter"),
        (("port-forward", "web", ":80"), "Forwarding from 127.0.0.1"),
        (("learn", "A1"), "[Enter"),
        (("load", "run", "SchedulingBasic/5Nodes_20Pods"), "Pods"),
    ],
    ids=str,
)
async def test_ctrl_c_ends_what_waits(
    plane: Plane, tmp_path: Path, words: tuple[str, ...], sign: str
) -> None:
    target = plane.to_apiserver.target
    code, seen = await asyncio.to_thread(interrupted, target, tmp_path, words, sign)
    assert code == 130, seen
    assert "Traceback" not in seen
    assert "Error" not in seen
