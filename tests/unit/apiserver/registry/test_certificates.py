"""CertificateSigningRequests in the registry: who asks, who decides, and what no write changes."""

from collections.abc import Sequence

import pytest

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import ALLOWED, NO_OPINION, Verdict
from tests.support.apiserver import Harness, make_apiserver
from tests.support.certificate_requests import Csr, make_csr, node_csr
from vaina.errors import Forbidden, Invalid

CLIENT = "kubernetes.io/kube-apiserver-client"


class _Signers:
    """Allows everything but approving and signing, and these only for some signers."""

    def __init__(self, **signers: Sequence[str]) -> None:
        self._signers = signers

    def authorize(self, attributes: Attributes) -> Verdict:
        if attributes.resource != "signers":
            return ALLOWED
        return ALLOWED if attributes.name in self._signers.get(attributes.verb, ()) else NO_OPINION


def _approved(csr: Csr) -> Csr:
    csr.status.conditions.add(type="Approved", status="True", reason="R")
    return csr


async def _made(api: Harness, csr: Csr) -> Csr:
    return await api.client.certificate_signing_requests.create(csr)


async def test_the_apiserver_says_who_asks() -> None:
    api = make_apiserver()
    sent = node_csr("csr", "a")
    sent.spec.username, sent.spec.uid = "system:admin", "u"
    sent.spec.groups.append("system:masters")
    sent.spec.extra["a"].items.append("b")
    made = await _made(api, _approved(sent))
    assert (made.spec.username, list(made.spec.groups), made.spec.uid) == (
        "system:anonymous", ["system:unauthenticated"], "",
    )  # fmt: skip
    assert not made.spec.extra
    assert not made.status.conditions


async def test_what_is_asked_for_never_changes() -> None:
    api = make_apiserver()
    csr = await _made(api, node_csr("csr", "a"))
    changed = Csr()
    changed.CopyFrom(csr)
    changed.spec.request, changed.spec.username = node_csr("x", "b").spec.request, "jane"
    changed.metadata.labels["a"] = "b"
    client = api.client.certificate_signing_requests
    for write in (client.update, client.update_approval, client.update_status):
        after = await write(changed)
        assert (after.spec, dict(after.metadata.labels)) == (csr.spec, {"a": "b"})
        changed.metadata.resource_version = after.metadata.resource_version


async def test_a_decision_has_its_times_and_comes_by_the_sub_resource_alone() -> None:
    api = make_apiserver()
    client, csr = api.client.certificate_signing_requests, await _made(api, node_csr("csr", "a"))
    ignored = await client.update(_approved(csr))
    assert not ignored.status.conditions
    with pytest.raises(Invalid, match="updates may not add a condition of type"):
        await client.update_status(_approved(ignored))
    del ignored.status.conditions[:]
    approved = await client.update_approval(_approved(ignored))
    [condition] = approved.status.conditions
    assert condition.HasField("last_update_time")
    assert condition.HasField("last_transition_time")


async def test_times_that_are_there_and_empty_are_none() -> None:
    # Programs in Go send every Time of a condition, by protobuf, whether it was set or not.
    api = make_apiserver()
    client, csr = api.client.certificate_signing_requests, await _made(api, node_csr("csr", "a"))
    approval = _approved(csr)
    approval.status.conditions[0].last_update_time.SetInParent()
    approval.status.conditions[0].last_transition_time.SetInParent()
    approved = await client.update_approval(approval)
    failed = approved.status.conditions.add(type="Failed", status="True", reason="r")
    failed.last_update_time.SetInParent()
    failed.last_transition_time.SetInParent()
    for condition in (await client.update_status(approved)).status.conditions:
        assert condition.last_update_time.seconds
        assert condition.last_transition_time.seconds


async def test_only_who_may_approve_for_a_signer_approves() -> None:
    api = make_apiserver(authorizer=_Signers(approve=(CLIENT,)))
    csr = await _made(api, node_csr("csr", "a"))
    with pytest.raises(Forbidden) as refused:
        await api.client.certificate_signing_requests.update_approval(_approved(csr))
    assert refused.value.message == (
        'certificatesigningrequests.certificates.k8s.io "csr" is forbidden: user not permitted to approve requests with '
        'signerName "kubernetes.io/kube-apiserver-client-kubelet"'
    )
    assert not (await api.client.certificate_signing_requests.get("csr")).status.conditions


async def test_who_may_approve_for_a_domain_approves_for_its_signers() -> None:
    api = make_apiserver(authorizer=_Signers(approve=("kubernetes.io/*",)))
    csr = await _made(api, node_csr("csr", "a"))
    assert (await api.client.certificate_signing_requests.update_approval(_approved(csr))).status.conditions


async def test_only_who_may_sign_for_a_signer_writes_its_status() -> None:
    api = make_apiserver(authorizer=_Signers(approve=("kubernetes.io/*",)))
    csr = await _made(api, node_csr("csr", "a"))
    csr.metadata.labels["a"] = "b"
    csr = await api.client.certificate_signing_requests.update_status(csr)
    csr.status.conditions.add(type="Failed", status="True")
    with pytest.raises(Forbidden, match="user not permitted to sign requests with signerName"):
        await api.client.certificate_signing_requests.update_status(csr)


async def test_nobody_asks_for_a_certificate_of_the_masters() -> None:
    api = make_apiserver()
    with pytest.raises(Forbidden) as refused:
        await _made(api, make_csr("csr", CLIENT, "jane", ("dev", "system:masters")))
    assert refused.value.message.endswith(
        "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed"
    )
    await _made(api, make_csr("csr", CLIENT, "jane", ("dev",)))
