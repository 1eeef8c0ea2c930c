"""A test that hangs ends with a message, also where a loop keeps what a signal raises, and when tried again."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TESTS = """
import asyncio
import pytest

async def spin():
    while True:
        await asyncio.sleep(0)

def again():
    asyncio.get_running_loop().call_soon(again)

async def test_task():
    task = asyncio.get_running_loop().create_task(spin())
    await asyncio.Event().wait()

async def test_callback():
    again()
    await asyncio.Event().wait()

@pytest.fixture
async def never():
    task = asyncio.get_running_loop().create_task(spin())
    await asyncio.Event().wait()

def test_setup(never):
    pass

async def test_one_turn():
    while True:
        pass

@pytest.mark.timeout(60)
def test_sound():
    pass
"""
UNENDING = """
import asyncio

async def stubborn():
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass

async def test_unending():
    task = asyncio.get_running_loop().create_task(stubborn())
    await asyncio.Event().wait()
"""


def run(
    folder: Path, text: str, *arguments: str, end_seconds: float = 20.0
) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
        "timeout = 0.5\ntimeout_method = signal\n"
    )
    (folder / "test_it.py").write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.support.hung_tests", "-p", "no:randomly",
         "-p", "no:cacheprovider", *arguments],
        cwd=folder, env={"PYTHONPATH": str(ROOT), "VAINA_TEST_END_SECONDS": str(end_seconds)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_what_hangs_in_a_loop_fails_in_both_tries_and_the_others_run(tmp_path: Path) -> None:
    done = run(tmp_path, TESTS, "--reruns", "1")
    lines = done.stdout.splitlines()
    assert lines[-1].startswith("3 failed, 1 passed, 1 error, 4 rerun in ")
    for name in ("test_task", "test_callback", "test_setup", "test_one_turn"):
        assert sum(line.endswith(f"{name} - Failed: Timeout (>0.5s): the test hangs") for line in lines) == 1
    # What a task waits for, and what does not end.
    assert "    await asyncio.Event().wait()" in lines
    assert ">       pass" in done.stdout or ">       while True:" in done.stdout


@pytest.mark.parametrize("processes", [0, 1])
def test_what_does_not_end_even_then_ends_its_process_and_is_named(tmp_path: Path, processes: int) -> None:
    done = run(tmp_path, UNENDING, "-n", str(processes), end_seconds=0.5)
    assert done.returncode == 1
    assert "test_it.py::test_unending hangs: its process ends in 0.5 s" in done.stderr
    assert "Timeout (0:00:00" in done.stderr
    assert "crashed while running 'test_it.py::test_unending'" in done.stdout or not processes
