"""Which volume a claim gets, and why not the one it names."""

import pytest

from controller.persistent_volume.reconcile import find_match, why_not
from controller.volumes import Claim, Volume
from tests.unit.controller.persistent_volume.objects import claim, volume

MANY = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany")
BAD_SELECTOR = claim()
BAD_SELECTOR.spec.selector.match_expressions.add(key="a", operator="Is")
OLD_CLASS = claim(storage_class=None)
OLD_CLASS.metadata.annotations["volume.beta.kubernetes.io/storage-class"] = "fast"
NOT_THERE = claim()
NOT_THERE.spec.selector.match_expressions.add(key="gold", operator="DoesNotExist")
UNREADABLE = volume()
UNREADABLE.spec.capacity["storage"].string = "much"
OTHER_ATTRIBUTES = volume()
OTHER_ATTRIBUTES.spec.volume_attributes_class_name = "gold"


@pytest.mark.parametrize(
    ("wanting", "volumes", "expected"),
    [
        pytest.param(claim(), [], "", id="there is none"),
        pytest.param(claim(), [volume()], "disk", id="the only one"),
        pytest.param(claim(size="10Gi"), [volume()], "disk", id="of exactly the size"),
        pytest.param(claim(size="11Gi"), [volume()], "", id="too small"),
        pytest.param(claim(size="10G"), [volume(size="10Gi")], "disk", id="other units"),
        pytest.param(claim(), [UNREADABLE], "", id="of unreadable size"),
        pytest.param(claim(), [volume("b"), volume("a")], "a", id="equal ones by name"),
        pytest.param(claim(), [volume("l", "50Gi"), volume("s", "6Gi"), volume("m")], "s", id="the smallest"),
        pytest.param(claim(), [volume("s", "6Gi", modes=MANY), volume("l", "50Gi")], "l", id="the plainest"),
        pytest.param(claim(storage_class="slow"), [volume()], "", id="other class"),
        pytest.param(claim(storage_class=""), [volume()], "", id="no class is a class"),
        pytest.param(claim(storage_class=""), [volume(storage_class="")], "disk", id="both without"),
        pytest.param(claim(storage_class=None), [volume(storage_class="")], "disk", id="no default there"),
        pytest.param(OLD_CLASS, [volume()], "disk", id="class by annotation"),
        pytest.param(claim(modes=["ReadWriteMany"]), [volume()], "", id="mode not offered"),
        pytest.param(claim(modes=["ReadOnlyMany"]), [volume(modes=MANY)], "disk", id="one of its modes"),
        pytest.param(claim(modes=MANY), [volume(modes=MANY)], "disk", id="all of its modes"),
        pytest.param(claim(modes=["ReadWriteOncePod"]), [volume(modes=MANY)], "", id="alone is another mode"),
        pytest.param(claim(mode="Block"), [volume()], "", id="block on filesystem"),
        pytest.param(claim(), [volume(mode="Block")], "", id="filesystem on block"),
        pytest.param(claim(mode="Block"), [volume(mode="Block")], "disk", id="block on block"),
        pytest.param(claim(mode=""), [volume()], "disk", id="filesystem by default"),
        pytest.param(claim(), [OTHER_ATTRIBUTES], "", id="other attributes class"),
        pytest.param(claim(selector={"tier": "gold"}), [volume()], "", id="selector without labels"),
        pytest.param(claim(selector={"tier": "gold"}), [volume(labels={"tier": "gold"})], "disk", id="labels"),
        pytest.param(claim(selector={"tier": "gold"}), [volume(labels={"tier": "tin"})], "", id="other label"),
        pytest.param(claim(selector={}), [volume()], "disk", id="an empty selector"),
        pytest.param(NOT_THERE, [volume("a", labels={"gold": ""}), volume("b", "99Gi")], "b", id="without label"),
        pytest.param(BAD_SELECTOR, [volume()], "", id="unreadable selector selects nothing"),
        pytest.param(claim(), [volume(phase="Released", claim="old", uid="u")], "", id="of a former claim"),
        pytest.param(claim(), [volume(phase="Released")], "", id="released and freed by nobody"),
        pytest.param(claim(), [volume(phase="Failed")], "", id="failed"),
        pytest.param(claim(), [volume(phase="Pending")], "", id="not looked at yet"),
        pytest.param(claim(), [volume(phase="Bound", claim="other", uid="uid-other")], "", id="taken"),
        pytest.param(claim(), [volume(ending=True)], "", id="ending"),
        pytest.param(claim(), [volume("a"), volume("z", "99Gi", claim="data")], "z", id="meant for it"),
        pytest.param(claim(), [volume(claim="data", uid="uid-data", phase="Bound")], "disk", id="its own"),
        pytest.param(claim(), [volume(claim="data", uid="uid-former", phase="Released")], "", id="namesake's"),
        pytest.param(claim(), [volume(claim="data", size="1Gi")], "", id="meant for it, too small"),
        pytest.param(claim(), [volume(claim="other")], "", id="meant for another"),
        pytest.param(
            claim(storage_class="slow"), [volume(claim="data")], "disk", id="meant for it, of another class"
        ),
    ],
)  # fmt: skip
def test_the_best_volume(wanting: Claim, volumes: list[Volume], expected: str) -> None:
    for order in (volumes, volumes[::-1]):
        found = find_match(wanting, order, waits=False)
        assert (found.metadata.name if found is not None else "") == expected


@pytest.mark.parametrize(
    ("volumes", "expected"),
    [([volume()], ""), ([volume(), volume("mine", claim="data")], "mine")],
    ids=["left to the scheduler", "unless it is meant for it"],
)
def test_a_claim_that_waits_for_a_pod(volumes: list[Volume], expected: str) -> None:
    found = find_match(claim(), volumes, waits=True)
    assert (found.metadata.name if found is not None else "") == expected


@pytest.mark.parametrize(
    ("named", "wanting", "expected"),
    [
        (volume(), claim(), ""),
        (volume(), claim(size="20Gi"), "requested PV is too small"),
        (volume(), claim(storage_class=""), "storageClassName does not match"),
        (volume(), claim(mode="Block"), "incompatible volumeMode"),
        (volume(), claim(modes=["ReadWriteMany"]), "incompatible accessMode"),
        (volume(ending=True), claim(), 'the volume is marked for deletion "disk"'),
        (volume(labels={}), claim(selector={"a": "b"}), ""),
    ],
)
def test_why_a_named_volume_will_not_do(named: Volume, wanting: Claim, expected: str) -> None:
    assert why_not(named, wanting) == expected
