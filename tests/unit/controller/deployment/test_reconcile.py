"""What is done next for a Deployment: claims, the new ReplicaSet, revisions, history, status."""

import pytest

from controller.deployment.reconcile import Plan, keep_in_step, reconcile, template_hash
from tests.unit.controller.deployment.cases import NEW, deployment, replica_set
from vaina.objects.conditions import get_condition
from vaina.objects.rollouts import (
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    POD_TEMPLATE_HASH,
    REVISION,
    REVISION_HISTORY,
    replicas_of,
)
from vaina.testing.builders import owner_ref
from vaina.testing.clock import EPOCH


def sizes(plan: Plan) -> dict[str, int]:
    return {change.wanted.metadata.name: replicas_of(change.wanted) for change in plan.changes}


def settled(made, *sets):
    """Give a Deployment the status and the revision that its ReplicaSets ask for."""
    for _ in range(3):
        plan = reconcile(made, sets, EPOCH)
        if plan.status is not None:
            made.status.CopyFrom(plan.status)
        if plan.revision is not None:
            made.metadata.annotations[REVISION] = plan.revision
    return made


def test_the_first_set_is_made_from_the_template():
    made = deployment(3)
    made.metadata.annotations.update(
        {"team": "tea", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
    )
    made.spec.min_ready_seconds = 7
    plan = reconcile(made, [], EPOCH)
    rs = plan.create
    code = template_hash(made)
    assert rs.metadata.name == f"web-{code}"
    assert (
        dict(rs.metadata.labels)
        == dict(rs.spec.template.metadata.labels)
        == {"app": "web", POD_TEMPLATE_HASH: code}
    )
    assert dict(rs.spec.selector.match_labels) == {"app": "web", POD_TEMPLATE_HASH: code}
    assert dict(rs.metadata.annotations) == {
        "team": "tea", REVISION: "1", DESIRED_REPLICAS: "3", MAX_REPLICAS: "4",
    }  # fmt: skip
    assert (rs.spec.replicas, rs.spec.min_ready_seconds) == (3, 7)
    [owner] = rs.metadata.owner_references
    assert (owner.kind, owner.name, owner.uid, owner.controller) == ("Deployment", "web", "uid-web", True)
    assert plan.revision == "1"
    progress = get_condition(plan.status, "Progressing")
    assert (progress.status, progress.reason, progress.message) == (
        "True", "NewReplicaSetCreated", f'Created new replica set "web-{code}"',
    )  # fmt: skip


def test_the_hash_differs_with_the_template_and_with_each_collision():
    made = deployment()
    first = template_hash(made)
    made.status.collision_count = 1
    second = template_hash(made)
    made.spec.template.spec.containers[0].image = "other"
    assert len({first, second, template_hash(made)}) == 3
    assert set(first) <= set("bcdfghjklmnpqrstvwxz2456789")


def test_a_new_template_begins_with_the_surge_and_lets_go_what_may_be_away():
    made = deployment(10, max_surge=3, max_unavailable=2)
    plan = reconcile(made, [replica_set(made, "old", 10)], EPOCH)
    assert (plan.create.spec.replicas, sizes(plan)) == (3, {"old": 8})
    assert plan.create.metadata.annotations[REVISION] == "2"


def test_a_deployment_that_is_as_it_should_be_is_left_alone():
    made = deployment(3)
    new = replica_set(made, NEW, 3)
    settled(made, new)
    assert reconcile(made, [new], EPOCH) == Plan()


def test_orphans_that_match_are_adopted_before_anything_else():
    made = deployment(3)
    orphan, stranger, other = (replica_set(made, name, 3) for name in ("a", "b", "c"))
    del orphan.metadata.owner_references[:]
    del stranger.metadata.owner_references[:]
    stranger.metadata.labels["app"] = "else"
    del other.metadata.owner_references[:]
    other.metadata.owner_references.append(owner_ref("Deployment", "x", "uid-x"))
    assert reconcile(made, [orphan, stranger, other], EPOCH) == Plan(adopt=(orphan,))


def test_a_set_that_matches_no_longer_is_released():
    made = deployment(3)
    rs = replica_set(made, NEW, 3)
    rs.metadata.labels["app"] = "else"
    assert reconcile(made, [rs], EPOCH) == Plan(release=(rs,))


def test_a_deployment_that_is_going_is_only_described():
    made = deployment(3, deleted=EPOCH)
    plan = reconcile(made, [replica_set(made, "old", 3)], EPOCH)
    assert not plan.acts
    assert plan.status.replicas == 3


def test_of_two_sets_with_the_template_the_older_is_the_new_one():
    made = deployment(3)
    first, second = replica_set(made, NEW, 3, age=9, revision=2), replica_set(made, NEW, 2, age=1)
    second.metadata.name = second.metadata.uid = "twin"
    assert sizes(reconcile(settled(made, first, second), [first, second], EPOCH)) == {"twin": 0}


def test_a_set_that_is_used_again_gets_the_highest_revision_and_remembers_the_others():
    made = deployment(3)
    back = replica_set(made, NEW, 0, revision=1)
    plan = reconcile(made, [back, replica_set(made, "old", 3, revision=4)], EPOCH)
    [change] = [change for change in plan.changes if change.wanted.metadata.name == NEW]
    annotations = change.wanted.metadata.annotations
    assert (annotations[REVISION], annotations[REVISION_HISTORY]) == ("5", "1")
    assert plan.revision == "5"
    assert change.before == 0
    assert change.wanted.spec.replicas == 1


def test_the_memory_of_revisions_is_bounded():
    made = deployment()
    rs = replica_set(made, NEW, 1, revision=1)
    rs.metadata.annotations[REVISION_HISTORY] = ",".join(str(number) for number in range(1000, 1400))
    keep_in_step(made, rs, 2000)
    history = rs.metadata.annotations[REVISION_HISTORY]
    assert len(history) <= 2000
    assert history.endswith(",1399,1")


def test_annotations_and_min_ready_seconds_reach_the_new_set_alone():
    made = deployment(3)
    new, old = replica_set(made, NEW, 3, revision=2), replica_set(made, "old", 0, age=9)
    settled(made, new, old)
    made.metadata.annotations["note"] = "x"
    made.spec.min_ready_seconds = 9
    [change] = reconcile(made, [new, old], EPOCH).changes
    assert (change.wanted.metadata.name, change.wanted.metadata.annotations["note"]) == (NEW, "x")
    assert change.wanted.spec.min_ready_seconds == 9


def test_paused_means_scaling_alone():
    made = deployment(8)
    made.spec.paused = True
    old = replica_set(made, "old", 5, scaled_for=5)
    plan = reconcile(made, [old], EPOCH)
    assert plan.create is None
    assert sizes(plan) == {"old": 8}
    assert plan.changes[0].wanted.metadata.annotations[DESIRED_REPLICAS] == "8"
    progress = get_condition(plan.status, "Progressing")
    assert (progress.status, progress.reason) == ("Unknown", "DeploymentPaused")
    made.spec.paused = False
    made.status.CopyFrom(plan.status)
    assert get_condition(reconcile(made, [old], EPOCH).status, "Progressing").reason == "DeploymentResumed"


def test_scaling_in_the_middle_of_a_rollout_does_not_roll_on():
    made = deployment(20, max_surge=2, max_unavailable=0)
    new = replica_set(made, NEW, 6, 6, revision=2, scaled_for=10)
    old = replica_set(made, "old", 6, 6, age=9, scaled_for=10)
    plan = reconcile(made, [new, old], EPOCH)
    assert sizes(plan) == {NEW: 11, "old": 11}
    assert {change.wanted.metadata.annotations[DESIRED_REPLICAS] for change in plan.changes} == {"20"}


def test_recreate_first_takes_away_then_makes():
    made = deployment(3, recreate=True)
    old = replica_set(made, "old", 3)
    plan = reconcile(made, [old], EPOCH)
    assert (plan.create, sizes(plan)) == (None, {"old": 0})
    ending = replica_set(made, "old", 0, terminating=1)
    assert not reconcile(made, [ending], EPOCH).acts
    assert reconcile(made, [replica_set(made, "old", 0)], EPOCH).create.spec.replicas == 3


def test_recreate_goes_back_to_a_set_that_is_there():
    made = deployment(3, recreate=True)
    plan = reconcile(made, [replica_set(made, NEW, 0), replica_set(made, "old", 0, revision=2)], EPOCH)
    assert (plan.create, sizes(plan)) == (None, {NEW: 3})


@pytest.mark.parametrize(("limit", "gone"), [(2, ["a"]), (0, ["a", "b", "c"]), (3, []), (2**31 - 1, [])])
def test_the_earliest_revisions_beyond_the_limit_go(limit, gone):
    made = deployment(1)
    made.spec.revision_history_limit = limit
    old = [replica_set(made, name, 0, revision=number) for number, name in enumerate("abc", 1)]
    sets = [replica_set(made, NEW, 1, revision=4), *reversed(old)]
    settled(made, *sets)
    assert [rs.metadata.name for rs in reconcile(made, sets, EPOCH).delete] == gone


def test_a_set_with_pods_or_changes_that_nobody_saw_is_not_forgotten():
    made = deployment(1)
    made.spec.revision_history_limit = 0
    running = replica_set(made, "a", 0, current=1)
    unseen = replica_set(made, "b", 0)
    unseen.metadata.generation = 2
    going = replica_set(made, "c", 0)
    going.metadata.deletion_timestamp.seconds = 1
    sets = [replica_set(made, NEW, 1, revision=4), running, unseen, going]
    settled(made, *sets)
    made.status.replicas = made.status.updated_replicas
    assert reconcile(made, sets, EPOCH).delete == ()


def test_what_shrinks_is_written_before_what_grows():
    made = deployment(4, max_surge=0, max_unavailable=4)
    new = replica_set(made, NEW, 2, 2, revision=2, scaled_for=4)
    made.spec.replicas = 8
    plan = reconcile(made, [new, replica_set(made, "old", 2, age=5, scaled_for=2)], EPOCH)
    growing = [change.wanted.spec.replicas > change.before for change in plan.changes]
    assert growing == sorted(growing)
