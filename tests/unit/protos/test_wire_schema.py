"""The .proto files against the wire data.

Every message, field, number, type and option that Kubernetes has too.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tests.support.golden import DATA, needs_data
from vaina.api.apps.v1 import (
    apps_pb2,
    controller_revision_pb2,
    daemon_set_pb2,
    deployment_pb2,
    stateful_set_pb2,
)
from vaina.api.authentication.v1 import authentication_pb2
from vaina.api.authorization.v1 import authorization_pb2
from vaina.api.autoscaling.v1 import horizontal_pod_autoscaler_pb2, scale_pb2
from vaina.api.batch.v1 import job_pb2
from vaina.api.certificates.v1 import certificate_signing_request_pb2
from vaina.api.coordination.v1 import lease_pb2
from vaina.api.core.v1 import (
    config_pb2,
    endpoints_pb2,
    event_pb2,
    limit_range_pb2,
    namespace_pb2,
    node_pb2,
    persistent_volume_pb2,
    pod_pb2,
    reference_pb2,
    replication_controller_pb2,
    resource_quota_pb2,
    service_account_pb2,
    service_pb2,
    topology_selector_pb2,
    volume_pb2,
)
from vaina.api.discovery.v1 import endpoint_slice_pb2
from vaina.api.events.v1 import event_pb2 as newer_event_pb2
from vaina.api.meta.v1 import discovery_pb2, meta_pb2
from vaina.api.networking.v1 import ingress_class_pb2, ingress_pb2, network_policy_pb2
from vaina.api.node.v1 import runtime_class_pb2
from vaina.api.options.v1 import options_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.api.rbac.v1 import rbac_pb2
from vaina.api.resource.v1 import (
    device_class_pb2,
    device_pb2,
    device_taint_rule_pb2,
    resource_claim_pb2,
    resource_slice_pb2,
)
from vaina.api.runtime.v1 import runtime_pb2
from vaina.api.scheduling.v1 import priority_class_pb2
from vaina.api.storage.v1 import (
    csi_driver_pb2,
    csi_node_pb2,
    csi_storage_capacity_pb2,
    storage_class_pb2,
    volume_attachment_pb2,
)

pytestmark = needs_data

MORE = Path(__file__).parents[2] / "data" / "wire-fields-of-other-groups.json"
FILES = {
    "core/v1": (
        config_pb2, event_pb2, limit_range_pb2, namespace_pb2, node_pb2, pod_pb2, reference_pb2, replication_controller_pb2,
        resource_quota_pb2, service_account_pb2, volume_pb2, persistent_volume_pb2, topology_selector_pb2, service_pb2,
        endpoints_pb2,
    ),
    "apps/v1": (apps_pb2, controller_revision_pb2, daemon_set_pb2, deployment_pb2, stateful_set_pb2),
    "batch/v1": (job_pb2,),
    "certificates/v1": (certificate_signing_request_pb2,),
    "coordination/v1": (lease_pb2,),
    "node/v1": (runtime_class_pb2,),
    "rbac/v1": (rbac_pb2,),
    "authentication/v1": (authentication_pb2,),
    "authorization/v1": (authorization_pb2,),
    "policy/v1": (pod_disruption_budget_pb2,),
    "scheduling/v1": (priority_class_pb2,),
    "storage/v1": (
        csi_driver_pb2, csi_node_pb2, csi_storage_capacity_pb2, storage_class_pb2, volume_attachment_pb2,
    ),
    "autoscaling/v1": (scale_pb2, horizontal_pod_autoscaler_pb2),
    "events/v1": (newer_event_pb2,),
    "discovery/v1": (endpoint_slice_pb2,),
    "networking/v1": (network_policy_pb2, ingress_pb2, ingress_class_pb2),
    "resource/v1": (
        device_pb2, device_class_pb2, resource_claim_pb2, resource_slice_pb2, device_taint_rule_pb2,
    ),
    "meta/v1": (discovery_pb2, meta_pb2),
    "runtime": (runtime_pb2,),
}  # fmt: skip
#: where a message of ours stands in the data, when not in its own group
ELSEWHERE = {"IntOrString": "intstr", "Quantity": "resource"}
PACKAGES = {"resource": "meta.v1", "intstr": "meta.v1", "runtime": "runtime.v1"}
SCALARS = {"string": FieldDescriptor.TYPE_STRING, "bool": FieldDescriptor.TYPE_BOOL, "int32": FieldDescriptor.TYPE_INT32,
           "int64": FieldDescriptor.TYPE_INT64, "[]byte": FieldDescriptor.TYPE_BYTES}  # fmt: skip


def ours() -> Iterator[tuple[str, Descriptor]]:
    for group, modules in FILES.items():
        for module in modules:
            for name, descriptor in module.DESCRIPTOR.message_types_by_name.items():
                yield ELSEWHERE.get(name, group), descriptor


def upstream() -> dict[str, dict[str, list[dict[str, Any]]]]:
    """The data, and groups that they do not have: from the types.go of k8s.io/api v0.37.2, in the same words."""
    path = DATA / "kubernetes-wire-fields.json"
    return (json.loads(path.read_text()) if path.exists() else {}) | json.loads(MORE.read_text())  # type: ignore[no-any-return]


UPSTREAM = upstream()
#: fields that came after the data: Kubernetes 1.37, from the published module (tests/component/test_interop.py)
NEWER: dict[tuple[str, str], list[dict[str, Any]]] = {
    ("core/v1", "NodeSystemInfo"): [{"name": "runningInUserNamespace", "number": 12, "type": "*bool"}],
    ("batch/v1", "JobSchedulingConfiguration"): [
        {"name": "schedulingPolicy", "number": 1, "type": "*scheduling/v1alpha3.WorkloadPodGroupSchedulingPolicy"},
        {"name": "schedulingConstraints", "number": 2, "type": "*scheduling/v1alpha3.WorkloadPodGroupSchedulingConstraints"},
        {"name": "disruptionMode", "number": 3, "type": "*scheduling/v1alpha3.WorkloadPodGroupDisruptionMode"},
        {"name": "resourceClaims", "number": 4, "type": "[]scheduling/v1alpha3.WorkloadPodGroupResourceClaim",
         "patchStrategy": "merge", "patchMergeKey": "name", "listType": "map", "listMapKeys": ["name"]},
    ],
    # The data do not have it: from apimachinery's `pkg/apis/meta/v1/group_version.go` of the same version.
    ("meta/v1", "GroupVersionKind"): [
        {"name": "group", "number": 1, "type": "string", "always": True},
        {"name": "version", "number": 2, "type": "string", "always": True},
        {"name": "kind", "number": 3, "type": "string", "always": True},
    ],
    # A group that the data do not have: from `api/certificates/v1/types.go` of the same module.
    ("certificates/v1", "CertificateSigningRequest"): [
        {"name": "metadata", "number": 1, "type": "meta/v1.ObjectMeta", "always": True},
        {"name": "spec", "number": 2, "type": "certificates/v1.CertificateSigningRequestSpec", "always": True},
        {"name": "status", "number": 3, "type": "certificates/v1.CertificateSigningRequestStatus", "always": True},
    ],
    ("certificates/v1", "CertificateSigningRequestList"): [
        {"name": "metadata", "number": 1, "type": "meta/v1.ListMeta", "always": True},
        {"name": "items", "number": 2, "type": "[]certificates/v1.CertificateSigningRequest", "always": True},
    ],
    ("certificates/v1", "CertificateSigningRequestSpec"): [
        {"name": "request", "number": 1, "type": "[]byte", "always": True},
        {"name": "username", "number": 2, "type": "string"}, {"name": "uid", "number": 3, "type": "string"},
        {"name": "groups", "number": 4, "type": "[]string", "listType": "atomic"},
        {"name": "usages", "number": 5, "type": "[]string", "listType": "atomic"},
        {"name": "extra", "number": 6, "type": "map[string]certificates/v1.ExtraValue"},
        {"name": "signerName", "number": 7, "type": "string", "always": True},
        {"name": "expirationSeconds", "number": 8, "type": "*int32"},
    ],
    ("certificates/v1", "ExtraValue"): [{"name": "items", "number": 1, "type": "[]string"}],
    ("certificates/v1", "CertificateSigningRequestStatus"): [
        {"name": "conditions", "number": 1, "type": "[]certificates/v1.CertificateSigningRequestCondition",
         "listType": "map", "listMapKeys": ["type"]},
        {"name": "certificate", "number": 2, "type": "[]byte"},
    ],
    ("certificates/v1", "CertificateSigningRequestCondition"): [
        {"name": "type", "number": 1, "type": "string", "always": True},
        {"name": "reason", "number": 2, "type": "string"}, {"name": "message", "number": 3, "type": "string"},
        {"name": "lastUpdateTime", "number": 4, "type": "meta/v1.Time", "always": True},
        {"name": "lastTransitionTime", "number": 5, "type": "meta/v1.Time", "always": True},
        {"name": "status", "number": 6, "type": "string", "always": True},
    ],
}  # fmt: skip
#: fields that upstream may show and we must not: the envelope's raw bytes have no JSON name there ("-")
MESSAGES = [(f"{group}.{d.name}", group, d) for group, d in ours()]


def message_name(upstream_type: str) -> str:
    """core/v1.Container -> vaina.api.core.v1.Container."""
    group, _, name = upstream_type.rpartition(".")
    if name in ("Time", "MicroTime"):
        return "google.protobuf.Timestamp"
    return f"vaina.api.{PACKAGES.get(group, group.replace('/', '.'))}.{name}"


def shape(field: FieldDescriptor) -> dict[str, Any]:
    """What a field of ours is, in the words of the data."""
    is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
    value = field.message_type.fields_by_name["value"] if is_map else field  # type: ignore[union-attr]
    options: Any = field.GetOptions().Extensions
    return {
        "number": field.number,
        "type": value.message_type.full_name if value.message_type else value.type,
        "map": is_map,
        "list": field.is_repeated and not is_map,
        "pointer": None if value.message_type else field.has_presence,
        "inline": options[options_pb2.inline],
        "always": options[options_pb2.always],
        "omitzero": options[options_pb2.omitzero],
        "micro": options[options_pb2.micro_time],
        "patchStrategy": list(options[options_pb2.patch_strategy]),
        "patchMergeKey": options[options_pb2.patch_merge_key],
        "listType": options[options_pb2.list_type],
        "listMapKeys": list(options[options_pb2.list_map_key]),
        "atomic": options[options_pb2.atomic],
    }


def wanted(entry: dict[str, Any]) -> dict[str, Any]:
    """What the data says of a field, in the same words."""
    text = entry["type"]
    is_map, pointer = text.startswith("map[string]"), text.startswith("*")
    is_list = text.startswith("[]") and text != "[]byte"
    bare = re.sub(r"^(map\[string\]|\*|\[\](?!byte))", "", text)
    strategy = entry.get("patchStrategy", [])
    return {
        "number": entry["number"],
        "type": SCALARS[bare] if bare in SCALARS else message_name(bare),
        "map": is_map,
        "list": is_list,
        "pointer": pointer if bare in SCALARS else None,
        "inline": entry.get("inline", False),
        "always": entry.get("always", False),
        "omitzero": entry.get("omitzero", False),
        "micro": bare.endswith(".MicroTime"),
        "patchStrategy": strategy.split(",") if isinstance(strategy, str) else strategy,
        "patchMergeKey": entry.get("patchMergeKey", ""),
        "listType": entry.get("listType", ""),
        "listMapKeys": entry.get("listMapKeys", []),
        "atomic": bool(entry.get("atomic", False)),
    }


def test_every_file_has_messages_to_compare() -> None:
    assert len(MESSAGES) > 200


@pytest.mark.parametrize(("group", "descriptor"), [m[1:] for m in MESSAGES], ids=[m[0] for m in MESSAGES])
def test_a_message_is_upstreams(group: str, descriptor: Descriptor) -> None:
    entries = [*UPSTREAM.get(group, {}).get(descriptor.name, ()), *NEWER.get((group, descriptor.name), ())]
    known = descriptor.name in UPSTREAM.get(group, {}) or (group, descriptor.name) in NEWER
    assert known, f"upstream has no {group}.{descriptor.name}"
    # An inlined field has no JSON name, and "-" hides one: those go by the protobuf name.
    by_name = {
        entry["name"]
        if entry.get("inline") or entry.get("json") == "-"
        else entry.get("json", entry["name"]): entry
        for entry in entries
    }
    assert {field.json_name for field in descriptor.fields} == set(by_name)
    for field in descriptor.fields:
        assert shape(field) == wanted(by_name[field.json_name]), field.name


@pytest.mark.parametrize(("group", "descriptor"), [m[1:] for m in MESSAGES], ids=[m[0] for m in MESSAGES])
def test_a_pointer_that_json_always_shows_is_marked(group: str, descriptor: Descriptor) -> None:
    for entry in UPSTREAM.get(group, {}).get(descriptor.name, ()):
        if entry["type"].startswith("*") and entry.get("always") and not entry.get("inline"):
            field = next(f for f in descriptor.fields if f.number == entry["number"])
            nullable: Any = field.GetOptions().Extensions
            special = (
                field.message_type is None or field.message_type.full_name == "google.protobuf.Timestamp"
            )
            assert special or nullable[options_pb2.nullable], field.name
