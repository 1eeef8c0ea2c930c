"""A cluster out of a bundle: what is not in it is said before anything is started.

The engine is played by a command of its name.
"""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TAG = "of-a-test"
#: knows all images that are in a bundle
ENGINE = """#!/bin/sh
case $1 in
  version) echo amd64;;
  info) echo "[name=seccomp]";;
  compose) echo 2.26.0;;
  image) case $3 in vaina-prometheus:*) exit {code};; esac;;
esac
"""


@pytest.mark.parametrize(
    ("profiles", "held", "is_there", "says"),
    [
        ("monitoring", "", False, "holds no image of prometheus; `COMPOSE_PROFILES=monitoring make bundle`"),
        ("private-registry,monitoring", "", False, "holds no image of prometheus"),
        ("monitoring", "", True, ""),
        ("monitoring", " prometheus", True, ""),
        ("", "", False, ""),
        ("", " prometheus", True, ""),
    ],
)
def test_prometheus_is_asked_for_in_vain_of_a_bundle_without_it(
    tmp_path: Path, profiles: str, held: str, is_there: bool, says: str
) -> None:
    docker = tmp_path / "docker"
    docker.write_text(ENGINE.format(code=int(not is_there)))
    docker.chmod(0o755)
    files = {"images.tar.gz": "", "architecture": "amd64", "sources": "", "tag": TAG}
    files |= {"images": f"etcd registry control-plane node{held}"}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    settings = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",  # noqa: TID251 (the test's own)
        "BUNDLE": str(tmp_path), "COMPOSE_PROFILES": profiles, "VAINA_TAG": TAG,
    }  # fmt: skip
    try:
        done = subprocess.run(
            ["env", *(f"{name}={value}" for name, value in settings.items()), ROOT / "deploy" / "build.sh"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        (ROOT / ".tools" / f"bundle.{TAG}").unlink(missing_ok=True)

    assert done.returncode == (1 if says else 0), done.stderr
    assert says in done.stderr
