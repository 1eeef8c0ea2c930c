"""Proxies of the REST API: HTTP to a Pod's port, to a Pod that a Service selects, and pages of kubelets."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import ALLOWED, NO_OPINION, Verdict
from tests.support.rest_streams import Plane, Port, streaming
from vaina.serving.http import Pages


def to_port(port: int) -> Port:
    """Return a port of a Pod that is one of this machine."""

    async def carry(data: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async def send() -> None:
            async for piece in data:
                writer.write(piece)
                await writer.drain()
            with suppress(OSError):
                writer.write_eof()

        sending = asyncio.ensure_future(send())  # noqa: TID251 - ended below
        try:
            while piece := await reader.read(8_000):
                yield piece
        finally:
            sending.cancel()
            writer.close()

    return carry


class App:
    """A web application in a Pod."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.go_on = asyncio.Event()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        self.seen.append((request.method, request.raw_path, dict(request.headers), body))
        match request.path:
            case "/redirect":
                return web.Response(status=302, headers={"Location": "/elsewhere"})
            case "/big":
                return web.Response(body=bytes(3_000_000))
            case "/slow":
                response = web.StreamResponse()
                await response.prepare(request)
                await response.write(b"one")
                await self.go_on.wait()
                await response.write(b"two")
                return response
            case "/breaks":
                response = web.StreamResponse(headers={"Content-Length": "100"})
                await response.prepare(request)
                await response.write(b"half")
                assert request.transport is not None
                request.transport.abort()
                return response
            case "/gone":
                return web.Response(status=404, text="no such page", headers={"X-Own": "yes"})
            case _:
                return web.Response(body=b"hola " + body, content_type="text/plain")


@asynccontextmanager
async def proxied(**kwargs: Any) -> AsyncIterator[tuple[Plane, App]]:
    """Run a Pod with an application on its port 8080."""
    app = App()
    server = web.Server(app)  # type: ignore[arg-type]  # its type knows no BaseRequest
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    try:
        async with streaming(**kwargs) as plane:
            pod = await plane.api.client.pods.get("web", "default")
            pod.status.pod_ip = "10.244.1.5"
            pod.status.pod_ips.add(ip="10.244.1.5")
            await plane.api.client.pods.update_status(pod)
            plane.kubelet.ports[8080] = to_port(listening.sockets[0].getsockname()[1])
            yield plane, app
    finally:
        listening.close()
        await server.shutdown(1)


async def test_a_request_reaches_the_pod_and_its_answer_comes_back() -> None:
    async with proxied() as (plane, app):
        headers = {"Authorization": "Bearer secret", "X-Own": "1", "Accept": "text/plain"}
        answer = await plane.rest.request(
            "PUT", plane.path("proxy/a%20b//c/", "x=1&x=2%20", pod="web:8080"), b"body", headers=headers
        )
        assert (answer.code, answer.body) == (200, b"hola body")
        assert answer.headers["Content-Type"].startswith("text/plain")
        [(method, path, seen, body)] = app.seen
    assert (method, path, body) == ("PUT", "/a%20b//c/?x=1&x=2%20", b"body")
    assert (seen["X-Own"], seen["Accept"], seen["Content-Length"]) == ("1", "text/plain", "4")
    assert "Authorization" not in seen
    assert seen["X-Forwarded-For"] == "127.0.0.1"
    assert seen["X-Forwarded-Uri"] == "/api/v1/namespaces/default/pods/web:8080/proxy/a b//c/"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
async def test_every_method_passes(method: str) -> None:
    async with proxied() as (plane, app):
        answer = await plane.rest.request(method, plane.path("proxy/x", pod="http:web:8080"))
        assert answer.code == 200
        assert answer.body == (b"" if method == "HEAD" else b"hola ")
        assert app.seen[0][0] == method


async def test_a_body_that_is_cut_into_chunks_passes() -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield bytes(10_000)

    async with proxied() as (plane, app):
        url = plane.rest.url + plane.path("proxy/x", pod="web:8080")
        async with plane.rest.session.post(url, data=body()) as answer:
            assert len(await answer.read()) == 500_005
        assert len(app.seen[0][3]) == 500_000


async def test_what_the_application_says_passes_as_it_is() -> None:
    async with proxied() as (plane, _):
        answer = await plane.rest.get(plane.path("proxy/gone", pod="web:8080"))
        assert (answer.code, answer.text, answer.headers["X-Own"]) == (404, "no such page", "yes")
        answer = await plane.rest.get(plane.path("proxy/big", pod="web:8080"))
        assert len(answer.body) == 3_000_000
        assert answer.headers["Content-Length"] == "3000000"


