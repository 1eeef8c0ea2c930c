"""Image references as people write them. PURE.

`busybox` is docker.io/library/busybox:latest (https://github.com/distribution/reference).
`kubelet.images.keyring` has the credentials.
"""

import re

_NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?:[A-Za-z0-9.-]+(?::\d+)?|\[[0-9a-fA-F:]+\](?::\d+)?)/)?{_NAME}(?:/{_NAME})*"
    r"(?::[\w][\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*:[0-9a-fA-F]{32,})?"
)

DOCKER_HUB = "docker.io"


def is_valid(reference: str) -> bool:
    """Say whether an engine could read the reference."""
    return _REFERENCE.fullmatch(reference) is not None


def with_tag(reference: str) -> str:
    """Return the reference with the tag latest when it has neither tag nor digest."""
    last = reference.rpartition("/")[2]
    return reference if ":" in last or "@" in last else f"{reference}:latest"


def registry_of(reference: str) -> str:
    """Return the registry's host (and port) of a reference."""
    first, slash, _ = reference.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first
    return DOCKER_HUB


def repository_of(reference: str) -> str:
    """Return what credentials are looked up by: host and path, without tag and digest.

    Docker Hub's as docker.io/library/busybox.
    """
    name = reference.partition("@")[0]
    if ":" in name.rpartition("/")[2]:
        name = name.rpartition(":")[0]
    host = registry_of(name)
    if host != DOCKER_HUB:
        return name
    path = name.removeprefix(f"{DOCKER_HUB}/")
    return f"{DOCKER_HUB}/{path}" if "/" in path else f"{DOCKER_HUB}/library/{path}"
