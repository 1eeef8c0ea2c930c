"""What the printers write, held to golden files."""

from pathlib import Path

import pytest

from cli.printers.describe import render_description
from cli.printers.objects import Shown, make_table, print_names, print_objects, sort_items
from cli.printers.steps import Look, render_trace
from cli.printers.style import Paint, for_terminal
from cli.printers.table import render_table
from tests.support.golden_text import check_golden
from tests.support.shown_objects import (
    CRON_JOB,
    DEPLOYMENT,
    EVENTS,
    JOB,
    NODE,
    NOW,
    REPLICA_SET,
    REVISIONS,
    SHOP,
    make_trace,
    read,
)
from vaina.api.core.v1 import pod_pb2
from vaina.kinds import EVENT, KINDS_BY_NAME, POD
from vaina.kinds import NODE as NODE_KIND
from vaina.kinds import REPLICA_SET as REPLICA_SET_KIND
from vaina.testing.builders import make_pod

GOLDEN = Path(__file__).parent / "golden"
OTHERS = {
    "job": JOB,
    "cronjob": CRON_JOB,
    "configmap": "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: ns1}, data: {b: 'x', a: \"1\\n2\\n\"}, binaryData: {c: aGk=}}",
    "secret": "{apiVersion: v1, kind: Secret, metadata: {name: a, namespace: ns1}, type: Opaque, data: {key: aGVsbG8=}}",
    "namespace": "{apiVersion: v1, kind: Namespace, metadata: {name: a}, status: {phase: Active}}",
    "replicationcontroller": (
        "{apiVersion: v1, kind: ReplicationController, metadata: {name: a, namespace: ns1}, spec: {selector: {b: c, a: b}, "
        "template: {spec: {containers: [{name: x, image: busybox}]}}}, status: {conditions: [{type: ReplicaFailure, status: 'True', reason: Quota}]}}"
    ),
    "resourcequota": (
        "{apiVersion: v1, kind: ResourceQuota, metadata: {name: a, namespace: ns1}, spec: {scopes: [NotTerminating], scopeSelector: "
        "{matchExpressions: [{scopeName: PriorityClass, operator: In, values: [b, c]}]}}, "
        "status: {hard: {pods: 10, limits.cpu: 4, requests.memory: 1Gi}, used: {pods: 3, limits.cpu: 1500m}}}"
    ),
    "limitrange": (
        "{apiVersion: v1, kind: LimitRange, metadata: {name: a, namespace: ns1}, spec: {limits: [{type: Container, max: {cpu: 2}, "
        "default: {cpu: 1, memory: 1Gi}, defaultRequest: {cpu: 500m}}, {type: Pod, maxLimitRequestRatio: {cpu: 2}, min: {cpu: 1m}}]}}"
    ),
    "priorityclass": (
        "{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high}, value: 1000, globalDefault: true, "
        "description: For what cannot wait., preemptionPolicy: Never}"
    ),
    "poddisruptionbudget": (
        "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: zk, namespace: ns1}, spec: {minAvailable: 60%, "
        "selector: {matchLabels: {app: zookeeper}}}, status: {disruptionsAllowed: 1, currentHealthy: 3, desiredHealthy: 2, expectedPods: 3}}"
    ),
    "clusterrole": "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: ops, labels: {a: b}}, rules: ["
    "{verbs: [list, get], apiGroups: [''], resources: [pods, pods/log]}, {verbs: [get], nonResourceURLs: [/metrics]}, "
    "{verbs: ['*'], apiGroups: [apps], resources: [deployments/scale], resourceNames: [web]}]}",
    "rolebinding": "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: ops, namespace: ns1}, "
    "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}, "
    "subjects: [{kind: User, name: jane, apiGroup: rbac.authorization.k8s.io}, {kind: ServiceAccount, name: bot, namespace: ci}]}",
    "serviceaccount": "{apiVersion: v1, kind: ServiceAccount, metadata: {name: bot, namespace: ns1, labels: {a: b}}, "
    "imagePullSecrets: [{name: ours}, {name: theirs}], secrets: [{name: s}]}",
    "lease": "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: a, namespace: ns1}, spec: {holderIdentity: me, leaseDurationSeconds: 40}}",
}
TABLES = {
    "pods": (SHOP, "pods"),
    "nodes": (NODE, "nodes"),
    "replicasets": (REPLICA_SET, "replicasets"),
    "deployments": (DEPLOYMENT, "deployments"),
    "controllerrevisions": (REVISIONS, "controllerrevisions"),
    "jobs": (JOB, "jobs"),
    "cronjobs": (CRON_JOB, "cronjobs"),
    "events": (EVENTS, "events"),
    "horizontalpodautoscalers": (
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\n"
        "metadata: {name: web, namespace: default, creationTimestamp: '2026-01-01T00:58:00Z'}\n"
        "spec:\n  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\n  minReplicas: 2\n  maxReplicas: 9\n"
        "  metrics:\n"
        "  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}\n"
        "  - {type: ContainerResource, containerResource: {name: memory, container: a, target: {type: AverageValue, averageValue: 512Mi}}}\n"
        "  - {type: Pods, pods: {metric: {name: calls}, target: {type: AverageValue, averageValue: '10'}}}\n"
        "status:\n  currentReplicas: 3\n  currentMetrics:\n"
        "  - {type: Resource, resource: {name: cpu, current: {averageUtilization: 41, averageValue: 82m}}}\n",
        "horizontalpodautoscalers",
    ),
    "resourcequotas": (
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: q, namespace: default, creationTimestamp: '2026-01-01T00:58:00Z'}\n"
        "status: {hard: {pods: 10, limits.cpu: 4, requests.memory: 1Gi}, used: {pods: 3, limits.cpu: 1500m}}\n",
        "resourcequotas",
    ),
    "limitranges": (
        "apiVersion: v1\nkind: LimitRange\nmetadata: {name: l, namespace: default, creationTimestamp: '2026-01-01T00:58:00Z'}\n",
        "limitranges",
    ),
    "serviceaccounts": (
        "apiVersion: v1\nkind: ServiceAccount\n"
        "metadata: {name: bot, namespace: default, creationTimestamp: '2026-01-01T00:58:00Z'}\nsecrets: [{name: s}]\n",
        "serviceaccounts",
    ),
    "clusterroles": (
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: ops, creationTimestamp: '2026-01-01T00:58:00Z'}\n",
        "clusterroles",
    ),
    "rolebindings": (
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n"
        "metadata: {name: ops, namespace: default, creationTimestamp: '2026-01-01T00:58:00Z'}\n"
        "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: ops}\n"
        "subjects:\n- {kind: User, name: jane}\n- {kind: User, name: joe}\n- {kind: Group, name: dev}\n"
        "- {kind: ServiceAccount, name: bot, namespace: ci}\n",
        "rolebindings",
    ),
    "priorityclasses": (
        "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: high, creationTimestamp: '2026-01-01T00:58:00Z'}\n"
        "value: 1000\nglobalDefault: true\npreemptionPolicy: Never\n",
        "priorityclasses",
    ),
    "poddisruptionbudgets": (
        "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: zk, namespace: default, creationTimestamp: '2026-01-01T00:58:00Z'}\n"
        "spec: {maxUnavailable: 1}\nstatus: {disruptionsAllowed: 1}\n",
        "poddisruptionbudgets",
    ),
    "persistentvolumes": (
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: disk, creationTimestamp: '2026-01-01T00:58:00Z'}\n"
        "spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteMany, ReadWriteOnce], persistentVolumeReclaimPolicy: Retain,\n"
        "  storageClassName: fast, volumeMode: Filesystem, claimRef: {namespace: default, name: data}}\n"
        "status: {phase: Bound, reason: why}\n",
        "persistentvolumes",
    ),
    "persistentvolumeclaims": (
        "apiVersion: v1\nkind: PersistentVolumeClaim\n"
        "metadata: {name: data, namespace: default, creationTimestamp: '2026-01-01T00:58:00Z'}\n"
        "spec: {volumeName: disk, storageClassName: fast, volumeMode: Block, volumeAttributesClassName: gold}\n"
        "status: {phase: Bound, capacity: {storage: 1Gi}, accessModes: [ReadWriteOncePod]}\n"
        "---\napiVersion: v1\nkind: PersistentVolumeClaim\n"
        "metadata: {name: later, namespace: default, creationTimestamp: '2026-01-01T00:58:00Z'}\n"
        "status: {phase: Pending}\n",
        "persistentvolumeclaims",
    ),
    "storageclasses": (
        "apiVersion: storage.k8s.io/v1\nkind: StorageClass\n"
        "metadata: {name: fast, creationTimestamp: '2026-01-01T00:58:00Z',\n"
        "  annotations: {storageclass.kubernetes.io/is-default-class: 'true'}}\n"
        "provisioner: example.com/disk\nreclaimPolicy: Delete\nvolumeBindingMode: WaitForFirstConsumer\n"
        "allowVolumeExpansion: true\n",
        "storageclasses",
    ),
    "csinodes": (
        "apiVersion: storage.k8s.io/v1\nkind: CSINode\nmetadata: {name: n1, creationTimestamp: '2026-01-01T00:58:00Z'}\n"
        "spec: {drivers: [{name: a.example.com, nodeID: x, topologyKeys: []}]}\n",
        "csinodes",
    ),
    "csidrivers": (
        "apiVersion: storage.k8s.io/v1\nkind: CSIDriver\nmetadata: {name: a.example.com, creationTimestamp: '2026-01-01T00:58:00Z'}\n"
        "spec: {attachRequired: false, podInfoOnMount: true, storageCapacity: true, requiresRepublish: false,\n"
        "  tokenRequests: [{audience: vault}, {audience: ''}], volumeLifecycleModes: [Persistent, Ephemeral]}\n"
        "---\napiVersion: storage.k8s.io/v1\nkind: CSIDriver\nmetadata: {name: b.example.com, creationTimestamp: '2026-01-01T00:58:00Z'}\n",
        "csidrivers",
    ),
    "csistoragecapacities": (
        "apiVersion: storage.k8s.io/v1\nkind: CSIStorageCapacity\n"
        "metadata: {name: c1, namespace: default, creationTimestamp: '2026-01-01T00:58:00Z'}\nstorageClassName: fast\ncapacity: 10Gi\n"
        "---\napiVersion: storage.k8s.io/v1\nkind: CSIStorageCapacity\n"
        "metadata: {name: c2, namespace: default, creationTimestamp: '2026-01-01T00:58:00Z'}\nstorageClassName: slow\n",
        "csistoragecapacities",
    ),
    "volumeattachments": (
        "apiVersion: storage.k8s.io/v1\nkind: VolumeAttachment\nmetadata: {name: va, creationTimestamp: '2026-01-01T00:58:00Z'}\n"
        "spec: {attacher: a.example.com, nodeName: n1, source: {persistentVolumeName: disk}}\nstatus: {attached: true}\n",
        "volumeattachments",
    ),
    "certificatesigningrequests": (
        "apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\n"
        "metadata: {name: a, creationTimestamp: '2026-01-01T00:58:00Z'}\n"
        "spec: {request: aGk=, signerName: kubernetes.io/kubelet-serving, username: 'system:node:n1', expirationSeconds: 86400}\n"
        "status: {conditions: [{type: Approved, status: 'True'}], certificate: aGk=}\n"
        "---\napiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\n"
        "metadata: {name: b, creationTimestamp: '2026-01-01T00:58:00Z'}\n"
        "spec: {request: aGk=, signerName: example.com/a, username: jane}\n"
        "---\napiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\n"
        "metadata: {name: c, creationTimestamp: '2026-01-01T00:58:00Z'}\n"
        "spec: {request: aGk=, signerName: example.com/a, username: jane}\n"
        "status: {conditions: [{type: Failed, status: 'True'}, {type: Denied, status: 'True'}]}\n",
        "certificatesigningrequests",
    ),
    "others": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: default}\ndata: {a: b}\nbinaryData: {c: aGk=}\n",
        "configmaps",
    ),
}


