"""The checking mode names plugins that promise what they do not keep, and nobody else."""

from dataclasses import replace

import numpy as np

from scheduler.columns.snapshot import CPU
from scheduler.framework.interface import Reach
from scheduler.framework.plugin import Filter, Score
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Weighted
from tests.unit.scheduler.objects import node, pod
from tests.unit.scheduler.test_scheduler import running


class Fuller(Score):
    """Scores by what is taken on all nodes together."""

    reach = Reach.ROW

    def score(self, state, pod, nodes, rows):
        return np.full(nodes.size, min(int(nodes.requested[CPU].sum()) // 1000, 100))[rows]


class Greedy(Filter):
    """Refuses Pods that ask for much, and says that it does not look."""

    reach = Reach.NONE
    reads_requests = False

    def filter(self, state, pod, nodes, rows):
        return np.full(nodes.size, pod.request("cpu") < 500)[rows]


class Sleepy(Filter):
    """Wants a label, and does not hear when a node gets it."""

    reach = Reach.NONE
    hints = {}  # noqa: RUF012 - what others may write

    def filter(self, state, pod, nodes, rows):
        return np.full(nodes.size, "ready" not in nodes.labels)[rows]


async def test_our_own_plugins_keep_what_they_promise() -> None:
    async with running(node("n1"), node("n2"), check_plugins=True) as world:
        await world.create(
            *(pod(f"p{number}", {"cpu": "1"}) for number in range(10)), pod("port", ports=[(80, "")])
        )
        await world.advance(3)
        assert world.scheduler.plugin_check is not None
        assert world.scheduler.plugin_check.found == {}
        assert await world.node_of("port")


async def test_a_plugin_that_reaches_farther_than_it_says_is_named() -> None:
    profile = default_profile()
    profile = replace(
        profile, filters=(*profile.filters, Greedy()), scores=(*profile.scores, Weighted(Fuller(), 1))
    )
    async with running(node("n1"), node("n2"), profiles=[profile], check_plugins=True) as world:
        await world.create(pod("web", {"cpu": "1"}))
        await world.advance(1)
        assert world.scheduler.plugin_check is not None
        found = world.scheduler.plugin_check.found
        assert {*found} == {("Fuller", "reach"), ("Greedy", "reads_requests")}
        assert found["Fuller", "reach"] == "says reach ROW, and a Pod on n1 changes its answer for n2"


async def test_a_plugin_whose_hints_forget_a_pod_is_named() -> None:
    profile = replace(default_profile(), filters=(*default_profile().filters, Sleepy()))
    async with running(node("n1"), profiles=[profile], check_plugins=True) as world:
        await world.create(pod("web"))
        await world.advance(2)
        assert world.scheduler.plugin_check is not None
        assert world.scheduler.plugin_check.found == {}
        await world.add_node(node("n2", labels={"ready": "yes"}))
        await world.advance(2)
        assert {*world.scheduler.plugin_check.found} == {("Sleepy", "hints")}
