"""Reading the files of a CRI runtime: ends, rotation, followers, what is left over."""

import asyncio
from pathlib import Path

import pytest

from kubelet.runtime.cri.logs import container_logs, log_bytes, remove_logs, tail_offset
from kubelet.runtime.interface import NotFoundInRuntime
from kubelet.runtime.records import LogOptions
from vaina.testing.clock import FakeClock

STAMP = "2026-11-22T13:00:00.000000001Z"


def line(text: str, tag: str = "F") -> str:
    return f"{STAMP} stdout {tag} {text}\n"


class Container:
    """What the runtime says of one."""

    def __init__(self, path: Path) -> None:
        self.path, self.gone = path, False
        #: None: it runs
        self.ended_at: float | None = 0.0

    async def look(self) -> tuple[Path, float | None]:
        if self.gone:
            raise NotFoundInRuntime("gone")
        return self.path, self.ended_at


async def read(container: Container, options: LogOptions, clock: FakeClock | None = None) -> str:
    pieces = container_logs(container.look, options, clock or FakeClock())
    return b"".join([piece async for piece in pieces]).decode()


@pytest.mark.parametrize(
    ("tail", "expected"), [(None, "ab\nc\nd\n"), (0, ""), (1, "d\n"), (2, "c\nd\n"), (3, "ab\nc\nd\n"), (9, "ab\nc\nd\n")]
)  # fmt: skip
async def test_a_tail_counts_whole_lines(tmp_path: Path, tail: int | None, expected: str) -> None:
    path = tmp_path / "0.log"
    path.write_text(line("a", "P") + line("b") + line("c") + line("d"))
    assert await read(Container(path), LogOptions(tail_lines=tail)) == expected


@pytest.mark.parametrize("lines", [1, 2, 700, 3999, 4000])
def test_a_tail_is_found_across_many_blocks(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "0.log"
    written = [line(f"{number:05d}" + "x" * (number % 97)) for number in range(4000)]
    path.write_text("".join(written))
    with path.open("rb") as file:
        file.seek(tail_offset(file, lines))
        assert file.read().decode() == "".join(written[-lines:])


async def test_the_log_of_what_never_started_is_empty(tmp_path: Path) -> None:
    assert await read(Container(tmp_path / "0.log"), LogOptions(follow=True)) == ""


async def test_the_log_of_what_is_gone_is_not_found(tmp_path: Path) -> None:
    container = Container(tmp_path / "0.log")
    container.gone = True
    with pytest.raises(NotFoundInRuntime):
        await read(container, LogOptions())


async def test_a_follower_goes_on_after_a_rotation_and_ends_with_the_container(tmp_path: Path) -> None:
    path, clock = tmp_path / "0.log", FakeClock()
    path.write_text(line("one"))
    container = Container(path)
    container.ended_at = None
    pieces = container_logs(container.look, LogOptions(follow=True), clock)
    first = await anext(pieces)

    async def rest() -> bytes:
        return first + b"".join([piece async for piece in pieces])

    async with asyncio.TaskGroup() as group:
        reading = group.create_task(rest())
        with path.open("a") as old:
            old.write(line("two"))
        path.rename(tmp_path / "0.log.20261122-130000")
        path.write_text(line("three"))
        container.ended_at = clock.now()
        while not reading.done():
            await clock.advance(0.1)
    assert reading.result() == b"one\ntwo\nthree\n"


async def test_in_the_middle_of_a_rotation_the_log_is_where_it_was_moved_to(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    for name, text in (("20261122-120000", "old"), ("20261122-130000", "newest"), ("20261122-125000.gz", "")):
        path.with_name(f"0.log.{name}").write_text(line(text))
    container = Container(path)
    container.ended_at = None
    assert await read(container, LogOptions(tail_lines=5)) == "newest\n"


async def test_a_follower_bears_a_log_that_is_moved_again_and_again(tmp_path: Path) -> None:
    path, clock, rotations = tmp_path / "0.log", FakeClock(), 100
    path.write_text(line("0"))
    container = Container(path)
    container.ended_at = None

    def write() -> None:
        for number in range(1, rotations):
            path.rename(tmp_path / f"0.log.{number:09d}")
            # Nothing is at the path meanwhile: the runtime has not reopened it yet.
            path.write_text(line(str(number)))

    async def follow() -> list[int]:
        return [int(shown) for shown in (await read(container, LogOptions(follow=True), clock)).splitlines()]

    async with asyncio.TaskGroup() as group:
        following = group.create_task(follow())
        writing = group.create_task(asyncio.to_thread(write))
        while not following.done():
            if writing.done():
                container.ended_at = clock.now()
            await clock.advance(0.1)
    # Files may be moved faster than they are read; what is read comes once and in order, the last file to its
    # end.
    seen = following.result()
    assert seen == sorted(set(seen))
    assert seen[-1] == rotations - 1


async def test_lines_that_come_a_moment_after_the_end_are_read(tmp_path: Path) -> None:
    path, clock = tmp_path / "0.log", FakeClock()
    path.write_text(line("one"))
    container = Container(path)
    container.ended_at = clock.now()
    pieces = container_logs(container.look, LogOptions(), clock)
    assert await anext(pieces) == b"one\n"
    with path.open("a") as file:
        file.write(line("last"))
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(anext(pieces, b""))  # type: ignore[arg-type] - a coroutine at run time
        while not reading.done():
            await clock.advance(0.1)
    assert reading.result() == b"last\n"
    await pieces.aclose()  # type: ignore[attr-defined] - a generator


async def test_a_log_goes_with_all_it_was_rotated_to_and_the_next_attempt_keeps_its_own(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "main"
    folder.mkdir()
    for name in ("0.log", "0.log.20261122-130000.gz", "1.log"):
        (folder / name).write_text("12345")
    assert log_bytes(folder / "0.log") == 10
    remove_logs(folder / "0.log")
    assert [path.name for path in folder.iterdir()] == ["1.log"]
    remove_logs(folder / "1.log")
    remove_logs(folder / "1.log")
    assert not folder.exists()
