"""What only the fake can do: fail on purpose, cut watches, forget. An informer goes through all of it."""

import asyncio

import pytest

from vaina.cache.informer import Informer
from vaina.errors import Conflict, NotFound, Unavailable
from vaina.kinds import CONFIG_MAP
from vaina.testing.apiserver import FakeApiserver
from vaina.testing.builders import make_config_map
from vaina.testing.clock import FakeClock, settle


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def fake(clock: FakeClock) -> FakeApiserver:
    return FakeApiserver(clock)


async def test_a_call_fails_as_often_as_it_is_told_to(fake: FakeApiserver) -> None:
    client = fake.client()
    fake.fail("Create", CONFIG_MAP, Unavailable("away"), times=2)
    for _ in range(2):
        with pytest.raises(Unavailable, match="away"):
            await client.config_maps.create(make_config_map("a"))
    with pytest.raises(NotFound):
        await client.config_maps.get("a", "default")
    await client.config_maps.create(make_config_map("a"))
    assert fake.calls.count(("Create", "configmaps")) == 3


async def test_an_answer_can_be_lost_though_the_call_was_carried_out(fake: FakeApiserver) -> None:
    client = fake.client()
    fake.fail("*", None, Unavailable("Socket closed"), answer_lost=True)
    with pytest.raises(Unavailable):
        await client.config_maps.create(make_config_map("a"))
    assert (await client.config_maps.get("a", "default")).metadata.uid


async def test_a_fault_meets_its_verb_and_kind_alone(fake: FakeApiserver) -> None:
    client = fake.client()
    await client.config_maps.create(make_config_map("a"))
    fake.fail("Update", CONFIG_MAP, Conflict("somebody was faster"))
    await client.config_maps.get("a", "default")
    with pytest.raises(Conflict):
        await client.config_maps.update(make_config_map("a", data={"x": "1"}))


async def test_an_informer_survives_cut_watches_and_forgotten_history(
    fake: FakeApiserver, clock: FakeClock
) -> None:
    client = fake.client()
    await client.config_maps.create(make_config_map("a"))
    informer = Informer(client.config_maps, clock)
    seen: list[tuple[str, str]] = []
    informer.add_handler(
        on_add=lambda obj: seen.append(("add", obj.metadata.name)),
        on_delete=lambda obj: seen.append(("delete", obj.metadata.name)),
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(informer.run())
        await settle()
        fake.cut_streams()
        await client.config_maps.create(make_config_map("b"))
        await clock.advance(10)
        assert seen == [("add", "a"), ("add", "b")]
        fake.fail("Watch", CONFIG_MAP, Unavailable("away"), times=2)
        fake.cut_streams()
        await client.config_maps.delete("a", "default")
        fake.expire()
        await client.config_maps.create(make_config_map("c"))
        await clock.advance(30)
        assert seen[2:] == [("delete", "a"), ("add", "c")]
        assert [obj.metadata.name for obj in informer.lister.list()] == ["b", "c"]
        task.cancel()


async def test_the_same_seed_gives_the_same_names(clock: FakeClock) -> None:
    template = make_config_map("")
    template.metadata.generate_name = "team-"
    names = [
        (await FakeApiserver(clock, seed=7).client().config_maps.create(template)).metadata.name
        for _ in range(2)
    ]
    assert names[0] == names[1]
