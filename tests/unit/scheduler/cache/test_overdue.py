"""A binding that was acknowledged and that the watch never shows is looked up.

Its room is not taken for ever.
"""

from scheduler.cache.cache import OVERDUE_SECONDS
from tests.unit.scheduler.objects import info, node, pod
from tests.unit.scheduler.test_scheduler import World, running


async def assumed(world: World) -> str:
    """Let a Pod be assumed on n1, as if its binding had been acknowledged, while the watch shows nothing of
    it.
    """
    gated = pod("lost", {"cpu": "3"}, gates=["example.com/later"])
    await world.create(gated)
    found = info(await world.get("lost"))
    world.scheduler.queue.delete(found.uid)
    world.scheduler.cache.assume(found, "n1")
    world.scheduler.cache.acknowledged(found.uid, now=world.server.clock.monotonic())
    return found.uid


async def test_room_of_a_binding_that_is_not_there_is_taken_by_others_and_the_pod_waits_again() -> None:
    async with running(node("n1", cpu="4")) as world:
        uid = await assumed(world)
        await world.create(pod("other", {"cpu": "2"}))
        await world.advance(OVERDUE_SECONDS - 5)
        assert await world.node_of("other") == ""
        await world.advance(20)
        assert await world.node_of("other") == "n1"
        assert uid in world.scheduler.queue


async def test_an_apiserver_that_does_not_answer_holds_up_no_back_off() -> None:
    async with running(node("n1", cpu="4")) as world:
        await assumed(world)
        world.transport.answering.clear()
        await world.advance(OVERDUE_SECONDS + 2)
        await world.create(pod("large", {"cpu": "8"}))
        await world.add_node(node("n2", cpu="8"))
        await world.advance(3)
        world.transport.answering.set()
        assert await world.node_of("large") == "n2"
        await world.advance(2)
