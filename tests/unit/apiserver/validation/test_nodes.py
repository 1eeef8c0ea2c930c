"""Nodes: what is refused, in which words."""

from typing import Any

from apiserver.validation import validate_create, validate_status_update, validate_update
from tests.unit.apiserver.validation.cases import (
    LABEL,
    QUALIFIED,
    SUBDOMAIN,
    VALUE,
    Case,
    case,
    each,
    read_default,
    violations,
)
from vaina.kinds import NODE

CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
ONE_EACH = "may specify no more than one CIDR for each IP family"
EFFECTS = 'supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"'
REF = "namespace: kube-system, name: c, kubeletConfigKey: k"


def node(rest: str, meta: str = "") -> Any:
    return read_default(NODE, f"apiVersion: v1\nkind: Node\nmetadata: {{name: n1{meta}}}\n{rest}")


NODES = (
    case("a node of two families is in order",
         "spec: {podCIDRs: [10.244.1.0/24, 'fd00::/64'], taints: [{key: a, effect: NoSchedule}, {key: a, effect: "
         "NoExecute, value: b}]}\nstatus: {capacity: {cpu: 4, memory: 8Gi, pods: 110, example.com/gpu: 1}}"),
    case("taints have a key, a value and an effect, once",
         "spec: {taints: [{key: -a, value: -b, effect: Foo}, {key: b}, {key: c, effect: NoSchedule}, {key: c, value: d, "
         "effect: NoSchedule}]}",
         f'metadata.taints[0].key: Invalid value: "-a": {QUALIFIED}',
         f'metadata.taints[0].value: Invalid value: "-b": {VALUE}',
         f'metadata.taints[0].effect: Unsupported value: "Foo": {EFFECTS}', "metadata.taints[1].effect: Required value",
         'metadata.taints[3]: Duplicate value: {"key":"c","value":"d","effect":"NoSchedule"}: taints must be unique by key '
         "and effect pair"),
    case("amounts are not negative, what is counted is whole",
         "status: {capacity: {cpu: -1, pods: 1500m}, allocatable: {example.com/gpu: 500m}}",
         'status.capacity.cpu: Invalid value: "-1": must be greater than or equal to 0',
         'status.capacity.pods: Invalid value: "1500m": must be an integer',
         'status.allocatable.example.com/gpu: Invalid value: "500m": must be an integer'),
    case("networks for Pods are networks", "spec: {podCIDRs: [a]}", f'spec.podCIDRs[0]: Invalid value: "a": {CIDR}'),
    case("there is one network of each family, once", "spec: {podCIDRs: [10.0.0.0/24, 10.0.0.0/24]}",
         f'spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.0.0.0/24"]: {ONE_EACH}'),
    case("swap has a size", "status: {nodeInfo: {swap: {capacity: 0}}}",
         "metadata.nodeSwapStatus.capacity: Invalid value: 0: must be greater than zero"),
    case("declared features have names, in order, each once", "status: {declaredFeatures: [b, B, B/c, B/c]}",
         'status.declaredFeatures[0]: Invalid value: "b": invalid feature name "b": must start with an UpperCamelCase segment, '
         "with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric "
         "characters and slashes", 'status.declaredFeatures[1]: Invalid value: "B": list must be sorted alphabetically',
         'status.declaredFeatures[3]: Duplicate value: "B/c"'),
)  # fmt: skip


@each(NODES)
def test_new_nodes(case: Case) -> None:
    assert validate_create(NODE, node(case.given)) == violations(*case.want)


def test_a_nodes_name_is_a_subdomain_without_a_namespace() -> None:
    made = node("", ", namespace: default")
    made.metadata.name = "N_1"
    assert validate_create(NODE, made) == violations(
        f'metadata.name: Invalid value: "N_1": {SUBDOMAIN}',
        "metadata.namespace: Forbidden: not allowed on this type",
    )


#: given: before; spec: after
UPDATES = (
    case("networks may be given once", "", spec="spec: {podCIDRs: [10.0.0.0/24], providerID: x}"),
    case("networks and the provider's name stay", "spec: {podCIDRs: [10.0.0.0/24], providerID: x}",
         'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
         'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
         spec="spec: {podCIDRs: [10.0.1.0/24], providerID: z}"),
    case("networks do not go", "spec: {podCIDRs: [10.0.0.0/24]}",
         'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid', spec="spec: {}"),
    case("addresses are different", "",
         'status.addresses[1]: Duplicate value: {"type":"InternalIP","address":"10.0.0.1"}',
         spec="status: {addresses: [{type: InternalIP, address: 10.0.0.1}, {type: InternalIP, address: 10.0.0.1}]}"),
    case("the old name outside stays", "spec: {externalID: a}", "spec.externalID: Forbidden: may not be updated",
         spec="spec: {externalID: b}"),
    case("taints and amounts are checked again", "", "metadata.taints[0].effect: Required value",
         'status.capacity.cpu: Invalid value: "-1": must be greater than or equal to 0',
         spec="spec: {taints: [{key: a}]}\nstatus: {capacity: {cpu: -1}, allocatable: {cpu: 1}}"),
    case("a node may be cordoned", "", spec="spec: {unschedulable: true}"),
    case("a reference to a configuration names all but versions in the spec", "",
         "spec.configSource.configMap.uid: Forbidden: uid must not be set in spec",
         "spec.configSource.configMap.resourceVersion: Forbidden: resourceVersion must not be set in spec",
         "spec.configSource.configMap.namespace: Required value",
         "spec.configSource.configMap.name: Required value",
         "spec.configSource.configMap.kubeletConfigKey: Required value",
         spec="spec: {configSource: {configMap: {uid: u, resourceVersion: '1'}}}"),
    case("a reference to a configuration refers", "",
         "spec.configSource: Invalid value: {}: exactly one reference subfield must be non-nil",
         spec="spec: {configSource: {}}"),
    case("a reference to a configuration names versions in the status", "",
         "status.config.active.configMap.uid: Required value",
         "status.config.active.configMap.resourceVersion: Required value",
         f'status.config.active.configMap.namespace: Invalid value: "A_": {LABEL}',
         spec="status: {config: {assigned: {configMap: {uid: u, resourceVersion: '1', "
         f"{REF}}}}}, active: {{configMap: {{{REF.replace('kube-system', 'A_')}}}}}}}}}"),
)  # fmt: skip


@each(UPDATES)
def test_changed_nodes(case: Case) -> None:
    old, new = node(case.given), node(case.spec)
    want = sorted_by_text(violations(*case.want))
    found = validate_update(NODE, new, old), validate_status_update(NODE, new, old)
    assert tuple(map(sorted_by_text, found)) == (want, want)


def sorted_by_text(found: list[Any]) -> list[str]:
    return sorted(map(str, found))


def test_a_changed_node_must_be_in_order_by_itself() -> None:
    """An update is checked as a new Node is: networks that are none do not come in later."""
    old, new = node(""), node("spec: {podCIDRs: [a]}")
    cidr = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
    want = violations(f'spec.podCIDRs[0]: Invalid value: "a": {cidr}')
    assert (validate_update(NODE, new, old), validate_status_update(NODE, new, old)) == (want, [])
