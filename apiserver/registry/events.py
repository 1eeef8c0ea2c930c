"""What is special about Events: they are kept for an hour after they last happened. Follows `pkg/registry/core/event`."""

from typing import Final

from apiserver.registry.alike import NAME, Place
from apiserver.registry.draft import Drafts
from apiserver.registry.strategy import Strategy
from vaina.api.core.v1 import event_pb2
from vaina.kinds import EVENT
from vaina.objects import names

TTL_SECONDS = 3600
#: what a component's Events of one reason and one second differ in: `involved_object.name`, `uid`, `resource_version`; `message`
_TEXTS: Final = ((2, 3), (2, 4), (2, 6), (4,))


class EventStrategy(Strategy[event_pb2.Event]):
    """The hooks."""

    allow_create_on_update = True
    ttl_seconds = TTL_SECONDS
    propagation_policy = "Unsupported"


class EventDrafts(Drafts[event_pb2.Event]):
    """Events follow one another: none of the rules for those without an eventTime looks at what they differ in, their names apart."""

    places: tuple[Place, ...] = (NAME, *_TEXTS)

    def __init__(self) -> None:
        super().__init__(EVENT)

    def can_lead(self, obj: event_pb2.Event) -> bool:
        # One with an eventTime has a bound for its message.
        return not obj.HasField("event_time")

    def fits(self, name: str) -> bool:
        return not names.path_segment(name)
