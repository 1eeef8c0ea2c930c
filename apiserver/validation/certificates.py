"""Rules for CertificateSigningRequests. Follows `pkg/apis/certificates/validation/validation.go`.

Of what upstream tolerates in objects that are stored already (getValidationOptions), nothing is: no object of
before these rules is there.
"""

from collections.abc import Sequence
from typing import Any, Final

from apiserver.validation import metadata
from apiserver.validation.place import Place
from vaina.api.certificates.v1 import certificate_signing_request_pb2
from vaina.objects import names

Request = certificate_signing_request_pb2.CertificateSigningRequest
Condition = certificate_signing_request_pb2.CertificateSigningRequestCondition

APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"
MIN_SECONDS: Final = 600
_LEGACY: Final = "kubernetes.io/legacy-unknown"
_STATUSES: Final = ("False", "True", "Unknown")
_USAGES: Final = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment",
    "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel",
    "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime",
    "server auth", "signing", "timestamping",
)  # fmt: skip
_MAX_SUBDOMAIN: Final = 253
_MAX_SIGNER_NAME: Final = _MAX_SUBDOMAIN + 1 + (_MAX_SUBDOMAIN + 1 + 63)


def _any_name(_name: str) -> names.Problems:
    return ()


def check(root: Place, made: Request) -> None:
    """Check a new CertificateSigningRequest, or a changed one as a whole."""
    metadata.check_create(root, made.metadata, _any_name, namespaced=False)
    path, spec = root.child("spec"), made.spec
    if problem := _problem_of_request(spec.request):
        path.child("request").invalid(spec.request, problem)
    if not spec.usages:
        path.child("usages").required()
    for index, usage in enumerate(spec.usages):
        path.child("usages").index(index).check_supported(usage, _USAGES)
    seen: set[str] = set()
    for index, usage in enumerate(spec.usages):
        path.child("usages").index(index).check_unique(usage, seen)
    if spec.signer_name == _LEGACY:
        words = "the legacy signerName is not allowed via this API version"
        path.child("signerName").invalid(spec.signer_name, words)
    else:
        _check_signer_name(path.child("signerName"), spec.signer_name)
    if spec.HasField("expiration_seconds") and spec.expiration_seconds < MIN_SECONDS:
        words = "may not specify a duration less than 600 seconds (10 minutes)"
        path.child("expirationSeconds").invalid(spec.expiration_seconds, words)
    _check_conditions(root.child("status", "conditions"), made.status.conditions)


def _problem_of_request(pem: bytes) -> str:
    """Return what is wrong with a certificate request; empty when nothing is."""
    # Here alone: an apiserver without certificates does without the library.
    from vaina.pki.requests import parse_request

    try:
        parse_request(pem)
    except ValueError as error:
        return str(error)
    return ""


def _problem_of_certificates(pem: bytes) -> str:
    from vaina.pki.requests import problem_of_certificates

    return problem_of_certificates(pem)


def _check_signer_name(path: Place, name: str) -> None:
    """Check a signer's name: example.com/name (ValidateSignerName in `pkg/apis/core/validation/names.go`)."""
    if not name:
        path.required()
        return
    parts = name.split("/")
    if len(parts) != 2:
        words = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        path.invalid(name, words)
        return
    domain, rest = parts
    if names.size(domain) > _MAX_SUBDOMAIN:
        path.too_long(_MAX_SUBDOMAIN)
    labels = domain.split(".")
    _check_labels(path, domain, labels, names.dns_1123_label)
    if len(labels) < 2:
        path.invalid(domain, "should be a domain with at least two segments separated by dots")
    _check_labels(path, rest, rest.split("."), names.dns_1123_subdomain)
    if names.size(name) > _MAX_SIGNER_NAME:
        path.too_long(_MAX_SIGNER_NAME)


def _check_labels(path: Place, whole: str, labels: Sequence[str], rule: Any) -> None:
    """Report what is wrong with the first bad label."""
    for label in labels:
        if problems := rule(label):
            for problem in problems:
                path.invalid(whole, f'validating label "{label}": {problem}')
            return


def _check_conditions(path: Place, conditions: Sequence[Condition]) -> None:
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        at = path.index(index)
        if not condition.type:
            at.child("type").required()
        allowed = ("True",) if condition.type in (APPROVED, DENIED, FAILED) else _STATUSES
        at.child("status").check_choice(condition.status, allowed)
        if {APPROVED, DENIED} <= {condition.type, *seen} and condition.type in (APPROVED, DENIED):
            path.invalid(condition.type, "Approved and Denied conditions are mutually exclusive")
        at.child("type").check_unique(condition.type, seen)


def check_update(root: Place, new: Request, old: Request) -> None:
    """Check a changed object: neither approval nor certificate changes."""
    _check_update(root, new, old)
    _check_approval_stays(root, new, old)
    if new.status.certificate != old.status.certificate:
        root.child("status", "certificate").forbidden("updates may not set certificate content")


def check_status_update(root: Place, new: Request, old: Request) -> None:
    """Check a changed status: a certificate may come, and stays."""
    _check_update(root, new, old)
    _check_approval_stays(root, new, old)
    if new.status.certificate == old.status.certificate:
        return
    at = root.child("status", "certificate")
    if problem := _problem_of_certificates(new.status.certificate):
        at.invalid("<certificate data>", problem)
    if old.status.certificate:
        at.forbidden("updates may not modify existing certificate content")


def check_approval(root: Place, new: Request, old: Request) -> None:
    """Check a change by the sub-resource `approval`: a decision may come, and stays."""
    _check_update(root, new, old)


def _check_update(root: Place, new: Request, old: Request) -> None:
    check(root, new)
    for kind in (APPROVED, DENIED, FAILED):
        if len(_of_type(new, kind)) < len(_of_type(old, kind)):
            words = f'updates may not remove a condition of type "{kind}"'
            root.child("status", "conditions").forbidden(words)
    metadata.check_update(root, new.metadata, old.metadata)


def _check_approval_stays(root: Place, new: Request, old: Request) -> None:
    at = root.child("status", "conditions")
    for kind in (APPROVED, DENIED):
        before, after = _of_type(old, kind), _of_type(new, kind)
        if len(after) > len(before):
            at.forbidden(f'updates may not add a condition of type "{kind}"')
        elif len(after) == len(before) and after != before:
            at.forbidden(f'updates may not modify a condition of type "{kind}"')


def _of_type(made: Request, kind: str) -> list[Condition]:
    return [condition for condition in made.status.conditions if condition.type == kind]
