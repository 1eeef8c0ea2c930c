"""Streams of running Pods on real nodes, with the command as a user has it.

Attach, run -i, port-forward, cp, logs over a restart.
"""

import json
import shlex
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.beside import beside, line
from tests.support.cluster import ROOT, CommandError
from tests.support.manifests import container, pod
from tests.support.workspace import Workspace, status_of

pytestmark = [pytest.mark.timeout(300), pytest.mark.beside_others]


def test_a_container_is_attached_to_and_its_code_is_ours(space: Workspace) -> None:
    script = "read word; echo heard $word; exit 3"
    arguments = (
        "tool",
        "--image=busybox:1.37",
        "--image-pull-policy=IfNotPresent",
        "-i",
        "--rm",
        "--restart=Never",
        "--pod-running-timeout=3m",
    )
    with pytest.raises(CommandError) as ended:
        space.cli("run", *arguments, "--", "sh", "-c", script, stdin="hello\n", timeout=240)
    said = str(ended.value)
    assert "ended with 3\n" in said
    assert "heard hello\n" in said
    assert 'pod "tool" deleted' in said


def overrides(space: Workspace) -> str:
    """Have `run` make its Pod for the sort of nodes that the test is about."""
    return json.dumps(space.pinned({"kind": "Pod", "spec": {}}), default=dict)


@pytest.mark.both_runtimes
@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
def test_a_command_that_ends_at_once_is_heard_and_ends_ours(space: Workspace, terminal: bool) -> None:
    words = [
        "run", "-it" if terminal else "-i", "--rm", "tool", "-n", space.namespace, "--image=busybox:1.37",
        "--image-pull-policy=IfNotPresent", "--restart=Never", "--pod-running-timeout=3m",
        f"--overrides={overrides(space)}", "--", "echo", "hi there",
    ]  # fmt: skip
    command = [sys.executable, "-m", "cli", *words]
    done = subprocess.run(
        ["script", "-qec", shlex.join(command), "/dev/null"] if terminal else command,
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        env={
            **space.cluster.command_env, "PATH": "/usr/bin:/bin", "TERM": "xterm",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.replace("\r", "").splitlines().count("hi there") == 1, done.stdout + done.stderr
    assert 'pod "tool" deleted' in done.stdout + done.stderr


def test_attach_joins_a_process_that_runs(space: Workspace) -> None:
    space.start(pod("talker", container(script="while read word; do echo heard $word; done", stdin=True)))
    with beside(space, "attach", "talker", "-i", "-q") as attached:
        assert attached.stdin is not None
        attached.stdin.write("one\n")
        attached.stdin.flush()
        assert line(attached) == "heard one\n"
    # The process outlives who was attached to it.
    assert status_of(space.pod("talker")).restart_count == 0


@pytest.mark.requirement("B16")
def test_a_port_leads_to_the_pods_own_loopback(space: Workspace) -> None:
    script = "mkdir /www; head -c 2000000 /dev/zero > /www/big; exec httpd -f -p 127.0.0.1:8080 -h /www"
    asked = ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/big"]
    listens = {"exec": {"command": asked}, "periodSeconds": 1, "timeoutSeconds": 5}
    space.start(pod("server", container(script=script, readinessProbe=listens)))
    with beside(space, "port-forward", "server", ":8080", "--address=127.0.0.1") as forwarding:
        first = line(forwarding)
        local = first.removeprefix("Forwarding from 127.0.0.1:").partition(" ")[0]
        assert first == f"Forwarding from 127.0.0.1:{local} -> 8080\n"
        with urllib.request.urlopen(f"http://127.0.0.1:{local}/big", timeout=60) as answer:
            assert answer.read() == bytes(2_000_000)
        assert line(forwarding) == f"Handling connection for {local}\n"
        space.delete("server", grace=0)
        assert line(forwarding) == "error: lost connection to pod\n"
        assert forwarding.wait(30) == 1


def test_files_go_in_and_come_out(space: Workspace, tmp_path: Path) -> None:
    space.start(pod("files"))
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "data").write_bytes(bytes(range(256)) * 4_000)
    space.cli("cp", str(tmp_path / "in"), "files:/tmp/in")
    assert space.shell("files", "ls /tmp/in/deep") == "data"
    space.cli("cp", "files:/tmp/in", str(tmp_path / "out"))
    assert (tmp_path / "out" / "deep" / "data").read_bytes() == bytes(range(256)) * 4_000


def test_a_log_is_followed_over_a_restart(space: Workspace) -> None:
    script = (
        "trap 'exit 0' TERM; [ ! -e /work/go ] || { echo life 2; sleep infinity & wait; }; "
        "echo life 1; until [ -e /work/go ]; do sleep 0.2; done; exit 1"
    )
    mounts = [{"name": "work", "mountPath": "/work"}]
    made = pod(
        "phoenix", container(script=script, volumeMounts=mounts), volumes=[{"name": "work", "emptyDir": {}}]
    )
    space.start(made)
    with beside(space, "logs", "phoenix", "-f") as following:
        assert line(following) == "life 1\n"
        space.shell("phoenix", "touch /work/go")
        assert line(following) == "life 2\n"
    assert status_of(space.pod("phoenix")).restart_count == 1
