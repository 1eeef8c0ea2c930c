"""Who calls the REST API, and what they may: certificates, also those that count no more, tokens, nobody."""

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import ALLOWED, NO_OPINION, Union, Verdict
from apiserver.tokens.interface import Page
from tests.support.apiserver import make_apiserver
from tests.support.audit import make_auditing, policy_of
from tests.support.certificates import ADMIN, APISERVER, Certificates
from tests.support.rest import RestServer, rest_server
from tests.support.tasks import running
from vaina.client.clientset import Clientset
from vaina.client.rest.kubeconfig import Connection
from vaina.client.rest.transport import RestTransport
from vaina.clock import SystemClock
from vaina.errors import Unauthorized
from vaina.pki.authority import Profile, make_authority
from vaina.pki.folder import format_serials
from vaina.pki.identity import read_identity
from vaina.serving.handlers import User
from vaina.testing.builders import make_config_map
from vaina.testing.clock import FakeClock

MAPS = "/api/v1/namespaces/default/configmaps"
ANA = Profile("ana", ("team-ours",))
TOKEN = "a-token"


class Rights:
    """Everybody may read configmaps, and health; nothing else."""

    def authorize(self, attributes: Attributes) -> Verdict:
        readable = attributes.resource == "configmaps" and attributes.verb in ("get", "list", "watch")
        return ALLOWED if readable or attributes.path == "/healthz" else NO_OPINION


class Tokens:
    """Knows one token."""

    async def authenticate(self, token: str, audiences: Sequence[str] = ()) -> User:
        if token != TOKEN:
            raise Unauthorized("the token is not known, and this is why")
        return User("system:serviceaccount:default:bot", ("system:authenticated",), uid="u")


@asynccontextmanager
async def secured(certificates: Certificates, **options: Any) -> AsyncIterator[RestServer]:
    authorizer = Union((Rights(),))
    api = make_apiserver(authorizer=authorizer)
    given = {"credentials": certificates.issue(APISERVER), "tokens": Tokens(), **options}
    async with rest_server(api, authorizer=authorizer, **given) as server:
        await api.client_of("system:admin", "system:masters").config_maps.create(_map())
        yield server


def _map() -> Any:
    return make_config_map("there")


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


async def test_a_certificate_names_its_caller(certificates: Certificates) -> None:
    async with secured(certificates) as server:
        async with server.caller(certificates.issue(ANA)) as ana:
            assert (await ana.get(f"{MAPS}/there")).code == 200
            refused = await ana.post(MAPS, {"metadata": {"name": "a"}})
            assert (refused.code, refused.json["message"]) == (
                403,
                'configmaps is forbidden: User "ana" cannot create resource "configmaps" in API group "" in the '
                'namespace "default"',
            )
        async with server.caller(certificates.issue(ADMIN)) as admin:
            assert (await admin.post(MAPS, {"metadata": {"name": "a"}})).code == 201


@pytest.mark.parametrize(
    ("method", "path", "content_type"),
    [
        ("POST", MAPS, "application/json"),
        ("PUT", f"{MAPS}/there", "application/json"),
        ("PATCH", f"{MAPS}/there", "application/merge-patch+json"),
        ("PATCH", f"{MAPS}/there/status", "application/json"),
        ("DELETE", f"{MAPS}/there", "application/json"),
        ("DELETE", MAPS, "text/plain"),
        ("POST", "/api/v1/namespaces/default/pods/a/binding", "text/plain"),
        ("PATCH", "/api/v1/namespaces/default/pods/a/status", "text/plain"),
        ("PUT", "/api/v1/namespaces/default/status", "text/plain"),
    ],
)
async def test_who_may_not_write_is_refused_before_a_body_is_read(
    certificates: Certificates, method: str, path: str, content_type: str
) -> None:
    async with secured(certificates) as server, server.caller(certificates.issue(ANA)) as ana:
        refused = await ana.request(method, path, b"[" * 100_000, content_type=content_type)
        assert refused.code == 403, refused.text


