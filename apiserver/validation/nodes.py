"""Rules for Nodes: names, taints, addresses for Pods, amounts.

Follows `pkg/apis/core/validation`: ValidateNode, ValidateNodeUpdate.
"""

import re
from collections.abc import Sequence
from typing import Final

from apiserver.validation import resources, scheduling
from apiserver.validation.place import NOT_POSITIVE, Place
from vaina.api.core.v1 import node_pb2
from vaina.objects import names
from vaina.quoting import go_quote

_MAX_FEATURE: Final = 253
_FEATURE: Final = re.compile("[A-Z][a-zA-Z0-9]*(/[a-zA-Z0-9]+)*", re.ASCII)
_FEATURE_RULE: Final = (
    "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or "
    "MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"
)
_ONE_PER_FAMILY: Final = "may specify no more than one CIDR for each IP family"
_ONE_REFERENCE: Final = "exactly one reference subfield must be non-nil"


def check(root: Place, node: node_pb2.Node) -> None:
    """Check a Node. Upstream's path of the taints is below metadata."""
    scheduling.check_taints(root.child("metadata", "taints"), node.spec.taints)
    _check_amounts(root.child("status"), node)
    swap = node.status.node_info.swap
    if swap.HasField("capacity") and swap.capacity <= 0:
        # Upstream's path of the swap is below metadata too.
        root.child("metadata", "nodeSwapStatus", "capacity").invalid(swap.capacity, NOT_POSITIVE)
    _check_features(root.child("status", "declaredFeatures"), node.status.declared_features)
    if node.spec.pod_cidrs:
        _check_cidrs(root.child("spec", "podCIDRs"), list(node.spec.pod_cidrs))


def _check_amounts(path: Place, node: node_pb2.Node) -> None:
    for shown, amounts in (("capacity", node.status.capacity), ("allocatable", node.status.allocatable)):
        for name in sorted(amounts):
            resources.check_amount(path.child(shown, name), name, amounts[name].string)


def _check_cidrs(path: Place, cidrs: list[str]) -> None:
    for index, cidr in enumerate(cidrs):
        path.index(index).check_value(cidr, names.cidr)
    if len(cidrs) == 1:
        return
    families = {network.version for cidr in cidrs if (network := names.parse_cidr(cidr))}
    if len(families) < 2 or len(cidrs) > 2:
        path.invalid(cidrs, _ONE_PER_FAMILY)


def _check_features(path: Place, features: Sequence[str]) -> None:
    """Check the names of features that a node declares (KEP-5328): in order, each once."""
    for index, feature in enumerate(features):
        if names.size(feature) > _MAX_FEATURE:
            detail = (
                f"invalid feature name {go_quote(feature)}: must be no more than {_MAX_FEATURE} characters"
            )
            path.index(index).invalid(feature, detail)
        elif not _FEATURE.fullmatch(feature):
            path.index(index).invalid(feature, f"invalid feature name {go_quote(feature)}: {_FEATURE_RULE}")
        if index and features[index - 1] == feature:
            path.index(index).duplicate(feature)
        elif index and features[index - 1] > feature:
            path.index(index).invalid(feature, "list must be sorted alphabetically")


def check_change(root: Place, new: node_pb2.Node, old: node_pb2.Node) -> None:
    """Check a change of a Node, or of its status."""
    _check_amounts(root.child("status"), new)
    _check_features(root.child("status", "declaredFeatures"), new.status.declared_features)
    addresses: set[tuple[str, str]] = set()
    for index, address in enumerate(new.status.addresses):
        if (address.type, address.address) in addresses:
            root.child("status", "addresses").index(index).duplicate(address)
        addresses.add((address.type, address.address))
    _check_set_once(root.child("spec"), new.spec, old.spec)
    if new.spec.HasField("config_source"):
        _check_config_source(root.child("spec", "configSource"), new.spec.config_source, in_spec=True)
    for shown, source in (
        ("assigned", new.status.config.assigned), ("active", new.status.config.active),
        ("lastKnownGood", new.status.config.last_known_good),
    ):  # fmt: skip
        if source.ByteSize():
            _check_config_source(root.child("status", "config", shown), source, in_spec=False)
    scheduling.check_taints(root.child("metadata", "taints"), new.spec.taints)
    if new.spec.external_id != old.spec.external_id:
        root.child("spec", "externalID").forbidden("may not be updated")


def _check_set_once(path: Place, new: node_pb2.NodeSpec, old: node_pb2.NodeSpec) -> None:
    if old.pod_cidrs:
        if len(new.pod_cidrs) != len(old.pod_cidrs):
            changed = 1
        else:
            changed = sum(one != other for one, other in zip(new.pod_cidrs, old.pod_cidrs, strict=True))
        detail = 'node updates may not change podCIDR except from "" to valid'
        for _ in range(changed):
            path.child("podCIDRs").forbidden(detail)
    if old.provider_id and old.provider_id != new.provider_id:
        path.child("providerID").forbidden('node updates may not change providerID except from "" to valid')


def _check_config_source(path: Place, source: node_pb2.NodeConfigSource, *, in_spec: bool) -> None:
    """Check a reference to a kubelet's configuration (no longer acted on by anybody)."""
    if not source.HasField("config_map"):
        path.invalid(source, _ONE_REFERENCE)
        return
    at, ref = path.child("configMap"), source.config_map
    for shown, value in (("uid", ref.uid), ("resourceVersion", ref.resource_version)):
        if in_spec and value:
            at.child(shown).forbidden(f"{shown} must not be set in spec")
        elif not in_spec and not value:
            at.child(shown).required()
    for shown, value, rule in (
        ("namespace", ref.namespace, names.dns_1123_label), ("name", ref.name, names.dns_1123_subdomain),
        ("kubeletConfigKey", ref.kubelet_config_key, names.config_key),
    ):  # fmt: skip
        at.child(shown).check_required(value, rule)
