"""Objects out of a file of JSON lines into a cluster, and the wait for Pods of which some may fit nowhere.

Follows `createObjects`.

A file of an imported cluster (`vaina load import`) has tens of thousands of objects: one a line, in the order
in which they are created.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final

import msgspec
from google.protobuf.message import Message

from bench.load.create import Creator, Pace
from bench.load.podset import PodSet
from bench.load.workload import MAX_COUNT
from vaina import kinds
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.errors import AlreadyExists, ApiError
from vaina.objects.conditions import get_condition
from vaina.objects.manifest import decode_dict

#: as long as the longest back-off, and a little: what has not been tried again by then will not be
QUIET_SECONDS: Final = 11.0
_LOOK_SECONDS: Final = 1.0
#: objects in a call (nodes and Pods), and calls in flight
_BATCH, _IN_FLIGHT = 100, 4
_SINGLE_IN_FLIGHT = 16
#: reasons that are told of Pods that got no node
_REASONS: Final = 3
#: an apiserver has some of these by itself
_MAY_BE_THERE: Final = (kinds.NAMESPACE, kinds.PRIORITY_CLASS)

Made = tuple[kinds.Kind[Any], Any]


class ObjectsError(Exception):
    """A file whose objects cannot be read; the text names the line."""


def read_objects(path: Path) -> list[Made]:
    """Read a file of JSON lines.

    Raises:
        ObjectsError: a line is no object, or of a kind that is not known.
    """
    found: list[Made] = []
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if number > MAX_COUNT:
                    raise ObjectsError(f"{path.name}: more than {MAX_COUNT:,} lines")
                if line.strip():
                    found.append(_object(line, f"{path.name}: line {number}"))
    except OSError as error:
        raise ObjectsError(f"{path.name}: {error.strerror}") from error
    return found


def _object(line: bytes, place: str) -> Made:
    try:
        decoded = decode_dict(msgspec.json.decode(line, type=dict[str, Any]))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ObjectsError(f"{place}: {error}") from error
    except ApiError as error:
        raise ObjectsError(f"{place}: {error.message}") from error
    return decoded.kind, decoded.message


def pods_of(objects: Sequence[Made], source: str) -> list[pod_pb2.Pod]:
    """Return the objects of a file that is measured.

    Raises:
        ObjectsError: one is no Pod, or has a node.
    """
    for kind, obj in objects:
        if kind is not kinds.POD or obj.spec.node_name:
            what = f"the Pod {obj.metadata.name} has a node" if kind is kinds.POD else f"it has a {kind.kind}"
            raise ObjectsError(f"{source}: {what}: what is measured are Pods without one")
    return [pod for _, pod in objects]


async def create_objects(
    client: Clientset, objects: Sequence[Made], now: Callable[[], float], say: Callable[[str], None]
) -> None:
    """Create them in their order, those of a kind that follow one another at once.

    Raises:
        ApiError: one is refused.
    """
    for kind, some in groupby(objects, key=lambda one: one[0]):
        group = [obj for _, obj in some]
        if kind is kinds.POD:
            names = [pod.metadata.name for pod in group]
            pods = PodSet("Pods", "", names, namespaces=[pod.metadata.namespace for pod in group])
            await Creator(client, Pace(_IN_FLIGHT, _BATCH), now).create(pods, group.__getitem__)
        elif kind is kinds.NODE:
            await _create_nodes(client, group)
        else:
            await _create_singly(client, kind, group)
        say(f"{len(group):,} {kind.plural}")


async def _create_nodes(client: Clientset, nodes: Sequence[Any]) -> None:
    order = iter(nodes)

    async def caller() -> None:
        while batch := list(islice(order, _BATCH)):
            for result in await client.nodes.create_batch(batch):
                if isinstance(result, ApiError):
                    raise result

    async with asyncio.TaskGroup() as group:
        for _ in range(_IN_FLIGHT):
            group.create_task(caller())


async def _create_singly(client: Clientset, kind: kinds.Kind[Message], objects: Sequence[Any]) -> None:
    order = iter(objects)

    async def caller() -> None:
        for obj in order:
            try:
                made: Any = await client.kind(kind).create(obj)
            except AlreadyExists:
                if kind not in _MAY_BE_THERE:
                    raise
                continue
            if kind is kinds.POD_DISRUPTION_BUDGET:
                # No controller counts here: what preemption may take is what the cluster said.
                made.status.CopyFrom(obj.status)
                made.status.observed_generation = made.metadata.generation
                await client.kind(kind).update_status(made)

    async with asyncio.TaskGroup() as group:
        for _ in range(_SINGLE_IN_FLIGHT):
            group.create_task(caller())


class Settling:
    """Waits for Pods of which some may fit nowhere. Owned by the run."""

    def __init__(
        self, client: Clientset, selector: str, now: Callable[[], float], patience_seconds: float
    ) -> None:
        """Make it. Args: selector: of the run's Pods.

        patience_seconds: without anything happening, until it ends anyhow.
        """
        self._client, self._selector, self._now = client, selector, now
        self._patience = max(patience_seconds, QUIET_SECONDS)
        self.notes: list[str] = []

    async def wait(
        self, pods: PodSet, show: Callable[[PodSet], None], until: asyncio.Event | None = None
    ) -> None:
        """Return when each has a node, or was tried and nothing has happened for as long as a back-off takes.

        Args:
            pods: that are waited for.
            show: is told of them now and then.
            until: return as well when this is set.
        """
        done = until or pods.settled
        seen, since = pods.progress, self._now()
        while not done.is_set():
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await done.wait()
            except TimeoutError:
                show(pods)
            if pods.progress != seen or pods.asked_count < len(pods):
                seen, since = pods.progress, self._now()
                continue
            quiet = self._now() - since
            if quiet < QUIET_SECONDS:
                continue
            waiting = await self._waiting()
            if all(map(_is_tried, waiting)) or quiet > self._patience:
                self.notes = _reasons(pods, waiting)
                return

    async def _waiting(self) -> Sequence[pod_pb2.Pod]:
        found = await self._client.pods.list(label_selector=self._selector, field_selector="spec.nodeName=")
        return found.items


def _is_tried(pod: pod_pb2.Pod) -> bool:
    """Whether the scheduler has said that no node will do, and takes no room for it either."""
    tried = get_condition(pod.status, "PodScheduled") is not None or bool(pod.spec.scheduling_gates)
    return tried and not pod.status.nominated_node_name


def _reasons(pods: PodSet, waiting: Sequence[pod_pb2.Pod]) -> list[str]:
    reasons: Counter[str] = Counter()
    for pod in waiting:
        condition = get_condition(pod.status, "PodScheduled")
        reasons[(condition.message if condition else "") or "it was never tried"] += 1
    found = (
        [f"{pods.name}: {len(waiting):,} of {len(pods):,} Pods have no node in the end"] if waiting else []
    )
    return found + [f"{count:,} Pods without a node: {text}" for text, count in reasons.most_common(_REASONS)]
