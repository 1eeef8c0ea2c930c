"""When a node was last heard of, by the controller's own clock."""

from controller.node_lifecycle.reconcile import Heartbeats, Life


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


def test_the_time_of_a_node_that_never_reported_began_when_it_was_made() -> None:
    """A controller that has just started does not begin it anew."""
    known = beats()
    known.on_node("a", heartbeat=None, now=1000, age=50)
    assert (known.life("a", 1009), known.life("a", 1011)) == (Life.HEARD, Life.NEVER_HEARD)


def test_a_node_of_the_future_is_as_good_as_new() -> None:
    known = beats()
    known.on_node("a", heartbeat=None, now=1000, age=-50)
    assert (known.life("a", 1060), known.life("a", 1061)) == (Life.HEARD, Life.NEVER_HEARD)


def test_a_node_that_reported_has_the_full_time_however_old_it_is() -> None:
    known = beats()
    known.on_node("a", heartbeat=1000, now=1000, age=10**6)
    assert (known.life("a", 1040), known.life("a", 1041)) == (Life.HEARD, Life.SILENT)
