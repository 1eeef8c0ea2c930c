import asyncio

import pytest

from vaina.tasks import carry_through, first_of
from vaina.testing.clock import settle


async def test_the_first_to_end_ends_all():
    ended = []

    async def wait(event: asyncio.Event, name: str) -> None:
        try:
            await event.wait()
        finally:
            ended.append(name)

    now, never = asyncio.Event(), asyncio.Event()
    now.set()
    await first_of(wait(never, "never"), wait(now, "now"))
    assert ended == ["now", "never"]


async def test_an_error_of_one_comes_out():
    async def fail() -> None:
        raise LookupError("x")

    with pytest.raises(ExceptionGroup) as caught:
        await first_of(fail(), asyncio.Event().wait())
    assert isinstance(caught.value.exceptions[0], LookupError)


@pytest.mark.parametrize("fails", [False, True])
async def test_what_is_carried_through_is_done_however_often_its_task_is_cancelled(fails: bool):
    may_end, done = asyncio.Event(), list[bool]()

    async def clean_up() -> None:
        await may_end.wait()
        done.append(True)
        if fails:
            raise LookupError("x")

    async with asyncio.TaskGroup() as group:
        task = group.create_task(carry_through(clean_up()))
        for _ in range(3):
            await settle()
            task.cancel()
        await settle()
        assert not task.done()
        may_end.set()
    assert done == [True]
    assert task.cancelled()


async def test_what_is_carried_through_answers_who_was_not_cancelled():
    async def fail() -> None:
        raise LookupError("x")

    assert await carry_through(asyncio.sleep(0, "done")) == "done"  # noqa: TID251 - no time passes
    with pytest.raises(LookupError):
        await carry_through(fail())
