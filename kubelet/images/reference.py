"""Image references as people write them, and the credentials that go with them. PURE.

`busybox` is docker.io/library/busybox:latest. Credentials come from Secrets of type kubernetes.io/dockerconfigjson (imagePullSecrets).
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable

from kubelet.runtime.records import RegistryAuth
from vaina.api.core.v1 import config_pb2

_NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?:[A-Za-z0-9.-]+(?::\d+)?|\[[0-9a-fA-F:]+\](?::\d+)?)/)?{_NAME}(?:/{_NAME})*"
    r"(?::[\w][\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*:[0-9a-fA-F]{32,})?"
)

DOCKER_HUB = "docker.io"
#: how docker's own configuration calls it
_HUB_ALIASES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})


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


def find_auth(reference: str, secrets: Iterable[config_pb2.Secret]) -> RegistryAuth | None:
    """Return the first credentials among the secrets for the reference's registry."""
    host = registry_of(reference)
    names = _HUB_ALIASES if host in _HUB_ALIASES else {host}
    for secret in secrets:
        for server, entry in _entries(secret):
            bare = re.sub(r"^https?://", "", server).partition("/")[0]
            if bare in names:
                return _auth(entry)
    return None


def _entries(secret: config_pb2.Secret) -> Iterable[tuple[str, dict[str, str]]]:
    data = secret.data.get(".dockerconfigjson") or secret.data.get(".dockercfg") or b""
    try:
        parsed = json.loads(data or b"{}")
    except ValueError:
        return []
    if not isinstance(parsed, dict):
        return []
    entries = parsed.get("auths", parsed)
    return [(key, entry) for key, entry in entries.items() if isinstance(entry, dict)]


def _auth(entry: dict[str, str]) -> RegistryAuth:
    username, password = entry.get("username", ""), entry.get("password", "")
    if not username and entry.get("auth"):
        try:
            username, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            username = password = ""
    return RegistryAuth(username, password, entry.get("identitytoken", ""))
