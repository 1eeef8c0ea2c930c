"""A command that is forked from a process which is ready does what one that starts from nothing does."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import ROOT
from tests.support.ready_vaina import ReadyVaina


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadyVaina]:
    made = ReadyVaina(tmp_path_factory.mktemp("ready"), ROOT)
    yield made
    made.close()


PLAIN = f'{sys.executable} -m cli "$@"'
#: nobody listens there
SERVER = {"VAINA_SERVER": "127.0.0.1:1", "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}


def said(command: str, script: str, folder: Path) -> tuple[int, bytes, bytes]:
    """Run a script in which `vaina` is this command; return its exit code and what it wrote."""
    done = subprocess.run(
        ["bash", "-c", f"vaina() {{ {command}; }}\n{script}"],
        cwd=folder, env=SERVER, input=b"kind: Pod", capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "script",
    [
        "vaina nothing-of-the-kind",
        "vaina apply -f -; cd /; vaina apply -f manifest.yaml",
        "LC_ALL=es_ES.UTF-8 vaina learn B3 | head -n 3; exit ${PIPESTATUS[0]}",
    ],
)
def test_it_says_the_same(ready: ReadyVaina, script: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.yaml").write_text("kind: Pod")
    plain = said(PLAIN, script, tmp_path)
    assert said(ready.command, script, tmp_path) == plain
    assert plain[1] + plain[2]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_its_caller(ready: ReadyVaina, signum: signal.Signals, tmp_path: Path) -> None:
    # It reads a manifest that does not come.
    with subprocess.Popen(
        ["bash", "-c", f"exec {ready.command}", "vaina", "apply", "-f", "-"],
        cwd=tmp_path, env=SERVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as caller:  # fmt: skip
        caller.send_signal(signum)
        assert caller.stdout is not None
        # Whoever has it open would keep it.
        assert caller.stdout.read() == b""
        caller.wait()
