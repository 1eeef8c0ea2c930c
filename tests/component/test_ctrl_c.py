"""Ctrl-C on a terminal, while a command waits for a real apiserver: 130, no traceback, a clean line."""

import os
import pty
import select
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.apiserver_process import ApiserverProcess
from vaina.testing.builders import make_pod

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[2]
#: seconds until a command that runs shows it
PATIENCE = 60.0


@pytest.fixture
async def server() -> AsyncIterator[ApiserverProcess]:
    """An apiserver with a Pod that gets no node, and one that cannot go."""
    process = ApiserverProcess("")
    try:
        await process.start()
        client = process.client()
        await client.pods.create(make_pod("web", namespace="default"))
        kept = make_pod("kept", namespace="default")
        kept.metadata.finalizers.append("example.com/stays")
        await client.pods.create(kept)
        await client.close()
        yield process
    finally:
        process.close()


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


@pytest.mark.parametrize(
    ("words", "sign"),
    [
        (("get", "pods", "-w"), "web"),
        (("wait", "pod/web", "--for=condition=Ready", "--timeout=100s"), "waiting for pods/web"),
        (("delete", "pod", "kept"), "waiting for pods/kept to be gone"),
        (("trace", "web", "-w"), "ADMITTED"),
    ],
    ids=str,
)
def test_ctrl_c_ends_what_waits(server: ApiserverProcess, words: tuple[str, ...], sign: str) -> None:
    master, slave = pty.openpty()
    # A session of its own, with the terminal to command it: Ctrl-C is a key there and a signal here.
    start = "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    start += "sys.argv[:1] = []; import runpy; runpy.run_module('cli', run_name='__main__')"
    environment = {"VAINA_SERVER": server.target, "VAINA_CERT_DIR": "", "PATH": os.defpath, "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-c", start, "vaina", *words], cwd=ROOT, env=environment, stdin=slave, stdout=slave,
        stderr=slave,
    )  # fmt: skip
    os.close(slave)
    try:
        seen = read_until(master, sign)
        assert sign in seen, seen
        os.write(master, b"\x03")
        seen += read_until(master, "no such text: all of it")
        assert process.wait(PATIENCE) == 130, seen
    finally:
        process.kill()
        process.wait()
        os.close(master)
    assert "Traceback" not in seen
    assert "Error" not in seen
