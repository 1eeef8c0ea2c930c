"""`vaina logs` of several containers, of selected Pods, and of one container over its restarts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from cli.commands.logs import LogOptions, logs
from cli.failures import Failure
from tests.support.command import CommandLine, text_of
from vaina.api.core.v1 import pod_pb2, pod_stream_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.errors import BadRequest
from vaina.serving.handlers import Method, MethodKind, RequestContext
from vaina.testing.builders import make_container, make_deployment, make_pod
from vaina.testing.clock import settle


class World:
    """An apiserver, and a node on which each container has had some lives."""

    def __init__(self) -> None:
        plain = CommandLine()
        handlers = {
            **plain.handlers,
            "/vaina.api.core.v1.PodService/Logs": Method(MethodKind.STREAM, self._logs),
        }
        self.vaina = CommandLine(handlers, plain.clock)
        self.clients = Clientset(InProcessTransport(handlers, clock=plain.clock))
        #: POD/CONTAINER -> what it wrote in each of its lives; the last one is served
        self.lives: dict[str, list[bytes]] = {}
        self.asked: list[pod_pb2.PodLogOptions] = []
        self.refused: set[str] = set()

    async def _logs(self, request: bytes, _: RequestContext) -> AsyncIterator[bytes]:
        wanted = pod_stream_pb2.PodLogRequest.FromString(request)
        self.asked.append(wanted.options)
        key = f"{wanted.name}/{wanted.options.container}"
        if key in self.refused:
            raise BadRequest(
                f'container "{wanted.options.container}" in pod "{wanted.name}" is waiting to start: ContainerCreating'
            )
        lives = self.lives.get(key, [f"{key} says hello\n".encode()])
        yield pod_stream_pb2.PodLogResponse(attempt=len(lives) - 1).SerializeToString()
        size = max(5, len(lives[-1]) // 50)
        for start in range(0, len(lives[-1]), size):
            yield pod_stream_pb2.PodLogResponse(data=lives[-1][start : start + size]).SerializeToString()

    async def pod(self, name: str, *containers: str, policy: str = "Always") -> pod_pb2.Pod:
        made = [make_container(one) for one in containers or ("main",)]
        pod = make_pod(name, containers=made, labels={"app": "shop"})
        pod.spec.restart_policy = policy
        return await self.clients.pods.create(pod)

    async def lives_again(self, name: str, wrote: bytes) -> None:
        """Have a container end and start anew."""
        lives = self.lives[f"{name}/main"]
        lives.append(wrote)
        await self.status(name, restarts=len(lives) - 1)

    async def status(
        self, name: str, *, restarts: int = 0, code: int | None = None, phase: str = "Running"
    ) -> None:
        pod = await self.clients.pods.get(name, "default")
        del pod.status.container_statuses[:]
        status = pod.status.container_statuses.add(name="main", restart_count=restarts)
        if code is None:
            status.state.running.SetInParent()
        else:
            status.state.terminated.exit_code = code
        pod.status.phase = phase
        await self.clients.pods.update_status(pod, mask=["container_statuses", "phase"])

    async def run(
        self,
        story: Callable[[Callable[[str], Awaitable[None]]], Awaitable[None]] | None = None,
        **options: Any,
    ) -> tuple[str, str]:
        """Run `vaina logs` while a story happens, which can wait for what is printed."""
        shell = self.vaina.shell()

        async def until(text: str) -> None:
            for _ in range(200):
                if text in text_of(shell.stdout):
                    return
                await settle(5)
            raise AssertionError(f"{text!r} did not come: {text_of(shell.stdout)!r}")

        async with asyncio.TaskGroup() as group:
            group.create_task(logs(shell, self.clients, LogOptions(**options)))
            if story is not None:
                await story(until)
        return text_of(shell.stdout), text_of(shell.stderr)


@pytest.fixture
async def world() -> World:
    return World()


async def test_a_container_is_followed_over_its_restarts(world: World) -> None:
    await world.pod("a")
    world.lives["a/main"] = [b"first\n"]

    async def story(until: Callable[[str], Awaitable[None]]) -> None:
        await until("first")
        await world.lives_again("a", b"second\n")
        await until("second")
        # A status that comes late says nothing new.
        await world.status("a", restarts=1)
        await world.lives_again("a", b"third\n")
        await until("third")
        await world.clients.pods.delete("a", "default", grace_period_seconds=0)

    out, _ = await world.run(story, word="a", follow=True, tail=3, timestamps=True)
    assert out == "first\nsecond\nthird\n"
    assert [(one.follow, one.timestamps, one.HasField("tail_lines")) for one in world.asked] == [
        (True, True, True), (True, True, False), (True, True, False),
    ]  # fmt: skip


@pytest.mark.parametrize(("policy", "code"), [("Never", 1), ("OnFailure", 0)])
async def test_following_ends_with_what_is_not_run_again(world: World, policy: str, code: int) -> None:
    await world.pod("a", policy=policy)

    async def story(_: Any) -> None:
        await world.status("a", code=code)

    out, _ = await world.run(story, word="a", follow=True)
    assert out == "a/main says hello\n"


async def test_following_ends_with_the_pod(world: World) -> None:
    await world.pod("a", policy="OnFailure")
    await world.status("a", code=0, phase="Succeeded")
    assert await world.run(word="a", follow=True) == ("a/main says hello\n", "")


async def test_the_last_ten_lines_of_all_selected_pods(world: World) -> None:
    await world.pod("b")
    await world.pod("a")
    out, _ = await world.run(label_selector="app=shop")
    assert out == "a/main says hello\nb/main says hello\n"
    assert [one.tail_lines for one in world.asked] == [10, 10]
    await world.run(label_selector="app=shop", tail=2)
    assert world.asked[-1].tail_lines == 2
    assert await world.run(label_selector="app=none") == ("", "No resources found in default namespace.\n")


async def test_each_line_says_whose_it_is(world: World) -> None:
    await world.pod("a", "main", "side")
    world.lives["a/main"] = [b"one\ntwo, without an end"]
    out, _ = await world.run(word="a", all_containers=True, prefix=True)
    assert out == "[pod/a/main] one\n[pod/a/main] two, without an end\n[pod/a/side] a/side says hello\n"


async def test_a_colour_a_pod_on_a_terminal(world: World) -> None:
    for name in ("a", "b"):
        await world.pod(name)
    shell = world.vaina.shell(interactive=True)
    await logs(shell, world.clients, LogOptions(label_selector="app=shop"))
    assert text_of(shell.stdout) == (
        "\x1b[36m[pod/a/main]\x1b[0m a/main says hello\n\x1b[32m[pod/b/main]\x1b[0m b/main says hello\n"
    )
    plain = world.vaina.shell(interactive=True)
    await logs(plain, world.clients, LogOptions(label_selector="app=shop", prefix=False))
    assert text_of(plain.stdout) == "a/main says hello\nb/main says hello\n"


async def test_several_are_followed_side_by_side_and_one_that_is_refused_is_told(world: World) -> None:
    for name in ("a", "b", "c"):
        await world.pod(name, policy="Never")
    world.lives["a/main"] = [b"".join(b"line %d\n" % number for number in range(50))]
    world.refused.add("c/main")
    out, err = await world.run(label_selector="app=shop", follow=True, prefix=True)
    lines = out.splitlines()
    assert [line for line in lines if "/a/" in line] == [
        f"[pod/a/main] line {number}" for number in range(50)
    ]
    assert "[pod/b/main] b/main says hello" in lines
    assert 'container "main" in pod "c" is waiting to start' in err


async def test_a_line_without_an_end_fills_no_memory(world: World) -> None:
    await world.pod("a", policy="Never")
    world.lives["a/main"] = [b"x" * 200_000]
    out, _ = await world.run(word="a", prefix=True)
    assert out.replace("[pod/a/main] ", "").replace("\n", "") == "x" * 200_000
    assert max(map(len, out.splitlines())) < 70_000


async def test_too_many_are_not_followed(world: World) -> None:
    for number in range(3):
        await world.pod(f"p{number}")
    words = (
        "you are attempting to follow 3 log streams, but maximum allowed concurrency is 2, "
        "use --max-log-requests to increase the limit"
    )
    with pytest.raises(Failure) as refused:
        await logs(
            world.vaina.shell(),
            world.clients,
            LogOptions(label_selector="app=shop", follow=True, max_log_requests=2),
        )
    assert str(refused.value) == words


async def test_all_pods_of_a_deployment(world: World) -> None:
    await world.clients.deployments.create(make_deployment("shop", labels={"app": "shop"}))
    for name in ("a", "b"):
        await world.pod(name)
    out, _ = await world.run(word="deploy/shop", all_pods=True)
    assert out == "[pod/a/main] a/main says hello\n[pod/b/main] b/main says hello\n"
    out, err = await world.run(word="deploy/shop")
    assert (out, err) == ("a/main says hello\n", "Found 2 pods, using pod/a\n")
    for word, said in (("pvc/x", "cannot get the logs from pvc/x: it has no pods"),):
        with pytest.raises(Failure, match=said):
            await logs(world.vaina.shell(), world.clients, LogOptions(word))


async def test_what_makes_no_sense_is_refused(world: World) -> None:
    for options, words in (
        (LogOptions(), "POD or TYPE/NAME is a required argument"),
        (LogOptions("a", label_selector="x=y"), "only a selector"),
    ):
        with pytest.raises(Failure, match=words):
            await logs(world.vaina.shell(), world.clients, options)
