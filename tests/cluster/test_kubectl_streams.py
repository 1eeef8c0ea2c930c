"""What the real kubectl says to running containers: logs, exec, attach, cp, port-forward, debug and run."""

import os
import re
import urllib.request
from functools import partial
from pathlib import Path

import pytest

from tests.support.cluster import wait_until
from tests.support.kubectl import Kubectl, line
from tests.support.manifests import config_map, container, pod, web_server
from tests.support.workspace import Workspace, status_of

pytestmark = [pytest.mark.beside_others, pytest.mark.timeout(300)]


def test_logs_are_read(kubectl: Kubectl, space: Workspace) -> None:
    main = container("main", "echo one; echo two; trap 'exit 0' TERM; sleep 3600 & wait")
    side = container("side", "echo beside; trap 'exit 0' TERM; sleep 3600 & wait")
    space.start(pod("talker", main, side, labels={"app": "talker"}))
    # A container runs before it has written anything.
    for name, words in (("main", "one\ntwo\n"), ("side", "beside\n")):
        wait_until(partial(said, space, "talker", name, words), 60, f"{name} has spoken")
    kubectl.follows("""
$ logs talker
one
two
Defaulted container "main" out of: main, side
$ logs talker -c side
beside
$ logs talker -c main --tail=1
two
$ logs talker -c main --since=1h
one
two
$ logs talker -c main --since-time=2001-01-01T00:00:00Z
one
two
$ logs talker -c main --limit-bytes=3
one
$ logs talker -c main --timestamps
20…Z one
20…Z two
$ logs -l app=talker -c main --tail=1
two
$ logs talker -c nope
error: container nope is not valid for pod talker
[1]
$ logs talker -c main --previous
Error from server (BadRequest): previous terminated container "main" in pod "talker" not found
[1]
$ logs nope
error: error from server (NotFound): pods "nope" not found in namespace "<ns>"
[1]
""")
    # kubectl takes the containers in any order.
    prefixed = kubectl("logs talker --all-containers --prefix").splitlines()
    assert sorted(prefixed) == ["[pod/talker/main] one", "[pod/talker/main] two", "[pod/talker/side] beside"]


def said(space: Workspace, name: str, container: str, words: str) -> bool:
    """Say whether a container's log is these words."""
    return space.logs(name, container=container) == words


def test_a_log_is_followed_and_that_of_the_life_before_is_kept(kubectl: Kubectl, space: Workspace) -> None:
    script = (
        "trap 'exit 0' TERM; [ ! -e /work/go ] || { echo life 2; sleep 3600 & wait; }; "
        "echo life 1; until [ -e /work/go ]; do sleep 0.2; done; exit 1"
    )
    mounts = [{"name": "work", "mountPath": "/work"}]
    volumes = [{"name": "work", "emptyDir": {}}]
    space.start(pod("phoenix", container(script=script, volumeMounts=mounts), volumes=volumes))
    with kubectl.beside("logs phoenix -f") as following:
        assert line(following) == "life 1\n"
        kubectl("exec phoenix -- touch /work/go")
        space.wait(
            "phoenix",
            lambda it: status_of(it).restart_count and status_of(it).state.HasField("running"),
            "again",
        )
    assert kubectl("logs phoenix --previous") == "life 1\n"
    wait_until(lambda: kubectl("logs phoenix") == "life 2\n", 60, "its second life has spoken")
    assert re.fullmatch(
        r"phoenix +1/1 +Running +1 \(\d+s ago\) +\d+s\n", kubectl("get pod phoenix --no-headers")
    )


def test_commands_run_in_containers(kubectl: Kubectl, space: Workspace) -> None:
    space.start(pod("box", container("main"), container("side")))
    (kubectl.folder / "words.txt").write_text("hola\n")
    kubectl.follows("""
$ exec box -- sh -c 'echo out; exit 7'
out
Defaulted container "main" out of: main, side
command terminated with exit code 7
[7]
$ exec box -c side -- hostname
box
$ exec -i box -c main -- tr a-z A-Z < words.txt
HOLA
$ exec box -c main -- no-such-program
…
command terminated with exit code …
[126]
$ exec nope -- true
Error from server (NotFound): pods "nope" not found
[1]
$ exec box -c nope -- true
Error from server (BadRequest): container nope is not valid for pod box
[1]
$ exec box
error: you must specify at least one command for the container
[1]
""")
    said = kubectl.terminal(
        "exec -it box -c main -- sh", typed="stty size; tty; exit 4\n", rows=33, columns=77
    )
    assert said.code == 4
    assert "\n33 77\n/dev/pts/0\n" in said.out
    assert said.out.endswith("command terminated with exit code 4\n")
    large = kubectl.run("exec -i box -c main -- cat", stdin="x" * 300_000)
    assert (large.code, len(large.out)) == (0, 300_000)


