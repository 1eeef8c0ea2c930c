"""Logs of containers are moved aside when they are large, the older ones compressed, the oldest removed."""

import gzip
from collections.abc import Mapping
from pathlib import Path

import pytest

from kubelet.runtime.cri.rotation import LogRotation, plan_tidying
from kubelet.runtime.interface import RuntimeFailure
from kubelet.runtime.records import LogLimits
from vaina.testing.clock import FakeClock


@pytest.mark.parametrize(
    ("rotated", "remove", "compress"),
    [
        ([], (), ()),
        (["0.log.1"], (), ("0.log.1",)),
        (["0.log.1.gz", "0.log.2", "0.log.3"], (), ("0.log.2", "0.log.3")),
        (["0.log.1.gz", "0.log.2.gz", "0.log.3", "0.log.4"], ("0.log.1.gz",), ("0.log.3", "0.log.4")),
        # What a kubelet that died left: half a file, and one that is there twice.
        (["0.log.1.tmp", "0.log.1"], ("0.log.1.tmp",), ("0.log.1",)),
        (["0.log.1", "0.log.1.gz"], ("0.log.1",), ()),
    ],
)
def test_room_is_made_before_a_log_is_rotated(
    rotated: list[str], remove: tuple[str, ...], compress: tuple[str, ...]
) -> None:
    assert plan_tidying("0.log", rotated, 5) == ([*remove], [*compress])


class Writer:
    """A runtime with a container for each path: c1, c2."""

    def __init__(self, *paths: Path) -> None:
        self.paths = {f"c{number}": path for number, path in enumerate(paths, 1)}
        self.refused: frozenset[str] = frozenset()
        self.reopened = 0

    async def log_paths(self, known: Mapping[str, Path]) -> dict[str, Path]:
        return self.paths

    async def reopen_log(self, container_id: str) -> None:
        if container_id in self.refused:
            raise RuntimeFailure("not now")
        self.reopened += 1
        self.paths[container_id].touch()


def files(folder: Path) -> list[Path]:
    """Return what is in a folder, the log itself first."""
    return sorted(folder.iterdir())


async def test_a_log_that_grows_is_kept_small(tmp_path: Path) -> None:
    path, clock = tmp_path / "0.log", FakeClock()
    writer = Writer(path)
    path.write_text("")
    rotation = LogRotation(writer, clock, LogLimits(max_bytes=10, max_files=3))
    for number in range(5):
        path.write_text(f"{number}" * 10)
        await rotation.look()
        assert path.read_text() == ""
        await clock.advance(1)
    path.write_text("small")
    await rotation.look()
    # The newest, the one before it as it was, and one compressed.
    left = files(tmp_path)[1:]
    assert [item.suffix == ".gz" for item in left] == [True, False]
    assert gzip.decompress(left[0].read_bytes()) == b"3" * 10
    assert left[1].read_text() == "4" * 10
    assert (path.read_text(), writer.reopened) == ("small", 5)


async def test_a_runtime_that_does_not_reopen_keeps_its_file_and_the_others_are_kept_small(
    tmp_path: Path,
) -> None:
    paths = tmp_path / "one" / "0.log", tmp_path / "other" / "0.log"
    for path in paths:
        path.parent.mkdir()
        path.write_text("x" * 10)
    writer = Writer(*paths)
    writer.refused = frozenset({"c1"})
    await LogRotation(writer, FakeClock(), LogLimits(max_bytes=10)).look()
    assert files(tmp_path / "one") == [paths[0]]
    assert [path.read_text() for path in paths] == ["x" * 10, ""]


async def test_a_new_log_whose_beginning_was_not_heard_of_is_not_written_over(tmp_path: Path) -> None:
    class Hasty(Writer):
        async def reopen_log(self, container_id: str) -> None:
            self.paths[container_id].write_text("new")
            raise RuntimeFailure("the container runtime takes too long")

    path = tmp_path / "0.log"
    path.write_text("x" * 10)
    await LogRotation(Hasty(path), FakeClock(), LogLimits(max_bytes=10)).look()
    assert [item.read_text() for item in files(tmp_path)] == ["new", "x" * 10]


async def test_a_log_that_was_moved_away_by_a_kubelet_that_died_is_reopened(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "0.log")
    await LogRotation(writer, FakeClock(), LogLimits(max_bytes=10)).look()
    assert writer.reopened == 1
