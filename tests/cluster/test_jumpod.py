"""The jump Pod of the requirements: addresses of Pods are visible from inside the cluster only, so one goes
inside.
"""

import subprocess
import sys
import urllib.request

import pytest

from tests.support.beside import beside, line
from tests.support.cluster import ROOT, CommandError, wait_until
from tests.support.manifests import EXAMPLES, container, on_node, pod, web_server
from tests.support.workspace import Workspace

pytestmark = pytest.mark.beside_others


@pytest.mark.requirement("B16")
def test_jumpod_is_entered_and_reaches_pods_of_every_node(space: Workspace) -> None:
    targets = space.start(
        *(
            pod(f"web-{n}", web_server(answer=f"web-{n}"), **on_node(node))
            for n, node in enumerate(space.cluster.nodes)
        )
    )
    assert space.cli("apply", "-f", str(EXAMPLES / "jumpod.yaml")) == "pod/jumpod created\n"
    space.ready("jumpod")
    for target in targets:
        address = target.status.pod_ip
        answer = space.cli(
            "exec", "jumpod", "--", "wget", "-q", "-T", "30", "-O", "-", f"http://{address}:8080/"
        )
        assert answer == f"{target.metadata.name}\n"
        assert "0% packet loss" in space.cli("exec", "jumpod", "--", "ping", "-c", "1", "-W", "30", address)


@pytest.mark.requirement("B16")
def test_addresses_of_pods_are_not_reachable_from_outside(space: Workspace) -> None:
    [target] = space.start(pod("hidden", web_server(answer="only for the cluster")))
    # Whatever lies between this machine and the world may accept the connection; the Pod does not answer it.
    straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with straight.open(f"http://{target.status.pod_ip}:8080/", timeout=3) as answer:
            assert b"only for the cluster" not in answer.read()
    except OSError:
        pass  # refused, no route, or silence: as it should be


@pytest.mark.requirement("B16")
def test_exec_passes_input_output_and_the_exit_code(space: Workspace) -> None:
    space.start(pod("worker"))
    both = space.exec("worker", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (both.code, both.stdout, both.stderr) == (7, "out\n", "err\n")
    piped = space.exec("worker", "sh", "-c", "wc -c", stdin=b"x" * 100_000)
    assert (piped.code, piped.stdout.strip()) == (0, "100000")
    with pytest.raises(CommandError, match="ended with 7"):
        space.cli("exec", "worker", "--", "sh", "-c", "exit 7")
    assert space.cli("exec", "-i", "worker", "--", "cat", stdin="through\nit\n") == "through\nit\n"
    with pytest.raises(CommandError, match="not found"):
        space.cli("exec", "nobody", "--", "true")


@pytest.mark.requirement("B16")
def test_exec_on_a_terminal(space: Workspace) -> None:
    """`vaina exec -it`, with a terminal of its own (script(1) gives it one)."""
    space.start(pod("screen"))
    command = (
        f"{sys.executable} -m cli exec -it screen -n {space.namespace} -- "
        "sh -c 'test -t 0 && test -t 1 && echo a terminal'"
    )
    done = subprocess.run(
        ["script", "-qec", command, "/dev/null"],
        cwd=ROOT,
        env={
            **space.cluster.command_env,
            "PATH": "/usr/bin:/bin",
            "TERM": "xterm",
        },
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert (done.returncode, "a terminal" in done.stdout) == (0, True), done.stdout + done.stderr


@pytest.mark.both_runtimes
@pytest.mark.requirement("B17")
def test_logs_follow_tail_and_previous(space: Workspace) -> None:
    talker = (
        "echo one; echo two; echo three; until test -e /tmp/go; do sleep 0.1; done; "
        "echo four; test -e /keep/second && sleep infinity; touch /keep/second; exit 1"
    )
    from_volume = {"volumeMounts": [{"name": "keep", "mountPath": "/keep"}]}
    space.start(
        pod("talker", container(script=talker, **from_volume), volumes=[{"name": "keep", "emptyDir": {}}])
    )
    # A container runs before it has written anything.
    wait_until(lambda: space.cli("logs", "talker") == "one\ntwo\nthree\n", 20, "it has written three lines")
    assert space.cli("logs", "talker", "--tail", "1") == "three\n"
    assert space.logs("talker", tail_lines=2) == "two\nthree\n"
    assert space.logs("talker", since_seconds=3600) == "one\ntwo\nthree\n"
    stamped = space.logs("talker", timestamps=True, tail_lines=1)
    assert stamped.split(" ", 1)[1] == "three\n"
    assert stamped[:2] == "20"
    # Who begins to follow when it has ended already follows its next life.
    with beside(space, "logs", "talker", "-f", "--tail", "1") as following:
        assert line(following) == "three\n"
        space.shell("talker", "touch /tmp/go")
        assert line(following) == "four\n"
    space.wait("talker", lambda p: p.status.container_statuses[0].restart_count == 1, "was restarted")
    assert space.cli("logs", "talker", "--previous") == "one\ntwo\nthree\nfour\n"
