"""A value in the store that cannot be read, of any kind, through any part.

The others are served, and it can be deleted.
"""

from contextlib import aclosing
from typing import Any

import pytest

from apiserver.storage import codec, keys
from tests.support.apiserver import Harness, cached_apiserver, make_apiserver
from tests.unit.apiserver.registry.test_unchanged import OBJECTS
from tests.unit.apiserver.validation.cases import read
from vaina.api.meta.v1 import request_pb2
from vaina.errors import Conflict, InternalError, Invalid, NotFound
from vaina.kinds import CONFIG_MAP, KINDS
from vaina.testing.builders import make_config_map

BY_KIND = [*zip(OBJECTS, KINDS, strict=True)]
IDS = [kind.kind for kind in KINDS]
#: of the envelope's kind, but cut off
CUT_OFF = b"\x0a\x05a"


def sample(row: tuple[str, str, str], kind: Any, name: str) -> Any:
    version, word, rest = row
    namespace = ", namespace: default" if kind.namespaced else ""
    made = read(f"apiVersion: {version}\nkind: {word}\nmetadata: {{name: {name}{namespace}}}\n{rest}\n")
    if word == "PodTrace":
        made.spec.pod_uid = name
    return made


def damage(api: Harness, kind: Any, name: str, value: bytes | None = None) -> str:
    """Put something else under an object's key; return the key."""
    where = keys.object_key(kind, "default", name)
    api.storage.put_bytes(
        where, codec.encode_value(CUT_OFF, (kind.api_version, kind.kind), 0) if value is None else value
    )
    return where


@pytest.mark.parametrize("value", [None, b"{}"], ids=["broken body", "no envelope"])
@pytest.mark.parametrize(("row", "kind"), BY_KIND, ids=IDS)
async def test_of_any_kind_it_is_refused_by_its_key_left_out_and_deleted(
    row: tuple[str, str, str], kind: Any, value: bytes | None
) -> None:
    async with cached_apiserver() as api:
        client, namespace = api.client.kind(kind), "default" if kind.namespaced else ""
        await client.create(sample(row, kind, "sample"))
        key, sent = damage(api, kind, "broken", value), sample(row, kind, "broken")
        patch = {"patch_type": "application/merge-patch+json", "namespace": namespace}
        for verb in (
            client.get("broken", namespace),
            client.get("broken", namespace, resource_version="0"),
            client.create(sent),
            client.create(sent, dry_run=True),
            client.update(sent),
            client.patch("broken", '{"metadata": {"labels": {"a": "b"}}}', **patch),
            client.delete("broken", namespace),
        ):
            with pytest.raises(InternalError) as caught:
                await verb
            assert f"corrupt object, Code: 7, Key: {key}, " in caught.value.message
        api.warnings.clear()
        found = await client.list_page(namespace)
        assert [item.metadata.name for item in found.items if item.metadata.name in ("sample", "broken")] == [
            "sample"
        ]
        assert api.warnings == [f"failed to read one or more {kind.resource} from the storage: {key}"]
        with pytest.raises(Conflict, match="unsafe deletion is not allowed because the object is decodable"):
            await client.delete_unreadable("sample", namespace)
        await client.delete_unreadable("broken", namespace, dry_run=True)
        await client.delete_unreadable("broken", namespace)
        for gone in (client.get("broken", namespace), client.delete_unreadable("broken", namespace)):
            with pytest.raises(NotFound):
                await gone
        await client.create(sent)


async def test_without_a_cache_it_is_the_same() -> None:
    api = make_apiserver()
    await api.client.config_maps.create(make_config_map("a"))
    key = damage(api, CONFIG_MAP, "b")
    assert [item.metadata.name for item in (await api.client.config_maps.list()).items] == ["a"]
    with pytest.raises(InternalError, match=key):
        await api.client.config_maps.create(make_config_map("b"))


async def test_watchers_see_what_became_unreadable_go_and_what_was_mended_come() -> None:
    async with cached_apiserver() as api:
        client = api.client.config_maps
        made = await client.create(make_config_map("a"))
        seen: list[tuple[str, str]] = []
        async with aclosing(
            client.watch("default", resource_version=made.metadata.resource_version)
        ) as batches:
            damage(api, CONFIG_MAP, "a")
            damage(api, CONFIG_MAP, "b")
            damage(api, CONFIG_MAP, "a", codec.encode_value(made.SerializeToString(), ("v1", "ConfigMap"), 0))
            await client.delete_unreadable("b", "default")
            await client.create(make_config_map("b"))
            async for batch in batches:
                seen += [
                    (event.type, event.object.metadata.name)
                    for event in batch.events
                    if event.type != "BOOKMARK"
                ]
                if len(seen) >= 3:
                    break
        assert seen == [("DELETED", "a"), ("ADDED", "a"), ("ADDED", "b")]


async def test_of_many_deleted_or_written_at_once_it_is_refused_alone() -> None:
    async with cached_apiserver() as api:
        pods = api.client.pods
        row, kind = BY_KIND[0]
        await pods.create(sample(row, kind, "a"))
        key = damage(api, kind, "b")
        results = await pods.delete_batch(
            [("default", "b", ""), ("default", "a", "")], grace_period_seconds=0
        )
        assert [isinstance(result, InternalError) for result in results] == [True, False]
        results = await pods.create_batch([sample(row, kind, "b"), sample(row, kind, "a")])
        assert [key in getattr(result, "message", "") for result in results] == [True, False]
        assert await pods.delete_collection("default") == 1


async def test_the_option_stands_alone() -> None:
    api = make_apiserver()
    request = request_pb2.DeleteRequest(
        name="a", grace_period_seconds=0, propagation_policy="Background",
        ignore_store_read_error_with_cluster_breaking_potential=True,
    )  # fmt: skip
    request.preconditions.uid = "x"
    with pytest.raises(Invalid) as caught:
        await api.client.transport.unary(CONFIG_MAP.method("Delete"), request.SerializeToString(), timeout=5)
    assert [(cause.field, cause.detail) for cause in caught.value.causes] == [
        (
            "ignoreStoreReadErrorWithClusterBreakingPotential",
            f"Invalid value: true: cannot be set together with .{other}",
        )
        for other in ("propagationPolicy", "gracePeriodSeconds", "preconditions")
    ]
