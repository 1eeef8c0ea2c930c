"""An export of a cluster that there is not: what `kubectl get nodes,pods,... -A -o json` would write of it.

    python -m bench.exports --nodes 200 --pods 3000 > export.json

For trying `vaina load import` out, and for its tests. The shares are those of a middling cluster: four kinds
of nodes in three zones (some tainted, some with GPUs), three Pods of DaemonSets on each, apps of very
different sizes (the second half the first, the third a third, ...), a third of them with spread or affinity,
some with disks, four priorities, and fields that nobody should keep. PURE but for `main`; randomness is
handed in.
"""

import argparse
import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

Tree = dict[str, Any]

_ZONES = ("eu-a", "eu-b", "eu-c")
#: name, cores, GiB, share, taint
_MACHINES = (
    ("standard-8", 8, 32, 0.55, ""), ("highmem-8", 8, 64, 0.2, ""), ("standard-16", 16, 64, 0.15, ""),
    ("batch-16", 16, 64, 0.07, "dedicated"), ("gpu-8", 8, 64, 0.03, "gpu"),
)  # fmt: skip
#: mCPU, MiB, share
_SIZES = (
    (50, 64, 0.2), (100, 128, 0.25), (250, 512, 0.25), (500, 1024, 0.18), (1000, 2048, 0.08), (2000, 8192, 0.04),
)  # fmt: skip
_PRIORITIES = (
    ("", 0, 0.7),
    ("business", 10_000, 0.2),
    ("critical", 100_000, 0.05),
    ("best-effort", -100, 0.05),
)
_SHAPES = (
    ("plain", 0.52), ("zone-spread", 0.14), ("host-spread", 0.06), ("soft-apart", 0.12), ("apart", 0.03),
    ("together", 0.03), ("batch", 0.05), ("disk", 0.04), ("gpu", 0.01),
)  # fmt: skip
_START = datetime(2026, 1, 1, tzinfo=UTC)
_PER_NODE = 3


def make_export(nodes: int, pods: int, *, pending: float = 0.1, seed: int = 1) -> Tree:
    """Return the List.

    Args:
        nodes: how many.
        pods: how many, those of DaemonSets included; where they do not fit, more are pending.
        pending: the share of them that has no node.
        seed: of all that is random.
    """
    return {
        "apiVersion": "v1",
        "kind": "List",
        "metadata": {"resourceVersion": ""},
        "items": list(_Maker(nodes, pods, pending, random.Random(seed)).items()),
    }


