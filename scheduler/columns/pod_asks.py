"""PURE: what one Pod asks of a node, as values, and how they are read from its spec.

No Pod's identity, and no other Pods.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from scheduler.columns.node_info import Taint, image_name
from vaina.api.core.v1 import pod_pb2, reference_pb2
from vaina.objects.integers import parse_int
from vaina.objects.pods import spec_requests

#: what scoring counts where a container requests none (`util.DefaultMilliCPURequest`)
DEFAULT_CPU_MILLIS: Final = 100
DEFAULT_MEMORY_BYTES: Final = 200 * 1024 * 1024

#: larger amounts count as this much: sums on a node stay within int64, and no node has so much
#: (`MAX_ALLOCATABLE`)
MAX_AMOUNT: Final = 1 << 53

#: as Kubernetes writes integers in tolerations: no plus, no leading zeros
_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,18}")

ANY_ADDRESS: Final = "0.0.0.0"


@dataclass(frozen=True, slots=True)
class NodeRequirement:
    """One condition on a label of a node (NodeSelectorRequirement)."""

    key: str
    #: In, NotIn, Exists, DoesNotExist, Gt, Lt
    operator: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        match self.operator:
            case "Exists" | "DoesNotExist":
                return f"{self.key} {self.operator}"
            case "Gt" | "Lt":
                return f"{self.key} {self.operator} {' '.join(self.values)}"
            case _:
                return f"{self.key} {self.operator} [{', '.join(self.values)}]"


@dataclass(frozen=True, slots=True)
class NodeTerm:
    """Conditions that must all hold; a term without any matches no node (NodeSelectorTerm)."""

    expressions: tuple[NodeRequirement, ...] = ()
    #: conditions on metadata.name, the only field there is
    fields: tuple[NodeRequirement, ...] = ()

    def __str__(self) -> str:
        return " and ".join(map(str, (*self.expressions, *self.fields)))


@dataclass(frozen=True, slots=True)
class PreferredTerm:
    """What a node gets when a term matches it."""

    weight: int
    term: NodeTerm


@dataclass(frozen=True, slots=True)
class Toleration:
    """A taint that does not matter to the Pod."""

    key: str
    #: Exists, Equal, or (KEP-5471) Lt, Gt: the taint's value is less or more than the toleration's
    operator: str
    value: str
    #: empty: any
    effect: str

    def tolerates(self, taint: Taint) -> bool:
        if self.effect and self.effect != taint.effect:
            return False
        if self.key and self.key != taint.key:
            return False
        match self.operator:
            case "Exists":
                return True
            case "Equal":
                return self.value == taint.value
            case "Lt" | "Gt":
                return self._compares(taint.value)
            case _:
                return False

    def _compares(self, value: str) -> bool:
        if not (_INTEGER.fullmatch(value) and _INTEGER.fullmatch(self.value)):
            return False
        found, bound = parse_int(value), parse_int(self.value)
        if found is None or bound is None:
            return False
        return found < bound if self.operator == "Lt" else found > bound


@dataclass(frozen=True, slots=True)
class HostPort:
    """A port of the node that a container wants for itself."""

    protocol: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A PersistentVolumeClaim that a volume of a Pod is."""

    name: str
    #: made for this Pod, and called after it and its volume
    ephemeral: bool = False
    #: name and uid of the Pod that an ephemeral one is made for
    pod_name: str = ""
    owner: str = ""


def nonzero_requests(spec: pod_pb2.PodSpec, amounts: Mapping[str, int]) -> tuple[int, int]:
    """Return millicores and bytes that scoring counts: of a container that names none, the defaults.

    `amounts` is what the Pod requests (`spec_requests`): the answer where all containers name both.
    """
    if not all(map(_names_both, spec.containers)) or not all(map(_names_both, spec.init_containers)):
        filled = pod_pb2.PodSpec()
        filled.CopyFrom(spec)
        for containers in (filled.containers, filled.init_containers):
            for container in containers:
                requests = container.resources.requests
                if "cpu" not in requests:
                    requests["cpu"].string = f"{DEFAULT_CPU_MILLIS}m"
                if "memory" not in requests:
                    requests["memory"].string = str(DEFAULT_MEMORY_BYTES)
        amounts = spec_requests(filled)
    return min(amounts.get("cpu", 0), MAX_AMOUNT), min(amounts.get("memory", 0), MAX_AMOUNT)


def _names_both(container: pod_pb2.Container) -> bool:
    requests = container.resources.requests
    return "cpu" in requests and "memory" in requests


