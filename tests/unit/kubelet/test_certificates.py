"""The kubelet's certificates: whatever it was doing when it was killed, it ends with a pair that holds."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from controller.config import ControllerConfig
from kubelet import certificates
from kubelet.certificates import (
    CertificateKeeper,
    NodeCertificates,
    Rejected,
    client_certificate,
    renewal_at,
    request_name,
    serving_certificate,
)
from tests.support.controlplane import ControlPlane, control_plane
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.clock import Clock
from vaina.pki.authority import certificate_pem, key_pem, make_authority, make_key
from vaina.pki.folder import Folder, format_serials, read_serials, write_file, write_folder
from vaina.serving.handlers import User
from vaina.testing.clock import EPOCH

TOKEN = User("system:bootstrap:abcdef", ("system:bootstrappers",))
NODE = User("system:node:a", ("system:nodes",))
DAY = 86_400.0


class Killed(BaseException):
    """What ends a process in a test."""


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    authority = make_authority("vaina", EPOCH)
    pem = certificate_pem(authority.certificate)
    write_folder(tmp_path / "ca", pem, key_pem(authority.key), pem)
    (tmp_path / "bootstrap").mkdir()
    write_file(tmp_path / "bootstrap" / "ca.crt", pem)
    write_file(tmp_path / "bootstrap" / "kubelet-client-ca.crt", pem)
    return tmp_path


@asynccontextmanager
async def signing(folders: Path, **config: Any) -> AsyncIterator[ControlPlane]:
    async with control_plane(
        ControllerConfig(cluster_signing_cert_dir=str(folders / "ca"), **config)
    ) as plane:
        yield plane


def clients(plane: ControlPlane, user: User) -> Clientset:
    return Clientset(InProcessTransport(plane.server.app.handlers, user=user))


def keeper(plane: ControlPlane, folders: Path, *, seconds_ahead: float = 0.0) -> CertificateKeeper:
    wanted = client_certificate("a", folders / "client", folders / "bootstrap")
    clock = Ahead(plane.clock, seconds_ahead) if seconds_ahead else plane.clock
    return CertificateKeeper(wanted, clock, random.Random(1))


class Ahead:
    """The clock of a machine whose time is wrong."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._seconds = seconds
        self.monotonic, self.sleep, self._now = clock.monotonic, clock.sleep, clock.now

    def now(self) -> float:
        return self._now() + self._seconds


async def attempt(plane: ControlPlane, act: Coroutine[Any, Any, None]) -> bool:
    """Do something while the clock of the plane goes on; say whether it was done, or the process killed."""

    async def live() -> bool:
        try:
            await act
        except Killed:
            return False
        return True

    async with asyncio.TaskGroup() as group:
        task = group.create_task(live())

        async def is_over() -> bool:
            return task.done()

        await plane.until(is_over)
    return task.result()


async def obtain(plane: ControlPlane, keeping: CertificateKeeper, user: User) -> None:
    requests = clients(plane, user).certificate_signing_requests
    assert await attempt(plane, keeping.obtain(requests))


