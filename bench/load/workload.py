"""What a workload is: operations with counts, and the named variants that give the counts. PURE.

The form is that of the reference's benchmark (kubernetes/kubernetes, test/integration/scheduler_perf,
`performance-config.yaml`): a file has a list of test cases, each with one sequence of operations and several
workloads that fill in its parameters. Keys and opcodes are the same; what has no meaning here (feature gates,
resource claims) is unknown, and refused as anything unknown is.
"""

from typing import Annotated, Literal

import msgspec

from vaina.durations import parse_duration

#: of anything that a workload counts: nodes, Pods, namespaces
MAX_COUNT = 1_000_000
#: of one step: each is a ReplicaSet that is made one by one
MAX_APPS = 10_000
#: seconds that `sleep` may take
MAX_SLEEP_SECONDS = 3600.0

Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=253)]


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What the file may say of a thing: these keys and no other."""


class Operation(Strict, frozen=True, forbid_unknown_fields=True, rename="camel", tag_field="opcode"):
    """One step of a workload; they follow one another."""


class Counted(Operation, frozen=True):
    """A step that is done so often: `count`, or `countParam: $name`."""

    count: Count | None = None
    count_param: str = ""


class LabelStrategy(Strict, frozen=True):
    """Labels of nodes: the values in turn."""

    label_key: Name
    label_values: Annotated[list[str], msgspec.Meta(min_length=1)]


class CSIAllocatable(Strict, frozen=True):
    """How many volumes of a driver a node takes."""

    count: Count


class AllocatableStrategy(Strict, frozen=True):
    """What nodes have beside their template, and the CSINode of each."""

    #: resource -> quantity, beside what the template says
    node_allocatable: dict[Name, str] = {}
    #: driver -> how many of its volumes
    csi_node_allocatable: dict[Name, CSIAllocatable] = {}
    #: in-tree plugins whose volumes a driver has taken over: kubernetes.io/aws-ebs
    migrated_plugins: list[Name] = []


class NodeTemplate(Strict, frozen=True):
    """One kind of a step's nodes, and which share of them is so: `1/3`."""

    node_template_path: Name
    share: str = "1"


class CreateNodes(Counted, frozen=True, tag="createNodes"):
    """Nodes after a template, or after several by shares."""

    node_template_path: str = ""
    #: instead; which node is of which kind is random, by the run's seed
    node_templates: list[NodeTemplate] = []
    label_node_prepare_strategy: LabelStrategy | None = None
    node_allocatable_strategy: AllocatableStrategy | None = None


class CreateNamespaces(Counted, frozen=True, tag="createNamespaces", kw_only=True):
    """Namespaces PREFIX-0, PREFIX-1, ..."""

    prefix: Name
    namespace_template_path: str = ""


class AppTemplate(Strict, frozen=True):
    """The ReplicaSet of some of a step's apps, and which share of them has it: `1/6`."""

    template_path: Name
    share: str = "1"
    #: of a volume and its claim that each Pod of these apps has; both or none
    persistent_volume_template_path: str = ""
    persistent_volume_claim_template_path: str = ""
    #: no node will ever do for their Pods, and nobody waits for them
    fits_nowhere: bool = False


class AppParams(Strict, frozen=True):
    """What some holes of the template are filled with in a share of the apps."""

    params: Annotated[dict[Name, str], msgspec.Meta(min_length=1)]
    share: str = "1"


class Apps(Strict, frozen=True):
    """Whose a step's Pods are: so many ReplicaSets, made by shares."""

    templates: Annotated[list[AppTemplate], msgspec.Meta(min_length=1)]
    count: Count | None = None
    count_param: str = ""
    #: how many Pods an app has beside another: as many, or (zipf) the second half of the first, the third a
    #: third, ...
    weights: Literal["equal", "zipf"] = "equal"
    #: under a name for people: choices, of which each app has one
    template_params: dict[Name, Annotated[list[AppParams], msgspec.Meta(min_length=1)]] = {}


class Owners(Strict, frozen=True):
    """Whose controllers make a step's Pods.

    So many Deployments, ReplicaSets, StatefulSets or Jobs, each of as many Pods, or DaemonSets.
    """

    template_path: Name
    count: Count | None = None
    count_param: str = ""


