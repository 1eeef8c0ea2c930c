"""Mirror Pods: made, replaced, taken away; and never twice."""

import pytest

from kubelet.runtime.records import Uid
from kubelet.sources import static_files
from kubelet.sources.static_files import MirrorPlan, mirror_of, plan_mirrors, shown
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.clock import timestamp
from vaina.objects.pods import MIRROR, is_mirror
from vaina.testing.builders import make_node, make_pod


def never(static: pod_pb2.Pod, mirror: pod_pb2.Pod) -> bool:
    """Take every mirror for what it says."""
    return False


def registered() -> node_pb2.Node:
    node = make_node("node-1")
    node.metadata.uid = "node-uid"
    return node


NODE = registered()
TEXT = "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec: {containers: [{name: main, image: %s}]}\n"


def static(name: str = "web", image: str = "busybox") -> pod_pb2.Pod:
    return static_files.decode(
        (TEXT % (name, image)).encode(), path=f"/m/{name}", node_name="node-1", now=1.0
    )


def mirror(pod: pod_pb2.Pod, uid: str = "m", *, ends: bool = False) -> pod_pb2.Pod:
    made = mirror_of(pod, NODE)
    made.metadata.uid = uid
    if ends:
        made.metadata.deletion_timestamp.CopyFrom(timestamp(2.0))
    return made


WEB, CHANGED, OTHER = static(), static(image="busybox:1.37"), static("other")


def test_a_mirror_is_the_pod_with_the_hash_and_the_node_as_owner() -> None:
    made = mirror_of(WEB, NODE)

    assert not made.metadata.uid
    assert made.metadata.annotations["kubernetes.io/config.mirror"] == WEB.metadata.uid
    [owner] = made.metadata.owner_references
    assert (owner.kind, owner.name, owner.uid, owner.controller) == ("Node", "node-1", "node-uid", True)
    assert made.spec == WEB.spec
    assert is_mirror(made)
    assert not static_files.is_static(made.metadata)


@pytest.mark.parametrize(
    ("statics", "mirrors", "create", "delete"),
    [
        pytest.param([], [], [], [], id="nothing"),
        pytest.param([WEB], [], ["web-node-1"], [], id="there is none"),
        pytest.param([WEB], [mirror(WEB)], [], [], id="all is well"),
        pytest.param([], [mirror(WEB)], [], ["m"], id="the manifest is gone"),
        pytest.param([CHANGED], [mirror(WEB)], [], ["m"], id="the manifest has changed: first the old one goes"),
        pytest.param([WEB], [mirror(WEB, ends=True)], [], ["m"], id="somebody deletes it"),
        pytest.param([WEB, OTHER], [mirror(WEB)], ["other-node-1"], [], id="another one is added"),
        pytest.param([WEB], [mirror(WEB), mirror(OTHER, "o")], [], ["o"], id="one is taken away"),
    ],
)  # fmt: skip
def test_what_is_due(
    statics: list[pod_pb2.Pod], mirrors: list[pod_pb2.Pod], create: list[str], delete: list[str]
) -> None:
    plan = plan_mirrors({Uid(pod.metadata.uid): pod for pod in statics}, mirrors, NODE, never)

    assert [pod.metadata.name for pod in plan.create] == create
    assert [pod.metadata.uid for pod in plan.delete] == delete


def test_a_node_that_is_not_registered_or_goes_gets_none() -> None:
    going, unknown = registered(), registered()
    going.metadata.deletion_timestamp.CopyFrom(timestamp(2.0))
    unknown.metadata.uid = ""

    for node in (going, unknown):
        assert plan_mirrors({Uid(WEB.metadata.uid): WEB}, [], node, never) == MirrorPlan()


def test_somebody_who_forges_the_annotation_is_taken_away() -> None:
    forged = make_pod("web-node-1", uid="f", annotations={MIRROR: "what"})

    plan = plan_mirrors({Uid(WEB.metadata.uid): WEB}, [forged], NODE, never)

    assert [pod.metadata.uid for pod in plan.delete] == ["f"]


def test_a_static_pod_is_shown_by_the_mirror_of_what_it_is_now() -> None:
    uid = Uid(WEB.metadata.uid)

    assert shown([WEB], [mirror(WEB)], never)[uid].metadata.uid == "m"
    assert shown([WEB], [mirror(CHANGED)], never) == {}
    assert shown([WEB], [mirror(WEB, ends=True)], never) == {}
    assert shown([WEB], [], never) == {}
