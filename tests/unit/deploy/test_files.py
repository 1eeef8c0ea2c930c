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


def test_a_bundle_knows_that_anything_in_the_images_has_changed() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    sent = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    script = (ROOT / "deploy" / "lib.sh").read_text()
    begin = script.index(" find ") + len(" find ")
    counted = script[begin : script.index("-type f")].replace("\\\n", " ").split()
    assert set(counted) == sent


@pytest.mark.parametrize("service", sorted(COMPOSE["services"]))
def test_ports_are_published_on_loopback_only(service: str) -> None:
    assert [
        port for port in COMPOSE["services"][service].get("ports", []) if not port.startswith("127.0.0.1:")
    ] == []


@pytest.mark.parametrize("service", sorted(COMPOSE["services"]))
def test_our_images_are_never_pulled(service: str) -> None:
    assert COMPOSE["services"][service]["pull_policy"] in ("build", "never")


#: what makes certificates: it has no port, and is confined in a way of its own
CERTS = {"certs", "certs-renewal"}


@pytest.mark.parametrize("service", sorted({*COMPOSE["services"]} - CERTS))
def test_every_service_restarts_and_has_an_init_and_a_health_check(service: str) -> None:
    parts = COMPOSE["services"][service]
    assert (parts["restart"], parts["init"]) == ("unless-stopped", True)
    assert parts["healthcheck"]["test"][0] == "CMD"
    assert "start_interval" not in parts["healthcheck"]  # engines before 25 refuse it


CONFINED = {
    "user": "65532:65532", "read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"],
}  # fmt: skip
FILES = ("docker-compose.yml", "docker-compose.self-hosted.yml")
SERVICES = {
    f"{file} {name}": service
    for file in FILES
    for name, service in yaml.safe_load((ROOT / file).read_text())["services"].items()
}


def running(image: str) -> list[str]:
    """Name the services of both clusters that run an image."""
    return [name for name, service in SERVICES.items() if service["image"].startswith(f"vaina-{image}:")]


@pytest.mark.parametrize(
    "name", sorted({*SERVICES} - {*running("node")} - {f"{FILES[0]} {name}" for name in CERTS})
)
def test_what_is_no_node_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert {name: service[name] for name in CONFINED} == CONFINED
    assert not {"cap_add", "privileged", "device_cgroup_rules", "pid", "network_mode"} & set(service)


