"""Many Events in one call become what as many calls would have made of them, whatever is wrong with some of
them.

With the accelerators of creates and without them, compared with a server without them.
"""

from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.fast_paths import FAST_PATHS
from tests.support.apiserver import Harness, make_apiserver
from vaina.api.core.v1 import event_pb2
from vaina.api.meta.v1 import raw_pb2
from vaina.errors import ApiError
from vaina.kinds import EVENT
from vaina.serving.handlers import RequestContext

_NAMES = ["a.1", "b.1", "c.1", "d.1", "..", "a/b", "a%b", "", "\u00e9.1", "x" * 300]
_MESSAGES = ["bound a", "bound b", "bound c", "bound d", "bound \u00e9", "", "x" * 2000, "y" * 2000]


@st.composite
def kinds_of_events(draw: st.DrawFn) -> event_pb2.Event:
    """What components say, without what it is about: mostly in order."""
    event = event_pb2.Event(
        reason="Scheduled", type="Normal", count=1, reporting_component="s", reporting_instance="s"
    )
    event.metadata.namespace = draw(st.sampled_from(["default", "default", "default", "", "nowhere", "Bad"]))
    about = event.involved_object
    about.kind, about.namespace = "Pod", draw(st.sampled_from(["default", "default", "default", "", "other"]))
    event.first_timestamp.seconds = draw(st.sampled_from([1_767_225_600, 0, 7]))
    event.first_timestamp.nanos = draw(st.sampled_from([0, 0, 5]))
    match draw(st.integers(0, 7)):
        case 0:
            event.event_time.seconds, event.action = 7, draw(st.sampled_from(["Binding", ""]))
        case 1:
            event.event_time.SetInParent()
        case 2:
            event.metadata.generate_name = "e-"
        case 3:
            event.metadata.uid, event.metadata.labels["bound a"] = "mine", "b"
        case 4:
            event.series.count = 2
            event.related.name = "n"
    return event


@st.composite
def batches(draw: st.DrawFn) -> list[raw_pb2.RawCreateRequest]:
    """Requests of few kinds, so that most are like another."""
    known = draw(
        st.lists(
            st.tuples(
                kinds_of_events(), st.sampled_from([b"", b"", b"", b"\xff", b"\xfa\x01\x01x", b"\x22\x01z"])
            ),
            min_size=1,
            max_size=2,
        )
    )
    requests = []
    for _ in range(draw(st.integers(2, 10))):
        kind, rest = draw(st.sampled_from(known))
        event = event_pb2.Event()
        event.CopyFrom(kind)
        event.metadata.name = draw(st.sampled_from(_NAMES))
        about = event.involved_object
        about.name = draw(st.sampled_from(["a", "b", "b", "ab", ""]))
        about.uid = draw(st.sampled_from(["u1", "u2", "u2", ""]))
        about.resource_version = draw(st.sampled_from(["1", "2", ""]))
        event.message = draw(st.sampled_from(_MESSAGES))
        data = event.SerializeToString() + rest
        if draw(st.integers(0, 9)) == 0:
            data = data.replace(b"bound", b"\xff\xffund")
        request = raw_pb2.RawCreateRequest(object=data)
        if draw(st.integers(0, 9)) == 0:
            request.options.dry_run.append("All")
        requests.append(request)
    return requests


def _plain(data: bytes) -> str:
    """Return an Event without what differs between two servers."""
    event = event_pb2.Event.FromString(data)
    meta = event.metadata
    meta.uid = meta.resource_version = ""
    if meta.generate_name and meta.name.startswith(meta.generate_name):
        meta.name = meta.generate_name
    return str(event)


def _words(error: Any) -> tuple[str, int, str]:
    return error.reason, error.code, error.message


async def _one_by_one(api: Harness, requests: list[raw_pb2.RawCreateRequest]) -> list[Any]:
    answers = list[Any]()
    for request in requests:
        try:
            create = api.app.handlers[EVENT.method("Create")].fn
            answers.append(_plain(await create(request.SerializeToString(), RequestContext())))
        except ApiError as error:
            answers.append(_words(error.to_status()))
    return answers


async def _at_once(api: Harness, requests: list[raw_pb2.RawCreateRequest]) -> list[Any]:
    request = raw_pb2.RawCreateBatchRequest(requests=requests).SerializeToString()
    response = await api.app.handlers[EVENT.method("CreateBatch")].fn(request, RequestContext())
    return [
        _words(result.error) if result.HasField("error") else _plain(result.object)
        for result in raw_pb2.RawBatchResponse.FromString(response).results
    ]


async def _stored(api: Harness) -> list[tuple[str, str]]:
    events = [event.SerializeToString(deterministic=True) for event in (await api.client.events.list()).items]
    assert len({event_pb2.Event.FromString(data).metadata.uid for data in events}) == len(events)
    return sorted((event_pb2.Event.FromString(data).metadata.namespace, _plain(data)) for data in events)


@pytest.mark.parametrize("fast_paths", [(), tuple(FAST_PATHS)], ids=["plain", "fast"])
@settings(max_examples=60, deadline=None)
@given(requests=batches())
async def test_a_batch_of_events_does_what_as_many_calls_do(
    fast_paths: Collection[str], requests: list[raw_pb2.RawCreateRequest]
) -> None:
    one, other = make_apiserver(fast_paths=()), make_apiserver(fast_paths=fast_paths)
    assert await _at_once(other, requests) == await _one_by_one(one, requests)
    assert await _stored(other) == await _stored(one)
