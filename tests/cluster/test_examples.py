"""Every manifest of examples/ does on real nodes what its first line promises.

All of them run at once; each test looks at one.
"""

from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.cluster import Cluster, wait_until
from tests.support.manifests import EXAMPLES
from tests.support.workspace import Workspace, condition, phase, status_of
from tests.support.workspace import ready as is_ready
from vaina.api.core.v1 import pod_pb2
from vaina.kinds import CONFIG_MAP

pytestmark = pytest.mark.beside_others

FILES = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))
#: run on a containerd node as well: those that ask most of what runs containers. None that takes a port of
#: the one node there is.
ON_BOTH = ("network-tool", "persistent-volume-claim", "pre-stop", "security-context", "shared-processes")
RUNS = [
    *(pytest.param(name, "docker", id=f"{name}-docker") for name in FILES),
    # The others too, in `make soak`.
    *(
        pytest.param(
            name, "containerd", id=f"{name}-containerd", marks=() if name in ON_BOTH else pytest.mark.soak
        )
        for name in FILES
    ),
]
#: for the last of so many Pods that start at once on few cores
PATIENCE = 180.0
Check = Callable[[Workspace], None]
CHECKS: dict[str, Check] = {}


def check(name: str) -> Callable[[Check], Check]:
    """Name the example that a check is for."""

    def register(function: Check) -> Check:
        CHECKS[name] = function
        return function

    return register


@pytest.fixture(scope="module")
def spaces(
    whole_cluster: Cluster, api: Api, numbers: Iterator[int], request: pytest.FixtureRequest
) -> Iterator[dict[tuple[str, str], Workspace]]:
    """Apply all examples that are looked at, each in a namespace of its own.

    Everything goes when the last test has ended.
    """
    runs = [
        (str(item.callspec.params["name"]), str(item.callspec.params["on"]))
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == Path(__file__)
    ]
    opened = {
        (name, runtime): Workspace(whole_cluster, api, f"example-{next(numbers)}-{name}", runtime)
        for name, runtime in runs
    }
    for (name, _), space in opened.items():
        # Those that need more than the cluster allows bring a namespace of their own: `trusted-...`.
        text = (EXAMPLES / f"{name}.yaml").read_text().replace(f"trusted-{name}", space.namespace)
        space.open(pod_security="")
        space.apply(text)
    yield opened
    for space in opened.values():
        space.close()


@pytest.mark.requirement("A6", "B16")
@pytest.mark.parametrize(("name", "on"), RUNS)
def test_example(spaces: dict[tuple[str, str], Workspace], cluster: Cluster, name: str, on: str) -> None:
    CHECKS[name](spaces[name, on])


def waited(space: Workspace, name: str, accept: Callable[[pod_pb2.Pod], object], what: str) -> pod_pb2.Pod:
    return space.wait(name, accept, what, timeout=PATIENCE)


def ready(space: Workspace, name: str) -> pod_pb2.Pod:
    return space.ready(name, timeout=PATIENCE)


def ended(space: Workspace, name: str, how: str = "Succeeded") -> str:
    """Wait for a Pod's end; return what its container wrote."""
    waited(space, name, phase("Succeeded", "Failed"), "has ended")
    assert space.pod(name).status.phase == how
    return space.logs(name, container="main")


async def read_until(space: Workspace, name: str, container: str, words: str) -> str:
    """Follow a log until these words came (or to its end); return what came."""
    options = pod_pb2.PodLogOptions(container=container, follow=True)
    log = b""
    async with aclosing(space.api.clients.pods.logs(space.namespace, name, options)) as parts:
        async for part in parts:
            log += part
            if words and words in log.decode(errors="replace"):
                break
    return log.decode(errors="replace")


def says(space: Workspace, name: str, words: str, container: str = "main") -> None:
    """Follow a container's log until it has said something."""
    assert words in space.api.call(read_until(space, name, container, words), PATIENCE)


def enough(space: Workspace, count: int, accept: Callable[[pod_pb2.Pod], object], what: str) -> None:
    """Wait until so many Pods of an example are as wanted."""
    wait_until(lambda: sum(bool(accept(pod)) for pod in space.pods()) == count, PATIENCE, what)


def waits(space: Workspace, name: str, reason: str) -> None:
    """Wait until the container waits for a reason."""
    waited(space, name, lambda pod: status_of(pod).state.waiting.reason == reason, f"waits: {reason}")


@check("config")
def _(space: Workspace) -> None:
    ready(space, "configured")
    says(space, "configured", "Be kind to your Pods")


@check("init-containers")
def _(space: Workspace) -> None:
    ready(space, "init")
    assert space.logs("init", container="main") == "first\nsecond\n"


