"""The judge of histories and volumes.

A violation of each rule that is planted is found, and what is in order is left alone.
"""

import pytest

from bench.judge.happened import LAG
from bench.judge.history import History
from tests.unit.scheduler.histories import Story
from tests.unit.scheduler.objects import node, pod, term
from tests.unit.scheduler.volumes.storage import (
    PersistentVolumeClaim,
    claim,
    csi_node,
    storage_class,
    user,
    volume,
)
from vaina.api.core.v1 import pod_pb2

ZONE = "topology.kubernetes.io/zone"
DRIVER = "disk.example.com"


def cluster() -> Story:
    """Two nodes in two zones that take two volumes of a driver each, and classes of volumes that wait, are
    made, and do not wait.
    """
    story = Story(node("n1", labels={ZONE: "a"}), node("n2", labels={ZONE: "b"}))
    for name in ("n1", "n2"):
        story.add("ADDED", csi_node(name, **{DRIVER: 2}))
    for made in (
        storage_class(), storage_class("make", provisioner=DRIVER), storage_class("now", provisioner=DRIVER, waits=False),
    ):  # fmt: skip
        story.add("ADDED", made)
    return story


def bound(
    story: Story, name: str, *, on: str = "", mode: str = "ReadWriteOnce", driver: str = DRIVER
) -> None:
    """A claim is there and bound to a volume of its own, in a zone where one is said."""
    where = term((ZONE, "In", [on])) if on else None
    story.add(
        "ADDED", volume(f"pv-{name}", on=where, driver=driver, claim=f"default/{name}", uid=f"uid-{name}")
    )
    story.add("ADDED", claim(name, bound_to=f"pv-{name}", modes=[mode], phase="Bound"))


def wrong(story: Story) -> list[str]:
    return [words.removeprefix("default/") for words in story.found()]


def test_a_history_in_order_is_left_alone() -> None:
    story = cluster()
    for name in ("one", "two", "three"):
        bound(story, name, on="a")
    story.pod(user("one", name="p1"), on="n1")
    story.pod(user("one", "two", name="p2"), on="n1")
    # What waits is given a volume, bound, and then is the Pod.
    waiting = claim("late", storage_class="make")
    story.add("ADDED", waiting)
    made = story.pod(user("late", name="p3"))
    story.add("MODIFIED", claim("late", storage_class="make", selected="n2"))
    story.add("ADDED", volume("pv-late", storage_class="make", driver=DRIVER, claim="default/late"))
    story.add("MODIFIED", claim("late", storage_class="make", selected="n2", bound_to="pv-late"))
    story.bind(made, "n2")
    assert story.found() == []


def test_a_node_with_more_volumes_than_it_takes_is_found() -> None:
    story = cluster()
    for number in range(4):
        bound(story, f"c{number}")
        story.pod(user(f"c{number}", name=f"p{number}"), on="n1" if number < 3 else "n2")
    assert wrong(story) == ["p2 was bound to n1, but NodeVolumeLimits: node(s) exceed max volume count"]


def test_a_volume_that_two_pods_of_a_node_have_is_one() -> None:
    story = cluster()
    for number in range(4):
        name = f"c{number % 2}"
        if number < 2:
            bound(story, name)
        story.pod(user(name, name=f"p{number}"), on="n1")
    assert story.found() == []


def test_a_volume_that_the_node_does_not_reach_is_found() -> None:
    story = cluster()
    bound(story, "data", on="a")
    story.pod(user("data"), on="n2")
    words = "node(s) didn't match PersistentVolume's node affinity"
    assert wrong(story) == [f"web was bound to n2, but VolumeBinding: {words}"]


def test_a_claim_that_has_no_volume_yet_is_found() -> None:
    story = cluster()
    story.add("ADDED", claim("data", storage_class="make", selected="n1"))
    story.pod(user("data"), on="n1")
    words = 'persistentvolumeclaim "data" has no volume yet'
    assert wrong(story) == [f"web was bound to n1, but VolumeBinding: {words}"]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (claim("data", storage_class="now"), "pod has unbound immediate PersistentVolumeClaims"),
        (
            claim("data", bound_to="pv-gone"),
            "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)",
        ),
        (
            claim("data", bound_to="pv-gone", phase="Lost"),
            'persistentvolumeclaim "data" bound to non-existent persistentvolume "pv-gone"',
        ),
    ],
)  # fmt: skip
def test_a_claim_that_will_not_do_is_found(made: PersistentVolumeClaim, words: str) -> None:
    story = cluster()
    story.add("ADDED", made)
    story.pod(user("data"), on="n1")
    assert f"web was bound to n1, but VolumeBinding: {words}" in wrong(story)


def test_a_claim_that_is_not_there_is_found() -> None:
    story = cluster()
    story.pod(user("data"), on="n1")
    words = 'persistentvolumeclaim "data" not found'
    assert f"web was bound to n1, but VolumeRestrictions: {words}" in wrong(story)


