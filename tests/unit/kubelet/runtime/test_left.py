"""Commands of exec that a killed kubelet has left end when it is back."""

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from kubelet.runtime.interface import NotFoundInRuntime
from kubelet.runtime.left import LeftCommands


class Runtime:
    """Ends commands, and knows which."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, list[str]]] = []
        self.gone: set[str] = set()

    async def end(self, container_id: str, argv: Sequence[str]) -> None:
        if container_id in self.gone:
            raise NotFoundInRuntime(container_id)
        self.ended.append((container_id, list(argv)))


async def test_what_was_left_is_ended_once(tmp_path: Path) -> None:
    folder, runtime = tmp_path / "sessions", Runtime()
    killed = LeftCommands(tmp_path / "before")
    with killed.noted("c0", ["true"]):
        pass
    with ExitStack() as sessions:
        for container in ("c1", "c2", "c3"):
            sessions.enter_context(killed.noted(container, ["sh", "-c", "sleep 1"]))
        # As the disk is when the kubelet is killed.
        shutil.copytree(tmp_path / "before", folder)
    (folder / "half").write_text('["c4", "sl')
    runtime.gone = {"c2"}

    back = LeftCommands(folder)
    with back.noted("c5", ["cat"]):
        await back.end_all(runtime.end)
        assert sorted(runtime.ended) == [("c1", ["sh", "-c", "sleep 1"]), ("c3", ["sh", "-c", "sleep 1"])]
        # Sessions of the new one go on.
        assert len(list(folder.iterdir())) == 1
    assert list(folder.iterdir()) == []
    await LeftCommands(folder).end_all(runtime.end)
    assert len(runtime.ended) == 2


def test_a_session_that_breaks_leaves_no_file(tmp_path: Path) -> None:
    def session() -> None:
        with LeftCommands(tmp_path).noted("c1", ["cat"]):
            [file] = tmp_path.iterdir()
            assert file.stat().st_mode & 0o077 == 0
            raise RuntimeError

    with pytest.raises(RuntimeError):
        session()
    assert list(tmp_path.iterdir()) == []
