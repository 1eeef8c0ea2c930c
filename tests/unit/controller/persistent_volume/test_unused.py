"""The condition Unused of claims: whether a Pod has one, and since when."""

from collections.abc import AsyncIterator
from typing import Any, TypeVar

import pytest
from google.protobuf.message import Message

from controller.volume_protection import with_unused
from tests.support.controlplane import ControlPlane, control_plane
from tests.unit.controller.persistent_volume.objects import claim, volume
from vaina.api.core.v1 import persistent_volume_pb2, pod_pb2
from vaina.clock import timestamp
from vaina.testing.builders import make_pod
from vaina.testing.clock import EPOCH

Claim = persistent_volume_pb2.PersistentVolumeClaim
M = TypeVar("M", bound=Message)


def bound(*, ending: bool = False, **condition: Any) -> Claim:
    made = claim(names="disk", completed=True, phase="Bound")
    if ending:
        made.metadata.deletion_timestamp.CopyFrom(timestamp(EPOCH))
    if condition:
        made.status.conditions.add(type="Unused", last_transition_time=timestamp(EPOCH), **condition)
    return made


def user(name: str = "data", *, phase: str = "Running", deleted: bool = False, **state: Any) -> pod_pb2.Pod:
    made = make_pod(phase=phase, deleted=EPOCH if deleted else None)
    made.spec.volumes.add(name="a").volume_source.persistent_volume_claim.claim_name = name
    if state:
        made.status.container_statuses.add(name="main", state=state)
    return made


UNUSED = ("True", "NoPodsUsingPVC", "No pods are currently referencing this PVC")
USED = ("False", "PodUsingPVC", "A pod is currently referencing this PVC")


@pytest.mark.parametrize(
    ("of", "pods", "want"),
    [
        (bound(), [], UNUSED),
        (bound(), [user()], USED),
        (bound(), [user(phase="Pending")], USED),
        (bound(), [user("other")], UNUSED),
        (bound(), [user(phase="Succeeded"), user(phase="Failed")], UNUSED),
        (bound(), [user(deleted=True, running={})], USED),
        (bound(), [user(deleted=True, terminated={"exit_code": 0})], UNUSED),
        (bound(), [user(running={}, deleted=True), user(phase="Failed")], USED),
        (bound(status="True"), [user()], USED),
        (bound(status="False"), [], UNUSED),
        (bound(status="Unknown"), [], UNUSED),
        # As upstream, which leaves a condition that says neither until nobody uses the claim.
        (bound(status="Unknown"), [user()], None),
        # What is true already is not written again.
        (bound(status="True"), [], None),
        (bound(status="False"), [user()], None),
        # Whoever binds writes to its status, and what ends has other cares.
        (claim(), [], None),
        (bound(ending=True), [], None),
    ],
)
def test_what_is_written(of: Claim, pods: list[pod_pb2.Pod], want: tuple[str, ...] | None) -> None:
    found = with_unused(of, pods, EPOCH + 60)
    if want is None:
        assert found is None
        return
    assert found is not None
    [condition] = found.status.conditions
    assert (condition.type, condition.status, condition.reason, condition.message) == ("Unused", *want)
    assert condition.last_transition_time == timestamp(EPOCH + 60)
    assert with_unused(found, pods, EPOCH + 120) is None


def new(made: M) -> M:
    fields: Any = made
    fields.metadata.ClearField("uid")
    fields.ClearField("status")
    return made


@pytest.fixture
async def plane() -> AsyncIterator[ControlPlane]:
    async with control_plane() as made:
        yield made


async def test_a_claim_says_whether_a_pod_has_it(plane: ControlPlane) -> None:
    async def says() -> list[str]:
        found = await plane.client.persistent_volume_claims.get("data", "default")
        return [item.status for item in found.status.conditions if item.type == "Unused"]

    async def until(want: str) -> None:
        async def holds() -> bool:
            return await says() == [want]

        await plane.until(holds)

    await plane.client.persistent_volume_claims.create(new(claim()))
    await plane.settle()
    assert await says() == []
    given = volume()
    given.spec.persistent_volume_source.host_path.path = "/data"
    await plane.client.persistent_volumes.create(new(given))
    await until("True")

    made = await plane.client.pods.create(new(user(phase="Pending")))
    await until("False")

    await plane.end(made)
    await until("True")
