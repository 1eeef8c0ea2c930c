"""What outlives a Pod, and for how long (docs/why.md): its events and its trace, an hour each."""

import pytest

from tests.support.apiserver import Harness, make_apiserver
from tests.support.tasks import running
from vaina.api.core.v1 import event_pb2
from vaina.client.resource import ResourceClient
from vaina.errors import NotFound
from vaina.testing.clock import settle

HOUR = 3600


async def is_there(api: Harness, client: ResourceClient[object], name: str) -> bool:  # type: ignore[type-var]  # of any kind
    try:
        await client.get(name, "default")
    except NotFound:
        return False
    return True


@pytest.mark.requirement("B15")
async def test_an_event_outlives_its_pod_by_an_hour_from_when_it_came_last() -> None:
    api = make_apiserver()
    pod = await api.pod()
    event = event_pb2.Event(reason="BackOff", message="Back-off restarting failed container", count=1)
    event.metadata.name, event.metadata.namespace = "web.1", "default"
    event.involved_object.kind, event.involved_object.namespace = "Pod", "default"
    event.involved_object.name, event.involved_object.uid = "web", pod.metadata.uid
    made = await api.client.events.create(event)
    await api.client.pods.delete("web", "default", grace_period_seconds=0)
    await api.clock.advance(HOUR - 10)
    made.count = 2
    await api.client.events.update(made)
    await api.clock.advance(HOUR - 10)
    assert await is_there(api, api.client.events, "web.1")  # type: ignore[arg-type]
    await api.clock.advance(20)
    assert not await is_there(api, api.client.events, "web.1")  # type: ignore[arg-type]


@pytest.mark.requirement("B15")
async def test_a_trace_is_kept_as_long_as_its_pod_and_an_hour() -> None:
    api = make_apiserver()
    async with running(api.app.run()):
        pod = await api.pod()
        await settle()
        await api.clock.advance(HOUR + 60)
        await api.client.pods.delete("web", "default", grace_period_seconds=0)
        # The writer gathers for a moment.
        await api.clock.advance(1)
        await settle()
        await api.clock.advance(HOUR - 60)
        trace = await api.client.pod_traces.get(pod.metadata.uid, "default")
        assert trace.status.HasField("pod_deleted_time")
        await api.clock.advance(120)
        assert not await is_there(api, api.client.pod_traces, pod.metadata.uid)  # type: ignore[arg-type]
