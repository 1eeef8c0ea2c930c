"""The next thing to do about a claim or a volume."""

import pytest

from controller.persistent_volume.reconcile import Step, next_for_claim, next_for_volume
from controller.volumes import BIND_COMPLETED, STORAGE_PROVISIONER, Claim, Volume
from tests.unit.controller.persistent_volume.objects import Few, claim, storage_class, volume

MINE = {"claim": "data", "uid": "uid-data"}


def said(step: Step) -> list[tuple[str, str, str]]:
    return [tuple(item) for item in step.says]


def phase(step: Step) -> str:
    """Return the phase that a step writes; empty: it writes no status."""
    if step.write is None or not step.is_status:
        return ""
    return step.write.status.phase


def test_a_binding_is_four_writes_in_one_order() -> None:
    world = Few([claim()], [volume()])

    step = next_for_claim(world.claims[0], world)
    given = step.write
    assert given is not None
    assert isinstance(given, Volume)
    assert (step.is_status, given.spec.claim_ref.uid) == (False, "uid-data")
    world.volumes = [given]

    told = next_for_claim(world.claims[0], world)
    assert phase(told) == "Bound"
    assert told.write is not None
    assert isinstance(told.write, Volume)
    world.volumes = [told.write]

    step = next_for_claim(world.claims[0], world)
    taken = step.write
    assert taken is not None
    assert isinstance(taken, Claim)
    assert (step.is_status, taken.spec.volume_name) == (False, "disk")
    assert taken.metadata.annotations[BIND_COMPLETED] == "yes"
    world.claims = [taken]

    step = next_for_claim(world.claims[0], world)
    bound = step.write
    assert bound is not None
    assert isinstance(bound, Claim)
    assert (step.is_status, bound.status.phase) == (True, "Bound")
    assert bound.status.capacity["storage"].string == "10Gi"
    world.claims = [bound]

    assert next_for_claim(world.claims[0], world) == Step()
    assert next_for_volume(world.volumes[0], world) == Step()


def test_a_volume_that_a_person_has_meant_for_a_claim_is_not_marked_as_ours() -> None:
    for wanting in (claim(), claim(names="disk")):
        step = next_for_claim(wanting, Few([], [volume(claim="data")]))
        assert step.write is not None
        assert isinstance(step.write, Volume)
        assert step.write.spec.claim_ref.uid == "uid-data"
        assert not step.write.metadata.annotations


FAST = storage_class()
WAITS = storage_class(waits=True)
NONE = storage_class(provisioner="kubernetes.io/no-provisioner")
EXTERNAL = (
    "Waiting for a volume to be created either by the external provisioner 'vaina.dev/local-path' or manually by the "
    "system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered."
)


def asked() -> Claim:
    made = claim()
    for key in (STORAGE_PROVISIONER, "volume.beta.kubernetes.io/storage-provisioner"):
        made.metadata.annotations[key] = "vaina.dev/local-path"
    return made


@pytest.mark.parametrize(
    ("wanting", "world", "expected"),
    [
        pytest.param(
            claim(storage_class=""), Few(),
            ("Normal", "FailedBinding", "no persistent volumes available for this claim and no storage class is set"),
            id="no class",
        ),
        pytest.param(
            claim(), Few(), ("Warning", "ProvisioningFailed", 'storageclass.storage.k8s.io "fast" not found'),
            id="class not there",
        ),
        pytest.param(
            claim(), Few(classes=[NONE]),
            ("Warning", "ProvisioningFailed", "no volume plugin matched name: kubernetes.io/no-provisioner"),
            id="nobody makes volumes",
        ),
        pytest.param(asked(), Few(classes=[FAST]), ("Normal", "ExternalProvisioning", EXTERNAL), id="asked"),
        pytest.param(
            claim(), Few([], [volume()], [WAITS]),
            ("Normal", "WaitForFirstConsumer", "waiting for first consumer to be created before binding"),
            id="no Pod yet",
        ),
        pytest.param(
            claim(), Few(classes=[WAITS], waiting=["web"]),
            ("Normal", "WaitForPodScheduled", "waiting for pod web to be scheduled"), id="a Pod without node",
        ),
        pytest.param(
            claim(), Few(classes=[WAITS], waiting=["a", "b"]),
            ("Normal", "WaitForPodScheduled", "waiting for pods a,b to be scheduled"), id="Pods without node",
        ),
        pytest.param(
            claim(names="disk", size="20Gi"), Few([], [volume()]),
            ("Warning", "VolumeMismatch", 'Cannot bind to requested volume "disk": requested PV is too small'),
            id="named and too small",
        ),
        pytest.param(
            claim(names="disk"), Few([], [volume(claim="other", uid="u")]),
            ("Warning", "FailedBinding", 'volume "disk" already bound to a different claim.'), id="named and taken",
        ),
    ],
)  # fmt: skip
def test_what_is_said_to_a_claim_that_has_to_wait(
    wanting: Claim, world: Few, expected: tuple[str, str, str]
) -> None:
    step = next_for_claim(wanting, world)

    assert step.write is None, "nothing changes by waiting"
    assert said(step) == [expected]


