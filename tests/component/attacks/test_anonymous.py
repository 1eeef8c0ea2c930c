"""Threat: anybody on the network, without an identity of this cluster, at every port that speaks gRPC."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from tests.support.identities import (
    ADMIN,
    APISERVER,
    ETCD_CLIENT,
    KUBELET_CLIENT,
    SCHEDULER,
    Identities,
    node_profile,
)
from tests.support.secured import Credentials, Plane, code_of
from vaina.kinds import SECRET
from vaina.pki.authority import Profile

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

LIST_SECRETS = SECRET.method("List")
RANGE = "/etcdserverpb.KV/Range"
SUMMARY = "/vaina.api.kubelet.v1.StatsService/Summary"
SERVER_ONLY = Profile("kubernetes-admin", ("system:masters",), is_client=False, is_server=True)


def plaintext(_: Identities, __: str) -> Credentials:
    return None


def no_certificate(identities: Identities, port: str) -> Credentials:
    return grpc.ssl_channel_credentials(identities.authority_pem(port))


def showing(profile: Profile, signer: str, **of: Any) -> Callable[[Identities, str], Credentials]:
    """Return credentials of an authority; the server's certificate is trusted, as an attacker would."""

    def make(identities: Identities, port: str) -> Credentials:
        folder = identities.credentials(profile, signer=signer, trusts=port, **of)
        return folder.current().channel_credentials()

    return make


#: whoever nobody knows, at any port
STRANGERS: dict[str, Callable[[Identities, str], Credentials]] = {
    "in the clear": plaintext,
    "without a certificate": no_certificate,
    "an administrator of an authority of the same name": showing(ADMIN, "foreign"),
    "an apiserver of it": showing(APISERVER, "foreign"),
    "a node of it": showing(node_profile("node-1"), "foreign"),
}
#: whose certificates are of an authority of the cluster, and do not count at this port
AT_APISERVER = {
    "expired": showing(ADMIN, "cluster", seconds=10, from_now=-100),
    "not valid yet": showing(ADMIN, "cluster", from_now=7200),
    "a server's": showing(SERVER_ONLY, "cluster"),
    "etcd's client's": showing(ETCD_CLIENT, "etcd"),
    "kubelets' client's": showing(KUBELET_CLIENT, "kubelet_client"),
    "an administrator of etcd's authority": showing(ADMIN, "etcd"),
    "an administrator of the authority for kubelets": showing(ADMIN, "kubelet_client"),
}
AT_ETCD = {
    "the administrator": showing(ADMIN, "cluster"),
    "a node": showing(node_profile("node-1"), "cluster"),
    "the scheduler": showing(SCHEDULER, "cluster"),
    "kubelets' client": showing(KUBELET_CLIENT, "kubelet_client"),
    "etcd's client, expired": showing(ETCD_CLIENT, "etcd", seconds=10, from_now=-100),
}
AT_KUBELET = {
    "the administrator": showing(ADMIN, "cluster"),
    "the node itself": showing(node_profile("node-2"), "cluster"),
    "another node": showing(node_profile("node-1"), "cluster"),
    "an apiserver, as clients know it": showing(APISERVER, "cluster"),
    "etcd's client": showing(ETCD_CLIENT, "etcd"),
    "kubelets' client, expired": showing(KUBELET_CLIENT, "kubelet_client", seconds=10, from_now=-100),
}


@pytest.mark.parametrize("name", STRANGERS | AT_APISERVER)
async def test_the_apiserver_takes_no(plane: Plane, name: str) -> None:
    credentials = (STRANGERS | AT_APISERVER)[name](plane.identities, "cluster")
    async with plane.nothing_changed():
        assert await code_of(plane.apiserver.target, credentials, LIST_SECRETS) is grpc.StatusCode.UNAVAILABLE
        # Nor does it tell more in another way.
        reflection = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        for method in (
            "/grpc.health.v1.Health/Check",
            reflection,
            "/vaina.api.version.v1.VersionService/Get",
        ):
            assert await code_of(plane.apiserver.target, credentials, method) is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("name", STRANGERS | AT_ETCD)
async def test_etcd_takes_no(plane: Plane, name: str) -> None:
    credentials = (STRANGERS | AT_ETCD)[name](plane.identities, "etcd")
    async with plane.nothing_changed():
        for method in (RANGE, "/etcdserverpb.KV/DeleteRange", "/etcdserverpb.Maintenance/Snapshot"):
            assert await code_of(plane.etcd.target, credentials, method) is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("name", STRANGERS | AT_KUBELET)
async def test_a_kubelet_takes_no(plane: Plane, kubelet: str, name: str) -> None:
    credentials = (STRANGERS | AT_KUBELET)[name](plane.identities, "cluster")
    for method in (SUMMARY, "/vaina.api.kubelet.v1.KubeletService/Logs", "/grpc.health.v1.Health/Check"):
        assert await code_of(kubelet, credentials, method) is grpc.StatusCode.UNAVAILABLE


async def test_those_who_belong_are_let_in(plane: Plane, kubelet: str) -> None:
    """What the tests above would show if nobody were let in."""
    shown = plane.identities
    at_apiserver = showing(ADMIN, "cluster")(shown, "cluster")
    assert await code_of(plane.apiserver.target, at_apiserver, LIST_SECRETS) is grpc.StatusCode.OK
    at_kubelet = showing(KUBELET_CLIENT, "kubelet_client")(shown, "cluster")
    assert await code_of(kubelet, at_kubelet, "/grpc.health.v1.Health/Check") is grpc.StatusCode.OK
    at_etcd = showing(ETCD_CLIENT, "etcd")(shown, "etcd")
    # An empty key is refused by etcd itself.
    assert await code_of(plane.etcd.target, at_etcd, RANGE) is grpc.StatusCode.INVALID_ARGUMENT
