"""Step 2, SCHEDULED: the Pod waits in Pending, and the scheduler gives it a node, once."""

import json

import pytest

from tests.support.api import History
from tests.support.manifests import container, pod
from tests.support.workspace import Workspace, condition, phase
from vaina.api.core.v1 import pod_pb2
from vaina.kinds import POD

pytestmark = pytest.mark.step(2)

LABEL = "vaina.dev/test-disk"


def nodes_over_time(history: History[pod_pb2.Pod], name: str) -> list[str]:
    """Return spec.nodeName as it went from value to value."""
    values: list[str] = []
    for seen in history.of(name):
        if not values or values[-1] != seen.object.spec.node_name:
            values.append(seen.object.spec.node_name)
    return values


def label_node(space: Workspace, node: str, value: str | None) -> None:
    """Set the label of a node, or take it away."""
    patch = json.dumps({"metadata": {"labels": {LABEL: value}}})
    space.api.call(space.api.clients.nodes.patch(node, patch, patch_type="application/merge-patch+json"))


@pytest.mark.requirement("A2")
def test_pod_waits_pending_without_a_scheduler_and_is_bound_exactly_once(space: Workspace) -> None:
    with space.api.history(POD, space.namespace) as history:
        with space.cluster.stopped("scheduler"):
            space.apply(pod("patient"))
            waiting = space.wait("patient", phase("Pending"), "is Pending")
            assert waiting.spec.node_name == ""
            trace = space.api.trace(space.namespace, waiting.metadata.uid)
            # Traces are written in their own time.
            assert trace is None or [record.step for record in trace.status.steps] in ([], ["ADMITTED"])
        bound = space.running("patient")
    space.cluster.wait_healthy()
    assert bound.spec.node_name in space.cluster.nodes
    assert condition(bound, "PodScheduled") == "True"
    assert nodes_over_time(history, "patient") == ["", bound.spec.node_name]
    assert history.gaps == 0


@pytest.mark.beside_others
@pytest.mark.requirement("A2", "B14")
def test_pod_that_fits_nowhere_says_why_and_runs_as_soon_as_it_fits(space: Workspace) -> None:
    space.apply(pod("large", container(resources={"requests": {"cpu": "64"}})))
    waiting = space.wait("large", lambda p: condition(p, "PodScheduled") == "False", "is not scheduled")
    reason = next(one for one in waiting.status.conditions if one.type == "PodScheduled")
    assert (waiting.status.phase, waiting.spec.node_name) == ("Pending", "")
    assert reason.reason == "Unschedulable"
    assert reason.message.startswith(
        "0/4 nodes are available: 1 node(s) had untolerated taint(s), 3 Insufficient cpu."
    )

    space.apply(pod("choosy", nodeSelector={LABEL: space.namespace}))
    space.wait("choosy", lambda p: condition(p, "PodScheduled") == "False", "is not scheduled")
    node = space.cluster.nodes[1]
    label_node(space, node, space.namespace)
    assert space.running("choosy").spec.node_name == node
    label_node(space, node, None)


@pytest.mark.beside_others
@pytest.mark.requirement("B1")
def test_all_containers_of_a_pod_are_on_the_one_node_it_was_given(space: Workspace) -> None:
    [together] = space.start(pod("together", container("one"), container("two"), container("three")))
    found = space.node_containers(together.metadata.uid)
    assert list(found) == [together.spec.node_name]
    labels = [
        one["Config"]["Labels"].get("io.kubernetes.container.name") for one in found[together.spec.node_name]
    ]
    assert sorted(name for name in labels if name) == ["one", "three", "two"]
