"""`vaina why`: what is known of a Pod on the left, the lines that are printed on the right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from cli.printers.diagnosis import render_diagnosis
from tests.support.shown_objects import make_trace
from tests.unit.vaina.why.pods import (
    AGO_5M,
    BACK_OFF,
    LOST,
    NO_NODE,
    NOW,
    conditions,
    crashing,
    event,
    node,
    pod_of,
    refused,
    runs,
    terminated,
    waiting,
)
from vaina.api.core.v1 import event_pb2, node_pb2
from vaina.clock import timestamp
from vaina.why.diagnose import diagnose
from vaina.why.evidence import Evidence

NOTE = (
    "Note: No controller owns it: nothing replaces it when it is deleted, evicted or its node fails. "
    "A ReplicaSet or a Deployment would."
)


@dataclass(frozen=True)
class Case:
    name: str
    status: Mapping[str, Any]
    want: Sequence[str]
    spec: Mapping[str, Any] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[event_pb2.Event] = ()
    node: node_pb2.Node | None = field(default_factory=node)
    logs: Mapping[str, Sequence[str]] = field(default_factory=dict)


def unschedulable(name: str, message: str, what: str, *look: str, **spec: Any) -> Case:
    want = [
        "Pod default/web is Pending.",
        f"No node takes it: {what}.",
        f"  {message}",
        "Look at:",
        *(f"  {one}" for one in look),
    ]
    return Case(name, refused(message), want, spec={**NO_NODE, **spec}, node=None)


NODES = ("vaina explain web", "vaina describe nodes")
CLAIM = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}
CASES = (
    unschedulable("cpu", "0/3 nodes are available: 3 Insufficient cpu.", "not enough cpu", *NODES),
    unschedulable(
        "two reasons", "0/3 nodes are available: 1 Insufficient memory, 2 node(s) had untolerated taint(s).",
        "not enough memory, taints that it does not tolerate", *NODES,
    ),
    unschedulable("extended", "0/1 nodes are available: 1 Insufficient example.com/gpu.", "not enough example.com/gpu", *NODES),
    unschedulable("full", "0/1 nodes are available: 1 Too many pods.", "no room for one more Pod", *NODES),
    unschedulable(
        "selector", "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.",
        "nodeSelector or node affinity match no node", *NODES,
    ),
    unschedulable(
        "anti-affinity", "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules.",
        "it does not want to be beside the Pods that are there", *NODES,
    ),
    unschedulable(
        "affinity", "0/3 nodes are available: 3 node(s) didn't match pod affinity rules.",
        "the Pods that it wants to be beside are not there", *NODES,
    ),
    unschedulable(
        "existing anti-affinity", "0/3 nodes are available: 3 node(s) didn't satisfy existing pods anti-affinity rules.",
        "other Pods do not want it beside them", *NODES,
    ),
    unschedulable(
        "spread", "0/3 nodes are available: 3 node(s) didn't match pod topology spread constraints.",
        "its spread over the nodes would be too uneven", *NODES,
    ),
    unschedulable(
        "host port", "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
        "its host port is taken", *NODES,
    ),
    unschedulable("cordoned", "0/1 nodes are available: 1 node(s) were unschedulable.", "nodes are cordoned", *NODES),
    unschedulable(
        "what preemption says is no reason",
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
        "not enough cpu", *NODES,
    ),
    unschedulable(
        "no storage left", "0/2 nodes are available: 2 node(s) did not have enough free storage.",
        "not enough storage is left for the volume of its claim", *NODES, **CLAIM,
    ),
    unschedulable(
        "no driver", "0/2 nodes are available: 2 disk.example.com CSI driver is not installed on the node.",
        "the driver disk.example.com of its volumes is not on the nodes", *NODES, **CLAIM,
    ),
    unschedulable(
        "no nodes", "0/0 nodes are available", "the cluster has no nodes", "vaina explain web", "vaina get nodes",
    ),
    unschedulable(
        "no claim", '0/1 nodes are available: persistentvolumeclaim "data" not found.', "its claim data does not exist",
        "vaina describe pvc data", *NODES, **CLAIM,
    ),
    unschedulable(
        "claim not bound", "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
        "its claim is not bound to a volume", "vaina describe pvc data", *NODES, **CLAIM,
    ),
    unschedulable(
        "no volume", "0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind.",
        "no volume there is for its claim", "vaina describe pvc data", *NODES, **CLAIM,
    ),
    unschedulable(
        "volume gone", "0/2 nodes are available: 2 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s).",
        "the volume of a claim is gone", "vaina describe pvc data", *NODES, **CLAIM,
    ),
    unschedulable(
        "claim of another Pod",
        "0/2 nodes are available: 2 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod.",
        "another Pod has its claim, which is for one Pod alone", "vaina describe pvc data", *NODES, **CLAIM,
    ),
    unschedulable(
        "claim yet to be made", '0/2 nodes are available: waiting for ephemeral volume controller to create the persistentvolumeclaim "web-tmp".',
        "its claim web-tmp has yet to be made", "vaina describe pvc web-tmp", *NODES,
    ),
    unschedulable(
        "another zone and a taken disk",
        "0/2 nodes are available: 1 node(s) had no available disk, 1 node(s) had no available volume zone.",
        "its volume is in another zone, its disk is used by another Pod", *NODES, **CLAIM,
    ),
    unschedulable(
        "nodes that a DaemonSet's Pod is not for", "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity].",
        "not enough cpu, NodeAffinity leaves some nodes only", *NODES,
    ),
    unschedulable(
        "volume elsewhere", "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity.",
        "its volume is on another node", *NODES,
    ),
    Case(
        "gated", refused("", "SchedulingGated"),
        ["Pod default/web is Pending.", "It is held back by its scheduling gates: shop/paid, shop/checked.", "Look at:",
         "  vaina get pod web -o jsonpath={.spec.schedulingGates}"],
        spec={**NO_NODE, "schedulingGates": [{"name": "shop/paid"}, {"name": "shop/checked"}]}, node=None,
    ),
    Case(
        "another scheduler", {"phase": "Pending"},
        ["Pod default/web is Pending.", "It waits for a scheduler called mine, which has said nothing of it.", "Look at:",
         "  vaina get pods -A --field-selector spec.schedulerName=mine"],
        spec={**NO_NODE, "schedulerName": "mine"}, node=None,
    ),
    Case(
        "no scheduler", {"phase": "Pending"},
        ["Pod default/web is Pending.", "The scheduler has not looked at it yet.",
         "  If that stays so, no scheduler is running or it cannot reach the apiserver.", "Look at:",
         "  vaina get leases -n kube-system", "  vaina scheduler decisions"],
        spec=NO_NODE, node=None,
    ),
    Case(
        "image", {"phase": "Pending", "containerStatuses": [waiting("ImagePullBackOff", 'Back-off pulling image "nope"', image="nope")]},
        ["Pod default/web is Pending.", "The image of container main cannot be pulled: nope.",
         '  Failed to pull image "nope": manifest unknown', "Look at:", "  vaina describe pod web"],
        events=[event("Failed", 'Failed to pull image "nope": manifest unknown'), event("Failed", "Error: ImagePullBackOff")],
    ),
    Case(
        "image without a login", {"phase": "Pending", "containerStatuses": [waiting("ErrImagePull", "401 Unauthorized", image="x/y")]},
        ["Pod default/web is Pending.", "The image of container main cannot be pulled: x/y.", "  401 Unauthorized", "Look at:",
         "  vaina describe pod web", "  vaina get pod web -o jsonpath={.spec.imagePullSecrets}"],
    ),
    Case(
        "image with a wrong name", {"phase": "Pending", "containerStatuses": [waiting("InvalidImageName", "invalid reference format", image="A B")]},
        ["Pod default/web is Pending.", "The image of container main has a name that is none: A B.", "  invalid reference format",
         "Look at:", "  vaina edit pod/web"],
    ),
    Case(
        "image never pulled", {"phase": "Pending", "containerStatuses": [waiting("ErrImageNeverPull", 'Container image "b" is not present')]},
        ["Pod default/web is Pending.",
         "The image of container main is not on node node-1, and imagePullPolicy Never forbids to pull it: busybox.",
         '  Container image "b" is not present', "Look at:", "  vaina get node node-1 -o jsonpath={.status.images}"],
    ),
    Case(
        "crash loop", crashing(1),
        ["Pod default/web is Running and not ready.", "Container main ends again and again: exit code 1.",
         f"  Restarted 4 times; {BACK_OFF}", "  The last lines of its log:", "    cannot open /etc/app.conf", "Look at:",
         "  vaina logs web -c main"],
        logs={"main": ["", "cannot open /etc/app.conf"]},
    ),
    Case(
        "crash loop with a message", crashing(127, restarts=1, message="sh: nginx: not found"),
        ["Pod default/web is Running and not ready.", "Container main ends again and again: exit code 127: its command was not found.",
         "  sh: nginx: not found", f"  Restarted once; {BACK_OFF}", "Look at:", "  vaina logs web -c main"],
    ),
    Case(
        "ends well, again and again", crashing(0, "Completed"),
        ["Pod default/web is Running and not ready.",
         "Container main ends again and again: exit code 0: it ends well, and its restartPolicy starts it again.",
         f"  Restarted 4 times; {BACK_OFF}", "Look at:", "  vaina logs web -c main"],
    ),
    Case(
        "crash by signal", crashing(139),
        ["Pod default/web is Running and not ready.", "Container main ends again and again: exit code 139: signal SIGSEGV.",
         f"  Restarted 4 times; {BACK_OFF}", "Look at:", "  vaina logs web -c main"],
    ),
    Case(
        "out of memory", crashing(137, "OOMKilled"),
        ["Pod default/web is Running and not ready.",
         "Container main ends again and again: it used more memory than its limit (OOMKilled).",
         f"  Restarted 4 times; {BACK_OFF}", "Look at:",
         '  vaina get pod web -o jsonpath={.spec.containers[?(@.name=="main")].resources}', "  vaina top pod web --containers"],
    ),
    Case(
        "out of memory, once and for all",
        {"phase": "Failed", "containerStatuses": [{"name": "main", "image": "b", "imageID": "i", "state": terminated(137, "OOMKilled")}]},
        ["Pod default/web is Failed.", "Container main has ended: it used more memory than its limit (OOMKilled), 2m ago.", "Look at:",
         '  vaina get pod web -o jsonpath={.spec.containers[?(@.name=="main")].resources}', "  vaina top pod web --containers"],
    ),
    Case(
        "failed, and nothing says why", {"phase": "Failed"},
        ["Pod default/web is Failed.", "It has failed, and its status does not say why.", "Look at:",
         "  vaina describe pod web", "  vaina events --for pod/web"],
    ),
    Case(
        "failed, with words and no reason", {"phase": "Failed", "message": "gone wrong"},
        ["Pod default/web is Failed.", "It has failed.", "  gone wrong", "Look at:",
         "  vaina describe pod web", "  vaina events --for pod/web"],
    ),
    Case(
        "killed by its liveness probe", crashing(137),
        ["Pod default/web is Running and not ready.", "Container main is ended again and again because it fails its liveness probe.",
         "  Liveness probe failed: HTTP probe failed with statuscode: 500", f"  Restarted 4 times; {BACK_OFF}", "Look at:",
         "  vaina logs web -c main", "  vaina describe pod web"],
        events=[event("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500")],
    ),
    Case(
        "its command cannot be started",
        {"phase": "Failed", "containerStatuses": [
            {"name": "main", "image": "b", "imageID": "i", "state": terminated(128, "StartError", 'exec: "nope": executable file not found')}]},
        ["Pod default/web is Failed.", "Container main has ended: its command could not be started (StartError), 2m ago.",
         '  exec: "nope": executable file not found', "Look at:", "  vaina get pod web -o yaml"],
    ),
    Case(
        "a failing readiness probe",
        {"phase": "Running", "conditions": conditions(Ready="False"), "containerStatuses": [runs(ready=False, started=True)]},
        ["Pod default/web is Running and not ready.", "Container main runs and fails its readiness probe.",
         "  Its last answer: Readiness probe failed: HTTP probe failed with statuscode: 503", "Look at:",
         "  vaina describe pod web", "  vaina logs web -c main"],
        spec={"containers": [{"name": "main", "image": "b", "readinessProbe": {"exec": {"command": ["x"]}}}]},
        events=[event("Unhealthy", "Readiness probe failed: no"),
                event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", ago=5)],
    ),
    Case(
        "a startup probe that takes its time",
        {"phase": "Running", "conditions": conditions(Ready="False"), "containerStatuses": [runs(ready=False, started=False)]},
        ["Pod default/web is Running and not ready.", "Container main runs for 5m and has not passed its startup probe yet.", "Look at:",
         "  vaina describe pod web", "  vaina logs web -c main"],
        spec={"containers": [{"name": "main", "image": "b", "startupProbe": {"exec": {"command": ["x"]}}}]},
    ),
    Case(
        "a readiness gate",
        {"phase": "Running", "conditions": conditions(Ready="False", ContainersReady="True"), "containerStatuses": [runs()]},
        ["Pod default/web is Running and not ready.", "Its containers are ready, and its readiness gates are not.",
         "  shop/open: nobody has said anything of it", "Look at:", "  vaina get pod web -o jsonpath={.status.conditions}"],
        spec={"readinessGates": [{"conditionType": "shop/open"}]},
    ),
    Case(
        "an init container that fails",
        {"phase": "Pending", "initContainerStatuses": [
            waiting("CrashLoopBackOff", BACK_OFF, name="init", restartCount=2, lastState=terminated(1))],
         "containerStatuses": [waiting("PodInitializing")]},
        ["Pod default/web is Pending.", "Init container init ends again and again: exit code 1.", f"  Restarted 2 times; {BACK_OFF}",
         "  The last lines of its log:", "    no database", "Look at:", "  vaina logs web -c init"],
        spec={"initContainers": [{"name": "init", "image": "b"}]}, logs={"init": ["no database"]},
    ),
    Case(
        "an init container that runs",
        {"phase": "Pending", "initContainerStatuses": [
            {"name": "one", "image": "b", "imageID": "i", "containerID": "c", "state": terminated(0, "Completed")},
            runs(ready=False, name="two", containerID="c")], "containerStatuses": [waiting("PodInitializing")]},
        ["Pod default/web is Pending.", "It waits for its init container two, which has run for 5m (1 of 2 are through).",
         "    waiting for db:5432", "Look at:", "  vaina logs web -c two -f"],
        spec={"initContainers": [{"name": "one", "image": "b"}, {"name": "two", "image": "b"}]},
        logs={"two": ["waiting for db:5432"]},
    ),
    Case(
        "a ConfigMap that is not there",
        {"phase": "Pending", "containerStatuses": [waiting("CreateContainerConfigError", 'configmap "settings" not found')]},
        ["Pod default/web is Pending.", "Container main needs the ConfigMap settings, which does not exist.",
         '  configmap "settings" not found', "Look at:", "  vaina get configmaps"],
    ),
    Case(
        "a key that is not there",
        {"phase": "Pending", "containerStatuses": [
            waiting("CreateContainerConfigError", "couldn't find key code in Secret default/keys")]},
        ["Pod default/web is Pending.", "Container main needs the key code, which the Secret keys does not have.",
         "  couldn't find key code in Secret default/keys", "Look at:", "  vaina get secret keys -o yaml"],
    ),
    Case(
        "may not run as root",
        {"phase": "Pending", "containerStatuses": [
            waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root")]},
        ["Pod default/web is Pending.", "Container main cannot be made as its spec says.",
         "  container has runAsNonRoot and image will run as root", "Look at:", "  vaina get pod web -o yaml"],
    ),
    Case(
        "a volume's Secret that is not there", {"phase": "Pending", "containerStatuses": [waiting("ContainerCreating")]},
        ["Pod default/web is Pending.", "A volume needs the Secret keys, which does not exist.",
         '  MountVolume.SetUp failed for volume "k" : secret "keys" not found', "Look at:", "  vaina get secrets"],
        events=[event("FailedMount", 'MountVolume.SetUp failed for volume "k" : secret "keys" not found')],
    ),
    Case(
        "a volume that cannot be mounted", {"phase": "Pending", "containerStatuses": [waiting("ContainerCreating")]},
        ["Pod default/web is Pending.", "A volume cannot be mounted.", '  MountVolume.SetUp failed for volume "h" : hostPath type check failed',
         "Look at:", "  vaina describe pod web"],
        events=[event("FailedMount", 'MountVolume.SetUp failed for volume "h" : hostPath type check failed')],
    ),
    Case(
        "no sandbox", {"phase": "Pending", "containerStatuses": [waiting("ContainerCreating")]},
        ["Pod default/web is Pending.", "Its sandbox cannot be made.",
         "  Failed to create pod sandbox: no more addresses", "Look at:", "  vaina describe node node-1"],
        events=[event("FailedCreatePodSandBox", "Failed to create pod sandbox: no more addresses")],
    ),
    Case(
        "an image that takes its time", {"phase": "Pending", "containerStatuses": [waiting("ContainerCreating")]},
        ["Pod default/web is Pending.", "It is still starting: an image has been pulled for 90s.", '  Pulling image "big"', "Look at:",
         "  vaina get pod web -w"],
        events=[event("Pulling", 'Pulling image "big"', ago=90, kind="Normal")],
    ),
    Case(
        "the node does not answer", {"phase": "Running", "conditions": conditions(Ready="False"), "containerStatuses": [runs()]},
        ["Pod default/web is Running and not ready.", "Its node node-1 does not answer for 5m.",
         "  NodeStatusUnknown: Kubelet stopped posting node status.", "  ReplicaSet web makes another one when this one is evicted.",
         "Look at:", "  vaina describe node node-1", "  vaina get pod web -o wide"],
        node=LOST,
    ),
    Case(
        "the node is gone", {"phase": "Running", "conditions": conditions(Ready="True")},
        ["Pod default/web is Running and ready.", "Its node node-1 is gone.",
         "  It is evicted after a while (five minutes unless its tolerations say otherwise); nothing replaces it.", NOTE,
         "Look at:", "  vaina describe node node-1", "  vaina get pod web -o wide"],
        meta={"ownerReferences": []}, node=None,
    ),
    Case(
        "evicted", {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."},
        ["Pod default/web is Failed.", "Its node was short of something and evicted it (Evicted).",
         "  The node was low on resource: memory.", "Look at:", "  vaina describe pod web", "  vaina describe node node-1"],
    ),
    Case(
        "deadline", {"phase": "Failed", "reason": "DeadlineExceeded", "message": "Pod was active on the node longer than the specified deadline"},
        ["Pod default/web is Failed.", "It ran longer than its activeDeadlineSeconds allow (DeadlineExceeded).",
         "  Pod was active on the node longer than the specified deadline", "Look at:", "  vaina logs web", "  vaina describe pod web"],
    ),
    Case(
        "refused by its node", {"phase": "Failed", "reason": "OutOfcpu", "message": "Node didn't have enough resource: cpu"},
        ["Pod default/web is Failed.", "Its node had not enough cpu left for it (OutOfcpu).", "  Node didn't have enough resource: cpu",
         "Look at:", "  vaina describe pod web", "  vaina describe node node-1"],
    ),
    Case(
        "held by a finalizer", {"phase": "Succeeded"},
        ["Pod default/web is Terminating.", "It has ended and cannot go: it waits for its finalizers shop/count.",
         "  Whoever put them there has to take them away: that is a controller, which may not be running.", "Look at:",
         "  vaina get pod web -o yaml", """  vaina patch pod web --type=merge -p '{"metadata":{"finalizers":null}}'"""],
        meta={"deletionTimestamp": AGO_5M, "deletionGracePeriodSeconds": 30, "finalizers": ["shop/count"]},
    ),
    Case(
        "going, on a node that does not answer", {"phase": "Running"},
        ["Pod default/web is Terminating.", "It cannot end: its node node-1 does not answer for 5m.",
         "  Only its node knows whether its containers still run. Delete it by force when the node will not come back.", "Look at:",
         "  vaina describe node node-1", "  vaina delete pod web --grace-period=0 --force"],
        meta={"deletionTimestamp": AGO_5M, "deletionGracePeriodSeconds": 30}, node=LOST,
    ),
    Case(
        "going, within its grace", {"phase": "Running"},
        ["Pod default/web is Terminating.", "It is ending: its containers have 20s left of their grace period.", "Look at:",
         "  vaina get pod web -w"],
        meta={"deletionTimestamp": "2026-01-01T01:00:20Z", "deletionGracePeriodSeconds": 30},
    ),
    Case(
        "going for too long", {"phase": "Running", "containerStatuses": [runs()]},
        ["Pod default/web is Terminating.", "It should have ended 5m ago: main still runs.",
         "  Its node is there: it may be slow to stop containers or to unmount volumes.", "Look at:", "  vaina describe pod web",
         "  vaina describe node node-1", "  vaina delete pod web --grace-period=0 --force"],
        meta={"deletionTimestamp": AGO_5M, "deletionGracePeriodSeconds": 30},
    ),
    Case(
        "runs again after it failed, and is not ready yet",
        {
            "phase": "Running",
            "conditions": conditions(Ready="False"),
            "containerStatuses": [runs(ready=False, restartCount=1, lastState=terminated(2))],
        },
        [
            "Pod default/web is Running and not ready.",
            "Container main has ended: exit code 2, 2m ago.",
            "Look at:",
            "  vaina logs web -c main --previous",
        ],
    ),
    Case(
        "done", {"phase": "Succeeded", "containerStatuses": [{"name": "main", "image": "b", "imageID": "i", "state": terminated(0, "Completed")}]},
        ["Pod default/web is Succeeded.", "Nothing is wrong: it has done its work and ended."],
    ),
    Case(
        "well", {"phase": "Running", "conditions": conditions(Ready="True"), "containerStatuses": [runs()]},
        ["Pod default/web is Running and ready.", "Nothing is wrong: it has run for 5m."],
    ),
    Case(
        "well, with a past and without a controller",
        {"phase": "Running", "conditions": conditions(Ready="True"),
         "containerStatuses": [runs(restartCount=2, lastState=terminated(137, "OOMKilled"))]},
        ["Pod default/web is Running and ready.", "Nothing is wrong: it has run for 5m.",
         "Note: Container main was restarted 2 times, last 2m ago (OOMKilled, exit code 137): vaina logs web -c main --previous", NOTE],
        meta={"ownerReferences": []},
    ),
)  # fmt: skip


def evidence_of(case: Case) -> Evidence:
    """Return what a case says is known of the Pod web."""
    pod = pod_of(case.status, case.spec, case.meta)
    return Evidence("web", "default", NOW, pod, case.events, None, case.node, case.logs)


@pytest.mark.requirement("B15")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_said_of_a_pod(case: Case) -> None:
    assert render_diagnosis(diagnose(evidence_of(case))).splitlines() == case.want


@pytest.mark.requirement("B15")
def test_what_outlives_a_pod_tells_of_it() -> None:
    trace = make_trace()
    trace.status.pod_deleted_time.CopyFrom(timestamp(NOW - 120))
    events = [
        event("BackOff", "Back-off restarting failed container", ago=180),
        event("Killing", "Stopping container main", ago=130),
    ]
    given = Evidence("jumpod", "team", NOW, events=events, trace=trace)
    assert render_diagnosis(diagnose(given)).splitlines() == [
        "Pod team/jumpod.",
        "It is gone for 2m.",
        "  It came as far as step 7 of 7, REPORTED on node node-2.",
        "  3m ago  Warning BackOff: Back-off restarting failed container",
        "  2m10s ago  Warning Killing: Stopping container main",
        "Look at:",
        "  vaina trace -n team jumpod",
        "  vaina events -n team --for pod/jumpod",
    ]


def test_every_command_names_the_pods_namespace() -> None:
    for case in CASES:
        pod = pod_of(case.status, case.spec, {**case.meta, "namespace": "team"})
        given = Evidence("web", "team", NOW, pod, case.events, None, case.node, case.logs)
        for finding in diagnose(given).findings:
            for command in finding.look:
                about_nodes = command.startswith(
                    ("vaina describe node", "vaina get node", "vaina get leases", "vaina scheduler")
                )
                assert about_nodes or " -n team " in command, command
