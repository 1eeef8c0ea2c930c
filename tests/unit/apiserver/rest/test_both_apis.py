"""REST and gRPC show the same: objects of every kind, written through one, are read, watched and patched through
the other; and the same events come in the same order.
"""

import asyncio
import json
import random
from contextlib import suppress
from typing import Any

import pytest

from apiserver.rest.answers import write_event, write_object
from apiserver.rest.forms import Form, Media
from tests.support.apiserver import cached_apiserver
from tests.support.every_kind import sample
from tests.support.rest import RestServer, rest_server
from vaina.api.meta.v1 import meta_pb2
from vaina.api.runtime.v1 import runtime_pb2
from vaina.client.rest.envelope import wrap
from vaina.errors import NotFound
from vaina.kinds import CONFIG_MAP, KINDS, Kind
from vaina.objects.manifest import decode_json, encode_json, encode_yaml

JSON, YAML, PROTOBUF = (media.value for media in Media)
#: texts that JSON, YAML and protobuf write differently
_TEXTS = ("", "é", '"', "a\nb", " x ", "<&>", "true", "0x1", "2001-01-01", "\u2028", "\\", "~")


def path_of(kind: Kind[Any]) -> str:
    group = f"/apis/{kind.group}" if kind.group else "/api"
    place = "/namespaces/default" if kind.namespaced else ""
    return f"{group}/{kind.version}{place}/{kind.plural}"


def an_object(kind: Kind[Any], rng: random.Random) -> Any:
    made = sample(kind)
    for number, text in enumerate(rng.sample(_TEXTS, 4)):
        made.metadata.annotations[f"example.com/{number}"] = text
    made.metadata.labels["on"] = rng.choice(("a", "b", "yes"))
    return made


def encoded(kind: Kind[Any], obj: Any, content_type: str) -> bytes:
    if content_type == PROTOBUF:
        return wrap(kind.api_version, kind.kind, obj.SerializeToString())
    return (encode_json if content_type == JSON else encode_yaml)(kind, obj).encode()


def decoded(kind: Kind[Any], body: bytes, content_type: str) -> Any:
    if content_type == PROTOBUF:
        unknown = runtime_pb2.Unknown.FromString(body[4:])
        assert (unknown.type_meta.api_version, unknown.type_meta.kind) == (kind.api_version, kind.kind)
        return kind.message.FromString(unknown.raw)
    return decode_json(body, kind=kind).message


async def found(server: RestServer, kind: Kind[Any], content_type: str) -> Any:
    answer = await server.get(f"{path_of(kind)}/sample", headers={"Accept": content_type})
    assert answer.code == 200, answer.text
    return decoded(kind, answer.body, content_type)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
async def test_what_is_written_by_rest_is_read_by_grpc(kind: Kind[Any]) -> None:
    rng = random.Random(kind.kind)
    async with cached_apiserver() as api, rest_server(api) as server:
        client = api.client.kind(kind)
        content_type = rng.choice((JSON, YAML, PROTOBUF))
        made = await server.post(
            path_of(kind),
            encoded(kind, an_object(kind, rng), content_type),
            content_type=content_type,
            headers={"Accept": JSON},
        )
        assert made.code == 201, made.text
        namespace = "default" if kind.namespaced else ""
        stored = await client.get("sample", namespace)
        assert made.body == write_object(Form(), kind, stored.SerializeToString(), 0.0)
        for form in (JSON, PROTOBUF):
            assert await found(server, kind, form) == stored
        patched = await server.patch(
            f"{path_of(kind)}/sample", {"metadata": {"labels": {"by": "rest", "on": None}}}
        )
        assert patched.code == 200, patched.text
        stored = await client.get("sample", namespace)
        assert patched.json == to_json(kind, stored)
        assert dict(stored.metadata.labels).get("by") == "rest"


def to_json(kind: Kind[Any], obj: Any) -> Any:
    return json.loads(encode_json(kind, obj))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
