"""The self-hosted cluster's files: nodes as in the ordinary one, manifests that a kubelet takes."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from kubelet.sources.static_files import decode

ROOT = Path(__file__).resolve().parents[3]
MANIFESTS = sorted((ROOT / "deploy" / "manifests").glob("*.yaml"))


def compose(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


@pytest.mark.parametrize(
    "part",
    ["init", "restart", "stop_grace_period", "cap_add", "security_opt", "device_cgroup_rules", "cgroup", "tmpfs",
     "healthcheck"],
)  # fmt: skip
@pytest.mark.parametrize("service", ["node", "node-control-plane"])
def test_a_node_is_made_as_in_the_ordinary_cluster(service: str, part: str) -> None:
    ordinary = compose("docker-compose.yml")["services"]["node"]

    assert compose("docker-compose.self-hosted.yml")["services"][service][part] == ordinary[part]


def test_the_control_plane_is_published_where_the_ordinary_one_is() -> None:
    ordinary = compose("docker-compose.yml")["services"]
    ports = [port for name in ("apiserver", "scheduler", "controller") for port in ordinary[name]["ports"]]

    assert set(ports) <= set(
        compose("docker-compose.self-hosted.yml")["services"]["node-control-plane"]["ports"]
    )


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.stem)
def test_a_manifest_needs_no_apiserver_no_registry_and_no_pod_network(file: Path) -> None:
    pod = decode(file.read_bytes(), path=str(file), node_name="node", now=1.0)

    assert pod.metadata.name == f"{file.stem}-node"
    assert pod.spec.host_network
    assert [container.image_pull_policy for container in pod.spec.containers] == ["Never"]
    assert pod.spec.containers[0].liveness_probe.ListFields()


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.stem)
def test_a_part_of_the_control_plane_is_confined(file: Path) -> None:
    pod = decode(file.read_bytes(), path=str(file), node_name="node", now=1.0)

    assert pod.spec.security_context.run_as_user == 65532
    for container in pod.spec.containers:
        rights = container.security_context
        assert rights.run_as_non_root or pod.spec.security_context.run_as_non_root
        assert (rights.read_only_root_filesystem, rights.allow_privilege_escalation) == (True, False)
        assert (list(rights.capabilities.drop), list(rights.capabilities.add)) == (["ALL"], [])
