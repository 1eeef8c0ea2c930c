"""One measurement: what was there at its beginning, what is sampled meanwhile, and what it comes to.

Shell around `stats`.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from bench.load.cluster import Target
from bench.load.events import DROPPED, WAITING, EventsWritten, dropped_since, until_written, used
from bench.load.histograms import absent, compute_histograms
from bench.load.lag import Lag
from bench.load.placement import compute_placement
from bench.load.podset import PodSet
from bench.load.quality import Quality, compute_quality
from bench.load.report import Balance, Latency, Measurement, ProcessUse, QueueSample
from bench.load.scrape import Meter, Page, Usage, fetch, only
from bench.load.stats import accumulated, deviation, distribution, summary, throughput, windows
from vaina.client.clientset import Clientset
from vaina.errors import ApiError
from vaina.pki.folder import Folder

#: conditions and traces are written after the bindings; they are part of the price. So are Events, which take
#: longer (`events`)
AFTERWORK_SECONDS = 1.0
_ETCD_REQUESTS = "etcd_requests_total"
#: between two looks at the scheduler's queue
SAMPLE_SECONDS = 1.0
#: of a series
_MAX_SAMPLES = 10_000


async def page_of(url: str, shown: Folder | None = None) -> Page:
    """Read a page of metrics, over https with a certificate; one that cannot be read is empty."""
    if not url:
        return Page()
    try:
        return await asyncio.to_thread(fetch, url, shown)
    except OSError:
        return Page()


class Measuring:
    """A measurement that goes on. Owned by the run."""

    def __init__(
        self,
        name: str,
        target: Target,
        client: Clientset,
        meters: Callable[[], Mapping[str, Meter]],
        window_seconds: float,
    ) -> None:
        """Make it; nothing is read yet.

        Args:
            name: in the report.
            target: whose pages are read.
            client: of its apiserver; counts Events at the end.
            meters: where the usage of each process is read, at any time.
            window_seconds: the length of the windows of the throughput.
        """
        self.name, self._target, self._client = name, target, client
        self._meters, self._window = meters, window_seconds
        self._apiserver_page = only(target.apiserver_page, _ETCD_REQUESTS)
        self.pods: list[PodSet] = []
        self.start = 0.0
        self._before: dict[str, Usage] = {}
        self._scheduler = self._apiserver = Page()
        self._peaks: dict[str, int] = {}
        self._queue: list[tuple[float, dict[str, float]]] = []
        self.lag = Lag()
        #: processes of which nothing could be read
        self.silent: set[str] = set()
        self.retries: Counter[str] = Counter()
        #: what it came to. None: it goes on
        self.found: Measurement | None = None

    async def prepare(self) -> None:
        """Read what pages say now; of a scheduler that is not there yet, nothing."""
        self._scheduler = await page_of(self._target.scheduler_page, self._target.credentials)
        self._apiserver = await page_of(self._apiserver_page, self._target.credentials)

    async def begin(self, start: float | None = None) -> None:
        """Begin now, or at the time that is given."""
        self._before = await self._usage()
        self.lag.seconds = 0.0
        self._queue.clear()
        self.start = time.perf_counter() if start is None else start

    async def _usage(self) -> dict[str, Usage]:
        def read() -> dict[str, Usage]:
            found = {}
            for name, meter in self._meters().items():
                try:
                    found[name] = meter.read()
                except OSError:
                    self.silent.add(name)
            return found

        found = await asyncio.to_thread(read)
        for name, usage in found.items():
            peak = usage.memory_bytes if usage.peak_bytes is None else usage.peak_bytes
            self._peaks[name] = max(self._peaks.get(name, 0), peak)
        return found

    async def sample(self) -> None:
        """Look at the queue once a second until cancelled."""
        url = only(self._target.scheduler_page, "scheduler_pending_pods", "process_resident_memory_bytes")
        while len(self._queue) < _MAX_SAMPLES:
            page = await page_of(url, self._target.credentials)
            self._queue.append((time.perf_counter(), page.by("scheduler_pending_pods", "queue")))
            resident = int(page.total("process_resident_memory_bytes"))
            self._peaks["scheduler"] = max(self._peaks.get("scheduler", 0), resident)
            await asyncio.sleep(SAMPLE_SECONDS)

    async def end(self, nodes: int) -> Measurement:
        """Wait for the after-work and for Events, and return what was measured.

        Args:
            nodes: how many nodes Pods could have gone to.
        """
        lag = self.lag.seconds
        scheduler = await page_of(self._target.scheduler_page, self._target.credentials)
        tells = scheduler.has(WAITING)
        waiting = int(scheduler.total(WAITING)) if tells else None
        dropped = dropped_since(self._scheduler, scheduler) if tells else None
        await asyncio.sleep(AFTERWORK_SECONDS)
        after = await self._usage()
        scheduler = await page_of(self._target.scheduler_page, self._target.credentials)
        apiserver = await page_of(self._apiserver_page, self._target.credentials)
        bound = _values(pods.bound for pods in self.pods)
        events = await self._events(max(bound, default=self.start), len(bound))
        # Where the first binding began the clock it is no part of what happened since. It may bring hundreds,
        # or all: no time passed then.
        found = windows([at for at in bound if at > self.start], self.start, self._window)
        count = max(1, len(bound))
        attempts = "scheduler_schedule_attempts_total"
        return Measurement(
            name=self.name,
            pods=sum(map(len, self.pods)),
            bound=len(bound),
            running=len(_values(pods.running for pods in self.pods)),
            seconds=max(bound, default=self.start) - self.start,
            throughput=throughput(found, self._window),
            windows=found,
            window_seconds=self._window,
            latencies=_latencies(self.pods),
            attempts=_grown(self._scheduler.by(attempts, "result"), scheduler.by(attempts, "result")),
            queue=[QueueSample(max(0.0, at - self.start), queues) for at, queues in self._queue if queues],
            processes=self._processes(after, count),
            etcd_requests=_grown(
                self._apiserver.by(_ETCD_REQUESTS, "operation"),
                apiserver.by(_ETCD_REQUESTS, "operation"),
            ),
            balance=_balance(self.pods, nodes),
            lag_seconds=lag,
            retries=dict(self.retries),
            scheduled_events=await _scheduled_events(self._client, self.pods),
            events_waiting=waiting,
            events_dropped=dropped,
            bound_over_time=accumulated(bound, self.start),
            events=events,
            histograms=compute_histograms(self._scheduler, scheduler),
            histograms_absent=absent(scheduler),
            quality=await _quality(self._client),
        )

    async def _events(self, last_bound: float, bound: int) -> EventsWritten | None:
        """Wait for the scheduler's Events, and say what each process used until then."""
        url = only(self._target.scheduler_page, WAITING, DROPPED)
        left = await until_written(lambda: page_of(url, self._target.credentials), time.perf_counter)
        if left is None:
            return None
        seconds = time.perf_counter() - last_bound
        dropped = dropped_since(self._scheduler, await page_of(url, self._target.credentials))
        cpu = used(self._before, await self._usage())
        return EventsWritten(
            seconds, left, dropped, cpu, {name: value / max(1, bound) * 1e6 for name, value in cpu.items()}
        )

    def _processes(self, after: Mapping[str, Usage], count: int) -> dict[str, ProcessUse]:
        return {
            name: ProcessUse(seconds, seconds / count * 1e6, self._peaks[name], after[name].memory_bytes)
            for name, seconds in used(self._before, after).items()
        }


