"""Which volume the node-local provisioner makes, and when."""

from collections.abc import Callable

import pytest

from controller.local_path.reconcile import (
    Refusal,
    grown,
    is_abandoned,
    is_asked,
    provision,
    volume_name,
    without_node,
)
from controller.volumes import (
    SELECTED_NODE,
    STORAGE_PROVISIONER,
    Claim,
    StorageClass,
    Volume,
)
from tests.unit.controller.persistent_volume.objects import claim, storage_class, volume
from vaina.api.core.v1 import node_pb2
from vaina.objects.local_path import NODE_LABEL, PROVISIONER, node_label, node_of
from vaina.testing.builders import make_node

DIRECTORY = "/disks"
WAITS = storage_class(waits=True)
AT_ONCE = storage_class()


def asking(**options: object) -> Claim:
    made = claim(**options)  # type: ignore[arg-type]  # the options of `claim`
    made.metadata.annotations[STORAGE_PROVISIONER] = PROVISIONER
    return made


def nodes(*names: str, ready: bool = True) -> list[node_pb2.Node]:
    made = []
    for name in names:
        node = make_node(name)
        del node.status.conditions[:]
        node.status.conditions.add(type="Ready", status="True" if ready else "False")
        made.append(node)
    return made


def ending(found: Claim) -> Claim:
    found.metadata.deletion_timestamp.seconds = 1
    return found


@pytest.mark.parametrize(
    ("wanting", "found", "expected"),
    [
        pytest.param(asking(), AT_ONCE, True, id="a class that does not wait"),
        pytest.param(asking(), WAITS, False, id="no node yet"),
        pytest.param(asking(selected="node-1"), WAITS, True, id="a node was chosen"),
        pytest.param(claim(selected="node-1"), WAITS, False, id="the binder has not asked"),
        pytest.param(asking(selected="node-1", names="disk"), WAITS, False, id="it has a volume"),
        pytest.param(ending(asking(selected="node-1")), WAITS, False, id="it ends"),
        pytest.param(asking(), None, False, id="its class is gone"),
        pytest.param(asking(), storage_class(provisioner="other"), False, id="somebody else's class"),
    ],
)
def test_when_a_volume_is_made(wanting: Claim, found: StorageClass | None, expected: bool) -> None:
    assert is_asked(wanting, found) is expected


def test_the_volume_is_the_claims_alone_and_on_its_node() -> None:
    wanting = asking(selected="node-2", size="3Gi", modes=["ReadWriteOncePod"])

    made = provision(wanting, WAITS, nodes("node-1", "node-2"), DIRECTORY)

    assert isinstance(made, Volume)
    assert made == provision(wanting, WAITS, nodes("node-2", "node-1"), DIRECTORY), "the same every time"
    assert made.metadata.name == volume_name(wanting) == "pvc-uid-data"
    assert node_of(made) == made.metadata.labels[NODE_LABEL] == "node-2"
    spec = made.spec
    assert spec.persistent_volume_source.local.path == "/disks/pvc-uid-data"
    assert spec.capacity["storage"].string == "3Gi"
    assert [*spec.access_modes] == ["ReadWriteOncePod"]
    assert (spec.storage_class_name, spec.persistent_volume_reclaim_policy) == ("fast", "Delete")
    assert (spec.claim_ref.namespace, spec.claim_ref.name, spec.claim_ref.uid) == (
        "default", "data", "uid-data",
    )  # fmt: skip


def test_a_class_that_does_not_wait_gets_some_ready_node() -> None:
    cordoned = make_node("a")
    cordoned.spec.unschedulable = True
    there = [cordoned, *nodes("b", ready=False), *nodes("c")]

    made = provision(asking(), AT_ONCE, there, DIRECTORY)

    assert isinstance(made, Volume)
    assert node_of(made) == "c"
    chosen = set()
    for number in range(40):
        wanting = asking()
        wanting.metadata.uid = f"uid-{number}"
        made = provision(wanting, AT_ONCE, nodes("x", "y", "z"), DIRECTORY)
        assert isinstance(made, Volume)
        chosen.add(node_of(made))
    assert chosen == {"x", "y", "z"}, "spread over all"