@pytest.mark.parametrize("wide", [False, True], ids=["plain", "wide"])
@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_has_kubectls_columns(name: str, *, wide: bool) -> None:
    text, plural = TABLES[name]
    kind = KINDS_BY_NAME[plural]
    table = make_table(kind, sort_items(kind, read(text)), NOW, Shown(wide=wide, is_list=True))
    check_golden(GOLDEN / f"table-{name}{'-wide' if wide else ''}.txt", render_table(table))


def test_of_several_default_classes_the_newest_of_a_list_is_marked() -> None:
    kind = KINDS_BY_NAME["storageclasses"]
    mark = "annotations: {storageclass.kubernetes.io/is-default-class: 'true'}"
    classes = read(
        "---\n".join(
            f"apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: {name}, "
            f"creationTimestamp: '2026-01-01T00:5{minute}:00Z', {mark}}}\nprovisioner: x\n"
            for name, minute in (("new", 8), ("old", 6), ("other", 8))
        )
    )
    listed = make_table(kind, classes, NOW, Shown(is_list=True))
    assert [row[0] for row in listed.rows] == ["new (default)", "old", "other"]
    assert [row[0] for row in make_table(kind, classes, NOW).rows] == ["new", "old", "other"]


@pytest.mark.parametrize(
    ("plural", "annotation", "shown"),
    [
        ("storageclasses", "storageclass.beta.kubernetes.io/is-default-class: 'true'", "old (default)"),
        ("persistentvolumeclaims", "volume.beta.kubernetes.io/storage-class: fast", "fast"),
        ("persistentvolumes", "volume.beta.kubernetes.io/storage-class: fast", "fast"),
    ],
)
def test_classes_that_are_told_in_the_old_way_are_shown(plural: str, annotation: str, shown: str) -> None:
    kind = KINDS_BY_NAME[plural]
    text = f"apiVersion: {kind.api_version}\nkind: {kind.kind}\nmetadata: {{name: old, annotations: {{{annotation}}}}}\n"
    [row] = make_table(kind, read(text), NOW, Shown(is_list=True)).rows
    assert shown in row


