"""How a component reaches its apiserver: over gRPC, or over the REST API that a kubeconfig names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from vaina.client.rest.kubeconfig import Connection, in_cluster, read_kubeconfig
from vaina.client.transport import GrpcTransport, Transport
from vaina.pki.folder import client_folder

#: instead of a file: the process runs in a Pod, and calls as the Pod's ServiceAccount
IN_CLUSTER: Final = "in-cluster"


def connection_of(kubeconfig: str, environment: Mapping[str, str]) -> Connection | None:
    """Return what `--kubeconfig` names: a file, or `in-cluster`; None: nothing. Raises ConfigError."""
    if not kubeconfig:
        return None
    return in_cluster(environment) if kubeconfig == IN_CLUSTER else read_kubeconfig(Path(kubeconfig))


def open_transport(
    apiserver: str, cert_dir: str, connection: Connection | None, *, user_agent: str
) -> tuple[Transport, str]:
    """Return a way to an apiserver, and the apiserver's name in metrics; nothing is connected yet.

    Args:
        apiserver: host:port of gRPC, which counts where there is no connection.
        cert_dir: the client's certificate towards it.
        connection: to a REST API.
        user_agent: of the component.

    Raises:
        ConfigError: certificates or a token cannot be read.
    """
    if connection is None:
        return GrpcTransport(apiserver, client_folder(cert_dir), user_agent=user_agent), apiserver
    # Here, so that a process that calls over gRPC does without aiohttp (0.3 s of CPU at its start).
    from vaina.client.rest.transport import RestTransport

    return RestTransport(connection, user_agent=user_agent), connection.server.partition("://")[2]
