import asyncio
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily

from bench.etcd import free_port
from tests.support.certificates import ADMIN, APISERVER, Certificates, node
from vaina.metrics import new_registry
from vaina.pki.authority import Profile
from vaina.pki.folder import Folder, format_serials, write_file
from vaina.serving.http import MAX_CONNECTIONS, MAX_HEAD_BYTES, serve_metrics


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


async def test_what_has_to_be_asked_for_is_asked_for_when_somebody_reads_it():
    registry = CollectorRegistry()
    size = Gauge("size", "Words.", registry=registry)
    Gauge("other", "Words.", registry=registry)

    async def ask_size() -> None:
        size.inc()

    async with serve_metrics(registry, listen="127.0.0.1:0", asked={"size": ask_size}) as port:
        for path in ("/metrics", "/metrics?name[]=other", "/healthz", "/metrics?name[]=size"):
            _, body = await get(port, path)
    assert b"size 2.0" in body


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


async def test_health_alone_is_served_elsewhere_too() -> None:
    port = free_port()
    async with serve_metrics(
        CollectorRegistry(), listen="127.0.0.1:0", health_listen=f"127.0.0.1:{port}"
    ):  # fmt: skip
        assert await get(port, "/healthz") == ("200 OK", b"ok")
        assert (await get(port, "/metrics"))[0] == "404 Not Found"


async def get_over_tls(port: int, path: str, trusted: Folder, shown: Folder | None) -> str:
    """Return the status; empty when the server ends the connection."""
    context = ssl.create_default_context(cafile=trusted.path / "ca.crt")
    if shown is not None:
        context.load_cert_chain(shown.path / "tls.crt", shown.path / "tls.key")
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
        answer = await reader.read()
    except (ssl.SSLError, ConnectionError):
        return ""
    writer.close()
    return answer.split(b"\r\n")[0].decode().removeprefix("HTTP/1.1 ")


async def test_over_tls_health_is_told_to_everybody_and_metrics_to_some(tmp_path: Path) -> None:
    made, others = Certificates(tmp_path), Certificates(tmp_path / "others")
    server = made.issue(APISERVER)
    admin, node_of = made.issue(ADMIN), made.issue(node("n1"))
    watcher = made.issue(Profile("prometheus", ("system:monitoring",)))
    async with serve_metrics(CollectorRegistry(), listen="127.0.0.1:0", credentials=server) as port:
        assert await get_over_tls(port, "/healthz", admin, None) == "200 OK"
        assert await get_over_tls(port, "/metrics", admin, None) == "401 Unauthorized"
        assert await get_over_tls(port, "/metrics", admin, node_of) == "401 Unauthorized"
        assert await get_over_tls(port, "/metrics", admin, admin) == "200 OK"
        assert await get_over_tls(port, "/metrics", admin, watcher) == "200 OK"
        assert await get_over_tls(port, "/healthz", admin, others.issue(ADMIN)) == ""
        assert await ask(port, b"GET /healthz HTTP/1.1\r\n\r\n") == b""
        # A new certificate, and one that is denied: from the next connection on.
        made.issue(APISERVER)
        serial = x509.load_pem_x509_certificate(watcher.current().certificate).serial_number
        write_file(server.path / "denied", format_serials([serial]))
        assert await get_over_tls(port, "/metrics", admin, watcher) == "401 Unauthorized"
        assert await get_over_tls(port, "/metrics", admin, admin) == "200 OK"


async def test_an_authority_that_is_taken_out_is_trusted_no_more(tmp_path: Path) -> None:
    made, old = Certificates(tmp_path), Certificates(tmp_path / "old")
    server, admin, stolen = made.issue(APISERVER), made.issue(ADMIN), old.issue(ADMIN)
    new = server.current().authorities
    write_file(server.path / "ca.crt", new + old.issue(APISERVER).current().authorities)
    async with serve_metrics(CollectorRegistry(), listen="127.0.0.1:0", credentials=server) as port:
        assert await get_over_tls(port, "/metrics", admin, stolen) == "200 OK"
        write_file(server.path / "ca.crt", new)
        assert await get_over_tls(port, "/metrics", admin, stolen) == ""
        assert await get_over_tls(port, "/metrics", admin, admin) == "200 OK"


async def test_connections_are_bounded_before_their_handshake_too(tmp_path: Path) -> None:
    made = Certificates(tmp_path)
    server, admin = made.issue(APISERVER), made.issue(ADMIN)
    async with serve_metrics(CollectorRegistry(), listen="127.0.0.1:0", credentials=server) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MAX_CONNECTIONS)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(60):
            assert await reader.read() == b""
        for _, each in (*silent, (reader, writer)):
            each.close()
        async with asyncio.timeout(60):
            while await get_over_tls(port, "/healthz", admin, None) != "200 OK":
                pass


async def test_those_who_read_metrics_may_be_of_another_authority_than_callers(tmp_path: Path) -> None:
    callers, cluster = Certificates(tmp_path / "callers"), Certificates(tmp_path / "cluster")
    serving = cluster.issue(APISERVER, into="serving", trusting=callers.authority)
    own, admin = cluster.issue(node("n1")), cluster.issue(ADMIN)
    async with serve_metrics(
        CollectorRegistry(), listen="127.0.0.1:0", credentials=serving, clients=own
    ) as port:
        assert await get_over_tls(port, "/metrics", admin, admin) == "200 OK"
        assert await get_over_tls(port, "/metrics", admin, callers.issue(ADMIN)) == ""
