"""Image references, and the credentials that go with them."""

import base64
import json
from collections.abc import Iterable

import pytest

from kubelet.images.keyring import find_credentials, full_name, is_valid, registry_of, repository_of, with_tag
from kubelet.runtime.records import RegistryAuth
from vaina.api.core.v1 import config_pb2

ME = RegistryAuth("me", "word")
MINE = {"username": "me", "password": "word"}


def find_auths(image: str, secrets: Iterable[config_pb2.Secret]) -> tuple[RegistryAuth, ...]:
    return tuple(credential.auth for credential in find_credentials(image, secrets))


def secret(servers: dict[str, dict[str, str]]) -> config_pb2.Secret:
    text = json.dumps({"auths": servers})
    return config_pb2.Secret(type="kubernetes.io/dockerconfigjson", data={".dockerconfigjson": text.encode()})


@pytest.mark.parametrize(
    ("server", "image", "matches"),
    [
        ("registry.local", "registry.local/app", True),
        ("https://registry.local/v2/", "registry.local/app:1", True),
        ("registry.local", "third.local/app", False),
        ("registry.local:5000", "registry.local:5000/app", True),
        ("registry.local", "registry.local:5000/app", False),
        ("*.local", "registry.local/app", True),
        ("*.local", "a.registry.local/app", False),
        ("reg*.local:5000", "registry.local:5000/app", True),
        ("registry.local/team", "registry.local/team/app@sha256:" + "a" * 64, True),
        ("registry.local/team", "registry.local/teams/app", False),
        ("registry.local/team/app", "registry.local/team", False),
        ("https://index.docker.io/v1/", "busybox", True),
        ("docker.io", "library/busybox:1.37", True),
        ("docker.io/library", "busybox", True),
        ("index.docker.io/team", "busybox", False),
    ],
)
def test_which_registries_credentials_are_for(server: str, image: str, matches: bool) -> None:
    assert find_auths(image, [secret({server: MINE})]) == ((ME,) if matches else ())


def test_the_most_specific_credentials_come_first_and_each_once() -> None:
    other, late = RegistryAuth("other"), RegistryAuth("late")
    secrets = [
        secret({"registry.local": {"username": "other"}}),
        secret({"registry.local/team": MINE, "third.local": {"username": "no"}}),
        secret({"registry.local": {"username": "late"}, "https://registry.local/v2/": {"username": "other"}}),
    ]

    assert find_auths("registry.local/team/app", secrets) == (ME, other, late)


def test_credentials_may_be_encoded_or_a_token_and_have_the_older_form() -> None:
    encoded = base64.b64encode(b"me:wo:rd").decode()
    assert find_auths("busybox", [secret({"docker.io": {"auth": encoded}})]) == (RegistryAuth("me", "wo:rd"),)
    text = json.dumps({"https://index.docker.io/v1/": {"username": "me", "identitytoken": "t"}}).encode()
    old = config_pb2.Secret(type="kubernetes.io/dockercfg", data={".dockercfg": text})
    assert find_auths("busybox", [old]) == (RegistryAuth("me", "", "t"),)


def test_a_secret_of_another_type_is_none_of_them() -> None:
    opaque = secret({"docker.io": MINE})
    opaque.type = "Opaque"
    assert find_auths("busybox", [opaque]) == ()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'{"auths": {"docker.io": 3}}',
        b'{"auths": []}',
        b'{"auths": {"docker.io": {"username": 5}}}',
        '{"auths": {"docker.io": {"auth": "é"}}}'.encode(),
        b"[" * 100_000,
    ],
)
def test_what_cannot_be_read_gives_nobodys_name(data: bytes) -> None:
    broken = config_pb2.Secret(type="kubernetes.io/dockerconfigjson", data={".dockerconfigjson": data})
    assert all(auth.username == "" for auth in find_auths("busybox", [broken]))


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


@pytest.mark.parametrize(
    ("reference", "repository"),
    [
        ("busybox:1", "docker.io/library/busybox"),
        ("docker.io/busybox", "docker.io/library/busybox"),
        ("team/app", "docker.io/team/app"),
        (f"registry:5000/a/b:1@{DIGEST}", "registry:5000/a/b"),
        ("registry:5000/app", "registry:5000/app"),
    ],
)
def test_repositories(reference: str, repository: str) -> None:
    assert repository_of(reference) == repository


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("docker.io/library/busybox:1", "docker.io/library/busybox:1"),
        ("registry:5000/a/b", "registry:5000/a/b:latest"),
        (f"team/app:1@{DIGEST}", f"docker.io/team/app@{DIGEST}"),
    ],
)
def test_full_names(reference: str, name: str) -> None:
    assert full_name(reference) == name


def test_equal_credentials_are_told_alike_and_others_apart() -> None:
    one, same, other = (
        find_credentials("busybox", [secret({"docker.io": login})])[0].secret.credential_hash
        for login in (MINE, {"auth": base64.b64encode(b"me:word").decode()}, {**MINE, "password": "other"})
    )
    assert one == same != other
