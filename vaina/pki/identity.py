"""PURE: whom a certificate names.

Follows upstream's CommonNameUserConversion (`staging/src/k8s.io/apiserver/pkg/authentication/request/x509/
x509.go`): the user's name is the subject's common name, the groups are its organizations. The subject is read
from the certificate itself: gRPC's `x509_subject` is a text that cannot be split safely, and `peer_identities`
are the alternative names where there are any.
"""

from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a certificate names, and for how long."""

    name: str
    groups: tuple[str, ...]
    serial: int
    #: Unix time
    not_after: float


def read_identity(pem: bytes) -> Identity:
    """Read a certificate (40 µs). Raises ValueError: it cannot be read, or has no common name."""
    certificate = x509.load_pem_x509_certificate(pem)
    names = _values(certificate.subject, NameOID.COMMON_NAME)
    # As Go's x509: of several the last.
    if not names or not names[-1]:
        raise ValueError("the certificate's subject has no common name")
    return Identity(
        names[-1],
        tuple(dict.fromkeys(_values(certificate.subject, NameOID.ORGANIZATION_NAME))),
        certificate.serial_number,
        certificate.not_valid_after_utc.timestamp(),
    )


def _values(subject: x509.Name, oid: x509.ObjectIdentifier) -> list[str]:
    return [str(part.value) for part in subject.get_attributes_for_oid(oid)]