def test_a_claim_for_one_pod_alone_that_two_have_is_found() -> None:
    story = cluster()
    bound(story, "data", mode="ReadWriteOncePod")
    first = story.pod(user("data", name="p1"), on="n1")
    story.pod(user("data", name="p2"), on="n2")
    [found] = wrong(story)
    assert found.startswith(
        "p2 was bound to n2, but VolumeRestrictions: node(s) unavailable due to PersistentVolumeClaim"
    )
    story.gone(first)
    story.pod(user("data", name="p3"), on="n1")
    # p2 has it now.
    assert len(wrong(story)) == 2


def on_disk(name: str, *, read_only: bool = False) -> pod_pb2.Pod:
    made = pod(name)
    disk = made.spec.volumes.add(name="d").volume_source.gce_persistent_disk
    disk.pd_name, disk.read_only = "disk", read_only
    return made


def test_a_disk_that_two_pods_of_a_node_write_to_is_found() -> None:
    story = cluster()
    story.pod(on_disk("p1", read_only=True), on="n1")
    story.pod(on_disk("p2", read_only=True), on="n1")
    story.pod(on_disk("p3"), on="n2")
    assert story.found() == []
    story.pod(on_disk("p4"), on="n1")
    assert wrong(story) == ["p4 was bound to n1, but VolumeRestrictions: node(s) had no available disk"]


def test_a_node_in_another_zone_than_the_volume_is_found() -> None:
    story = cluster()
    labelled = volume("pv-data", labels={ZONE: "a"}, claim="default/data")
    story.add("ADDED", labelled)
    story.add("ADDED", claim("data", bound_to="pv-data"))
    story.pod(user("data", name="p1"), on="n1")
    story.pod(user("data", name="p2"), on="n2")
    assert wrong(story) == ["p2 was bound to n2, but VolumeZone: node(s) had no available volume zone"]


def test_what_counts_is_what_was_there_at_the_moment_of_the_binding() -> None:
    story = cluster()
    bound(story, "data", on="a")
    story.pod(user("data"), on="n1")
    # Whatever happens afterwards.
    story.add("MODIFIED", csi_node("n1", **{DRIVER: 0}))
    story.add("MODIFIED", claim("data", bound_to="pv-data", phase="Lost"))
    story.add("DELETED", volume("pv-data", driver=DRIVER))
    assert story.found() == []


def test_what_changed_just_before_a_binding_may_not_have_been_seen() -> None:
    story = cluster()
    bound(story, "data", on="a")
    made = story.pod(user("data"))
    story.add("MODIFIED", csi_node("n1", **{DRIVER: 0}))
    story.add("MODIFIED", claim("data", bound_to="pv-data", deleted=True))
    story.bind(made, "n1")
    assert story.found() == []
    again = cluster()
    bound(again, "data", on="a")
    again.add("MODIFIED", csi_node("n1", **{DRIVER: 0}))
    made = again.pod(user("data"))
    for number in range(LAG + 1):
        # Others' changes, of a node, each of which counts.
        again.add("MODIFIED", node("n2", labels={ZONE: "b", "number": str(number)}))
    again.bind(made, "n1")
    assert wrong(again) == ["web was bound to n1, but NodeVolumeLimits: node(s) exceed max volume count"]


def test_changes_of_storage_do_not_push_those_of_nodes_out_of_sight() -> None:
    story = cluster()
    small, large = node("n1", cpu="1", labels={ZONE: "a"}), node("n1", cpu="4", labels={ZONE: "a"})
    made = story.pod(pod("web", {"cpu": "2"}))
    story.add("MODIFIED", large)
    story.add("MODIFIED", small)
    for number in range(LAG + 1):
        story.add("ADDED", claim(f"c{number}", storage_class="make"))
    story.bind(made, "n1")
    assert story.found() == []


def test_a_pod_whose_volumes_are_being_bound_is_not_left() -> None:
    story = cluster()
    story.add("ADDED", claim("data", storage_class="make"))
    story.pod(user("data"))
    assert wrong(story) == ["web is pending, and fits on n1"]
    story.add("MODIFIED", claim("data", storage_class="make", selected="n1"))
    assert story.found() == []


def test_a_pod_that_waits_for_a_volume_that_nobody_makes_fits_nowhere() -> None:
    story = cluster()
    story.add("ADDED", claim("data"))
    story.pod(user("data"))
    assert story.found() == []
    story.add("ADDED", volume("pv-data", on=term((ZONE, "In", ["b"]))))
    assert wrong(story) == ["web is pending, and fits on n2"]


def test_equal_pods_with_volumes_of_their_own_are_asked_about_each() -> None:
    story = cluster()
    for name in ("p1", "p2"):
        made = pod(name)
        made.spec.volumes.add(name="tmp").volume_source.ephemeral.SetInParent()
        story.pod(made)
    own = claim("p2-tmp", storage_class="make")
    own.metadata.owner_references.add(kind="Pod", name="p2", uid="p2", controller=True)
    story.add("ADDED", own)
    assert wrong(story) == ["p2 is pending, and fits on n1"]


def test_rules_of_plugins_that_take_no_part_are_not_asked() -> None:
    story = cluster()
    bound(story, "data", on="a")
    story.pod(user("data"), on="n2")
    for plugins, count in (({"NodeVolumeLimits"}, 0), ({"VolumeBinding"}, 1), (None, 1)):
        history = History(plugins=plugins)
        for happened in story.happened:
            history.take(happened)
        assert len(history.found) == count
