"""A Pod as scheduling sees it, compiled once: what it asks of a node, without the message.

Pods whose spec asks the same and whose labels are the same share one `PodClass`, by identity. Decisions,
queue hints and the columns take classes; what is particular to one Pod (key, uid, node) is in `PodInfo`.
Classes that ask the same and differ in labels have the same `Shape`: as long as no term of another Pod looks
at those labels they are decided as one. A plugin that looks at something new adds a field to `PodClass` **and
to its signature**: equal signatures are one shape.
"""

from collections.abc import Iterable, Mapping
from sys import intern
from typing import Final
from weakref import WeakValueDictionary

from scheduler.columns import pod_asks
from scheduler.columns.attachables import of_pod
from scheduler.columns.node_info import NO_EXECUTE, NO_SCHEDULE, Taint
from scheduler.columns.pod_terms import (
    NOTHING_ASKED,
    Asked,
    PodGroup,
    TermCompiler,
    asks_of_pods,
    label_keys,
    spread_owner,
)
from vaina.api.core.v1 import pod_pb2
from vaina.objects.pods import counted_spec, is_resized, spec_requests

#: specs whose class is remembered; the oldest goes first
MEMO_SIZE: Final = 4096

DEFAULT_SCHEDULER_NAME: Final = "default-scheduler"
#: later than any time
NOT_STARTED: Final = float("inf")
#: name and uid of no Pod in particular
NOBODY: Final = ("", "")


#: so many parts of a signature, from the first, are what is requested
REQUESTS: Final = 3


class Shape:
    """What Pods ask, as an identity: one object for equal signatures."""

    __slots__ = ("__weakref__",)


#: of a Pod that nobody said anything about
NO_GROUP: Final = PodGroup("", {})


class PodClass:
    """What Pods ask that are decided alike. Made by `PodCompiler` alone; compared by identity; never changed."""

    __slots__ = (
        "__weakref__",
        "asked",
        "attached",
        "claims",
        "disks",
        "features",
        "gates",
        "group",
        "host_ports",
        "images",
        "kind",
        "may_preempt",
        "node_affinity",
        "node_selector",
        "node_shape",
        "nonzero_cpu",
        "nonzero_memory",
        "preferred_nodes",
        "priority",
        "requests",
        "scheduler_name",
        "shape",
        "signature",
        "tolerations",
        "wanted_node",
    )

    def __init__(
        self,
        spec: pod_pb2.PodSpec,
        *,
        wanted_node: str = "",
        identity: tuple[str, str] = NOBODY,
    ) -> None:
        """Compile a spec; `wanted_node` is a node that alone will do (a what-if question). Raises QuantityError.

        `identity` (name, uid) matters to ephemeral volumes.
        """
        requests = spec_requests(spec)
        #: (resource, amount) of all that is more than nothing, by name; CPU in thousandths, otherwise units
        self.requests: tuple[tuple[str, int], ...] = tuple(
            (name, min(amount, pod_asks.MAX_AMOUNT))
            for name, amount in sorted(requests.items())
            if amount > 0 and name != "pods"
        )
        #: requests for scoring, where a container that names none counts as a small one
        self.nonzero_cpu, self.nonzero_memory = pod_asks.nonzero_requests(spec, requests)
        self.host_ports = pod_asks.host_ports_of(spec)
        self.tolerations = tuple(
            pod_asks.Toleration(item.key, item.operator or "Equal", item.value, item.effect)
            for item in spec.tolerations
        )
        self.node_selector = tuple(sorted(spec.node_selector.items()))
        #: None: no required affinity; an empty tuple matches nothing
        self.node_affinity: tuple[pod_asks.NodeTerm, ...] | None = None
        self.preferred_nodes: tuple[pod_asks.PreferredTerm, ...] = ()
        if spec.HasField("affinity") and spec.affinity.HasField("node_affinity"):
            self.node_affinity = pod_asks.required_terms(spec.affinity.node_affinity)
            self.preferred_nodes = pod_asks.preferred_terms(spec.affinity.node_affinity)
        self.priority = spec.priority
        self.may_preempt = spec.preemption_policy != "Never"
        self.gates = tuple(gate.name for gate in spec.scheduling_gates)
        self.wanted_node = wanted_node
        #: whose profile decides
        self.scheduler_name = spec.scheduler_name or DEFAULT_SCHEDULER_NAME
        #: of init containers, containers and image volumes, with tags; twice if used twice
        self.images = pod_asks.images_of(spec)
        #: PersistentVolumeClaims that its volumes are
        self.claims = pod_asks.claims_of(spec, *identity)
        #: disks that its volumes name, and that Pods on one node may not share
        self.disks = pod_asks.disks_of(spec)
        #: disks that its volumes name, and that take a place on the node
        self.attached = of_pod(spec)
        #: features that a node must declare for it
        self.features = pod_asks.features_of(spec)
        self.signature = (
            self.requests, self.nonzero_cpu, self.nonzero_memory, self.host_ports, self.tolerations,
            self.node_selector, self.node_affinity, self.preferred_nodes, self.priority, self.may_preempt,
            self.gates, wanted_node, self.scheduler_name, self.images, self.claims, self.disks,
            self.attached, self.features,
        )  # fmt: skip
        #: what other Pods see of it
        self.group = NO_GROUP
        #: what it asks of other Pods
        self.asked = NOTHING_ASKED
        #: of the signature, and what it asks of other Pods
        self.shape = Shape()
        #: of the signature: what it asks of nodes
        self.node_shape = self.shape
        #: of the signature without what it requests
        self.kind = Shape()

    def derive(self, shape: Shape, group: PodGroup, asked: Asked) -> "PodClass":
        made = PodClass.__new__(PodClass)
        for name in _COPIED:
            setattr(made, name, getattr(self, name))
        made.shape, made.group, made.asked = shape, group, asked
        return made

    def claim_keys(self) -> tuple[str, ...]:
        return tuple(f"{self.group.namespace}/{claim.name}" for claim in self.claims)

    @property
    def has_storage(self) -> bool:
        """Whether what it may do depends on storage, which stands in no column."""
        return bool(self.claims or self.disks or self.attached)

    def storage_keys(self) -> tuple[str, ...]:
        return (
            *self.claim_keys(),
            *(disk.key for disk in self.disks),
            *(disk.key for disk in self.attached),
        )

    def tolerates(self, taint: Taint) -> bool:
        return any(toleration.tolerates(taint) for toleration in self.tolerations)

    def untolerated(self, taints: Iterable[Taint]) -> list[Taint]:
        """Return the taints that keep the Pod away: of NoSchedule and NoExecute, and not tolerated."""
        return [
            taint
            for taint in taints
            if taint.effect in (NO_SCHEDULE, NO_EXECUTE) and not self.tolerates(taint)
        ]

    def request(self, resource: str) -> int:
        return next((amount for name, amount in self.requests if name == resource), 0)


