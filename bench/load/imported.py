"""An exported cluster as a workload: which objects are there before, and which Pods are measured. PURE.

Called by `vaina load import`. `exported` reads the objects, `reduced` says what of each is taken, `scrub`
gives other names; here is decided which objects are taken at all, and what people must know of those that are
not.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from bench.load.exported import ImportFailed, Item
from bench.load.reduced import KINDS, Told, reduce_object
from bench.load.scrub import Scrubber
from vaina.clock import seconds_of
from vaina.errors import ApiError
from vaina.objects.manifest import decode_dict, to_dict
from vaina.objects.times import parse_time

Tree = dict[str, Any]
Replay = Literal["pending", "all"]

#: kinds that are about Pods and nodes, and say nothing more of where Pods go than their Pods do
_NEEDLESS: Final = frozenset(
    ("Deployment", "DaemonSet", "Job", "CronJob", "ConfigMap", "Secret", "Event", "Lease")
)
_NO_SERVICES: Final = "Service: there are none here: the default spreading of Pods by their Services is lost"
_OWNERS: Final = ("ReplicaSet", "StatefulSet", "ReplicationController")
_DONE: Final = ("Succeeded", "Failed")
_DEFAULT_SCHEDULER: Final = "default-scheduler"


@dataclass(slots=True)
class Imported:
    """What comes of an export."""

    #: in the order in which they are created; Pods among them have nodes
    objects: list[Tree] = field(default_factory=list)
    #: the Pods that are measured, the oldest first
    pods: list[Tree] = field(default_factory=list)
    #: of each of these: seconds since the first was created
    arrivals: list[float] = field(default_factory=list)
    #: how many of each kind are taken
    taken: Counter[str] = field(default_factory=Counter)
    #: how many of each kind are not, and why
    left_out: Counter[str] = field(default_factory=Counter)
    #: what is not as it was in the cluster
    told: Told = field(default_factory=Counter)


def compute_import(items: Iterable[Item], *, replay: Replay = "pending", scrub: bool = False) -> Imported:
    """Make a workload's objects of an export.

    Args:
        items: the objects.
        replay: whether the Pods that are pending are measured, or all but those that no scheduler has placed.
        scrub: whether names and values are replaced.

    Raises:
        ImportFailed: a field cannot be read, or there is no node.
    """
    found = Imported()
    kinds: dict[str, list[Tree]] = {kind: [] for kind in KINDS}
    for item in items:
        tree = _taken(item, found)
        if tree is not None:
            kinds[item.kind].append(tree)
    if not kinds["Node"]:
        raise ImportFailed("no Node is in it: kubectl get nodes,pods,... -A -o json")
    _place_pods(kinds, replay, found)
    if not found.pods:
        raise ImportFailed("no Pod of it is pending: --replay all measures those that have nodes")
    _keep_owners(kinds, found)
    _give_classes(kinds, found)
    _name_namespaces(kinds, found)
    _tell(kinds, found)
    if scrub:
        scrubber = Scrubber((*found.pods, *(tree for trees in kinds.values() for tree in trees)))
        kinds = {kind: [scrubber.scrub(tree) for tree in trees] for kind, trees in kinds.items()}
        found.pods = [scrubber.scrub(tree) for tree in found.pods]
    kinds = {"RuntimeClass": _runtime_classes((*kinds["Pod"], *found.pods)), **kinds}
    found.objects = [tree for trees in kinds.values() for tree in trees]
    found.taken = Counter({kind: len(trees) for kind, trees in kinds.items() if trees})
    found.taken["Pod"] += len(found.pods)
    return found


def _taken(item: Item, found: Imported) -> Tree | None:
    """Return what is taken of an object, as it is written; None where it is not."""
    reduced = reduce_object(item.tree, found.told)
    if reduced is None:
        found.left_out[f"{item.kind}: not looked at"] += 1
        if item.kind == "Service":
            found.told[_NO_SERVICES] += 1
        elif item.kind not in _NEEDLESS:
            found.told[f"{item.kind}: a kind that is not known here"] += 1
        return None
    if item.kind == "Pod" and (reason := _no_pod(item.tree)):
        found.left_out[f"Pod: {reason}"] += 1
        return None
    try:
        decoded = decode_dict(reduced, strict=False)
    except ApiError as error:
        raise ImportFailed(f"{item.place}: {error.message}") from error
    for warning in decoded.warnings:
        found.told[f"{item.kind}: {warning}: left out"] += 1
    return to_dict(decoded.kind, decoded.message)


def _no_pod(tree: Mapping[str, Any]) -> str:
    """Say why a Pod takes no part; "" where it does."""
    status, spec = tree.get("status"), tree.get("spec")
    if isinstance(status, Mapping) and status.get("phase") in _DONE:
        return "it has ended and takes no room"
    has_node = isinstance(spec, Mapping) and spec.get("nodeName")
    if not has_node and tree["metadata"].get("deletionTimestamp"):
        return "it is being deleted and has no node"
    return ""


def _place_pods(kinds: Mapping[str, list[Tree]], replay: Replay, found: Imported) -> None:
    """Say of each Pod whether it is there before or measured."""
    nodes = {node["metadata"]["name"] for node in kinds["Node"]}
    there: list[Tree] = []
    measured: list[tuple[float, str, str, Tree]] = []
    for pod in kinds["Pod"]:
        metadata, spec = pod["metadata"], pod["spec"]
        created = metadata.pop("creationTimestamp", None)
        node = spec.get("nodeName", "")
        if node and node not in nodes:
            found.left_out["Pod: its node is not in the export"] += 1
        elif node and (replay == "pending" or _is_mirror(pod)):
            there.append(pod)
        else:
            spec.pop("nodeName", None)
            at = _seconds(created)
            measured.append((at, metadata.get("namespace", ""), metadata["name"], pod))
    measured.sort(key=lambda one: one[:3])
    kinds["Pod"][:] = there
    found.pods = [pod for *_, pod in measured]
    found.arrivals = [at - measured[0][0] for at, *_ in measured]


def _is_mirror(pod: Tree) -> bool:
    """Whether a kubelet made it of a file: no scheduler has placed it, and none ever will."""
    return any(owner.get("kind") == "Node" for owner in pod["metadata"].get("ownerReferences", []))


def _seconds(created: Any) -> float:
    return seconds_of(parse_time(created)) if isinstance(created, str) else 0.0


def _owner(pod: Tree) -> tuple[str, str, str]:
    for owner in pod["metadata"].get("ownerReferences", []):
        return owner.get("kind", ""), pod["metadata"].get("namespace", ""), owner.get("name", "")
    return "", "", ""


def _keep_owners(kinds: Mapping[str, list[Tree]], found: Imported) -> None:
    """Leave out owners that have no Pod: there are ten of them for each that has."""
    owners = {_owner(pod) for pod in (*kinds["Pod"], *found.pods)}
    known = set()
    for kind in _OWNERS:
        kept = []
        for tree in kinds[kind]:
            key = (kind, tree["metadata"].get("namespace", ""), tree["metadata"]["name"])
            known.add(key)
            if key in owners:
                kept.append(tree)
            else:
                found.left_out[f"{kind}: no Pod that is taken belongs to it"] += 1
        kinds[kind][:] = kept
    for kind, _, _ in owners - known:
        if kind in _OWNERS:
            found.told[f"{kind}: it owns Pods and is not in the export: they are not spread by default"] += 1


def _give_classes(kinds: Mapping[str, list[Tree]], found: Imported) -> None:
    """Give every Pod a PriorityClass that has the priority which the Pod has, and let the class say it."""
    listed = {tree["metadata"]["name"]: _rank(tree) for tree in kinds["PriorityClass"]}
    made: dict[str, Tree] = {}
    for pod in (*kinds["Pod"], *found.pods):
        spec = pod["spec"]
        name, value = spec.get("priorityClassName", ""), spec.pop("priority", None)
        rank = (int(value or 0), spec.pop("preemptionPolicy", "PreemptLowerPriority"))
        if value is None and name in listed:
            rank = listed[name]
        if name.startswith("system-") or listed.get(name) == rank:
            continue
        spec.pop("priorityClassName", None)
        if rank == (0, "PreemptLowerPriority"):
            continue
        own = f"priority-{str(rank[0]).replace('-', 'minus-')}{'-never' if rank[1] == 'Never' else ''}"
        while own in listed:
            own += "-made"
        spec["priorityClassName"] = own
        if own not in made:
            made[own] = {
                "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": own},
                "value": rank[0], "preemptionPolicy": rank[1],
            }  # fmt: skip
    kinds["PriorityClass"][:] = [
        tree for tree in kinds["PriorityClass"] if not tree["metadata"]["name"].startswith("system-")
    ] + list(made.values())
    if made:
        found.told[f"PriorityClass: {len(made)} are made of what Pods say: theirs are not in the export"] += 1


def _runtime_classes(pods: Iterable[Tree]) -> list[Tree]:
    """Give every Pod that has an overhead a RuntimeClass that says it: without one the Pod is refused."""
    made: list[Tree] = []
    for pod in pods:
        if overhead := pod["spec"].get("overhead"):
            known = next((one for one in made if one["overhead"]["podFixed"] == overhead), None)
            if known is None:
                known = {
                    "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass",
                    "metadata": {"name": f"overhead-{len(made)}"}, "handler": "imported",
                    "overhead": {"podFixed": overhead},
                }  # fmt: skip
                made.append(known)
            pod["spec"]["runtimeClassName"] = known["metadata"]["name"]
    return made


def _rank(tree: Tree) -> tuple[int, str]:
    return int(tree.get("value", 0)), tree.get("preemptionPolicy", "PreemptLowerPriority")


def _name_namespaces(kinds: Mapping[str, list[Tree]], found: Imported) -> None:
    """Make the namespaces that objects are in, and of which the export says nothing."""
    known = {tree["metadata"]["name"] for tree in kinds["Namespace"]}
    trees = [*found.pods, *(tree for some in kinds.values() for tree in some)]
    used = {tree["metadata"].get("namespace", "") for tree in trees} - {""}
    kinds["Namespace"][:] = [tree for tree in kinds["Namespace"] if tree["metadata"]["name"] in used]
    kinds["Namespace"] += [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in sorted(used - known)
    ]
    if not known and any(_selects_namespaces(pod) for pod in (*kinds["Pod"], *found.pods)):
        found.told[
            "Namespace: none is in the export, and Pods select namespaces by labels: none matches"
        ] += 1


def _selects_namespaces(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value.get("namespaceSelector")) or any(map(_selects_namespaces, value.values()))
    return isinstance(value, list) and any(map(_selects_namespaces, value))


def _tell(kinds: Mapping[str, list[Tree]], found: Imported) -> None:
    """Say of the measured Pods what keeps them from getting nodes here."""
    claims = {
        (tree["metadata"].get("namespace", ""), tree["metadata"]["name"]): tree["spec"].get("volumeName", "")
        for tree in kinds["PersistentVolumeClaim"]
    }
    for pod in found.pods:
        spec, namespace = pod["spec"], pod["metadata"].get("namespace", "")
        if spec.get("schedulingGates"):
            found.told["Pod: it has scheduling gates, and waits as it did"] += 1
        if spec.get("schedulerName", _DEFAULT_SCHEDULER) != _DEFAULT_SCHEDULER:
            found.told[
                f"Pod: it asks for the scheduler {spec['schedulerName']}: a profile must be called so"
            ] += 1
        for volume in spec.get("volumes", []):
            claim = claims.get((namespace, volume["persistentVolumeClaim"].get("claimName", "")))
            if claim is None:
                found.told["Pod: a claim of it is not in the export: it gets no node here"] += 1
            elif not claim:
                found.told["Pod: a claim of it has no volume, and here nobody makes one"] += 1
