"""Rules about room: resources, the number of Pods, host ports; and the scores that go by what is left.

docs: *Resource Management for Pods and Containers*, *Resource Bin Packing* (the default strategy is
LeastAllocated over CPU and memory), the reference of kube-scheduler's configuration.
"""

from collections.abc import Mapping, Sequence

from bench.judge.reference.amounts import Amounts
from bench.judge.reference.rule import Refusal, Rule
from bench.judge.reference.world import HostPort
from vaina.api.core.v1 import node_pb2


class Ports(Rule):
    """Host ports."""

    name = "NodePorts"

    def refuse(self, node: node_pb2.Node) -> Refusal | None:
        wanted = self.wanting.ports
        if not wanted:
            return None
        taken = [port for other in self.world.on(node.metadata.name) for port in other.ports]
        if any(collide(mine, other) for mine in wanted for other in taken):
            return Refusal(("node(s) didn't have free ports for the requested pod ports",))
        return None


def collide(one: HostPort, other: HostPort) -> bool:
    """Say whether two Pods cannot have these ports on one node; the address 0.0.0.0 stands for all."""
    return one[:2] == other[:2] and (one[2] == other[2] or "0.0.0.0" in (one[2], other[2]))


class Fit(Rule):
    """Room."""

    name = "NodeResourcesFit"

    def refuse(self, node: node_pb2.Node) -> Refusal | None:
        name = node.metadata.name
        has, there = self.world.allocatable[name], self.world.on(name)
        words = ["Too many pods"] if len(there) + 1 > has.get("pods", 0) else []
        helpless = False
        for resource, amount in self.wanting.asked.items():
            taken = sum(other.asked.get(resource, 0) for other in there)
            if amount > 0 and amount > has.get(resource, 0) - taken:
                words.append(f"Insufficient {resource}")
                helpless |= amount > has.get(resource, 0)
        return Refusal(tuple(words), helpless) if words else None

    def scores(self, nodes: Sequence[node_pb2.Node]) -> Mapping[str, int]:
        return {node.metadata.name: self._left(node.metadata.name) for node in nodes}

    def _left(self, name: str) -> int:
        """How much of CPU and memory would stay free, in hundredths, on average."""
        has = self.world.allocatable[name]
        everybody = [self.wanting, *self.world.on(name)]
        shares = []
        for resource in ("cpu", "memory"):
            if has.get(resource, 0):
                taken = sum(other.asked_for_scoring.get(resource, 0) for other in everybody)
                shares.append(max(has[resource] - taken, 0) * 100 // has[resource])
        return sum(shares) // len(shares) if shares else 0


class Balance(Rule):
    """Even use of resources."""

    name = "NodeResourcesBalancedAllocation"

    def scores(self, nodes: Sequence[node_pb2.Node]) -> Mapping[str, int]:
        asked = self.wanting.asked
        if not asked.get("cpu") and not asked.get("memory"):
            return super().scores(nodes)
        return {node.metadata.name: self._improvement(node.metadata.name) for node in nodes}

    def _improvement(self, name: str) -> int:
        """50, and half of: 50 and what the Pod does to the balance."""
        has = self.world.allocatable[name]
        there = [other.asked for other in self.world.on(name)]
        change = balance(has, [*there, self.wanting.asked]) - balance(has, there)
        return 50 + int((50 + change) / 2)


def balance(has: Amounts, pods: Sequence[Amounts]) -> int:
    """100, less the standard deviation of the shares of CPU and memory that are used."""
    shares = [
        min(sum(amounts.get(resource, 0) for amounts in pods) / has[resource], 1.0)
        for resource in ("cpu", "memory")
        if has.get(resource, 0)
    ]
    deviation = abs(shares[0] - shares[1]) / 2 if len(shares) == 2 else 0.0
    return int((1 - deviation) * 100)
