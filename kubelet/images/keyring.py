"""Image references, and the credentials of a Pod's imagePullSecrets that go with them. PURE.

`busybox` is docker.io/library/busybox:latest (https://github.com/distribution/reference). The keys of Secrets
are registries, with a path where they hold for a part of one, and `*` within a part of the host's name. All
that match are tried, the most specific first (`pkg/credentialprovider/keyring.go`).
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any

from kubelet.images.access import Credential, PullSecret
from kubelet.runtime.records import RegistryAuth
from vaina.api.core.v1 import config_pb2

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
    """Return what credentials are looked up by: host and path, of Docker Hub docker.io/library/busybox."""
    name = reference.partition("@")[0]
    if ":" in name.rpartition("/")[2]:
        name = name.rpartition(":")[0]
    host = registry_of(name)
    if host != DOCKER_HUB:
        return name
    path = name.removeprefix(f"{DOCKER_HUB}/")
    return f"{DOCKER_HUB}/{path}" if "/" in path else f"{DOCKER_HUB}/library/{path}"


def full_name(reference: str) -> str:
    """Return a reference with registry, and with tag or digest, as engines have it."""
    tagged = with_tag(reference)
    at = len(tagged.partition("@")[0]) if "@" in tagged else tagged.rindex(":")
    return f"{repository_of(tagged)}{tagged[at:]}"


#: (type of the Secret, key of its data)
_FORMS = (("kubernetes.io/dockerconfigjson", ".dockerconfigjson"), ("kubernetes.io/dockercfg", ".dockercfg"))
#: how Docker's own configuration calls Docker Hub
_HUB_ALIASES = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io"})
_SCHEME = re.compile(r"^https?://")
_VERSION = re.compile(r"^/?v[12](?:/|$)")


#: (host, path without slashes at its ends, credentials)
_Entry = tuple[str, str, RegistryAuth]


def find_credentials(reference: str, secrets: Iterable[config_pb2.Secret]) -> tuple[Credential, ...]:
    """Return the credentials for an image, the first to be tried first; a Secret that is unreadable has none."""
    host, _, path = repository_of(reference).partition("/")
    found = [
        (known_host, known_path, Credential(auth, _pull_secret(secret, auth)))
        for secret in secrets
        for known_host, known_path, auth in _entries(secret)
        if _matches(known_host, known_path, host, path)
    ]
    found.sort(key=lambda entry: entry[:2], reverse=True)
    # Of several of equal reach the first Secret's comes first: sorting is stable, and `reverse` keeps that.
    by_auth: dict[RegistryAuth, Credential] = {}
    for _, _, credential in found:
        by_auth.setdefault(credential.auth, credential)
    return tuple(by_auth.values())


def _pull_secret(secret: config_pb2.Secret, auth: RegistryAuth) -> PullSecret:
    meta = secret.metadata
    digest = sha256(json.dumps([auth.username, auth.password, auth.identity_token]).encode()).hexdigest()
    return PullSecret(meta.uid, meta.namespace, meta.name, digest)


def _matches(known_host: str, known_path: str, host: str, path: str) -> bool:
    if known_path and path != known_path and not path.startswith(f"{known_path}/"):
        return False
    wanted, port = _split(known_host)
    name, actual = _split(host)
    parts, names = wanted.split("."), name.split(".")
    if port != actual or len(parts) != len(names):
        return False
    return all(fnmatchcase(text, pattern) for text, pattern in zip(names, parts, strict=True))


def _split(host: str) -> tuple[str, str]:
    name, colon, port = host.rpartition(":")
    return (name, port) if colon else (host, "")


def _entries(secret: config_pb2.Secret) -> Iterable[_Entry]:
    for kind, key in _FORMS:
        if secret.type in {"", kind} and secret.data.get(key):
            for server, entry in _servers(secret.data[key]).items():
                bare = _SCHEME.sub("", server)
                host, _, path = bare.partition("/")
                path = _VERSION.sub("", path).strip("/")
                yield DOCKER_HUB if host in _HUB_ALIASES else host, path, _auth(entry)


def _servers(data: bytes) -> Mapping[str, Mapping[str, Any]]:
    try:
        parsed = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(parsed, dict):
        return {}
    entries = parsed.get("auths", parsed)
    if not isinstance(entries, dict):
        return {}
    return {str(key): entry for key, entry in entries.items() if isinstance(entry, dict)}


def _auth(entry: Mapping[str, Any]) -> RegistryAuth:
    username, password = _text(entry, "username"), _text(entry, "password")
    if not username and _text(entry, "auth"):
        try:
            username, _, password = base64.b64decode(_text(entry, "auth")).decode().partition(":")
        except ValueError:
            username = password = ""
    return RegistryAuth(username, password, _text(entry, "identitytoken"))


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key, "")
    return value if isinstance(value, str) else ""