class _Maker:
    def __init__(self, nodes: int, pods: int, pending: float, rng: random.Random) -> None:
        self._rng, self._pods = rng, pods
        self._nodes = [self._node(index) for index in range(nodes)]
        #: mCPU and MiB that are free
        self._free = [
            [int(node["status"]["allocatable"]["cpu"].removesuffix("m")), _mib(node), 110]
            for node in self._nodes
        ]
        self._left_pending = round(pods * pending)
        self._made = 0

    def items(self) -> Iterator[Tree]:
        for name, value, _ in _PRIORITIES[1:]:
            yield _object("scheduling.k8s.io/v1", "PriorityClass", name, value=value, globalDefault=False)
        yield _object(
            "storage.k8s.io/v1", "StorageClass", "fast", provisioner="disk.example.com",
            volumeBindingMode="WaitForFirstConsumer", parameters={"token": "secret"},
        )  # fmt: skip
        for space in ("kube-system", *(f"team-{number}" for number in range(8))):
            yield _object("v1", "Namespace", space, labels={"team": space})
        yield from self._nodes
        for index, node in enumerate(self._nodes):
            for daemon in range(min(_PER_NODE, self._pods // max(1, len(self._nodes)))):
                yield self._daemon(index, node["metadata"]["name"], daemon)
        yield from self._apps()

    def _pick(self, choices: tuple[tuple[Any, ...], ...]) -> tuple[Any, ...]:
        [found] = self._rng.choices(
            choices, [one[-1] if isinstance(one[-1], float) else one[-2] for one in choices]
        )
        return found

    def _node(self, index: int) -> Tree:
        kind, cores, memory, _, taint = self._pick(_MACHINES)
        name = f"ip-10-0-{index // 250}-{index % 250}.internal"
        labels = {
            "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
            "topology.kubernetes.io/zone": _ZONES[index % 3], "topology.kubernetes.io/region": "eu",
            "node.kubernetes.io/instance-type": kind, "acme.example/pool": kind, "acme.example/generation": str(index % 4),
        }  # fmt: skip
        amounts = {"cpu": f"{cores * 1000 - 80}m", "memory": f"{memory * 1024 - 900}Mi", "pods": "110"}
        if taint == "gpu":
            amounts["nvidia.com/gpu"] = "4"
        made = _object("v1", "Node", name, labels=labels, annotations={"secret": "of the cloud"})
        made["spec"] = {"podCIDR": "10.1.0.0/24", "providerID": f"cloud:///{name}"}
        if taint:
            made["spec"]["taints"] = [{"key": taint, "value": "yes", "effect": "NoSchedule"}]
        if index % 97 == 96:
            made["spec"]["unschedulable"] = True
        made["status"] = {
            "capacity": amounts, "allocatable": amounts,
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
            "images": [{"names": [f"registry.acme.example/app-{index % 7}:1"], "sizeBytes": 200_000_000}],
            "nodeInfo": {"machineID": "secret"},
        }  # fmt: skip
        return made

    def _daemon(self, index: int, node: str, number: int) -> Tree:
        self._take(index, 50, 64)
        name = ("proxy", "logs", "metrics")[number]
        affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
        ]}}}  # fmt: skip
        spec = {"affinity": affinity, "tolerations": [{"operator": "Exists"}], "priorityClassName": "system-node-critical",
                "priority": 2_000_001_000}  # fmt: skip
        pod = self._pod(
            f"{name}-{index}", "kube-system", {"k8s-app": name}, (50, 64), spec, ("DaemonSet", name)
        )
        return _bound(pod, node)

    def _apps(self) -> Iterator[Tree]:
        left = self._pods - self._made
        count = max(1, left // 20)
        weights = [1 / (number + 1) for number in range(count)]
        for app, weight in enumerate(weights):
            replicas = min(left, max(1, round(self._pods * weight / sum(weights))))
            if app == count - 1:
                replicas = left
            left -= replicas
            if replicas:
                yield from self._app(app, replicas)

    def _app(self, app: int, replicas: int) -> Iterator[Tree]:
        [shape] = self._pick(_SHAPES)[:1]
        name, space = f"app-{app}", f"team-{app % 8}"
        size, priority = self._pick(_SIZES)[:2], self._pick(_PRIORITIES)[:2]
        labels = {"app": name, "app.kubernetes.io/name": name, "tier": ("web", "worker")[app % 2]}
        spec = _shape(shape, labels)
        if priority[0]:
            spec |= {"priorityClassName": priority[0], "priority": priority[1]}
        kind = "StatefulSet" if shape == "disk" else "ReplicaSet"
        owner = name if kind == "StatefulSet" else f"{name}-5d5f"
        template = {"metadata": {"labels": labels}, "spec": {"containers": [_container(size)]}}
        yield _object(
            "apps/v1", kind, owner, namespace=space, status={"replicas": replicas},
            spec={"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template},
        )  # fmt: skip
        if kind == "ReplicaSet":
            yield _object("apps/v1", "Deployment", name, namespace=space, spec={"replicas": replicas})
            yield _object("apps/v1", kind, f"{name}-0001", namespace=space, spec={"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": template})  # fmt: skip
        if replicas > 2 and app % 2 == 0:
            yield _object(
                "policy/v1", "PodDisruptionBudget", name, namespace=space,
                spec={"maxUnavailable": 1, "selector": {"matchLabels": {"app": name}}},
                status={"disruptionsAllowed": 1, "currentHealthy": replicas, "desiredHealthy": replicas - 1, "expectedPods": replicas},
            )  # fmt: skip
        for number in range(replicas):
            yield from self._replica(f"{owner}-{number}", space, labels, size, spec, (kind, owner), shape)

    def _replica(
        self, name: str, space: str, labels: Tree, size: Any, spec: Tree, owner: tuple[str, str], shape: str
    ) -> Iterator[Tree]:
        pod = self._pod(name, space, labels, size, spec, owner)
        waits = self._rng.random() < self._left_pending / max(1, self._pods - self._made + 1)
        index = None if waits else self._fitting(spec, size)
        self._left_pending -= waits
        if shape == "disk":
            zone = _ZONES[self._rng.randrange(3) if index is None else index % 3]
            yield from _disk(name, space, zone)
            pod["spec"]["volumes"] = [
                {"name": "data", "persistentVolumeClaim": {"claimName": f"data-{name}"}}
            ]
        if index is not None:
            self._take(index, *size)
            _bound(pod, self._nodes[index]["metadata"]["name"])
        yield pod

    def _fitting(self, spec: Tree, size: tuple[int, int]) -> int | None:
        """Return the emptiest of some nodes that would do, by taints and selectors and room."""
        tolerated = {one["key"] for one in spec.get("tolerations", [])}
        wanted = spec.get("nodeSelector", {})
        found = [
            index
            for index in self._rng.sample(range(len(self._nodes)), min(24, len(self._nodes)))
            if not self._nodes[index]["spec"].get("unschedulable")
            and {one["key"] for one in self._nodes[index]["spec"].get("taints", [])} <= tolerated
            and wanted.items() <= self._nodes[index]["metadata"]["labels"].items()
            and self._free[index][0] >= size[0] and self._free[index][1] >= size[1] and self._free[index][2] > 0
        ]  # fmt: skip
        return max(found, key=lambda index: self._free[index][0], default=None)

    def _take(self, index: int, cpu: int, memory: int) -> None:
        free = self._free[index]
        free[0], free[1], free[2] = free[0] - cpu, free[1] - memory, free[2] - 1

    def _pod(
        self, name: str, space: str, labels: Tree, size: Any, spec: Tree, owner: tuple[str, str]
    ) -> Tree:
        at = _START + timedelta(seconds=round(self._rng.random() * 86_400 * 30))
        owners = [
            {
                "apiVersion": "apps/v1",
                "kind": owner[0],
                "name": owner[1],
                "uid": f"uid-{owner[1]}",
                "controller": True,
            }
        ]
        made = _object(
            "v1", "Pod", name, namespace=space, labels=labels, ownerReferences=owners,
            creationTimestamp=at.strftime("%Y-%m-%dT%H:%M:%SZ"), annotations={"password": "secret"},
        )  # fmt: skip
        made["spec"] = {
            **spec, "containers": [_container(size)], "schedulerName": "default-scheduler",
            "serviceAccountName": "default", "volumes": [{"name": "token", "secret": {"secretName": "secret"}}],
        }  # fmt: skip
        made["status"] = {"phase": "Pending"}
        self._made += 1
        return made


def _container(size: tuple[int, int]) -> Tree:
    return {
        "name": "main", "image": "registry.acme.example/app-3:1", "command": ["run", "--password=secret"],
        "env": [{"name": "PASSWORD", "value": "secret"}], "ports": [{"name": "http", "containerPort": 8080}],
        "resources": {"requests": {"cpu": f"{size[0]}m", "memory": f"{size[1]}Mi"}},
    }  # fmt: skip


def _shape(shape: str, labels: Tree) -> Tree:
    selector = {"matchLabels": {"app": labels["app"]}}
    term = {"labelSelector": selector, "topologyKey": "kubernetes.io/hostname"}
    required, preferred = (
        f"{word}DuringSchedulingIgnoredDuringExecution" for word in ("required", "preferred")
    )
    spread = {"maxSkew": 2, "labelSelector": selector}
    match shape:
        case "zone-spread":
            return {"topologySpreadConstraints": [{**spread, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}]}  # fmt: skip
        case "host-spread":
            return {"topologySpreadConstraints": [{**spread, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}]}  # fmt: skip
        case "soft-apart":
            return {"affinity": {"podAntiAffinity": {preferred: [{"weight": 100, "podAffinityTerm": term}]}}}
        case "apart":
            return {"affinity": {"podAntiAffinity": {required: [term]}}}
        case "together":
            near = {**term, "topologyKey": "topology.kubernetes.io/zone"}
            return {"affinity": {"podAffinity": {preferred: [{"weight": 50, "podAffinityTerm": near}]}}}
        case "batch" | "gpu":
            key, pool = ("dedicated", "batch-16") if shape == "batch" else ("gpu", "gpu-8")
            return {
                "nodeSelector": {"acme.example/pool": pool},
                "tolerations": [{"key": key, "operator": "Exists"}],
            }
        case _:
            return {}


def _disk(pod: str, space: str, zone: str) -> Iterator[Tree]:
    term = {"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]}]}
    claim, amount = (
        {"kind": "PersistentVolumeClaim", "name": f"data-{pod}", "namespace": space},
        {"storage": "10Gi"},
    )
    yield _object(
        "v1", "PersistentVolume", f"pv-{space}-{pod}",
        spec={
            "capacity": amount, "accessModes": ["ReadWriteOnce"], "claimRef": claim, "storageClassName": "fast",
            "csi": {"driver": "disk.example.com", "volumeHandle": f"vol-{pod}"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
        },
    )  # fmt: skip
    yield _object(
        "v1", "PersistentVolumeClaim", f"data-{pod}", namespace=space,
        annotations={"pv.kubernetes.io/bind-completed": "yes"}, status={"phase": "Bound"},
        spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": amount}, "storageClassName": "fast", "volumeName": f"pv-{space}-{pod}"},
    )  # fmt: skip


def _bound(pod: Tree, node: str) -> Tree:
    pod["spec"]["nodeName"], pod["status"] = node, {"phase": "Running", "podIP": "10.1.0.9"}
    return pod


def _mib(node: Tree) -> int:
    return int(node["status"]["allocatable"]["memory"].removesuffix("Mi"))


_METADATA = ("namespace", "labels", "annotations", "ownerReferences", "creationTimestamp")


def _object(api_version: str, kind: str, name: str, **fields: Any) -> Tree:
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": "1"}
    metadata |= {key: fields.pop(key) for key in _METADATA if key in fields}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def main() -> None:
    """Write one to standard output."""
    parser = argparse.ArgumentParser(description="Write an export of a made-up cluster.")
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--pods", type=int, default=3000)
    parser.add_argument("--pending", type=float, default=0.1, help="the share of Pods without a node")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    json.dump(make_export(given.nodes, given.pods, pending=given.pending, seed=given.seed), sys.stdout)


if __name__ == "__main__":
    main()
