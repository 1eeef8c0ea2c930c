"""Which Pods budgets cover, kept beside the caches: the same as looking at everything each time."""

import random
from collections.abc import Mapping

import pytest

from controller.disruption.reconcile import Coverage
from vaina.api.core.v1 import pod_pb2
from vaina.objects.disruption_budgets import Budget, covers
from vaina.objects.meta import object_key
from vaina.testing.builders import make_pod


def budget(name: str, text: str, namespace: str = "default") -> Budget:
    """Make a budget from a selector: `a=1`, `a in 1 2`, `a exists`, `a notin 1`, several with commas.

    Empty: none.
    """
    made = Budget()
    made.metadata.name, made.metadata.namespace = name, namespace
    for part in filter(None, text.split(",")):
        if "=" in part:
            key, value = part.split("=")
            made.spec.selector.match_labels[key] = value
            continue
        key, word, *values = part.split()
        operator = {"in": "In", "notin": "NotIn", "exists": "Exists", "absent": "DoesNotExist"}[word]
        made.spec.selector.match_expressions.add(key=key, operator=operator, values=values)
    return made


def pod(name: str, labels: Mapping[str, str], namespace: str = "default") -> pod_pb2.Pod:
    made = make_pod(name, labels=dict(labels))
    made.metadata.namespace = namespace
    return made


SELECTORS = ("a=1", "a=2", "a=1,b=1", "a in 1 2", "b exists", "a notin 1", "b=2,a in 1 3", "c absent", "")


@pytest.mark.parametrize("seed", range(20))
def test_after_any_events_it_is_what_a_look_at_everything_finds(seed: int) -> None:
    rng, coverage = random.Random(seed), Coverage()
    budgets: dict[str, Budget] = {}
    pods: dict[str, pod_pb2.Pod] = {}
    for _ in range(60):
        namespace = rng.choice(("default", "other"))
        if rng.random() < 0.3:
            made = budget(f"b{rng.randrange(6)}", rng.choice(SELECTORS), namespace)
            key = object_key(made)
            if rng.random() < 0.3:
                budgets.pop(key, None)
                coverage.drop(key)
            else:
                budgets[key] = made
                coverage.put(made)
        else:
            labels = {key: str(rng.randrange(1, 4)) for key in "abc" if rng.random() < 0.6}
            there = pod(f"p{rng.randrange(8)}", labels, namespace)
            key = object_key(there)
            before = {name for name, item in budgets.items() if key in pods and _covers(item, pods[key])}
            if rng.random() < 0.3:
                pods.pop(key, None)
                told = coverage.drop_pod(key)
                after: set[str] = set()
            else:
                pods[key] = there
                told = coverage.put_pod(there)
                after = {name for name, item in budgets.items() if _covers(item, there)}
            assert after <= told <= before | after
        for name, item in budgets.items():
            # Not each is looked at after each event: one that was not yet is found all the same.
            if rng.random() < 0.5:
                mine = [
                    there for there in pods.values() if there.metadata.namespace == item.metadata.namespace
                ]
                assert {*coverage.pods(name, lambda found=mine: found)} == {
                    key for key, there in pods.items() if _covers(item, there)
                }


def _covers(item: Budget, there: pod_pb2.Pod) -> bool:
    same = item.metadata.namespace == there.metadata.namespace
    return same and covers(item, there.metadata.labels)


def test_all_pods_are_looked_at_once_a_selector() -> None:
    coverage, looks = Coverage(), 0

    def everything() -> list[pod_pb2.Pod]:
        nonlocal looks
        looks += 1
        return [pod("x", {"a": "1"}), pod("y", {"a": "2"})]

    coverage.put(budget("b", "a=1"))
    for _ in range(3):
        assert {*coverage.pods("default/b", everything)} == {"default/x"}
        changed = budget("b", "a=1")
        changed.status.current_healthy = 5
        coverage.put(changed)
    assert looks == 1
    coverage.put(budget("b", "a=2"))
    assert {*coverage.pods("default/b", everything)} == {"default/y"}
    assert looks == 2


def test_what_a_budgets_number_rests_on_leads_back_to_it() -> None:
    coverage = Coverage()
    for name in ("x", "y"):
        coverage.put(budget(name, "a=1"))
        coverage.rests_on(f"default/{name}", ["set", name])
    assert {*coverage.resting_on("set")} == {"default/x", "default/y"}
    coverage.rests_on("default/x", ["x"])
    assert {*coverage.resting_on("set")} == {"default/y"}
    coverage.drop("default/y")
    assert not coverage.resting_on("set")
    assert not coverage.resting_on("y")
    coverage.rests_on("default/gone", ["set"])
    assert not coverage.resting_on("set")
