"""What a node has, and what of it Pods get (row C2). PURE.

Several nodes of one machine must not each claim all of it, so capacity is configuration, else the machine's.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from vaina.objects.quantity import format_bytes, format_count, format_millis, milli_value, value


@dataclass(frozen=True, slots=True)
class Resources:
    """Amounts: CPU in thousandths, everything else in units."""

    cpu_millis: int
    memory_bytes: int
    pods: int
    ephemeral_storage_bytes: int = 0

    def quantities(self) -> Mapping[str, str]:
        """Return them as a Node's status has them."""
        amounts = {
            "cpu": format_millis(self.cpu_millis),
            "memory": format_bytes(self.memory_bytes),
            "pods": format_count(self.pods),
        }
        if self.ephemeral_storage_bytes:
            amounts["ephemeral-storage"] = format_bytes(self.ephemeral_storage_bytes)
        return amounts

    def amounts(self) -> Mapping[str, int]:
        """Return them by name, as `vaina.objects.pods` counts."""
        return {
            "cpu": self.cpu_millis,
            "memory": self.memory_bytes,
            "pods": self.pods,
            "ephemeral-storage": self.ephemeral_storage_bytes,
        }


def configured(machine: Resources, *, cpu: str, memory: str, pods: int) -> Resources:
    """Return the node's capacity: what is configured, else the machine's. Raises QuantityError."""
    return Resources(
        cpu_millis=milli_value(cpu) if cpu else machine.cpu_millis,
        memory_bytes=value(memory) if memory else machine.memory_bytes,
        pods=pods or machine.pods,
        ephemeral_storage_bytes=machine.ephemeral_storage_bytes,
    )


def allocatable(capacity: Resources, *, reserved_cpu: str, reserved_memory: str) -> Resources:
    """Return what Pods get: the capacity without what the system keeps, at least 0."""
    return Resources(
        cpu_millis=max(capacity.cpu_millis - (milli_value(reserved_cpu) if reserved_cpu else 0), 0),
        memory_bytes=max(capacity.memory_bytes - (value(reserved_memory) if reserved_memory else 0), 0),
        pods=capacity.pods,
        ephemeral_storage_bytes=capacity.ephemeral_storage_bytes,
    )
