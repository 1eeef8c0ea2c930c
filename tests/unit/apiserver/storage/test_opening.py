"""How large the store is, for who reads metrics."""

import asyncio

from prometheus_client import CollectorRegistry, generate_latest

from apiserver.storage import opening
from apiserver.storage.interface import MemberState
from apiserver.storage.metrics import StorageMetrics


async def shown(*answers: tuple[MemberState, ...] | None) -> str:
    """Return what is shown after the members have answered so, one time after the other; None: they do not."""
    registry = CollectorRegistry()
    metrics, left = StorageMetrics(registry), [*answers]

    async def members() -> tuple[MemberState, ...]:
        answer = left.pop(0)
        if answer is None:
            raise TimeoutError
        return answer

    for _ in answers:
        await opening.ask_size(members, metrics)
    lines = generate_latest(registry).decode().splitlines()
    return "".join(line for line in lines if line.startswith("apiserver_storage_size_bytes"))


WELL, LARGER, AWAY = (
    MemberState("a", size_bytes=10),
    MemberState("b", size_bytes=30),
    MemberState("c", "is away"),
)


def test_the_largest_member_that_answers_counts() -> None:
    found = asyncio.run(shown((WELL, LARGER, AWAY)))
    assert found == 'apiserver_storage_size_bytes{storage_cluster_id="etcd-0"} 30.0'


def test_where_nobody_answers_nothing_is_shown() -> None:
    for last in (None, (AWAY,), ()):
        assert asyncio.run(shown((WELL,), last)) == ""
