"""What was read and is written again as it is changes nothing, of any kind, through any door.

No version, no event, nobody wakes.
"""

import json
from typing import Any

import pytest

from tests.support.apiserver import make_apiserver
from tests.unit.apiserver.validation.cases import read
from vaina.kinds import KINDS
from vaina.objects.manifest import to_dict

TEMPLATE = "template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i, resources: {limits: {cpu: 1500m}}}]}}"
SELECTOR = "selector: {matchLabels: {a: b}}"
BARE = "template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}"
CLAIM = "accessModes: [ReadWriteOnce], resources: {requests: {storage: 0.5Gi}}"

#: apiVersion, kind, the rest, in the order of the kinds; those of clusters have no namespace
OBJECTS = [
    ("v1", "Pod", "spec: {containers: [{name: c, image: i, livenessProbe: {exec: {command: [a]}}}], volumes: [{name: v}]}"),
    ("v1", "Node", "status: {capacity: {cpu: 4, memory: 0.5Gi}}"),
    ("v1", "Namespace", ""),
    ("v1", "ConfigMap", "data: {a: b}"),
    ("v1", "Secret", "stringData: {a: b}"),
    ("v1", "Event", "involvedObject: {kind: Pod, name: a, namespace: default}\nreason: Seen"),
    ("v1", "PodTemplate", TEMPLATE),
    ("v1", "ReplicationController", f"spec: {{{TEMPLATE}}}"),
    ("apps/v1", "ReplicaSet", f"spec: {{{SELECTOR}, {TEMPLATE}}}"),
    ("apps/v1", "Deployment", f"spec: {{{SELECTOR}, {TEMPLATE}}}"),
    ("apps/v1", "StatefulSet",
     f"spec: {{{SELECTOR}, {TEMPLATE}, updateStrategy: {{type: RollingUpdate}}, volumeClaimTemplates: [{{metadata: {{name: d}}, spec: {{{CLAIM}}}}}]}}"),
    ("apps/v1", "DaemonSet", f"spec: {{{SELECTOR}, {TEMPLATE}}}"),
    ("apps/v1", "ControllerRevision", "revision: 1\ndata: {a: 1}"),
    ("batch/v1", "Job", f"spec: {{{BARE}}}"),
    ("batch/v1", "CronJob", f"spec: {{schedule: '* * * * *', jobTemplate: {{spec: {{{BARE}}}}}}}"),
    ("autoscaling/v2", "HorizontalPodAutoscaler",
     "spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: a}, maxReplicas: 4, behavior: {scaleUp: {}}}"),
    ("v1", "ResourceQuota", "spec: {hard: {cpu: 0.5, pods: 3}}"),
    ("v1", "LimitRange", "spec: {limits: [{type: Container, max: {cpu: 2}, min: {memory: 1Mi}}]}"),
    ("scheduling.k8s.io/v1", "PriorityClass", "value: 7"),
    ("node.k8s.io/v1", "RuntimeClass", "handler: runc\noverhead: {podFixed: {cpu: 0.5}}"),
    ("policy/v1", "PodDisruptionBudget", f"spec: {{{SELECTOR}, maxUnavailable: 0}}"),
    ("v1", "PersistentVolume", "spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /a}}"),
    ("v1", "PersistentVolumeClaim", f"spec: {{{CLAIM}, dataSource: {{kind: PersistentVolumeClaim, name: b}}}}"),
    ("storage.k8s.io/v1", "StorageClass", "provisioner: a/b"),
    ("storage.k8s.io/v1", "CSINode", "spec: {drivers: [{name: a.b, nodeID: x}]}"),
    ("storage.k8s.io/v1", "CSIDriver", "spec: {storageCapacity: true, tokenRequests: [{audience: a}]}"),
    ("storage.k8s.io/v1", "CSIStorageCapacity", "storageClassName: a\nnodeTopology: {matchLabels: {zone: a}}\ncapacity: 0.5Gi"),
    ("storage.k8s.io/v1", "VolumeAttachment", "spec: {attacher: a.b, nodeName: n1, source: {persistentVolumeName: v}}"),
    ("coordination.k8s.io/v1", "Lease", "spec: {holderIdentity: me, renewTime: '2026-01-01T00:00:00.000001Z'}"),
    ("trace.vaina.dev/v1", "PodTrace", "spec: {podName: a, podUID: sample}"),
]  # fmt: skip


def test_every_kind_is_among_them() -> None:
    assert [kind for _, kind, _ in OBJECTS] == [kind.kind for kind in KINDS]


@pytest.mark.parametrize("named", ["name: sample", "generateName: sample-"])
@pytest.mark.parametrize(
    ("row", "kind"), [*zip(OBJECTS, KINDS, strict=True)], ids=[kind.kind for kind in KINDS]
)
async def test_what_is_written_again_as_it_is_changes_nothing(
    row: tuple[str, str, str], kind: Any, named: str
) -> None:
    version, name, rest = row
    if name == "PodTrace":
        named = "name: sample"  # it has the uid of its Pod
    api = make_apiserver()
    client = api.client.kind(kind)
    made = await client.create(
        read(f"apiVersion: {version}\nkind: {name}\nmetadata: {{{named}, namespace: default}}\n{rest}\n")
        if kind.namespaced
        else read(f"apiVersion: {version}\nkind: {name}\nmetadata: {{{named}}}\n{rest}\n")
    )
    meta, text = made.metadata, json.dumps(to_dict(kind, made))
    assert await client.get(meta.name, meta.namespace) == made
    assert await client.update(made) == made
    for patch_type in ("application/merge-patch+json", "application/strategic-merge-patch+json"):
        assert await client.patch(meta.name, "{}", namespace=meta.namespace, patch_type=patch_type) == made
        assert await client.patch(meta.name, text, namespace=meta.namespace, patch_type=patch_type) == made
    if kind.has_status:
        assert await client.update_status(made) == made


@pytest.mark.parametrize("own", [{}, {"app": "x"}], ids=["none", "one of its own"])
async def test_a_job_without_labels_has_those_of_its_pods(own: dict[str, str]) -> None:
    api = make_apiserver()
    template = BARE.replace("template: {", f"template: {{metadata: {{labels: {json.dumps(own)}}}, ", 1)
    made = await api.client.jobs.create(
        read(f"apiVersion: batch/v1\nkind: Job\nmetadata: {{generateName: work-}}\nspec: {{{template}}}\n")
    )
    name, uid = made.metadata.name, made.metadata.uid
    assert dict(made.metadata.labels) == {
        "batch.kubernetes.io/controller-uid": uid, "controller-uid": uid, "batch.kubernetes.io/job-name": name,
        "job-name": name, **own,
    }  # fmt: skip
    assert made.metadata.labels == made.spec.template.metadata.labels
    made.metadata.labels.clear()
    assert (await api.client.jobs.update(made)).metadata.labels == made.spec.template.metadata.labels


async def test_a_job_with_labels_keeps_them_as_they_are() -> None:
    api = make_apiserver()
    template = BARE.replace("template: {", "template: {metadata: {labels: {app: x}}, ", 1)
    metadata = "metadata: {name: work, labels: {app: x}}"
    made = await api.client.jobs.create(
        read(f"apiVersion: batch/v1\nkind: Job\n{metadata}\nspec: {{{template}}}\n")
    )
    assert dict(made.metadata.labels) == {"app": "x"}
