"""An object of every kind, as a manifest: for tests of what all kinds have in common."""

from typing import Any

from google.protobuf.message import Message

from tests.unit.apiserver.validation.cases import read
from vaina.kinds import KINDS, Kind

TEMPLATE = "template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i, resources: {limits: {cpu: 1500m}}}]}}"
SELECTOR = "selector: {matchLabels: {a: b}}"
BARE = "template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}"
CLAIM = "accessModes: [ReadWriteOnce], resources: {requests: {storage: 0.5Gi}}"
ROLE_REF = "roleRef: {kind: ClusterRole, name: view}"

#: a certificate request of system:node:n1
REQUEST = (
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIcU1JR1NBZ0VBTURBeEZUQVRCZ05WQkFvTURITjVjM1JsYlRw"
    "dWIyUmxjekVYTUJVR0ExVUVBd3dPYzNsegpkR1Z0T201dlpHVTZiakV3V1RBVEJnY3Foa2pPUFFJQkJnZ3Foa2pPUFFNQkJ3TkNB"
    "QVFNUHZIelczRUFrcHpLCm1TYzl6MjltS2M4RGZKK1pOV2YvaWdwUTZwWklZNXhZWllMbDlMTVl3eS85MFI2cFhkemZzZVVsLzIx"
    "T0JFNngKZzlPeWdCSUpvQUF3Q2dZSUtvWkl6ajBFQXdJRFJ3QXdSQUlnUVBLc1FsdDI4NGNmRkZ5Sk5heUhoZGt5dzBNeAptVEdW"
    "Zzh2TW9WN1lMbUFDSUVibjl3WHl3MysyY3ZuU1NCem1MUG51NWRxWHVqUFo1b1hoVU5kZDA2cGEKLS0tLS1FTkQgQ0VSVElGSUNB"
    "VEUgUkVRVUVTVC0tLS0tCg=="
)

#: apiVersion, kind, the rest, in the order of the kinds; those of clusters have no namespace
OBJECTS = [
    ("v1", "Pod", "spec: {containers: [{name: c, image: i, livenessProbe: {exec: {command: [a]}}}], volumes: [{name: v}]}"),
    ("v1", "Node", "status: {capacity: {cpu: 4, memory: 0.5Gi}}"),
    ("v1", "Namespace", ""),
    ("v1", "ConfigMap", "data: {a: b}"),
    ("v1", "Secret", "stringData: {a: b}"),
    ("v1", "ServiceAccount", "secrets: [{name: a}]\nautomountServiceAccountToken: false"),
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
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", f"{ROLE_REF}\nsubjects: [{{kind: Group, name: dev}}]"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "rules: [{verbs: [get], nonResourceURLs: [/version]}]"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", f"{ROLE_REF}\nsubjects: [{{kind: ServiceAccount, name: bot}}]"),
    ("rbac.authorization.k8s.io/v1", "Role", "rules: [{verbs: [get], apiGroups: [''], resources: [pods]}]"),
    ("v1", "PersistentVolume", "spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /a}}"),
    ("v1", "PersistentVolumeClaim", f"spec: {{{CLAIM}, dataSource: {{kind: PersistentVolumeClaim, name: b}}}}"),
    ("storage.k8s.io/v1", "StorageClass", "provisioner: a/b"),
    ("storage.k8s.io/v1", "CSINode", "spec: {drivers: [{name: a.b, nodeID: x}]}"),
    ("storage.k8s.io/v1", "CSIDriver", "spec: {storageCapacity: true, tokenRequests: [{audience: a}]}"),
    ("storage.k8s.io/v1", "CSIStorageCapacity", "storageClassName: a\nnodeTopology: {matchLabels: {zone: a}}\ncapacity: 0.5Gi"),
    ("storage.k8s.io/v1", "VolumeAttachment", "spec: {attacher: a.b, nodeName: n1, source: {persistentVolumeName: v}}"),
    ("coordination.k8s.io/v1", "Lease", "spec: {holderIdentity: me, renewTime: '2026-01-01T00:00:00.000001Z'}"),
    ("certificates.k8s.io/v1", "CertificateSigningRequest",
     f"spec: {{request: {REQUEST}, signerName: kubernetes.io/kubelet-serving, usages: [client auth]}}"),
    ("v1", "Service", "spec: {selector: {a: b}, ports: [{port: 80}]}"),
    ("v1", "Endpoints", "subsets: [{addresses: [{ip: 10.0.0.1}], ports: [{port: 80}]}]"),
    ("discovery.k8s.io/v1", "EndpointSlice", "addressType: IPv4\nendpoints: [{addresses: [10.0.0.1]}]\nports: [{port: 80}]"),
    ("networking.k8s.io/v1", "NetworkPolicy", "spec: {podSelector: {}, egress: [{ports: [{port: dns}], to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}"),
    ("networking.k8s.io/v1", "Ingress",
     "spec: {rules: [{host: a.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]}}]}"),
    ("networking.k8s.io/v1", "IngressClass", "spec: {controller: example.com/a, parameters: {kind: Config, name: a}}"),
    ("resource.k8s.io/v1", "DeviceClass", "spec: {selectors: [{cel: {expression: 'true'}}]}"),
    ("resource.k8s.io/v1", "ResourceClaim", "spec: {devices: {requests: [{name: a, exactly: {deviceClassName: gpu}}]}}"),
    ("resource.k8s.io/v1", "ResourceClaimTemplate",
     "spec: {spec: {devices: {requests: [{name: a, firstAvailable: [{name: b, deviceClassName: gpu}]}]}}}"),
    ("resource.k8s.io/v1", "ResourceSlice",
     "spec: {driver: a.example.com, nodeName: n1, pool: {name: n1, resourceSliceCount: 1}, devices: [{name: d0, capacity: {memory: {value: 0.5Gi}}}]}"),
    ("resource.k8s.io/v1", "DeviceTaintRule", "spec: {deviceSelector: {driver: a.example.com}, taint: {key: a, effect: NoExecute}}"),
    ("trace.vaina.dev/v1", "PodTrace", "spec: {podName: a, podUID: sample}"),
]  # fmt: skip

ROWS = dict(zip((kind.kind for kind in KINDS), OBJECTS, strict=True))


def sample(kind: Kind[Any], named: str = "name: sample") -> Message:
    """Return the object of a kind.

    Args:
        kind: which.
        named: the fields of its metadata, as YAML; its namespace comes besides.
    """
    version, name, rest = ROWS[kind.kind]
    if name == "PodTrace":
        named = "name: sample"  # it has the uid of its Pod
    where = ", namespace: default" if kind.namespaced else ""
    return read(f"apiVersion: {version}\nkind: {name}\nmetadata: {{{named}{where}}}\n{rest}\n")
