"""PURE: make authorities and certificates, and sign requests. ECDSA P-256 everywhere.

Called by `vaina certs` and by the controller that signs CertificateSigningRequests. Follows kubeadm
(`cmd/kubeadm/app/util/pkiutil/pki_helpers.go`: NewSignedCert) and the signer of upstream's controllers
(`pkg/controller/certificates/authority/authority.go`, `policies.go`): certificates count from a little before
they are signed, and none outlives its authority.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_SECONDS: Final = 10 * 365 * 86_400.0
CERTIFICATE_SECONDS: Final = 90 * 86_400.0
#: Clocks of machines differ: upstream's signer dates certificates back by so much as well.
BACKDATE_SECONDS: Final = 300.0

PrivateKey = ec.EllipticCurvePrivateKey
#: of others, whose requests are signed
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class Profile:
    """What a certificate says of its holder, and what it is good for."""

    #: user name (CN)
    name: str
    #: groups (O)
    groups: tuple[str, ...] = ()
    #: DNS names and addresses under which the holder is reached
    hosts: tuple[str, ...] = ()
    is_server: bool = False
    is_client: bool = True


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority with its key."""

    certificate: x509.Certificate
    key: PrivateKey

    def sign(self, profile: Profile, public_key: PublicKey, now: float, seconds: float) -> x509.Certificate:
        """Return a certificate that holds for `seconds` from `now` (Unix time), or as long as the authority."""
        usages = [ExtendedKeyUsageOID.SERVER_AUTH] * profile.is_server
        usages += [ExtendedKeyUsageOID.CLIENT_AUTH] * profile.is_client
        end = min(_time(now + seconds), self.certificate.not_valid_after_utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject_of(profile))
            .issuer_name(self.certificate.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(_time(now - BACKDATE_SECONDS))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
        )
        if profile.hosts:
            builder = builder.add_extension(_names(profile.hosts), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def revoke(self, serials: Iterable[int], now: float) -> bytes:
        """Return the list of its certificates that count no more (PEM), which holds as long as the authority."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(_time(now - BACKDATE_SECONDS))
            .next_update(self.certificate.not_valid_after_utc)
        )
        for serial in sorted(serials):
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(_time(now))
            builder = builder.add_revoked_certificate(revoked.build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def revoked_of(pem: bytes) -> frozenset[int]:
    """Return the serial numbers of such a list. Raises ValueError: it is none."""
    return frozenset(revoked.serial_number for revoked in x509.load_pem_x509_crl(pem))


def make_key() -> PrivateKey:
    """Make a private key."""
    return ec.generate_private_key(ec.SECP256R1())


def make_authority(name: str, now: float, seconds: float = AUTHORITY_SECONDS) -> Authority:
    """Make an authority that signs itself, and no other authority."""
    key = make_key()
    subject = subject_of(Profile(name))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_time(now - BACKDATE_SECONDS))
        .not_valid_after(_time(now + seconds))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def make_request(profile: Profile, key: PrivateKey) -> bytes:
    """Return a certificate request, PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject_of(profile))
    if profile.hosts:
        builder = builder.add_extension(_names(profile.hosts), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def subject_of(profile: Profile) -> x509.Name:
    """Return the subject of a certificate: O for each group, then CN."""
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in profile.groups]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, profile.name)])


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: PrivateKey) -> bytes:
    """Return a private key as PEM, not encrypted: its file is the owner's alone."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_pem(key: PrivateKey) -> bytes:
    """Return the public key of a private one, as PEM."""
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def load_key(pem: bytes) -> PrivateKey:
    """Read a private key. Raises ValueError."""
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the key is not an ECDSA key")  # noqa: TRY004 - of a file, not of an argument
    return key


def load_authority(certificate: bytes, key: bytes) -> Authority:
    """Read an authority from PEM. Raises ValueError."""
    return Authority(x509.load_pem_x509_certificate(certificate), load_key(key))


def renewal_at(certificate: x509.Certificate) -> float:
    """Return when a certificate is due: at two thirds of its life (Unix time)."""
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return (start + (end - start) * 2 / 3).timestamp()


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def _names(hosts: Iterable[str]) -> x509.SubjectAlternativeName:
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    return x509.SubjectAlternativeName(names)


def _usage(*, key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
