"""Image references and their credentials."""

import base64
import json

import pytest

from kubelet.images.reference import find_auth, is_valid, registry_of, with_tag
from kubelet.runtime.records import RegistryAuth
from vaina.api.core.v1 import config_pb2

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("reference", "tagged", "registry"),
    [
        ("busybox", "busybox:latest", "docker.io"),
        ("busybox:1.36", "busybox:1.36", "docker.io"),
        ("library/busybox", "library/busybox:latest", "docker.io"),
        ("registry.local/app", "registry.local/app:latest", "registry.local"),
        ("registry:5000/app", "registry:5000/app:latest", "registry:5000"),
        ("localhost/app:1", "localhost/app:1", "localhost"),
        (f"a/b@{DIGEST}", f"a/b@{DIGEST}", "docker.io"),
    ],
)
def test_references(reference: str, tagged: str, registry: str) -> None:
    assert is_valid(reference)
    assert with_tag(reference) == tagged
    assert registry_of(reference) == registry


@pytest.mark.parametrize("reference", ["", "Busybox", "a b", "a:", "a::b", "a@sha256:12", "/a", "a/", "-a"])
def test_what_no_engine_could_read(reference: str) -> None:
    assert not is_valid(reference)


def secret(**servers: dict[str, str]) -> config_pb2.Secret:
    text = json.dumps({"auths": {key.replace("_", "."): entry for key, entry in servers.items()}})
    return config_pb2.Secret(type="kubernetes.io/dockerconfigjson", data={".dockerconfigjson": text.encode()})


def test_the_first_credentials_for_the_registry_are_taken() -> None:
    secrets = [
        secret(other_local={"username": "no"}),
        secret(registry_local={"username": "me", "password": "word"}),
        secret(registry_local={"username": "late"}),
    ]

    assert find_auth("registry.local/app", secrets) == RegistryAuth("me", "word")
    assert find_auth("third.local/app", secrets) is None


def test_credentials_may_be_encoded() -> None:
    encoded = base64.b64encode(b"me:wo:rd").decode()

    assert find_auth("busybox", [secret(docker_io={"auth": encoded})]) == RegistryAuth("me", "wo:rd")


def test_docker_hub_has_several_names() -> None:
    text = json.dumps({"https://index.docker.io/v1/": {"username": "me", "identitytoken": "t"}})
    old = config_pb2.Secret(data={".dockercfg": text.encode()})

    assert find_auth("busybox", [old]) == RegistryAuth("me", "", "t")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"auths": {"docker.io": 3}}'])
def test_a_secret_that_cannot_be_read_has_no_credentials(data: bytes) -> None:
    assert find_auth("busybox", [config_pb2.Secret(data={".dockerconfigjson": data})]) is None
