"""Which certificate requests are approved, signed and removed."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from controller.certificates.reconcile import SOURCE, approve, seconds_kept, sign
from tests.support.certificate_requests import (
    CLIENT_USAGES,
    NODE_CLIENT,
    SERVING_USAGES,
    Csr,
    make_csr,
    node_csr,
    serving_csr,
)
from vaina.clock import timestamp
from vaina.pki.authority import make_key
from vaina.testing.clock import EPOCH

NODES, TOKEN = ("system:nodes", "system:authenticated"), ("system:bootstrappers", "system:authenticated")
HOUR, DAY = 3600.0, 86_400.0


def asked(csr: Csr, user: str, groups: Sequence[str], source: str = "10.0.0.1") -> Csr:
    """The request as the apiserver has written down who asks."""
    csr.spec.username = user
    csr.spec.groups.extend(groups)
    csr.spec.extra[SOURCE].items.append(source)
    csr.metadata.creation_timestamp.CopyFrom(timestamp(EPOCH))
    return csr


def by_node(csr: Csr, node: str = "a") -> Csr:
    return asked(csr, f"system:node:{node}", NODES)


def by_token(csr: Csr) -> Csr:
    return asked(csr, "system:bootstrap:abcdef", TOKEN)


def decided(csr: Csr, *kinds: str, certificate: bytes = b"", at: float = EPOCH) -> Csr:
    for kind in kinds:
        csr.status.conditions.add(type=kind, status="True", last_update_time=timestamp(at))
    csr.status.certificate = certificate
    return csr


def changed(csr: Csr, change: Callable[[Any], None]) -> Csr:
    change(csr.spec)
    return csr


_TWO_GROUPS = make_csr("x", NODE_CLIENT, "system:node:a", ("system:nodes", "system:masters"))
_WITH_NAME = make_csr("x", NODE_CLIENT, "system:node:a", ("system:nodes",), ("a",))
_SERVER_TOO = make_csr(
    "x", NODE_CLIENT, "system:node:a", ("system:nodes",), (), (*CLIENT_USAGES, "server auth")
)


def _named_like_an_address(address: str) -> Csr:
    """A serving request whose DNS name is an address, which make_request would write as one."""
    subject = x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
        x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{address}"),
    ])  # fmt: skip
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(address)]), critical=False)
    csr = serving_csr("a node called like an address", address, address)
    csr.spec.request = builder.sign(make_key(), hashes.SHA256()).public_bytes(Encoding.PEM)
    return csr


def _with_common_name(name: str) -> Csr:
    """A request whose common name is none that a certificate may have."""
    with warnings.catch_warnings(action="ignore"):
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name, _validate=False)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    csr = make_csr("x", "kubernetes.io/kube-apiserver-client", "jane")
    csr.spec.request = builder.sign(make_key(), hashes.SHA256()).public_bytes(Encoding.PEM)
    return csr


@pytest.mark.parametrize(
    ("csr", "unless_alive"),
    [
        (by_node(node_csr("renewal", "a")), ""),
        (by_token(node_csr("first", "a")), "a"),
        (by_node(serving_csr("address", "a", "10.0.0.1")), ""),
        (by_node(serving_csr("name", "a", "a")), ""),
        (by_node(_named_like_an_address("10.0.0.1"), "10.0.0.1"), ""),
        (by_node(serving_csr("both", "a", "a", "10.0.0.1")), ""),
    ],
    ids=lambda value: value.metadata.name if isinstance(value, Csr) else "",
)
def test_a_node_gets_certificates_of_its_own(csr: Csr, unless_alive: str) -> None:
    approval = approve(csr)
    assert approval is not None
    assert approval.unless_alive == unless_alive


@pytest.mark.parametrize(
    "csr",
    [
        by_node(node_csr("another node's", "b")),
        by_token(node_csr("no name at all", "")),
        by_token(node_csr("a name in capitals", "APISERVER")),
        by_token(node_csr("a name with a dot at its end", "apiserver.")),
        by_token(node_csr("every name", "*.local")),
        by_token(serving_csr("serving by a token", "a", "10.0.0.1")),
        asked(node_csr("by a person", "a"), "jane", ("dev",)),
        asked(node_csr("by a user who is called like a node", "a"), "system:node:a", ("dev",)),
        by_node(serving_csr("another node's serving", "b", "b")),
        by_node(serving_csr("another address", "a", "10.0.0.2")),
        by_node(serving_csr("another address besides", "a", "10.0.0.1", "10.0.0.2")),
        by_node(serving_csr("another name", "a", "b")),
        by_node(serving_csr("a name below its own", "a", "www.a")),
        by_node(serving_csr("everybody's name", "a", "localhost")),
        by_node(serving_csr("the apiserver's name", "apiserver", "apiserver"), "apiserver"),
        by_node(serving_csr("the apiserver's name in capitals", "APISERVER", "APISERVER"), "APISERVER"),
        by_node(_named_like_an_address("10.0.0.2"), "10.0.0.2"),
        by_node(changed(_TWO_GROUPS, lambda _: None)),
        by_node(_WITH_NAME),
        by_node(_SERVER_TOO),
        by_node(make_csr("another signer", "example.com/a", "system:node:a", ("system:nodes",))),
        by_node(
            make_csr("any client", "kubernetes.io/kube-apiserver-client", "system:node:a", ("system:nodes",))
        ),
        by_node(changed(node_csr("no request", "a"), lambda spec: setattr(spec, "request", b"hi"))),
        decided(by_node(node_csr("approved", "a")), "Approved"),
        decided(by_node(node_csr("denied", "a")), "Denied"),
        decided(by_node(node_csr("issued", "a")), certificate=b"x"),
    ],
    ids=lambda csr: csr.metadata.name,
)
def test_nothing_else_is_approved_by_itself(csr: Csr) -> None:
    assert approve(csr) is None


def test_a_request_from_nowhere_gets_no_address() -> None:
    csr = by_node(serving_csr("x", "a", "10.0.0.1"))
    csr.spec.ClearField("extra")
    assert approve(csr) is None


@pytest.mark.parametrize(
    ("expiration", "seconds"), [(None, 90 * DAY), (600, 600), (int(HOUR), HOUR), (int(400 * DAY), 90 * DAY)]
)
def test_what_is_approved_is_signed_for_as_long_as_is_asked_and_allowed(
    expiration: int | None, seconds: float
) -> None:
    csr = decided(by_node(node_csr("x", "a")), "Approved")
    if expiration is not None:
        csr.spec.expiration_seconds = expiration
    signing = sign(csr, max_seconds=90 * DAY)
    assert signing is not None
    assert signing.request is not None
    assert (signing.request.name, signing.seconds, signing.failure) == ("system:node:a", seconds, "")


@pytest.mark.parametrize(
    "csr",
    [
        by_node(node_csr("pending", "a")),
        decided(by_node(node_csr("denied after all", "a")), "Approved", "Denied"),
        decided(by_node(node_csr("failed", "a")), "Approved", "Failed"),
        decided(by_node(node_csr("issued", "a")), "Approved", certificate=b"x"),
        decided(by_node(make_csr("another's", "example.com/a", "jane")), "Approved"),
    ],
    ids=lambda csr: csr.metadata.name,
)
def test_nothing_else_is_signed(csr: Csr) -> None:
    assert sign(csr, max_seconds=DAY) is None


@pytest.mark.filterwarnings("ignore:Attribute's length")
@pytest.mark.parametrize(
    ("csr", "failure"),
    [
        (_TWO_GROUPS, "subject organization is not system:nodes"),
        (_WITH_NAME, "DNS subjectAltNames are not allowed"),
        (_SERVER_TOO, "usages did not match [client auth digital signature key encipherment]"),
        (serving_csr("x", "a"), "DNS or IP subjectAltName is required"),
        (make_csr("x", NODE_CLIENT, "jane", ("system:nodes",)), "subject common name does not begin with system:node:"),
        (make_csr("x", "kubernetes.io/kube-apiserver-client", "jane", (), (), SERVING_USAGES),
         "invalid usage for client certificate: server auth"),
        (_with_common_name("x" * 65), "subject common name must have 1 to 64 bytes (RFC 5280, ub-common-name)"),
        (_with_common_name(""), "subject common name must have 1 to 64 bytes (RFC 5280, ub-common-name)"),
    ],
)  # fmt: skip
def test_what_a_person_approved_by_mistake_fails_in_upstreams_words(csr: Csr, failure: str) -> None:
    made = Csr()
    made.CopyFrom(csr)
    signing = sign(decided(made, "Approved"), max_seconds=DAY)
    assert signing is not None
    assert (signing.request, signing.failure) == (None, failure)


@pytest.mark.parametrize(
    ("csr", "seconds"),
    [
        (by_node(node_csr("pending", "a")), DAY),
        (decided(by_node(node_csr("approved, not issued", "a")), "Approved", at=EPOCH + 60), DAY + 60),
        (decided(by_node(node_csr("issued", "a")), "Approved", certificate=b"x", at=EPOCH + 60), HOUR + 60),
        (decided(by_node(node_csr("denied", "a")), "Denied", at=EPOCH + 60), HOUR + 60),
        (decided(by_node(node_csr("failed", "a")), "Approved", "Failed", at=EPOCH + 60), HOUR + 60),
    ],
    ids=lambda value: value.metadata.name if isinstance(value, Csr) else "",
)
def test_requests_are_kept_as_long_as_upstream_keeps_them(csr: Csr, seconds: float) -> None:
    assert seconds_kept(csr, EPOCH) == seconds
    assert seconds_kept(csr, EPOCH + seconds) <= 0
