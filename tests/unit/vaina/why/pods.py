"""Pods, nodes and events that `vaina why` is asked about, in the few words that a case needs."""

from collections.abc import Mapping
from typing import Any

from vaina.api.core.v1 import event_pb2, node_pb2, pod_pb2
from vaina.clock import timestamp
from vaina.objects.manifest import decode_documents, write_json
from vaina.testing.clock import EPOCH

NOW = EPOCH + 3600
OWNER = [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u", "controller": True}]
AGO_5M = "2026-01-01T00:55:00Z"


def read(kind: str, **fields: Any) -> Any:
    text = write_json({"apiVersion": "v1", "kind": kind, **fields})
    (found,) = decode_documents(text)
    return found.message


def pod_of(
    status: Mapping[str, Any], spec: Mapping[str, Any] | None = None, meta: Mapping[str, Any] | None = None
) -> pod_pb2.Pod:
    containers = [{"name": "main", "image": "busybox"}]
    fields = {"nodeName": "node-1", "containers": containers, **(spec or {})}
    pod = read(
        "Pod", metadata={"name": "web", "namespace": "default", "ownerReferences": OWNER, **(meta or {})},
        spec=fields, status={"startTime": AGO_5M, **status},
    )  # fmt: skip
    assert isinstance(pod, pod_pb2.Pod)
    return pod


def event(
    reason: str, message: str, *, container: str = "main", ago: float = 60, kind: str = "Warning"
) -> event_pb2.Event:
    made = event_pb2.Event(reason=reason, message=message, type=kind)
    made.involved_object.field_path = f"spec.containers{{{container}}}"
    made.last_timestamp.CopyFrom(timestamp(NOW - ago))
    return made


def node(
    ready: str = "True", reason: str = "KubeletReady", message: str = "kubelet is posting ready status"
) -> node_pb2.Node:
    conditions = [
        {"type": "Ready", "status": ready, "reason": reason, "message": message, "lastTransitionTime": AGO_5M}
    ]
    made = read("Node", metadata={"name": "node-1"}, status={"conditions": conditions})
    assert isinstance(made, node_pb2.Node)
    return made


LOST = node("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {
        "name": "main",
        "image": "busybox",
        "imageID": "",
        "restartCount": 0,
        "ready": False,
        "state": state,
        **more,
    }


def terminated(code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    return {
        "terminated": {
            "exitCode": code,
            "reason": reason,
            "message": message,
            "finishedAt": "2026-01-01T00:58:00Z",
        }
    }


def runs(*, ready: bool = True, **more: Any) -> dict[str, Any]:
    state = {"running": {"startedAt": AGO_5M}}
    return {
        "name": "main",
        "image": "busybox",
        "imageID": "i",
        "restartCount": 0,
        "ready": ready,
        "state": state,
        **more,
    }


def conditions(**statuses: str) -> list[dict[str, str]]:
    return [{"type": name, "status": status} for name, status in statuses.items()]


def refused(message: str, reason: str = "Unschedulable") -> dict[str, Any]:
    return {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": reason, "message": message}],
    }


def crashing(code: int, reason: str = "Error", restarts: int = 4, message: str = "") -> dict[str, Any]:
    words = "back-off 40s restarting failed container=main pod=web_default(u)"
    return {
        "phase": "Running", "conditions": conditions(Ready="False"),
        "containerStatuses": [
            waiting("CrashLoopBackOff", words, restartCount=restarts, lastState=terminated(code, reason, message))
        ],
    }  # fmt: skip


BACK_OFF = "back-off 40s restarting failed container=main pod=web_default(u)"
NO_NODE: Mapping[str, Any] = {"nodeName": ""}
