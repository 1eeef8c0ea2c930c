"""A scheduler of somebody else's: when it counts as ready, and that nothing stays behind whatever goes wrong."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from apiserver.storage.memory import MemoryStorage
from bench.load.scheduler_command import CommandScheduler, SchedulerCommand, SchedulerError
from tests.support.direct import build_handlers
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport, Metadata
from vaina.clock import SystemClock
from vaina.errors import Forbidden

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Give one answer a connection, the last again and again; yield the URL, and the answers that were given."""
    left, given = list(answers), list[bytes]()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):  # it is over
                while True:
                    connection, _ = server.accept()
                    # On a busy machine whoever asked may have gone.
                    with connection, suppress(OSError):
                        connection.recv(4096)
                        given.append(left.pop(0) if len(left) > 1 else left[0])
                        connection.sendall(given[-1])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/healthz", given
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", id="settings of HTTP/2, as a port of gRPC has them"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", id="another success than 200"),
        pytest.param(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", id="not yet"),
    ],
)  # fmt: skip
def test_it_is_ready_once_its_url_answers_with_200(before: bytes) -> None:
    with answering(before, OK) as (url, given):
        scheduler = CommandScheduler(SchedulerCommand(("sleep", "60"), url), "127.0.0.1:9")
        try:
            scheduler.wait_healthy()
        finally:
            scheduler.close()
        assert (given[0], given[-1]) == (before, OK)


def test_a_proxy_of_the_environment_is_not_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with answering(OK) as (url, given):
        scheduler = CommandScheduler(SchedulerCommand(("sleep", "60"), url), "127.0.0.1:9")
        try:
            scheduler.wait_healthy()
        finally:
            scheduler.close()
        assert given[-1] == OK


class Keeping(InProcessTransport):
    """Lets no Pod be deleted."""

    async def unary(
        self, method: str, request: bytes, *, timeout: float = 10.0, metadata: Metadata = ()
    ) -> bytes:
        if method.endswith("PodService/Delete"):
            raise Forbidden("a webhook says no")
        return await super().unary(method, request, timeout=timeout, metadata=metadata)


async def test_what_was_made_to_probe_it_is_deleted_as_far_as_it_can_be_and_the_first_error_is_told() -> None:
    clock = SystemClock()
    client = Clientset(Keeping(build_handlers(MemoryStorage(), clock), clock=clock))
    scheduler = CommandScheduler(SchedulerCommand(("sh", "-c", "echo no idea; exit 3")), "127.0.0.1:9")
    try:
        with pytest.raises(SchedulerError, match="it has ended with the exit code 3\nno idea"):
            await scheduler.bind_probe(client)
    finally:
        scheduler.close()
    assert (await client.nodes.list()).items == []


def test_one_process_that_may_not_be_signalled_does_not_keep_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # As where the command has started something by sudo.
    os.mkfifo(tmp_path / "started")
    words = ("sh", "-c", f"sleep 60 & echo > {tmp_path / 'started'}; wait")
    scheduler = CommandScheduler(SchedulerCommand(words), "127.0.0.1:9")
    (tmp_path / "started").read_bytes()
    shell, kill = scheduler.meter.leader, os.kill

    def refuse(pid: int, signum: int) -> None:
        if pid == shell:
            raise PermissionError(pid)
        kill(pid, signum)

    monkeypatch.setattr(os, "kill", refuse)
    monkeypatch.setattr("bench.load.scheduler_command._END_SECONDS", 60.0)
    # The shell ends with its child.
    scheduler.close()
    assert scheduler.code == 0
