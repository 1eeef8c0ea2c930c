"""Where an apiserver is and who calls it: read from a kubeconfig, or from what a Pod is given.

Formats and rules are client-go's: `tools/clientcmd/api/v1/types.go`, `tools/clientcmd/client_config.go`,
`rest/config.go::InClusterConfig`.
"""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec

from vaina.config import ConfigError
from vaina.objects.yaml_text import parse_yaml

#: bytes of a kubeconfig: with certificates for many clusters some hundred kilobytes
MAX_BYTES: Final = 4 * 1024 * 1024
#: where a Pod finds its ServiceAccount (`volumes[].projected` of kube-api-access)
SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_HOST, _PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"

#: a file, which is read again when it has changed, or the content itself
Source = Path | bytes


@dataclass(frozen=True, slots=True)
class Connection:
    """One apiserver, and who calls it."""

    #: https://host:port, perhaps with a path
    server: str
    #: authorities of the server's certificate, PEM; None: those of the machine
    authority: Source | None = None
    #: of the caller, PEM
    certificate: Source | None = None
    key: Source | None = field(default=None, repr=False)
    #: of the caller
    token: Source | None = field(default=None, repr=False)
    #: the name that the server's certificate has to have; empty: the host's
    server_name: str = ""
    #: whoever answers is believed
    insecure: bool = False
    #: of the context
    namespace: str = "default"
    #: headers that name the user in whose place the caller calls
    acts_as: tuple[tuple[str, str], ...] = ()


class _Cluster(msgspec.Struct, rename="kebab"):
    server: str = ""
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""


class _User(msgspec.Struct, rename="kebab"):
    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    token: str = ""
    token_file: Annotated[str, msgspec.Meta(description="tokenFile")] = msgspec.field(
        name="tokenFile", default=""
    )
    username: str = ""
    as_user: str = msgspec.field(name="as", default="")
    as_uid: str = ""
    as_groups: list[str] | None = None
    as_user_extra: dict[str, list[str]] | None = None
    exec: Any = None
    auth_provider: Any = None


class _Context(msgspec.Struct):
    cluster: str = ""
    user: str = ""
    namespace: str = ""


class _NamedCluster(msgspec.Struct):
    name: str
    cluster: _Cluster


class _NamedUser(msgspec.Struct):
    name: str
    user: _User


class _NamedContext(msgspec.Struct):
    name: str
    context: _Context


class _Config(msgspec.Struct, rename="kebab"):
    clusters: list[_NamedCluster] | None = None
    users: list[_NamedUser] | None = None
    contexts: list[_NamedContext] | None = None
    current_context: str = ""


def read_kubeconfig(path: Path, context: str = "") -> Connection:
    """Return what a context of a kubeconfig says; by default the file's current one.

    Raises ConfigError: the file cannot be read, or it asks for what is not known here (credential plugins,
    passwords, proxies).
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise ConfigError(f"{path}: a kubeconfig has at most {MAX_BYTES} bytes")
        documents = parse_yaml(text.decode())
        config = msgspec.convert(documents[0][0] if documents else {}, _Config)
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return _connection(path, config, context or config.current_context)


def _connection(path: Path, config: _Config, name: str) -> Connection:
    if not name:
        raise ConfigError(
            f"{path}: current-context: Required value: it names no context, and none was asked for"
        )
    context = _find(path, "context", name, {item.name: item.context for item in config.contexts or ()})
    cluster = _find(
        path, "cluster", context.cluster, {item.name: item.cluster for item in config.clusters or ()}
    )
    user = _User()
    if context.user:
        user = _find(path, "user", context.user, {item.name: item.user for item in config.users or ()})
    for given, what in (
        (cluster.proxy_url, "proxy-url"), (user.exec, "exec"), (user.auth_provider, "auth-provider"),
        (user.username, "username"),
    ):  # fmt: skip
        if given:
            raise ConfigError(f"{path}: {what} is not known here: use certificates or a token")
    if cluster.insecure_skip_tls_verify and (
        cluster.certificate_authority or cluster.certificate_authority_data
    ):
        raise ConfigError(
            f"{path}: specifying a root certificates file with the insecure flag is not allowed (cluster {context.cluster})"
        )
    if not cluster.server.startswith(("http://", "https://")):
        raise ConfigError(
            f"{path}: the server of cluster {context.cluster} must be a URL: {cluster.server!r}"
        )
    token = _source(path, user.token_file, "") or (user.token.encode() if user.token else None)
    return Connection(
        server=cluster.server.rstrip("/"),
        authority=_source(path, cluster.certificate_authority, cluster.certificate_authority_data),
        certificate=_source(path, user.client_certificate, user.client_certificate_data),
        key=_source(path, user.client_key, user.client_key_data),
        token=token,
        server_name=cluster.tls_server_name,
        insecure=cluster.insecure_skip_tls_verify,
        namespace=context.namespace or "default",
        acts_as=_acts_as(path, context.user, user),
    )


def _acts_as(path: Path, name: str, user: _User) -> tuple[tuple[str, str], ...]:
    """Return the headers of impersonation (`transport/round_trippers.go`, impersonatingRoundTripper)."""
    groups, extra = user.as_groups or (), user.as_user_extra or {}
    if not user.as_user:
        if user.as_uid or groups or extra:
            raise ConfigError(
                f"{path}: requesting uid, groups or user-extra for {name} without impersonating a user"
            )
        return ()
    return (
        ("Impersonate-User", user.as_user),
        *((("Impersonate-Uid", user.as_uid),) if user.as_uid else ()),
        *(("Impersonate-Group", group) for group in groups),
        *(
            (f"Impersonate-Extra-{quote(key, safe='')}", value)
            for key, values in extra.items()
            for value in values
        ),
    )


def _find(path: Path, what: str, name: str, found: Mapping[str, Any]) -> Any:
    if name not in found:
        raise ConfigError(f'{path}: {what} "{name}" does not exist')
    return found[name]


def _source(path: Path, file: str, data: str) -> Source | None:
    """Data count more than a file, and a relative file is relative to the kubeconfig."""
    if data:
        try:
            return b64decode(data, validate=True)
        except ValueError as error:
            raise ConfigError(f"{path}: data that are no base64: {error}") from error
    return path.parent / file if file else None


def in_cluster(environment: Mapping[str, str], account: Path = SERVICE_ACCOUNT) -> Connection:
    """Return the apiserver and the ServiceAccount of the Pod that this process runs in.

    Raises ConfigError: it runs in none.
    """
    host, port = environment.get(_HOST, ""), environment.get(_PORT, "")
    if not host or not port:
        raise ConfigError(f"unable to load in-cluster configuration, {_HOST} and {_PORT} must be defined")
    token = account / "token"
    if not token.exists():
        raise ConfigError(f"unable to load in-cluster configuration, there is no {token}")
    if ":" in host:
        host = f"[{host}]"
    namespace = account / "namespace"
    return Connection(
        server=f"https://{host}:{port}",
        authority=account / "ca.crt",
        token=token,
        namespace=namespace.read_text().strip() if namespace.exists() else "default",
    )
