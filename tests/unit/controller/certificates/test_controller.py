"""The controllers of certificate requests over the real apiserver in process."""

from pathlib import Path

import msgspec
import pytest
from cryptography import x509

from apiserver.tokens.bootstrap import token_secret
from controller.config import ControllerConfig
from tests.support.certificate_requests import node_csr, serving_csr
from tests.support.controlplane import ControlPlane, control_plane
from vaina.api.coordination.v1 import lease_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.clock import micro_timestamp, rfc3339
from vaina.errors import NotFound
from vaina.pki.authority import certificate_pem, key_pem, make_authority
from vaina.pki.cluster import Folders
from vaina.pki.folder import write_folder
from vaina.pki.identity import read_identity
from vaina.serving.handlers import User
from vaina.testing.clock import EPOCH


@pytest.fixture
def config(tmp_path: Path) -> ControllerConfig:
    authority = make_authority("vaina", EPOCH)
    pem = certificate_pem(authority.certificate)
    write_folder(tmp_path / "ca", pem, key_pem(authority.key), pem)
    return ControllerConfig(cluster_signing_cert_dir=str(tmp_path / "ca"))


def by(plane: ControlPlane, user: str, *groups: str) -> Clientset:
    return Clientset(InProcessTransport(plane.server.app.handlers, user=User(user, groups)))


def by_node(plane: ControlPlane, name: str) -> Clientset:
    return by(plane, f"system:node:{name}", "system:nodes")


def by_token(plane: ControlPlane) -> Clientset:
    return by(plane, "system:bootstrap:abcdef", "system:bootstrappers")


async def issued(plane: ControlPlane, name: str) -> x509.Certificate:
    client = plane.client.certificate_signing_requests

    async def is_there() -> bool:
        return bool((await client.get(name)).status.certificate)

    await plane.until(is_there)
    return x509.load_pem_x509_certificate((await client.get(name)).status.certificate)


async def test_a_node_with_a_token_gets_its_certificate_and_then_renews_it(config: ControllerConfig) -> None:
    async with control_plane(config) as plane:
        for clients in (by_token(plane), by_node(plane, "a")):
            csr = await clients.certificate_signing_requests.create(node_csr("csr", "a"))
            certificate = await issued(plane, "csr")
            identity = read_identity(certificate_pem(certificate))
            assert (identity.name, identity.groups) == ("system:node:a", ("system:nodes",))
            found = await plane.client.certificate_signing_requests.get("csr")
            [condition] = found.status.conditions
            assert (condition.type, condition.reason, found.spec) == ("Approved", "AutoApproved", csr.spec)
            await plane.client.certificate_signing_requests.delete("csr")


async def test_a_token_does_not_take_a_living_nodes_name(config: ControllerConfig) -> None:
    async with control_plane(config) as plane:
        lease = lease_pb2.Lease()
        lease.metadata.name, lease.metadata.namespace = "a", "kube-node-lease"
        lease.spec.lease_duration_seconds = 40
        lease.spec.renew_time.CopyFrom(micro_timestamp(plane.clock.now()))
        await plane.client.leases.create(lease)
        await by_token(plane).certificate_signing_requests.create(node_csr("csr", "a"))
        await plane.clock.advance(30)
        assert not (await plane.client.certificate_signing_requests.get("csr")).status.conditions
        await plane.clock.advance(15)
        await issued(plane, "csr")


async def test_what_is_not_the_nodes_own_waits_for_a_person(config: ControllerConfig) -> None:
    async with control_plane(config) as plane:
        client = by_node(plane, "a").certificate_signing_requests
        await client.create(serving_csr("csr", "a", "10.0.0.9"))
        await plane.clock.advance(60)
        found = await plane.client.certificate_signing_requests.get("csr")
        assert not found.status.conditions
        found.status.conditions.add(type="Approved", status="True")
        await plane.client.certificate_signing_requests.update_approval(found)
        certificate = await issued(plane, "csr")
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [str(name.value) for name in names] == ["10.0.0.9"]
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert [usage._name for usage in usages] == ["serverAuth"]


async def test_no_node_stands_under_a_name_of_the_clusters_servers(
    config: ControllerConfig, tmp_path: Path
) -> None:
    """`vaina certs make --host front` makes certificates of all servers for that name."""
    Folders(tmp_path / "certs", hosts=("Front",)).make(EPOCH)
    config = msgspec.structs.replace(config, cert_dir=str(tmp_path / "certs" / "controller"))
    async with control_plane(config) as plane:
        for name in ("front", "a"):
            client = by_node(plane, name).certificate_signing_requests
            await client.create(serving_csr(f"serving-{name}", name, name))
        await issued(plane, "serving-a")
        await plane.clock.advance(60)
        found = await plane.client.certificate_signing_requests.get("serving-front")
        assert not found.status.conditions


async def test_old_requests_go(config: ControllerConfig) -> None:
    async with control_plane(config) as plane:
        await by_node(plane, "a").certificate_signing_requests.create(node_csr("issued", "a"))
        await by_node(plane, "a").certificate_signing_requests.create(serving_csr("pending", "a", "10.0.0.9"))
        await issued(plane, "issued")
        await plane.clock.advance(3700)
        with pytest.raises(NotFound):
            await plane.client.certificate_signing_requests.get("issued")
        await plane.clock.advance(86_400)
        with pytest.raises(NotFound):
            await plane.client.certificate_signing_requests.get("pending")


async def test_ended_bootstrap_tokens_go_and_nothing_else(config: ControllerConfig) -> None:
    async with control_plane(config) as plane:
        ending, other = token_secret("ending.0123456789abcdef"), token_secret("ffffff.0123456789abcdef")
        for secret in (ending, other):
            secret.data["expiration"] = b"2000-01-01T00:00:00Z"
        ending.data["expiration"] = rfc3339(plane.clock.now() + 60).encode()
        other.type = "Opaque"
        lasting = token_secret("abcdef.0123456789abcdef")
        for secret in (ending, other, lasting):
            await plane.client.secrets.create(secret)
        await plane.clock.advance(50)
        assert len((await plane.client.secrets.list("kube-system")).items) == 3
        await plane.clock.advance(20)
        left = {secret.metadata.name for secret in (await plane.client.secrets.list("kube-system")).items}
        assert left == {"bootstrap-token-ffffff", "bootstrap-token-abcdef"}