_COPIED: Final = tuple(
    name for name in PodClass.__slots__ if name not in ("__weakref__", "asked", "group", "shape")
)


class PodInfo:
    """One Pod: who it is, where it is, and its class. Never changed; an update makes a new one."""

    __slots__ = (
        "_packed",
        "generation",
        "key",
        "name",
        "namespace",
        "node_name",
        "nominated_node_name",
        "pod_class",
        "resized",
        "started",
        "uid",
    )

    def __init__(self, pod: pod_pb2.Pod, pod_class: PodClass, *, resized: bool = False) -> None:
        meta = pod.metadata
        # Thousands of Pods have the same namespace, and dozens the same node.
        self.namespace, self.name, self.uid = intern(meta.namespace), meta.name, meta.uid
        self.generation = meta.generation
        self.key = f"{self.namespace}/{self.name}"
        #: empty until it is bound
        self.node_name = intern(pod.spec.node_name)
        self.pod_class = pod_class
        #: its status tells of other amounts than its spec (`is_resized`): the class has those too
        self.resized = resized
        self._show(pod)

    def _show(self, pod: pod_pb2.Pod) -> None:
        status = pod.status
        #: status.nominatedNodeName
        self.nominated_node_name = intern(status.nominated_node_name)
        #: when it was started, in seconds since the epoch; one that was not yet counts as the latest
        self.started = NOT_STARTED
        if status.HasField("start_time"):
            self.started = status.start_time.seconds + status.start_time.nanos / 1e9
        self._packed = pod.SerializeToString()

    @property
    def pod(self) -> pod_pb2.Pod:
        """The whole Pod, parsed anew: a message takes ten times the memory of its bytes (decision 237)."""
        return pod_pb2.Pod.FromString(self._packed)

    def at(self, node_name: str, pod: pod_pb2.Pod | None = None) -> "PodInfo":
        """Return the Pod as one of a node; `pod` is what the watch shows, of this class and generation."""
        made = PodInfo.__new__(PodInfo)
        made.namespace, made.name, made.uid, made.key = self.namespace, self.name, self.uid, self.key
        made.generation, made.pod_class, made.resized = self.generation, self.pod_class, self.resized
        made.node_name = node_name
        if pod is None:
            made.nominated_node_name, made.started = self.nominated_node_name, self.started
            made._packed = self._packed
        else:
            made._show(pod)
        return made

    def __repr__(self) -> str:
        return f"PodInfo({self.key}, node={self.node_name!r})"


class _Spec:
    """One spec, compiled as far as that goes without a Pod's namespace and labels."""

    __slots__ = ("asked", "asks", "bare", "keys", "last")

    def __init__(self, spec: pod_pb2.PodSpec, bare: PodClass) -> None:
        self.bare = bare
        self.asks = asks_of_pods(spec)
        #: the Pod's own labels that what it asks depends on
        self.keys = label_keys(spec) if self.asks else ()
        #: (namespace, values of those labels) -> what it asks of other Pods
        self.asked: dict[tuple[object, ...], Asked] = {}
        #: the class of the Pod that came last: most Pods of a spec are of one group
        self.last: PodClass | None = None


