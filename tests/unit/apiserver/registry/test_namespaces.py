"""How a namespace ends: an update never lets it go, `finalize` does."""

from collections.abc import Awaitable, Callable

import pytest

from tests.support.apiserver import Harness, make_apiserver
from vaina.api.core.v1 import namespace_pb2
from vaina.errors import Conflict, Invalid, MethodNotSupported, NotFound
from vaina.testing.builders import make_namespace


async def _ending(api: Harness) -> namespace_pb2.Namespace:
    await api.client.namespaces.create(make_namespace("shop"))
    return await api.client.namespaces.delete("shop")


async def _update(api: Harness, namespace: namespace_pb2.Namespace) -> namespace_pb2.Namespace:
    return await api.client.namespaces.update(namespace)


async def _patch(api: Harness, namespace: namespace_pb2.Namespace) -> namespace_pb2.Namespace:
    return await api.client.namespaces.patch("shop", '{"spec": {"finalizers": null}}')


async def _update_status(api: Harness, namespace: namespace_pb2.Namespace) -> namespace_pb2.Namespace:
    return await api.client.namespaces.update_status(namespace)


@pytest.mark.parametrize("write", [_update, _patch, _update_status])
async def test_no_other_write_lets_go_of_a_namespace(
    write: Callable[[Harness, namespace_pb2.Namespace], Awaitable[namespace_pb2.Namespace]],
) -> None:
    api = make_apiserver()
    await api.client.namespaces.create(make_namespace("shop"))
    for begin in (api.client.namespaces.get, api.client.namespaces.delete):
        stored = await begin("shop")
        sent = namespace_pb2.Namespace()
        sent.CopyFrom(stored)
        sent.ClearField("spec")
        assert await write(api, sent) == stored


async def test_finalize_takes_an_ending_namespace_away_with_its_last_finalizer() -> None:
    api = make_apiserver()
    ending = await _ending(api)
    ending.spec.finalizers[:] = ["example.com/hold"]
    held = await api.client.namespaces.finalize(ending)
    assert (list(held.spec.finalizers), held.status.phase) == (["example.com/hold"], "Terminating")
    del held.spec.finalizers[:]
    await api.client.namespaces.finalize(held)
    with pytest.raises(NotFound):
        await api.client.namespaces.get("shop")


async def test_a_namespace_that_is_finalized_stays_for_finalizers_of_its_metadata() -> None:
    api = make_apiserver()
    await api.client.namespaces.create(make_namespace("shop"))
    await api.client.namespaces.patch("shop", '{"metadata": {"finalizers": ["example.com/hold"]}}')
    ending = await api.client.namespaces.delete("shop")
    del ending.spec.finalizers[:]
    await api.client.namespaces.finalize(ending)
    assert not (await api.client.namespaces.get("shop")).spec.finalizers
    await api.client.namespaces.patch("shop", '{"metadata": {"finalizers": null}}')
    with pytest.raises(NotFound):
        await api.client.namespaces.get("shop")


async def test_finalize_takes_metadata_and_keeps_the_status_of_a_live_namespace() -> None:
    api = make_apiserver()
    sent = await api.client.namespaces.create(make_namespace("shop"))
    sent.metadata.ClearField("labels")
    sent.metadata.labels["team"] = "a"
    sent.metadata.ClearField("uid")
    sent.spec.ClearField("finalizers")
    sent.status.phase = "Terminating"
    stored = await api.client.namespaces.finalize(sent)
    assert dict(stored.metadata.labels) == {"team": "a", "kubernetes.io/metadata.name": "shop"}
    assert stored.metadata.uid
    assert (list(stored.spec.finalizers), stored.status.phase) == ([], "Active")
    assert stored == await api.client.namespaces.get("shop")


async def test_names_of_finalizers_are_told_with_their_place() -> None:
    api = make_apiserver()
    ending = await _ending(api)
    ending.spec.finalizers[:] = ["kubernetes", "mine"]
    with pytest.raises(Invalid) as refused:
        await api.client.namespaces.finalize(ending)
    assert refused.value.message == (
        'Namespace "shop" is invalid: spec.finalizers[1]: Invalid value: "mine": name is neither a standard finalizer name '
        "nor is it fully qualified"
    )


async def test_finalize_of_another_version_or_of_nothing_is_refused() -> None:
    api = make_apiserver()
    ending = await _ending(api)
    ending.metadata.resource_version = "1"
    with pytest.raises(Conflict, match="the object has been modified"):
        await api.client.namespaces.finalize(ending)
    with pytest.raises(NotFound):
        await api.client.namespaces.finalize(make_namespace("other"))


async def test_finalize_cannot_be_patched() -> None:
    api = make_apiserver()
    await _ending(api)
    with pytest.raises(
        MethodNotSupported, match=r"^the server does not allow this method on the requested resource$"
    ):
        await api.client.namespaces.patch("shop", "{}", subresource="finalize")


async def test_finalize_cannot_be_read() -> None:
    api = make_apiserver()
    await _ending(api)
    with pytest.raises(MethodNotSupported):
        await api.client.namespaces.get("shop", subresource="finalize")


async def test_a_first_deletion_only_marks_and_a_second_removes_what_nothing_holds() -> None:
    api = make_apiserver()
    live = await api.client.namespaces.create(make_namespace("shop"))
    del live.spec.finalizers[:]
    await api.client.namespaces.finalize(live)
    ending = await api.client.namespaces.delete("shop")
    assert ending.metadata.HasField("deletion_timestamp")
    assert not ending.metadata.HasField("deletion_grace_period_seconds")
    assert (await api.client.namespaces.get("shop")).status.phase == "Terminating"
    await api.client.namespaces.delete("shop")
    with pytest.raises(NotFound):
        await api.client.namespaces.get("shop")


async def test_a_second_deletion_of_what_is_not_empty_yet_changes_nothing() -> None:
    api = make_apiserver()
    ending = await _ending(api)
    assert await api.client.namespaces.delete("shop", propagation_policy="Foreground") == ending
    assert await api.client.namespaces.get("shop") == ending
