"""What is explained is what is decided.

In random clusters with constraints of every plugin, before each decision.
"""

import pytest

from scheduler.columns.readout import compare, read_out
from scheduler.explain.evaluate import Evaluation, evaluate
from scheduler.explain.remedies import Fit, copy, fill, remedies, would_decide
from scheduler.framework.registry import default_profile
from tests.unit.scheduler.clusters import NAMESPACES, Storyteller, play
from tests.unit.scheduler.judge import Judge, plugins
from vaina.api.core.v1 import pod_pb2

PLUGINS = plugins(default_profile())
STORIES, PARTS = 40, 4


class Explaining(Judge):
    """Asks before each decision, and compares the answer with what is right."""

    fits = 0

    def schedule(self, template: pod_pb2.Pod) -> bool:
        made = pod_pb2.Pod()
        made.CopyFrom(template)
        made.metadata.name = made.metadata.uid = "asked"
        made.status.start_time.seconds = self.number + 1
        pod, before = self.compiler.compile(made).pod_class, read_out(self.cache.table.snapshot())
        seen = evaluate(pod, self.cache.table, self.profile)
        verdict = self.reference.decide(made, "")
        assert {seen.name(index) for index in seen.ties()} == verdict.best
        assert (seen.feasible, seen.message) == (verdict.feasible, verdict.message)
        self._compare_groups(seen)
        found = would_decide(pod, self.cache.table, self.profile, self.cache.on)
        assert (found is None) == bool(verdict.best)
        if found is not None:
            assert found.message == " ".join(
                words for words in (verdict.message, verdict.preemption) if words
            )
            assert found.rejected_by <= {plugin for plugin, _, _ in seen.reason_counts()}
            assert found.nominated in verdict.candidates or not verdict.candidates
        assert not any(compare(before, read_out(self.cache.table.snapshot()))), "asking has changed something"
        if self.number % 3 == 0:
            self._compare_fit(made, seen)
        return super().schedule(template)

    def _compare_groups(self, seen: Evaluation) -> None:
        groups, more = remedies(seen, 1000)
        assert more == 0
        assert sum(group.count for group in groups) == seen.count - seen.feasible
        for group in groups:
            assert all(item.lack for item in group.refusals)
            assert group.relative_lack > 0
        order = [
            (len(group.refusals), round(group.relative_lack, 6), -group.count, group.nodes[0])
            for group in groups
        ]
        assert order == sorted(order)

    def _compare_fit(self, made: pod_pb2.Pod, seen: Evaluation) -> None:
        fit = Fit()
        nodes = [item for item in self.cache.table.infos if item is not None]
        nominated = [(other, item.name) for item in nodes for other in self.cache.nominations.on(item.name)]
        for _ in copy(nodes, self.cache.held(), nominated, self.cache.table.topology.namespaces, fit.cache):
            pass
        want, have = read_out(fit.cache.table.snapshot()), read_out(self.cache.table.snapshot())
        assert not any(compare(have, want)), "the copy differs"
        for _ in fill(self.compiler.compile(made), self.profile, 3, fit):
            pass
        assert (fit.count > 0) == (seen.feasible > 0)
        self.fits += fit.count


@pytest.mark.parametrize("part", range(PARTS))
def test_what_is_explained_is_what_is_decided(part: int) -> None:
    fits = 0
    for seed in range(part, STORIES, PARTS):
        judge = Explaining(seed)
        for name, labels in NAMESPACES.items():
            judge.set_namespace(name, labels)
        play(judge, Storyteller(seed, PLUGINS).story())
        fits += judge.fits
    assert fits
