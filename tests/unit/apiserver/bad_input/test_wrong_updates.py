"""Wrong changes of objects that are in order.

Merge patches through the whole API, each with its whole answer.
"""

from dataclasses import dataclass

import pytest
from google.protobuf.message import Message

from tests.support.apiserver import Harness, make_apiserver
from tests.unit.apiserver.bad_input.cases import check_invalid
from tests.unit.apiserver.validation.cases import CONFIG_KEY, QUALIFIED
from vaina.api.core.v1 import manifest_service_pb2
from vaina.errors import ApiError
from vaina.kinds import KINDS_BY_NAME, Kind

OBJECTS = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: a}}
spec:
  activeDeadlineSeconds: 60
  containers: [{name: main, image: x}]
  tolerations: [{key: a, operator: Exists, effect: NoExecute, tolerationSeconds: 5}]
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web}
spec: {selector: {matchLabels: {app: a}}, template: {metadata: {labels: {app: a}}, spec: {containers: [{name: a, image: x}]}}}
---
apiVersion: v1
kind: Secret
metadata: {name: web}
data: {a: Yg==}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
immutable: true
data: {a: b}
---
apiVersion: v1
kind: Node
metadata: {name: web}
spec: {podCIDR: 10.0.0.0/24, podCIDRs: [10.0.0.0/24], providerID: a}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: web}
spec: {holderIdentity: a, leaseTransitions: 2}
"""
IMMUTABLE = "field is immutable"
SEALED = "Forbidden: field is immutable when `immutable` is set"
CONTAINERS = "spec.containers: Forbidden: pod updates may not add or remove containers"
MIRROR = "metadata.annotations[kubernetes.io/config.mirror]"
LABELS = "spec.template.metadata.labels"
NO_MATCH = "`selector` does not match template `labels`"
OTHER_FIELDS = "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"


@dataclass(frozen=True)
class Change:
    """A kind, a merge patch of the object `web`, and the violations."""

    kind: str
    patch: str
    want: tuple[str, ...]


def change(kind: str, patch: str, *want: str) -> Change:
    """Make a line of the table."""
    return Change(kind, patch, want)


ALL = (
    change("Pod", '{"metadata": {"labels": {"a b": "c"}}}', f'metadata.labels: Invalid value: "a b": {QUALIFIED}'),
    change("Pod", '{"spec": {"activeDeadlineSeconds": 61}}', "spec.activeDeadlineSeconds: Invalid value: 61: must be less than or equal to previous value"),
    change("Pod", '{"spec": {"activeDeadlineSeconds": null}}',
           'spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value'),
    change("Pod", '{"spec": {"activeDeadlineSeconds": 0}}', "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"),
    change("Pod", '{"spec": {"tolerations": []}}', "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"),
    change("Pod", '{"spec": {"containers": []}}', "spec.containers: Required value", CONTAINERS),
    change("Pod", '{"spec": {"containers": [{"name": "main", "image": "x"}, {"name": "b", "image": "x"}]}}', CONTAINERS),
    change("Pod", '{"metadata": {"annotations": {"kubernetes.io/config.mirror": "a"}}}',
           f'{MIRROR}: Invalid value: "a": must set spec.nodeName if mirror pod annotation is set', f"{MIRROR}: Forbidden: may not add mirror pod annotation"),
    change("Pod", '{"metadata": {"finalizers": ["a"]}}',
           'metadata.finalizers[0]: Invalid value: "a": name is neither a standard finalizer name nor is it fully qualified'),
    change("Pod", '{"metadata": {"ownerReferences": [{"kind": "X"}]}}', "metadata.ownerReferences[0].apiVersion: Required value: must not be empty",
           "metadata.ownerReferences[0].name: Required value: must not be empty", "metadata.ownerReferences[0].uid: Required value: must not be empty"),
    change("Pod", '{"metadata": {"managedFields": [{"operation": "Guess"}]}}',
           'metadata.managedFields[0].operation: Invalid value: "Guess": must be `Apply` or `Update`'),
    change("ReplicaSet", '{"spec": {"selector": {"matchLabels": {"app": null, "b": "c"}}}}', f'{LABELS}: Invalid value: {{"app":"a"}}: {NO_MATCH}',
           f'spec.selector: Invalid value: {{"matchLabels":{{"b":"c"}}}}: {IMMUTABLE}'),
    change("ReplicaSet", '{"spec": {"selector": null}}', "spec.selector: Required value", f'{LABELS}: Invalid value: {{"app":"a"}}: {NO_MATCH}',
           f"spec.selector: Invalid value: {{}}: {IMMUTABLE}"),
    change("ReplicaSet", '{"spec": {"template": {"metadata": {"labels": {"app": "b"}}}}}', f'{LABELS}: Invalid value: {{"app":"b"}}: {NO_MATCH}'),
    change("ReplicaSet", '{"spec": {"replicas": -1}}', "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
    change("Secret", '{"type": "Other"}', f'type: Invalid value: "Other": {IMMUTABLE}'),
    change("Secret", '{"data": {"a b": "Yg=="}}', f'data[a b]: Invalid value: "a b": {CONFIG_KEY}'),
    change("ConfigMap", '{"data": {"a": "c"}}', f"data: {SEALED}"),
    change("ConfigMap", '{"binaryData": {"b": "Yg=="}}', f"binaryData: {SEALED}"),
    change("ConfigMap", '{"immutable": false}', f"immutable: {SEALED}"),
    change("ConfigMap", '{"immutable": null, "data": null}', f"immutable: {SEALED}", f"data: {SEALED}"),
    change("Node", '{"spec": {"podCIDR": null, "podCIDRs": ["10.0.1.0/24"]}}',
           'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'),
    change("Node", '{"spec": {"providerID": "b"}}', 'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid'),
    change("Node", '{"spec": {"taints": [{"key": "a", "effect": "Never"}]}}',
           'metadata.taints[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"'),
    change("Lease", '{"spec": {"leaseDurationSeconds": 0}}', "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"),
    change("Lease", '{"spec": {"preferredHolder": "b"}}', "spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined"),
)  # fmt: skip
#: changes that are not weighed against rules: kind, patch, code, reason, how the message begins
OTHERS = (
    ("Pod", '{"metadata": {"uid": "other"}}', 409, "Conflict",
     'Operation cannot be fulfilled on pods "web": Precondition failed: UID in precondition: other, UID in object meta: '),
    ("Pod", '{"metadata": {"name": "other"}}', 400, "BadRequest", "the name of the object (other) does not match the name on the URL (web)"),
    ("Pod", '{"metadata": {"namespace": "other"}}', 400, "BadRequest",
     "the namespace of the provided object does not match the namespace sent on the request"),
    ("Pod", '{"spec": {"nodeName": "n1"}}', 422, "Invalid", f'Pod "web" is invalid: {OTHER_FIELDS}'),
    ("Pod", '{"spec": {"hostname": "a"}}', 422, "Invalid", f'Pod "web" is invalid: {OTHER_FIELDS}'),
)  # fmt: skip


async def _world() -> Harness:
    api = make_apiserver()
    request = manifest_service_pb2.ApplyRequest(manifest=OBJECTS, namespace="default")
    await api.client.manifests.apply(request)
    return api


async def _refusal(kind: Kind[Message], patch: str) -> ApiError:
    """Patch the object `web`, which must be refused and change nothing."""
    api = await _world()
    client = api.client.kind(kind)
    namespace = "default" if kind.namespaced else ""
    before = await client.get("web", namespace)
    with pytest.raises(ApiError) as caught:
        await client.patch("web", patch, patch_type="application/merge-patch+json", namespace=namespace)
    assert await client.get("web", namespace) == before
    return caught.value


@pytest.mark.parametrize("case", ALL, ids=[f"{one.kind} {one.patch}" for one in ALL])
async def test_a_wrong_change_is_refused_and_changes_nothing(case: Change) -> None:
    kind = KINDS_BY_NAME[case.kind.lower()]
    group = f".{kind.group}" if kind.group else ""
    check_invalid(await _refusal(kind, case.patch), f'{kind.kind}{group} "web"', case.want)


@pytest.mark.parametrize(
    ("kind", "patch", "code", "reason", "message"), OTHERS, ids=[row[1] for row in OTHERS]
)
async def test_a_change_of_what_no_update_changes_is_refused(
    kind: str, patch: str, code: int, reason: str, message: str
) -> None:
    error = await _refusal(KINDS_BY_NAME[kind.lower()], patch)
    assert (error.code, error.reason, error.message[: len(message)]) == (code, reason, message)


async def test_a_change_of_the_time_of_creation_is_ignored() -> None:
    api = await _world()
    before = await api.client.pods.get("web")
    patch = '{"metadata": {"creationTimestamp": "2001-01-01T00:00:00Z"}}'
    assert await api.client.pods.patch("web", patch, namespace="default") == before
