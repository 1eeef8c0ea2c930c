"""Threat: somebody who does what is audited, and tries to keep it out of the log, or to hide it in a flood."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from bench.etcd import find_etcd
from tests.support.apiserver_process import ApiserverProcess
from tests.support.audit import HEAD
from tests.support.etcd import EtcdServer
from tests.support.fresh import fresh
from tests.support.identities import ADMIN, ANA, BEN
from tests.support.secured import Plane, refused
from vaina.api.meta.v1 import request_pb2
from vaina.client.clientset import Clientset
from vaina.clock import SystemClock
from vaina.errors import ApiError, Forbidden
from vaina.kinds import SECRET
from vaina.pki.authority import Profile
from vaina.pki.folder import format_serials, write_file
from vaina.testing.builders import make_config_map

pytestmark = [pytest.mark.component, pytest.mark.timeout(180)]

Event = dict[str, Any]
CLOCK = SystemClock()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A plane whose audit log is small and kept in ten parts."""
    if find_etcd() is None:
        pytest.skip("no etcd: run `make test-component`, which fetches it")
    plane = Plane(tmp_path_factory.mktemp("watched"), "--audit-log-maxsize=1", "--audit-log-maxbackup=0")
    try:
        plane.start()
        yield plane
    finally:
        plane.close()


def events(log: Path) -> list[Event]:
    """Return all that the log and what was put aside of it have, each line an event."""
    parts = sorted(log.parent.glob(f"{log.stem}-2*{log.suffix}"))
    text = "".join(part.read_text() for part in parts)
    # It may have been put aside this moment, and not be there again yet.
    with suppress(FileNotFoundError):
        text += log.read_text()
    return [json.loads(line) for line in text.split("\n")[:-1]]


async def until(find: Callable[[], Any]) -> Any:
    """Return what a function finds, once it finds something: lines are some milliseconds on their way."""
    async with asyncio.timeout(60):
        while not (found := find()):
            await CLOCK.sleep(0.02)
    return found


async def test_metadata_of_a_call_neither_choose_its_id_nor_leave_it_out_nor_write_lines(
    watched: Plane,
) -> None:
    forged, namespace = '{"kind":"Event","user":{"username":"mallory"}}', fresh("theirs")
    async with watched.client(ANA) as ana:
        for metadata in (
            [("audit-id", "00000000-0000-0000-0000-000000000000")],
            [("x-forwarded-for", "10.9.9.9"), ("x-real-ip", "10.9.9.9")],
            [("x-remote-user", "mallory"), ("impersonate-user", "mallory")],
        ):
            with refused():
                await ana.transport.unary(
                    SECRET.method("Get"),
                    request_pb2.GetRequest(namespace=namespace, name="evaded").SerializeToString(),
                    metadata=metadata,
                )
        for name in (f"a\n{forged}\n", "a\r\n", "a\x00b", "\u2028", '","user":{"username":"mallory"},"x":"'):
            with refused():
                await ana.secrets.get(name, namespace)

    def found() -> list[Event]:
        return [
            one for one in events(watched.audit_log)
            if one["user"]["username"] == "ana" and one["objectRef"].get("namespace") == namespace
        ]  # fmt: skip

    await until(lambda: len(found()) >= 8)
    assert len(found()) == 8
    assert {one["auditID"] for one in found()} & {"00000000-0000-0000-0000-000000000000"} == set()
    assert {tuple(one["sourceIPs"]) for one in found()} == {("127.0.0.1",)}
    assert {one["responseStatus"]["code"] for one in found()} == {403}
    assert [one for one in events(watched.audit_log) if one["user"]["username"] == "mallory"] == []


async def test_in_a_flood_of_requests_every_one_of_them_and_of_others_is_there(watched: Plane) -> None:
    before, flooding, beside = await _errors(watched), fresh("flood"), fresh("beside")

    async def flood(client: Clientset, number: int) -> None:
        for index in range(100):
            with pytest.raises(Forbidden):
                await client.config_maps.get(f"{flooding}-{number}-{index}", "theirs")

    async with watched.client(ANA) as ana, watched.client(ADMIN) as admin, asyncio.TaskGroup() as group:
        for number in range(40):
            group.create_task(flood(ana, number))
        for index in range(20):
            await admin.config_maps.create(make_config_map(f"{beside}-{index}"))

    def names(beginning: str) -> set[str]:
        found = (one["objectRef"].get("name", "") for one in events(watched.audit_log) if "objectRef" in one)
        return {name for name in found if name.startswith(beginning)}

    await until(lambda: len(names(f"{flooding}-")) == 4000)
    await until(lambda: names(f"{beside}-") == {f"{beside}-{index}" for index in range(20)})
    assert len(list(watched.audit_log.parent.glob("audit-2*.log"))) >= 2
    assert await _errors(watched) == before == 0


