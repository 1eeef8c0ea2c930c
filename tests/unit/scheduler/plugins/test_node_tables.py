"""TaintToleration, preferred NodeAffinity and ImageLocality, case by case (upstream's taint_toleration_test.go,
node_affinity_test.go and image_locality_test.go, as behaviour)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from scheduler.columns.node_table import NodeTable
from scheduler.framework.interface import UNRESOLVABLE, CycleState, FilterPlugin, ScorePlugin
from scheduler.plugins.image_locality import ImageLocality
from scheduler.plugins.node_affinity import NodeAffinity
from scheduler.plugins.node_filters import TaintToleration
from tests.unit.scheduler.objects import node, pod, pod_class, table, term
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.testing.builders import make_container, make_pod

#: (key, value, effect); (key, operator, value, effect)
Taint = tuple[str, str, str]
Toleration = tuple[str, str, str, str]
NO, EXEC, PREFER = "NoSchedule", "NoExecute", "PreferNoSchedule"


def refuses(plugin: FilterPlugin, on: NodeTable, made: pod_pb2.Pod) -> list[bool]:
    """Say of each node whether it is refused, for good."""
    asked, nodes, state = pod_class(made), on.snapshot(), CycleState()
    if plugin.pre_filter(state, asked, nodes).skip:
        return [False] * nodes.size
    codes = [plugin.filter_row(state, asked, nodes, row) for row in range(nodes.size)]
    found = plugin.filter(state, asked, nodes, nodes.all)
    assert codes == ([0] * nodes.size if found is None else found.tolist())
    assert all(code == 0 or code & UNRESOLVABLE for code in codes)
    return [code != 0 for code in codes]


def scores(plugin: ScorePlugin, on: NodeTable, made: pod_pb2.Pod) -> list[int]:
    """Return the scores of all nodes, scaled where the plugin scales; 0 where it has nothing to say."""
    asked, nodes, state = pod_class(made), on.snapshot(), CycleState()
    if not plugin.pre_score(state, asked, nodes):
        return [0] * nodes.size
    raw = plugin.score(state, asked, nodes, nodes.all)
    assert [plugin.score_row(state, asked, nodes, row) for row in range(nodes.size)] == raw.tolist()
    return plugin.scale(raw, int(raw.min()), int(raw.max())).tolist() if plugin.scales else raw.tolist()


@dataclass(frozen=True)
class Tainted:
    name: str
    taints: Sequence[Taint]
    tolerations: Sequence[Toleration]
    fits: bool


TAINTS = [
    Tainted("nothing at all", [], [], True),
    Tainted("a toleration of nothing", [], [("a", "Equal", "b", NO)], True),
    Tainted("a taint", [("a", "b", NO)], [], False),
    Tainted("the same", [("a", "b", NO)], [("a", "Equal", "b", NO)], True),
    Tainted("another key", [("a", "b", NO)], [("c", "Equal", "b", NO)], False),
    Tainted("another value", [("a", "b", NO)], [("a", "Equal", "c", NO)], False),
    Tainted("another effect", [("a", "b", NO)], [("a", "Equal", "b", EXEC)], False),
    Tainted("a preference does not cover a rule", [("a", "b", NO)], [("a", "Equal", "b", PREFER)], False),
    Tainted("any effect", [("a", "b", EXEC)], [("a", "Equal", "b", "")], True),
    Tainted("any value", [("a", "b", NO)], [("a", "Exists", "", NO)], True),
    Tainted("any value of another key", [("a", "b", NO)], [("c", "Exists", "", NO)], False),
    Tainted("any key", [("a", "b", NO)], [("", "Exists", "", NO)], True),
    Tainted("any key, another effect", [("a", "b", NO)], [("", "Exists", "", EXEC)], False),
    Tainted("no value on either side", [("a", "", NO)], [("a", "Equal", "", NO)], True),
    Tainted("a value where there is none", [("a", "", NO)], [("a", "Equal", "b", NO)], False),
    Tainted("keys are compared to the letter", [("A", "b", NO)], [("a", "Equal", "b", NO)], False),
    Tainted("two taints, both tolerated", [("a", "", NO), ("b", "", EXEC)], [("a", "Exists", "", ""), ("b", "Exists", "", "")], True),
    Tainted("two taints, one tolerated", [("a", "", NO), ("b", "", EXEC)], [("b", "Exists", "", "")], False),
    Tainted("one key with two effects, one tolerated", [("a", "", NO), ("a", "", EXEC)], [("a", "Exists", "", NO)], False),
    Tainted("one key with two effects, both tolerated", [("a", "", NO), ("a", "", EXEC)], [("a", "Exists", "", "")], True),
    Tainted("a preference beside a rule that is tolerated", [("a", "", NO), ("b", "", PREFER)], [("a", "Exists", "", NO)], True),
    Tainted("the second toleration covers", [("a", "b", NO)], [("a", "Equal", "x", NO), ("a", "Equal", "b", NO)], True),
    Tainted("a node that is not ready", [("node.kubernetes.io/not-ready", "", EXEC)], [("node.kubernetes.io/not-ready", "Exists", "", EXEC)], True),
    Tainted("a control plane", [("node-role.kubernetes.io/control-plane", "", NO)], [], False),
]  # fmt: skip


@pytest.mark.parametrize("case", TAINTS, ids=lambda case: case.name)
def test_taints(case: Tainted) -> None:
    on = table(node("a", taints=case.taints), node("b"))
    assert refuses(TaintToleration(), on, pod(tolerations=case.tolerations)) == [not case.fits, False]


@dataclass(frozen=True)
class Disliked:
    name: str
    nodes: Sequence[Sequence[Taint]]
    tolerations: Sequence[Toleration]
    want: Sequence[int]


DISLIKED = [
    Disliked("the tolerated one is better", [[("a", "b", PREFER)], [("a", "c", PREFER)]], [("a", "Equal", "b", PREFER)], [100, 0]),
    Disliked("where all are tolerated there is nothing to say", [[], [("a", "", PREFER)], [("a", "", PREFER), ("b", "", PREFER)]],
             [("a", "Exists", "", PREFER), ("b", "Exists", "", PREFER)], [0, 0, 0]),
    Disliked("the more, the worse", [[], [("a", "", PREFER)], [("a", "", PREFER), ("b", "", PREFER)]], [], [100, 50, 0]),
    Disliked("one of two is tolerated", [[], [("a", "", PREFER)], [("a", "", PREFER), ("b", "", PREFER)]],
             [("a", "Exists", "", PREFER)], [100, 100, 0]),
    Disliked("rules do not count", [[("a", "", NO)], [("a", "", PREFER)]], [], [100, 0]),
    Disliked("a toleration of a rule is none of a preference", [[], [("a", "", PREFER)]], [("a", "Exists", "", NO)], [100, 0]),
    Disliked("a toleration of any effect is", [[("b", "", PREFER)], [("a", "", PREFER)]], [("a", "Exists", "", "")], [0, 100]),
    Disliked("all alike", [[("a", "", PREFER)], [("b", "", PREFER)]], [], [0, 0]),
    Disliked("a third of the worst", [[("a", "", PREFER)], [(key, "", PREFER) for key in "abc"]], [], [67, 0]),
    Disliked("two thirds of the worst", [[(key, "", PREFER) for key in "ab"], [(key, "", PREFER) for key in "abc"]], [], [34, 0]),
]  # fmt: skip


@pytest.mark.parametrize("case", DISLIKED, ids=lambda case: case.name)
def test_fewer_taints_that_ask_are_better(case: Disliked) -> None:
    on = table(*(node(f"n{number}", taints=taints) for number, taints in enumerate(case.nodes)))
    assert scores(TaintToleration(), on, pod(tolerations=case.tolerations)) == list(case.want)


@dataclass(frozen=True)
class Preferred:
    name: str
    #: weight, conditions
    terms: Sequence[tuple[int, Sequence[tuple[str, str, Sequence[str]]]]]
    want: Sequence[int]
    nodes: Sequence[Mapping[str, str]] = field(
        default=({"zone": "a", "disk": "ssd"}, {"zone": "b"}, {"zone": "a"})
    )


PREFERRED = [
    Preferred("one term", [(5, [("zone", "In", ["a"])])], [100, 0, 100]),
    Preferred("two terms add up", [(2, [("zone", "In", ["a"])]), (3, [("disk", "In", ["ssd"])])], [100, 0, 40]),
    Preferred("conditions of a term must all hold", [(5, [("zone", "In", ["a"]), ("disk", "Exists", [])])], [100, 0, 0]),
    Preferred("a term for each", [(1, [("zone", "In", ["a"])]), (1, [("zone", "In", ["b"])])], [100, 100, 100]),
    Preferred("the weights say who is better", [(10, [("zone", "In", ["a"])]), (90, [("zone", "In", ["b"])])], [11, 100, 11]),
    Preferred("nobody", [(5, [("zone", "In", ["c"])])], [0, 0, 0]),
    Preferred("everybody", [(5, [("zone", "Exists", [])])], [100, 100, 100]),
    Preferred("what is not there", [(5, [("disk", "DoesNotExist", [])])], [0, 100, 100]),
    Preferred("not a value", [(5, [("zone", "NotIn", ["a"])])], [0, 100, 0]),
    Preferred("not a value, where there is none", [(5, [("disk", "NotIn", ["ssd"])])], [0, 100, 100]),
    Preferred("more than", [(5, [("cores", "Gt", ["8"])])], [0, 0, 100], [{"cores": "8"}, {"cores": "x"}, {"cores": "9"}]),
    Preferred("less than", [(5, [("cores", "Lt", ["9"])])], [100, 0, 0], [{"cores": "8"}, {"cores": "x"}, {"cores": "9"}]),
    Preferred("one of several values", [(5, [("zone", "In", ["x", "b"])])], [0, 100, 0]),
    Preferred("cut off, not rounded", [(1, [("zone", "In", ["a"])]), (2, [("disk", "Exists", [])])], [100, 0, 33]),
]  # fmt: skip


@pytest.mark.parametrize("case", PREFERRED, ids=lambda case: case.name)
def test_preferred_nodes(case: Preferred) -> None:
    on = table(*(node(f"n{number}", labels=labels) for number, labels in enumerate(case.nodes)))
    made = pod(preferred=[(weight, term(*conditions)) for weight, conditions in case.terms])
    assert scores(NodeAffinity(), on, made) == list(case.want)


MIB = 1024 * 1024


@dataclass(frozen=True)
class Images:
    name: str
    #: of each node: image -> MiB
    nodes: Sequence[Mapping[str, int]]
    containers: Sequence[str]
    want: Sequence[int]


def share(mib: float, containers: int = 1) -> int:
    """What so many MiB score: nothing up to 23, all at 1000 a container."""
    return int(100 * (min(max(mib, 23), 1000 * containers) - 23) / (1000 * containers - 23))


IMAGES = [
    Images("the larger image is better", [{"a:1": 40}, {"b:1": 250}], ["a:1", "b:1"], [share(20, 2), share(125, 2)]),
    Images("a small one and nothing", [{"a:1": 10}, {}], ["a:1"], [0, 0]),
    Images("at the top of one container", [{"a:1": 2000}, {}], ["a:1"], [100, 0]),
    Images("beyond the top", [{"a:1": 4000}, {}], ["a:1"], [100, 0]),
    Images("half of the nodes, half of the size", [{"a:1": 600}, {}], ["a:1"], [share(300), 0]),
    Images("a third", [{"a:1": 900}, {}, {}], ["a:1"], [share(300), 0, 0]),
    Images("two thirds", [{"a:1": 900}, {"a:1": 900}, {}], ["a:1"], [share(600), share(600), 0]),
    Images("all", [{"a:1": 900}, {"a:1": 900}, {"a:1": 900}], ["a:1"], [share(900)] * 3),
    Images("different images on different nodes", [{"a:1": 400}, {"b:1": 400}], ["a:1", "b:1"], [share(200, 2)] * 2),
    Images("both on one", [{"a:1": 400, "b:1": 400}, {}], ["a:1", "b:1"], [share(400, 2), 0]),
    Images("one that nobody has", [{"a:1": 400}, {}], ["a:1", "c:1"], [share(200, 2), 0]),
    Images("one that nobody asks for", [{"a:1": 400, "b:1": 900}, {}], ["a:1"], [share(200), 0]),
    Images("a digest", [{"a@sha256:12": 400}, {}], ["a@sha256:12"], [share(200), 0]),
    Images("another digest", [{"a@sha256:12": 400}, {}], ["a@sha256:34"], [0, 0]),
    Images("another registry", [{"one/a:1": 400}, {}], ["two/a:1"], [0, 0]),
    Images("a tag that is latest by name", [{"a:latest": 400}, {}], ["a:latest"], [share(200), 0]),
    Images("a single node", [{"a:1": 500}], ["a:1"], [share(500)]),
    Images("three containers", [{"a:1": 600, "b:1": 600, "c:1": 600}], ["a:1", "b:1", "c:1"], [share(1800, 3)]),
]  # fmt: skip


def with_images(name: str, images: Mapping[str, int]) -> node_pb2.Node:
    made = node(name)
    for image, mib in images.items():
        made.status.images.add(names=[image], size_bytes=mib * MIB)
    return made


@pytest.mark.parametrize("case", IMAGES, ids=lambda case: case.name)
def test_images(case: Images) -> None:
    on = table(*(with_images(f"n{number}", images) for number, images in enumerate(case.nodes)))
    made = make_pod(
        containers=[make_container(f"c{number}", image) for number, image in enumerate(case.containers)]
    )
    assert scores(ImageLocality(), on, made) == list(case.want)
