"""A plugin of others says in its own words what is in the way.

One that fails at that is described by its reasons.
"""

from dataclasses import replace

import pytest

from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Snapshot
from scheduler.explain.evaluate import evaluate
from scheduler.explain.remedies import remedies
from scheduler.framework.plugin import Filter
from scheduler.framework.registry import default_profile
from tests.unit.scheduler.objects import node, pod, pod_class, table


class Loud(Filter):
    """Refuses every node, for its noise."""

    reason = "node(s) were too loud"

    def filter(self, state, pod, nodes, rows):
        return nodes.valid[rows]

    def describe(self, pod: PodClass, nodes: Snapshot, row: int) -> str:
        return f"{nodes.labels['db'].values.values[nodes.labels['db'].codes[row]]} dB are too many"


class Mute(Loud):
    def describe(self, pod: PodClass, nodes: Snapshot, row: int) -> str:
        raise RuntimeError("no words")


def told(plugin: Filter, nodes: NodeTable) -> dict[str, int]:
    profile = replace(default_profile(), filters=(plugin,), scores=())
    groups, _ = remedies(evaluate(pod_class(pod()), nodes, profile), 100)
    return {"; ".join(item.lack for item in group.refusals): group.count for group in groups}


NODES = [node(name, labels={"db": db}) for name, db in (("a", "80"), ("b", "90"), ("c", "80"))]


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        (Loud(), {"80 dB are too many": 2, "90 dB are too many": 1}),
        (Mute(), {"were too loud": 3}),
    ],
)
def test_a_plugin_says_in_its_own_words_what_is_in_the_way(plugin: Filter, words: dict[str, int]) -> None:
    assert told(plugin, table(*NODES)) == words
