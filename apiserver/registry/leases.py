"""What is special about Leases: a lock that can be taken over unseen is none. Follows
`pkg/registry/coordination/lease`.
"""

from apiserver.registry.strategy import Strategy
from vaina.api.coordination.v1 import lease_pb2


class LeaseStrategy(Strategy[lease_pb2.Lease]):
    """The hooks."""

    allow_create_on_update = True
    allow_unconditional_update = False
