"""ARCHITECTURE.md names files and what is in them: both are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
SERVICES = ("", "apiserver", "scheduler", "kubelet", "controller", "dashboard", "vaina")
_NAMED = re.compile(r"`([a-z_/]+\.py)::([A-Za-z_.]+)`")


def _wrong(file: str, name: str) -> str:
    """Say what is wrong with `file::name`; a path may be short by the service's folder, or by more."""
    found = [path for top in SERVICES if (path := ROOT / top / file).exists()]
    found = found or [path for top in SERVICES[1:] for path in (ROOT / top).rglob(file)]
    if not found:
        return f"{file} is nowhere"
    last = name.rpartition(".")[2]
    there = any(re.search(rf"(def|class) {last}\b", path.read_text()) for path in found)
    return "" if there else f"{file} has no {last}"


def test_every_function_that_is_named_is_there() -> None:
    named = _NAMED.findall((ROOT / "ARCHITECTURE.md").read_text())
    assert len(named) > 20
    assert [wrong for file, name in named if (wrong := _wrong(file, name))] == []