#: how long Pods of a steady state stay: all as long, or as what ends by chance does
Lifetimes = Literal["constant", "exponential"]


class CreatePods(Counted, frozen=True, tag="createPods"):
    """Pods after a template, or of apps, and unless told otherwise a wait until all have a node."""

    #: empty: one of its own, `namespace-` and the number of the step
    namespace: str = ""
    pod_template_path: str = ""
    #: of a volume and its claim, bound to one another, that each Pod has; both or none
    persistent_volume_template_path: str = ""
    persistent_volume_claim_template_path: str = ""
    #: instead of a template
    apps: Apps | None = None
    #: instead of both: controllers make the Pods
    owners: Owners | None = None
    collect_metrics: bool = False
    skip_wait_to_completion: bool = False
    #: so many of the Pods that have gates lose them a second, beside their creation; 0: none
    gates_lifted_per_second: Count = 0
    #: `count` Pods are there all the time: for a duration so many come a second, and as many go
    steady_state: bool = False
    duration: str = ""
    duration_param: str = ""
    pods_per_second: Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)] | None = None
    pods_per_second_param: str = ""
    #: None: constant
    lifetimes: Lifetimes | None = None


class Churn(Operation, frozen=True, tag="churn"):
    """Objects that come (and go) at intervals, beside all that follows."""

    template_paths: Annotated[list[Name], msgspec.Meta(min_length=1)]
    mode: Literal["create", "recreate"] = "create"
    #: of each template: in mode create at most so many (0: until the end), in mode recreate so many at once
    number: Count = 0
    #: None: 500, unless it goes by Pods
    interval_milliseconds: Annotated[int, msgspec.Meta(ge=1, le=3_600_000)] | None = None
    #: instead: whenever so many more of the run's Pods have been bound
    every_pods: Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)] | None = None
    namespace: str = ""


class ChurnNodes(Operation, frozen=True, tag="churnNodes", kw_only=True):
    """Nodes of the run that go at intervals and come back, beside all that follows."""

    #: no new Pods come to them; and their Pods are evicted; and they are deleted, and made anew
    mode: Literal["cordon", "drain", "recreate"]
    #: at most so many are away at once
    number: Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)] = 1
    interval_milliseconds: Annotated[int, msgspec.Meta(ge=1, le=3_600_000)] = 500


class UpdateOwners(Operation, frozen=True, tag="updateOwners"):
    """The Deployments, StatefulSets and DaemonSets of a namespace get another template, and their controllers
    put other Pods in the place of all.
    """

    namespace: Name
    #: of all containers; "": as `kubectl rollout restart` does, with an annotation
    image: str = ""
    #: 0: as fast as the callers get answers
    owners_per_second: Count = 0
    #: the Pods that come are measured
    collect_metrics: bool = False


class DeletePods(Operation, frozen=True, tag="deletePods"):
    """The Pods of a namespace go, all at once or so many a second."""

    namespace: Name
    delete_pods_per_second: Annotated[int, msgspec.Meta(ge=0)] = 0
    label_selector: dict[str, str] = {}
    skip_wait_to_completion: bool = False


class Barrier(Operation, frozen=True, tag="barrier"):
    """A wait for the Pods of these namespaces (none: of all) to have come so far."""

    namespaces: list[Name] = []
    #: of the Pods' templates; none: all
    label_selector: dict[str, str] = {}
    stage_requirement: Literal["Attempted", "Scheduled", "Running"] = "Scheduled"


class Sleep(Operation, frozen=True, tag="sleep"):
    """A pause: `duration: 5s`, or `durationParam: $name` in seconds."""

    duration: str = ""
    duration_param: str = ""


class CreateAny(Operation, frozen=True, tag="createAny"):
    """An object of any kind; with a count as many."""

    template_path: Name
    namespace: str = ""
    count: Count | None = None
    count_param: str = ""


