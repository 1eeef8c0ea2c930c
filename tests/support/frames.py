"""The events of a batch of a watch, one by one, as its encoded response has them."""

from typing import NamedTuple

from apiserver.storage.interface import EventType, Version
from apiserver.storage.watch_stream import WatchBatch
from vaina.api.meta.v1 import meta_pb2, raw_pb2


class Frame(NamedTuple):
    """One event as it goes out."""

    type: EventType
    #: the encoded object with its version; of a BOOKMARK: nothing but a version
    object: bytes
    #: of the object
    version: Version


def frames_of(batch: WatchBatch) -> list[Frame]:
    """Return the events of a batch."""
    events = raw_pb2.RawWatchResponse.FromString(batch.response).events
    assert len(events) == batch.events
    return [Frame(EventType(event.type), event.object, _version(event.object)) for event in events]


def _version(data: bytes) -> Version:
    return Version(int(meta_pb2.PartialObjectMetadata.FromString(data).metadata.resource_version))
