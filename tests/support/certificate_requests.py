"""Certificate requests for tests, and the objects that carry them."""

from collections.abc import Sequence

from vaina.api.certificates.v1 import certificate_signing_request_pb2
from vaina.pki.authority import Profile, make_key, make_request

Csr = certificate_signing_request_pb2.CertificateSigningRequest

CLIENT_USAGES = ("digital signature", "client auth")
SERVING_USAGES = ("digital signature", "server auth")
NODE_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
NODE_SERVING = "kubernetes.io/kubelet-serving"
#: one key for all requests: to make one takes time
_KEY = make_key()


def pem_of(name: str, groups: Sequence[str] = (), hosts: Sequence[str] = ()) -> bytes:
    """Return a certificate request as PEM."""
    return make_request(Profile(name, tuple(groups), tuple(hosts)), _KEY)


def make_csr(
    name: str, signer: str, user: str, groups: Sequence[str] = (), hosts: Sequence[str] = (),
    usages: Sequence[str] = CLIENT_USAGES,
) -> Csr:  # fmt: skip
    """Return a CertificateSigningRequest for a certificate of `user`."""
    csr = Csr()
    csr.metadata.name = name
    csr.spec.request, csr.spec.signer_name = pem_of(user, groups, hosts), signer
    csr.spec.usages.extend(usages)
    return csr


def node_csr(name: str, node: str) -> Csr:
    """Return a request for a kubelet's client certificate."""
    return make_csr(name, NODE_CLIENT, f"system:node:{node}", ("system:nodes",))


def serving_csr(name: str, node: str, *hosts: str) -> Csr:
    """Return a request for a kubelet's serving certificate."""
    return make_csr(name, NODE_SERVING, f"system:node:{node}", ("system:nodes",), hosts, SERVING_USAGES)
