"""`vaina debug`: what it adds to a Pod or makes of it, and what it says."""

import re

import pytest

from apiserver.build import build
from apiserver.storage.memory import MemoryStorage
from tests.support.command import CommandLine
from tests.support.direct import Direct
from vaina.api.core.v1 import pod_pb2
from vaina.testing.clock import FakeClock

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: x}, annotations: {note: words}}
spec:
  containers:
  - {name: app, image: registry.local/app, args: [serve], livenessProbe: {tcpSocket: {port: 80}}}
"""


@pytest.fixture
def vaina() -> CommandLine:
    made = CommandLine()
    assert made.run("apply", "-f", "-", stdin=POD).code == 0
    return made


def pod(vaina: CommandLine, name: str = "web") -> pod_pb2.Pod:
    return vaina.do(lambda clients: clients.pods.get(name, "default"))


@pytest.mark.requirement("B12")
def test_a_debug_container_gets_a_name_and_the_right_to_trace(vaina: CommandLine) -> None:
    result = vaina.run("debug", "web", "--image", "busybox", "--target", "app", "--env", "A=b")
    assert result.code == 0
    targeting, defaulting = result.out.splitlines()
    assert targeting == (
        'Targeting container "app". If you don\'t see processes from this container it may be because the container '
        "runtime doesn't support this feature."
    )
    found = re.fullmatch(r"Defaulting debug container name to (debugger-[a-z0-9]{5})\.", defaulting)
    assert found is not None
    (added,) = pod(vaina).spec.ephemeral_containers
    common = added.ephemeral_container_common
    assert (common.name, common.image, added.target_container_name) == (found[1], "busybox", "app")
    assert [*common.security_context.capabilities.add] == ["SYS_PTRACE"]
    assert [(item.name, item.value) for item in common.env] == [("A", "b")]


def test_it_is_described(vaina: CommandLine) -> None:
    vaina.run("debug", "web", "--image", "busybox", "-c", "shell", "-q", "--", "sleep", "9")
    text = vaina.run("describe", "pod", "web").out
    _, title, after = text.partition("Ephemeral Containers:\n")
    assert title
    assert after.startswith("  shell:\n")
    assert "busybox" in after


def test_a_second_one_leaves_the_first_alone(vaina: CommandLine) -> None:
    for name in ("one", "two"):
        assert vaina.run("debug", "pod/web", "--image", "busybox", "-c", name, "--", "sleep", "9").out == ""
    listed = [item.ephemeral_container_common for item in pod(vaina).spec.ephemeral_containers]
    assert {item.name: [*item.command] for item in listed} == {"one": ["sleep", "9"], "two": ["sleep", "9"]}


def test_a_name_that_is_taken(vaina: CommandLine) -> None:
    result = vaina.run("debug", "web", "--image", "busybox", "-c", "app")
    assert result.code == 1
    assert 'spec.ephemeralContainers[0].name: Duplicate value: "app"' in result.err


@pytest.mark.requirement("B12")
def test_a_cluster_that_does_not_allow_it_is_said_to() -> None:
    clock = FakeClock()
    app = build(Direct(MemoryStorage(clock)), clock, ephemeral_containers=False)
    vaina = CommandLine(app.handlers, clock)
    vaina.run("apply", "-f", "-", stdin=POD)
    result = vaina.run("debug", "web", "--image", "busybox", "-q")
    assert (result.code, result.err) == (
        1,
        "error: ephemeral containers are disabled for this cluster "
        '(error from server: "the server could not find the requested resource")\n',
    )


def test_no_such_pod(vaina: CommandLine) -> None:
    result = vaina.run("debug", "nobody", "--image", "busybox")
    assert (result.code, result.err) == (1, 'Error from server (NotFound): pods "nobody" not found\n')


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "you must specify --image when not using --copy-to."),
        (("--image", "x", "-t"), "-i/--stdin is required for containers with -t/--tty=true"),
        (("--image", "x", "--replace"), "--replace may only be used with --copy-to."),
        (("--image", "x", "--same-node"), "--same-node may only be used with --copy-to."),
        (("--set-image", "a=b"), "--set-image may only be used with --copy-to."),
        (("--copy-to", "c"), "you must specify --image, --set-image or command arguments."),
        (
            ("--copy-to", "c", "--", "sh"),
            "you must specify an existing container or a new image when specifying args.",
        ),
        (
            ("--copy-to", "c", "--image", "x", "--target", "app"),
            "--target is incompatible with --copy-to. Use --share-processes instead.",
        ),
        (("--image", "x", "--image-pull-policy", "Sometimes"), "invalid image pull policy: Sometimes"),
        (
            ("--attach",),
            "you must specify --container or create a new container using --image in order to attach.",
        ),
        (("--image", "x", "--env", "novalue"), "invalid env: novalue"),
    ],
)
def test_what_makes_no_sense(vaina: CommandLine, arguments: tuple[str, ...], words: str) -> None:
    result = vaina.run("debug", "web", "-c", "", "-q", *arguments)
    assert (result.code, result.err) == (1, f"error: {words}\n")
    assert not pod(vaina).spec.ephemeral_containers


def test_a_copy_has_the_debug_container_and_serves_nobody(vaina: CommandLine) -> None:
    result = vaina.run("debug", "web", "--copy-to", "copy", "--image", "busybox", "-c", "shell", "--", "sh")
    assert (result.code, result.out) == (0, "")
    made = pod(vaina, "copy")
    assert [(item.name, item.image) for item in made.spec.containers] == [
        ("app", "registry.local/app"),
        ("shell", "busybox"),
    ]
    assert [*made.spec.containers[1].command] == ["sh"]
    assert made.spec.share_process_namespace
    assert not made.spec.containers[0].HasField("liveness_probe")
    assert (dict(made.metadata.labels), made.metadata.annotations["note"]) == ({}, "words")
    assert pod(vaina).metadata.name == "web"


def test_a_copy_with_other_images_and_the_original_gone(vaina: CommandLine) -> None:
    result = vaina.run("debug", "web", "--copy-to", "copy", "--set-image", "*=busybox", "--replace")
    assert result.code == 0
    assert [item.image for item in pod(vaina, "copy").spec.containers] == ["busybox"]
    assert vaina.run("get", "pod", "web").code == 1


def test_a_copy_whose_own_container_runs_something_else(vaina: CommandLine) -> None:
    result = vaina.run("debug", "web", "--copy-to", "copy", "-c", "app", "--", "sh", "-c", "env")
    assert result.code == 0
    (container,) = pod(vaina, "copy").spec.containers
    assert ([*container.command], [*container.args]) == (["sh", "-c", "env"], [])


@pytest.mark.parametrize(
    ("profile", "want"),
    [
        ("legacy", ""),
        ("baseline", ""),
        ("general", 'capabilities { add: "SYS_PTRACE" }'),
        ("netadmin", 'capabilities { add: "NET_ADMIN" add: "NET_RAW" }'),
        ("sysadmin", "privileged: true"),
    ],
)
def test_profiles(vaina: CommandLine, profile: str, want: str) -> None:
    assert vaina.run("debug", "web", "--image", "busybox", "--profile", profile, "-q").code == 0
    security = pod(vaina).spec.ephemeral_containers[0].ephemeral_container_common.security_context
    assert " ".join(str(security).split()) == want
