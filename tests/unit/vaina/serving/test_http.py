import asyncio

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily

from vaina.metrics import new_registry
from vaina.serving.http import MAX_HEAD_BYTES, serve_metrics


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await reader.read()
    finally:
        writer.close()


async def get(port: int, path: str, method: str = "GET") -> tuple[str, bytes]:
    answer = await ask(port, f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0].decode().split(" ", 1)[1], body


async def test_metrics_health_and_nothing_else():
    registry, healthy = CollectorRegistry(), [False]
    Counter("things", "Things.", registry=registry).inc()
    async with serve_metrics(registry, listen="127.0.0.1:0", healthy=lambda: healthy[0]) as port:
        status, body = await get(port, "/metrics?x=1")
        assert (status, b"things_total 1.0" in body) == ("200 OK", True)
        assert await get(port, "/healthz") == ("503 Service Unavailable", b"not ready\n")
        assert await get(port, "/livez") == ("200 OK", b"ok")
        healthy[0] = True
        assert await get(port, "/readyz") == ("200 OK", b"ok")
        assert (await get(port, "/healthz", "HEAD")) == ("200 OK", b"")
        assert (await get(port, "/"))[0] == "404 Not Found"
        assert (await get(port, "/metrics", "POST"))[0] == "405 Method Not Allowed"


@pytest.mark.parametrize("garbage", [b"\r\n\r\n", b"\xff\xfe\x00\r\n\r\n", b"GET /metrics\r\n\r\n"])
async def test_garbage_gets_an_answer_and_the_server_lives_on(garbage):
    async with serve_metrics(CollectorRegistry(), listen="127.0.0.1:0") as port:
        assert (await ask(port, garbage)).startswith(b"HTTP/1.1 405")
        assert await get(port, "/livez") == ("200 OK", b"ok")


async def test_a_head_that_is_too_long_is_dropped():
    async with serve_metrics(CollectorRegistry(), listen="127.0.0.1:0") as port:
        try:
            answer = await ask(port, b"GET / HTTP/1.1\r\nX: " + b"x" * (2 * MAX_HEAD_BYTES))
        except ConnectionError:
            answer = b""
        assert answer == b""
        assert await get(port, "/livez") == ("200 OK", b"ok")


async def test_some_metrics_may_be_asked_for_by_name():
    registry = new_registry("scheduler")
    for name in ("wanted", "unwanted"):
        Gauge(name, "Words.", registry=registry).set(3)
    async with serve_metrics(registry, listen="127.0.0.1:0") as port:
        query = "name[]=wanted&name%5B%5D=process_resident_memory_bytes"
        _, body = await get(port, f"/metrics?{query}")
        names = {line.split()[0] for line in body.decode().splitlines() if not line.startswith("#")}
    assert names == {"wanted", "process_resident_memory_bytes"}


async def test_others_have_a_turn_between_two_metrics_of_a_page():
    turns = 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)  # noqa: TID251 - as often as the loop turns

    class Many:
        def collect(self):
            for name in ("first", "second", "third"):
                yield GaugeMetricFamily(name, "The turns that others have had.", value=turns)

    registry = CollectorRegistry()
    registry.register(Many())
    async with asyncio.TaskGroup() as group, serve_metrics(registry, listen="127.0.0.1:0") as port:
        busy = group.create_task(others())
        _, body = await get(port, "/metrics")
        busy.cancel()
    first, second, third = (float(line.split()[1]) for line in body.decode().splitlines() if line[0] != "#")
    assert first < second < third
