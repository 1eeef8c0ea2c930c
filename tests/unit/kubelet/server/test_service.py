"""KubeletService: logs and exec over the apiserver's messages."""

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import IPv4Network

import pytest

from kubelet.runtime.hollow.program import Stages
from kubelet.runtime.hollow.runtime import HollowRuntime
from kubelet.runtime.records import ContainerConfig, SandboxConfig, Uid
from kubelet.server.service import SERVICE, KubeletService
from vaina.api.core.v1 import pod_pb2, pod_stream_pb2
from vaina.client.transport import InProcessTransport
from vaina.errors import ApiError, BadRequest, NotFound, Unavailable
from vaina.testing.builders import make_container, make_pod
from vaina.testing.clock import EPOCH, FakeClock

UID = Uid("uid-default-web")


@dataclass
class Given:
    runtime: HollowRuntime
    clock: FakeClock
    pod: pod_pb2.Pod
    transport: InProcessTransport

    async def create(self, name: str, script: str, attempt: int = 0) -> str:
        sandbox = SandboxConfig("web", "default", UID, 0, "web")
        state = await self.runtime.run_pod_sandbox(sandbox)
        config = ContainerConfig(name, attempt, "sha256:x", "x", command=("sh", "-c", script))
        return await self.runtime.create_container(state.id, config, sandbox)

    async def start(self, name: str, script: str, attempt: int = 0) -> None:
        await self.runtime.start_container(await self.create(name, script, attempt))

    async def logs(self, uid: str = "", **options: object) -> bytes:
        request = pod_stream_pb2.PodLogRequest(namespace="default", name="web", uid=uid)
        request.options.MergeFrom(pod_pb2.PodLogOptions(**options))  # type: ignore[arg-type]  # its fields
        data = b""
        async for answer in self.transport.stream(f"/{SERVICE}/Logs", request.SerializeToString()):
            data += pod_stream_pb2.PodLogResponse.FromString(answer).data
        return data

    async def exec(self, *requests: pod_stream_pb2.PodExecRequest) -> list[pod_stream_pb2.PodExecResponse]:
        async def sent() -> AsyncIterator[bytes]:
            for request in requests:
                yield request.SerializeToString()

        return [
            pod_stream_pb2.PodExecResponse.FromString(answer)
            async for answer in self.transport.bidi(f"/{SERVICE}/Exec", sent())
        ]


@pytest.fixture
def given() -> Given:
    clock, rng = FakeClock(), random.Random(1)
    runtime = HollowRuntime(clock, rng, stages=Stages(), cidr=IPv4Network("10.244.1.0/24"))
    pod = make_pod(containers=[make_container("app"), make_container("side")])
    pod.spec.init_containers.append(make_container("init"))
    service = KubeletService(lambda _: runtime, clock, pods=lambda: (pod,))
    return Given(runtime, clock, pod, InProcessTransport(service.handlers(), clock=clock))


def command(*argv: str, container: str = "app", stdin: bool = False) -> pod_stream_pb2.PodExecRequest:
    start = pod_stream_pb2.PodExecStart(namespace="default", name="web")
    start.options.MergeFrom(
        pod_pb2.PodExecOptions(command=argv, container=container, stdin=stdin, stdout=True)
    )
    return pod_stream_pb2.PodExecRequest(start=start)


async def test_the_log_of_a_container(given: Given) -> None:
    await given.start("app", "echo one; echo two; sleep infinity")

    assert await given.logs(container="app") == b"one\ntwo\n"
    assert await given.logs(container="app", tail_lines=1) == b"two\n"
    assert await given.logs(container="app", limit_bytes=5) == b"one\nt"
    assert await given.logs(container="app", timestamps=True, tail_lines=1) == b"2026-01-01T00:00:00Z two\n"


async def test_only_what_was_written_since_a_time(given: Given) -> None:
    await given.start("app", "echo one; sleep 10; echo two; sleep infinity")
    await given.clock.advance(12)

    assert await given.logs(container="app", since_seconds=5) == b"two\n"
    assert given.clock.now() == EPOCH + 12


async def test_the_log_before_the_last_restart(given: Given) -> None:
    await given.start("app", "echo first; exit 1")
    with pytest.raises(BadRequest, match='previous terminated container "app" in pod "web" not found'):
        await given.logs(container="app", previous=True)
    await given.start("app", "echo second; sleep infinity", attempt=1)

    assert await given.logs(container="app", previous=True) == b"first\n"
    assert await given.logs(container="app") == b"second\n"


