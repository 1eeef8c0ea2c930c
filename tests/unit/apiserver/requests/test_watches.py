"""What watches are asked for, what is refused, and how they end."""

import asyncio
from contextlib import aclosing

import pytest

from tests.support.apiserver import Harness, cached_apiserver, make_apiserver
from vaina.api.meta.v1 import raw_pb2, request_pb2
from vaina.errors import BadRequest, Expired, Invalid
from vaina.kinds import POD

FORBIDDEN = "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
NEEDS = (
    "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
)
ONLY = 'resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan"'


async def _batches(api: Harness, **fields: object) -> list[raw_pb2.RawWatchResponse]:
    """Watch until the stream ends by itself."""
    request = request_pb2.WatchRequest(**fields)  # type: ignore[arg-type]  # fields of the message, by name
    stream = api.client.transport.stream(POD.method("Watch"), request.SerializeToString())
    return [raw_pb2.RawWatchResponse.FromString(data) async for data in stream]


def _words(batch: raw_pb2.RawWatchResponse) -> list[str]:
    """Return events as words: `ADDED a`, and where the initial ones end."""
    shown = []
    for event in batch.events:
        meta = POD.message.FromString(event.object).metadata
        if event.type == "BOOKMARK":
            shown.append("END" if "k8s.io/initial-events-end" in meta.annotations else "BOOKMARK")
        else:
            shown.append(f"{event.type} {meta.name}")
    return shown


async def _shown(api: Harness, last: str, **fields: object) -> list[str]:
    """Watch until an event, which is not among the answer's."""
    request = request_pb2.WatchRequest(**fields)  # type: ignore[arg-type]  # fields of the message, by name
    stream = api.client.transport.stream(POD.method("Watch"), request.SerializeToString())
    shown: list[str] = []
    async with aclosing(stream) as answers:
        async for data in answers:
            shown += _words(raw_pb2.RawWatchResponse.FromString(data))
            if last in shown:
                return shown[: shown.index(last)]
    raise AssertionError(f"the stream ended after {shown}")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"resource_version_match": "NotOlderThan"}, FORBIDDEN),
        ({"resource_version_match": "Exact"}, f"[{FORBIDDEN}, {ONLY}]"),
        ({"resource_version_match": "Exact", "send_initial_events": True}, f"[{NEEDS}, {ONLY}]"),
        ({"resource_version_match": "Exact", "send_initial_events": False}, f"[{NEEDS}, {ONLY}]"),
        ({"timeout_seconds": -1}, "timeoutSeconds: Invalid value: -1: must be greater than or equal to 0"),
        ({"resource_version": "abc"},
         'resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax'),
    ],
)  # fmt: skip
async def test_options_that_mean_nothing(fields: dict[str, object], words: str) -> None:
    with pytest.raises(Invalid) as caught:
        await _batches(make_apiserver(), **fields)
    assert caught.value.message == f'ListOptions.meta.k8s.io "" is invalid: {words}'


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"field_selector": "spec.color=red"}, "field label not supported: spec.color"),
        ({"label_selector": "a in"}, "unable to parse requirement: found '' expected: '('"),
    ],
)
async def test_selectors_that_cannot_be_read(fields: dict[str, object], words: str) -> None:
    with pytest.raises(BadRequest) as caught:
        await _batches(make_apiserver(), **fields)
    assert caught.value.message == words


@pytest.mark.parametrize(
    ("fields", "want"),
    [
        ({}, ["ADDED a", "ADDED b"]),
        ({"resource_version": "0"}, ["ADDED a", "ADDED b"]),
        ({"resource_version": "first"}, ["ADDED b"]),
        ({"send_initial_events": False, "resource_version": "first"}, ["ADDED b"]),
    ],
)
async def test_where_a_watch_begins(fields: dict[str, object], want: list[str]) -> None:
    async with cached_apiserver() as api:
        first = (await api.pod("a")).metadata.resource_version
        await api.pod("b")
        await api.client.pods.list()
        asked = {name: first if value == "first" else value for name, value in fields.items()}
        async with asyncio.TaskGroup() as group:
            shown = group.create_task(_shown(api, "ADDED z", **asked))
            await api.pod("z")
        assert shown.result() == want


