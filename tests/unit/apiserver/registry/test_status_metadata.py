"""What a write of the status does to the rest of an object: of every kind that has one, by each part."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.apiserver import Harness, make_apiserver
from tests.support.every_kind import REQUEST
from vaina.errors import Conflict, Invalid
from vaina.kinds import KINDS, Kind
from vaina.objects.manifest import decode_dict, to_dict
from vaina.objects.patching import JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH

TEMPLATE = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "app", "image": "registry.local/app:1"}]},
}
SELECTOR = {"matchLabels": {"app": "web"}}
JOB = {"template": {"spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}}
SAID = {"type": "Said", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z"}
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "boss", "uid": "u-1"}
#: what a client sends of the metadata together with a status, and what was there
SENT: Mapping[str, Any] = {
    "labels": {"said": "yes"},
    "annotations": {"example.com/said": "yes"},
    "finalizers": ["example.com/said"],
    "ownerReferences": [OWNER],
}
STORED: Mapping[str, Any] = {
    "labels": {"stored": "yes"},
    "annotations": {"example.com/stored": "yes"},
    "finalizers": ["example.com/stored"],
    "ownerReferences": [],
}


@dataclass(frozen=True)
class Case:
    kind: str
    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    #: of SENT, what upstream's status strategy resets
    kept: tuple[str, ...] = ()


CASES = [
    Case("Pod", TEMPLATE["spec"], {"message": "said"}, ("ownerReferences",)),
    Case("Node", {}, {"phase": "said"}),
    Case("Namespace", {}, {"phase": "Active", "conditions": [SAID]}),
    Case(
        "ReplicationController",
        {"replicas": 1, "selector": {"app": "web"}, "template": TEMPLATE},
        {"replicas": 3},
    ),
    Case("ReplicaSet", {"replicas": 1, "selector": SELECTOR, "template": TEMPLATE}, {"replicas": 3}),
    Case(
        "Deployment",
        {"replicas": 1, "selector": SELECTOR, "template": TEMPLATE},
        {"replicas": 3},
        ("labels",),
    ),
    Case("StatefulSet", {"replicas": 1, "selector": SELECTOR, "template": TEMPLATE}, {"replicas": 3}),
    Case("DaemonSet", {"selector": SELECTOR, "template": TEMPLATE}, {"numberReady": 3}),
    Case("Job", JOB, {"active": 3}),
    Case(
        "CronJob",
        {"schedule": "* * * * *", "jobTemplate": {"spec": JOB}},
        {"lastScheduleTime": "2026-01-02T03:04:05Z"},
    ),
    Case(
        "HorizontalPodAutoscaler",
        {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
        {"desiredReplicas": 3},
    ),
    Case("ResourceQuota", {"hard": {"pods": "3"}}, {"used": {"pods": "2"}}),
    Case("PodDisruptionBudget", {"selector": SELECTOR, "minAvailable": 1}, {"desiredHealthy": 3}),
    Case(
        "PersistentVolume",
        {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/data"}},
        {"message": "said"},
    ),
    Case(
        "PersistentVolumeClaim",
        {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        {"capacity": {"storage": "1Gi"}},
    ),
    Case(
        "VolumeAttachment",
        {"attacher": "csi.example.com", "nodeName": "n1", "source": {"persistentVolumeName": "pv"}},
        {"attached": True},
        ("labels", "annotations", "finalizers", "ownerReferences"),
    ),
    Case(
        "CertificateSigningRequest",
        {"request": REQUEST, "signerName": "example.com/a", "usages": ["client auth"]},
        {"conditions": [{**SAID, "lastUpdateTime": "2026-01-02T03:04:05Z"}]},
    ),
    Case(
        "Service",
        {"ports": [{"port": 80}], "selector": {"app": "web"}},
        {"conditions": [{**SAID, "reason": "Said", "message": ""}]},
    ),
    Case(
        "Ingress",
        {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}},
        {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}},
    ),
    Case(
        "ResourceClaim",
        {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu"}}]}},
        {
            "allocation": {
                "devices": {"results": [{"request": "gpu", "driver": "d", "pool": "p", "device": "x"}]}
            }
        },
        ("labels", "annotations", "finalizers", "ownerReferences"),
    ),
    Case(
        "DeviceTaintRule",
        {"deviceSelector": {"driver": "d"}, "taint": {"key": "a", "effect": "None"}},
        {"conditions": [{**SAID, "type": "EvictionInProgress", "reason": "Said", "message": ""}]},
        ("labels", "annotations", "finalizers", "ownerReferences"),
    ),
]
every_kind = pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind)
BY_NAME = {kind.kind: kind for kind in KINDS}


def test_no_kind_with_a_status_is_forgotten() -> None:
    assert [case.kind for case in CASES] == [kind.kind for kind in KINDS if kind.has_status]


def manifest(kind: Kind[Any], case: Case) -> dict[str, Any]:
    meta = {"name": "web", **STORED, "managedFields": [{"manager": "first", "operation": "Update"}]}
    if kind.namespaced:
        meta["namespace"] = "default"
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, "spec": dict(case.spec)}


def message(kind: Kind[Any], tree: dict[str, Any]) -> Any:
    return decode_dict(tree, kind=kind).message


async def stored(api: Harness, case: Case) -> dict[str, Any]:
    """Create an object of the kind, and return it as JSON."""
    await api.app.bootstrap()
    kind = BY_NAME[case.kind]
    return to_dict(kind, await api.client.kind(kind).create(message(kind, manifest(kind, case))))


def told(before: dict[str, Any], case: Case) -> dict[str, Any]:
    """Return what a client sends that has read `before`: another status, metadata, and spec."""
    meta = {**before["metadata"], **SENT, "managedFields": [{"manager": "second", "operation": "Update"}]}
    return {**before, "metadata": meta, "status": {**before.get("status", {}), **case.status}}


def wanted(before: dict[str, Any], case: Case) -> dict[str, Any]:
    """Return the object after that."""
    there = {name: before["metadata"].get(name) for name in case.kept}
    meta = {**before["metadata"], **SENT, **there}
    if case.kind == "Namespace":
        meta["labels"] = {**meta["labels"], "kubernetes.io/metadata.name": "web"}
    if case.kind == "DaemonSet":
        meta["annotations"] = {**meta["annotations"], "deprecated.daemonset.template.generation": "1"}
    meta = {name: value for name, value in meta.items() if value}
    return {**before, "metadata": meta, "status": {**before.get("status", {}), **case.status}}


def without_version(tree: dict[str, Any]) -> dict[str, Any]:
    meta = {name: value for name, value in tree["metadata"].items() if name != "resourceVersion"}
    return {**tree, "metadata": meta}


@every_kind
async def test_update_status_takes_the_metadata_that_upstream_takes(case: Case) -> None:
    api = make_apiserver()
    kind, before = BY_NAME[case.kind], await stored(api, case)
    sent = message(kind, told(before, case))
    after = to_dict(kind, await api.client.kind(kind).update_status(sent))
    assert without_version(after) == without_version(wanted(before, case))
    again = to_dict(kind, await api.client.kind(kind).get("web", "default"))
    assert again == after


@every_kind
@pytest.mark.parametrize("patch_type", [MERGE_PATCH, STRATEGIC_MERGE_PATCH, JSON_PATCH])
async def test_a_patch_of_the_status_does_the_same(case: Case, patch_type: str) -> None:
    api = make_apiserver()
    kind, before = BY_NAME[case.kind], await stored(api, case)
    meta: dict[str, Any] = {**SENT, "labels": {"stored": None, "said": "yes"}}
    meta["annotations"] = {"example.com/stored": None, "example.com/said": "yes"}
    patch: Any = {"metadata": meta, "status": case.status}
    if patch_type == STRATEGIC_MERGE_PATCH:
        meta["$deleteFromPrimitiveList/finalizers"] = before["metadata"]["finalizers"]
    if patch_type == JSON_PATCH:
        patch = [{"op": "add", "path": f"/metadata/{name}", "value": value} for name, value in SENT.items()]
        status = {**before.get("status", {}), **case.status}
        patch.append({"op": "add", "path": "/status", "value": status})
    client = api.client.kind(kind)
    after = await client.patch(
        "web", json.dumps(patch), patch_type=patch_type, namespace="default", subresource="status"
    )
    assert without_version(to_dict(kind, after)) == without_version(wanted(before, case))


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.kind in ("Pod", "Node")], ids=lambda c: c.kind
)
async def test_a_batch_of_statuses_does_the_same(case: Case) -> None:
    api = make_apiserver()
    kind, before = BY_NAME[case.kind], await stored(api, case)
    client: Any = api.client.kind(kind)
    [after] = await client.update_status_batch([(message(kind, told(before, case)), ())])
    assert without_version(to_dict(kind, after)) == without_version(wanted(before, case))


@every_kind
async def test_a_masked_status_leaves_the_metadata(case: Case) -> None:
    api = make_apiserver()
    kind, before = BY_NAME[case.kind], await stored(api, case)
    sent = message(kind, told(before, case))
    mask = [field.name for field, _ in sent.status.ListFields()]
    after = to_dict(kind, await api.client.kind(kind).update_status(sent, mask=mask))
    assert after["metadata"]["labels"]["stored"] == "yes"
    assert after["metadata"]["finalizers"] == before["metadata"]["finalizers"]
    assert "ownerReferences" not in after["metadata"]


@every_kind
async def test_metadata_that_breaks_a_rule_is_refused_though_it_comes_with_a_status(case: Case) -> None:
    api = make_apiserver()
    kind, before = BY_NAME[case.kind], await stored(api, case)
    sent = message(kind, told(before, case))
    sent.metadata.annotations["a b"] = "x"
    if "annotations" in case.kept:
        # What is not taken is not looked at.
        assert "a b" not in (await api.client.kind(kind).update_status(sent)).metadata.annotations
        return
    with pytest.raises(Invalid, match=r'metadata\.annotations: Invalid value: "a b": name part must consist'):
        await api.client.kind(kind).update_status(sent)


@every_kind
async def test_a_status_needs_a_version_where_the_object_does(case: Case) -> None:
    api = make_apiserver()
    kind, before = BY_NAME[case.kind], await stored(api, case)
    client, sent = api.client.kind(kind), message(kind, told(before, case))
    sent.metadata.resource_version = ""
    if case.kind in ("PodDisruptionBudget", "VolumeAttachment", "DeviceTaintRule"):
        with pytest.raises(Invalid, match=r"metadata\.resourceVersion: .* must be specified for an update"):
            await client.update_status(sent)
    else:
        newer = await client.update_status(sent)
        assert newer.metadata.resource_version != before["metadata"]["resourceVersion"]
        sent.metadata.resource_version = before["metadata"]["resourceVersion"]
        with pytest.raises(Conflict, match="the object has been modified"):
            await client.update_status(sent)


async def test_the_last_finalizer_may_go_with_a_status_and_the_object_with_it() -> None:
    api = make_apiserver()
    before = await stored(api, CASES[0])
    await api.client.pods.delete("web", "default")
    ending = await api.client.pods.get("web", "default")
    assert list(ending.metadata.finalizers) == before["metadata"]["finalizers"]
    del ending.metadata.finalizers[:]
    await api.client.pods.update_status(ending)
    assert (await api.client.pods.list("default")).items == []