def _values(lists: Iterable[Sequence[float]]) -> list[float]:
    return [value for values in lists for value in values if not math.isnan(value)]


def _latencies(sets: Sequence[PodSet]) -> dict[str, Latency]:
    found = {}
    for name, attribute in (
        ("create_to_bound", "bound"), ("create_to_running", "running"), ("create", "created"),
    ):  # fmt: skip
        values = [
            max(0.0, end - begin)
            for pods in sets
            for begin, end in zip(pods.intended, getattr(pods, attribute), strict=True)
            if not math.isnan(end)
        ]
        if values:
            found[name] = Latency(summary(values), distribution(values))
    return found


async def _scheduled_events(client: Clientset, sets: Sequence[PodSet]) -> int | None:
    """Count the Pods of which an Event says that they were scheduled; None where the apiserver does not tell."""
    names = {place for pods in sets for place in pods.places}
    try:
        found = [
            await client.events.list(namespace, field_selector="reason=Scheduled")
            for namespace in sorted({namespace for namespace, _ in names})
        ]
    except ApiError:
        return None
    about = (event.involved_object for events in found for event in events.items)
    return len(names & {(one.namespace, one.name) for one in about})


async def _quality(client: Clientset) -> Quality | None:
    """Look where all Pods are; None where the apiserver does not tell, or there is no node."""
    try:
        nodes, pods = await client.nodes.list(), await client.pods.list()
    except ApiError:
        return None
    return compute_quality(compute_placement(nodes.items, pods.items)) if nodes.items else None


def _grown(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {name: value - before.get(name, 0.0) for name, value in after.items()}


def _balance(sets: Sequence[PodSet], nodes: int) -> Balance:
    counts = Counter(node for pods in sets for node in pods.nodes if node)
    every = [*counts.values(), *([0] * max(0, nodes - len(counts)))]
    return Balance(
        nodes=max(nodes, len(counts)), used=len(counts), least=min(every, default=0), most=max(every, default=0),
        average=sum(every) / len(every) if every else 0.0, deviation=deviation(every),
    )  # fmt: skip
