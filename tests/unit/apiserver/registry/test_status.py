"""The status and its owners: masks, conditions by type, phases that are final."""

from dataclasses import dataclass

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from apiserver.registry.status import merge_status
from apiserver.registry.strategies import PersistentVolumeStrategy
from tests.support.apiserver import make_apiserver
from vaina.api.core.v1 import node_pb2, persistent_volume_pb2, pod_pb2
from vaina.errors import BadRequest, Conflict
from vaina.testing.builders import make_pod

NOW = Timestamp(seconds=500)


def _condition(kind: str, status: str, since: int | None = None, reason: str = "") -> pod_pb2.PodCondition:
    condition = pod_pb2.PodCondition(type=kind, status=status, reason=reason)
    if since is not None:
        condition.last_transition_time.seconds = since
    return condition


@dataclass(frozen=True)
class Case:
    name: str
    current: pod_pb2.PodStatus
    sent: pod_pb2.PodStatus
    mask: tuple[str, ...]
    want: pod_pb2.PodStatus


Status = pod_pb2.PodStatus
CASES = [
    Case(
        "a named field is replaced and the others stay",
        Status(phase="Pending", pod_ip="10.0.0.1"), Status(phase="Running"), ("phase",),
        Status(phase="Running", pod_ip="10.0.0.1"),
    ),
    Case(
        "a named field that is unset is cleared",
        Status(pod_ip="10.0.0.1", start_time=Timestamp(seconds=3)), Status(), ("pod_ip", "start_time"), Status(),
    ),
    Case(
        "a list is replaced as a whole",
        Status(pod_ips=[pod_pb2.PodIP(ip="a"), pod_pb2.PodIP(ip="b")]), Status(pod_ips=[pod_pb2.PodIP(ip="c")]),
        ("pod_ips",), Status(pod_ips=[pod_pb2.PodIP(ip="c")]),
    ),
    Case(
        "a field that is not named is not touched, though it was sent",
        Status(phase="Pending"), Status(phase="Running", message="x"), ("message",),
        Status(phase="Pending", message="x"),
    ),
    Case(
        "conditions of other owners stay",
        Status(conditions=[_condition("PodScheduled", "True", 1)]),
        Status(conditions=[_condition("Ready", "True", 7)]), ("conditions",),
        Status(conditions=[_condition("PodScheduled", "True", 1), _condition("Ready", "True", 7)]),
    ),
    Case(
        "a condition whose status is unchanged keeps its transition time",
        Status(conditions=[_condition("Ready", "True", 1, "Old")]),
        Status(conditions=[_condition("Ready", "True", 9, "New")]), ("conditions",),
        Status(conditions=[_condition("Ready", "True", 1, "New")]),
    ),
    Case(
        "a condition whose status changed takes the time that was sent",
        Status(conditions=[_condition("Ready", "False", 1)]),
        Status(conditions=[_condition("Ready", "True", 9)]), ("conditions",),
        Status(conditions=[_condition("Ready", "True", 9)]),
    ),
    Case(
        "a condition whose status changed and says no time takes the present one",
        Status(conditions=[_condition("Ready", "False", 1)]),
        Status(conditions=[_condition("Ready", "True")]), ("conditions",),
        Status(conditions=[_condition("Ready", "True", 500)]),
    ),
    Case(
        "a condition without a status is taken away, and the others stay",
        Status(conditions=[_condition("PodResizePending", "True", 1), _condition("Ready", "True", 2)]),
        Status(conditions=[_condition("PodResizePending", "")]), ("conditions",),
        Status(conditions=[_condition("Ready", "True", 2)]),
    ),
    Case(
        "a condition that is not there is taken away without a word",
        Status(), Status(conditions=[_condition("PodResizePending", "")]), ("conditions",), Status(),
    ),
    Case(
        "a new condition that says no time takes the present one",
        Status(), Status(conditions=[_condition("Ready", "True")]), ("conditions",),
        Status(conditions=[_condition("Ready", "True", 500)]),
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_merge(case: Case) -> None:
    new, sent = pod_pb2.Pod(status=case.current), pod_pb2.Pod(status=case.sent)
    merge_status(new, sent, case.mask, NOW)
    assert new.status == case.want


def test_amounts_of_resources_are_merged_by_name() -> None:
    new, sent = node_pb2.Node(), node_pb2.Node()
    for name, amount in {"cpu": "4", "example.com/gpu": "2", "example.com/gone": "1"}.items():
        new.status.capacity[name].string = amount
    for name, amount in {"cpu": "8", "memory": "1Gi", "example.com/gone": "", "example.com/none": ""}.items():
        sent.status.capacity[name].string = amount

    merge_status(new, sent, ("capacity",), NOW)

    told = {name: new.status.capacity[name].string for name in new.status.capacity}
    assert told == {"cpu": "8", "memory": "1Gi", "example.com/gpu": "2"}


def test_a_field_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(BadRequest, match=r"no such field of PodStatus: fase, spec\.x"):
        merge_status(pod_pb2.Pod(), pod_pb2.Pod(), ("fase", "phase", "spec.x"), NOW)


async def test_a_masked_update_needs_no_version() -> None:
    api = make_apiserver()
    stale = await api.pod()
    fresh = await api.client.pods.get("web", "default")
    fresh.metadata.labels["a"] = "b"
    await api.client.pods.update(fresh)
    stale.status.phase = "Running"
    updated = await api.client.pods.update_status(stale, mask=["phase"])
    assert (updated.status.phase, updated.metadata.labels["a"]) == ("Running", "b")


async def test_an_update_of_the_whole_status_compares_the_version() -> None:
    api = make_apiserver()
    stale = await api.pod()
    stale.metadata.labels["a"] = "b"
    await api.client.pods.update(stale)
    stale.status.phase = "Running"
    with pytest.raises(Conflict, match="the object has been modified"):
        await api.client.pods.update_status(stale)


async def test_a_status_update_changes_no_spec() -> None:
    api = make_apiserver()
    pod = await api.pod()
    pod.spec.containers[0].image = "other"
    pod.status.message = "hello"
    updated = await api.client.pods.update_status(pod)
    assert updated.spec.containers[0].image == "registry.local/app:1"
    assert (updated.status.message, updated.metadata.generation) == ("hello", 1)


async def test_a_status_belongs_to_a_uid() -> None:
    api = make_apiserver()
    pod = await api.pod()
    pod.metadata.uid = "gone"
    with pytest.raises(Conflict, match="UID in precondition: gone"):
        await api.client.pods.update_status(pod, mask=["phase"])


async def test_a_status_that_says_nothing_new_writes_nothing() -> None:
    api = make_apiserver()
    pod = await api.pod()
    pod.status.conditions.append(_condition("Ready", "True"))
    first = await api.client.pods.update_status(pod, mask=["conditions"])
    await api.clock.advance(60)
    second = await api.client.pods.update_status(pod, mask=["conditions"])
    assert second == first


@pytest.mark.parametrize("final", ["Succeeded", "Failed"])
@pytest.mark.parametrize("late", ["Running", "Pending", "Unknown", "Failed", "Succeeded"])
async def test_succeeded_and_failed_are_final(final: str, late: str) -> None:
    api = make_apiserver()
    pod = await api.pod()
    pod.status.phase, pod.status.reason = final, "Because"
    await api.client.pods.update_status(pod, mask=["phase", "reason"])
    pod.status.phase, pod.status.reason, pod.status.pod_ip = late, "Late", "10.0.0.9"
    updated = await api.client.pods.update_status(pod, mask=["phase", "reason", "pod_ip"])
    assert (updated.status.phase, updated.status.pod_ip) == (final, "10.0.0.9")
    assert updated.status.reason == ("Late" if late == final else "Because")


async def test_unknown_is_not_final() -> None:
    api = make_apiserver()
    pod = await api.pod()
    for phase in ("Running", "Unknown", "Running"):
        pod.status.phase = phase
        assert (await api.client.pods.update_status(pod, mask=["phase"])).status.phase == phase


async def test_a_batch_of_statuses_answers_for_each() -> None:
    api = make_apiserver()
    one, two = await api.pod("one"), await api.pod("two")
    one.status.phase, two.status.phase = "Running", "Running"
    two.metadata.uid = "gone"
    results = await api.client.pods.update_status_batch(
        [(one, ["phase"]), (two, ["phase"]), (make_pod("three"), ["phase"])]
    )
    assert isinstance(results[0], pod_pb2.Pod)
    assert results[0].status.phase == "Running"
    assert [getattr(item, "reason", "") for item in results[1:]] == ["Conflict", "NotFound"]


async def test_what_an_older_client_leaves_out_of_a_pods_status_stays() -> None:
    api = make_apiserver()
    made = make_pod()
    made.spec.resource_claims.add(name="gpu", resource_claim_name="gpu-1")
    pod = await api.client.pods.create(made)
    pod.status.observed_generation = 1
    pod.status.resource_claim_statuses.add(name="gpu", resource_claim_name="gpu-1")
    for generation in (3, 4):
        pod.status.conditions.add(type="Twice", status="True", observed_generation=generation)
    pod = await api.client.pods.update_status(pod)
    pod.status.ClearField("observed_generation")
    pod.status.ClearField("resource_claim_statuses")
    for condition in pod.status.conditions:
        condition.ClearField("observed_generation")
    pod.status.conditions[1].observed_generation = 5
    pod.status.conditions.add(type="Other", status="True")
    status = (await api.client.pods.update_status(pod)).status
    assert [(one.type, one.observed_generation) for one in status.conditions] == [
        ("Twice", 3),
        ("Twice", 5),
        ("Other", 0),
    ]
    assert status.observed_generation == 1
    assert [claim.name for claim in status.resource_claim_statuses] == ["gpu"]


@pytest.mark.parametrize(
    ("phase", "said", "since"),
    [
        ("Available", None, 10),
        ("Pending", None, 7),
        ("Available", 7, 10),
        ("Available", 8, 8),
        ("Pending", 8, 8),
    ],
)
async def test_a_volume_says_since_when_it_is_in_its_phase(phase: str, said: int | None, since: int) -> None:
    old = persistent_volume_pb2.PersistentVolume()
    old.status.phase, old.status.last_phase_transition_time.seconds = "Pending", 7
    new = persistent_volume_pb2.PersistentVolume()
    new.status.phase = phase
    if said is not None:
        new.status.last_phase_transition_time.seconds = said
    PersistentVolumeStrategy().prepare_for_status_update(new, old, 10.5)
    assert new.status.last_phase_transition_time.seconds == since


async def test_a_nodes_status_without_allocatable_offers_all_that_the_node_has() -> None:
    # As upstream, which sets defaults of whatever it decodes: SetDefaults_NodeStatus.
    api = make_apiserver()
    node = node_pb2.Node()
    node.metadata.name = "n1"
    created = await api.client.nodes.create(node)
    created.status.capacity["cpu"].string = "1.5m"
    stored = await api.client.nodes.update_status(created)
    assert stored.status.allocatable["cpu"].string == "2m"
    stored.status.allocatable["cpu"].string = "1m"
    assert (await api.client.nodes.update_status(stored)).status.allocatable["cpu"].string == "1m"
