"""When a node was last heard of, by the controller's own clock."""

from controller.node_lifecycle.heartbeats import Heartbeats
from controller.node_lifecycle.reconcile import Life


def beats() -> Heartbeats:
    return Heartbeats(grace_seconds=40, startup_grace_seconds=60)


def test_any_change_of_lease_or_heartbeat_is_a_sign_whatever_it_says():
    known = beats()
    known.on_node("a", heartbeat=1000, now=0)
    known.on_lease("a", (900, 0), now=30)
    assert known.life("a", 70) is Life.HEARD
    known.on_node("a", heartbeat=1, now=70)
    assert (known.life("a", 110), known.life("a", 111)) == (Life.HEARD, Life.SILENT)


def test_what_is_told_again_unchanged_is_no_sign():
    known = beats()
    for now in (0, 20, 39):
        known.on_node("a", heartbeat=1000, now=now)
        known.on_lease("a", (900, 0), now=now)
    assert known.life("a", 41) is Life.SILENT


def test_a_node_that_never_reports_has_a_longer_time():
    known = beats()
    known.on_node("a", heartbeat=None, now=0)
    assert (known.life("a", 59), known.life("a", 61)) == (Life.HEARD, Life.NEVER_HEARD)


def test_a_lease_that_outlives_its_node_does_not_age_the_next_of_its_name():
    known = beats()
    known.on_node("a", heartbeat=1000, now=0)
    known.forget("a")
    known.on_lease("a", (900, 0), now=1)
    known.on_node("a", heartbeat=None, now=500)
    assert known.life("a", 510) is Life.HEARD