@pytest.mark.parametrize("name", sorted(CERTS))
def test_what_makes_certificates_speaks_to_nobody(name: str) -> None:
    service = COMPOSE["services"][name]
    assert (service["network_mode"], service["read_only"], service["init"]) == ("none", True, True)
    assert (service["cap_drop"], service["cap_add"]) == (["ALL"], ["CHOWN", "DAC_OVERRIDE"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"ports", "networks", "privileged", "pid"} & set(service)


def test_keys_are_mounted_by_those_who_hold_them_alone() -> None:
    mounted: dict[str, set[str]] = {}
    for name, service in COMPOSE["services"].items():
        for volume in service.get("volumes", ()):
            if volume.startswith("certs-"):
                source, _, how = volume.partition(":")
                mounted.setdefault(source, set()).add(name)
                assert name in CERTS or how.endswith(":ro")
    assert {source: names - CERTS for source, names in mounted.items()} == {
        "certs-ca": {"controller"}, "certs-etcd-ca": set(), "certs-kubelet-client-ca": set(),
        "certs-registry-ca": set(),
        "certs-apiserver": {"apiserver"}, "certs-apiserver-etcd-client": {"apiserver"},
        "certs-apiserver-kubelet-client": {"apiserver"}, "certs-scheduler": {"scheduler"},
        "certs-controller": {"controller"}, "certs-dashboard": {"dashboard"}, "certs-monitoring": {"prometheus"}, "certs-etcd": {"etcd"},
        "certs-registry": {"registry", "private-registry"}, "certs-node": {"node", "node-containerd"},
    }  # fmt: skip


def test_etcd_is_on_a_network_that_only_apiservers_share() -> None:
    on_it = {name for name, parts in COMPOSE["services"].items() if "etcd" in parts.get("networks", ())}
    assert on_it == {"etcd", "apiserver"}
    assert COMPOSE["services"]["etcd"]["networks"] == ["etcd"]
    assert "ports" not in COMPOSE["services"]["etcd"]


def test_a_service_in_several_networks_is_no_way_from_one_to_another() -> None:
    several = {name for name, parts in COMPOSE["services"].items() if len(parts.get("networks", ())) > 1}
    assert several == {"apiserver", "scheduler", "controller", "prometheus", "dashboard"}
    for name in several:
        assert COMPOSE["services"][name]["sysctls"] == ["net.ipv4.ip_forward=0"]


def test_the_page_which_is_in_the_clear_is_on_a_network_without_nodes_and_their_registry() -> None:
    on_it = {name for name, parts in COMPOSE["services"].items() if "page" in parts.get("networks", ())}
    assert on_it == {"dashboard", "apiserver", "scheduler", "controller", "prometheus"}
    assert COMPOSE["services"]["dashboard"]["networks"] == ["browser", "page"]


@pytest.mark.parametrize("file", ["images/etcd/etcd.sh", "manifests/etcd.yaml"])
def test_etcds_metrics_which_are_in_the_clear_are_on_its_loopback_alone(file: str) -> None:
    words = (ROOT / "deploy" / file).read_text().split()
    [found] = [word for word in words if word.startswith("--listen-metrics-urls=")]
    assert found == "--listen-metrics-urls=http://127.0.0.1:2381"


@pytest.mark.parametrize("name", running("registry"))
def test_a_registry_that_nodes_reach_writes_nothing(name: str) -> None:
    service = SERVICES[name]
    if "networks" in service:
        assert service["networks"] == ["push"]
        assert [port.partition(":")[0] for port in service["ports"]] == ["127.0.0.1"]
    else:
        # What the image does when nobody says anything else is to read.
        assert service["volumes"] == ["images:/var/lib/registry:ro", "certs-registry:/certs/registry:ro"]
        assert "command" not in service


def test_a_registry_reads_unless_it_is_told_otherwise() -> None:
    folder = ROOT / "deploy" / "images" / "registry"
    assert (
        'CMD ["/usr/local/lib/vaina/registry.sh", "/etc/vaina/registry.yml"]'
        in (folder / "Dockerfile").read_text()
    )
    config = yaml.safe_load((folder / "config.yml").read_text())
    assert config["storage"]["maintenance"]["readonly"] == {"enabled": True}


def test_a_registry_that_nodes_reach_asks_for_a_certificate_which_both_engines_have() -> None:
    images = ROOT / "deploy" / "images"
    config = yaml.safe_load((images / "registry" / "config.yml").read_text())
    assert config["http"]["tls"] == {
        "certificate": "/certs/registry/tls.crt", "key": "/certs/registry/tls.key",
        "clientcas": ["/certs/registry/ca.crt"],
    }  # fmt: skip
    shown = [f"/certs/node/registry/{name}" for name in ("tls.crt", "tls.key")]
    for file in (images / "node" / "containerd" / "certs.d").glob("*/hosts.toml"):
        assert [host["client"] for host in tomllib.loads(file.read_text())["host"].values()] == [[shown]]
    docker = (images / "node" / "docker.sh").read_text()
    for path, name in zip(shown, ("client.cert", "client.key"), strict=True):
        assert f'ln -sf {path} "$folder/{name}"' in docker


@pytest.mark.parametrize("name", running("node"))
def test_nodes_are_on_no_network_but_the_common_one(name: str) -> None:
    assert "networks" not in SERVICES[name]


def test_pods_of_compose_nodes_have_a_limit_of_process_ids() -> None:
    text = (ROOT / "deploy" / "images" / "node" / "prepare.sh").read_text()
    assert "VAINA_POD_PIDS_LIMIT=${VAINA_POD_PIDS_LIMIT:-1024}" in text


def test_containerd_is_told_a_host_for_every_registry() -> None:
    # It refuses a file that names none, and then asks over TLS.
    files = sorted((ROOT / "deploy" / "images" / "node" / "containerd" / "certs.d").glob("*/hosts.toml"))
    assert [file.parent.name for file in files] == ["docker.io", "private-registry_5000_", "registry_5000_"]
    for file in files:
        assert tomllib.loads(file.read_text())["host"]