async def test_the_log_before_a_restart_that_is_waited_for(given: Given) -> None:
    await given.start("app", "echo first; exit 1")
    status = given.pod.status.container_statuses.add(name="app")
    status.state.waiting.reason = "CrashLoopBackOff"
    await given.clock.advance(1)

    assert await given.logs(container="app", previous=True) == b"first\n"
    assert await given.logs(container="app") == b"first\n"


async def test_an_attempt_that_has_not_started_leaves_the_one_before_to_be_read(given: Given) -> None:
    await given.start("app", "echo first; exit 1")
    await given.clock.advance(1)
    await given.create("app", "echo second", attempt=1)

    assert await given.logs(container="app", previous=True) == b"first\n"
    assert await given.logs(container="app") == b"first\n"


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({}, BadRequest, "a container name must be specified for pod web, choose one of: [app side]"),
        ({"container": "none"}, BadRequest, "container none is not valid for pod web"),
        ({"container": "app"}, BadRequest, 'container "app" in pod "web" is waiting to start: ContainerCreating'),
        ({"container": "app", "uid": "another"}, NotFound, 'pods "web" not found'),
    ],
)  # fmt: skip
async def test_refusals(given: Given, options: dict[str, str], kind: type[ApiError], message: str) -> None:
    with pytest.raises(kind) as refused:
        await given.logs(**options)

    assert refused.value.message == message


async def test_nobody_is_told_that_a_pod_is_not_there_by_a_kubelet_that_has_just_started(
    given: Given,
) -> None:
    service = KubeletService(lambda _: given.runtime, given.clock, pods=tuple, knows_its_pods=lambda: False)
    given.transport = InProcessTransport(service.handlers(), clock=given.clock)

    with pytest.raises(Unavailable, match="the kubelet has just started and does not know its pods yet"):
        await given.logs()


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("ErrImagePull", "image can't be pulled"),
        ("ImagePullBackOff", "trying and failing to pull image"),
        ("CreateContainerConfigError", "CreateContainerConfigError"),
    ],
)
async def test_a_container_that_waits_has_no_log(given: Given, reason: str, words: str) -> None:
    given.pod.status.container_statuses.add(name="app").state.waiting.reason = reason

    with pytest.raises(BadRequest) as refused:
        await given.logs(container="app")

    assert refused.value.message == f'container "app" in pod "web" is waiting to start: {words}'


async def test_a_pod_may_name_its_usual_container(given: Given) -> None:
    given.pod.metadata.annotations["kubectl.kubernetes.io/default-container"] = "side"
    await given.start("side", "echo side; sleep infinity")

    assert await given.logs() == b"side\n"


async def test_a_command_gives_its_output_and_then_its_code(given: Given) -> None:
    await given.start("app", "sleep infinity")

    answers = await given.exec(command("sh", "-c", "echo hi; exit 3"))

    assert [answer.WhichOneof("output") for answer in answers] == ["stdout", "exit_code"]
    assert answers[0].stdout == b"hi\n"
    assert answers[-1].exit_code == 3


async def test_input_goes_in_while_output_comes_out(given: Given) -> None:
    await given.start("app", "sleep infinity")

    answers = await given.exec(
        command("cat", stdin=True), pod_stream_pb2.PodExecRequest(stdin=b"one"),
        pod_stream_pb2.PodExecRequest(stdin=b"two"), pod_stream_pb2.PodExecRequest(close_stdin=True),
    )  # fmt: skip

    assert b"".join(answer.stdout for answer in answers) == b"onetwo"
    assert answers[-1].exit_code == 0


async def test_a_command_in_what_does_not_run_is_refused(given: Given) -> None:
    with pytest.raises(BadRequest, match=r'container not found \("app"\)'):
        await given.exec(command("true"))


async def test_the_first_message_says_what_to_run(given: Given) -> None:
    with pytest.raises(BadRequest, match="the first message must be start"):
        await given.exec(pod_stream_pb2.PodExecRequest(stdin=b"x"))
    with pytest.raises(BadRequest, match="you must specify at least one command for the container"):
        await given.exec(command())