def test_a_process_is_attached_to(kubectl: Kubectl, space: Workspace) -> None:
    space.start(pod("talker", container(script="while read word; do echo heard $word; done", stdin=True)))
    with kubectl.beside("attach talker -i -q") as attached:
        assert attached.stdin is not None
        attached.stdin.write("one\n")
        attached.stdin.flush()
        assert line(attached) == "heard one\n"
    assert status_of(space.pod("talker")).restart_count == 0


def test_files_are_copied_both_ways(kubectl: Kubectl, space: Workspace, tmp_path: Path) -> None:
    space.start(pod("files"))
    data = os.urandom(1_000_000)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "data").write_bytes(data)
    kubectl.follows("""
$ cp in files:/tmp/in
$ exec files -- ls /tmp/in/deep
data
$ cp files:/tmp/in/deep out
…
$ cp nothing files:/tmp
error: nothing doesn't exist in local filesystem
[1]
$ cp in/deep/data nobody:/tmp
Error from server (NotFound): pods "nobody" not found
[1]
""")
    assert (tmp_path / "out" / "data").read_bytes() == data


def test_a_port_is_forwarded_to_a_pod(kubectl: Kubectl, space: Workspace) -> None:
    space.start(pod("web", web_server(answer="hola"), labels={"app": "web"}))
    with kubectl.beside("port-forward web :8080 --address=127.0.0.1") as forwarding:
        first = line(forwarding)
        local = first.removeprefix("Forwarding from 127.0.0.1:").partition(" ")[0]
        assert first == f"Forwarding from 127.0.0.1:{local} -> 8080\n"
        for _ in range(3):
            with urllib.request.urlopen(f"http://127.0.0.1:{local}/", timeout=30) as answer:
                assert answer.read() == b"hola\n"
            assert line(forwarding) == f"Handling connection for {local}\n"
    ns = space.namespace
    assert kubectl(f"get --raw /api/v1/namespaces/{ns}/pods/web:8080/proxy/") == "hola\n"
    kubectl.follows("""
$ port-forward nope 8080
Error from server (NotFound): pods "nope" not found
[1]
""")
    with kubectl.beside("proxy --port=0") as proxy:
        port = re.fullmatch(r"Starting to serve on 127.0.0.1:(\d+)\n", line(proxy))
        assert port is not None
        address = f"http://127.0.0.1:{port[1]}/api/v1/namespaces/{ns}/pods/web:8080/proxy/"
        with urllib.request.urlopen(address, timeout=30) as answer:
            assert answer.read() == b"hola\n"


def test_pods_are_debugged(kubectl: Kubectl, space: Workspace) -> None:
    space.start(pod("sick", labels={"app": "sick"}))
    words = "debug sick -it --image=busybox:1.37 -c doctor --target=main --profile=general -- sh"
    said = kubectl.terminal(words, typed="echo on $(hostname)\nexit 3\n")
    assert "on sick\n" in said.out
    kubectl.follows("""
$ debug sick --image=busybox:1.37 -c nurse --profile=general -- echo waits
$ get pod sick -o jsonpath='{.spec.ephemeralContainers[*].name}{"\\n"}'
doctor nurse
$ debug sick --copy-to=twin --image=busybox:1.37 -c helper --profile=general --share-processes -- sleep 3600
$ get pod twin -o jsonpath='{.spec.containers[*].name} {.spec.shareProcessNamespace} {.metadata.labels}{"\\n"}'
main helper true
$ wait pod/twin --for=condition=Ready --timeout=60s
pod/twin condition met
$ debug nope --image=busybox:1.37 --profile=general
Error from server (NotFound): pods "nope" not found
[1]
""")


def test_a_pod_is_run_for_one_command(kubectl: Kubectl, space: Workspace) -> None:
    space.apply(config_map("unused"))
    (kubectl.folder / "words.txt").write_text("hola\n")
    kubectl.follows("""
$ run once -i --rm --quiet --restart=Never --image=busybox:1.37 -- sh -c 'read word; echo heard $word; exit 5' < words.txt
heard hola
pod <ns>/once terminated (Error)
[5]
$ run stays --image=busybox:1.37 --labels=app=stays --env=A=b --port=80 --command -- sh -c "trap 'exit 0' TERM; sleep 3600 & wait"
pod/stays created
$ wait pod/stays --for=condition=Ready --timeout=60s
pod/stays condition met
$ exec stays -- sh -c 'echo $A'
b
$ run stays --image=busybox:1.37
Error from server (AlreadyExists): pods "stays" already exists
[1]
$ get pods
NAME    READY   STATUS    RESTARTS   AGE
stays   1/1     Running   0          …s
""")
    said = kubectl.terminal(
        "run shell -it --rm --restart=Never --image=busybox:1.37 -- sh", typed="echo in $((40+2))\nexit\n"
    )
    assert said.code == 0, said.out
    assert "in 42\n" in said.out
    assert 'pod "shell" deleted' in said.out
