"""Deleting: grace, finalizers, preconditions, propagation; what is marked, what goes at once (I9)."""

from dataclasses import dataclass

import pytest

from apiserver.registry.deletion import DeleteOptions, Verdict, decide
from apiserver.registry.pods import PodStrategy
from apiserver.registry.strategies import EventStrategy
from apiserver.registry.strategy import Strategy
from tests.support.apiserver import Harness, make_apiserver
from vaina.api.core.v1 import event_pb2, pod_pb2
from vaina.clock import timestamp
from vaina.errors import Conflict, Forbidden, Invalid, NotFound
from vaina.testing.builders import make_pod, make_replica_set, make_replication_controller

NOW = 1000.0


def _pod(
    *, node: str = "n", phase: str = "Running", grace: int | None = 30, finalizers: tuple[str, ...] = (),
    deleting: tuple[float, int] | None = None, generation: int = 1,
) -> pod_pb2.Pod:  # fmt: skip
    pod = make_pod(node=node, phase=phase, finalizers=finalizers)
    pod.metadata.generation = generation
    if grace is not None:
        pod.spec.termination_grace_period_seconds = grace
    if deleting is not None:
        pod.metadata.deletion_timestamp.CopyFrom(timestamp(deleting[0]))
        pod.metadata.deletion_grace_period_seconds = deleting[1]
    return pod


@dataclass(frozen=True)
class Case:
    name: str
    pod: pod_pb2.Pod
    options: DeleteOptions
    verdict: Verdict
    #: deletionTimestamp, grace, generation, finalizers afterwards; None: it goes
    after: tuple[float, int, int, list[str]] | None = None


