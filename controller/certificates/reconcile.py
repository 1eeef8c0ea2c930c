"""What is to become of a CertificateSigningRequest. PURE.

Follows `approver/sarapprove.go`, `signer/signer.go` and `cleaner/cleaner.go` of upstream's
`pkg/controller/certificates`. Differences (decision 251): who may have a node's certificate is read off the
requester's groups, which the apiserver wrote down, instead of asking with a SubjectAccessReview; and kubelets'
serving certificates, which upstream leaves to others, are approved for the node's own name and the address that
the request came from.
"""

from collections.abc import Callable, Collection
from ipaddress import ip_address
from typing import Final, NamedTuple

from vaina.api.certificates.v1 import certificate_signing_request_pb2
from vaina.clock import seconds_of
from vaina.objects.identities import BOOTSTRAPPERS_GROUP, is_node, node_name
from vaina.objects.names import dns_1123_subdomain
from vaina.pki.authority import Profile, subject_of
from vaina.pki.cluster import HOLDERS
from vaina.pki.requests import (
    CLIENT,
    KUBELET_CLIENT,
    KUBELET_SERVING,
    CertificateRequest,
    parse_request,
    problem_of_client,
    problem_of_kubelet_client,
    problem_of_kubelet_serving,
)

Csr = certificate_signing_request_pb2.CertificateSigningRequest
#: says what is wrong with a request for a signer; empty: nothing
Problem = Callable[[CertificateRequest, Collection[str]], str]

APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"
#: in spec.extra, by the apiserver: where the request came from
SOURCE: Final = "vaina.dev/source-address"
SIGNERS: Final[dict[str, Problem]] = {
    CLIENT: problem_of_client,
    KUBELET_CLIENT: problem_of_kubelet_client,
    KUBELET_SERVING: problem_of_kubelet_serving,
}
#: names of the cluster's own servers: a node that is called so gets no certificate for its name
_SERVERS: Final = frozenset(host for holder in HOLDERS for host in holder.profile.hosts)
MIN_SECONDS: Final = 600.0
_HOUR: Final = 3600.0
_KEPT_SECONDS: Final = {APPROVED: _HOUR, DENIED: _HOUR, FAILED: _HOUR}
_PENDING_SECONDS: Final = 24 * _HOUR


class Approval(NamedTuple):
    """A request that may be approved."""

    message: str
    #: the node whose kubelet must not be alive: anybody with a bootstrap token may ask for any node's name
    unless_alive: str = ""


def has(csr: Csr, kind: str) -> bool:
    """Say whether a request has a condition."""
    return any(condition.type == kind and condition.status == "True" for condition in csr.status.conditions)


def approve(csr: Csr, servers: Collection[str] = ()) -> Approval | None:
    """Return how to approve a request; None: it is not to be approved by itself, or decided already.

    `servers`: further names under which the cluster's own servers are reached, in lower case.
    """
    spec = csr.spec
    if csr.status.certificate or has(csr, APPROVED) or has(csr, DENIED):
        return None
    if spec.signer_name not in (KUBELET_CLIENT, KUBELET_SERVING):
        return None
    try:
        request = parse_request(spec.request)
    except ValueError:
        return None
    if SIGNERS[spec.signer_name](request, spec.usages) or dns_1123_subdomain(node_name(request.name)):
        return None
    own = is_node(spec.username, spec.groups) and spec.username == request.name
    if spec.signer_name == KUBELET_SERVING:
        return _approve_serving(csr, request, servers) if own else None
    if own:
        return Approval("Auto approving self kubelet client certificate.")
    if BOOTSTRAPPERS_GROUP in spec.groups:
        return Approval("Auto approving kubelet client certificate.", node_name(request.name))
    return None


def _approve_serving(csr: Csr, request: CertificateRequest, servers: Collection[str]) -> Approval | None:
    source = set(csr.spec.extra[SOURCE].items) if SOURCE in csr.spec.extra else set()
    name = node_name(request.name)
    # gRPC takes a DNS name in a certificate for an address that is written alike.
    own = source if _is_address(name) or name in _SERVERS or name in servers else {*source, name}
    if set(request.addresses) <= source and set(request.dns_names) <= own:
        return Approval("Auto approving kubelet serving certificate for the node's own name and address.")
    return None


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


class Signing(NamedTuple):
    """A request that is to be signed, or has failed."""

    request: CertificateRequest | None
    seconds: float = 0.0
    #: why it has failed
    failure: str = ""


def sign(csr: Csr, *, max_seconds: float) -> Signing | None:
    """Return what the signer is to do; None: nothing."""
    problem_of = SIGNERS.get(csr.spec.signer_name)
    decided = has(csr, APPROVED) and not has(csr, DENIED) and not has(csr, FAILED)
    if problem_of is None or not decided or csr.status.certificate:
        return None
    try:
        request = parse_request(csr.spec.request)
    except ValueError as error:
        return Signing(None, failure=str(error))
    if problem := problem_of(request, csr.spec.usages):
        return Signing(None, failure=problem)
    try:
        subject_of(Profile(request.name, request.groups))
    except ValueError:
        return Signing(None, failure="subject common name must have 1 to 64 bytes (RFC 5280, ub-common-name)")
    wanted = csr.spec.expiration_seconds if csr.spec.HasField("expiration_seconds") else max_seconds
    return Signing(request, min(max(wanted, MIN_SECONDS), max_seconds))


def seconds_kept(csr: Csr, now: float) -> float:
    """Return the seconds for which a request is still kept; 0 or less: it is to be removed.

    Follows `cleaner.go`: an hour after it was issued, denied or failed, a day when nothing became of it. What
    upstream removes because its certificate has expired was removed long before: none holds for less than ten
    minutes, and nobody reads it after it was issued.
    """
    ends = [
        seconds_of(condition.last_update_time) + _KEPT_SECONDS[condition.type]
        for condition in csr.status.conditions
        if condition.type in _KEPT_SECONDS and (condition.type != APPROVED or csr.status.certificate)
    ]
    if has(csr, APPROVED) and not csr.status.certificate:
        updated = [seconds_of(one.last_update_time) for one in csr.status.conditions if one.type == APPROVED]
        ends.append(min(updated) + _PENDING_SECONDS)
    return min(ends, default=seconds_of(csr.metadata.creation_timestamp) + _PENDING_SECONDS) - now
