"""Kinds that nothing acts on: what is completed, kept and dropped, what is warned of, and how they are found."""

import json
from typing import Any

import pytest

from apiserver.validation.stored_only import NOTHING_BEHIND
from tests.support.apiserver import make_apiserver
from tests.support.every_kind import ROWS, sample
from tests.unit.apiserver.validation.cases import read
from vaina.errors import Invalid
from vaina.kinds import (
    DEVICE_TAINT_RULE,
    ENDPOINT_SLICE,
    KINDS,
    KINDS_BY_NAME,
    NETWORK_POLICY,
    RESOURCE_CLAIM,
    RESOURCE_CLAIM_TEMPLATE,
    RESOURCE_SLICE,
    SERVICE,
    Kind,
)
from vaina.objects.manifest import to_dict

LONELY = [kind for kind in KINDS if kind.kind in NOTHING_BEHIND]


def make(kind: Kind[Any], rest: str) -> Any:
    namespace = ", namespace: default" if kind.namespaced else ""
    return read(
        f"apiVersion: {kind.api_version}\nkind: {kind.kind}\nmetadata: {{name: a{namespace}}}\n{rest}"
    )


async def created(kind: Kind[Any], rest: str) -> Any:
    return await make_apiserver().client.kind(kind).create(make(kind, rest))


def spec_of(kind: Kind[Any], found: Any) -> dict[str, Any]:
    tree = to_dict(kind, found)["spec"]
    assert isinstance(tree, dict)
    return tree


