"""PURE: which priority level a call belongs to, and how many seats it takes.

Levels and flow schemas have the names of the reference's bootstrap configuration (apiserver
`pkg/apis/flowcontrol/bootstrap/default.go`). Where nobody is known (in the clear) it is *what* is called that
says how much the cluster depends on it: heartbeats first, then binding, then the rest, Events and traces last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from vaina.objects import service_accounts
from vaina.serving.handlers import UNSECURED, User

MUTATING, READ_ONLY = "mutating", "readOnly"

#: bytes of a request for each seat (the reference's bytesPerSeat), and of items that are much smaller than Pods
BYTES_PER_SEAT: Final = 100_000
_BYTES_PER_SEAT: Final = {
    "CreateBatch": 25_000,
    "UpdateStatusBatch": 25_000,
    "BindBatch": 2_500,
    "DeleteBatch": 2_500,
    "Report": 25_000,
}
#: objects that a list looks at for each seat, and the most that a call takes (the reference's ObjectsPerSeat,
#: MaximumSeats)
OBJECTS_PER_SEAT: Final = 100
MAX_SEATS: Final = 10

#: everything else changes something
_READS: Final = frozenset(("Get", "List", "Watch", "GetScale", "Logs"))
_EXEMPT_GROUP: Final = "system:masters"


@dataclass(frozen=True, slots=True)
class Level:
    """A priority level: its seats by request kind, and how many calls of each kind may wait for them."""

    name: str
    mutating: int
    read_only: int
    room: int

    def seats(self, request_kind: str) -> int:
        return self.mutating if request_kind == MUTATING else self.read_only


#: Decision 032 has the measurements. Seats of one level are never lent to another: they are tasks, not
#: threads, and cost nothing idle.
LEVELS: Final[Sequence[Level]] = (
    # Heartbeats of every node wait here while etcd is away.
    Level("node-high", 32, 16, 5_000),
    Level("workload-high", 64, 32, 1_000),
    Level("global-default", 32, 32, 4_000),
    Level("catch-all", 16, 8, 1_000),
)


@dataclass(frozen=True, slots=True)
class Schema:
    """A flow schema: who or what belongs to a level. The first that matches is taken."""

    name: str
    level: str
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    #: Service/Method, or Service/* ; the service without its package
    methods: frozenset[str] = frozenset()

    def has_user(self, user: User) -> bool:
        return user.name in self.users or not self.groups.isdisjoint(user.groups)

    def has_method(self, path: str) -> bool:
        _, service, method = path.split("/")
        short = service.rpartition(".")[2]
        return f"{short}/{method}" in self.methods or f"{short}/*" in self.methods


SCHEMAS: Final[Sequence[Schema]] = (
    Schema("exempt", "exempt", groups=frozenset((_EXEMPT_GROUP,))),
    # Before the levels of who calls: a node's Events must not stand before its heartbeat.
    Schema("events", "catch-all", methods=frozenset(("EventService/*", "PodTraceService/*"))),
    Schema(
        "system-node-high", "node-high",
        methods=frozenset(("LeaseService/*", "NodeService/UpdateStatus", "NodeService/UpdateStatusBatch")),
    ),
    Schema("system-nodes", "node-high", groups=frozenset(("system:nodes",))),
    Schema(
        "kube-scheduler", "workload-high", users=frozenset(("system:kube-scheduler",)),
        methods=frozenset(("PodService/Bind", "PodService/BindBatch")),
    ),
    Schema("kube-controller-manager", "workload-high", users=frozenset(("system:kube-controller-manager",))),
    Schema(
        "kube-system-service-accounts", "workload-high",
        groups=frozenset((f"{service_accounts.GROUP}:kube-system",)),
    ),
    # Upstream has a level of its own for them; here each caller has its turn beside all others.
    Schema("service-accounts", "global-default", groups=frozenset((service_accounts.GROUP,))),
    Schema("global-default", "global-default", groups=frozenset(("system:authenticated", "system:unauthenticated"))),
)  # fmt: skip
#: whom no schema knows
CATCH_ALL: Final = Schema("catch-all", "catch-all")


def schema_of(user: User, path: str) -> Schema:
    """Return the flow schema of a call by its user and its full gRPC path.

    Whoever calls in the clear has the rights of system:masters, but waits as others do: it may be anybody.
    """
    by_user, others = _schemas_of(path)
    for schema in by_user:
        if schema.has_user(user) and not (schema is SCHEMAS[0] and user.name == UNSECURED):
            return schema
    return others


@cache
def _schemas_of(path: str) -> tuple[Sequence[Schema], Schema]:
    """Return the schemas that take a call of a method for its user, and the one that takes all other calls.

    Kept by method alone: there are more users than any cache would hold.
    """
    for index, schema in enumerate(SCHEMAS):
        if schema.has_method(path):
            return SCHEMAS[:index], schema
    return SCHEMAS, CATCH_ALL


def request_kind(path: str) -> str:
    """Return mutating or readOnly, as the reference's metrics call them."""
    return READ_ONLY if path.rpartition("/")[2] in _READS else MUTATING


def bytes_per_seat(path: str) -> int:
    """Return for how many bytes of a method's request a seat is taken."""
    return _BYTES_PER_SEAT.get(path.rpartition("/")[2], BYTES_PER_SEAT)


def list_seats(limit: int, stored: int) -> int:
    """Return the seats of a list that looks at `stored` objects and answers `limit` of them at most (0: all)."""
    looked_at = min(limit, stored) if limit > 0 else stored
    return min(max(1, -(-looked_at // OBJECTS_PER_SEAT)), MAX_SEATS)
