"""What is remembered of a Pod's spec must be what would be found anew."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver import validation
from apiserver.registry.draft import Draft, PodDrafts
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


def _finish(draft: Draft[pod_pb2.Pod]) -> tuple[list[str], list[str]]:
    draft.normalise()
    errors = [str(error) for error in draft.errors()]
    return errors, [] if errors else draft.warnings()


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
    drafts = PodDrafts()
    for pod in [*sent, *sent]:
        one, other = pod_pb2.Pod(), pod_pb2.Pod()
        one.CopyFrom(pod)
        other.CopyFrom(pod)
        assert _finish(drafts(one)) == _finish(Draft(POD, other))
        assert one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True)


def test_annotations_that_say_nothing_of_the_spec_do_not_keep_it_from_being_remembered() -> None:
    drafts = PodDrafts()
    pod = make_pod()
    pod.metadata.annotations["note"] = "x"
    _finish(drafts(pod))
    assert len(drafts._specs) == 1


def test_what_is_remembered_is_bounded_and_nobody_elses() -> None:
    drafts = PodDrafts()
    for number in range(1100):
        pod = make_pod(containers=[make_container(image=f"a:{number}")])
        _finish(drafts(pod))
        pod.spec.containers[0].image = "changed"
    assert len(drafts._specs) == 1024
    again = make_pod(containers=[make_container(image="a:1099")])
    _finish(drafts(again))
    assert again.spec.containers[0].image == "a:1099"


def test_a_spec_that_is_wrong_or_large_is_not_remembered() -> None:
    drafts = PodDrafts()
    _finish(drafts(make_pod(containers=[make_container(image="")])))
    large = make_pod()
    large.spec.containers[0].args.append("x" * 20_000)
    _finish(drafts(large))
    assert len(drafts._specs) == 0


def _changed(pod: pod_pb2.Pod, label: str, annotation: str) -> pod_pb2.Pod:
    new = pod_pb2.Pod()
    new.CopyFrom(pod)
    new.metadata.labels[label] = "x"
    new.metadata.annotations[annotation] = "x"
    return new


@pytest.mark.parametrize("annotation", ["note", "bad key"])
@pytest.mark.parametrize("label", ["a", "bad key"])
def test_an_update_of_a_known_spec_is_refused_for_what_it_would_be_refused_for(
    label: str, annotation: str
) -> None:
    drafts, old = PodDrafts(), make_pod()
    assert _finish(drafts(old))[0] == []
    drafts.learn(old, old)
    new = _changed(old, label, annotation)
    assert drafts.is_known(new, old)
    errors = drafts.update_errors(new, old)
    assert bool(errors) == ("bad key" in (label, annotation))
    assert errors == validation.validate_update(POD, new, old)


@pytest.mark.parametrize("annotation", _ANNOTATIONS[2:])
def test_an_update_of_an_annotation_with_a_meaning_is_never_known(annotation: str) -> None:
    drafts, old = PodDrafts(), make_pod()
    drafts.learn(old, old)
    with_it = _changed(old, "a", annotation)
    assert not drafts.is_known(with_it, old)
    assert not drafts.is_known(old, with_it)


def test_an_update_that_changes_the_spec_is_never_known() -> None:
    drafts = PodDrafts()
    old = make_pod()
    drafts.learn(old, old)
    new = pod_pb2.Pod()
    new.CopyFrom(old)
    assert drafts.is_known(new, old)
    new.spec.containers[0].image = "other"
    assert not drafts.is_known(new, old)
    drafts.learn(new, old)
    assert not drafts.is_known(new, old)
