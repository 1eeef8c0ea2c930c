"""What the objects of stories are made of. PURE."""

from collections.abc import Sequence
from typing import TypeVar

from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_container

T = TypeVar("T")
#: what its containers run, by the words of a story
COMMANDS = {
    "for ever": [],
    "3 s, then 0": ["sh", "-c", "sleep 3; exit 0"],
    "2 s, then 1": ["sh", "-c", "sleep 2; exit 1"],
}
GRACE_SECONDS = 5


def nth(items: Sequence[T], number: int) -> T | None:
    """Return one of the items, counted round and round; None when there is none."""
    return items[number % len(items)] if items else None


def container(cpu: int, command: str = "for ever") -> pod_pb2.Container:
    """Return a container that asks for so many thousandths of a CPU."""
    made = make_container(requests={"cpu": f"{cpu}m"})
    made.command.extend(COMMANDS[command])
    return made


def fill(template: pod_pb2.PodTemplateSpec, cpu: int) -> None:
    """Give a template its container."""
    template.spec.termination_grace_period_seconds = GRACE_SECONDS
    del template.spec.containers[:]
    template.spec.containers.append(container(cpu))
