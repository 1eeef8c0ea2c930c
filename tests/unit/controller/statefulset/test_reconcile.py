"""What a StatefulSet does next: order, updates, partitions, claims.

And that whatever it begins with, it gets there.
"""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.statefulset.identity import Claim, StatefulSet, claim_name, new_pod, ordinal_of
from controller.statefulset.reconcile import Plan, Version, reconcile
from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_pod

NOW = 1_700_000_000.0


def stateful_set(replicas: int = 3, **given: object) -> StatefulSet:
    made = StatefulSet()
    made.metadata.name, made.metadata.namespace, made.metadata.uid, made.metadata.generation = (
        "db",
        "default",
        "u",
        2,
    )
    spec = made.spec
    spec.replicas, spec.pod_management_policy = replicas, str(given.get("policy", "OrderedReady"))
    spec.update_strategy.type = str(given.get("strategy", "RollingUpdate"))
    if spec.update_strategy.type == "RollingUpdate":
        rolling = spec.update_strategy.rolling_update
        rolling.partition = int(str(given.get("partition", 0)))
        match given.get("unavailable"):
            case str(share):
                rolling.max_unavailable.type, rolling.max_unavailable.str_val = 1, share
            case int(number):
                rolling.max_unavailable.int_val = number
    spec.ordinals.start = int(str(given.get("start", 0)))
    spec.template.spec.containers.add(name="app", image="new")
    retention = spec.persistent_volume_claim_retention_policy
    retention.when_deleted = str(given.get("deleted", "Retain"))
    retention.when_scaled = str(given.get("scaled", "Retain"))
    if given.get("claims"):
        spec.volume_claim_templates.add().metadata.name = "data"
    return made


def versions(made: StatefulSet) -> tuple[Version, Version]:
    old = pod_pb2.PodTemplateSpec()
    old.CopyFrom(made.spec.template)
    old.spec.containers[0].image = "old"
    return Version("db-old", old), Version("db-new", made.spec.template)


def pod(made: StatefulSet, text: str) -> pod_pb2.Pod:
    """Read a Pod: ordinal, and words: old, pending, unready, ending, failed, done."""
    number, *words = text.split()
    current, update = versions(made)
    version = current if "old" in words else update
    found = new_pod(made, version.template, version.name, int(number))
    found.metadata.uid = f"uid-{number}"
    phases = {"pending": "Pending", "failed": "Failed", "done": "Succeeded"}
    found.status.phase = next((phases[word] for word in words if word in phases), "Running")
    ready = not {"pending", "unready", "failed", "done"} & {*words}
    found.status.conditions.add(
        type="Ready", status="True" if ready else "False"
    ).last_transition_time.seconds = int(NOW) - 100
    if "ending" in words:
        found.metadata.deletion_timestamp.seconds = int(NOW)
    return found


def plan_of(made: StatefulSet, *there: str, claims: Mapping[str, Claim] | None = None) -> Plan:
    return reconcile(made, [pod(made, text) for text in there], claims or {}, *versions(made), NOW)


def said(plan: Plan) -> list[str]:
    """Write what comes and goes: +1 is Pod 1 made, -2 is Pod 2 deleted."""
    made = [
        f"+{item.metadata.name[3:]}{' old' if item.spec.containers[0].image == 'old' else ''}"
        for item in plan.create
    ]
    return [*made, *(f"-{item.metadata.name[3:]}" for item in plan.delete)]


ORDERED = stateful_set()
PARALLEL = stateful_set(policy="Parallel")


