"""What must stay true of the files in deploy/ and of docker-compose.yml, without running them."""

import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def shared_stages(image: str) -> str:
    """Return the text of the stages `base` and `protos` of an image's Dockerfile."""
    text = (ROOT / "deploy" / "images" / image / "Dockerfile").read_text()
    start = text.index("FROM debian:trixie-slim AS base")
    return text[start : text.index("gen_protos.py && find")]


def test_control_plane_and_node_share_their_first_layers() -> None:
    assert shared_stages("control-plane") == shared_stages("node")


@pytest.mark.parametrize("service", sorted(COMPOSE["services"]))
def test_ports_are_published_on_loopback_only(service: str) -> None:
    assert [
        port for port in COMPOSE["services"][service].get("ports", []) if not port.startswith("127.0.0.1:")
    ] == []


@pytest.mark.parametrize("service", sorted(COMPOSE["services"]))
def test_our_images_are_never_pulled(service: str) -> None:
    assert COMPOSE["services"][service]["pull_policy"] in ("build", "never")


@pytest.mark.parametrize("service", sorted(COMPOSE["services"]))
def test_every_service_restarts_and_has_an_init_and_a_health_check(service: str) -> None:
    parts = COMPOSE["services"][service]
    assert (parts["restart"], parts["init"]) == ("unless-stopped", True)
    assert parts["healthcheck"]["test"][0] == "CMD"
    assert "start_interval" not in parts["healthcheck"]  # engines before 25 refuse it


def test_containerd_is_told_a_host_for_every_registry() -> None:
    # It refuses a file that names none, and then asks over TLS.
    files = sorted((ROOT / "deploy" / "images" / "node" / "containerd" / "certs.d").glob("*/hosts.toml"))
    assert [file.parent.name for file in files] == ["docker.io", "private-registry_5000_", "registry_5000_"]
    for file in files:
        assert tomllib.loads(file.read_text())["host"]