async def test_a_redirect_leads_through_the_proxy() -> None:
    async with proxied() as (plane, _):
        url = plane.rest.url + plane.path("proxy/redirect", pod="web:8080")
        async with plane.rest.session.get(url, allow_redirects=False) as answer:
            assert answer.status == 302
            assert answer.headers["Location"] == plane.path("proxy", pod="web:8080") + "/elsewhere"
        # A page without a slash would have relative links to nowhere.
        url = plane.rest.url + plane.path("proxy", "a=b", pod="web:8080")
        async with plane.rest.session.get(url, allow_redirects=False) as answer:
            assert answer.status == 301
            assert answer.headers["Location"] == plane.path("proxy", pod="web:8080") + "/?a=b"


async def test_an_answer_comes_as_it_is_said() -> None:
    async with proxied() as (plane, app):
        url = plane.rest.url + plane.path("proxy/slow", pod="web:8080")
        async with plane.rest.session.get(url) as answer:
            assert await answer.content.readany() == b"one"
            app.go_on.set()
            assert await answer.content.read() == b"two"
        await plane.kubelet.idle()


async def test_a_client_that_leaves_ends_its_connection() -> None:
    async with proxied() as (plane, _):
        answer = await plane.rest.session.get(plane.rest.url + plane.path("proxy/slow", pod="web:8080"))
        assert await answer.content.readany() == b"one"
        assert plane.kubelet.open == 1
        answer.close()
        await plane.kubelet.idle()


async def test_an_answer_that_breaks_off_is_not_taken_for_the_whole() -> None:
    async with proxied() as (plane, _):
        with pytest.raises(aiohttp.ClientPayloadError):
            await plane.rest.get(plane.path("proxy/breaks", pod="web:8080"))


