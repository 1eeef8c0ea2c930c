"""A controller that is written with the library runs in a Pod: the steps of docs/sdk.md."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.cluster import ROOT, Cluster, run, wait_until
from vaina.errors import NotFound

FOLDER = ROOT / "examples" / "controller"
PAGE = ROOT / "docs" / "sdk.md"
NAMESPACE = "team-shop"


@pytest.fixture
def image(cluster: Cluster, tmp_path: Path) -> Iterator[str]:
    """Build the page's controller, and push it into the cluster's registry."""
    [code, *_] = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    (tmp_path / "team.py").write_text(code)
    shutil.copy(FOLDER / "Dockerfile", tmp_path)
    name = f"127.0.0.1:{cluster.env['VAINA_PUSH_PORT']}/library/team-controller:1"
    base = f"VAINA=vaina-control-plane:{cluster.env['VAINA_TAG']}"
    run("docker", "build", "-q", "--build-arg", base, "-t", name, str(tmp_path), timeout=300)
    cluster.compose("up", "-d", "--no-build", "--wait", "registry-push")
    run("docker", "push", "-q", name, timeout=300)
    yield name
    cluster.compose("rm", "-fs", "registry-push")
    run("docker", "rmi", "-f", name)


def test_it_reads_and_writes_as_its_account(image: str, cluster: Cluster, api: Api) -> None:
    try:
        cluster.cli("apply", "-f", str(FOLDER / "team.yaml"))
        cluster.cli("create", "namespace", NAMESPACE)
        cluster.cli("label", "namespace", NAMESPACE, "team=blue")

        def name_of_team() -> str:
            try:
                found = api.call(api.clients.config_maps.get("team", NAMESPACE))
            except NotFound:
                return ""
            return found.data["name"]

        wait_until(lambda: name_of_team() == "blue", 120, "the controller writes a ConfigMap")
        cluster.cli("delete", "configmap", "team", "-n", NAMESPACE)
        wait_until(lambda: name_of_team() == "blue", 60, "it writes the ConfigMap again")
    finally:
        cluster.cli("delete", "-f", str(FOLDER / "team.yaml"), "--ignore-not-found")
        cluster.cli("delete", "namespace", NAMESPACE, "--ignore-not-found")
