"""Events are encoded once for all, and no more of them is kept than fits."""

import json

import pytest

from apiserver.rest.answers import split_page
from apiserver.rest.forms import TABLE, Form, Media
from apiserver.rest.frames import Frames
from apiserver.rest.served import of_kind
from vaina.api.core.v1 import config_pb2
from vaina.api.meta.v1 import meta_pb2, raw_pb2
from vaina.kinds import CONFIG_MAP, SECRET
from vaina.testing.clock import FakeClock

SERVED = of_kind(CONFIG_MAP)


def encoded(name: str, size: int = 10) -> bytes:
    return config_pb2.ConfigMap(
        metadata=meta_pb2.ObjectMeta(name=name), data={"x": "y" * size}
    ).SerializeToString()


def a_batch(*names: str, size: int = 10) -> bytes:
    events = [raw_pb2.RawWatchEvent(type="ADDED", object=encoded(name, size)) for name in names]
    return raw_pb2.RawWatchResponse(events=events, resource_version="5").SerializeToString()


async def test_a_batch_is_made_once_for_all_watchers_of_a_form():
    frames = Frames(FakeClock())
    one, two = frames.of(SERVED, Form()), frames.of(SERVED, Form())
    assert one.find(a_batch("a", "b")) is None
    made = await one.encode(a_batch("a", "b"))
    assert two.find(a_batch("a", "b")) is made
    assert (made.joined, frames.encoded) == (b"".join(made.frames), 2)


async def test_events_are_found_one_by_one_where_batches_differ():
    frames = Frames(FakeClock())
    await frames.of(SERVED, Form()).encode(a_batch("a", "b"))
    found = await frames.of(SERVED, Form()).encode(a_batch("b", "c"))
    assert frames.encoded == 3
    assert [json.loads(frame)["object"]["metadata"]["name"] for frame in found.frames] == ["b", "c"]


async def test_forms_and_kinds_have_frames_of_their_own():
    frames = Frames(FakeClock())
    batch = a_batch("a")
    for served, form in ((SERVED, Form()), (SERVED, Form(Media.PROTOBUF)), (of_kind(SECRET), Form())):
        await frames.of(served, form).encode(batch)
    assert frames.encoded == 3


async def test_the_first_event_of_a_table_is_made_for_its_watch_and_ages_hold_for_a_second():
    clock = FakeClock()
    frames = Frames(clock)
    form = Form(as_kind=TABLE)
    one, two = frames.of(SERVED, form), frames.of(SERVED, form)
    for encoder in (one, two):
        first, second = (await encoder.encode(a_batch("a", "b"))).frames
        assert json.loads(first)["object"]["columnDefinitions"]
        assert json.loads(second)["object"]["columnDefinitions"] is None
    assert frames.encoded == 1
    await one.encode(a_batch("a", "b"))
    assert frames.encoded == 2
    assert two.find(a_batch("a", "b")) is not None
    await clock.advance(1.5)
    assert two.find(a_batch("a", "b")) is None


async def test_no_more_is_kept_than_fits():
    frames = Frames(FakeClock(), max_bytes=20_000)
    encoder = frames.of(SERVED, Form())
    for number in range(50):
        await encoder.encode(a_batch(f"c-{number}", size=1000))
        assert frames.size <= 20_000
    assert encoder.find(a_batch("c-49", size=1000)) is not None
    assert encoder.find(a_batch("c-0", size=1000)) is None
    whole = await encoder.encode(a_batch("large", size=30_000))
    assert len(whole.frames) == 1
    assert encoder.find(a_batch("large", size=30_000)) is None
    assert encoder.find(a_batch("c-49", size=1000)) is not None


@pytest.mark.parametrize("length", [0, 1, 100, 130, 5000])
def test_the_metadata_of_a_page_is_parted_from_its_items(length):
    metadata = meta_pb2.ListMeta(resource_version="7", continue_token="x" * length)
    page = raw_pb2.RawList(metadata=metadata, items=[b"a", b"bc"]).SerializeToString()
    found, items = split_page(page)
    assert (found, raw_pb2.RawList.FromString(items).items) == (metadata, [b"a", b"bc"])


def test_a_page_without_metadata_is_items_alone():
    page = raw_pb2.RawList(items=[b"a"]).SerializeToString()
    assert split_page(page) == (meta_pb2.ListMeta(), page)