@check("jumpod")
def _(space: Workspace) -> None:
    pod = ready(space, "jumpod")
    assert pod.status.pod_ip in space.shell("jumpod", "ip address show eth0")


@check("probes")
def _(space: Workspace) -> None:
    ready(space, "probes")
    space.shell("probes", "rm /tmp/ready")
    waited(space, "probes", lambda pod: condition(pod, "Ready") == "False", "is not ready any more")
    space.shell("probes", "rm -f /tmp/alive")
    waited(space, "probes", lambda pod: status_of(pod).restart_count > 0, "was restarted")


@check("replicaset")
def _(space: Workspace) -> None:
    enough(space, 3, is_ready, "three Pods are ready")


@check("shared-volume")
def _(space: Workspace) -> None:
    ready(space, "shared")
    page = space.shell("shared", "wget -qO- http://localhost:8080/index.html", container="writer")
    assert page.startswith("written by shared at ")


@check("sidecar")
def _(space: Workspace) -> None:
    ready(space, "sidecar")
    assert space.shell("sidecar", "wget -qO- http://localhost:8080/", container="server").startswith(
        "fresh at "
    )


@check("web-and-application")
def _(space: Workspace) -> None:
    ready(space, "pair")
    page = space.shell("pair", "wget -qO- http://localhost:8080/cgi-bin/shop", container="web")
    assert page == "the application answers"


@check("log-shipper")
def _(space: Workspace) -> None:
    ready(space, "shipped")
    says(space, "shipped", "order 2 taken", container="shipper")


@check("wait-for-port")
def _(space: Workspace) -> None:
    ready(space, "waiting")
    log = space.logs("waiting", container="wait-for-database").splitlines()
    assert set(log[:-1]) <= {"waiting"}
    assert log[-1] == "the database answers"


@check("config-reload")
def _(space: Workspace) -> None:
    before = ready(space, "reloading")
    says(space, "reloading", "the mood is calm")
    mood = space.api.find(CONFIG_MAP, "mood", space.namespace)
    assert mood is not None
    mood.data["mood"] = "joyful"
    space.api.call(space.api.clients.config_maps.update(mood))
    space.cli("annotate", "pod", "reloading", "example.com/look=again")
    says(space, "reloading", "the mood is joyful")
    assert status_of(space.pod("reloading")).container_id == status_of(before).container_id


@check("network-tool")
def _(space: Workspace) -> None:
    waited(space, "network", phase("Succeeded", "Failed"), "has ended")
    assert space.logs("network", container="privileged").endswith("a route was added\n")
    assert space.logs("network", container="plain") == "no route was added\n"


@check("liveness")
def _(space: Workspace) -> None:
    waited(space, "liveness", lambda pod: status_of(pod).restart_count > 0, "was restarted")
    assert space.logs("liveness", container="main", previous=True) == "healthy\nhangs\n"


@check("readiness-gate")
def _(space: Workspace) -> None:
    waited(space, "gated", lambda pod: condition(pod, "ContainersReady") == "True", "has ready containers")
    assert condition(space.pod("gated"), "Ready") == "False"
    assert "example.com/opened: nobody has said anything of it" in space.cli("why", "gated")
    opened = pod_pb2.Pod(metadata={"name": "gated", "namespace": space.namespace})
    opened.status.conditions.add(type="example.com/opened", status="True")
    space.api.call(space.api.clients.pods.update_status(opened, mask=["conditions"]))
    ready(space, "gated")


@check("secret-env")
def _(space: Workspace) -> None:
    assert ended(space, "secretive") == "ada has a password of 8 letters, nickname []\n"


@check("downward-api")
def _(space: Workspace) -> None:
    log = ended(space, "downward")
    pod = space.pod("downward")
    assert log == f'I am downward at {pod.status.pod_ip} on {pod.spec.node_name} with 32 MiB\ntier="back"'


@check("host-port")
def _(space: Workspace) -> None:
    pod = ready(space, "reached")
    asked = ("busybox", "wget", "-T", "10", "-qO-", f"http://{pod.status.host_ip}:18080/")
    assert space.cluster.execute(pod.spec.node_name, *asked) == "you reached me\n"


@check("out-of-memory")
def _(space: Workspace) -> None:
    pod = waited(space, "hungry", phase("Failed"), "has failed")
    end = status_of(pod).state.terminated
    assert (end.reason, end.exit_code) == ("OOMKilled", 137)
    assert "it used more memory than its limit (OOMKilled)" in space.cli("why", "hungry")


@check("crash-loop")
def _(space: Workspace) -> None:
    waits(space, "crashing", "CrashLoopBackOff")
    said = space.cli("why", "crashing")
    assert "Container main ends again and again: exit code 3." in said
    assert "    there is no /etc/shop.conf\n" in said


