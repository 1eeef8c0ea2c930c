"""A node that is out of reach: its Pods become Unknown, replicas are made elsewhere, and it is taken back
afterwards.
"""

from contextlib import ExitStack

import pytest

from tests.support.cluster import hold, wait_until
from tests.support.manifests import container, on_node, pod, replica_set
from tests.support.workspace import Workspace, condition, ready
from vaina.api.core.v1 import node_pb2
from vaina.kinds import NODE, POD

#: how long the test cluster is patient with a silent node (tests/support/cluster_plugin.py), and some more
NOTICED = 60.0


def node_ready(node: node_pb2.Node) -> str:
    """Return the status of a node's condition Ready."""
    return next((one.status for one in node.status.conditions if one.type == "Ready"), "")


@pytest.mark.requirement("D4", "B14", "B7")
def test_pods_of_a_silent_node_become_unknown_and_replicas_are_made_elsewhere(space: Workspace) -> None:
    # How long a Pod stays on a node that is out of reach is the Pod's own choice; 300 s when it says nothing.
    impatient = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute",
                 "tolerationSeconds": 3}  # fmt: skip
    space.apply(replica_set("web", 3, container(), tolerations=[impatient]))
    before = wait_until(
        lambda: [p for p in space.pods("app=web") if ready(p)] if ready_count(space) == 3 else [],
        60,
        "all run",
    )
    # A node that has at least one of them, and a Pod without a controller on it.
    lost = before[0].spec.node_name
    space.start(pod("bare", **on_node(lost)))
    with space.api.history(POD, space.namespace) as history, space.cluster.frozen(lost):
        space.api.wait(NODE, lost, lambda n: node_ready(n) == "Unknown", "is Unknown", timeout=NOTICED)
        bare = space.wait("bare", lambda p: p.status.phase == "Unknown", "is Unknown", timeout=NOTICED)
        assert bare.status.reason == "NodeLost"
        assert condition(bare, "Ready") == "False"
        table = space.cli("get", "pod", "bare")
        assert "NodeLost" in table
        wait_until(
            lambda: sum(ready(p) and p.spec.node_name != lost for p in space.pods("app=web")) == 3,
            NOTICED,
            "three replicas are ready on the other nodes",
        )
        # Nothing is force-deleted because a node is silent: what was there is still in the API.
        there = {p.metadata.uid for p in space.pods("app=web")}
        assert {p.metadata.uid for p in before} <= there
    space.api.wait(NODE, lost, lambda n: node_ready(n) == "True", "is Ready again", timeout=NOTICED)
    wait_until(lambda: len(space.pods("app=web")) == 3, NOTICED, "the old replicas are gone")
    old = [p for p in before if p.spec.node_name == lost]
    wait_until(
        lambda: all(space.node_containers(p.metadata.uid) == {} for p in old), NOTICED, "their containers too"
    )
    assert history.gaps == 0
    space.cluster.wait_healthy()


def ready_count(space: Workspace) -> int:
    """Count the replicas that are ready."""
    return sum(ready(p) for p in space.pods("app=web"))


@pytest.mark.soak
def test_when_most_nodes_are_silent_nothing_is_evicted(space: Workspace) -> None:
    """The control plane suspects itself (I13)."""
    first, second, _ = space.cluster.nodes
    # Longer than two nodes that fall silent at once can be apart (they renew their leases every 3 s).
    impatient = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute",
                 "tolerationSeconds": 6}  # fmt: skip
    space.start(*(pod(f"on-{n}", tolerations=[impatient], **on_node(n)) for n in space.cluster.nodes))
    with space.api.history(POD, space.namespace) as history:
        with ExitStack() as frozen:
            for node in (*space.cluster.containerd_nodes, first, second):
                frozen.enter_context(space.cluster.frozen(node))
            for node in (first, second):
                space.wait(f"on-{node}", lambda p: p.status.phase == "Unknown", "is Unknown", timeout=NOTICED)
            hold(9)  # longer than the Pods tolerate
        for node in space.cluster.nodes:
            space.ready(f"on-{node}", timeout=NOTICED)
    going = [s.object.metadata.name for s in history.seen if s.object.metadata.HasField("deletion_timestamp")]
    assert going == []
    space.cluster.wait_healthy()


@pytest.mark.soak
@pytest.mark.requirement("B14")
def test_short_silence_makes_pods_unknown_for_no_longer_than_it_lasts(space: Workspace) -> None:
    """A killed and slow kubelet is forgiven: its next report puts the phase right."""
    node = space.cluster.nodes[2]
    [before] = space.start(
        pod(
            "patient",
            tolerations=[
                {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"}
            ],
            **on_node(node),
        )
    )
    with space.cluster.frozen(node):
        space.wait("patient", lambda p: p.status.phase == "Unknown", "is Unknown", timeout=NOTICED)
    after = space.ready("patient", timeout=NOTICED)
    assert (after.status.phase, after.status.reason) == ("Running", "")
    assert after.metadata.uid == before.metadata.uid
    assert not after.metadata.HasField("deletion_timestamp")
    assert [c.container_id for c in after.status.container_statuses] == [
        c.container_id for c in before.status.container_statuses
    ]
    space.cluster.wait_healthy()
