"""What one watch sees of the run's Pods: when each had a node, ran, and went. The load generator's only witness.

Beside it messages of watches are kept as they came, for the judge (`verify.py`).
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from bench.load.owners import OwnedPods
from bench.load.podset import PodSet
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import raw_pb2, request_pb2
from vaina.client.clientset import Clientset
from vaina.errors import ApiError, Expired
from vaina.kinds import POD
from vaina.objects.excerpt import excerpt

_RETRY_SECONDS = 0.2
_RUNNING = frozenset(("Running", "Succeeded", "Failed"))
#: what is read of a Pod: the load generator takes processor time from those it measures
_Glance: Any = excerpt(pod_pb2.Pod, ("metadata.name", "metadata.namespace", "spec.nodeName", "status.phase"))


class Observer:
    """Times are those at which the watch brought the news, of the clock of `now`.

    A watch that breaks is resumed: what came meanwhile comes late.
    """

    def __init__(
        self, client: Clientset, label_selector: str, record: Callable[[bytes], None] | None = None
    ) -> None:
        """Make it. Args: label_selector: of the Pods that are watched.

        Record: is handed every message as it came.
        """
        self._client, self._selector, self._record = client, label_selector, record
        self._places: dict[tuple[str, str], tuple[PodSet, int]] = {}
        self._sets: list[PodSet] = []
        #: set, and another one, when the watch has brought something
        self._news = asyncio.Event()
        #: by namespace: one of each step, for Pods whose names are not known before
        self._owned: dict[str, list[OwnedPods]] = {}
        #: set when the watch is there
        self.ready = asyncio.Event()
        #: how often the watch had to be resumed
        self.resumed = 0

    @staticmethod
    def now() -> float:
        """Return the time in seconds, as all times of a run are."""
        return time.perf_counter()

    def follow(self, pods: PodSet) -> None:
        """Note what happens to these from now on. Call it before they are created."""
        self._sets.append(pods)
        for index, place in enumerate(pods.places):
            self._places[place] = (pods, index)

    @property
    def bound_count(self) -> int:
        """How many of those that are followed have been bound."""
        return sum(pods.bound_count for pods in self._sets)

    async def wait_bound(self, count: int) -> None:
        """Return when so many of those that are followed have been bound."""
        while self.bound_count < count:
            await self._news.wait()

    def follow_owned(self, pods: OwnedPods) -> None:
        """Note what happens to the Pods of these owners from now on. Call it before they are created."""
        self._sets.append(pods)
        self._owned.setdefault(pods.namespace, []).append(pods)

    async def run(self) -> None:
        """Watch until cancelled.

        Raises:
            Expired: the watch fell too far behind: what it missed is lost, and the run with it.
        """
        version = ""
        while True:
            request = request_pb2.WatchRequest(
                label_selector=self._selector, field_selector="spec.nodeName!=", resource_version=version,
                send_initial_events=None if version else True, allow_watch_bookmarks=True,
            )  # fmt: skip
            try:
                stream = self._client.transport.stream(POD.method("Watch"), request.SerializeToString())
                async with aclosing(stream) as answers:
                    async for answer in answers:
                        batch = raw_pb2.RawWatchResponse.FromString(answer)
                        if self._record is not None:
                            self._record(answer)
                        self._take(batch)
                        self._news.set()
                        self._news = asyncio.Event()
                        version = batch.resource_version or version
                        self.ready.set()
            except Expired:
                raise
            except ApiError:
                self.resumed += 1
                await asyncio.sleep(_RETRY_SECONDS)

    def _take(self, batch: raw_pb2.RawWatchResponse) -> None:
        at, places, parse = self.now(), self._places, _Glance.FromString
        for event in batch.events:
            kind = event.type
            if kind == "BOOKMARK":
                continue
            pod = parse(event.object)
            metadata = pod.metadata
            place = places.get((metadata.namespace, metadata.name)) or self._find(metadata)
            if place is None:
                continue
            pods, index = place
            if kind == "DELETED":
                pods.see_gone(index, at)
                if isinstance(pods, OwnedPods):
                    # Another one of this name may come: a StatefulSet's.
                    del places[metadata.namespace, metadata.name]
                continue
            pods.see_bound(index, pod.spec.node_name, at)
            if pod.status.phase in _RUNNING:
                pods.see_running(index, at)

    def _find(self, metadata: Any) -> tuple[PodSet, int] | None:
        """Return the place of a Pod that is seen for the first time; only those of owners have one."""
        for owned in self._owned.get(metadata.namespace, ()):
            index = owned.place(metadata.name)
            if index is not None:
                self._places[metadata.namespace, metadata.name] = found = (owned, index)
                return found
        return None
