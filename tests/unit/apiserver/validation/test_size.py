"""Objects as large as a request may be are judged in time and space that grow with them (I19, I20).

No list is searched for each of its items.
"""

from collections.abc import Callable
from time import thread_time

import pytest

from apiserver.validation import pods
from apiserver.validation.place import MAX_VIOLATIONS, find_violations
from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_pod

FEW, MANY = 1_000, 16_000
#: sixteen times as large: a step more for each level of a tree is let pass, a search of a list for each of
#: its items is not
GROWS = 60


def owned(many: int) -> pod_pb2.Pod:
    """Every owner says that it is the controller: an error that shows the owners."""
    pod = make_pod("a")
    for number in range(many):
        pod.metadata.owner_references.add(
            api_version="v1", kind="Pod", name=f"a{number}", uid=f"u{number}", controller=True
        )
    return pod


def test_of_very_many_violations_the_first_are_named() -> None:
    """A request of 3 MiB has room for a million of them; each costs its path and its text."""
    pod = make_pod("a")
    for number in range(FEW):
        pod.spec.tolerations.add(key=f"k{number}", operator="Odd")
    found = find_violations(pods.check_create, pod)
    assert len(found) == MAX_VIOLATIONS
    named = [error.field for error in found if "tolerations" in error.field]
    assert named == [f"spec.tolerations[{number}].operator" for number in range(len(named))]


def spread(many: int) -> pod_pb2.Pod:
    pod = make_pod("a")
    for number in range(many):
        pod.spec.topology_spread_constraints.add(
            max_skew=1, topology_key=f"k{number}", when_unsatisfiable="DoNotSchedule"
        )
    return pod


def affine(many: int) -> pod_pb2.Pod:
    pod = make_pod("a")
    terms = pod.spec.affinity.pod_affinity.required_during_scheduling_ignored_during_execution
    term = terms.add(topology_key="zone")
    for number in range(many):
        term.match_label_keys.append(f"a{number}")
        term.mismatch_label_keys.append(f"b{number}")
        term.label_selector.match_labels[f"a{number}"] = "x"
        term.label_selector.match_expressions.add(key=f"a{number}", operator="Exists")
    return pod


def seconds_of(pod: pod_pb2.Pod) -> float:
    """Return the processor's time, the shortest of three, for which it does not matter who else is busy."""
    times = []
    for _ in range(3):
        begun = thread_time()
        find_violations(pods.check_create, pod)
        times.append(thread_time() - begun)
    return min(times)


@pytest.mark.parametrize("make", [owned, spread, affine])
def test_a_large_object_is_judged_in_linear_time(make: Callable[[int], pod_pb2.Pod]) -> None:
    assert seconds_of(make(MANY)) < GROWS * seconds_of(make(FEW))


@pytest.mark.parametrize("make", [owned, spread, affine])
def test_a_large_object_is_judged_in_linear_space(make: Callable[[int], pod_pb2.Pod]) -> None:
    violations = find_violations(pods.check_create, make(MANY))
    assert sum(len(str(violation)) for violation in violations) < 500 * MANY
