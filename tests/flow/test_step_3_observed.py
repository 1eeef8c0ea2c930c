"""Step 3, OBSERVED: the kubelet of the Pod's node sees it over its watch and prepares; no other one does."""

import pytest

from tests.support.manifests import on_node, pod
from tests.support.workspace import Workspace

pytestmark = pytest.mark.step(3)


@pytest.mark.beside_others
@pytest.mark.requirement("A3")
def test_only_the_kubelet_of_the_pods_node_acts(space: Workspace) -> None:
    wanted = {f"on-{number}": node for number, node in enumerate(space.cluster.nodes)}
    pods = space.start(*(pod(name, **on_node(node)) for name, node in wanted.items()))
    assert {one.metadata.name: one.spec.node_name for one in pods} == wanted
    for one in pods:
        assert list(space.node_containers(one.metadata.uid)) == [one.spec.node_name]
        trace = space.api.trace(space.namespace, one.metadata.uid)
        observed = next(record for record in trace.status.steps if record.step == "OBSERVED")
        assert (observed.component, observed.instance) == ("kubelet", one.spec.node_name)


@pytest.mark.requirement("A3")
def test_pod_that_names_its_node_needs_no_scheduler(space: Workspace) -> None:
    node = space.cluster.nodes[2]
    with space.cluster.frozen("scheduler"):
        [direct] = space.start(pod("direct", nodeName=node))
    assert list(space.node_containers(direct.metadata.uid)) == [node]
    space.cluster.wait_healthy()