@pytest.mark.parametrize(
    ("made", "there", "wanted"),
    [
        # growing, in order
        (ORDERED, [], ["+0"]),
        (ORDERED, ["0 pending"], []),
        (ORDERED, ["0 unready"], []),
        (ORDERED, ["0"], ["+1"]),
        (ORDERED, ["0", "1"], ["+2"]),
        (ORDERED, ["0", "1", "2"], []),
        (ORDERED, ["1", "2"], ["+0"]),
        (ORDERED, ["0", "2"], ["+1"]),
        (ORDERED, ["0 unready", "2"], []),
        (ORDERED, ["0 ending", "1", "2"], []),
        (ORDERED, ["0", "1 ending"], []),
        (stateful_set(start=5), [], ["+5"]),
        (stateful_set(start=5), ["5"], ["+6"]),
        (stateful_set(2, start=5), ["5", "6"], []),
        (stateful_set(0), [], []),
        # what ended comes again
        (ORDERED, ["0 failed", "1", "2"], ["-0"]),
        (ORDERED, ["0 done"], ["-0"]),
        (ORDERED, ["0 failed ending"], []),
        (PARALLEL, ["0 failed", "1", "2"], ["-0"]),
        (PARALLEL, ["0 failed", "1 done"], ["+2", "-0", "-1"]),
        # growing, all at once
        (PARALLEL, [], ["+0", "+1", "+2"]),
        (PARALLEL, ["1 pending"], ["+0", "+2"]),
        (PARALLEL, ["0 ending"], ["+1", "+2"]),
        # shrinking, the last first
        (stateful_set(1), ["0", "1", "2"], ["-2"]),
        (stateful_set(1), ["0", "1", "2 ending"], []),
        (stateful_set(1), ["0", "1"], ["-1"]),
        (stateful_set(0), ["0"], ["-0"]),
        (stateful_set(1), ["0 unready", "1", "2"], []),
        (stateful_set(1), ["0", "1", "2 unready"], ["-2"]),
        (stateful_set(1), ["0", "1 unready", "2 unready"], []),
        (stateful_set(1), ["0", "1 ending", "2 unready"], []),
        (stateful_set(1), ["0", "1 failed", "2 failed"], []),
        (stateful_set(1), ["0", "1 unready", "2 pending", "3"], ["-3"]),
        (stateful_set(1, start=2), ["1 unready", "2", "3 unready"], []),
        (stateful_set(1, policy="Parallel"), ["0", "1 unready", "2 unready"], ["-2", "-1"]),
        (stateful_set(1), ["0", "1 unready", "2"], ["-2"]),
        (stateful_set(1, policy="Parallel"), ["0", "1", "2"], ["-2", "-1"]),
        (stateful_set(1, policy="Parallel"), ["0 unready", "1 ending", "2"], ["-2"]),
        (stateful_set(2, start=1), ["0", "1", "2"], ["-0"]),
        # a new template, the last first
        (ORDERED, ["0 old", "1 old", "2 old"], ["-2"]),
        (ORDERED, ["0 old", "1 old", "2"], ["-1"]),
        (ORDERED, ["0 old", "1", "2"], ["-0"]),
        (ORDERED, ["0 old", "1 old", "2 unready"], []),
        (ORDERED, ["0 old", "1 old", "2 ending"], []),
        (ORDERED, ["0 old", "1 old"], ["+2"]),
        (PARALLEL, ["0 old", "1 old", "2 old"], ["-2"]),
        (PARALLEL, ["0 old", "1 old unready", "2"], ["-1"]),
        (PARALLEL, ["0 old", "1 old", "2 unready"], []),
        (stateful_set(strategy="OnDelete"), ["0 old", "1 old", "2 old"], []),
        (stateful_set(strategy="OnDelete"), ["0 old", "1 old"], ["+2"]),
        # down to a partition
        (stateful_set(partition=2), ["0 old", "1 old", "2 old"], ["-2"]),
        (stateful_set(partition=2), ["0 old", "1 old", "2"], []),
        (stateful_set(partition=2), ["1 old", "2"], ["+0 old"]),
        (stateful_set(partition=2), ["0 old"], ["+1 old"]),
        (stateful_set(partition=2), ["0 old", "1 old"], ["+2"]),
        (stateful_set(partition=9), ["0 old", "1 old", "2 old"], []),
        (stateful_set(partition=1, start=5), ["5 old", "6 old", "7 old"], ["-7"]),
        (stateful_set(partition=1, start=5), ["5 old", "6", "7"], []),
        # several at a time
        (stateful_set(unavailable=2), ["0 old", "1 old", "2 old"], ["-2", "-1"]),
        (stateful_set(policy="Parallel", unavailable=2), ["0 old", "1 old", "2 unready"], ["-1"]),
        (stateful_set(policy="Parallel", unavailable=2), ["0 old", "1 ending", "2 unready"], []),
        (stateful_set(unavailable=9), ["0 old", "1 old", "2 old"], ["-2", "-1", "-0"]),
        (stateful_set(4, unavailable="50%"), ["0 old", "1 old", "2 old", "3 old"], ["-3", "-2"]),
        (stateful_set(3, unavailable="25%"), ["0 old", "1 old", "2 old"], ["-2"]),
        # what is away already goes at once, and what is away below the partition counts
        (PARALLEL, ["0 old unready", "1 old pending", "2 old unready"], ["-2", "-1", "-0"]),
        (PARALLEL, ["0 old unready", "1 old", "2 old"], ["-0"]),
        (stateful_set(policy="Parallel", unavailable=2), ["0 old unready", "1 old", "2 old"], ["-0", "-2"]),
        (stateful_set(policy="Parallel", partition=2), ["0 old unready", "1 old", "2 old"], []),
        (stateful_set(policy="Parallel", partition=2, unavailable=2), ["0 old unready", "1 old", "2 old"], ["-2"]),
        (stateful_set(policy="Parallel", partition=1), ["0 old unready", "1 old unready", "2 old"], ["-1"]),
    ],
)  # fmt: skip
def test_what_comes_and_what_goes(made: StatefulSet, there: list[str], wanted: list[str]) -> None:
    assert said(plan_of(made, *there)) == wanted


