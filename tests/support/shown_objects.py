"""Objects that the printers' tests show: told from manifests, as the apiserver would return them."""

from typing import Any

from vaina.api.trace.v1 import trace_pb2
from vaina.clock import micro_timestamp
from vaina.objects.manifest import decode_documents
from vaina.testing.clock import EPOCH

#: seconds since the epoch: 2026-01-01T01:00:00Z
NOW = EPOCH + 3600

SHOP = """
apiVersion: v1
kind: Pod
metadata:
  name: shop
  namespace: default
  uid: 0c6f8a6e-0000-4000-8000-000000000001
  creationTimestamp: "2026-01-01T00:58:00Z"
  labels: {app: shop, tier: front}
  annotations:
    team: tea
    kubectl.kubernetes.io/last-applied-configuration: "{}"
  ownerReferences:
  - {apiVersion: apps/v1, kind: ReplicaSet, name: shop, uid: u, controller: true}
spec:
  nodeName: node-1
  priority: 0
  serviceAccountName: default
  nodeSelector: {disk: fast}
  tolerations:
  - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 300}
  initContainers:
  - name: prepare
    image: busybox
    command: ["sh", "-c", "echo hello"]
  containers:
  - name: web
    image: busybox:1.37
    args: [httpd, -f]
    ports: [{containerPort: 8080, name: http}, {containerPort: 9090, protocol: UDP, hostPort: 9}]
    resources:
      requests: {cpu: 100m, memory: 64Mi}
      limits: {memory: 128Mi}
    env:
    - {name: COLOUR, value: green}
    - name: NODE
      valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
    - name: KEY
      valueFrom: {secretKeyRef: {name: keys, key: code}}
    envFrom: [{configMapRef: {name: settings}}]
    readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 5, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 3}
    livenessProbe: {exec: {command: [cat, /alive]}, periodSeconds: 10, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 3}
    volumeMounts: [{name: work, mountPath: /work}, {name: conf, mountPath: /conf, readOnly: true}]
  - name: side
    image: busybox
  volumes:
  - {name: work, emptyDir: {}}
  - {name: conf, configMap: {name: settings}}
status:
  phase: Running
  qosClass: Burstable
  hostIP: 172.20.0.5
  podIP: 10.244.1.7
  podIPs: [{ip: 10.244.1.7}]
  startTime: "2026-01-01T00:58:01Z"
  conditions:
  - {type: PodScheduled, status: "True"}
  - {type: Initialized, status: "True"}
  - {type: ContainersReady, status: "False"}
  - {type: Ready, status: "False"}
  initContainerStatuses:
  - name: prepare
    image: busybox
    imageID: sha256:1
    containerID: docker://1
    restartCount: 0
    state: {terminated: {exitCode: 0, reason: Completed, startedAt: "2026-01-01T00:58:02Z", finishedAt: "2026-01-01T00:58:03Z"}}
  containerStatuses:
  - name: web
    image: busybox:1.37
    imageID: sha256:2
    containerID: docker://2
    ready: true
    restartCount: 2
    state: {running: {startedAt: "2026-01-01T00:59:00Z"}}
    lastState: {terminated: {exitCode: 137, signal: 9, reason: OOMKilled, startedAt: "2026-01-01T00:58:04Z", finishedAt: "2026-01-01T00:58:50Z"}}
  - name: side
    image: busybox
    imageID: ""
    restartCount: 0
    state: {waiting: {reason: ImagePullBackOff, message: "Back-off pulling image \\"busybox\\""}}
"""

NODE = """
apiVersion: v1
kind: Node
metadata:
  name: node-1
  creationTimestamp: "2025-12-31T23:00:00Z"
  labels: {kubernetes.io/hostname: node-1, node-role.kubernetes.io/worker: ""}
spec:
  podCIDR: 10.244.1.0/24
  unschedulable: true
  taints: [{key: node.kubernetes.io/unschedulable, effect: NoSchedule}]
status:
  capacity: {cpu: "2", memory: 4Gi, pods: "110"}
  allocatable: {cpu: "2", memory: 4Gi, pods: "110"}
  addresses: [{type: InternalIP, address: 172.20.0.5}, {type: Hostname, address: node-1}]
  conditions:
  - type: Ready
    status: "True"
    reason: KubeletReady
    message: kubelet is posting ready status
    lastHeartbeatTime: "2026-01-01T00:59:55Z"
    lastTransitionTime: "2025-12-31T23:00:05Z"
  nodeInfo:
    machineID: m
    bootID: b
    kernelVersion: 6.1.0
    osImage: Debian GNU/Linux 12
    containerRuntimeVersion: docker://27.1
    kubeletVersion: v1.37.2+vaina.0.1.0
    operatingSystem: linux
    architecture: amd64
    systemUUID: s
    kubeProxyVersion: ""
"""

REPLICA_SET = """
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: shop, namespace: default, uid: u, creationTimestamp: "2026-01-01T00:50:00Z"}
spec:
  replicas: 3
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers: [{name: web, image: "busybox:1.37"}, {name: side, image: busybox}]
status: {replicas: 2, readyReplicas: 1}
"""

