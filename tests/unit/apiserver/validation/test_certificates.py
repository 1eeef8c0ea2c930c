"""CertificateSigningRequests: what may be asked for, and what becomes of it, in upstream's words."""

from collections.abc import Callable
from typing import Any

import pytest

from apiserver.validation import validate_create, validate_status_update, validate_update
from apiserver.validation.certificates import check_approval
from apiserver.validation.place import find_violations
from tests.support.certificate_requests import NODE_CLIENT, Csr, make_csr
from vaina.kinds import CERTIFICATE_SIGNING_REQUEST as CSR


def _csr(change: Callable[[Any], None] = lambda _: None) -> Csr:
    csr = make_csr("csr", NODE_CLIENT, "system:node:a", ("system:nodes",))
    change(csr)
    return csr


def _with(*types: str, status: str = "True") -> Csr:
    csr = _csr()
    for kind in types:
        csr.status.conditions.add(type=kind, status=status)
    return csr


def _set(**values: Any) -> Csr:
    def change(csr: Any) -> None:
        for name, value in values.items():
            if isinstance(value, list):
                del getattr(csr.spec, name)[:]
                getattr(csr.spec, name).extend(value)
            else:
                setattr(csr.spec, name, value)

    return _csr(change)


def _texts(errors: Any) -> list[str]:
    return [f"{error.field}: {error.detail}" for error in errors]


def test_a_kubelets_request_is_right_whatever_its_name() -> None:
    assert validate_create(CSR, _csr()) == []
    assert validate_create(CSR, _csr(lambda csr: setattr(csr.metadata, "name", "node-csr-Q_x"))) == []


@pytest.mark.parametrize(
    ("csr", "error"),
    [
        (_set(request=b"hi"), 'spec.request: Invalid value: "aGk=": PEM block type must be CERTIFICATE REQUEST'),
        (_set(usages=[]), "spec.usages: Required value"),
        (_set(usages=["client auth", "client auth"]), 'spec.usages[1]: Duplicate value: "client auth"'),
        (_set(signer_name=""), "spec.signerName: Required value"),
        (
            _set(signer_name="kubernetes.io/legacy-unknown"),
            'spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName is not allowed via this API version',
        ),
        (
            _set(signer_name="a.b.c"),
            'spec.signerName: Invalid value: "a.b.c": must be a fully qualified domain and path of the form \'example.com/signer-name\'',
        ),
        (
            _set(signer_name="short/a"),
            'spec.signerName: Invalid value: "short": should be a domain with at least two segments separated by dots',
        ),
        (
            _set(expiration_seconds=599),
            "spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)",
        ),
        (_with("Approved", status="False"), 'status.conditions[0].status: Unsupported value: "False": supported values: "True"'),
        (_with("Approved", "Denied"), 'status.conditions: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive'),
        (_with("Failed", "Failed"), 'status.conditions[1].type: Duplicate value: "Failed"'),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(csr: Csr, error: str) -> None:
    assert _texts(validate_create(CSR, csr)) == [error]


def test_an_unknown_usage_is_told_with_those_that_are_known() -> None:
    [error] = _texts(validate_create(CSR, _set(usages=["root"])))
    assert error.startswith(
        'spec.usages[0]: Unsupported value: "root": supported values: "any", "cert sign", '
    )


def test_a_request_that_was_tampered_with_is_refused() -> None:
    whole = _csr().spec.request
    lines = whole.splitlines()
    lines[2] = lines[2][::-1]
    [error] = _texts(validate_create(CSR, _set(request=b"\n".join(lines))))
    assert error.startswith("spec.request: Invalid value: ")
    assert "x509: " in error


def _certificate(csr: Csr, text: bytes) -> Csr:
    csr.status.certificate = text
    return csr


@pytest.mark.parametrize(
    ("rule", "new", "old", "error"),
    [
        ("update", _with("Approved"), _csr(), 'status.conditions: Forbidden: updates may not add a condition of type "Approved"'),
        ("update", _certificate(_csr(), b"x"), _csr(), "status.certificate: Forbidden: updates may not set certificate content"),
        ("status", _with("Denied"), _csr(), 'status.conditions: Forbidden: updates may not add a condition of type "Denied"'),
        ("status", _csr(), _with("Failed"), 'status.conditions: Forbidden: updates may not remove a condition of type "Failed"'),
        ("status", _certificate(_csr(), b"x"), _csr(),
         'status.certificate: Invalid value: "<certificate data>": must contain at least one CERTIFICATE PEM block'),
        ("approval", _csr(), _with("Approved"), 'status.conditions: Forbidden: updates may not remove a condition of type "Approved"'),
    ],
)  # fmt: skip
def test_what_may_not_change_stays(rule: str, new: Csr, old: Csr, error: str) -> None:
    for csr in (new, old):
        csr.metadata.resource_version = "1"
    errors = {
        "update": lambda: validate_update(CSR, new, old),
        "status": lambda: validate_status_update(CSR, new, old),
        "approval": lambda: find_violations(check_approval, new, old),
    }[rule]()
    assert _texts(errors) == [error]


def test_a_decision_and_a_failure_may_come() -> None:
    old, approved, failed = _csr(), _with("Approved"), _with("Failed")
    for csr in (old, approved, failed):
        csr.metadata.resource_version = "1"
    assert find_violations(check_approval, approved, old) == []
    assert validate_status_update(CSR, failed, old) == []