def test_a_table_can_show_namespaces_kinds_and_labels() -> None:
    table = make_table(POD, read(SHOP), NOW, Shown(with_namespace=True, with_kind=True, with_labels=True))
    check_golden(GOLDEN / "table-everything.txt", render_table(table))


def test_describe_pod() -> None:
    text = render_description(POD, read(SHOP)[0], events=read(EVENTS), now=NOW)
    check_golden(GOLDEN / "describe-pod.txt", text)


def test_describe_node() -> None:
    text = render_description(NODE_KIND, read(NODE)[0], pods=read(SHOP), now=NOW)
    check_golden(GOLDEN / "describe-node.txt", text)


def test_describe_replica_set() -> None:
    text = render_description(REPLICA_SET_KIND, read(REPLICA_SET)[0], pods=read(SHOP), now=NOW)
    check_golden(GOLDEN / "describe-replicaset.txt", text)


def test_describe_deployment() -> None:
    deployment, new, old, gone = (
        read(DEPLOYMENT)[0],
        read(REPLICA_SET)[0],
        read(REPLICA_SET)[0],
        read(REPLICA_SET)[0],
    )
    old.metadata.name, gone.metadata.name = "shop-old", "shop-older"
    old.spec.template.spec.containers[0].image = gone.spec.template.spec.containers[0].image = "busybox:1.36"
    gone.spec.replicas = gone.status.replicas = 0
    text = render_description(KINDS_BY_NAME["deploy"], deployment, pods=[new, old, gone], now=NOW)
    check_golden(GOLDEN / "describe-deployment.txt", text)


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_describe_other_kinds(name: str) -> None:
    kind = KINDS_BY_NAME[name]
    check_golden(GOLDEN / f"describe-{name}.txt", render_description(kind, read(OTHERS[name])[0], now=NOW))