async def _errors(plane: Plane) -> float:
    text = await asyncio.to_thread(plane.apiserver.metrics)
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        if line.startswith("apiserver_audit_error_total{")
    )


async def test_many_in_one_call_are_named_each(watched: Plane) -> None:
    many = fresh("many")
    async with watched.client(ADMIN) as admin:
        await admin.config_maps.create_batch([make_config_map(f"{many}-{index}") for index in range(300)])

    def found() -> list[str]:
        texts = (one["annotations"].get("vaina.dev/objects", "") for one in events(watched.audit_log))
        return [text for text in texts if f"{many}-299" in text]

    [text] = await until(found)
    assert text.split(",") == [f"{many}-{index}" for index in range(300)]


async def test_a_watch_and_a_session_that_was_refused_are_there_before_they_end(watched: Plane) -> None:
    async with watched.client(ADMIN) as admin, asyncio.TaskGroup() as group:

        async def watch() -> None:
            async for _ in admin.secrets.watch("ours"):
                pass

        task = group.create_task(watch())

        def found() -> list[Event]:
            return [
                one for one in events(watched.audit_log)
                if one["verb"] == "watch" and one["stage"] == "ResponseStarted" and one["objectRef"]["resource"] == "secrets"
            ]  # fmt: skip

        assert (await until(found))[0]["objectRef"]["namespace"] == "ours"
        task.cancel()


async def test_whoever_counts_no_more_is_named(watched: Plane) -> None:
    olga = Profile(fresh("olga"))
    folder = watched.identities.folder(olga)
    async with watched.client(olga) as client:
        with refused():
            await client.config_maps.list("theirs")
        serial = x509.load_pem_x509_certificate((folder / "tls.crt").read_bytes()).serial_number
        write_file(watched.apiserver.cert_dir / "denied", format_serials([serial]))
        async with asyncio.timeout(60):
            while (await _eventually(lambda: client.config_maps.list("theirs"))).code != 401:
                await CLOCK.sleep(0.2)

    def found() -> list[Event]:
        denied = [
            one for one in events(watched.audit_log) if one.get("responseStatus", {}).get("code") == 401
        ]
        assert all(one["user"]["username"].startswith("olga-") for one in denied), denied
        return [one for one in denied if one["user"]["username"] == olga.name]

    assert await until(found)


async def test_a_log_that_was_removed_comes_back(watched: Plane) -> None:
    watched.audit_log.unlink(missing_ok=True)
    async with watched.client(BEN) as ben:
        with refused():
            await ben.secrets.list("theirs")
    await until(watched.audit_log.exists)
    assert await until(lambda: [one for one in events(watched.audit_log) if one["user"]["username"] == "ben"])


@asynccontextmanager
async def on_a_full_disk(etcd: EtcdServer, folder: Path, mode: str) -> AsyncIterator[ApiserverProcess]:
    (folder / "policy.yaml").write_text(HEAD + "rules: [{level: None, verbs: [get]}, {level: Metadata}]")
    process = ApiserverProcess(
        etcd.target, f"--audit-policy-file={folder / 'policy.yaml'}", "--audit-log-path=/dev/full", f"--audit-log-mode={mode}",
    )  # fmt: skip
    try:
        await process.start()
        yield process
    finally:
        process.close()


async def _eventually(call: Callable[[], Awaitable[object]]) -> ApiError:
    """Return what a call is refused with, once it is."""
    async with asyncio.timeout(60):
        while True:
            try:
                await call()
            except ApiError as error:
                return error


async def test_a_full_disk_stops_nothing_and_is_counted_or_stops_what_is_audited(
    own_etcd: EtcdServer, tmp_path: Path
) -> None:
    async with on_a_full_disk(own_etcd, tmp_path, "blocking") as process, process.client() as client:
        for index in range(20):
            await client.config_maps.create(make_config_map(f"a-{index}"))

        def lost() -> bool:
            return 'apiserver_audit_error_total{plugin="log"} 20.0' in process.metrics()

        await until(lost)
    async with on_a_full_disk(own_etcd, tmp_path, "blocking-strict") as process, process.client() as client:
        number = iter(range(100_000))
        error = await _eventually(lambda: client.config_maps.create(make_config_map(f"b-{next(number)}")))
        assert (error.code, error.message) == (500, "failed to store audit event")
        with refused(500, "failed to store audit event"):
            await client.config_maps.delete("a-1", "default")
        # What the policy leaves out goes on, and nothing was deleted.
        assert (await client.config_maps.get("a-1", "default")).metadata.name == "a-1"
