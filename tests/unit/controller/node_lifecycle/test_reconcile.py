from controller.node_lifecycle.reconcile import Heartbeats, Life, NodePlan, reconcile, suspects_itself
from controller.node_lifecycle.taints import NO_EXECUTE, NO_SCHEDULE, UNREACHABLE
from vaina.api.core.v1 import node_pb2
from vaina.clock import timestamp
from vaina.objects.conditions import find_condition, set_condition
from vaina.objects.pods import MIRROR
from vaina.testing.builders import make_node, make_pod
from vaina.testing.clock import EPOCH

NOW = EPOCH + 1000


def plan(node, pods=(), *, life=Life.HEARD, may_evict=True, now=NOW, eviction=300.0) -> NodePlan:
    return reconcile(node, pods, life=life, may_evict=may_evict, default_seconds=eviction, now=now)


def silent_node(since: float = NOW) -> node_pb2.Node:
    """A node as it is after its silence has been written."""
    node = make_node("n1")
    for condition in plan(node, life=Life.SILENT, now=since).conditions:
        set_condition(node.status, condition, since)
    node.spec.taints.extend(plan(node, life=Life.SILENT, now=since).taints)
    return node


def test_a_node_that_is_heard_of_and_ready_needs_nothing():
    assert plan(make_node("n1"), [make_pod("a", node="n1", phase="Running")]) == NodePlan()


def test_a_silent_node_is_unknown_in_all_it_reported_and_keeps_its_last_heartbeat():
    node = make_node("n1", heartbeat=EPOCH + 5)
    node.status.conditions.add(type="DiskPressure", status="False")
    conditions = {condition.type: condition for condition in plan(node, life=Life.SILENT).conditions}
    ready = conditions["Ready"]
    assert (ready.status, ready.reason, ready.message) == (
        "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.",
    )  # fmt: skip
    assert (ready.last_heartbeat_time, ready.last_transition_time) == (timestamp(EPOCH + 5), timestamp(NOW))
    assert conditions["DiskPressure"].reason == "NodeStatusUnknown"
    assert conditions["MemoryPressure"].reason == "NodeStatusNeverUpdated"


def test_a_node_that_never_reported_says_so():
    node = make_node("n1")
    del node.status.conditions[:]
    ready = find_condition(plan(node, life=Life.NEVER_HEARD).conditions, "Ready")
    assert (ready.reason, ready.message) == ("NodeStatusNeverUpdated", "Kubelet never posted node status.")


def test_pods_of_a_silent_node_are_unknown_but_what_has_ended_stays_so():
    pods = [
        make_pod("running", node="n1", phase="Running", ready=True),
        make_pod("pending", node="n1", phase="Pending"),
        make_pod("ending", node="n1", phase="Running", deleted=NOW),
        make_pod("done", node="n1", phase="Succeeded"),
        make_pod("failed", node="n1", phase="Failed"),
    ]
    lost = plan(make_node("n1"), pods, life=Life.SILENT).lost
    assert {pod.metadata.name for pod in lost} == {"running", "pending", "ending"}
    assert {(pod.status.phase, pod.status.reason) for pod in lost} == {("Unknown", "NodeLost")}
    (ready,) = lost[0].status.conditions
    assert (ready.type, ready.status, ready.last_transition_time) == ("Ready", "False", timestamp(NOW))
    assert pods[0].status.phase == "Running", "what the cache holds is not changed"


def test_what_is_written_is_not_written_again():
    lost = make_pod("a", node="n1", phase="Unknown")
    lost.status.reason = "NodeLost"
    got = plan(silent_node(), [lost], life=Life.SILENT)
    assert (got.conditions, got.taints, got.lost, got.evict) == ((), None, (), ())
    assert got.wake_seconds == 300


def test_pods_go_when_their_time_is_up_and_not_before():
    pods = [
        make_pod("a", node="n1", phase="Unknown"),
        make_pod("ending", node="n1", phase="Unknown", deleted=NOW),
        make_pod("done", node="n1", phase="Succeeded"),
        make_pod("static", node="n1", phase="Running", annotations={MIRROR: "x"}),
    ]
    node = silent_node(since=NOW)
    early = plan(node, pods, life=Life.SILENT, now=NOW + 299)
    assert (early.evict, early.wake_seconds) == ((), 1.0)
    late = plan(node, pods, life=Life.SILENT, now=NOW + 300)
    assert [pod.metadata.name for pod in late.evict] == ["a"]


def test_while_this_side_is_suspected_nothing_goes_and_nothing_is_waited_for():
    node = silent_node(since=EPOCH)
    got = plan(node, [make_pod("a", node="n1", phase="Unknown")], life=Life.SILENT, may_evict=False)
    assert (got.evict, got.wake_seconds) == ((), None)
    assert [(taint.key, taint.effect) for taint in got.taints] == [(UNREACHABLE, NO_SCHEDULE)]


def test_a_node_that_has_come_back_loses_its_taints_at_once():
    node = silent_node()
    ready = find_condition(node.status.conditions, "Ready")
    ready.status = "True"
    got = plan(node, [make_pod("a", node="n1", phase="Unknown")], now=NOW + 10_000)
    assert (got.taints, got.evict, got.lost) == ((), (), ())


def test_a_lease_alone_does_not_make_a_node_ready_again():
    node = silent_node()
    got = plan(node, [make_pod("a", node="n1", phase="Running")])
    assert (got.conditions, got.taints, got.lost) == ((), None, ())
    assert {taint.effect for taint in node.spec.taints} == {NO_EXECUTE, NO_SCHEDULE}


def test_most_of_the_nodes_silent_means_this_side_is_at_fault():
    assert [suspects_itself(silent, 3, 0.55) for silent in range(4)] == [False, False, True, True]
    assert suspects_itself(1, 1, 0.55)
    assert not suspects_itself(1, 2, 0.55)
    assert not suspects_itself(0, 0, 0.55)


def test_a_sign_of_life_is_a_change_of_lease_or_heartbeat_by_our_own_clock():
    beats = Heartbeats(grace_seconds=40, startup_grace_seconds=60)
    beats.on_node("n", heartbeat=5, now=0)
    beats.on_lease("n", (1, 0), now=10)
    assert [beats.life("n", now) for now in (50, 51)] == [Life.HEARD, Life.SILENT]
    beats.on_lease("n", (1, 0), now=45)
    beats.on_node("n", heartbeat=5, now=45)
    assert beats.life("n", 51) is Life.SILENT, "the same again is no sign"
    beats.on_lease("n", (1, 1), now=52)
    assert beats.life("n", 92) is Life.HEARD
    beats.on_node("n", heartbeat=6, now=90)
    assert beats.life("n", 130) is Life.HEARD


def test_a_new_node_has_more_time_and_an_unknown_one_is_not_judged():
    beats = Heartbeats(grace_seconds=40, startup_grace_seconds=60)
    beats.on_node("n", heartbeat=None, now=0)
    assert [beats.life("n", now) for now in (60, 61)] == [Life.HEARD, Life.NEVER_HEARD]
    assert beats.life("other", 1000) is Life.HEARD
    beats.forget("n")
    assert beats.life("n", 1000) is Life.HEARD


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