PORT = {"port": 80, "protocol": "TCP", "targetPort": 80}
IPV4 = {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None"}
INSIDE = {**IPV4, "type": "ClusterIP", "internalTrafficPolicy": "Cluster"}
SERVICES = [
    ("ports: [{port: 80}]", {**INSIDE, "ports": [PORT]}),
    ("ports: [{port: 80, targetPort: web}]", {**INSIDE, "ports": [{**PORT, "targetPort": "web"}]}),
    ("ports: [{port: 80}], clusterIP: None, selector: {a: b}",
     {**INSIDE, "ports": [PORT], "clusterIP": "None", "clusterIPs": ["None"], "selector": {"a": "b"}}),
    ("clusterIP: None",
     {**INSIDE, "clusterIP": "None", "clusterIPs": ["None"], "ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack"}),
    ("type: NodePort, ports: [{port: 80, nodePort: 30000}]",
     {**INSIDE, "type": "NodePort", "externalTrafficPolicy": "Cluster", "ports": [{**PORT, "nodePort": 30000}]}),
    ("type: LoadBalancer, ports: [{port: 80}]",
     {**INSIDE, "type": "LoadBalancer", "externalTrafficPolicy": "Cluster", "allocateLoadBalancerNodePorts": True, "ports": [PORT]}),
    ("type: ExternalName, externalName: a.b", {"type": "ExternalName", "externalName": "a.b", "sessionAffinity": "None"}),
    ("sessionAffinity: ClientIP, ports: [{port: 80}]",
     {**INSIDE, "ports": [PORT], "sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}}}),
]  # fmt: skip


@pytest.mark.parametrize(("given", "want"), SERVICES, ids=[given for given, _ in SERVICES])
async def test_a_service_is_completed_and_gets_no_address(given: str, want: dict[str, Any]) -> None:
    assert spec_of(SERVICE, await created(SERVICE, f"spec: {{{given}}}")) == want


OTHERS = [
    (NETWORK_POLICY, "spec: {egress: [{ports: [{port: 1}]}]}", {"podSelector": {}, "policyTypes": ["Ingress", "Egress"],
     "egress": [{"ports": [{"port": 1, "protocol": "TCP"}]}]}),
    (RESOURCE_CLAIM, "spec: {devices: {requests: [{name: a, exactly: {deviceClassName: b}}]}}", {"devices": {"requests": [
     {"name": "a", "exactly": {"deviceClassName": "b", "allocationMode": "ExactCount", "count": 1}}]}}),
    (RESOURCE_CLAIM_TEMPLATE, "spec: {spec: {devices: {requests: [{name: a, firstAvailable: [{name: c, deviceClassName: b, allocationMode: All}]}]}}}",
     {"metadata": {}, "spec": {"devices": {"requests": [
      {"name": "a", "firstAvailable": [{"name": "c", "deviceClassName": "b", "allocationMode": "All"}]}]}}}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "given", "want"), OTHERS, ids=[kind.kind for kind, *_ in OTHERS])
async def test_what_is_not_said_of_other_kinds(kind: Kind[Any], given: str, want: dict[str, Any]) -> None:
    assert spec_of(kind, await created(kind, given)) == want


@pytest.mark.parametrize("kind", LONELY, ids=lambda kind: kind.kind)
async def test_creating_and_changing_one_warns_that_nothing_stands_behind_it(kind: Kind[Any]) -> None:
    api = make_apiserver()
    client = api.client.kind(kind)
    made = await client.create(sample(kind))
    wanted = f"{kind.kind}: {NOTHING_BEHIND[kind.kind]}"
    assert api.warnings == [wanted]
    api.warnings.clear()
    _change(kind, made)
    await client.update(made)
    assert api.warnings == [wanted]


def _change(kind: Kind[Any], made: Any) -> None:
    """Change what raises the generation, where the kind has one and lets it change."""
    if kind.kind == "DeviceClass":
        del made.spec.selectors[:]
    elif kind.kind == "IngressClass":
        made.spec.parameters.name = "b"
    elif kind.kind == "Ingress":
        made.spec.rules[0].host = "b.example.com"
    elif kind.kind == "ResourceSlice":
        made.spec.pool.generation = 2
    elif kind.kind == "DeviceTaintRule":
        made.spec.taint.value = "b"
    elif kind.kind == "NetworkPolicy":
        del made.spec.policy_types[1]
    else:
        made.metadata.labels["a"] = "b"


CHANGES = [
    ("what is not repeated", "clusterIP: 10.0.0.1, type: NodePort, ports: [{port: 80, nodePort: 30000}]",
     "type: NodePort, ports: [{port: 80, targetPort: 81}]",
     {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": [{**PORT, "targetPort": 81, "nodePort": 30000}]}),
    ("ports of nodes where there are none", "type: NodePort, ports: [{port: 80, nodePort: 30000}]", "ports: [{port: 80, nodePort: 30000}]",
     {"type": "ClusterIP", "ports": [PORT], "externalTrafficPolicy": None}),
    ("the address of what has none", "clusterIP: 10.0.0.1, ports: [{port: 80}]",
     "clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ipFamilies: [IPv4], ipFamilyPolicy: SingleStack, type: ExternalName, externalName: a",
     {"clusterIP": None, "clusterIPs": None, "ipFamilies": None, "ipFamilyPolicy": None}),
    ("the second family of what wants one", "clusterIP: None, ports: [{port: 80}]",
     "clusterIP: None, clusterIPs: [None], ipFamilies: [IPv4, IPv6], ipFamilyPolicy: SingleStack, ports: [{port: 80}]",
     {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}),
    ("both fields of the address", "type: ExternalName, externalName: a", "clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ports: [{port: 80}]",
     {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ipFamilies": ["IPv4"]}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "want"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES]
)
async def test_a_changed_service_keeps_and_drops(old: str, new: str, want: dict[str, Any]) -> None:
    client = make_apiserver().client.kind(SERVICE)
    await client.create(make(SERVICE, f"spec: {{{old}}}"))
    after = spec_of(SERVICE, await client.update(make(SERVICE, f"spec: {{{new}}}")))
    assert {name: after.get(name) for name in want} == want


async def test_services_and_slices_are_found_by_their_fields() -> None:
    api = make_apiserver()
    services, slices = api.client.kind(SERVICE), api.client.kind(RESOURCE_SLICE)
    await services.create(make(SERVICE, "spec: {clusterIP: None}"))
    await slices.create(sample(RESOURCE_SLICE))
    for client, selector, found in (
        (services, "spec.clusterIP=None,spec.type=ClusterIP", 1), (services, "spec.type=NodePort", 0),
        (slices, "spec.nodeName=n1,spec.driver=a.example.com,spec.pool.name=n1", 1), (slices, "spec.nodeName=n2", 0),
    ):  # fmt: skip
        assert len((await client.list(field_selector=selector)).items) == found


async def test_taints_of_devices_are_dated_and_stay_so() -> None:
    api = make_apiserver()
    client = api.client.kind(RESOURCE_SLICE)
    text = ROWS["ResourceSlice"][2].replace("name: d0,", "name: d0, taints: [{key: a, effect: NoExecute}],")
    made = await client.create(make(RESOURCE_SLICE, text))
    since = made.spec.devices[0].taints[0].time_added
    assert since.seconds
    changed = make(RESOURCE_SLICE, text.replace("0.5Gi", "1Gi"))
    assert (await client.update(changed)).spec.devices[0].taints[0].time_added == since


async def test_a_rule_of_taints_is_dated_anew_when_its_effect_changes() -> None:
    api = make_apiserver()
    client = api.client.kind(DEVICE_TAINT_RULE)
    made = await client.create(sample(DEVICE_TAINT_RULE))
    since = made.spec.taint.time_added.seconds
    assert (since, made.metadata.generation) == (int(api.clock.now()), 1)
    await api.clock.advance(60)
    made.spec.taint.value = "b"
    made = await client.update(made)
    assert (made.spec.taint.time_added.seconds, made.metadata.generation) == (since, 2)
    made.spec.taint.effect = "None"
    made = await client.update(made)
    assert (made.spec.taint.time_added.seconds, made.metadata.generation) == (since + 60, 3)
    made.metadata.resource_version = ""
    with pytest.raises(Invalid, match="must be specified for an update"):
        await client.update(made)


async def test_a_slice_of_endpoints_counts_its_changes_and_forgets_the_old_topology() -> None:
    client = make_apiserver().client.kind(ENDPOINT_SLICE)
    text = "addressType: IPv4\nendpoints: [{addresses: [10.0.0.1], deprecatedTopology: {a: b}}]"
    made = await client.create(make(ENDPOINT_SLICE, text))
    assert (made.metadata.generation, dict(made.endpoints[0].deprecated_topology)) == (1, {})
    made.metadata.annotations["a"] = "b"
    made = await client.update(made)
    assert made.metadata.generation == 1
    made.metadata.labels["a"] = "b"
    assert (await client.update(made)).metadata.generation == 2


async def test_what_drivers_said_of_devices_goes_with_the_allocation() -> None:
    client = make_apiserver().client.kind(RESOURCE_CLAIM)
    claim = await client.create(sample(RESOURCE_CLAIM))
    device = {"driver": "d", "pool": "p", "device": "x"}
    result = [{"request": "a", **device}]
    status = {"allocation": {"devices": {"results": result}}, "devices": [device]}
    patch = json.dumps({"status": status})
    claim = await client.patch(claim.metadata.name, patch, namespace="default", subresource="status")
    assert len(claim.status.devices) == 1
    claim.status.ClearField("allocation")
    after = await client.update_status(claim)
    assert not after.status.devices


def test_names_that_kubectl_knows_them_by() -> None:
    assert {name: KINDS_BY_NAME[name].kind for name in ("svc", "ep", "netpol", "ing", "endpointslices.discovery.k8s.io")} == {
        "svc": "Service", "ep": "Endpoints", "netpol": "NetworkPolicy", "ing": "Ingress",
        "endpointslices.discovery.k8s.io": "EndpointSlice",
    }  # fmt: skip