async def test_what_is_written_by_grpc_is_read_and_watched_by_rest(kind: Kind[Any]) -> None:
    rng = random.Random(f"2{kind.kind}")
    async with cached_apiserver() as api, rest_server(api) as server:
        client, namespace = api.client.kind(kind), "default" if kind.namespaced else ""
        url = f"{server.url}{path_of(kind)}?watch=1&resourceVersion={await api.storage.current_version()}"
        async with (
            server.session.get(url) as as_json,
            server.session.get(url, headers={"Accept": PROTOBUF}) as frames,
        ):
            made = await client.create(an_object(kind, rng))
            changed = await client.patch(
                "sample", '{"metadata":{"annotations":{"by":"grpc"}}}', namespace=namespace,
                patch_type="application/merge-patch+json",
            )  # fmt: skip
            for stored, event_type in ((made, "ADDED"), (changed, "MODIFIED")):
                line = await next_line(as_json)
                while json.loads(line)["object"]["metadata"]["name"] != "sample":
                    line = await next_line(as_json)
                data = stored.SerializeToString()
                assert line == write_event(Form(), kind, event_type, data, 0.0)
                assert json.loads(line)["object"] == to_json(kind, stored)
                assert await next_object(frames, kind) == (event_type, stored)
        for form in (JSON, PROTOBUF):
            assert await found(server, kind, form) == changed


async def next_line(answer: Any) -> bytes:
    return await asyncio.wait_for(answer.content.readuntil(b"\n"), 60)


async def next_object(answer: Any, kind: Kind[Any]) -> tuple[str, Any]:
    """Return the next event about the sample in frames of protobuf."""
    while True:
        size = int.from_bytes(await asyncio.wait_for(answer.content.readexactly(4), 60), "big")
        event = meta_pb2.WatchEvent.FromString(await answer.content.readexactly(size))
        obj = decoded(kind, event.object.raw, PROTOBUF)
        if obj.metadata.name == "sample":
            return event.type, obj


def place_of(shown: Any) -> tuple[str, str]:
    return shown["metadata"]["name"], shown["metadata"]["resourceVersion"]


@pytest.mark.parametrize("seed", range(5))
async def test_the_same_events_in_the_same_order(seed: int) -> None:
    rng, path = random.Random(seed), "/api/v1/namespaces/default/configmaps"
    async with cached_apiserver() as api, rest_server(api) as server:
        client = api.client.config_maps
        await server.post(path, {"metadata": {"name": "c-0"}})
        version = (await server.get(f"{path}?limit=1")).json["metadata"]["resourceVersion"]
        url = f"{server.url}{path}?watch=1&labelSelector=on%3Dyes&resourceVersion={version}"
        partial = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}
        async with (
            server.session.get(url) as whole,
            server.session.get(url, headers=partial) as metadata,
            server.session.get(url, headers={"Accept": PROTOBUF}) as frames,
        ):
            for number in range(60):
                await one_write(server, client, rng, number)
            await server.post(path, {"metadata": {"name": "last", "labels": {"on": "yes"}}})
            there = []
            async for batch in client.watch("default", resource_version=version, label_selector="on=yes"):
                there += [
                    (one.type, one.object.metadata.name, one.object.metadata.resource_version)
                    for one in batch.events
                ]
                if there and there[-1][1] == "last":
                    break
            assert len(there) > 10
            for answer in (whole, metadata):
                lines = [json.loads(await next_line(answer)) for _ in there]
                assert [(line["type"], *place_of(line["object"])) for line in lines] == there
            for event_type, name, version in there:
                size = int.from_bytes(await answer_of(frames, 4), "big")
                event = meta_pb2.WatchEvent.FromString(await answer_of(frames, size))
                obj = decoded(CONFIG_MAP, event.object.raw, PROTOBUF).metadata
                assert (event.type, obj.name, obj.resource_version) == (event_type, name, version)


async def answer_of(answer: Any, size: int) -> bytes:
    return await asyncio.wait_for(answer.content.readexactly(size), 60)


async def one_write(server: RestServer, client: Any, rng: random.Random, number: int) -> None:
    """Make, change or delete one of six objects, through one API or the other."""
    path, name = "/api/v1/namespaces/default/configmaps", f"c-{rng.randrange(6)}"
    labels = {"on": rng.choice(("yes", "no"))}
    match rng.randrange(5):
        case 0:
            await server.post(path, {"metadata": {"name": name, "labels": labels}})
        case 1:
            await server.delete(f"{path}/{name}")
        case 2:
            await server.patch(f"{path}/{name}", {"metadata": {"labels": labels}, "data": {"n": str(number)}})
        case _:
            patch = json.dumps({"metadata": {"labels": labels}, "data": {"n": str(number)}})
            with suppress(NotFound):
                await client.patch(name, patch, patch_type="application/merge-patch+json")
