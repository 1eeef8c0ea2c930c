from controller.pod_gc.reconcile import AbsentNodes, PodGcPlan, reconcile
from vaina.testing.builders import make_pod
from vaina.testing.clock import EPOCH


def names(pods):
    return [pod.metadata.name for pod in pods]


def test_only_what_nobody_else_removes_is_removed():
    pods = [
        make_pod("waiting"),
        make_pod("running", node="n1", phase="Running"),
        make_pod("ending", node="n1", phase="Running", deleted=EPOCH),
        make_pod("never-placed", deleted=EPOCH),
        make_pod("orphaned", node="gone", phase="Running"),
        make_pod("done", node="n1", phase="Succeeded"),
    ]
    plan = reconcile(pods, absent_nodes={"gone"}, keep_terminated=10)
    assert names(plan.orphaned) == ["orphaned"]
    assert names(plan.unscheduled) == ["never-placed"]
    assert plan.surplus == ()
    left = [pod for pod in pods if pod.metadata.name not in {"orphaned", "never-placed"}]
    assert reconcile(left, absent_nodes={"gone"}, keep_terminated=10) == PodGcPlan()


def test_of_too_many_that_have_ended_the_oldest_go():
    pods = [make_pod(f"p{i}", node="n1", phase="Failed", created=EPOCH + i) for i in (3, 1, 2)]
    assert names(reconcile(pods, absent_nodes=(), keep_terminated=1).surplus) == ["p1", "p2"]
    assert reconcile(pods, absent_nodes=(), keep_terminated=0).surplus == ()


def test_a_node_must_be_missing_for_the_whole_quarantine():
    absent = AbsentNodes(40)
    assert absent.observe({"a", ""}, {"b"}, 0) == frozenset()
    assert absent.observe({"a"}, set(), 39) == frozenset()
    assert absent.observe({"a"}, set(), 40) == {"a"}
    assert absent.observe({"a"}, {"a"}, 41) == frozenset()
    assert absent.observe({"a"}, set(), 42) == frozenset(), (
        "a node that came back and went again has its time again"
    )
