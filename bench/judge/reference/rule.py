"""What a plugin is to the reference: it is made for one Pod in one world, and is asked about nodes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.judge.reference.world import Placed, World
from vaina.api.core.v1 import node_pb2


@dataclass(frozen=True)
class Refusal:
    """Why a node will not do."""

    words: tuple[str, ...]
    #: no Pod's going could help
    helpless: bool = False


class Rule:
    """One plugin. The usual one refuses nothing and prefers nothing."""

    name: str

    def __init__(self, world: World, wanting: Placed) -> None:
        self.world, self.wanting, self.pod = world, wanting, wanting.pod

    def rejected(self) -> str:
        """Say why the Pod can go nowhere, whatever the nodes are; an empty text: it may."""
        return ""

    def refuse(self, node: node_pb2.Node) -> Refusal | None:
        """Say why a node will not do; None: it will."""
        return None

    def scores(self, nodes: Sequence[node_pb2.Node]) -> Mapping[str, int]:
        """Return 0 to 100 for each of the nodes that will do, by name."""
        return {node.metadata.name: 0 for node in nodes}


def to_hundred(raw: Mapping[str, int], *, less_is_better: bool = False) -> dict[str, int]:
    """Scale so that the highest becomes 100, or 0 where less is better."""
    highest = max(raw.values())
    if highest == 0:
        return dict.fromkeys(raw, 100 if less_is_better else 0)
    scaled = {name: value * 100 // highest for name, value in raw.items()}
    return {name: 100 - value for name, value in scaled.items()} if less_is_better else scaled
