"""MachineryService: who has which stream open, and how the storage is."""

import asyncio
from contextlib import aclosing

import pytest

from apiserver.authorization.methods import Action
from apiserver.services.streams import MAX_NODES, Open, rows_of
from tests.support.apiserver import make_apiserver
from tests.unit.apiserver.authorization.test_methods import Nobody
from vaina.api.meta.v1 import request_pb2
from vaina.errors import Forbidden
from vaina.serving.handlers import RequestContext, User
from vaina.testing.clock import settle

WATCH = Action("watch", "", "pods", "", True)


def opened(
    user: str, *, agent: str = "kubelet", fields: str = "", action: Action = WATCH, at: float = 0.0
) -> Open:
    rpc = RequestContext(metadata=[("user-agent", agent)], user=User(user))
    return Open(action, rpc, request_pb2.WatchRequest(field_selector=fields).SerializeToString(), at)


def test_alike_streams_of_a_user_are_one_row() -> None:
    rows = rows_of(
        [opened("a", at=7.0), opened("a", at=5.0), opened("b"), opened("a", fields="spec.nodeName=n")]
    )
    assert [(row.user, row.field_selector, row.count) for row in rows] == [
        ("a", "", 2), ("a", "spec.nodeName=n", 1), ("b", "", 1),
    ]  # fmt: skip
    assert rows[0].oldest.ToSeconds() == 5


def test_who_asks_in_anothers_name_is_told_with_both() -> None:
    rpc = RequestContext(user=User("system:node:n1"), sender=User("eva"))
    rows = rows_of([Open(WATCH, rpc, b"", 0.0), opened("eva"), opened("system:node:n1")])
    assert [(row.user, row.impersonated_user, row.count) for row in rows] == [
        ("eva", "", 1),
        ("eva", "system:node:n1", 1),
        ("system:node:n1", "", 1),
    ]


def test_many_nodes_are_counted_together() -> None:
    many = MAX_NODES + 1
    rows = rows_of(
        [opened(f"system:node:n{i}", fields=f"spec.nodeName=n{i}") for i in range(many)] + [opened("a")]
    )
    assert [(row.user, row.clients, row.count, row.field_selector) for row in rows] == [
        ("a", 1, 1, ""), ("system:nodes", many, many, ""),
    ]  # fmt: skip


def test_a_hostile_agent_and_selector_are_cut() -> None:
    [row] = rows_of([opened("a", agent="x" * 10_000, fields="y" * 10_000)])
    assert (len(row.user_agent), len(row.field_selector)) == (300, 300)


def test_a_stream_of_requests_and_what_cannot_be_read_are_told_without_a_selection() -> None:
    rpc = RequestContext(user=User("a"))
    rows = rows_of(
        [Open(Action("create", "", "pods", "exec"), rpc, None, 0.0), Open(WATCH, rpc, b"\xff\xff", 0.0)]
    )
    assert [(row.verb, row.subresource, row.field_selector) for row in rows] == [
        ("create", "exec", ""),
        ("watch", "", ""),
    ]


async def test_a_watch_is_told_as_long_as_it_is_open() -> None:
    server = make_apiserver()

    async def watch() -> None:
        async with aclosing(server.client.pods.watch("default", label_selector="app=web")) as events:
            async for _ in events:
                pass

    async with asyncio.TaskGroup() as group:
        task = group.create_task(watch())
        await settle(50)
        found = await server.client.machinery()
        [row] = found.streams
        assert (row.verb, row.resource, row.namespace, row.label_selector) == (
            "watch",
            "pods",
            "default",
            "app=web",
        )
        assert (found.open, found.instance) == (1, "apiserver")
        task.cancel()
    assert (await server.client.machinery()).open == 0


async def test_it_tells_the_revision_of_the_storage() -> None:
    server = make_apiserver()
    before = (await server.client.machinery()).revision
    await server.pod()
    after = await server.client.machinery()
    assert after.revision > before
    assert [member.endpoint for member in after.storage] == ["memory"]


async def test_who_may_not_is_refused() -> None:
    with pytest.raises(Forbidden, match='cannot get path "/machinery"'):
        await make_apiserver(authorizer=Nobody()).client_of("mallory").machinery()
