"""PURE: what a certificate request asks for, and whether it is one that a kubelet makes.

Follows `pkg/apis/certificates/helpers.go`. Called by the apiserver, which checks CertificateSigningRequests, and
by the controllers that approve and sign them.
"""

from collections.abc import Collection
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.x509.oid import NameOID

from vaina.objects.identities import NODE_USER_PREFIX, NODES_GROUP
from vaina.pki.authority import PublicKey

#: the names of the signers (`staging/src/k8s.io/api/certificates/v1/types.go`)
CLIENT: Final = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT: Final = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING: Final = "kubernetes.io/kubelet-serving"

DIGITAL_SIGNATURE, KEY_ENCIPHERMENT = "digital signature", "key encipherment"
CLIENT_AUTH, SERVER_AUTH = "client auth", "server auth"

_BLOCK: Final = b"-----BEGIN CERTIFICATE REQUEST-----"
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_HOSTS: Final = (x509.DNSName, x509.IPAddress)
_OTHERS: Final = {x509.RFC822Name: "Email", x509.UniformResourceIdentifier: "URI"}


class CertificateRequest(NamedTuple):
    """What is asked for."""

    #: CN
    name: str
    #: O, in their order
    groups: tuple[str, ...]
    dns_names: tuple[str, ...]
    #: as texts
    addresses: tuple[str, ...]
    #: kinds of other alternative names: Email, URI, other
    others: frozenset[str]
    public_key: PublicKey


def parse_request(pem: bytes) -> CertificateRequest:
    """Read a certificate request and check its signature. Raises ValueError, mostly in upstream's words."""
    if _BLOCK not in pem:
        raise ValueError("PEM block type must be CERTIFICATE REQUEST")
    try:
        request = x509.load_pem_x509_csr(pem)
        key, valid, alternatives = request.public_key(), request.is_signature_valid, _alternatives(request)
    except Exception as error:  # the library's errors are of many types, and link to its documentation
        raise ValueError("x509: malformed certificate request") from error
    if not isinstance(key, PublicKey):
        raise ValueError("x509: unsupported public key")  # noqa: TRY004 - of a file, not of an argument
    if not valid:
        raise ValueError("x509: the request's signature is not that of its key")
    names = [str(part.value) for part in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = [str(part.value) for part in request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return CertificateRequest(
        # As Go's x509: of several the last.
        names[-1] if names else "",
        tuple(groups),
        tuple(one.value for one in alternatives if isinstance(one, x509.DNSName)),
        tuple(str(one.value) for one in alternatives if isinstance(one, x509.IPAddress)),
        frozenset(_OTHERS.get(type(one), "other") for one in alternatives if not isinstance(one, _HOSTS)),
        key,
    )


def _alternatives(request: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    try:
        return list(request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def problem_of_kubelet_client(request: CertificateRequest, usages: Collection[str]) -> str:
    """Return why this is no request for a kubelet's client certificate; empty when it is one."""
    if request.groups != (NODES_GROUP,):
        return "subject organization is not system:nodes"
    for kind, given in (("DNS", request.dns_names), ("Email", "Email" in request.others),
                        ("IP", request.addresses), ("URI", "URI" in request.others)):  # fmt: skip
        if given:
            return f"{kind} subjectAltNames are not allowed"
    return _problem_of_rest(request, usages, CLIENT_AUTH)


def problem_of_kubelet_serving(request: CertificateRequest, usages: Collection[str]) -> str:
    """Return why this is no request for a kubelet's serving certificate; empty when it is one."""
    if request.groups != (NODES_GROUP,):
        return "subject organization is not system:nodes"
    if not request.dns_names and not request.addresses:
        return "DNS or IP subjectAltName is required"
    for kind in ("Email", "URI"):
        if kind in request.others:
            return f"{kind} subjectAltNames are not allowed"
    return _problem_of_rest(request, usages, SERVER_AUTH)


def problem_of_client(request: CertificateRequest, usages: Collection[str]) -> str:
    """Return why this is no request for a client's certificate; empty when it is one.

    Follows validAPIServerClientUsages (`pkg/controller/certificates/signer/signer.go`).
    """
    for usage in usages:
        if usage not in (DIGITAL_SIGNATURE, KEY_ENCIPHERMENT, CLIENT_AUTH):
            return f"invalid usage for client certificate: {usage}"
    return "" if CLIENT_AUTH in usages else f"missing required usage for client certificate: {CLIENT_AUTH}"


def _problem_of_rest(request: CertificateRequest, usages: Collection[str], auth: str) -> str:
    if "other" in request.others:
        return "subjectAltNames of this type are not allowed"
    if set(usages) not in ({DIGITAL_SIGNATURE, auth}, {DIGITAL_SIGNATURE, KEY_ENCIPHERMENT, auth}):
        return f"usages did not match [{' '.join(sorted((DIGITAL_SIGNATURE, KEY_ENCIPHERMENT, auth)))}]"
    if not request.name.startswith(NODE_USER_PREFIX):
        return "subject common name does not begin with system:node:"
    return ""


def problem_of_certificates(pem: bytes) -> str:
    """Return what is wrong with the certificates that a signer wrote; empty: nothing (validateCertificate)."""
    if not pem:
        return ""
    if _CERTIFICATE not in pem:
        return "must contain at least one CERTIFICATE PEM block"
    try:
        x509.load_pem_x509_certificates(pem)
    except ValueError:
        return "x509: malformed certificate"
    return ""
