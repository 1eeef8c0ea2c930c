"""A test that is tried again leaves what its first try said: in a file, and in the run's summary."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TESTS = """
import sys
import pytest
from pathlib import Path

def first(name):
    mark = Path(__file__).with_name(name)
    if mark.exists():
        return False
    mark.touch()
    return True

@pytest.fixture
def noisy(request):
    print("said before")
    yield
    request.node.add_report_section("teardown", "cluster", "what the cluster said")

@pytest.fixture
def broken():
    assert not first("broken"), "no room in the inn"

@pytest.mark.parametrize("number", range(2))
def test_flaky(noisy, number):
    print("said in it")
    assert not first(f"flaky{number}"), f"try one of {number}"

def test_setup(broken):
    pass

def test_twice():
    raise ValueError("always")

def test_sound():
    pass
"""


@pytest.mark.parametrize("processes", [0, 2])
def test_first_tries_are_kept_and_told(tmp_path: Path, processes: int) -> None:
    (tmp_path / "pytest.ini").touch()
    (tmp_path / "test_it.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.support.first_tries", "-p", "no:randomly",
         "-p", "no:cacheprovider", "--reruns", "1", "-n", str(processes)],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, timeout=50,
    )  # fmt: skip
    texts = [file.read_text() for file in (tmp_path / ".cache/flaky").iterdir()]
    kept = {text.splitlines()[0]: text for text in texts}

    assert set(kept) == {
        f"test_it.py::{name}" for name in ("test_flaky[0]", "test_flaky[1]", "test_setup", "test_twice")
    }
    for number in range(2):
        text = kept[f"test_it.py::test_flaky[{number}]"]
        assert f"try one of {number}" in text
        assert "said before" in text
        assert "said in it" in text
        assert "what the cluster said" in text
        assert f"try one of {number}" in done.stdout
    assert "failed in setup" in kept["test_it.py::test_setup"]
    assert "no room in the inn" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 failed, 4 passed, 4 rerun in ")


def test_a_run_without_second_tries_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").touch()
    (tmp_path / "test_it.py").write_text("def test_sound(): pass\ndef test_broken(): assert 0\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.support.first_tries", "-p", "no:cacheprovider"],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, timeout=50,
    )  # fmt: skip
    assert "first tries" not in done.stdout
    assert not (tmp_path / ".cache").exists()