def test_a_chosen_node_that_is_gone_is_chosen_again() -> None:
    wanting = asking(selected="node-9")

    assert provision(wanting, WAITS, nodes("node-1"), DIRECTORY) is None
    assert SELECTED_NODE not in without_node(wanting).metadata.annotations
    assert SELECTED_NODE in wanting.metadata.annotations, "the cache's own is not changed"


def with_source(found: Claim) -> Claim:
    found.spec.data_source.kind = "VolumeSnapshot"
    return found


@pytest.mark.parametrize(
    ("make", "there", "words"),
    [
        (lambda: asking(selector={"a": "b"}), nodes("n"), "claim.Spec.Selector is not supported"),
        (
            lambda: asking(mode="Block"), nodes("n"),
            "vaina.dev/local-path does not support block volume provisioning",
        ),
        (
            lambda: asking(modes=["ReadWriteMany"]), nodes("n"),
            "NodePath only supports ReadWriteOnce and ReadWriteOncePod access modes",
        ),
        (
            lambda: asking(modes=["ReadWriteOnce", "ReadOnlyMany"]), nodes("n"),
            "NodePath only supports ReadWriteOnce and ReadWriteOncePod access modes",
        ),
        (lambda: with_source(asking()), nodes("n"), "data sources are not supported"),
        (asking, [], "no nodes available"),
        (asking, nodes("n", ready=False), "no node is ready"),
    ],
)  # fmt: skip
def test_what_cannot_be_made(make: Callable[[], Claim], there: list[node_pb2.Node], words: str) -> None:
    with pytest.raises(Refusal) as refused:
        provision(make(), AT_ONCE, there, DIRECTORY)
    assert str(refused.value) == words


def test_a_claim_that_asks_for_more_gets_it_in_two_writes() -> None:
    mine = volume(claim="data", uid="uid-data", phase="Bound", size="5Gi", made=True)
    wanting = claim(names="disk", size="8Gi", completed=True, phase="Bound")
    wanting.status.capacity["storage"].string = "5Gi"

    larger = grown(mine, wanting)
    assert isinstance(larger, Volume)
    assert larger.spec.capacity["storage"].string == "8Gi"
    told = grown(larger, wanting)
    assert isinstance(told, Claim)
    assert told.status.capacity["storage"].string == "8Gi"
    assert grown(larger, told) is None


@pytest.mark.parametrize(
    ("mine", "wanting"),
    [
        (volume(size="5Gi", made=False), claim(names="disk", size="8Gi", phase="Bound")),
        (volume(size="5Gi", made=True), claim(names="disk", size="8Gi", phase="Pending")),
        (volume(size="5Gi", made=True), claim(names="other", size="8Gi", phase="Bound")),
    ],
    ids=["somebody else's", "not bound", "another's"],
)
def test_what_does_not_grow(mine: Volume, wanting: Claim) -> None:
    assert grown(mine, wanting) is None


@pytest.mark.parametrize(
    ("mine", "expected"),
    [
        (volume(phase="Released", policy="Delete", made=True), True),
        (volume(phase="Released", policy="Retain", made=True), False),
        (volume(phase="Released", policy="Retain", made=True, ending=True), True),
        (volume(phase="Bound", policy="Delete", made=True), False),
        (volume(phase="Released", policy="Delete"), False),
    ],
)
def test_what_is_given_up_with_its_node(mine: Volume, expected: bool) -> None:
    assert is_abandoned(mine) is expected


def test_a_long_name_of_a_node_has_a_label_all_the_same() -> None:
    long, longer = "n" * 64, "n" * 65
    assert node_label("node-1") == "node-1"
    assert len(node_label(long)) <= 63
    assert node_label(long) != node_label(longer)
