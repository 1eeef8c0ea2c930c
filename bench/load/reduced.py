"""What of an exported object a scheduler looks at.

All else is left out here, before anything is kept or written. PURE.

What is left out without a word cannot change where a Pod goes, and may hold secrets: environment, commands,
annotations, status. What is not known, or is known and cannot be taken over, is told (`Told`): it may change
where a Pod goes. Which plugin of kube-scheduler reads which field: pkg/scheduler/framework/plugins in
kubernetes/kubernetes.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

Tree = dict[str, Any]
#: words about what is not as it was in the cluster, and how often
Told = Counter[str]

BIND_COMPLETED: Final = "pv.kubernetes.io/bind-completed"
#: a driver of which no node says how many volumes it takes
NO_LIMITS: Final = "imported.invalid"

_POD_SPEC: Final = (
    "nodeName", "nodeSelector", "affinity", "tolerations", "topologySpreadConstraints", "priorityClassName", "priority",
    "preemptionPolicy", "schedulerName", "schedulingGates", "overhead", "hostNetwork", "os",
)  # fmt: skip
#: what no scheduler looks at
_POD_SILENT: Final = frozenset((
    "activeDeadlineSeconds", "automountServiceAccountToken", "containers", "dnsConfig", "dnsPolicy", "enableServiceLinks",
    "ephemeralContainers", "evictionResponders", "hostAliases", "hostIPC", "hostPID", "hostUsers", "hostname",
    "hostnameOverride", "imagePullSecrets", "initContainers", "readinessGates", "resources", "restartPolicy",
    "runtimeClassName", "securityContext", "serviceAccount", "serviceAccountName", "setHostnameAsFQDN",
    "shareProcessNamespace", "subdomain", "terminationGracePeriodSeconds", "volumes",
))  # fmt: skip
#: what a scheduler looks at, and ours does not
_POD_UNABLE: Final = {
    "resourceClaims": "claims of devices (resourceClaims) are left out: there are no ResourceClaims here",
    "schedulingGroup": "Pods of a group (schedulingGroup) are scheduled one by one: there is no gang scheduling here",
    "workloadRef": "Pods of a group (workloadRef) are scheduled one by one: there is no gang scheduling here",
}
#: volumes that no scheduler looks at
_PLAIN_VOLUMES: Final = frozenset((
    "azureFile", "cephfs", "configMap", "csi", "downwardAPI", "emptyDir", "fc", "flexVolume", "flocker", "gitRepo",
    "glusterfs", "hostPath", "image", "nfs", "projected", "secret",
))  # fmt: skip
_NODE_SPEC: Final = ("unschedulable", "taints")
_NODE_SILENT: Final = frozenset(("podCIDR", "podCIDRs", "providerID", "configSource", "externalID"))
_NODE_STATUS: Final = ("capacity", "allocatable", "declaredFeatures")


def reduce_object(tree: Mapping[str, Any], told: Told) -> Tree | None:
    """Return what is taken over of an object; None for a kind that is not.

    Values that are not of the type that their field has are let through: who makes objects of this refuses
    them by their path.
    """
    reduce = _KINDS.get(tree["kind"])
    if reduce is None:
        return None
    metadata = tree["metadata"]
    taken = _only(metadata, ("name", "namespace", "labels"))
    found = {"apiVersion": tree["apiVersion"], "kind": tree["kind"], "metadata": taken}
    return found | reduce(tree, taken, told)


def _only(tree: Any, names: tuple[str, ...]) -> Any:
    """Return these fields where there is an object; what is none is not ours to judge."""
    return {name: tree[name] for name in names if name in tree} if isinstance(tree, Mapping) else tree


def _each(value: Any, change: Callable[[Mapping[str, Any], int], Any]) -> Any:
    if not isinstance(value, list):
        return value
    return [change(item, number) if isinstance(item, Mapping) else item for number, item in enumerate(value)]


def _pod(tree: Mapping[str, Any], metadata: Tree, told: Told) -> Tree:
    owners = tree["metadata"].get("ownerReferences")
    if isinstance(owners, list):
        metadata["ownerReferences"] = [
            _only(one, ("apiVersion", "kind", "name", "uid", "controller"))
            for one in owners
            if not isinstance(one, Mapping) or one.get("controller")
        ]
    if "creationTimestamp" in tree["metadata"]:
        metadata["creationTimestamp"] = tree["metadata"]["creationTimestamp"]
    given = tree.get("spec")
    if not isinstance(given, Mapping):
        return {"spec": given}
    spec: Tree = _only(given, _POD_SPEC)
    for name in given:
        if name in _POD_UNABLE and given[name]:
            told[f"Pod: {_POD_UNABLE[name]}"] += 1
        elif name not in _POD_SILENT and name not in _POD_SPEC and name not in _POD_UNABLE:
            told[f"Pod: spec.{name} is not known here and left out"] += 1
    if "resources" in given:
        spec["resources"] = _only(given["resources"], ("requests", "limits"))
    spec["containers"] = _each(given.get("containers", []), lambda one, number: _container(one, f"c{number}"))
    if given.get("initContainers"):
        spec["initContainers"] = _each(
            given["initContainers"], lambda one, number: _container(one, f"i{number}")
        )
    volumes = _volumes(given.get("volumes", []), str(metadata.get("name", "")), told)
    if volumes:
        spec["volumes"] = volumes
    # Nobody's kubelet ends a Pod that is preempted: without this it would stay, and keep its room.
    spec["terminationGracePeriodSeconds"] = 0
    return {"spec": spec}


def _container(tree: Mapping[str, Any], name: str) -> Tree:
    found: Tree = {"name": name, "image": tree.get("image") or "none"}
    if "resources" in tree:
        found["resources"] = _only(tree["resources"], ("requests", "limits"))
    if "restartPolicy" in tree:
        found["restartPolicy"] = tree["restartPolicy"]
    ports = tree.get("ports")
    if isinstance(ports, list):
        ports = [
            _only(one, ("containerPort", "hostPort", "hostIP", "protocol"))
            for one in ports
            if not isinstance(one, Mapping) or one.get("hostPort")
        ]
    if ports:
        found["ports"] = ports
    return found


def _volumes(given: Any, pod: str, told: Told) -> Any:
    if not isinstance(given, list):
        return given
    claims = []
    for one in given:
        if not isinstance(one, Mapping):
            return given
        claim = one.get("persistentVolumeClaim")
        if claim is not None:
            claims.append(_only(claim, ("claimName",)))
        elif "ephemeral" in one:
            # pkg/controller/volume/ephemeral: the claim of such a volume is called POD-VOLUME.
            claims.append({"claimName": f"{pod}-{one.get('name', '')}"})
        for source in one:
            if source not in _PLAIN_VOLUMES and source not in ("name", "persistentVolumeClaim", "ephemeral"):
                told[
                    f"Pod: a volume's {source} is left out: what it may share with other Pods is not judged"
                ] += 1
    return [
        {"name": f"v{number}", "persistentVolumeClaim": claim}
        for number, claim in enumerate(claims)
    ]  # fmt: skip


def _node(tree: Mapping[str, Any], _metadata: Tree, told: Told) -> Tree:
    given, status = tree.get("spec", {}), tree.get("status", {})
    for name in given if isinstance(given, Mapping) else ():
        if name not in _NODE_SPEC and name not in _NODE_SILENT:
            told[f"Node: spec.{name} is not known here and left out"] += 1
    if not isinstance(status, Mapping):
        return {"status": status}
    taken = _only(status, _NODE_STATUS)
    taken["conditions"] = _each(
        status.get("conditions", []), lambda one, _: _only(one, ("type", "status", "reason"))
    )
    taken["images"] = _each(status.get("images") or [], lambda one, _: _only(one, ("names", "sizeBytes")))
    return {"spec": _only(given, _NODE_SPEC), "status": taken}


def _volume(tree: Mapping[str, Any], metadata: Tree, told: Told) -> Tree:
    given = tree.get("spec")
    if not isinstance(given, Mapping):
        return {"spec": given}
    spec: Tree = _only(given, ("capacity", "accessModes", "storageClassName", "volumeMode", "nodeAffinity"))
    if given.get("claimRef"):
        # Without the claim's uid, which is another here: IsVolumeBoundToClaim (component-helpers) compares it
        # where there is one.
        spec["claimRef"] = _only(given["claimRef"], ("apiVersion", "kind", "name", "namespace"))
    csi = given.get("csi")
    driver = csi.get("driver", "") if isinstance(csi, Mapping) else NO_LIMITS
    if csi is None:
        told["PersistentVolume: what is not CSI becomes a CSI volume of which a node takes any number"] += 1
    spec["csi"] = {"driver": driver, "volumeHandle": metadata["name"]}
    return {"spec": spec}


def _claim(tree: Mapping[str, Any], metadata: Tree, _told: Told) -> Tree:
    names = ("accessModes", "resources", "volumeName", "storageClassName", "volumeMode", "selector")
    spec = _only(tree.get("spec", {}), names)
    annotations = tree["metadata"].get("annotations")
    if isinstance(annotations, Mapping) and BIND_COMPLETED in annotations:
        metadata["annotations"] = {BIND_COMPLETED: "yes"}
    return {"spec": spec}


def _storage_class(tree: Mapping[str, Any], _metadata: Tree, _told: Told) -> Tree:
    return dict(_only(tree, ("provisioner", "volumeBindingMode", "allowedTopologies", "reclaimPolicy")))


def _csi_node(tree: Mapping[str, Any], metadata: Tree, _told: Told) -> Tree:
    drivers = tree.get("spec", {})
    drivers = drivers.get("drivers") if isinstance(drivers, Mapping) else drivers

    def driver(one: Mapping[str, Any], _: int) -> Tree:
        return {**_only(one, ("name", "topologyKeys", "allocatable")), "nodeID": metadata["name"]}

    return {"spec": {"drivers": _each(drivers or [], driver)}}


def _csi_driver(tree: Mapping[str, Any], _metadata: Tree, _told: Told) -> Tree:
    return {
        "spec": _only(
            tree.get("spec", {}), ("storageCapacity", "attachRequired", "preventPodSchedulingIfMissing")
        )
    }


def _csi_capacity(tree: Mapping[str, Any], _metadata: Tree, _told: Told) -> Tree:
    return dict(_only(tree, ("storageClassName", "capacity", "maximumVolumeSize", "nodeTopology")))


def _owner(tree: Mapping[str, Any], _metadata: Tree, _told: Told) -> Tree:
    """Of a ReplicaSet, StatefulSet or ReplicationController only whose Pods it has.

    What spreading by default asks for.
    """
    given = tree.get("spec")
    if not isinstance(given, Mapping):
        return {"spec": given}
    template = given.get("template")
    metadata = template.get("metadata") if isinstance(template, Mapping) else {}
    spec: Tree = _only(given, ("replicas", "selector"))
    spec["template"] = {
        "metadata": _only(metadata, ("labels",)),
        "spec": {"containers": [{"name": "c0", "image": "none"}]},
    }
    if tree["kind"] == "StatefulSet":
        spec["serviceName"] = "none"
    return {"spec": spec}


def _budget(tree: Mapping[str, Any], _metadata: Tree, _told: Told) -> Tree:
    status = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
    return {
        "spec": _only(tree.get("spec", {}), ("selector", "minAvailable", "maxUnavailable")),
        "status": _only(tree.get("status", {}), status),
    }


def _priority_class(tree: Mapping[str, Any], _metadata: Tree, _told: Told) -> Tree:
    # Not globalDefault: every Pod of an export says its class and its priority.
    return dict(_only(tree, ("value", "preemptionPolicy")))


def _namespace(_tree: Mapping[str, Any], _metadata: Tree, _told: Told) -> Tree:
    return {}


_KINDS: Final[Mapping[str, Callable[[Mapping[str, Any], Tree, Told], Tree]]] = {
    "Namespace": _namespace, "PriorityClass": _priority_class, "StorageClass": _storage_class,
    "CSIDriver": _csi_driver, "Node": _node, "CSINode": _csi_node, "CSIStorageCapacity": _csi_capacity,
    "PersistentVolume": _volume, "PersistentVolumeClaim": _claim, "ReplicationController": _owner,
    "ReplicaSet": _owner, "StatefulSet": _owner, "PodDisruptionBudget": _budget, "Pod": _pod,
}  # fmt: skip
#: the kinds that are taken over, in the order in which they are created
KINDS: Final = tuple(_KINDS)
