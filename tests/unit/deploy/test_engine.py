"""Engines that cannot have nodes are told apart before anything is built.

The engine is played by a command of its name.
"""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("version", "security", "says"),
    [
        ("Server: Docker Engine", "[name=seccomp,profile=builtin name=cgroupns]", ""),
        ("Server: Docker Engine", "[name=seccomp,profile=builtin name=rootless name=cgroupns]", "rootless"),
        ("Server: Docker Engine", "[name=userns]", "remaps users"),
        ("Client: Podman Engine", "[]", "this is Podman"),
    ],
)
def test_an_engine_that_cannot_have_nodes_is_refused(
    tmp_path: Path, version: str, security: str, says: str
) -> None:
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\ncase $1 in version) echo "{version}";; info) echo "{security}";; esac\n')
    docker.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"  # noqa: TID251 (the test's own)

    done = subprocess.run(
        ["env", f"PATH={path}", ROOT / "deploy" / "engine.sh"], capture_output=True, text=True, check=False
    )

    assert done.returncode == (1 if says else 0)
    assert (says or "using the one that answers") in done.stderr
    assert ("docs/machines.md" in done.stderr) is bool(says)