class PodCompiler:
    """Makes PodInfos, and one class for all Pods that ask the same and have the same labels.

    Owned by the scheduling task.
    """

    def __init__(self, *, memo_size: int = MEMO_SIZE) -> None:
        self._memo: dict[bytes, _Spec] = {}
        self._memo_size = memo_size
        self._terms = TermCompiler()
        self._shapes: WeakValueDictionary[tuple[object, ...], Shape] = WeakValueDictionary()
        self._classes: WeakValueDictionary[tuple[Shape, PodGroup], PodClass] = WeakValueDictionary()

    def compile(self, pod: pod_pb2.Pod) -> PodInfo:
        """Compile a Pod. Raises QuantityError or SelectorError: something cannot be read."""
        meta = pod.metadata
        resized = is_resized(pod)
        spec = counted_spec(pod) if resized else pod.spec
        known = self._spec(spec, "", (meta.name, meta.uid))
        found = known.last
        if found is None or not found.group.is_of(meta):
            group = self._terms.group(
                meta.namespace, meta.labels, owner=spread_owner(meta), terminating=meta.HasField("deletion_timestamp")
            )  # fmt: skip
            found = known.last = self._class(known, spec, group)
        return PodInfo(pod, found, resized=resized)

    def class_of(
        self,
        spec: pod_pb2.PodSpec,
        *,
        wanted_node: str = "",
        namespace: str = "",
        labels: Mapping[str, str] | None = None,
        owner: str = "",
        terminating: bool = False,
        identity: tuple[str, str] = NOBODY,
    ) -> PodClass:
        """Return the class of a spec, whatever node it is bound to. Raises QuantityError or SelectorError.

        `owner` is the uid of the controller among whose Pods it is spread by default, `identity` name and uid
        of the Pod, after which the claims of its ephemeral volumes are called and for which they are made.
        """
        known = self._spec(spec, wanted_node, identity)
        group = self._terms.group(namespace, labels or {}, owner=owner, terminating=terminating)
        return self._class(known, spec, group)

    def _class(self, known: _Spec, spec: pod_pb2.PodSpec, group: PodGroup) -> PodClass:
        bare, asked, shape = known.bare, NOTHING_ASKED, known.bare.shape
        namespace, owner = group.namespace, group.owner
        if known.asks:
            asked = self._asked(known, spec, group)
            # Which of its own selectors mean the Pod itself matters to it, and nothing else of its labels.
            own = tuple(selector.matches(group.labels) for selector in asked.selectors)
            shape = self._shape((bare.signature, asked.terms, asked.spread, namespace, own, owner))
        elif owner:
            # It is spread among the Pods of its owner by default.
            shape = self._shape((bare.signature, namespace, owner))
        found = self._classes.get((shape, group))
        if found is None:
            found = self._classes[shape, group] = bare.derive(shape, group, asked)
        return found

    def _spec(self, spec: pod_pb2.PodSpec, wanted_node: str, identity: tuple[str, str]) -> _Spec:
        if spec.node_name:
            bare = pod_pb2.PodSpec()
            bare.CopyFrom(spec)
            bare.ClearField("node_name")
            spec = bare
        # Deterministic, because maps have no order of their own: equal specs would become many classes.
        memo_key = spec.SerializeToString(deterministic=True)
        if spec.volumes and any(volume.volume_source.HasField("ephemeral") for volume in spec.volumes):
            # Its claims are called after the Pod, and are its own.
            memo_key += "/".join(identity).encode()
        found = None if wanted_node else self._memo.get(memo_key)
        if found is None:
            made = PodClass(spec, wanted_node=wanted_node, identity=identity)
            made.shape = made.node_shape = self._shape(made.signature)
            made.kind = self._shape(("kind", *made.signature[REQUESTS:]))
            found = _Spec(spec, made)
            if wanted_node:
                return found
            if len(self._memo) >= self._memo_size:
                del self._memo[next(iter(self._memo))]
            self._memo[memo_key] = found
        return found

    def _asked(self, known: _Spec, spec: pod_pb2.PodSpec, group: PodGroup) -> Asked:
        key = (group.namespace, *map(group.labels.get, known.keys))
        found = known.asked.get(key)
        if found is None:
            if len(known.asked) >= self._memo_size:
                known.asked.clear()
            found = known.asked[key] = self._terms.compile(spec, group.namespace, group.labels)
        return found

    def _shape(self, signature: tuple[object, ...]) -> Shape:
        found = self._shapes.get(signature)
        if found is None:
            found = self._shapes[signature] = Shape()
        return found