def test_a_claim_that_names_what_is_not_there_waits_silently() -> None:
    assert next_for_claim(claim(names="later"), Few()) == Step()


@pytest.mark.parametrize(
    ("wanting", "classes"),
    [(claim(), [FAST]), (claim(selected="node-1"), [WAITS])],
    ids=["at once", "for a chosen node"],
)
def test_whoever_makes_volumes_is_asked_by_annotations(wanting: Claim, classes: list) -> None:
    step = next_for_claim(wanting, Few(classes=classes))

    assert step.write is not None
    annotations = step.write.metadata.annotations
    assert annotations["volume.kubernetes.io/storage-provisioner"] == "vaina.dev/local-path"
    assert annotations["volume.beta.kubernetes.io/storage-provisioner"] == "vaina.dev/local-path"


def test_a_default_class_that_comes_later_is_given_to_those_without() -> None:
    world = Few(classes=[storage_class(default=True)])

    step = next_for_claim(claim(storage_class=None), world)

    assert step.write is not None
    assert isinstance(step.write, Claim)
    assert step.write.spec.storage_class_name == "fast"
    assert next_for_claim(claim(storage_class=""), world).write is None, "an empty name is a name"


@pytest.mark.parametrize(
    ("bound", "volumes", "reason"),
    [
        (claim(completed=True, phase="Bound"), [], "ClaimLost"),
        (claim(completed=True, names="disk", phase="Bound"), [], "ClaimLost"),
        (
            claim(completed=True, names="disk", phase="Bound"),
            [volume(claim="other", uid="uid-other")],
            "ClaimMisbound",
        ),
    ],
)
def test_a_bound_claim_may_lose_its_volume(bound: Claim, volumes: list[Volume], reason: str) -> None:
    step = next_for_claim(bound, Few([], volumes))

    assert phase(step) == "Lost"
    assert [item.reason for item in step.says] == [reason]
    bound.status.phase = "Lost"
    assert next_for_claim(bound, Few([], volumes)) == Step(), "said once"


BOUND = claim(completed=True, names="disk", phase="Bound")
ELSEWHERE = claim(completed=True, names="other", phase="Bound")


@pytest.mark.parametrize(
    ("looked_at", "claims", "expected"),
    [
        pytest.param(volume(phase="Pending"), [], "Available", id="new"),
        pytest.param(volume(), [], "", id="free"),
        pytest.param(volume(claim="data"), [], "", id="meant for a claim"),
        pytest.param(volume(claim="data", phase="Pending"), [claim()], "Available", id="meant and new"),
        pytest.param(volume(**MINE, phase="Available"), [BOUND], "Bound", id="bound"),
        pytest.param(volume(**MINE, phase="Bound"), [BOUND], "", id="known to be bound"),
        pytest.param(volume(**MINE, phase="Bound"), [claim()], "", id="half bound: the claim's look goes on"),
        pytest.param(volume(**MINE, phase="Bound"), [], "Released", id="claim gone"),
        pytest.param(volume(claim="data", uid="u-former", phase="Bound"), [BOUND], "Released", id="namesake"),
        pytest.param(volume(**MINE, phase="Released"), [], "", id="kept"),
        pytest.param(volume(**MINE, phase="Released", policy="Delete", made=True), [], "", id="its maker's"),
        pytest.param(volume(**MINE, phase="Released", policy="Delete"), [], "Failed", id="nobody deletes it"),
        pytest.param(volume(**MINE, phase="Released", policy="Recycle"), [], "Failed", id="nobody recycles"),
        pytest.param(volume(**MINE, phase="Released", policy="Burn"), [], "Failed", id="unknown policy"),
        pytest.param(volume(**MINE, phase="Failed", policy="Delete"), [], "", id="failed stays"),
        pytest.param(
            volume(**MINE, phase="Bound", policy="Delete", made=True), [ELSEWHERE], "Released",
            id="made in vain",
        ),
    ],
)  # fmt: skip
def test_the_phase_of_a_volume(looked_at: Volume, claims: list[Claim], expected: str) -> None:
    assert phase(next_for_volume(looked_at, Few(claims, [looked_at]))) == expected


def test_a_volume_whose_claim_went_elsewhere_is_free_again() -> None:
    world = Few([ELSEWHERE])

    ours = next_for_volume(volume(**MINE, by_controller=True), world).write
    theirs = next_for_volume(volume(**MINE), world).write

    assert ours is not None
    assert theirs is not None
    assert isinstance(ours, Volume)
    assert isinstance(theirs, Volume)
    assert not ours.spec.HasField("claim_ref")
    assert not ours.metadata.annotations
    assert (theirs.spec.claim_ref.name, theirs.spec.claim_ref.uid) == ("data", ""), "still meant"


def test_why_a_volume_failed_is_said_and_shown() -> None:
    step = next_for_volume(volume(**MINE, phase="Released", policy="Delete"), Few())

    words = 'error getting deleter volume plugin for volume "disk": no deletable volume plugin matched'
    assert said(step) == [("Warning", "VolumeFailedDelete", words)]
    assert step.write is not None
    assert isinstance(step.write, Volume)
    assert step.write.status.message == words
