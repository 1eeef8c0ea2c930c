from dataclasses import dataclass, field

import pytest

from controller.pods import pod_names
from controller.replicaset.reconcile import BURST, ReplicaPlan, observe, owner_of, reconcile
from vaina.api.core.v1 import pod_pb2
from vaina.kinds import REPLICA_SET, REPLICATION_CONTROLLER
from vaina.testing.builders import make_pod, make_replica_set, make_replication_controller, owner_ref
from vaina.testing.clock import EPOCH

LABELS = {"app": "web"}
REF = owner_ref("ReplicaSet", "web", "uid-default-web")
OTHER = owner_ref("ReplicaSet", "other", "uid-default-other")


def mine(name: str, **kwargs) -> pod_pb2.Pod:
    return make_pod(name, **{"labels": LABELS, "owner": REF, "phase": "Running", **kwargs})


def names(count: int, taken=()) -> tuple[str, ...]:
    return pod_names("web", "uid-default-web", count, frozenset(taken))


@dataclass(frozen=True)
class Case:
    name: str
    replicas: int
    pods: tuple[pod_pb2.Pod, ...] = ()
    want: ReplicaPlan = field(default_factory=ReplicaPlan)
    deleted: float | None = None


A, B, C = mine("a"), mine("b"), mine("c", phase="Pending")
ORPHAN = make_pod("orphan", labels=LABELS, phase="Running")
CASES = [
    Case("nothing is there: all are created", 3, want=ReplicaPlan(create=names(3))),
    Case("as many as wished for: nothing to do", 2, (A, B)),
    Case("one too few: one is created", 3, (A, B), ReplicaPlan(create=names(1))),
    Case("one too many: the pending one goes", 2, (A, B, C), ReplicaPlan(delete=(C,))),
    Case("zero replicas: all go", 0, (A,), ReplicaPlan(delete=(A,))),
    Case("no more than a burst at once", 2 * BURST, want=ReplicaPlan(create=names(BURST))),
    Case("what has ended does not count", 1, (mine("f", phase="Failed"),), ReplicaPlan(create=names(1))),
    Case("what is ending does not count", 1, (mine("e", deleted=EPOCH),), ReplicaPlan(create=names(1))),
    Case(
        "a Pod on a lost node counts until it is marked for deletion",
        2,
        (mine("u", phase="Unknown"), mine("v", phase="Unknown", deleted=EPOCH)),
        ReplicaPlan(create=names(1)),
    ),
    Case("an orphan that matches is adopted and counts", 1, (ORPHAN,), ReplicaPlan(adopt=(ORPHAN,))),
    Case(
        "an orphan that has ended is left alone",
        1,
        (make_pod("o", labels=LABELS, phase="Succeeded"),),
        ReplicaPlan(create=names(1)),
    ),
    Case(
        "a Pod whose labels match no longer is released and replaced",
        1,
        (mine("gone", labels={"app": "x"}),),
        ReplicaPlan(release=(mine("gone", labels={"app": "x"}),), create=names(1)),
    ),
    Case(
        "what another controller owns is not touched",
        1,
        (make_pod("theirs", labels=LABELS, owner=OTHER),),
        ReplicaPlan(create=names(1)),
    ),
    Case(
        "a controller of the same name and another uid owns nothing here",
        0,
        (make_pod("old", labels=LABELS, owner=owner_ref("ReplicaSet", "web", "uid-of-before")),),
    ),
    Case("a controller that is being deleted does nothing", 3, (A, ORPHAN), deleted=EPOCH),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_plan(case):
    owner = owner_of(REPLICA_SET, make_replica_set("web", replicas=case.replicas, deleted=case.deleted))
    assert reconcile(owner, observe(owner, case.pods), now=EPOCH) == case.want


LOOSE = make_pod("loose", labels={"app": "x"})
GONE = mine("gone", labels={"app": "x"})
DONE, DEAD = mine("done", phase="Succeeded"), mine("dead", phase="Failed")
ENDING = mine("ending", deleted=EPOCH)
THEIRS = make_pod("theirs", labels=LABELS, owner=OTHER, phase="Running")
#: replicas, Pods, what is to be done: (number of creations, deleted, adopted, released)
MIXTURES = {
    "an orphan too many is adopted, not deleted": (0, (ORPHAN,), (0, "", "orphan", "")),
    "an orphan makes one of its own too many": (1, (C, ORPHAN), (0, "c", "orphan", "")),
    "an orphan and what is missing besides": (3, (A, ORPHAN), (1, "", "orphan", "")),
    "two orphans at once": (2, (ORPHAN, make_pod("o2", labels=LABELS)), (0, "", "o2 orphan", "")),
    "an orphan that matches nothing stays one": (1, (A, LOOSE), (0, "", "", "")),
    "an orphan that is ending is left alone": (1, (A, make_pod("o", labels=LABELS, deleted=EPOCH)), (0, "", "", "")),
    "an orphan with more labels is adopted": (1, (make_pod("o", labels={**LABELS, "b": "c"}),), (0, "", "o", "")),
    "what matches no longer does not count": (2, (A, GONE), (1, "", "", "gone")),
    "what matches no longer and one too many": (0, (A, GONE), (0, "a", "", "gone")),
    "released and adopted together": (1, (GONE, ORPHAN), (0, "", "orphan", "gone")),
    "what matches no longer is released though it has ended": (0, (mine("g", labels={}, phase="Failed"),), (0, "", "", "g")),
    "what matches no longer is released though it is ending": (0, (mine("g", labels={}, deleted=EPOCH),), (0, "", "", "g")),
    "what has succeeded is replaced": (1, (DONE,), (1, "", "", "")),
    "what has ended is not deleted when there are too many": (0, (DONE, DEAD), (0, "", "", "")),
    "what is ending is not deleted again": (0, (ENDING,), (0, "", "", "")),
    "what is ending is replaced at once": (2, (A, ENDING), (1, "", "", "")),
    "all ending: all are replaced": (3, (ENDING, mine("e2", deleted=EPOCH)), (3, "", "", "")),
    "another's Pods with the same labels are nobody here": (2, (A, B, THEIRS), (0, "", "", "")),
    "another's Pods do not stand in": (1, (THEIRS,), (1, "", "", "")),
    "two too many: pending before running": (1, (A, B, C), (0, "c ", "", "")),
    "none too many while some are on a lost node": (2, (mine("u", phase="Unknown"), A), (0, "", "", "")),
    "of too many the one on the lost node goes": (1, (mine("u", phase="Unknown"), A), (0, "u", "", "")),
    "without a node first": (1, (mine("z", phase="Pending"), mine("y", phase="Pending", node="n1")), (0, "z", "", "")),
    "not ready first": (1, (mine("a", ready=True), mine("b", ready=False)), (0, "b", "", "")),
    "no replicas and no Pods": (0, (), (0, "", "", "")),
}  # fmt: skip


@pytest.mark.parametrize("name", MIXTURES)
def test_mixtures(name):
    replicas, pods, (created, deleted, adopted, released) = MIXTURES[name]
    owner = owner_of(REPLICA_SET, make_replica_set("web", replicas=replicas))
    plan = reconcile(owner, observe(owner, pods), now=EPOCH)
    told = [sorted(pod.metadata.name for pod in group) for group in (plan.delete, plan.adopt, plan.release)]
    assert len(plan.create) == created
    assert told[1:] == [adopted.split(), released.split()]
    if deleted.endswith(" "):
        assert len(told[0]) == 2
        assert deleted.strip() in told[0]
    else:
        assert told[0] == deleted.split()


@pytest.mark.parametrize("replicas", [0, 1, 7])
def test_carrying_out_a_plan_leaves_nothing_to_do(replicas):
    owner = owner_of(REPLICA_SET, make_replica_set("web", replicas=replicas))
    pods = [mine("a"), mine("b"), ORPHAN, mine("x", labels={"app": "x"}), mine("f", phase="Failed")]
    for _ in range(2):
        plan = reconcile(owner, observe(owner, pods), now=EPOCH)
        released = {pod.metadata.name for pod in plan.release}
        deleted = {pod.metadata.name for pod in plan.delete}
        adopted = {pod.metadata.name for pod in plan.adopt}
        pods = [pod for pod in pods if pod.metadata.name not in deleted | released | adopted]
        pods += [mine(name) for name in adopted] + [mine(name) for name in plan.create]
    assert reconcile(owner, observe(owner, pods), now=EPOCH) == ReplicaPlan()
    assert len(observe(owner, pods).active) == replicas


def test_a_replication_controller_selects_by_labels_alone():
    owner = owner_of(REPLICATION_CONTROLLER, make_replication_controller("web", replicas=1))
    assert owner.matches(make_pod("a", labels={"app": "web", "more": "x"}))
    assert not owner.matches(make_pod("a", labels={"app": "x"}))


def test_names_do_not_depend_on_chance_and_leave_out_what_is_taken():
    first = names(4)
    assert names(4) == first
    assert names(3, taken=first[:1]) == first[1:]
    assert len(set(first)) == 4
    assert all(name.startswith("web-") and len(name) == 9 for name in first)
    assert len(pod_names("x" * 253, "u", 1)[0]) == 63


def test_a_new_pod_is_the_template_and_its_controller():
    replica_set = make_replica_set("web", replicas=1)
    replica_set.spec.template.metadata.annotations["note"] = "x"
    pod = owner_of(REPLICA_SET, replica_set).new_pod("web-abcde")
    assert (pod.metadata.name, pod.metadata.generate_name, pod.metadata.namespace) == (
        "web-abcde",
        "web-",
        "default",
    )
    assert dict(pod.metadata.labels) == LABELS
    assert dict(pod.metadata.annotations) == {"note": "x"}
    assert pod.spec == replica_set.spec.template.spec
    assert list(pod.metadata.owner_references) == [REF]