class UpdateAny(Operation, frozen=True, tag="updateAny"):
    """Objects that are there are put as the template has them, all at once or so many a second."""

    template_path: Name
    namespace: str = ""
    count: Count | None = None
    count_param: str = ""
    #: 0: as fast as the apiserver answers
    update_per_second: Count = 0
    #: the steps that follow do not wait for it (the reference has no such key)
    skip_wait_to_completion: bool = False


class CreateObjects(Operation, frozen=True, tag="createObjects"):
    """The objects of a file of JSON lines, in their order, as they are: an imported cluster.

    Follows `vaina load import`.
    """

    path: Name
    #: they are Pods without nodes, and are measured; some may get none
    collect_metrics: bool = False


class StartCollectingMetrics(Operation, frozen=True, tag="startCollectingMetrics"):
    """From here on the Pods that are created in these namespaces (none: in any) are measured."""

    name: str = ""
    namespaces: list[Name] = []
    #: of the Pods' templates; none: all
    label_selector: dict[str, str] = {}


class StopCollectingMetrics(Operation, frozen=True, tag="stopCollectingMetrics"):
    """The end of what `startCollectingMetrics` began."""


AnyOperation = (
    CreateNodes
    | CreateNamespaces
    | CreatePods
    | Churn
    | ChurnNodes
    | UpdateOwners
    | DeletePods
    | Barrier
    | Sleep
    | CreateAny
    | UpdateAny
    | CreateObjects
    | StartCollectingMetrics
    | StopCollectingMetrics
)
OPCODES = tuple(
    str(kind.__struct_config__.tag)
    for kind in (
        CreateNodes, CreateNamespaces, CreatePods, Churn, ChurnNodes, UpdateOwners, DeletePods, Barrier, Sleep, CreateAny,
        UpdateAny, CreateObjects, StartCollectingMetrics, StopCollectingMetrics,
    )
)  # fmt: skip


class Variant(Strict, frozen=True):
    """One of a test case's workloads: its name, and what its parameters are."""

    name: Name
    params: dict[str, Count] = {}
    labels: list[Name] = []
    #: Pods a second that the reference's CI asks of itself for this workload: shown beside ours
    threshold: Annotated[float, msgspec.Meta(ge=0)] = 0.0


class TestCase(Strict, frozen=True):
    """One entry of a file."""

    #: pytest is not to collect it
    __test__ = False

    name: Name
    workload_template: Annotated[list[AnyOperation], msgspec.Meta(min_length=1)]
    workloads: Annotated[list[Variant], msgspec.Meta(min_length=1)]
    description: str = ""
    default_pod_template_path: str = ""
    labels: list[Name] = []


class Workload(msgspec.Struct, frozen=True):
    """A test case with one variant: what is run. Made by `bench.load.parse`."""

    case: TestCase
    variant: Variant
    #: the folder that template paths start from
    folder: str

    @property
    def name(self) -> str:
        """SchedulingBasic/5000Nodes_10000Pods."""
        return f"{self.case.name}/{self.variant.name}"

    @property
    def labels(self) -> frozenset[str]:
        """Of the variant and its test case."""
        return frozenset((*self.case.labels, *self.variant.labels))

    def count(self, operation: Counted | CreateAny | UpdateAny | Apps | Owners, default: int = 0) -> int:
        """Return how often a step is done, or how many apps there are."""
        if operation.count is not None:
            return operation.count
        name = operation.count_param.removeprefix("$")
        return self.variant.params[name] if name else default

    def rate(self, operation: CreatePods) -> float:
        """Return how many Pods of a steady state come a second."""
        if operation.pods_per_second is not None:
            return float(operation.pods_per_second)
        return float(self.variant.params[operation.pods_per_second_param.removeprefix("$")])

    def seconds(self, operation: Sleep | CreatePods) -> float:
        """Return how long a pause, or a steady state, takes."""
        if operation.duration_param:
            return float(self.variant.params[operation.duration_param.removeprefix("$")])
        return duration(operation.duration)


def duration(text: str) -> float:
    """Read 300ms, 5s, 2m, 1h as seconds.

    Raises:
        ValueError: it is none.
    """
    nanos = parse_duration(text)
    if nanos < 0:
        raise ValueError(f"{text} is negative")
    return nanos / 1e9
