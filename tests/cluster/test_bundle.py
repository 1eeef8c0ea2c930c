"""A bundle is all that a machine with an engine and Python needs: nothing is fetched."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cluster import DEPLOY, ROOT, CommandError, run
from tests.support.cluster_plugin import setting

#: what is bundled: images that the tests have anyhow
BUILT = setting("VAINA_TEST_PROJECT") or "vaina-test"
TAG = "vaina-bundled"


def offline(*command: str, env: dict[str, str], cwd: Path) -> str:
    """Run a command with no network but loopback; the engine is asked over its socket.

    Returns all that it said.
    """
    words = ["unshare", "--net", "env", *[f"{name}={value}" for name, value in env.items()], *command]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.soak
@pytest.mark.skipif(os.geteuid() != 0, reason="a network without routes takes root to make")
def test_a_fresh_clone_takes_all_from_a_bundle(tmp_path: Path) -> None:
    bundle, clone = tmp_path / "bundle", tmp_path / "clone"
    this = f"{sys.version_info.major}.{sys.version_info.minor}"
    run(
        DEPLOY / "bundle.sh",
        env={"TO": str(bundle), "VAINA_TAG": BUILT, "BUNDLE_PYTHONS": this},
        timeout=900,
    )
    run("git", "clone", "--quiet", ROOT, clone)
    env = {"BUNDLE": str(bundle), "VAINA_TAG": TAG}
    try:
        said = offline("make", "setup", env=env, cwd=clone)
        assert "virtual environment with the locked packages" in said
        assert "explain" in offline(".venv/bin/vaina", "--help", env={}, cwd=clone)

        said = offline("deploy/build.sh", env=env, cwd=clone)
        assert "loading the bundle's" in said
        run(
            "docker",
            "run",
            "--rm",
            "--network",
            "none",
            f"vaina-node:{TAG}",
            "python",
            "-c",
            "import kubelet.process",
        )
        # Once is enough.
        assert "loading" not in offline("deploy/build.sh", env=env, cwd=clone)
    finally:
        for image in ("etcd", "registry", "control-plane", "node"):
            run("docker", "rmi", f"vaina-{image}:{TAG}")


def test_a_folder_that_is_no_bundle_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"holds no images\.tar\.gz; `make bundle` writes such a folder"):
        run(DEPLOY / "build.sh", env={"BUNDLE": str(tmp_path)})
