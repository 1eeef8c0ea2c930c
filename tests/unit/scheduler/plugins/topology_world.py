"""Nodes in zones, Pods with labels, and what a plugin says of each node.

For the tables of affinity and spreading.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from scheduler.columns.node_info import compile_node
from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass, PodCompiler
from scheduler.framework.interface import CycleState, FeasibleScore, FilterPlugin, ScorePlugin, decode
from tests.unit.scheduler.objects import node
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.objects.selectors import parse_label_selector
from vaina.testing.builders import make_pod

ZONE, HOST = "zone", "kubernetes.io/hostname"
_OPERATORS = {"in": "In", "notin": "NotIn", "exists": "Exists", "!": "DoesNotExist", "=": "In", "!=": "NotIn"}


def selector(text: str) -> meta_pb2.LabelSelector:
    """Make a LabelSelector of `app=web,tier in (a,b),!old`; an empty text selects everything."""
    made = meta_pb2.LabelSelector()
    for item in parse_label_selector(text).requirements:
        if item.operator == "=":
            made.match_labels[item.key] = item.values[0]
        else:
            made.match_expressions.add(key=item.key, operator=_OPERATORS[item.operator], values=item.values)
    return made


def labels(text: str) -> dict[str, str]:
    """Read `app=web,tier=a`."""
    return dict(item.split("=") for item in text.split(",") if item)


def a_pod(text: str = "app=web", namespace: str = "default", *, going: bool = False) -> pod_pb2.Pod:
    """Make a Pod with labels."""
    return make_pod("p", namespace, labels=labels(text), deleted=1.0 if going else None)


class World:
    """A table of nodes and a compiler. Node `a1` is in zone a, and so on; `x` is in none."""

    def __init__(self, *names: str, **more: Mapping[str, str]) -> None:
        self.table, self.compiler = NodeTable(capacity=4), PodCompiler()
        for name in names:
            self.node(name, more.get(name, {}))

    def node(self, name: str, more: Mapping[str, str] | None = None, **kwargs: object) -> None:
        found = dict(more or {})
        if name[0] in "abc":
            found[ZONE] = name[0]
        found[HOST] = name
        self.table.upsert(compile_node(node(name, labels=found, **kwargs)))  # type: ignore[arg-type]  # the table's own words

    def place(self, name: str, made: pod_pb2.Pod, count: int = 1) -> PodClass:
        """Put Pods on a node."""
        placed = self.compiler.compile(made).pod_class
        for _ in range(count):
            self.table.add_pod(self.table.rows[name], placed)
        return placed

    def refusals(self, plugin: FilterPlugin, made: pod_pb2.Pod) -> dict[str, list[str]]:
        """Return the reasons of each node that is refused; asked by column and by row, which must agree."""
        pod, nodes, state = self.compiler.compile(made).pod_class, self.table.snapshot(), CycleState()
        if plugin.pre_filter(state, pod, nodes).skip:
            return {}
        codes = plugin.filter(state, pod, nodes, nodes.all)
        assert codes is not None
        assert [plugin.filter_row(state, pod, nodes, row) for row in range(nodes.size)] == codes.tolist()
        some = np.array([nodes.size - 1, 0], np.intp)
        part = plugin.filter(state, pod, nodes, some)
        assert part is not None
        assert part.tolist() == codes[some].tolist()
        return {
            nodes.names[row] or "": decode(int(code), plugin.reasons(pod))
            for row, code in enumerate(codes)
            if code
        }

    def raw(self, plugin: ScorePlugin, made: pod_pb2.Pod) -> list[int] | None:
        """Return raw scores; None: the plugin has nothing to say."""
        return self._scores(plugin, made)[0]

    def scores(
        self, plugin: ScorePlugin, made: pod_pb2.Pod, feasible: Sequence[bool] = ()
    ) -> list[int] | None:
        """Return scaled scores of all nodes."""
        return self._scores(plugin, made, feasible)[1]

    def _scores(
        self, plugin: ScorePlugin, made: pod_pb2.Pod, feasible: Sequence[bool] = ()
    ) -> tuple[list[int] | None, list[int] | None]:
        pod, nodes, state = self.compiler.compile(made).pod_class, self.table.snapshot(), CycleState()
        if not plugin.pre_score(state, pod, nodes):
            return None, None
        good = np.array(feasible, np.bool_) if feasible else nodes.valid.copy()
        ignored = None
        if isinstance(plugin, FeasibleScore):
            plugin.feasible_changed(state, pod, nodes, good)
            ignored = plugin.ignored(state)
        raw = plugin.score(state, pod, nodes, nodes.all)
        assert [plugin.score_row(state, pod, nodes, row) for row in range(nodes.size)] == raw.tolist()
        seen = good if ignored is None else good & ~ignored
        if not seen.any():
            return raw.tolist(), [0] * len(raw)
        scaled = plugin.scale(raw, int(raw[seen].min()), int(raw[seen].max()))
        return raw.tolist(), (scaled if ignored is None else np.where(ignored, 0, scaled)).tolist()