async def test_what_is_not_served_is_told_to_who_may_ask(certificates: Certificates) -> None:
    """Paths are authorized before they are looked up, as upstream's filters do it."""
    async with secured(certificates) as server:
        async with server.caller(certificates.issue(ANA)) as ana:
            for path in (
                "/api/v1/nothing",
                "/apis/none/v1/things/a",
                "/nothing",
                "/metrics",
                "/version",
                "/apis",
            ):
                refused = await ana.get(path)
                assert (refused.code, refused.json["reason"]) == (403, "Forbidden"), path
            words = (await ana.get("/metrics")).json["message"]
            assert words == 'forbidden: User "ana" cannot get path "/metrics"'
            words = (await ana.get("/apis/none/v1/things/a")).json["message"]
            assert words.startswith('things.none "a" is forbidden: User "ana" cannot get resource "things"')
            assert (await ana.get("/healthz")).text == "ok"
        async with server.caller(certificates.issue(ADMIN)) as admin:
            assert (await admin.get("/api/v1/nothing")).code == 404
            assert (await admin.get("/nothing")).code == 404
            assert (await admin.get("/metrics")).code == 200


async def test_a_token_names_its_caller_and_a_wrong_one_nobody(certificates: Certificates) -> None:
    async with (
        secured(certificates) as server,
        server.caller(certificates.issue(ADMIN), shows=False) as nobody,
    ):
        known = await nobody.get(f"{MAPS}/there", headers={"Authorization": f"Bearer {TOKEN}"})
        assert known.code == 200
        refused = await nobody.post(MAPS, {}, headers={"Authorization": f"bearer  {TOKEN}"})
        assert refused.code in (401, 403)
        for header in ("Bearer wrong", "Bearer a-token-and-more", "Bearer \u00e9"):
            wrong = await nobody.get(f"{MAPS}/there", headers={"Authorization": header})
            assert (wrong.code, wrong.json["message"]) == (401, "Unauthorized"), header
        other = await nobody.get(f"{MAPS}/there", headers={"Authorization": f"Basic {TOKEN}"})
        assert other.code == 200, "it names nobody, and everybody may read this"


async def test_a_certificate_counts_before_a_token(certificates: Certificates) -> None:
    async with secured(certificates) as server, server.caller(certificates.issue(ADMIN)) as admin:
        made = await admin.post(MAPS, {"metadata": {"name": "a"}}, headers={"Authorization": "Bearer wrong"})
        assert made.code == 201


async def test_a_page_may_send_a_token_beside_its_protocols(certificates: Certificates) -> None:
    async with (
        secured(certificates) as server,
        server.caller(certificates.issue(ADMIN), shows=False) as nobody,
    ):
        encoded = "base64url.bearer.authorization.k8s.io.YS10b2tlbg"
        sent = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Protocol": f"v5, {encoded}"}
        assert (
            (await nobody.post(MAPS, {}, headers=sent))
            .json["message"]
            .startswith('configmaps is forbidden: User "system:serviceaccount:default:bot"')
        )


class Impersonators:
    """Eva may be jane, and mary to read; both may read configmaps; nobody may do anything else."""

    def authorize(self, attributes: Attributes) -> Verdict:
        asked = (attributes.user.name, attributes.verb, attributes.resource, attributes.name)
        return ALLOWED if asked in EVAS else NO_OPINION


EVAS = (
    ("eva", "impersonate", "users", "jane"), ("jane", "get", "configmaps", "there"),
    ("eva", "impersonate:user-info", "users", "mary"), ("eva", "impersonate-on:user-info:get", "configmaps", "there"),
    ("mary", "get", "configmaps", "there"), ("mary", "delete", "configmaps", "there"),
)  # fmt: skip


