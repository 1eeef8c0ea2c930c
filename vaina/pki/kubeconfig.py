"""The kubeconfig of a holder of certificates: what kubectl, and everything made for Kubernetes, reads. Pure.

The format is that of client-go (`tools/clientcmd/api/v1/types.go`). Names are kubeadm's: user and context are
`kubernetes-admin`, `kubernetes-admin@CLUSTER`.
"""

from base64 import b64encode
from typing import Final

from vaina.objects.yaml_text import write_yaml

#: the file beside a holder's certificate
KUBECONFIG: Final = "kubeconfig"
_USER: Final = "kubernetes-admin"
#: keys of a cluster and a user; with `-data` their value is the file's content
_AUTHORITY, _CERTIFICATE, _KEY = "certificate-authority", "client-certificate", "client-key"


def with_files(cluster: str, server: str, authority: str, certificate: str, key: str) -> str:
    """Return a kubeconfig that names files, so that it holds on when these are renewed.

    Relative paths are relative to the kubeconfig's own folder.
    """
    return _write(cluster, server, {_AUTHORITY: authority}, {_CERTIFICATE: certificate, _KEY: key})


def with_data(cluster: str, server: str, authority: bytes, certificate: bytes, key: bytes) -> str:
    """Return a kubeconfig that holds everything itself, to be taken elsewhere."""
    user = {f"{_CERTIFICATE}-data": _encode(certificate), f"{_KEY}-data": _encode(key)}
    return _write(cluster, server, {f"{_AUTHORITY}-data": _encode(authority)}, user)


def _encode(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def _write(cluster: str, server: str, trusted: dict[str, str], user: dict[str, str]) -> str:
    context = f"{_USER}@{cluster}"
    return write_yaml({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": {"server": server, **trusted}}],
        "users": [{"name": _USER, "user": user}],
        "contexts": [{"name": context, "context": {"cluster": cluster, "user": _USER}}],
        "current-context": context,
    })  # fmt: skip
