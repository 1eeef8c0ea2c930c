"""Lists over storage in memory: everything in one answer, in every form, as of one version."""

import asyncio
import json
import time

import pytest
import yaml

from apiserver.registry import reading
from apiserver.rest import listing
from tests.support.apiserver import cached_apiserver
from tests.support.rest import RestServer, rest_server
from vaina.api.core.v1 import config_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.runtime.v1 import runtime_pb2
from vaina.api.storage.v1 import storage_class_pb2
from vaina.testing.builders import make_pod

PROTOBUF = {"Accept": "application/vnd.kubernetes.protobuf"}
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def unwrap(body: bytes) -> tuple[str, str, bytes]:
    assert body[:4] == b"k8s\0"
    unknown = runtime_pb2.Unknown.FromString(body[4:])
    return unknown.type_meta.api_version, unknown.type_meta.kind, unknown.raw


async def fill(server: RestServer, count: int, size: int = 100) -> None:
    for number in range(count):
        await server.api.client.config_maps.create(
            config_pb2.ConfigMap(
                metadata=meta_pb2.ObjectMeta(name=f"c-{number:03}", namespace="default"),
                data={"x": "y" * size},
            )
        )


def names(answer) -> list[str]:
    return [item["metadata"]["name"] for item in answer.json["items"]]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE_BYTES", 1000)


async def test_an_empty_list_has_items_all_the_same():
    async with rest_server() as server:
        answer = await server.get(CONFIG_MAPS)
        version = answer.json["metadata"]["resourceVersion"]
        assert answer.body == (
            b'{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"%s"},"items":[]}\n'
            % version.encode()
        )
        pretty = await server.get(f"{CONFIG_MAPS}?pretty=1")
        assert pretty.text == json.dumps(answer.json, indent=2)
        as_yaml = await server.get(CONFIG_MAPS, headers={"Accept": "application/yaml"})
        assert yaml.safe_load(as_yaml.text) == answer.json
        api_version, kind, raw = unwrap((await server.get(CONFIG_MAPS, headers=PROTOBUF)).body)
        assert (api_version, kind) == ("v1", "ConfigMapList")
        found = config_pb2.ConfigMapList.FromString(raw)
        assert (found.metadata.resource_version, len(found.items)) == (version, 0)


@pytest.mark.usefixtures("small_pages")
async def test_who_names_no_limit_gets_all_pages_in_one_answer():
    async with rest_server() as server:
        await fill(server, 40)
        answer = await server.get(CONFIG_MAPS)
        assert names(answer) == [f"c-{number:03}" for number in range(40)]
        assert set(answer.json["metadata"]) == {"resourceVersion"}
        assert "kind" not in answer.json["items"][0]


@pytest.mark.usefixtures("small_pages")
async def test_the_same_objects_in_every_form():
    async with rest_server() as server:
        await fill(server, 12)
        plain = (await server.get(CONFIG_MAPS)).json
        pretty = await server.get(CONFIG_MAPS, headers={"User-Agent": "curl/8"})
        assert pretty.text == json.dumps(plain, indent=2)
        as_yaml = await server.get(CONFIG_MAPS, headers={"Accept": "application/yaml"})
        assert as_yaml.headers["Content-Type"] == "application/yaml"
        assert yaml.load(as_yaml.text, yaml.BaseLoader) == plain
        answer = await server.get(CONFIG_MAPS, headers=PROTOBUF)
        assert answer.headers["Content-Type"] == "application/vnd.kubernetes.protobuf"
        found = config_pb2.ConfigMapList.FromString(unwrap(answer.body)[2])
        assert [item.metadata.name for item in found.items] == [
            item["metadata"]["name"] for item in plain["items"]
        ]
        assert found.items[3].metadata.resource_version == plain["items"][3]["metadata"]["resourceVersion"]
        assert found.metadata.resource_version == plain["metadata"]["resourceVersion"]