async def test_the_audit_log_has_who_sends_a_request_and_in_whose_name(
    certificates: Certificates, tmp_path: Path
) -> None:
    """The policy looks at the sender, as upstream's filters do: audit comes before impersonation."""
    rules = "rules: [{level: None, users: [jane]}, {level: Metadata, users: [eva]}]"
    auditing, audited = make_auditing(policy_of(tmp_path, rules), SystemClock())
    authorizer = Union((Impersonators(),))
    api = make_apiserver(authorizer=authorizer, auditing=auditing)
    await api.client_of("system:admin", "system:masters").config_maps.create(_map())
    options = {"credentials": certificates.issue(APISERVER), "on_told": auditing.told}
    async with (
        rest_server(api, authorizer=authorizer, **options) as server,
        server.caller(certificates.issue(Profile("eva"))) as eva,
    ):
        audited.take()
        jane, mary = {"Impersonate-User": "jane"}, {"Impersonate-User": "mary"}
        for headers, method, path, code, impersonated, constraint in (
            (jane, "GET", f"{MAPS}/there", 200, "jane", ""),
            (jane, "DELETE", f"{MAPS}/there", 403, "jane", ""),
            (jane, "GET", "/metrics", 403, "jane", ""),
            (mary, "GET", f"{MAPS}/there", 200, "mary", "impersonate:user-info"),
            (mary, "DELETE", f"{MAPS}/there", 403, "", ""),
            ({"Impersonate-User": "root"}, "GET", f"{MAPS}/there", 403, "", ""),
            ({"Impersonate-Group": "system:masters"}, "GET", f"{MAPS}/there", 400, "", ""),
            ({}, "GET", f"{MAPS}/there", 403, "", ""),
        ):
            answer = await eva.request(method, path, headers=headers)
            [event] = audited.take()
            assert (answer.code, event["responseStatus"]["code"]) == (code, code), (headers, path)
            assert event["user"]["username"] == "eva"
            assert event.get("impersonatedUser", {}).get("username", "") == impersonated
            authentication = {"impersonationConstraint": constraint} if constraint else None
            assert event.get("authenticationMetadata") == authentication
            assert event["requestURI"] == path
            about = event.get("objectRef", {}).get("resource", "")
            assert about == ("configmaps" if path.startswith(MAPS) else "")


async def test_the_library_calls_as_whom_its_kubeconfig_names() -> None:
    acts_as = (("Impersonate-User", "jane"), ("Impersonate-Group", "dev"), ("Impersonate-Group", "ops"))
    async with rest_server() as server:
        transport = RestTransport(Connection(server.url, acts_as=acts_as))
        async with Clientset(transport) as client:
            told = (await client.reviews.who_am_i()).status.user_info
        assert (told.username, list(told.groups)) == ("jane", ["dev", "ops", "system:authenticated"])


async def test_nobody_is_anonymous_or_refused(certificates: Certificates) -> None:
    async with (
        secured(certificates) as server,
        server.caller(certificates.issue(ADMIN), shows=False) as nobody,
    ):
        assert (await nobody.get(f"{MAPS}/there")).code == 200
        refused = await nobody.get("/version")
        assert refused.json["message"] == 'forbidden: User "system:anonymous" cannot get path "/version"'
    async with (
        secured(certificates, anonymous=False) as server,
        server.caller(certificates.issue(ADMIN), shows=False) as nobody,
    ):
        assert (await nobody.get(f"{MAPS}/there")).code == 401


@pytest.mark.parametrize("wrong", ["foreign", "expired", "not yet", "a server's"])
async def test_a_wrong_certificate_is_nobodys(certificates: Certificates, wrong: str) -> None:
    now = SystemClock().now()
    folder = {
        "foreign": lambda: certificates.issue(ADMIN, signed_by=make_authority("vaina-ca", now)),
        "expired": lambda: certificates.issue(ADMIN, start=now - 7200, seconds=3600),
        "not yet": lambda: certificates.issue(ADMIN, start=now + 7200, seconds=3600),
        "a server's": lambda: certificates.issue(
            Profile("kubernetes-admin", is_server=True, is_client=False)
        ),
    }[wrong]()
    async with secured(certificates) as server, server.caller(folder) as somebody:
        with pytest.raises((aiohttp.ClientError, ssl.SSLError, ConnectionError)):
            await somebody.get(f"{MAPS}/there")
        # Others are served.
        async with server.caller(certificates.issue(ANA)) as ana:
            assert (await ana.get(f"{MAPS}/there")).code == 200


