"""Objects as large as a request may be are judged in time and space that grow with them (I19, I20): no list is searched for each of its items."""

from collections.abc import Callable

import pytest

from apiserver.validation import pods
from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_pod

MANY = 20_000


def owned() -> pod_pb2.Pod:
    """Every owner says that it is the controller: an error that shows the owners."""
    pod = make_pod("a")
    for number in range(MANY):
        pod.metadata.owner_references.add(
            api_version="v1", kind="Pod", name=f"a{number}", uid=f"u{number}", controller=True
        )
    return pod


def spread() -> pod_pb2.Pod:
    pod = make_pod("a")
    for number in range(MANY):
        pod.spec.topology_spread_constraints.add(
            max_skew=1, topology_key=f"k{number}", when_unsatisfiable="DoNotSchedule"
        )
    return pod


def affine() -> pod_pb2.Pod:
    pod = make_pod("a")
    terms = pod.spec.affinity.pod_affinity.required_during_scheduling_ignored_during_execution
    term = terms.add(topology_key="zone")
    for number in range(MANY):
        term.match_label_keys.append(f"a{number}")
        term.mismatch_label_keys.append(f"b{number}")
        term.label_selector.match_labels[f"a{number}"] = "x"
        term.label_selector.match_expressions.add(key=f"a{number}", operator="Exists")
    return pod


@pytest.mark.timeout(10)
@pytest.mark.parametrize("make", [owned, spread, affine])
def test_a_large_object_is_judged_in_linear_time_and_space(make: Callable[[], pod_pb2.Pod]) -> None:
    violations = pods.check_create(make())
    assert sum(len(str(violation)) for violation in violations) < 10_000_000