def test_describe_a_pod_that_ends() -> None:
    pod = read(SHOP)[0]
    pod.metadata.deletion_timestamp.seconds = int(NOW)
    pod.metadata.deletion_grace_period_seconds = 30
    pod.status.reason, pod.status.message = "Evicted", "The node was low on memory"
    page = render_description(POD, pod, now=NOW)
    assert "Status:                    Terminating (since 2026-01-01T01:00:00Z)" in page
    assert "Termination Grace Period:  30s" in page
    assert "Reason:                    Evicted" in page


def test_describe_a_kind_without_a_page() -> None:
    check_golden(GOLDEN / "describe-event.txt", render_description(EVENT, read(EVENTS)[1], now=NOW))


@pytest.mark.requirement("A8")
@pytest.mark.parametrize(
    ("name", "done", "width"),
    [("whole", 7, 140), ("narrow", 7, 80), ("half", 4, 140), ("begun", 1, 140), ("empty", 0, 140)],
)
def test_the_seven_steps(name: str, done: int, width: int) -> None:
    check_golden(GOLDEN / f"trace-{name}.txt", render_trace(make_trace(done), width=width))


def test_a_trace_says_what_the_next_step_waits_for() -> None:
    pod = make_pod("jumpod")
    pod.status.conditions.add(
        type="PodScheduled",
        status="False",
        reason="Unschedulable",
        message="0/3 nodes are available: 3 Insufficient cpu.",
    )
    check_golden(GOLDEN / "trace-waits.txt", render_trace(make_trace(1), pod=pod, width=140))
    pulling = pod_pb2.Pod(
        status={
            "container_statuses": [
                {"name": "a", "state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}}
            ]
        }
    )
    assert "waits: container a: ErrImagePull: no such image" in render_trace(make_trace(5), pod=pulling)


def test_a_trace_of_a_pod_that_is_gone_says_since_when() -> None:
    trace = make_trace()
    trace.status.pod_deleted_time.seconds = int(NOW)
    assert "gone since 2026-01-01 01:00:00 UTC" in render_trace(trace)


def test_colours_change_nothing_but_colours() -> None:
    plain, coloured = (
        render_trace(make_trace()),
        for_terminal(render_trace(make_trace(), look=Look(Paint(True)))),
    )
    assert "\x1b[" not in plain
    assert "\x1b[32m" in coloured
    import re

    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    page = for_terminal(
        render_description(POD, read(SHOP)[0], events=read(EVENTS), now=NOW, paint=Paint(True))
    )
    assert re.sub(r"\x1b\[[0-9;]*m", "", page) == render_description(
        POD, read(SHOP)[0], events=read(EVENTS), now=NOW
    )


def test_objects_as_yaml_json_and_names() -> None:
    items = [(NODE_KIND, read(NODE)[0])]
    check_golden(GOLDEN / "node.yaml.txt", print_objects(items, "yaml"))
    check_golden(GOLDEN / "nodes.json.txt", print_objects(items, "json", single=False))
    assert (
        print_names([*items, (REPLICA_SET_KIND, read(REPLICA_SET)[0])])
        == "node/node-1\nreplicaset.apps/shop\n"
    )


def test_describe_a_namespace_that_is_limited_and_does_not_end() -> None:
    namespace = read(
        "{apiVersion: v1, kind: Namespace, metadata: {name: ns1}, status: {phase: Terminating, conditions: "
        "[{type: NamespaceContentRemaining, status: 'True', reason: SomeResourcesRemain, message: 'Some resources are remaining: "
        "pods. has 1 resource instances'}]}}"
    )[0]
    related = [read(OTHERS["resourcequota"])[0], read(OTHERS["limitrange"])[0]]
    text = render_description(KINDS_BY_NAME["namespace"], namespace, pods=related, now=NOW)
    check_golden(GOLDEN / "describe-namespace-limited.txt", text)