async def test_a_server_over_tls_does_not_speak_in_the_clear(certificates: Certificates) -> None:
    async with secured(certificates) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(60):
            assert b"HTTP" not in await reader.read(-1)
        writer.close()


async def test_a_new_certificate_and_authority_count_at_the_next_handshake(
    certificates: Certificates,
) -> None:
    async with secured(certificates) as server:
        old, first = certificates.issue(ANA), await _serial(server)
        other = make_authority("another", SystemClock().now())
        certificates.issue(APISERVER, trusting=other)
        assert await _serial(server) != first
        async with server.caller(old) as ana:
            with pytest.raises((aiohttp.ClientError, ssl.SSLError, ConnectionError)):
                await ana.get(f"{MAPS}/there")
        # Its own certificate is still of the first one.
        async with server.caller(certificates.issue(ANA, into="other", signed_by=other)) as ana:
            assert (await ana.get(f"{MAPS}/there")).code == 200


async def _serial(server: RestServer) -> int:
    """Return the serial number of the certificate that is shown now."""
    pem = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", server.port))
    return read_identity(pem.encode()).serial


@pytest.mark.parametrize("how", ["denied", "expired"])
async def test_a_certificate_that_counts_no_more_ends_watches_and_requests(
    certificates: Certificates, how: str
) -> None:
    clock, folder = FakeClock(SystemClock().now()), certificates.issue(ANA, seconds=100)
    served = certificates.issue(APISERVER)
    async with secured(certificates, clock=clock) as server, server.caller(folder) as ana:
        watching = await ana.session.get(f"{server.url}{MAPS}?watch=1")
        assert json.loads(await watching.content.readline())["type"] == "ADDED"
        identity = read_identity(folder.current().certificate)
        if how == "denied":
            (served.path / "denied").write_bytes(format_serials({identity.serial}))
        else:
            await clock.advance(101)
        async with asyncio.timeout(60), running(_pass(clock)):
            told = json.loads(await watching.content.readline())
        assert (told["type"], told["object"]["code"]) == ("ERROR", 401)
        assert how in told["object"]["message"]
        refused = await ana.get(f"{MAPS}/there")
        assert (refused.code, refused.json["reason"]) == (401, "Unauthorized")


async def _pass(clock: FakeClock) -> None:
    while True:
        await clock.advance(1)
        await asyncio.sleep(0.01)  # noqa: TID251 - others have their turn


async def test_pages_of_others_are_served_to_who_may(certificates: Certificates) -> None:
    pages = {"/openid/v1/jwks": lambda: Page("application/jwk-set+json", b"{}", 3600)}
    async with secured(certificates, pages=pages) as server:
        async with server.caller(certificates.issue(ADMIN)) as admin:
            found = await admin.get("/openid/v1/jwks")
            assert (found.code, found.text, found.headers["Cache-Control"]) == (
                200,
                "{}",
                "public, max-age=3600",
            )
            assert "/openid/v1/jwks" in (await admin.get("/")).json["paths"]
            assert (await admin.post("/openid/v1/jwks", {})).code == 405
        async with server.caller(certificates.issue(ANA)) as ana:
            assert (await ana.get("/openid/v1/jwks")).code == 403


async def test_a_connection_that_is_reset_in_its_handshake_is_counted_no_more(
    certificates: Certificates,
) -> None:
    async with secured(certificates) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        # The beginning of a handshake.
        writer.write(b"\x16\x03\x01\x02\x00\x01")
        await _until(lambda: server.serving.listener.count == 1)
        # Closed with a reset, as load balancers end their questions.
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        writer.transport.abort()
        await _until(lambda: server.serving.listener.count == 0)


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not done():  # noqa: ASYNC110 - sockets have a clock of their own
            await asyncio.sleep(0.01)  # noqa: TID251
