"""The scheduler decides as the plain reference does, in 2,000 random clusters.

See docs/scheduler-judge.md says how to try more.

`JUDGE_SEEDS=5000-9000` takes other seeds, one of them alone too (`JUDGE_SEEDS=17`). Of every other seed the
accelerators are on; `JUDGE_BOTH=1` plays each story with them off and on (`make judge`).
"""

import os
from collections.abc import Sequence

import pytest

from bench.judge.reference.scheduler import RULES
from scheduler.framework.registry import default_profile
from tests.unit.scheduler.clusters import NAMESPACES, Step, Storyteller, play, smallest
from tests.unit.scheduler.judge import Judge, plugins
from tests.unit.scheduler.objects import node, pod

CLUSTERS, PARTS = 2_000, 20
BOTH = bool(os.environ.get("JUDGE_BOTH"))  # noqa: TID251 - by hand, beside pytest
PLUGINS = plugins(default_profile())


def seeds() -> list[range]:
    """Return the seeds, in parts that tests can share out."""
    wanted = os.environ.get("JUDGE_SEEDS", f"0-{CLUSTERS}")  # noqa: TID251 - by hand, beside pytest
    first, _, last = wanted.partition("-")
    chosen = range(int(first), int(last or int(first) + 1))
    return [chosen[part::PARTS] for part in range(PARTS) if chosen[part::PARTS]]


def difference(seed: int, steps: Sequence[Step], *, without: str = "") -> str:
    """Return how the two differ on a story; an empty text when they do not."""
    for ahead in (False, True) if BOTH else (bool(seed % 2),):
        found = _difference(seed, steps, without=without, ahead=ahead)
        if found:
            return f"accelerators {'on' if ahead else 'off'}: {found}" if BOTH else found
    return ""


def _difference(seed: int, steps: Sequence[Step], *, without: str, ahead: bool) -> str:
    # Of some stories few classes are kept, of others all.
    judge = Judge(seed, without=without, classes=2 if seed % 3 else 16, ahead=ahead)
    for name, labels in NAMESPACES.items():
        judge.set_namespace(name, labels)
    try:
        play(judge, steps)
    except AssertionError as error:
        return str(error) or "they differ"
    return ""


@pytest.mark.parametrize("part", seeds(), ids=lambda part: f"{part[0]}..{part[-1]}")
def test_it_decides_as_the_reference_does(part: range) -> None:
    for seed in part:
        steps = Storyteller(seed, PLUGINS).story()
        if difference(seed, steps):
            least = smallest(steps, lambda fewer, seed=seed: bool(difference(seed, fewer)))  # type: ignore[misc]  # the default binds the seed
            story = "\n".join(str(step) for step in least)
            pytest.fail(f"seed {seed}: {difference(seed, least)}\n{story}", pytrace=False)


def test_it_decides_so_where_many_rows_have_changed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    # These clusters are small: what is done for many rows at once is done here for each.
    monkeypatch.setattr("scheduler.decide.node_rows.ONE_BY_ONE", 0)
    monkeypatch.setattr("scheduler.decide.beyond.OWN_ROWS", 0)
    for seed in range(CLUSTERS, CLUSTERS + 150):
        assert not difference(seed, Storyteller(seed, PLUGINS).story())


@pytest.mark.parametrize("plugin", sorted(PLUGINS & {rule.name for rule in RULES}))
def test_each_plugin_matters_to_the_stories(plugin: str) -> None:
    assert any(difference(seed, Storyteller(seed, PLUGINS).story(), without=plugin) for seed in range(200))


def test_what_is_shown_of_a_difference_is_as_little_as_needed() -> None:
    # Without taints in the reference a single tainted node and a single Pod are enough.
    seed = next(
        seed
        for seed in range(200)
        if difference(seed, Storyteller(seed, PLUGINS).story(), without="TaintToleration")
    )
    steps = Storyteller(seed, PLUGINS).story()
    least = smallest(steps, lambda fewer: bool(difference(seed, fewer, without="TaintToleration")))
    assert difference(seed, least, without="TaintToleration")
    assert len(least) < len(steps)
    for number in range(len(least)):
        assert not difference(seed, least[:number] + least[number + 1 :], without="TaintToleration")


def test_a_pod_that_is_to_come_keeps_away_whom_it_cannot_bear() -> None:
    judge = Judge()
    judge.set_node(node("n1", cpu="2", labels={"kubernetes.io/hostname": "n1"}))
    judge.schedule(pod("small", ports=[(80, "")]))
    important = pod("important", ports=[(80, "")], priority=10)
    term = important.spec.affinity.pod_anti_affinity.required_during_scheduling_ignored_during_execution.add()
    term.topology_key = "kubernetes.io/hostname"
    term.label_selector.match_labels["app"] = "noisy"
    noisy = pod("noisy", {"cpu": "100m"}, priority=5)
    noisy.metadata.labels["app"] = "noisy"
    assert not judge.schedule(important)
    assert [node for _, node, _ in judge.waiting] == ["n1"]
    # There is room for it, and nobody has a word against it who is there already.
    assert not judge.schedule(noisy)
    noisy.metadata.labels["app"] = "quiet"
    assert judge.schedule(noisy)
