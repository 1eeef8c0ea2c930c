"""PURE: how many nodes of a zone may be driven empty, and how fast.

A node gets its NoExecute taint when its zone has a token for it, normally one every ten seconds. When many
nodes of a zone are silent the zone is the likelier cause, and tokens come slower, or not at all in a small
zone. Follows `pkg/controller/nodelifecycle` (ComputeZoneState, handleDisruption) and
https://kubernetes.io/docs/concepts/architecture/nodes/#rate-limits-on-eviction. Beyond upstream, nothing is
evicted anywhere while most nodes of all zones are silent (I13).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from vaina.api.core.v1 import node_pb2

REGION: Final = "topology.kubernetes.io/region"
ZONE: Final = "topology.kubernetes.io/zone"
#: this many silent nodes do not disrupt a zone
_FEW: Final = 2


class ZoneState(StrEnum):
    """How a zone is; upstream's names."""

    NORMAL = "Normal"
    PARTIAL_DISRUPTION = "PartialDisruption"
    FULL_DISRUPTION = "FullDisruption"


@dataclass(frozen=True, slots=True)
class Rates:
    """Nodes that are driven empty in a second, and where the slower one begins. Defaults are upstream's."""

    #: --node-eviction-rate
    normal: float = 0.1
    #: --secondary-node-eviction-rate
    secondary: float = 0.01
    #: --large-cluster-size-threshold: a zone of no more nodes stands still instead
    large: int = 50
    #: --unhealthy-zone-threshold
    threshold: float = 0.55


@dataclass(frozen=True, slots=True)
class Zone:
    """The nodes of a zone, counted."""

    ready: int = 0
    not_ready: int = 0

    @property
    def size(self) -> int:
        return self.ready + self.not_ready


def zone_of(node: node_pb2.Node) -> str:
    """Return the name of a node's zone, with its region, as metrics have it; empty when it says neither."""
    region, zone = node.metadata.labels.get(REGION, ""), node.metadata.labels.get(ZONE, "")
    return f"{region}:{zone}" if region or zone else ""


def count_zones(nodes: Iterable[tuple[str, bool]]) -> Mapping[str, Zone]:
    """Count nodes, given as (zone, whether ready), by zone."""
    zones: dict[str, Zone] = {}
    for name, ready in nodes:
        known = zones.get(name, Zone())
        zones[name] = Zone(known.ready + ready, known.not_ready + (not ready))
    return zones


def state_of(zone: Zone, rates: Rates) -> ZoneState:
    """Return how a zone is."""
    if not zone.ready and zone.not_ready:
        return ZoneState.FULL_DISRUPTION
    if zone.not_ready > _FEW and zone.not_ready / zone.size >= rates.threshold:
        return ZoneState.PARTIAL_DISRUPTION
    return ZoneState.NORMAL


def rate_of(zone: Zone, rates: Rates) -> float:
    """Return how many of a zone's nodes may be driven empty in a second."""
    if state_of(zone, rates) is not ZoneState.PARTIAL_DISRUPTION:
        return rates.normal
    return rates.secondary if zone.size > rates.large else 0.0


@dataclass(slots=True)
class Tokens:
    """Which nodes may be driven empty now. Owned by the controller; as many entries as nodes and zones."""

    rates: dict[str, float] = field(default_factory=dict[str, float])
    #: zone -> monotonic seconds of its next token
    _next: dict[str, float] = field(default_factory=dict[str, float])
    _granted: set[str] = field(default_factory=set[str])

    def take(self, node: str, zone: str, now: float) -> float | None:
        """Ask for a token for a node, which keeps it; return the seconds until it has one, None: not known."""
        if node in self._granted:
            return 0.0
        rate = self.rates.get(zone, 0.0)
        if rate <= 0.0:
            return None
        wait = self._next.get(zone, now) - now
        if wait > 0.0:
            return wait
        self._next[zone] = now + 1.0 / rate
        self._granted.add(node)
        return 0.0

    def give_back(self, node: str) -> None:
        """Drop a node's token: it asks again when it falls silent again."""
        self._granted.discard(node)

    def forget_zones(self, there: Iterable[str]) -> None:
        kept = set(there)
        self._next = {zone: when for zone, when in self._next.items() if zone in kept}
