"""Hooks: commands, requests, sleeps; what their end means."""

import asyncio
from collections.abc import Sequence

import pytest

from kubelet.pod.running import HookFailed, run_hook
from kubelet.runtime.records import ExecResult
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.testing.builders import make_container
from vaina.testing.clock import FakeClock, settle

CLOCK = FakeClock()


class Commands:
    """An executor whose commands end as they say."""

    async def exec_sync(
        self, container_id: str, argv: Sequence[str], *, timeout_seconds: float
    ) -> ExecResult:
        if argv[0] == "slow":
            raise TimeoutError
        return ExecResult(int(argv[1]), b"said ", b"this")


async def run(handler: pod_pb2.LifecycleHandler, *, seconds: float = 5.0) -> None:
    await run_hook(
        Commands(), CLOCK, handler, make_container(), container_id="c", pod_ip="127.0.0.1", timeout_seconds=seconds
    )  # fmt: skip


def command(*argv: str) -> pod_pb2.LifecycleHandler:
    return pod_pb2.LifecycleHandler(exec=pod_pb2.ExecAction(command=argv))


async def test_a_command_that_ends_well_is_done():
    await run(command("exit", "0"))


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("exit", "3"), "command 'exit 3' exited with 3: , message: \"said this\""),
        (("slow",), "the hook did not end within 5s"),
    ],
)
async def test_a_command_that_fails_or_takes_too_long_fails(argv, words):
    with pytest.raises(HookFailed) as failed:
        await run(command(*argv))
    assert str(failed.value) == words


@pytest.mark.parametrize("status", ["200 OK", "500 Internal Server Error"])
async def test_a_request_is_sent_to_the_pod_and_any_answer_will_do(status):
    asked = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        action = pod_pb2.HTTPGetAction(path="/begin", port=meta_pb2.IntOrString(int_val=port))
        await run(pod_pb2.LifecycleHandler(http_get=action), seconds=60.0)
    assert asked[0].startswith(b"GET /begin HTTP/1.1\r\n")


@pytest.mark.parametrize(("asked", "given"), [(3, 3.0), (60, 5.0)])
async def test_a_sleep_ends_in_time(asked, given):
    handler = pod_pb2.LifecycleHandler(sleep=pod_pb2.SleepAction(seconds=asked))
    begun = asyncio.get_running_loop().create_task(run(handler))
    await settle()
    await CLOCK.advance(given - 0.1)
    assert not begun.done()
    await CLOCK.advance(0.1)
    await begun


async def test_a_socket_is_no_hook():
    """Upstream takes it for the sake of old manifests, and fails it when it runs."""
    action = pod_pb2.TCPSocketAction(port=meta_pb2.IntOrString(int_val=1))
    with pytest.raises(HookFailed, match="invalid handler"):
        await run(pod_pb2.LifecycleHandler(tcp_socket=action))
