"""Watches over storage in memory: chunks, frames of protobuf, WebSockets, and what reflectors expect of them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import yaml

from apiserver.rest import watching
from tests.support.apiserver import cached_apiserver
from tests.support.rest import RestServer, rest_server
from vaina.api.core.v1 import config_pb2
from vaina.api.meta.v1 import meta_pb2, raw_pb2
from vaina.api.runtime.v1 import runtime_pb2
from vaina.clock import SystemClock
from vaina.errors import Unauthorized

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
PROTOBUF = "application/vnd.kubernetes.protobuf"
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


@asynccontextmanager
async def opened() -> AsyncIterator[RestServer]:
    async with cached_apiserver() as api, rest_server(api) as server:
        yield server


@dataclass
class Watch:
    """A watch under way: its events one after the other."""

    answer: aiohttp.ClientResponse

    async def line(self) -> bytes:
        return await asyncio.wait_for(self.answer.content.readuntil(b"\n"), 60)

    async def next(self) -> tuple[str, Any]:
        event = json.loads(await self.line())
        return event["type"], event["object"]

    async def frame(self) -> tuple[str, str, bytes]:
        """Return type, kind and encoded object of a frame of protobuf."""
        size = int.from_bytes(await asyncio.wait_for(self.answer.content.readexactly(4), 60), "big")
        event = meta_pb2.WatchEvent.FromString(await self.answer.content.readexactly(size))
        assert event.object.raw[:4] == b"k8s\0"
        unknown = runtime_pb2.Unknown.FromString(event.object.raw[4:])
        return event.type, unknown.type_meta.kind, unknown.raw

    async def ends(self) -> None:
        assert await asyncio.wait_for(self.answer.content.read(), 60) == b""


@asynccontextmanager
async def watching_of(
    server: RestServer, path: str, accept: str = "", **headers: str
) -> AsyncIterator[Watch]:
    sent = {**({"Accept": accept} if accept else {}), **headers}
    async with server.session.get(server.url + path, headers=sent) as answer:
        yield Watch(answer)


async def make(server: RestServer, name: str, labels: dict[str, str] | None = None) -> str:
    """Make a ConfigMap; return its version."""
    made = await server.post(CONFIG_MAPS, {"metadata": {"name": name, "labels": labels or {}}})
    assert made.code == 201
    return made.json["metadata"]["resourceVersion"]


def described(event: tuple[str, Any]) -> tuple[str, str]:
    return event[0], event[1]["metadata"].get("name", "")


async def test_what_is_there_comes_first_and_then_what_happens():
    async with opened() as server:
        await make(server, "a")
        async with watching_of(server, f"{CONFIG_MAPS}?watch=1") as watch:
            assert watch.answer.status == 200
            assert watch.answer.headers["Content-Type"] == "application/json"
            assert watch.answer.headers["Transfer-Encoding"] == "chunked"
            kind, shown = await watch.next()
            assert (kind, shown["kind"], shown["apiVersion"]) == ("ADDED", "ConfigMap", "v1")
            assert shown == (await server.get(f"{CONFIG_MAPS}/a")).json
            await make(server, "b")
            assert described(await watch.next()) == ("ADDED", "b")
            await server.patch(f"{CONFIG_MAPS}/a", {"data": {"x": "y"}})
            kind, shown = await watch.next()
            assert (kind, shown["data"]) == ("MODIFIED", {"x": "y"})
            gone = await server.delete(f"{CONFIG_MAPS}/b")
            assert gone.code == 200
            assert described(await watch.next()) == ("DELETED", "b")


async def test_the_head_comes_before_anything_happens():
    async with opened() as server:
        version = await make(server, "a")
        path = f"{CONFIG_MAPS}?watch=true&resourceVersion={version}"
        async with asyncio.timeout(60), watching_of(server, path) as watch:
            assert watch.answer.status == 200
            await make(server, "b")
            assert described(await watch.next()) == ("ADDED", "b")


@pytest.mark.parametrize("path", ["/api/v1/watch/namespaces/default/configmaps", "/api/v1/watch/configmaps"])
async def test_the_older_path_of_a_watch(path):
    async with opened() as server:
        await make(server, "a")
        async with watching_of(server, path) as watch:
            assert described(await watch.next()) == ("ADDED", "a")


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/watch/namespaces/default/configmaps/b",
        f"{CONFIG_MAPS}?watch=1&fieldSelector=metadata.name%3Db",
    ],
)
async def test_one_object_is_watched_by_its_name(path):
    async with opened() as server:
        for name in "abc":
            await make(server, name)
        async with watching_of(server, path) as watch:
            assert described(await watch.next()) == ("ADDED", "b")
            await server.delete(f"{CONFIG_MAPS}/a")
            await server.delete(f"{CONFIG_MAPS}/b")
            assert described(await watch.next()) == ("DELETED", "b")


async def test_what_enters_and_leaves_a_selector():
    async with opened() as server:
        version = await make(server, "a")
        path = f"{CONFIG_MAPS}?watch=1&labelSelector=on%3Dyes&resourceVersion={version}"
        async with watching_of(server, path) as watch:
            await server.patch(f"{CONFIG_MAPS}/a", {"metadata": {"labels": {"on": "yes"}}})
            assert described(await watch.next()) == ("ADDED", "a")
            await server.patch(f"{CONFIG_MAPS}/a", {"metadata": {"labels": {"on": "no"}}})
            kind, shown = await watch.next()
            assert (kind, shown["metadata"]["labels"]) == ("DELETED", {"on": "yes"})


async def test_frames_of_protobuf():
    async with opened() as server:
        await make(server, "a")
        async with watching_of(server, f"{CONFIG_MAPS}?watch=1", f"{PROTOBUF},application/json") as watch:
            assert watch.answer.headers["Content-Type"] == f"{PROTOBUF};stream=watch"
            kind, of, raw = await watch.frame()
            assert (kind, of) == ("ADDED", "ConfigMap")
            assert config_pb2.ConfigMap.FromString(raw) == await server.api.client.config_maps.get("a")
            await server.delete(f"{CONFIG_MAPS}/a")
            assert (await watch.frame())[:2] == ("DELETED", "ConfigMap")


async def test_metadata_alone():
    async with opened() as server:
        await make(server, "a")
        whole = (await server.get(f"{CONFIG_MAPS}/a")).json
        async with watching_of(server, f"{CONFIG_MAPS}?watch=1", PARTIAL) as watch:
            assert await watch.next() == (
                "ADDED",
                {
                    "kind": "PartialObjectMetadata",
                    "apiVersion": "meta.k8s.io/v1",
                    "metadata": whole["metadata"],
                },
            )
        async with watching_of(
            server, f"{CONFIG_MAPS}?watch=1", PARTIAL.replace("application/json", PROTOBUF)
        ) as watch:
            kind, of, raw = await watch.frame()
            assert (kind, of) == ("ADDED", "PartialObjectMetadata")
            assert meta_pb2.PartialObjectMetadata.FromString(raw).metadata.name == "a"


async def test_a_table_has_its_columns_in_the_first_event_alone():
    async with opened() as server:
        await make(server, "a")
        for _ in range(2):
            async with watching_of(server, f"{CONFIG_MAPS}?watch=1", TABLE) as watch:
                _, first = await watch.next()
                assert (first["kind"], first["columnDefinitions"][0]["name"]) == ("Table", "Name")
                [row] = first["rows"]
                assert (row["cells"][0], row["object"]["kind"]) == ("a", "PartialObjectMetadata")
                assert first["metadata"]["resourceVersion"] == row["object"]["metadata"]["resourceVersion"]
                await server.patch(f"{CONFIG_MAPS}/a", {"data": {"x": "y"}})
                kind, second = await watch.next()
                assert (kind, second["columnDefinitions"], len(second["rows"])) == ("MODIFIED", None, 1)
                await server.patch(f"{CONFIG_MAPS}/a", {"data": None})
                await watch.next()


@pytest.mark.parametrize("accept", ["", PARTIAL, TABLE])
async def test_the_current_state_ends_with_a_bookmark(accept):
    async with opened() as server:
        await make(server, "a")
        path = (
            f"{CONFIG_MAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
            "&allowWatchBookmarks=true&includeObject=None"
        )
        async with watching_of(server, path, accept) as watch:
            kind, _ = await watch.next()
            assert kind == "ADDED"
            kind, shown = await watch.next()
            if accept == TABLE:
                shown = shown["rows"][0]["object"]
            assert kind == "BOOKMARK"
            assert shown["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
            version = shown["metadata"]["resourceVersion"]
            await make(server, "b")
            await watch.next()
        async with watching_of(server, f"{CONFIG_MAPS}?watch=1&resourceVersion={version}") as watch:
            assert described(await watch.next()) == ("ADDED", "b")


async def test_a_bookmark_is_an_object_of_the_kind_with_nothing_but_a_version():
    async with opened() as server:
        path = "/api/v1/pods?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        async with watching_of(server, path) as watch:
            kind, shown = await watch.next()
            assert (kind, shown["kind"], shown["apiVersion"]) == ("BOOKMARK", "Pod", "v1")
            assert set(shown["metadata"]) == {"resourceVersion", "annotations"}


async def test_a_watch_ends_in_good_order_when_its_time_is_over():
    async with opened() as server, watching_of(server, f"{CONFIG_MAPS}?watch=1&timeoutSeconds=1") as watch:
        assert watch.answer.status == 200
        await watch.ends()


async def test_a_version_that_is_gone_is_an_event():
    async with opened() as server:
        await make(server, "a")
        server.api.storage.compact(await server.api.storage.current_version())
        async with watching_of(server, f"{CONFIG_MAPS}?watch=1&resourceVersion=1") as watch:
            assert watch.answer.status == 200
            kind, status = await watch.next()
            assert kind == "ERROR"
            assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
            await watch.ends()


async def test_a_version_that_is_gone_is_an_event_in_protobuf_too():
    async with opened() as server:
        await make(server, "a")
        server.api.storage.compact(await server.api.storage.current_version())
        path = f"{CONFIG_MAPS}?watch=1&resourceVersion=1"
        async with watching_of(server, path, PROTOBUF) as watch:
            kind, of, raw = await watch.frame()
            assert (kind, of) == ("ERROR", "Status")
            assert meta_pb2.Status.FromString(raw).code == 410


BAD = [
    ("timeoutSeconds=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
    ("resourceVersion=new", 422, None),
    ("fieldSelector=spec.pie%3D1", 400, None),
    ("labelSelector=a+b", 400, None),
    ("sendInitialEvents=true", 422, 'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'),
    ("resourceVersionMatch=NotOlderThan", 422, None),
]  # fmt: skip


@pytest.mark.parametrize(("query", "code", "words"), BAD)
async def test_what_a_watch_cannot_be_asked_for(query, code, words):
    async with rest_server() as server:
        answer = await server.get(f"{CONFIG_MAPS}?watch=1&{query}")
        assert (answer.code, answer.json["kind"]) == (code, "Status")
        assert words is None or answer.json["message"] == words


async def test_a_watch_in_yaml_is_refused():
    async with rest_server() as server:
        answer = await server.get(f"{CONFIG_MAPS}?watch=1", headers={"Accept": "application/yaml"})
        assert answer.code == 406
        assert yaml.safe_load(answer.text)["message"] == (
            f"only the following media types are accepted: application/json;stream=watch, {PROTOBUF};stream=watch"
        )


@pytest.mark.parametrize(
    ("protocols", "chosen"),
    [((), None), (("v1",), "v1"), (("base64url.bearer.authorization.k8s.io.YQ", "v1"), "v1")],
)
async def test_a_watch_by_websocket(protocols, chosen):
    async with opened() as server:
        await make(server, "a")
        url = f"{server.url}{CONFIG_MAPS}?watch=1"
        async with server.session.ws_connect(url, protocols=protocols) as socket:
            assert socket.protocol == chosen
            first = await asyncio.wait_for(socket.receive(), 60)
            assert first.type is aiohttp.WSMsgType.TEXT
            event = json.loads(first.data)
            assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "a")
            await socket.send_str("nobody listens")
            await make(server, "b")
            assert json.loads((await asyncio.wait_for(socket.receive(), 60)).data)["type"] == "ADDED"


async def test_protobuf_by_websocket_has_no_lengths():
    async with opened() as server:
        await make(server, "a")
        url = f"{server.url}{CONFIG_MAPS}?watch=1"
        async with server.session.ws_connect(url, headers={"Accept": PROTOBUF}) as socket:
            first = await asyncio.wait_for(socket.receive(), 60)
            assert first.type is aiohttp.WSMsgType.BINARY
            assert meta_pb2.WatchEvent.FromString(first.data).type == "ADDED"


async def test_a_websocket_ends_when_the_time_is_over():
    async with opened() as server:
        url = f"{server.url}{CONFIG_MAPS}?watch=1&timeoutSeconds=1"
        async with server.session.ws_connect(url) as socket:
            last = await asyncio.wait_for(socket.receive(), 60)
            assert (last.type, last.data) == (aiohttp.WSMsgType.CLOSE, 1000)


async def test_a_client_that_closes_its_websocket_ends_its_watch():
    async with opened() as server:
        async with server.session.ws_connect(f"{server.url}{CONFIG_MAPS}?watch=1&resourceVersion=0"):
            await until(lambda: len(server.serving.calls.streams) == 1)
        await until(lambda: not server.serving.calls.streams)


async def test_a_client_that_goes_ends_its_watch():
    async with opened() as server:
        async with watching_of(server, f"{CONFIG_MAPS}?watch=1") as watch:
            await until(lambda: len(server.serving.calls.streams) == 1)
            watch.answer.close()
        await until(lambda: not server.serving.calls.streams)
        assert server.serving.calls.current == 0


async def until(holds: Callable[[], object]) -> None:
    clock = SystemClock()
    async with asyncio.timeout(60):
        while not holds():
            await clock.sleep(0.005)


async def test_an_event_is_encoded_once_for_all_who_watch():
    async with opened() as server:
        version = await make(server, "a")
        path = f"{CONFIG_MAPS}?watch=1&resourceVersion={version}"
        frames = server.serving.frames
        async with (
            watching_of(server, path) as one,
            watching_of(server, path) as two,
            watching_of(server, "/api/v1/configmaps?watch=1&resourceVersion=" + version) as elsewhere,
            watching_of(server, path, PROTOBUF) as encoded,
        ):
            await make(server, "b")
            assert await one.line() == await two.line() == await elsewhere.line()
            await encoded.frame()
            assert frames.encoded == 2


async def test_the_same_events_in_the_same_order_over_rest_and_grpc():
    async with opened() as server:
        version = await make(server, "a")
        client = server.api.client
        path = f"{CONFIG_MAPS}?watch=1&resourceVersion={version}"
        async with watching_of(server, path) as watch:
            for number in range(5):
                await make(server, f"b-{number}")
                await client.config_maps.patch("a", json.dumps({"data": {"x": str(number)}}))
                if number % 2:
                    await server.delete(f"{CONFIG_MAPS}/b-{number}")
            here = [await watch.next() for _ in range(12)]
        there = []
        async for batch in client.config_maps.watch("default", resource_version=version):
            there += [
                (event.type, event.object.metadata.name, event.object.metadata.resource_version)
                for event in batch.events
            ]
            if len(there) == 12:
                break
        assert [
            (kind, shown["metadata"]["name"], shown["metadata"]["resourceVersion"]) for kind, shown in here
        ] == there


async def test_watches_end_in_good_order_when_the_server_closes():
    async with cached_apiserver() as api, rest_server(api) as server:
        watch_answer = await server.session.get(f"{server.url}{CONFIG_MAPS}?watch=1&resourceVersion=0")
        assert watch_answer.status == 200
        [stream] = server.serving.calls.streams
        stream.end()
        async with asyncio.timeout(60):
            assert await watch_answer.content.read() == b""


async def test_a_watch_that_is_not_read_is_cut_off_and_holds_no_other_up(monkeypatch):
    monkeypatch.setattr(watching, "_FLUSH_SECONDS", 0.1)
    async with opened() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=4096)
        writer.write(
            f"GET {CONFIG_MAPS}?watch=1&resourceVersion=0 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        await until(lambda: len(server.serving.calls.streams) == 1)
        large = {"x": "y" * 500_000}
        await server.post(CONFIG_MAPS, {"metadata": {"name": "large"}, "data": large})
        version = await make(server, "other")
        async with watching_of(server, f"{CONFIG_MAPS}?watch=1&resourceVersion={version}") as watch:
            for number in range(60):
                await server.patch(f"{CONFIG_MAPS}/large", {"data": {"n": str(number)}})
                kind, shown = await watch.next()
                assert (kind, shown["data"]["n"]) == ("MODIFIED", str(number))
        async with asyncio.timeout(60):
            while len(server.serving.calls.streams):
                await server.patch(f"{CONFIG_MAPS}/large", {"metadata": {"labels": {"n": "x"}}})
                await server.patch(f"{CONFIG_MAPS}/large", {"metadata": {"labels": {"n": "y"}}})
        writer.close()
        del reader


async def test_a_caller_that_counts_no_more_is_told_in_an_event():
    async with opened() as server, watching_of(server, f"{CONFIG_MAPS}?watch=1&resourceVersion=0") as watch:
        [stream] = server.serving.calls.streams
        stream.refuse(Unauthorized("Unauthorized"))
        kind, status = await watch.next()
        assert (kind, status["code"], status["reason"]) == ("ERROR", 401, "Unauthorized")
        await watch.ends()


async def test_what_a_reflector_asks_for():
    """It lists from the cache, watches from there on, resumes, and lists anew when it is too late."""
    async with opened() as server:
        await make(server, "a")
        listed = (await server.get(f"{CONFIG_MAPS}?resourceVersion=0&limit=500")).json
        version = listed["metadata"]["resourceVersion"]
        again = await server.get(f"{CONFIG_MAPS}?resourceVersion={version}&resourceVersionMatch=NotOlderThan")
        assert again.json == listed
        query = "watch=true&allowWatchBookmarks=true&timeoutSeconds=300"
        async with watching_of(server, f"{CONFIG_MAPS}?{query}&resourceVersion={version}") as watch:
            await make(server, "b")
            kind, shown = await watch.next()
            assert described((kind, shown)) == ("ADDED", "b")
        await make(server, "c")
        seen = shown["metadata"]["resourceVersion"]
        async with watching_of(server, f"{CONFIG_MAPS}?{query}&resourceVersion={seen}") as watch:
            assert described(await watch.next()) == ("ADDED", "c")


async def test_a_version_that_is_not_there_yet_is_an_event(monkeypatch):
    monkeypatch.setattr("apiserver.storage.cacher._READ_SECONDS", 0.05)
    async with opened() as server:
        version = int(await make(server, "a")) + 1_000_000
        async with watching_of(server, f"{CONFIG_MAPS}?watch=1&resourceVersion={version}") as watch:
            kind, status = await watch.next()
            assert (kind, status["code"], status["reason"]) == ("ERROR", 504, "Timeout")
            assert status["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


async def test_a_kind_in_another_form_is_listed_and_watched_in_it():
    async with opened() as server:
        stored = {
            "metadata": {"name": "e"},
            "involvedObject": {"kind": "Pod", "namespace": "default"},
            "reason": "Seen",
        }
        assert (await server.post("/api/v1/namespaces/default/events", stored)).code == 201
        path = "/apis/events.k8s.io/v1/namespaces/default/events"
        listed = (await server.get(path)).json
        assert (listed["kind"], listed["apiVersion"]) == ("EventList", "events.k8s.io/v1")
        assert listed["items"][0]["regarding"]["kind"] == "Pod"
        query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        async with watching_of(server, f"{path}?{query}") as watch:
            kind, shown = await watch.next()
            assert (kind, shown["apiVersion"], shown["regarding"]["kind"]) == (
                "ADDED",
                "events.k8s.io/v1",
                "Pod",
            )
            kind, shown = await watch.next()
            assert (kind, shown["apiVersion"]) == ("BOOKMARK", "events.k8s.io/v1")
        as_list = {"Accept": f"{PROTOBUF};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
        partial = runtime_pb2.Unknown.FromString((await server.get(path, headers=as_list)).body[4:])
        assert meta_pb2.PartialObjectMetadataList.FromString(partial.raw).items[0].metadata.name == "e"
        whole = runtime_pb2.Unknown.FromString(
            (await server.get(path, headers={"Accept": PROTOBUF})).body[4:]
        )
        assert raw_pb2.RawList.FromString(whole.raw).items
