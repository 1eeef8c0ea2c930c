import pytest

from controller.pod_gc import AbsentNodes, is_out_of_service, reconcile
from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_node, make_pod
from vaina.testing.clock import EPOCH

NOTHING = {"orphaned": [], "out-of-service": [], "unscheduled": [], "terminated": []}


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
    assert names(plan["orphaned"]) == ["orphaned"]
    assert names(plan["unscheduled"]) == ["never-placed"]
    assert plan["terminated"] == []
    left = [pod for pod in pods if pod.metadata.name not in {"orphaned", "never-placed"}]
    assert reconcile(left, absent_nodes={"gone"}, keep_terminated=10) == NOTHING


def test_of_too_many_that_have_ended_the_oldest_go():
    pods = [make_pod(f"p{i}", node="n1", phase="Failed", created=EPOCH + i) for i in (3, 1, 2)]
    assert names(reconcile(pods, absent_nodes=(), keep_terminated=1)["terminated"]) == ["p1", "p2"]
    assert reconcile(pods, absent_nodes=(), keep_terminated=0)["terminated"] == []


def test_a_node_must_be_missing_for_the_whole_quarantine():
    absent = AbsentNodes(40)
    assert absent.observe({"a", ""}, {"b"}, 0) == frozenset()
    assert absent.observe({"a"}, set(), 39) == frozenset()
    assert absent.observe({"a"}, set(), 40) == {"a"}
    assert absent.observe({"a"}, {"a"}, 41) == frozenset()
    assert absent.observe({"a"}, set(), 42) == frozenset(), (
        "a node that came back and went again has its time again"
    )


PHASES = ("", "Pending", "Running", "Unknown", "Succeeded", "Failed")


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(
    ("node", "ending", "kind"),
    [
        ("", False, ""),
        ("", True, "unscheduled"),
        ("n1", False, ""),
        ("n1", True, ""),
        ("gone", False, "orphaned"),
        ("gone", True, "orphaned"),
    ],
)
def test_whose_pods_go_and_why(phase: str, node: str, ending: bool, kind: str) -> None:
    pod = make_pod("a", node=node, phase=phase, deleted=EPOCH if ending else None)
    plan = reconcile([pod], absent_nodes={"gone"}, keep_terminated=1)
    assert plan == (NOTHING | {kind: [pod]} if kind else NOTHING)


def of(text: str) -> pod_pb2.Pod:
    """Read a Pod that has ended: its age, and words: done, failed, evicted, runs, gone (its node)."""
    age, *words = text.split()
    phase = "Running" if "runs" in words else "Succeeded" if "done" in words else "Failed"
    made = make_pod(text, node="gone" if "gone" in words else "n1", phase=phase, created=EPOCH - int(age))
    if "evicted" in words:
        made.status.reason = "Evicted"
    return made


@pytest.mark.parametrize(
    ("there", "keep", "surplus"),
    [
        (["1 done", "2 done"], 2, []),
        (["1 done", "2 done"], 1, ["2 done"]),
        (["1 done", "2 failed", "3 done"], 1, ["3 done", "2 failed"]),
        (["1 done", "2 done"], 0, []),
        (["1 done", "2 done"], -1, []),
        # those that run do not count
        (["1 done", "9 runs", "8 runs"], 1, []),
        (["1 done", "2 done", "9 runs"], 1, ["2 done"]),
        # evicted ones first, whatever their age
        (["1 evicted", "5 done"], 1, ["1 evicted"]),
        (["1 evicted", "5 done", "2 evicted"], 1, ["2 evicted", "1 evicted"]),
        (["1 evicted done", "5 done"], 1, ["5 done"]),
        # who goes for another reason is not counted, nor taken twice
        (["9 done gone", "1 done"], 1, []),
        (["9 done gone", "1 done", "2 done"], 1, ["2 done"]),
        # of the same age by name
        (["1 failed", "1 done"], 1, ["1 done"]),
    ],
)
def test_which_of_too_many_go(there: list[str], keep: int, surplus: list[str]) -> None:
    plan = reconcile([of(text) for text in there], absent_nodes={"gone"}, keep_terminated=keep)
    assert names(plan["terminated"]) == surplus
    left = [of(text) for text in there if text not in surplus]
    assert reconcile(left, absent_nodes={"gone"}, keep_terminated=keep)["terminated"] == []


OFF = "node.kubernetes.io/out-of-service"


@pytest.mark.parametrize(
    ("ready", "taints", "want"),
    [
        ("False", [OFF], True),
        ("Unknown", ["node.kubernetes.io/unreachable", OFF], True),
        ("", [OFF], True),
        ("True", [OFF], False),
        ("False", [], False),
        ("Unknown", ["node.kubernetes.io/unreachable"], False),
    ],
)
def test_a_node_is_out_of_service_when_it_is_said_and_it_is_not_ready(
    ready: str, taints: list[str], want: bool
) -> None:
    node = make_node("n1")
    del node.status.conditions[:]
    if ready:
        node.status.conditions.add(type="Ready", status=ready)
    for key in taints:
        node.spec.taints.add(key=key, effect="NoExecute", value="nodeshutdown")
    assert is_out_of_service(node) is want


@pytest.mark.parametrize(
    ("node", "ending", "kind"),
    [
        ("off", True, "out-of-service"),
        # Whose time has not come is deleted by whoever heeds the taint, or by a person.
        ("off", False, ""),
        ("n1", True, ""),
        ("", True, "unscheduled"),
        ("gone", True, "orphaned"),
    ],
)
@pytest.mark.parametrize("phase", PHASES)
def test_what_ends_on_a_node_out_of_service_is_not_waited_for(
    phase: str, node: str, ending: bool, kind: str
) -> None:
    pod = make_pod("a", node=node, phase=phase, deleted=EPOCH if ending else None)
    plan = reconcile([pod], absent_nodes={"gone"}, keep_terminated=1, out_of_service={"off", "gone"})
    assert plan == (NOTHING | {kind: [pod]} if kind else NOTHING)


def test_those_out_of_service_go_evicted_ones_first_and_are_not_counted_as_too_many() -> None:
    young, old, evicted = (
        make_pod(name, node="off", phase="Failed", created=EPOCH - age, deleted=EPOCH)
        for name, age in (("young", 1), ("old", 5), ("evicted", 0))
    )
    evicted.status.reason = "Evicted"
    done = make_pod("done", node="n1", phase="Succeeded", created=EPOCH)
    plan = reconcile([young, old, done, evicted], absent_nodes=(), keep_terminated=1, out_of_service={"off"})
    assert names(plan["out-of-service"]) == ["evicted", "old", "young"]
    assert plan["terminated"] == []
