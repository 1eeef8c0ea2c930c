"""What is special about Events: they are kept for an hour after they last happened. Follows
`pkg/registry/core/event`.
"""

from apiserver.registry.strategy import Strategy
from vaina.api.core.v1 import event_pb2

TTL_SECONDS = 3600


class EventStrategy(Strategy[event_pb2.Event]):
    """The hooks."""

    allow_create_on_update = True
    ttl_seconds = TTL_SECONDS
    propagation_policy = "Unsupported"