JOB = """
apiVersion: batch/v1
kind: Job
metadata:
  name: pi
  namespace: default
  uid: j
  creationTimestamp: "2026-01-01T00:50:00Z"
  labels: {app: pi}
  ownerReferences: [{apiVersion: batch/v1, kind: CronJob, name: nightly, uid: c, controller: true}]
spec:
  parallelism: 2
  completions: 5
  completionMode: Indexed
  backoffLimit: 6
  suspend: false
  activeDeadlineSeconds: 600
  ttlSecondsAfterFinished: 100
  selector: {matchLabels: {batch.kubernetes.io/controller-uid: j}}
  template:
    metadata: {labels: {batch.kubernetes.io/controller-uid: j}}
    spec:
      restartPolicy: Never
      containers: [{name: pi, image: "perl:5.34", command: [perl]}]
status:
  startTime: "2026-01-01T00:50:00Z"
  completionTime: "2026-01-01T00:51:05Z"
  active: 0
  ready: 0
  succeeded: 5
  failed: 1
  completedIndexes: 0-4
  conditions: [{type: Complete, status: "True"}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: queue, namespace: default, uid: k, creationTimestamp: "2026-01-01T00:58:00Z"}
spec: {parallelism: 3, template: {spec: {containers: [{name: a, image: busybox}]}}}
status: {startTime: "2026-01-01T00:58:00Z", active: 3}
---
apiVersion: batch/v1
kind: Job
metadata: {name: waiting, namespace: default, uid: l, creationTimestamp: "2026-01-01T00:58:00Z"}
spec: {parallelism: 1, completions: 1, template: {spec: {containers: [{name: a, image: busybox}]}}}
status: {conditions: [{type: Suspended, status: "True"}]}
"""

CRON_JOB = """
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: default, uid: c, creationTimestamp: "2026-01-01T00:50:00Z"}
spec:
  schedule: 30 3 * * *
  timeZone: Europe/Berlin
  concurrencyPolicy: Forbid
  suspend: false
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 1
  startingDeadlineSeconds: 200
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: OnFailure
          containers: [{name: backup, image: busybox}]
status:
  lastScheduleTime: "2026-01-01T00:55:00Z"
  active: [{kind: Job, name: nightly-29453730, namespace: default}]
"""

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
  namespace: default
  uid: d
  creationTimestamp: "2026-01-01T00:50:00Z"
  labels: {app: shop}
  annotations: {deployment.kubernetes.io/revision: "2"}
spec:
  replicas: 3
  selector: {matchLabels: {app: shop}}
  minReadySeconds: 5
  strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 25%, maxSurge: 1}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers: [{name: web, image: "busybox:1.37"}, {name: side, image: busybox}]
status:
  observedGeneration: 2
  replicas: 4
  updatedReplicas: 2
  readyReplicas: 3
  availableReplicas: 3
  unavailableReplicas: 1
  conditions:
  - {type: Available, status: "True", reason: MinimumReplicasAvailable}
  - {type: Progressing, status: "True", reason: ReplicaSetUpdated}
"""

REVISIONS = """
apiVersion: apps/v1
kind: ControllerRevision
metadata:
  name: db-5d8f
  namespace: default
  creationTimestamp: "2026-01-01T00:50:00Z"
  ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: db, uid: s, controller: true}]
data: {spec: {template: {}}}
revision: 3
---
apiVersion: apps/v1
kind: ControllerRevision
metadata: {name: alone, namespace: default, creationTimestamp: "2026-01-01T00:50:00Z"}
data: {}
revision: 1
"""

EVENTS = """
apiVersion: v1
kind: Event
metadata: {name: shop.1, namespace: default}
involvedObject: {kind: Pod, name: shop, namespace: default}
type: Normal
reason: Scheduled
message: Successfully assigned default/shop to node-1
eventTime: "2026-01-01T00:58:00.100000Z"
reportingComponent: default-scheduler
reportingInstance: s1
firstTimestamp: null
lastTimestamp: null
---
apiVersion: v1
kind: Event
metadata: {name: shop.2, namespace: default}
involvedObject: {kind: Pod, name: shop, namespace: default, fieldPath: "spec.containers{side}"}
type: Warning
reason: BackOff
message: "Back-off pulling image \\"busybox\\"\\n"
count: 4
firstTimestamp: "2026-01-01T00:58:10Z"
lastTimestamp: "2026-01-01T00:59:30Z"
source: {component: kubelet, host: node-1}
eventTime: null
reportingComponent: ""
reportingInstance: ""
"""


def read(text: str) -> list[Any]:
    """Return the messages of a text of manifests."""
    return [found.message for found in decode_documents(text)]


def make_trace(done: int = 7) -> trace_pb2.PodTrace:
    """Make the trace of a Pod of which the first `done` steps have happened."""
    trace = trace_pb2.PodTrace(
        metadata={"name": "0c6f8a6e", "namespace": "default"},
        spec={"pod_name": "jumpod", "pod_uid": "0c6f8a6e-0000-4000-8000-000000000001"},
        status={"node_name": "node-2" if done > 1 else ""},
    )
    steps = (
        ("ADMITTED", "apiserver", "api-1", 0.0, 0.0042, ""),
        ("SCHEDULED", "scheduler", "sched-1", 0.012, 0.0151, "node-2"),
        ("OBSERVED", "kubelet", "node-2", 0.0161, 0.0161, "seen over the watch"),
        ("SANDBOXED", "kubelet", "node-2", 0.017, 0.31, "address 10.244.2.7"),
        ("MOUNTED", "kubelet", "node-2", 0.31, 0.3102, ""),
        ("STARTED", "kubelet", "node-2", 0.32, 0.9123, "busybox"),
        ("REPORTED", "kubelet", "node-2", 0.9125, 0.925, "Running"),
    )
    for step, component, instance, start, end, message in steps[:done]:
        trace.status.steps.add(
            step=step, component=component, instance=instance, message=message,
            start_time=micro_timestamp(EPOCH + 0.123456 + start), end_time=micro_timestamp(EPOCH + 0.123456 + end),
        )  # fmt: skip
    return trace
