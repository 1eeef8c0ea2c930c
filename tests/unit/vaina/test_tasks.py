import asyncio

import pytest

from vaina.tasks import first_of


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