async def garbage(data: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    async for _ in data:
        yield b"SSH-2.0-OpenSSH\r\n"


@pytest.mark.parametrize(
    ("pod", "code", "words"),
    [
        (
            "web:9",
            503,
            "error trying to reach service: error forwarding port 9 to pod web: connection refused",
        ),
        ("web", 503, "error trying to reach service: error forwarding port 80 to pod web"),
        ("https:web:", 503, "error trying to reach service: error forwarding port 443 to pod web"),
        ("web:22", 503, "error trying to reach service"),
        ("gone:80", 404, 'pods "gone" not found'),
        ("web:http", 400, '"http" is not a valid port'),
        ("web:0", 400, "0 is not a valid port"),
        ("web:65536", 400, "65536 is not a valid port"),
        ("ftp:web:80", 400, 'invalid pod request "ftp:web:80"'),
        (":80", 400, 'invalid pod request ":80"'),
        ("a:b:c:d", 400, 'invalid pod request "a:b:c:d"'),
    ],
)
async def test_what_cannot_be_reached_is_a_status(pod: str, code: int, words: str) -> None:
    async with proxied() as (plane, _):
        plane.kubelet.ports[22] = garbage
        answer = await plane.rest.get(plane.path("proxy/", pod=pod))
    assert answer.code == code
    assert answer.json["message"].startswith(words)


async def test_a_pod_without_an_address_is_not_reached() -> None:
    async with streaming() as plane:
        answer = await plane.rest.get(plane.path("proxy/", pod="web:80"))
    assert (answer.code, answer.json["message"]) == (400, "address not allowed")


async def test_the_first_port_that_a_container_names_is_meant() -> None:
    async with proxied() as (plane, _):
        made = await plane.api.client.pods.get("web", "default")
        assert not made.spec.containers[0].ports
        answer = await plane.rest.get(plane.path("proxy/"))
        assert "port 80 " in answer.json["message"]


async def test_upgrades_are_refused_in_plain_words() -> None:
    async with proxied() as (plane, app):
        headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
        answer = await plane.rest.get(plane.path("proxy/x", pod="web:8080"), headers=headers)
        assert (answer.code, app.seen) == (400, [])
        assert answer.json["message"].startswith("unable to upgrade: the proxy passes on requests")


class OnlyReads:
    """Lets callers read through a proxy."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []

    def authorize(self, asked: Attributes) -> Verdict:
        if asked.subresource != "proxy":
            return ALLOWED
        self.asked.append((asked.verb, asked.combined, asked.name))
        return ALLOWED if asked.verb == "get" else NO_OPINION


async def test_the_verb_is_that_of_the_method_and_the_name_is_all_of_it() -> None:
    authorizer = OnlyReads()
    async with proxied(authorizer=authorizer) as (plane, _):
        codes = [
            (await plane.rest.request(method, plane.path("proxy/x", pod="web:8080"))).code
            for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
        ]
    assert codes == [200, 200, 403, 403, 403, 403]
    verbs = ("get", "get", "create", "update", "patch", "delete")
    assert authorizer.asked == [(verb, "pods/proxy", "web:8080") for verb in verbs]


async def test_many_requests_at_once_are_told_apart() -> None:
    async with proxied() as (plane, _):
        answers = await asyncio.gather(
            *(plane.rest.post(plane.path("proxy/x", pod="web:8080"), b"%d" % number) for number in range(30))
        )
        assert [answer.body for answer in answers] == [b"hola %d" % number for number in range(30)]
        await plane.kubelet.idle()


NODE = "/api/v1/nodes/node-1"


@pytest.mark.parametrize(
    ("path", "code", "body"),
    [
        (f"{NODE}/proxy/healthz", 200, b"ok"),
        (f"{NODE}:10250/proxy/healthz", 200, b"ok"),
        (f"{NODE}:10255/proxy/livez", 200, b"ok"),
        ("/api/v1/nodes/https:node-1:/proxy/healthz", 200, b"ok"),
        (f"{NODE}/proxy/logs", 404, b"not found\n"),
        (f"{NODE}/proxy", 404, b"not found\n"),
    ],
)  # fmt: skip
async def test_pages_of_a_kubelet(path: str, code: int, body: bytes) -> None:
    async with streaming() as plane:
        plane.kubelet.pages = Pages({}, lambda: True)
        answer = await plane.rest.get(path)
    assert (answer.code, answer.body) == (code, body)


async def test_what_is_no_page_of_a_kubelet() -> None:
    async with streaming() as plane:
        plane.kubelet.pages = Pages({}, lambda: True)
        assert (await plane.rest.post(f"{NODE}/proxy/healthz", None)).code == 405
        assert (await plane.rest.get("/api/v1/nodes/gone/proxy/healthz")).code == 404
        answer = await plane.rest.get(f"{NODE}:22/proxy/")
        assert (answer.code, answer.json["message"]) == (
            400, "only the kubelet's own pages are served, not those of port \"22\""
        )  # fmt: skip
        assert (await plane.rest.get("/api/v1/nodes/a:b:c:d/proxy/")).code == 400
        await plane.api.node("mute")
        answer = await plane.rest.get("/api/v1/nodes/mute/proxy/healthz")
        assert answer.code == 503
        assert answer.json["message"] == (
            'error trying to reach service: node "mute" does not say on which port its kubelet listens'
        )


SERVICES = "/api/v1/namespaces/default/services"


async def make_service(plane: Plane, name: str, *ports: dict[str, Any], **selector: str) -> None:
    spec = {"ports": list(ports), **({"selector": selector} if selector else {})}
    body = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": name}, "spec": spec}
    assert (await plane.rest.post(SERVICES, body)).code == 201


async def make_ready(plane: Plane, **labels: str) -> None:
    pod = await plane.api.client.pods.get("web", "default")
    pod.metadata.labels.update(labels)
    pod = await plane.api.client.pods.update(pod)
    pod.status.conditions.add(type="Ready", status="True")
    await plane.api.client.pods.update_status(pod)


async def test_a_service_leads_to_a_ready_pod_that_it_selects() -> None:
    async with proxied() as (plane, app):
        await make_service(
            plane,
            "web",
            {"name": "http", "port": 80, "targetPort": 8080},
            {"name": "x", "port": 81},
            app="web",
        )
        # Nobody is ready yet.
        answer = await plane.rest.get(f"{SERVICES}/web:80/proxy/x")
        assert (answer.code, answer.json["message"]) == (503, 'no endpoints available for service "web"')
        await make_ready(plane, app="web")
        for name in ("web:80", "web:http", "http:web:80"):
            assert (await plane.rest.get(f"{SERVICES}/{name}/proxy/x?y=z")).body == b"hola "
        assert [path for _, path, _, _ in app.seen] == ["/x?y=z"] * 3
        answer = await plane.rest.get(f"{SERVICES}/web:81/proxy/x")
        assert answer.json["message"].startswith("error trying to reach service: error forwarding port 81")
        url = f"{plane.rest.url}{SERVICES}/web:80/proxy"
        async with plane.rest.session.get(url, allow_redirects=False) as moved:
            assert (moved.status, moved.headers["Location"]) == (301, f"{SERVICES}/web:80/proxy/")


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("web:82", 503, 'no service port 82 found for service "web"'),
        ("web:nope", 503, 'no endpoints available for service "web"'),
        ("web", 503, 'no endpoints available for service "web"'),
        ("none:80", 503, 'no endpoints available for service "none"'),
        ("gone", 404, 'services "gone" not found'),
        ("ftp:web:80", 400, 'invalid service request "ftp:web:80"'),
    ],
)
async def test_a_service_that_leads_nowhere(name: str, code: int, message: str) -> None:
    async with proxied() as (plane, _):
        await make_service(plane, "web", {"name": "http", "port": 80, "targetPort": 8080}, app="web")
        await make_service(plane, "none", {"port": 80})
        await make_ready(plane, app="web")
        answer = await plane.rest.get(f"{SERVICES}/{name}/proxy/")
    assert (answer.code, answer.json["message"]) == (code, message)