def claim(made: StatefulSet, ordinal: int, *owners: tuple[str, str]) -> Claim:
    template = made.spec.volume_claim_templates[0]
    found = Claim()
    found.metadata.name, found.metadata.namespace = claim_name(made, template, ordinal), "default"
    for kind, uid in owners:
        name = "db" if kind == "StatefulSet" else f"db-{ordinal}"
        found.metadata.owner_references.add(kind=kind, name=name, uid=uid)
    return found


SET, POD = ("StatefulSet", "u"), ("Pod", "uid-1")


@pytest.mark.parametrize(
    ("deleted", "scaled", "replicas", "before", "after"),
    [
        ("Retain", "Retain", 2, (), ()),
        ("Retain", "Retain", 2, (SET,), ()),
        ("Delete", "Retain", 2, (), (SET,)),
        ("Delete", "Retain", 1, (), (SET,)),
        ("Retain", "Delete", 2, (POD,), ()),
        ("Retain", "Delete", 1, (), (POD,)),
        ("Delete", "Delete", 2, (POD,), (SET,)),
        ("Delete", "Delete", 1, (SET,), (POD,)),
        ("Delete", "Delete", 2, (SET,), (SET,)),
        ("Retain", "Retain", 2, (("Application", "a"),), (("Application", "a"),)),
    ],
)
def test_whose_a_claim_is(
    deleted: str,
    scaled: str,
    replicas: int,
    before: tuple[tuple[str, str], ...],
    after: tuple[tuple[str, str], ...],
) -> None:
    made = stateful_set(replicas, claims=True, deleted=deleted, scaled=scaled)
    there = claim(made, 1, *before)
    plan = plan_of(made, "0", "1", claims={there.metadata.name: there, "data-db-0": claim(made, 0)})
    found = next((item for item in plan.retain if item.metadata.name == "data-db-1"), there)
    assert tuple((item.kind, item.uid) for item in found.metadata.owner_references) == after


def test_claims_come_before_their_pod_and_once() -> None:
    made = stateful_set(2, claims=True)
    plan = plan_of(made, "0", claims={"data-db-0": claim(made, 0)})
    assert [item.metadata.name for item in plan.claims] == ["data-db-1"]
    assert said(plan) == ["+1"]
    again = plan_of(made, "0", claims={"data-db-0": claim(made, 0), "data-db-1": claim(made, 1)})
    assert (again.claims, said(again)) == ([], ["+1"])


@pytest.mark.parametrize(("policy", "made_otherwise"), [("OrderedReady", []), ("Parallel", ["+0"])])
def test_no_pod_gets_a_claim_that_is_about_to_go_with_the_one_before(
    policy: str, made_otherwise: list[str]
) -> None:
    made = stateful_set(2, claims=True, scaled="Delete", policy=policy)
    left = claim(made, 1, ("Pod", "uid-of-one-that-is-gone"))
    there = () if made_otherwise else ("0",)
    plan = plan_of(made, *there, claims={"data-db-0": claim(made, 0), "data-db-1": left})
    assert (said(plan), plan.claims, plan.retain) == (made_otherwise, [], [])
    assert plan.wake_seconds is not None
    assert said(plan_of(made, *there, claims={"data-db-0": claim(made, 0)})) == [*made_otherwise, "+1"]


def test_a_pod_waits_until_it_was_ready_for_long_enough() -> None:
    made = stateful_set()
    made.spec.min_ready_seconds = 130
    plan = plan_of(made, "0")
    assert (said(plan), plan.wake_seconds) == ([], 30.0)
    assert plan.status is not None
    assert (plan.status.ready_replicas, plan.status.available_replicas) == (1, 0)


@pytest.mark.parametrize(
    "made",
    [
        stateful_set(policy="Parallel"),
        stateful_set(policy="Parallel", strategy="OnDelete"),
        stateful_set(policy="Parallel", partition=3),
        stateful_set(),
    ],
    ids=["rolling", "on-delete", "below-the-partition", "in-order"],
)
def test_it_looks_again_when_the_first_of_its_pods_will_have_been_ready_for_long_enough(
    made: StatefulSet,
) -> None:
    waiting = StatefulSet()
    waiting.CopyFrom(made)
    waiting.spec.min_ready_seconds = 130
    pods = [pod(waiting, text) for text in ("0", "1", "2")]
    pods[1].status.conditions[0].last_transition_time.seconds -= 10
    plan = reconcile(waiting, pods, {}, *versions(waiting), NOW)
    assert plan.wake_seconds == 20.0
    assert plan.status is not None
    assert (plan.status.ready_replicas, plan.status.available_replicas) == (3, 0)
    later = reconcile(waiting, pods, {}, *versions(waiting), NOW + 20.0)
    assert later.status is not None
    assert (later.status.available_replicas, later.wake_seconds) == (1, 10.0)
    assert reconcile(waiting, pods, {}, *versions(waiting), NOW + 30.0).wake_seconds is None