class Deaths:
    """Kills what is under way at the n-th step: before and after each write of files and each call."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.left = at
        for name in ("write_file", "write_folder", "make_folder"):
            monkeypatch.setattr(certificates, name, self._dying(getattr(certificates, name)))

    def of(self, transport: InProcessTransport) -> InProcessTransport:
        unary = transport.unary

        async def die(*arguments: Any, **named: Any) -> bytes:
            self.step()
            answer = await unary(*arguments, **named)
            self.step()
            return answer

        transport.unary = die  # type: ignore[method-assign]
        return transport

    def _dying(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def die(*arguments: Any) -> Any:
            self.step()
            done = act(*arguments)
            self.step()
            return done

        return die

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


async def test_the_first_certificate_comes_by_the_token_and_the_next_by_the_first(folders: Path) -> None:
    async with signing(folders) as plane:
        keeping = keeper(plane, folders)
        keeping.settle()
        assert not keeping.holds()
        await obtain(plane, keeping, TOKEN)
        assert keeping.holds()
        first = Folder(folders / "client").current()
        assert first.authorities == (folders / "bootstrap" / "ca.crt").read_bytes()
        assert not (folders / "client" / "pending").exists()
        assert 0.7 * 90 * DAY - 600 < keeping.seconds_left() < 0.9 * 90 * DAY
        await obtain(plane, keeping, NODE)
        assert Folder(folders / "client").current().certificate != first.certificate
        users = [csr.spec.username for csr in (await plane.client.certificate_signing_requests.list()).items]
        assert sorted(users) == ["system:bootstrap:abcdef", "system:node:a"]


@pytest.mark.parametrize("step", range(1, 24))
async def test_killed_at_any_step_it_goes_on_with_the_same_request(
    step: int, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with signing(folders) as plane:
        with monkeypatch.context() as patched:
            deaths = Deaths(patched, step)
            transport = deaths.of(InProcessTransport(plane.server.app.handlers, user=TOKEN))
            keeping = keeper(plane, folders)

            async def live() -> None:
                keeping.settle()
                if not keeping.holds():
                    await keeping.obtain(Clientset(transport).certificate_signing_requests)

            was_killed = not await attempt(plane, live())
        # Another process begins anew.
        keeping = keeper(plane, folders)
        keeping.settle()
        if not keeping.holds():
            assert was_killed
            await obtain(plane, keeping, TOKEN)
        assert keeping.holds()
        Folder(folders / "client").current()
        assert not (folders / "client" / "pending").exists()
        assert len((await plane.client.certificate_signing_requests.list()).items) == 1


@pytest.mark.parametrize("kind", ["client", "serving"])
async def test_what_a_node_is_told_that_it_denies_is_denied(kind: str, folders: Path) -> None:
    """As long as it runs, and whether its certificate was made before or after."""
    bootstrap = folders / "bootstrap"
    wanted = {
        "client": client_certificate("a", folders / "client", bootstrap),
        "serving": serving_certificate("a", "10.0.0.7", folders / "serving", bootstrap),
    }[kind]
    async with signing(folders) as plane:
        keeping = CertificateKeeper(wanted, plane.clock, random.Random(1))
        keeping.settle()
        assert not (folders / kind / "denied").exists()
        for serials in ([0xABC], [0xABC, 0xDEF], []):
            write_file(bootstrap / "denied", format_serials(serials))
            keeping.settle()
            assert read_serials(folders / kind / "denied") == {*serials}


async def test_a_pair_of_which_half_was_put_in_its_place_is_made_whole(folders: Path) -> None:
    async with signing(folders) as plane:
        keeping = keeper(plane, folders)
        await obtain(plane, keeping, TOKEN)
        old = {name: (folders / "client" / name).read_bytes() for name in ("tls.crt", "tls.key")}
        await obtain(plane, keeping, NODE)
        pending = folders / "client" / "pending"
        pending.mkdir()
        for name, data in old.items():
            write_file(pending / name, (folders / "client" / name).read_bytes())
            if name == "tls.crt":
                write_file(folders / "client" / name, data)
        assert not keeping.holds()
        keeping.settle()
        assert keeping.holds()


async def test_what_is_denied_is_asked_for_anew_with_another_key(folders: Path) -> None:
    async with signing(folders, controllers=("*", "-csrapproving")) as plane:
        keeping, client = keeper(plane, folders), plane.client.certificate_signing_requests

        async def ask() -> None:
            with pytest.raises(Rejected, match="Denied: NotYou go away"):
                await keeping.obtain(clients(plane, TOKEN).certificate_signing_requests)

        async def deny() -> None:
            while not (found := (await client.list()).items):
                await plane.clock.sleep(0.1)
            found[0].status.conditions.add(type="Denied", status="True", reason="NotYou", message="go away")
            await client.update_approval(found[0])

        async with asyncio.TaskGroup() as group:
            group.create_task(deny())
            assert await attempt(plane, ask())
        assert not (folders / "client" / "pending").exists()


async def test_a_certificate_that_has_expired_by_the_nodes_own_clock_is_a_failure(folders: Path) -> None:
    """So a node whose clock is wrong asks less and less often, instead of twice a second."""
    async with signing(folders, cluster_signing_duration_seconds=600.0) as plane:
        keeping = keeper(plane, folders, seconds_ahead=1200.0)

        async def ask() -> None:
            with pytest.raises(Rejected, match="does not hold by the clock of this node"):
                await keeping.obtain(clients(plane, TOKEN).certificate_signing_requests)

        assert await attempt(plane, ask())


async def test_other_names_and_addresses_are_another_certificate(folders: Path) -> None:
    async with signing(folders) as plane:
        await obtain(plane, keeper(plane, folders), TOKEN)
        other = client_certificate("b", folders / "client", folders / "bootstrap")
        assert not CertificateKeeper(other, plane.clock, random.Random(1)).holds()
        key = make_key()
        names = {
            request_name(wanted, key)
            for wanted in (
                other,
                serving_certificate("b", "10.0.0.1", folders, folders),
                serving_certificate("b", "10.0.0.2", folders, folders),
            )
        }
        assert len(names) == 3
        assert request_name(other, key) in names
        assert request_name(other, make_key()) not in names


async def test_a_certificate_that_has_expired_is_replaced_with_the_token(folders: Path) -> None:
    async with signing(folders, cluster_signing_duration_seconds=1000.0) as plane:
        keeping, used = keeper(plane, folders), list[str]()

        def by(user: User) -> Callable[[], Clientset]:
            def make() -> Clientset:
                used.append(user.name)
                return clients(plane, user)

            return make

        node = NodeCertificates(
            keeping, [], plane.clock, random.Random(1), with_token=by(TOKEN), with_certificate=by(NODE)
        )
        assert await attempt(plane, node.ensure())
        await plane.clock.advance(1200)
        assert not keeping.holds()
        assert await attempt(plane, node.ensure())
        assert used == [TOKEN.name, TOKEN.name]
        async with asyncio.TaskGroup() as group:
            running = group.create_task(node.run())

            async def is_renewed() -> bool:
                return used[2:] == [NODE.name]

            await plane.until(is_renewed, seconds=950)
            running.cancel()


def test_renewals_are_spread_over_a_fifth_of_a_life(folders: Path) -> None:
    certificate = x509.load_pem_x509_certificate((folders / "ca" / "tls.crt").read_bytes())
    start, end = (
        time.timestamp() for time in (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    )
    shares = [(renewal_at(certificate, random.Random(seed)) - start) / (end - start) for seed in range(200)]
    assert 0.7 <= min(shares) < 0.72
    assert 0.88 < max(shares) <= 0.9