def claims_of(spec: pod_pb2.PodSpec, pod_name: str, pod_uid: str = "") -> tuple[Claim, ...]:
    """Return the claims that its volumes are, each once."""
    found: dict[Claim, None] = {}
    for volume in spec.volumes:
        source = volume.volume_source
        if source.HasField("persistent_volume_claim"):
            found[Claim(source.persistent_volume_claim.claim_name)] = None
        elif source.HasField("ephemeral"):
            name = f"{pod_name}-{volume.name}"
            found[Claim(name, ephemeral=True, pod_name=pod_name, owner=pod_uid)] = None
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk that a Pod names itself, in a word.

    The same disk may have several (an RBD image by each of its monitors).
    """

    word: str
    read_only: bool = False

    @property
    def key(self) -> str:
        """What it is counted under; no claim has such a key."""
        return f"{self.word}:{'ro' if self.read_only else 'rw'}"


def disks_of(spec: pod_pb2.PodSpec) -> tuple[Disk, ...]:
    """Return the disks that Pods on one node may not have at once (isVolumeConflict)."""
    found: dict[Disk, None] = {}
    for volume in spec.volumes:
        source = volume.volume_source
        if source.HasField("gce_persistent_disk"):
            gce = source.gce_persistent_disk
            found[Disk(f"gce:{gce.pd_name}", gce.read_only)] = None
        elif source.HasField("aws_elastic_block_store"):
            # For one Pod alone, however it is read.
            found[Disk(f"aws:{source.aws_elastic_block_store.volume_id}")] = None
        elif source.HasField("iscsi"):
            found[Disk(f"iscsi:{source.iscsi.iqn}", source.iscsi.read_only)] = None
        elif source.HasField("rbd"):
            rbd = source.rbd
            for monitor in rbd.monitors:
                found[Disk(f"rbd:{monitor}:{rbd.pool}:{rbd.image}", rbd.read_only)] = None
    return tuple(found)


def features_of(spec: pod_pb2.PodSpec) -> frozenset[str]:
    """Return the features that a node must declare for the Pod (KEP-5328).

    Follows InferForPodScheduling of component-helpers' `nodedeclaredfeatures` (k8s.io/component-helpers
    v0.37.2): of the features that it knows only these three are needed for a Pod to be placed.
    """
    found: set[str] = set()
    containers = (*spec.init_containers, *spec.containers)
    if any(rule.action == "RestartAllContainers" for one in containers for rule in one.restart_policy_rules):
        found.add("RestartAllContainersOnContainerExits")
    if spec.host_network and spec.HasField("host_users") and not spec.host_users:
        found.add("UserNamespacesHostNetworkSupport")
    mounts = [mount for one in containers for mount in one.volume_mounts]
    for one in spec.ephemeral_containers:
        mounts += one.ephemeral_container_common.volume_mounts
    if any(mount.bind_mount_options for mount in mounts):
        found.add("VolumeBindMountOptions")
    return frozenset(found)


def images_of(spec: pod_pb2.PodSpec) -> tuple[str, ...]:
    """Return the names of all images it needs, as nodes list them."""
    names = [container.image for container in (*spec.init_containers, *spec.containers)]
    names += [
        volume.volume_source.image.reference
        for volume in spec.volumes
        if volume.volume_source.HasField("image")
    ]
    return tuple(sorted(image_name(name) for name in names))


def host_ports_of(spec: pod_pb2.PodSpec) -> tuple[HostPort, ...]:
    """Ports of the main containers and of the sidecars: those that run for long."""
    found: set[HostPort] = set()
    for container in spec.containers:
        found.update(_ports_of(container))
    for container in spec.init_containers:
        if container.restart_policy == "Always":
            found.update(_ports_of(container))
    return tuple(sorted(found, key=lambda port: (port.protocol, port.port, port.address)))


def _ports_of(container: pod_pb2.Container) -> set[HostPort]:
    return {
        HostPort(port.protocol or "TCP", port.host_ip or ANY_ADDRESS, port.host_port)
        for port in container.ports
        if port.host_port > 0
    }


def required_terms(affinity: pod_pb2.NodeAffinity) -> tuple[NodeTerm, ...] | None:
    """Return the terms of which a node must fulfil one; None: there is no such rule."""
    if not affinity.HasField("required_during_scheduling_ignored_during_execution"):
        return None
    return node_terms(affinity.required_during_scheduling_ignored_during_execution)


def node_terms(selector: reference_pb2.NodeSelector) -> tuple[NodeTerm, ...]:
    """Compile a NodeSelector."""
    return tuple(_term(term) for term in selector.node_selector_terms)


def preferred_terms(affinity: pod_pb2.NodeAffinity) -> tuple[PreferredTerm, ...]:
    """Return what nodes get for fulfilling terms."""
    return tuple(
        PreferredTerm(item.weight, _term(item.preference))
        for item in affinity.preferred_during_scheduling_ignored_during_execution
        if item.weight
    )


def _term(term: reference_pb2.NodeSelectorTerm) -> NodeTerm:
    return NodeTerm(
        expressions=tuple(
            NodeRequirement(item.key, item.operator, tuple(item.values)) for item in term.match_expressions
        ),
        fields=tuple(
            NodeRequirement(item.key, item.operator, tuple(item.values)) for item in term.match_fields
        ),
    )
