"""What is remembered of a Pod's spec must be what would be found anew."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.registry.create.new import Preparation
from apiserver.registry.create.spec_memo import PodSpecMemo
from vaina.api.core.v1 import pod_pb2
from vaina.kinds import POD
from vaina.testing.builders import make_container, make_pod

_ANNOTATIONS = (
    "note",
    "bad key",
    "kubernetes.io/config.mirror",
    "controller.kubernetes.io/pod-deletion-cost",
    "scheduler.alpha.kubernetes.io/critical-pod",
    "seccomp.security.alpha.kubernetes.io/pod",
    "container.apparmor.security.beta.kubernetes.io/app",
)


def _finish(preparation: Preparation[pod_pb2.Pod]) -> tuple[list[str], list[str]]:
    preparation.normalise()
    errors = [str(error) for error in preparation.errors()]
    return errors, [] if errors else preparation.warnings()


@st.composite
def pods(draw: st.DrawFn) -> pod_pb2.Pod:
    """Pods of few specs and names, some of them wrong, with and without annotations."""
    container = make_container(
        draw(st.sampled_from(["app", "App", ""])),
        draw(st.sampled_from(["a", "a:latest", "b:1", ""])),
        limits=draw(st.sampled_from([{}, {"cpu": "0.5"}, {"memory": "1024Mi"}, {"memory": "-1"}])),
    )
    if draw(st.booleans()):
        container.env.add(name="A").value = draw(st.sampled_from(["", "x"]))
    pod = make_pod(draw(st.sampled_from(["web", "Web", "web.1"])), containers=[container], created=None)
    pod.ClearField("status")
    pod.spec.restart_policy = draw(st.sampled_from(["", "Never", "Sometimes"]))
    pod.spec.host_network = draw(st.booleans())
    if draw(st.booleans()):
        pod.spec.affinity.node_affinity.SetInParent()
    annotations = draw(st.sets(st.sampled_from(_ANNOTATIONS), max_size=2))
    pod.metadata.annotations.update(dict.fromkeys(annotations, draw(st.sampled_from(["x", "1"]))))
    if draw(st.booleans()):
        volume: Any = pod.spec.volumes.add(name="v")
        volume.volume_source.ephemeral.volume_claim_template.spec.access_modes.append("ReadWriteOnce")
    return pod


# 200 took a minute of a busy machine, which is all that a test gets.
@settings(max_examples=50)
@given(st.lists(pods(), min_size=1, max_size=8))
def test_a_remembered_spec_gives_what_a_new_one_gives(sent: list[pod_pb2.Pod]) -> None:
    memo = PodSpecMemo()
    for pod in [*sent, *sent]:
        one, other = pod_pb2.Pod(), pod_pb2.Pod()
        one.CopyFrom(pod)
        other.CopyFrom(pod)
        assert _finish(memo(one)) == _finish(Preparation(POD, other))
        assert one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True)


def test_annotations_that_say_nothing_of_the_spec_do_not_keep_it_from_being_remembered() -> None:
    memo = PodSpecMemo()
    pod = make_pod()
    pod.metadata.annotations["note"] = "x"
    _finish(memo(pod))
    assert len(memo) == 1


def test_what_is_remembered_is_bounded_and_nobody_elses() -> None:
    memo = PodSpecMemo()
    for number in range(1100):
        pod = make_pod(containers=[make_container(image=f"a:{number}")])
        _finish(memo(pod))
        pod.spec.containers[0].image = "changed"
    assert len(memo) == 1024
    again = make_pod(containers=[make_container(image="a:1099")])
    _finish(memo(again))
    assert again.spec.containers[0].image == "a:1099"


def test_a_spec_that_is_wrong_or_large_is_not_remembered() -> None:
    memo = PodSpecMemo()
    _finish(memo(make_pod(containers=[make_container(image="")])))
    large = make_pod()
    large.spec.containers[0].args.append("x" * 20_000)
    _finish(memo(large))
    assert len(memo) == 0