@pytest.mark.usefixtures("small_pages")
async def test_metadata_alone_and_tables():
    async with rest_server() as server:
        await fill(server, 12)
        plain = (await server.get(CONFIG_MAPS)).json
        metadata = await server.get(
            CONFIG_MAPS,
            headers={"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"},
        )
        assert (metadata.json["kind"], metadata.json["apiVersion"]) == (
            "PartialObjectMetadataList",
            "meta.k8s.io/v1",
        )
        assert metadata.json["items"][1] == {
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": plain["items"][1]["metadata"],
        }  # fmt: skip
        encoded = await server.get(
            CONFIG_MAPS,
            headers={
                "Accept": "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
            },
        )
        api_version, kind, raw = unwrap(encoded.body)
        assert (api_version, kind) == ("meta.k8s.io/v1", "PartialObjectMetadataList")
        partial = meta_pb2.PartialObjectMetadataList.FromString(raw)
        assert [item.metadata.name for item in partial.items] == names(await server.get(CONFIG_MAPS))
        assert len(raw) < 12 * 150
        table = await server.get(
            CONFIG_MAPS, headers={"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}
        )
        assert (table.json["kind"], table.json["apiVersion"]) == ("Table", "meta.k8s.io/v1")
        assert table.json["metadata"] == plain["metadata"]
        columns = [column["name"] for column in table.json["columnDefinitions"]]
        assert columns[0] == "Name"
        row = table.json["rows"][2]
        assert (row["cells"][0], len(row["cells"])) == ("c-002", len(columns))
        assert row["object"] == metadata.json["items"][2]


@pytest.mark.parametrize(
    ("include", "want"), [("None", None), ("Object", "ConfigMap"), ("Metadata", "PartialObjectMetadata")]
)
async def test_what_comes_with_a_row(include, want):
    async with rest_server() as server:
        await fill(server, 1)
        answer = await server.get(
            f"{CONFIG_MAPS}?includeObject={include}",
            headers={"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"},
        )
        shown = answer.json["rows"][0]["object"]
        assert (shown and shown["kind"]) == want


async def test_a_limit_is_a_page_with_what_remains():
    async with rest_server() as server:
        await fill(server, 7)
        first = await server.get(f"{CONFIG_MAPS}?limit=3")
        assert names(first) == ["c-000", "c-001", "c-002"]
        assert first.json["metadata"]["remainingItemCount"] == 4
        token = first.json["metadata"]["continue"]
        second = await server.get(f"{CONFIG_MAPS}?limit=3&continue={token}")
        assert names(second) == ["c-003", "c-004", "c-005"]
        rest = await server.get(f"{CONFIG_MAPS}?continue={token}")
        assert names(rest) == ["c-003", "c-004", "c-005", "c-006"]
        assert set(rest.json["metadata"]) == {"resourceVersion"}


@pytest.mark.usefixtures("small_pages")
async def test_all_pages_are_as_of_one_version(monkeypatch):
    async with cached_apiserver() as api, rest_server(api) as server:
        await fill(server, 30)
        following, pages = listing._Pages.next, 0

        async def meanwhile(self):
            nonlocal pages
            pages += 1
            if pages == 3:
                await server.delete(f"{CONFIG_MAPS}/c-029")
                await server.post(CONFIG_MAPS, {"metadata": {"name": "c-028-new"}})
            return await following(self)

        monkeypatch.setattr(listing._Pages, "next", meanwhile)
        answer = await server.get(CONFIG_MAPS)
        assert names(answer) == [f"c-{number:03}" for number in range(30)]
        assert pages > 3
        now = await server.get(CONFIG_MAPS)
        assert names(now)[-2:] == ["c-028", "c-028-new"]
        version = answer.json["metadata"]["resourceVersion"]
        exact = await server.get(f"{CONFIG_MAPS}?resourceVersion={version}&resourceVersionMatch=Exact")
        assert exact.body == answer.body


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("kept", [0, 2000, 1 << 20])
async def test_a_list_in_protobuf_is_whole_however_little_of_it_is_kept(kept, monkeypatch):
    monkeypatch.setattr(listing, "KEPT_BYTES", kept)
    async with rest_server() as server:
        await fill(server, 40)
        answer = await server.get(CONFIG_MAPS, headers=PROTOBUF)
        found = config_pb2.ConfigMapList.FromString(unwrap(answer.body)[2])
        assert [item.metadata.name for item in found.items] == [f"c-{number:03}" for number in range(40)]


async def test_long_lists_are_written_in_parts_and_short_ones_whole(monkeypatch):
    monkeypatch.setattr(listing, "_PART_BYTES", 2000)
    async with rest_server() as server:
        await fill(server, 5)
        assert "Content-Length" in (await server.get(f"{CONFIG_MAPS}?limit=2")).headers
        await fill(server, 0)
        await server.api.client.config_maps.create(
            config_pb2.ConfigMap(
                metadata=meta_pb2.ObjectMeta(name="large", namespace="default"), data={"x": "y" * 5000}
            )
        )
        answer = await server.get(CONFIG_MAPS)
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert len(names(answer)) == 6


BAD = [
    ("limit=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
    ("limit=-1", 422, 'ListOptions.meta.k8s.io "" is invalid: limit: Invalid value: -1: must be greater than or equal to 0'),
    ("sendInitialEvents=true", 422, 'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list'),
    ("resourceVersionMatch=Exact", 422, 'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided'),
    ("fieldSelector=spec.pie=1", 400, '"spec.pie" is not a known field selector: only "metadata.name", "metadata.namespace"'),
    ("labelSelector=a+b", 400, None),
    ("continue=nonsense", 400, None),
    ("resourceVersion=new", 422, None),
]  # fmt: skip


@pytest.mark.parametrize(("query", "code", "words"), BAD)
async def test_what_a_list_cannot_be_asked_for(query, code, words):
    async with rest_server() as server:
        answer = await server.get(f"{CONFIG_MAPS}?{query}")
        assert (answer.code, answer.json["kind"], answer.json["code"]) == (code, "Status", code)
        assert words is None or answer.json["message"] == words


async def test_an_expired_token_comes_with_one_that_goes_on():
    async with cached_apiserver() as api, rest_server(api) as server:
        await fill(server, 5)
        token = (await server.get(f"{CONFIG_MAPS}?limit=2")).json["metadata"]["continue"]
        await fill_again(server)
        api.storage.compact(await api.storage.current_version())
        gone = await server.get(f"{CONFIG_MAPS}?limit=2&continue={token}")
        assert (gone.code, gone.json["reason"]) == (410, "Expired")
        fresh = gone.json["metadata"]["continue"]
        rest = await server.get(f"{CONFIG_MAPS}?limit=2&continue={fresh}")
        assert names(rest) == ["c-002", "c-003"]


async def fill_again(server: RestServer) -> None:
    for number in range(3):
        await server.post(CONFIG_MAPS, {"metadata": {"name": f"z-{number}"}})


class _Measured(asyncio.SelectorEventLoop):
    """A loop that knows how much of a core its longest turn took."""

    longest = 0.0

    def _run_once(self) -> None:
        start = time.thread_time()
        super()._run_once()
        self.longest = max(self.longest, time.thread_time() - start)


@pytest.mark.parametrize("accept", ["application/json", PROTOBUF["Accept"], TABLE])
def test_a_long_list_holds_the_loop_for_milliseconds(accept):
    async def measure() -> float:
        async with cached_apiserver() as api, rest_server(api) as server:
            for first in (0, 1000):
                await api.client.pods.create_batch(
                    [make_pod(f"p-{first + number}") for number in range(1000)]
                )
            for _ in range(2):  # the first makes what later ones find made
                loop.longest = 0.0
                answer = await server.get("/api/v1/pods", headers={"Accept": accept})
                assert len(answer.body) > 100_000
            return loop.longest

    with asyncio.Runner(loop_factory=_Measured) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, _Measured)
        # Written at once it would be twice that and more.
        assert runner.run(measure()) < 0.03


async def _classes(server: RestServer, path: str) -> list[str]:
    answer = await server.get(f"/apis/storage.k8s.io/v1/storageclasses{path}", headers={"Accept": TABLE})
    return [row["cells"][0] for row in answer.json["rows"]]


async def test_a_table_marks_the_newest_default_class_of_a_list_and_none_that_is_named():
    async with rest_server() as server:
        # Both are made in one second: of these the first by name.
        for name, is_default in (("a", "false"), ("b", "true"), ("c", "true")):
            meta = meta_pb2.ObjectMeta(
                name=name, annotations={"storageclass.kubernetes.io/is-default-class": is_default}
            )
            made = storage_class_pb2.StorageClass(metadata=meta, provisioner="x")
            await server.api.client.storage_classes.create(made)
        assert await _classes(server, "") == ["a", "b (default)", "c"]
        assert await _classes(server, "?fieldSelector=metadata.name%3Dc") == ["c (default)"]
        assert await _classes(server, "/b") == ["b"]
