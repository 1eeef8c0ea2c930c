"""Image references."""

import pytest

from kubelet.images.keyring import is_valid, registry_of, repository_of, with_tag

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