@check("pre-stop")
def _(space: Workspace) -> None:
    ready(space, "leaving")
    says(space, "leaving", "working")
    following = space.api.begin(read_until(space, "leaving", "main", "told to end"))
    space.delete("leaving")
    space.gone("leaving", timeout=PATIENCE)
    assert following() == "working\nthe hook says goodbye\ntold to end\n"


@check("post-start")
def _(space: Workspace) -> None:
    ready(space, "greeted")
    says(space, "greeted", "welcome")


@check("job")
def _(space: Workspace) -> None:
    enough(space, 1, phase("Succeeded"), "its Pod has succeeded")
    assert space.cli("logs", "job/hello-world") == "hello world\n"


@check("cron-job")
def _(space: Workspace) -> None:
    row = space.cli("get", "cronjob", "hello").splitlines()[1]
    assert row.startswith("hello   * * * * * ")


@check("deployment")
def _(space: Workspace) -> None:
    said = space.cli(
        "rollout", "status", "deployment/shop", f"--timeout={PATIENCE:.0f}s", timeout=PATIENCE + 10
    )
    assert said.endswith('deployment "shop" successfully rolled out\n')


@check("persistent-volume-claim")
def _(space: Workspace) -> None:
    ready(space, "keeper")
    says(space, "keeper", "1 entries")
    assert space.cli("get", "pvc", "diary", "-o", "jsonpath={.status.phase}") == "Bound"
    space.delete("keeper", grace=1)
    space.gone("keeper", timeout=PATIENCE)
    space.apply((EXAMPLES / "persistent-volume-claim.yaml").read_text())
    ready(space, "keeper")
    says(space, "keeper", "2 entries")


@check("one-per-node")
def _(space: Workspace) -> None:
    enough(space, min(len(space.nodes), 5), is_ready, "a Pod on each node is ready")
    placed = [pod.spec.node_name for pod in space.pods() if pod.spec.node_name]
    assert len(placed) == len(set(placed))


@check("no-room")
def _(space: Workspace) -> None:
    waited(space, "greedy", lambda pod: condition(pod, "PodScheduled") == "False", "cannot be scheduled")
    assert "No node takes it: not enough cpu" in space.cli("why", "greedy")


@check("no-image")
def _(space: Workspace) -> None:
    pulling = ("ErrImagePull", "ImagePullBackOff")
    waited(space, "imageless", lambda pod: status_of(pod).state.waiting.reason in pulling, "has no image")
    said = space.cli("why", "imageless")
    assert "The image of container main cannot be pulled: registry:5000/library/busybox:no-such-tag." in said


@check("missing-config")
def _(space: Workspace) -> None:
    waits(space, "incomplete", "CreateContainerConfigError")
    assert "Container main needs the ConfigMap absent, which does not exist." in space.cli(
        "why", "incomplete"
    )


@check("termination-message")
def _(space: Workspace) -> None:
    ended(space, "speaker", "Failed")
    assert status_of(space.pod("speaker")).state.terminated.message == "the disk is full\n"


@check("env-expansion")
def _(space: Workspace) -> None:
    assert ended(space, "expanded") == "hello Ada, $(UNKNOWN) $(ESCAPED)\n"


@check("env-file")
def _(space: Workspace) -> None:
    assert ended(space, "filed") == "I live at 10 Downing Street, phone []\n"


@check("projected-volume")
def _(space: Workspace) -> None:
    assert ended(space, "projected") == "colour is green\nsecret/token is abc\nname is projected\n"


@check("host-path")
def _(space: Workspace) -> None:
    assert ended(space, "guest") == "ID=debian\n"


@check("security-context")
def _(space: Workspace) -> None:
    assert ended(space, "careful") == "I am 1000:3000\nnot here\nbut here\n"


@check("deadline")
def _(space: Workspace) -> None:
    pod = waited(space, "late", phase("Failed"), "has failed")
    assert pod.status.reason == "DeadlineExceeded"
    assert "It ran longer than its activeDeadlineSeconds allow (DeadlineExceeded)." in space.cli(
        "why", "late"
    )


@check("shared-processes")
def _(space: Workspace) -> None:
    ready(space, "open")
    assert "httpd -f -p 8080" in space.shell("open", "ps", container="watcher")


@check("runtime-class")
def _(space: Workspace) -> None:
    assert ready(space, "counted").spec.overhead["memory"].string == "64Mi"
    described = [line.split() for line in space.cli("describe", "pod", "counted").splitlines()]
    assert ["Runtime", "Class", "Name:", "counted"] in described


@check("host-aliases")
def _(space: Workspace) -> None:
    assert ended(space, "named") == "ada\n192.0.2.7\twarehouse\twarehouse.example.com\n"
