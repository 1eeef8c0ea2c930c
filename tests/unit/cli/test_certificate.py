"""`vaina certificate` and `vaina get csr`: requests for certificates, decided in kubectl's words."""

from collections.abc import Iterator

import pytest

from tests.support.certificate_requests import node_csr
from tests.support.command import CommandLine


@pytest.fixture
def vaina() -> Iterator[CommandLine]:
    command = CommandLine()
    for name in ("csr-a", "csr-b"):
        command.do(
            lambda clients, name=name: clients.certificate_signing_requests.create(node_csr(name, "n1"))
        )
    return command


def test_a_request_is_approved_once_and_shown(vaina: CommandLine) -> None:
    done = vaina.run("certificate", "approve", "csr-a")
    assert (done.code, done.out) == (0, "certificatesigningrequest.certificates.k8s.io/csr-a approved\n")
    csr = vaina.do(lambda clients: clients.certificate_signing_requests.get("csr-a"))
    [condition] = csr.status.conditions
    assert (condition.type, condition.status, condition.reason) == ("Approved", "True", "KubectlApprove")
    assert condition.message == "This CSR was approved by kubectl certificate approve."
    again = vaina.run("certificate", "approve", "csr-a")
    assert again.out == done.out
    assert vaina.do(lambda clients: clients.certificate_signing_requests.get("csr-a")) == csr
    shown = vaina.run("get", "csr").out.splitlines()
    assert shown[0].split() == ["NAME", "AGE", "SIGNERNAME", "REQUESTOR", "REQUESTEDDURATION", "CONDITION"]
    assert [line.split()[-1] for line in shown[1:]] == ["Approved", "Pending"]


def test_what_is_denied_is_not_approved_any_more(vaina: CommandLine) -> None:
    assert vaina.run("certificate", "deny", "csr-a", "csr-b").out == (
        "certificatesigningrequest.certificates.k8s.io/csr-a denied\n"
        "certificatesigningrequest.certificates.k8s.io/csr-b denied\n"
    )
    refused = vaina.run("certificate", "approve", "csr-b")
    assert refused.code == 1
    assert "Approved and Denied conditions are mutually exclusive" in refused.err


def test_names_are_needed_and_must_be_there(vaina: CommandLine) -> None:
    nothing = vaina.run("certificate", "approve")
    assert (nothing.code, nothing.err) == (1, "error: one or more CSRs must be specified as <name>\n")
    missing = vaina.run("certificate", "deny", "nobody")
    assert missing.code == 1
    assert 'certificatesigningrequests.certificates.k8s.io "nobody" not found' in missing.err
