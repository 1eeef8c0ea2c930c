"""What authorities sign: names, groups, hosts, usages, times."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from vaina.pki import authority as pki
from vaina.pki.identity import Identity, read_identity

NOW = 1_800_000_000.0
CA = pki.make_authority("vaina-ca", NOW)


def signed(profile: pki.Profile, seconds: float = 86_400.0) -> x509.Certificate:
    return CA.sign(profile, pki.make_key().public_key(), NOW, seconds)


@pytest.mark.parametrize(
    ("profile", "usages"),
    [
        (pki.Profile("a"), {ExtendedKeyUsageOID.CLIENT_AUTH}),
        (pki.Profile("a", is_server=True, is_client=False), {ExtendedKeyUsageOID.SERVER_AUTH}),
        (
            pki.Profile("a", is_server=True),
            {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH},
        ),
    ],
)
def test_a_certificate_is_good_for_what_its_profile_says(
    profile: pki.Profile, usages: set[x509.ObjectIdentifier]
) -> None:
    found = signed(profile).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(found) == usages


def test_a_certificate_counts_from_a_little_before_it_was_signed_until_its_end() -> None:
    certificate = signed(pki.Profile("a"), 3600)
    now = datetime.fromtimestamp(NOW, UTC)
    assert certificate.not_valid_before_utc == now - timedelta(minutes=5)
    assert certificate.not_valid_after_utc == now + timedelta(hours=1)


def test_no_certificate_outlives_its_authority() -> None:
    certificate = signed(pki.Profile("a"), 20 * 365 * 86_400)
    assert certificate.not_valid_after_utc == CA.certificate.not_valid_after_utc


def test_an_authority_signs_no_authority_and_its_certificates_sign_nothing() -> None:
    assert CA.certificate.extensions.get_extension_for_class(
        x509.BasicConstraints
    ).value == x509.BasicConstraints(ca=True, path_length=0)
    certificate = signed(pki.Profile("a"))
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    certificate.verify_directly_issued_by(CA.certificate)


def test_hosts_become_addresses_and_names() -> None:
    names = signed(pki.Profile("a", hosts=("apiserver", "127.0.0.1", "::1"))).extensions
    found = names.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.DNSName) == ["apiserver"]
    assert [str(address) for address in found.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


def test_a_certificate_is_due_at_two_thirds_of_its_life() -> None:
    certificate = signed(pki.Profile("a"), 3300)
    assert pki.renewal_at(certificate) == NOW - 300 + 2400


@pytest.mark.parametrize(
    ("profile", "name", "groups"),
    [
        (pki.Profile("admin"), "admin", ()),
        (pki.Profile("system:node:n1", ("system:nodes",)), "system:node:n1", ("system:nodes",)),
        (pki.Profile("x,O=system:masters"), "x,O=system:masters", ()),
        (pki.Profile("x/O=system:masters", ("a, b", "a, b", "c")), "x/O=system:masters", ("a, b", "c")),
        (pki.Profile("ünïcode\\2c"), "ünïcode\\2c", ()),
    ],
)
def test_an_identity_is_the_subject_to_the_letter(
    profile: pki.Profile, name: str, groups: tuple[str, ...]
) -> None:
    certificate = signed(profile, 60)
    found = read_identity(pki.certificate_pem(certificate))
    assert found == Identity(name, groups, certificate.serial_number, NOW + 60)


@pytest.mark.parametrize("pem", [b"", b"no certificate", pki.key_pem(pki.make_key())])
def test_what_is_no_certificate_names_nobody(pem: bytes) -> None:
    with pytest.raises(ValueError, match=r"PEM|certificate"):
        read_identity(pem)


def named(*names: str) -> bytes:
    """A certificate with these common names."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(CA.certificate.subject)
    certificate = (
        builder.public_key(pki.make_key().public_key()).serial_number(1)
        .not_valid_before(datetime.fromtimestamp(NOW, UTC)).not_valid_after(datetime.fromtimestamp(NOW + 9, UTC))
        .sign(CA.key, pki.hashes.SHA256())
    )  # fmt: skip
    return pki.certificate_pem(certificate)


def test_a_subject_without_a_common_name_names_nobody() -> None:
    with pytest.raises(ValueError, match="no common name"):
        read_identity(named())


def test_of_several_common_names_the_last_counts_as_in_gos_x509() -> None:
    assert read_identity(named("first", "last")).name == "last"


def test_keys_and_authorities_are_read_as_they_were_written() -> None:
    read = pki.load_authority(pki.certificate_pem(CA.certificate), pki.key_pem(CA.key))
    assert read.certificate == CA.certificate
    assert read.key.public_key() == CA.key.public_key()


def test_a_request_says_what_its_profile_says() -> None:
    profile = pki.Profile("system:node:n1", ("system:nodes",), hosts=("n1", "10.0.0.1"))
    request = x509.load_pem_x509_csr(pki.make_request(profile, pki.make_key()))
    assert request.is_signature_valid
    assert request.subject == pki.subject_of(profile)