def test_labels_that_were_taken_away_are_put_back() -> None:
    made = stateful_set(1)
    bare = pod(made, "0")
    del bare.metadata.labels["statefulset.kubernetes.io/pod-name"]
    (repaired,) = reconcile(made, [bare], {}, *versions(made), NOW).repair
    assert repaired.metadata.labels["statefulset.kubernetes.io/pod-name"] == "db-0"


def test_the_status_while_rolling_and_when_done() -> None:
    rolling = plan_of(stateful_set(), "0 old", "1 unready", "2").status
    assert rolling is not None
    counts = (rolling.replicas, rolling.ready_replicas, rolling.current_replicas, rolling.updated_replicas)
    assert (counts, rolling.current_revision, rolling.update_revision) == ((3, 2, 1, 2), "db-old", "db-new")
    done = plan_of(stateful_set(), "0", "1", "2").status
    assert done is not None
    assert (done.current_replicas, done.updated_replicas, done.current_revision) == (3, 3, "db-new")


@pytest.mark.parametrize(
    ("name", "ordinal"),
    [
        ("db-0", 0),
        ("db-17", 17),
        ("db-", None),
        ("db-01", None),
        ("dbx-1", None),
        ("db-x", None),
        ("db--1", None),
    ],
)
def test_whose_a_name_is(name: str, ordinal: int | None) -> None:
    assert ordinal_of(stateful_set(), make_pod(name).metadata.name) == ordinal


def _moves(item: pod_pb2.Pod) -> bool:
    """Say whether something will happen to a Pod by itself: it will be gone, or ready."""
    if item.metadata.HasField("deletion_timestamp"):
        return True
    unready = any(condition.status == "False" for condition in item.status.conditions)
    return item.status.phase in ("", "Pending", "Running") and (unready or not item.status.conditions)


_STATES = ["", "old", "pending", "unready", "old unready", "ending", "old ending", "failed"]


@settings(max_examples=60)
@given(
    replicas=st.integers(0, 4), policy=st.sampled_from(["OrderedReady", "Parallel"]),
    states=st.dictionaries(st.integers(0, 6), st.sampled_from(_STATES), max_size=7),
    turns=st.randoms(use_true_random=False),
)  # fmt: skip
def test_whatever_it_begins_with_it_gets_there_one_at_a_time(
    replicas: int, policy: str, states: dict[int, str], turns: object
) -> None:
    """Pods get ready, end and go in any order.

    Never are there two of one name, and by our doing one at a time is away.
    """
    made = stateful_set(replicas, policy=policy)
    # In order, of two that are too many and never get ready none goes, as upstream: one at most is so broken.
    broken = sorted(number for number, state in states.items() if state == "failed" and number >= replicas)
    states |= dict.fromkeys(broken[1:], "unready")
    there = {number: pod(made, f"{number} {state}") for number, state in states.items()}
    for _ in range(80):
        plan = reconcile(made, list(there.values()), {}, *versions(made), NOW)
        for item in plan.create:
            number = ordinal_of(made, item.metadata.name)
            assert number is not None
            assert number not in there
            there[number] = item
        if policy == "OrderedReady":
            assert len(plan.delete) <= 1
        for item in plan.delete:
            item.metadata.deletion_timestamp.seconds = int(NOW)
        moving = [number for number, item in there.items() if _moves(item)]
        if not moving and not plan.acts:
            break
        if moving:
            chosen = turns.choice(moving)  # type: ignore[attr-defined]  # hypothesis' own Random
            if there[chosen].metadata.HasField("deletion_timestamp"):
                del there[chosen]
            else:
                fresh = pod(made, f"{chosen}")
                fresh.metadata.labels["controller-revision-hash"] = there[chosen].metadata.labels[
                    "controller-revision-hash"
                ]
                there[chosen] = fresh
    assert sorted(there) == list(range(replicas))
    assert {item.metadata.labels["controller-revision-hash"] for item in there.values()} <= {"db-new"}
    status = reconcile(made, list(there.values()), {}, *versions(made), NOW).status
    assert replicas == 0 or (status is not None and status.updated_replicas == replicas)