Options = DeleteOptions
CASES = [
    Case("a running Pod gets the grace of its spec", _pod(), Options(), Verdict.STORE, (1030, 30, 2, [])),
    Case("the request's grace goes before the spec's", _pod(), Options(5), Verdict.STORE, (1005, 5, 2, [])),
    Case("a longer grace may be asked for at first", _pod(), Options(90), Verdict.STORE, (1090, 90, 2, [])),
    Case("grace 0 removes at once", _pod(), Options(0), Verdict.REMOVE),
    Case("a negative grace is one second", _pod(), Options(-5), Verdict.STORE, (1001, 1, 2, [])),
    Case("a negative grace of the spec is one second", _pod(grace=-1), Options(), Verdict.STORE, (1001, 1, 2, [])),
    Case("a Pod without grace goes at once", _pod(grace=None), Options(), Verdict.REMOVE),
    Case("an unscheduled Pod goes at once, whatever the grace", _pod(node=""), Options(60), Verdict.REMOVE),
    Case("a Pod that has succeeded goes at once", _pod(phase="Succeeded"), Options(), Verdict.REMOVE),
    Case("a Pod that has failed goes at once", _pod(phase="Failed"), Options(), Verdict.REMOVE),
    Case("an ending Pod is kept by a second deletion", _pod(deleting=(1010, 30)), Options(), Verdict.KEEP),
    Case("a longer grace later changes nothing", _pod(deleting=(1010, 30)), Options(60), Verdict.KEEP),
    Case("the same grace later changes nothing", _pod(deleting=(1010, 30)), Options(30), Verdict.KEEP),
    Case(
        "a shorter grace later brings what it says of dependents",
        _pod(deleting=(1010, 30), generation=2), Options(10, propagation_policy="Foreground"), Verdict.STORE,
        (1000, 1, 2, ["foregroundDeletion"]),
    ),
    Case(
        "no grace later waits for the dependents that it asks for",
        _pod(deleting=(1010, 30), generation=2), Options(0, propagation_policy="Orphan"), Verdict.STORE,
        (1000, 0, 2, ["orphan"]),
    ),
    Case(
        "what a later deletion says of dependents counts for nothing when it shortens nothing",
        _pod(deleting=(1010, 30), generation=2), Options(30, propagation_policy="Orphan"), Verdict.KEEP,
    ),
    Case(
        "a shorter grace later counts from the first deletion",
        _pod(deleting=(1020, 30), generation=2), Options(15), Verdict.STORE, (1005, 15, 2, []),
    ),
    Case(
        "a shorter grace that is over already leaves a second from now, and no end in the past",
        _pod(deleting=(1010, 30), generation=2), Options(10), Verdict.STORE, (1000, 1, 2, []),
    ),
    Case(
        "what was to end later and has no grace any more ends now",
        _pod(deleting=(1010, 0), finalizers=("a/b",), generation=2), Options(), Verdict.STORE, (1000, 0, 2, ["a/b"]),
    ),
    Case(
        "what was asked of the collector before stays in its place",
        _pod(node="", finalizers=("orphan", "a/b")), Options(propagation_policy="Orphan"), Verdict.STORE,
        (1000, 0, 2, ["orphan", "a/b"]),
    ),
    Case("grace 0 ends an ending Pod (the kubelet has finished)", _pod(deleting=(1010, 30)), Options(0), Verdict.REMOVE),
    Case("an ending Pod whose grace is 0 already goes", _pod(deleting=(1010, 0)), Options(), Verdict.REMOVE),
    Case(
        "a finalizer holds a Pod that has no grace",
        _pod(node="", finalizers=("a/b",)), Options(), Verdict.STORE, (1000, 0, 2, ["a/b"]),
    ),
    Case(
        "a finalizer holds a Pod whose grace is over",
        _pod(deleting=(1010, 30), finalizers=("a/b",), generation=2), Options(0), Verdict.STORE, (1000, 0, 2, ["a/b"]),
    ),
    Case(
        "a held Pod that is deleted again stays as it is",
        _pod(deleting=(980, 0), finalizers=("a/b",), generation=2), Options(0), Verdict.STORE, (980, 0, 2, ["a/b"]),
    ),
    Case(
        "Foreground asks the collector to wait for what is owned",
        _pod(), Options(propagation_policy="Foreground"), Verdict.STORE, (1030, 30, 2, ["foregroundDeletion"]),
    ),
    Case(
        "Orphan asks the collector to let go of what is owned",
        _pod(node=""), Options(propagation_policy="Orphan"), Verdict.STORE, (1000, 0, 2, ["orphan"]),
    ),
    Case(
        "Background takes back what was asked of the collector before",
        _pod(finalizers=("orphan", "foregroundDeletion")), Options(propagation_policy="Background"), Verdict.STORE,
        (1030, 30, 2, []),
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_decide(case: Case) -> None:
    pod = pod_pb2.Pod()
    pod.CopyFrom(case.pod)
    assert decide(pod, case.options, PodStrategy(), NOW) is case.verdict
    if case.verdict is Verdict.KEEP:
        assert pod == case.pod
    if case.after is not None:
        meta = pod.metadata
        assert (
            meta.deletion_timestamp.seconds, meta.deletion_grace_period_seconds, meta.generation, list(meta.finalizers),
        ) == case.after  # fmt: skip


def test_a_kind_without_graceful_deletion_goes_at_once() -> None:
    assert decide(make_replica_set(), DeleteOptions(30), Strategy(), NOW) is Verdict.REMOVE


def test_an_event_owns_nothing_whatever_its_deletion_says() -> None:
    for policy in ("Orphan", "Foreground", ""):
        options = DeleteOptions(None, propagation_policy=policy)
        assert decide(event_pb2.Event(), options, EventStrategy(), NOW) is Verdict.REMOVE


async def _gone(api: Harness, name: str = "web") -> bool:
    try:
        await api.client.pods.get(name, "default")
    except NotFound:
        return True
    return False


async def test_a_running_pod_stays_until_its_kubelet_finishes() -> None:
    api = make_apiserver()
    pod = await api.pod(node="node-1")
    ending = await api.client.pods.delete("web", "default")
    assert ending.metadata.deletion_grace_period_seconds == 30
    assert ending.metadata.deletion_timestamp.seconds == api.clock.now() + 30
    again = await api.client.pods.delete("web", "default")
    assert again == ending
    last = await api.client.pods.delete("web", "default", grace_period_seconds=0, uid=pod.metadata.uid)
    assert last.metadata.uid == pod.metadata.uid
    assert int(last.metadata.resource_version) > int(ending.metadata.resource_version)
    assert await _gone(api)


async def test_an_unscheduled_pod_goes_at_once() -> None:
    api = make_apiserver()
    await api.pod()
    await api.client.pods.delete("web", "default")
    assert await _gone(api)


async def test_a_kubelet_does_not_finish_a_pod_of_the_same_name_that_came_later() -> None:
    api = make_apiserver()
    await api.pod()
    with pytest.raises(Conflict) as caught:
        await api.client.pods.delete("web", "default", grace_period_seconds=0, uid="old")
    assert caught.value.message == (
        'Operation cannot be fulfilled on Pod "web": the UID in the precondition (old) does not match the UID in record '
        "(uid-2). The object might have been deleted and then recreated"
    )
    assert not await _gone(api)


async def test_a_version_can_be_a_precondition() -> None:
    api = make_apiserver()
    pod = await api.pod()
    with pytest.raises(Conflict, match=r"the ResourceVersion in the precondition \(1\) does not match"):
        await api.client.pods.delete("web", "default", resource_version="1")
    await api.client.pods.delete("web", "default", resource_version=pod.metadata.resource_version)
    assert await _gone(api)


async def test_a_dry_run_deletes_nothing() -> None:
    api = make_apiserver()
    await api.pod()
    await api.client.pods.delete("web", "default", dry_run=True)
    assert not await _gone(api)


async def test_an_unknown_propagation_policy_is_refused() -> None:
    api = make_apiserver()
    await api.pod()
    words = 'propagationPolicy: Unsupported value: "Sideways": supported values: "Foreground", "Background", "Orphan"'
    with pytest.raises(Invalid, match=words):
        await api.client.pods.delete("web", "default", propagation_policy="Sideways")


async def test_what_is_not_there_cannot_be_deleted() -> None:
    api = make_apiserver()
    with pytest.raises(NotFound, match=r'^replicasets.apps "web" not found$'):
        await api.client.replica_sets.delete("web", "default")


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_the_namespaces_of_the_system_may_not_be_deleted(name: str) -> None:
    api = make_apiserver()
    await api.app.bootstrap()
    with pytest.raises(
        Forbidden, match=f'^namespaces "{name}" is forbidden: this namespace may not be deleted$'
    ):
        await api.client.namespaces.delete(name)


async def test_a_collection_is_deleted_by_selectors_and_within_a_namespace() -> None:
    api = make_apiserver()
    for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
        await api.pod(name, labels={"app": label})
    assert await api.client.pods.delete_collection("default", label_selector="app=x") == 2
    assert [item.metadata.name for item in (await api.client.pods.list()).items] == ["c"]


async def test_a_collection_is_deleted_page_by_page() -> None:
    api = make_apiserver()
    for index in range(1030):
        await api.client.pods.create(make_pod(f"p{index}"))
    assert await api.client.pods.delete_collection("default") == 1030
    assert (await api.client.pods.list()).items == []


async def test_a_replication_controller_orphans_its_pods_unless_told_otherwise() -> None:
    """The default of the v1 API, which everyone else had to keep: kubectl always says Background."""
    api = make_apiserver()
    controllers = api.client.replication_controllers
    for name, policy, want in (("a", "", ["orphan"]), ("b", "Foreground", ["foregroundDeletion"])):
        await controllers.create(make_replication_controller(name))
        ending = await controllers.delete(name, "default", propagation_policy=policy)
        assert list(ending.metadata.finalizers) == want
        again = await controllers.delete(name, "default")
        assert list(again.metadata.finalizers) == want
    await controllers.create(make_replication_controller("c"))
    await controllers.delete("c", "default", propagation_policy="Background")
    with pytest.raises(NotFound):
        await controllers.get("c", "default")