@pytest.mark.parametrize("version", ["", "0"])
async def test_a_watch_without_initial_events_shows_what_comes_alone(version: str) -> None:
    async with cached_apiserver() as api:
        await api.pod("a")
        await api.client.pods.list()
        batches = await _batches(
            api,
            send_initial_events=False,
            resource_version=version,
            timeout_seconds=1,
            allow_watch_bookmarks=False,
        )
    assert [word for batch in batches for word in _words(batch)] == []


@pytest.mark.parametrize(
    ("fields", "want"),
    [
        ({}, ["ADDED a", "ADDED b"]),
        ({"resource_version": "0"}, ["ADDED a", "ADDED b"]),
        ({"resource_version": "first"}, ["ADDED a", "ADDED b"]),
        ({"resource_version_match": "NotOlderThan"}, ["ADDED a", "ADDED b"]),
        ({"allow_watch_bookmarks": True, "field_selector": "metadata.name=b"}, ["ADDED b"]),
        ({"label_selector": "app=nobody"}, []),
    ],
)
async def test_initial_events_end_with_a_bookmark(fields: dict[str, object], want: list[str]) -> None:
    async with cached_apiserver() as api:
        first = (await api.pod("a")).metadata.resource_version
        await api.pod("b")
        await api.client.pods.list()
        asked = {name: first if value == "first" else value for name, value in fields.items()}
        assert await _shown(api, "END", send_initial_events=True, **asked) == want


async def test_a_watch_that_ends_by_itself_tells_where_to_resume() -> None:
    async with cached_apiserver() as api:
        await api.pod("a")
        # Where the machine stands still for longer than that, it has ended before anything came.
        for seconds in (1, 5, 25):
            if batches := await _batches(api, timeout_seconds=seconds):
                break
        for name in ("b", "z"):
            await api.pod(name)
        assert await _shown(api, "ADDED z", resource_version=batches[-1].resource_version) == ["ADDED b"]


async def test_a_watch_after_what_was_compacted_is_told_so() -> None:
    api = make_apiserver()
    first = (await api.pod("a")).metadata.resource_version
    await api.pod("b")
    await api.pod("c")
    api.storage.compact(await api.storage.current_version())
    with pytest.raises(Expired) as caught:
        await _batches(api, resource_version=first)
    assert (caught.value.code, caught.value.reason) == (410, "Expired")
    assert caught.value.message == "The resourceVersion for the provided watch is too old."


async def test_watches_are_ended_between_half_an_hour_and_an_hour() -> None:
    """So that load spreads over apiservers again; the bound is drawn for each."""
    api = make_apiserver()
    drawn = [api.app.stores["Pod"]._watch_seconds(None) for _ in range(200)]
    assert 1800 <= min(drawn) < 2000
    assert 3400 < max(drawn) <= 3600
    assert api.app.stores["Pod"]._watch_seconds(7) == 7


async def test_a_watch_whose_client_goes_leaves_nothing_behind() -> None:
    async with cached_apiserver() as api:
        await api.pod("a")
        before = len(asyncio.all_tasks())
        for _ in range(20):
            watch = api.client.pods.watch()
            await anext(watch)
            await watch.aclose()
        assert len(asyncio.all_tasks()) == before


@pytest.mark.parametrize("version", ["", "0"])
async def test_who_does_not_ask_for_the_initial_events_is_not_told_where_they_end(version: str) -> None:
    async with cached_apiserver() as api:
        await api.pod("a")
        await api.client.pods.list()
        asked = {"resource_version": version, "allow_watch_bookmarks": True, "timeout_seconds": 1}
        batches = await _batches(api, **asked)
    assert "END" not in [word for batch in batches for word in _words(batch)]
