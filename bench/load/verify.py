"""Whether a load was scheduled as it should be.

The watches' messages are kept as they came, and judged when all is over.

While it is measured nothing is done but keep bytes that the load generator gets anyhow. The judge is
`bench.judge`: nothing bound twice, room and every required constraint at the moment of each binding, nothing
pending that fits.
"""

import asyncio
import heapq
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from bench.judge.decisions import Decisions
from bench.judge.doubt import Doubt
from bench.judge.happened import IN_VIEW, NOT_IN_VIEW, Happened
from bench.judge.history import History
from bench.load.judging import UNKNOWN, Judging, Others
from bench.load.recording import Follower, Recording
from bench.load.report import Verification
from bench.load.settings import RUN_LABEL
from vaina import kinds
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import raw_pb2
from vaina.client.clientset import Clientset
from vaina.clock import SystemClock

#: bytes of events of Pods that are kept of a run, and as many of nodes; one with more is not judged
MAX_BYTES: Final = 512 * 1024 * 1024
#: the same for PodDisruptionBudgets, and for each kind of storage
MAX_STORAGE_BYTES: Final = 64 * 1024 * 1024
#: Pods that fit may be pending for so long: a back-off is at most ten seconds
PENDING_SECONDS: Final = 15.0
#: for the watches of other kinds to be where the Pods are
_CAUGHT_UP_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.5
#: of what is not judged
_ORDER: Final = (
    "affinity and spread in the moment of the binding, which another order of bindings under way explains"
)
#: selects Pods that wait and have a node in view
_IN_VIEW: Final = "status.nominatedNodeName!=,spec.nodeName="
#: what the rules of volumes read; nothing comes of these where there are no volumes
STORAGE: Final[tuple[kinds.Kind[Any], ...]] = (
    kinds.PERSISTENT_VOLUME, kinds.PERSISTENT_VOLUME_CLAIM, kinds.STORAGE_CLASS, kinds.CSI_NODE,
    kinds.CSI_DRIVER, kinds.CSI_STORAGE_CAPACITY, kinds.VOLUME_ATTACHMENT,
)  # fmt: skip


class Thoroughness:
    """Says for which bindings the rules among Pods are walked through, so that it takes so many seconds: all,
    or some evenly.

    PURE but for the clock that is handed in.
    """

    def __init__(self, seconds: float, bindings: int, now: Callable[[], float]) -> None:
        """Make it. Args: seconds: to spend on such rules; bindings: how many there are to judge.

        Now: seconds of this thread.
        """
        self._left, self._bindings, self._now = seconds, bindings, now
        self._spent = 0.0
        self._count = 0
        self._credit = 0.0
        self._since: float | None = None

    def __call__(self) -> bool:
        """Say it of the next binding."""
        average = self._spent / self._count if self._count else 0.0
        wanted = average * max(1, self._bindings)
        self._bindings -= 1
        self._credit += 1.0 if wanted <= self._left else max(self._left, 0.0) / wanted
        if self._credit < 1.0:
            return False
        self._credit -= 1.0
        self._since = self._now()
        return True

    def done(self) -> None:
        """The event is taken in: what it took is counted where it was judged by all rules."""
        if self._since is not None:
            took = self._now() - self._since
            self._since = None
            self._spent, self._left, self._count = self._spent + took, self._left - took, self._count + 1


class Verifying:
    """Judges one run. Owned by it."""

    def __init__(self, client: Clientset, run: str, seconds: float, judging: Judging | None = None) -> None:
        """Make it.

        Args:
            client: of the apiserver.
            run: whose Pods are judged.
            seconds: how long rules among Pods may be walked through (for other bindings they are counted),
                for how long bindings are judged by scores, and for how long filters of others are asked.
            judging: by what its scheduler is judged; None: nothing is known of it.
        """
        self._client, self._run, self._seconds, self._judging = client, run, seconds, judging or UNKNOWN
        self.pods = Recording(MAX_BYTES)
        #: Pods that wait and have a node in view: those for whom others had to go
        self._in_view = Recording(MAX_BYTES)
        #: of the other kinds
        self._recordings: list[tuple[kinds.Kind[Any], Recording]] = [
            (kinds.NODE, Recording(MAX_BYTES)),
            (kinds.POD_DISRUPTION_BUDGET, Recording(MAX_STORAGE_BYTES)),
            *((kind, Recording(MAX_STORAGE_BYTES)) for kind in STORAGE),
        ]
        self._followers = [Follower(client, kind, kept.take) for kind, kept in self._recordings]
        self._viewing = Follower(client, kinds.POD, self._in_view.take, _IN_VIEW)

    async def follow(self) -> None:
        """Watch nodes, budgets and storage until cancelled; Pods are handed in. Raises Expired, in a group."""
        async with asyncio.TaskGroup() as group:
            for follower in (*self._followers, self._viewing):
                group.create_task(follower.run())

    async def wait_ready(self) -> None:
        """Return when all of these are watched: what came and went before is not known."""
        for follower in (*self._followers, self._viewing):
            await follower.ready.wait()

    async def judge(self, bindings: int) -> Verification:
        """Judge what was recorded so far; Pods that are pending and fit are waited for a while.

        Args:
            bindings: how many of the run's Pods have been bound, about.

        Raises:
            ApiError: the apiserver refuses, or does not answer.
        """
        began = time.perf_counter()
        if self.pods.is_full:
            return Verification(reason=f"more than {MAX_BYTES // 2**20} MiB happened")
        for kind, kept in self._recordings:
            if kept.is_full:
                return Verification(reason=f"more happened to {kind.plural} than is kept")
        late = await self._behind()
        if late:
            return Verification(reason=f"the watch of {late} was behind for {_CAUGHT_UP_SECONDS:.0f} s")
        thorough = Thoroughness(self._seconds, bindings, time.thread_time)
        sampled = Thoroughness(self._seconds, bindings, time.thread_time)
        judging = self._judging
        doubt = Doubt(all_nodes=judging.takes_the_best)
        decisions = Decisions(sampled, doubt, judging.plugins, judging.weights, judging.without_scores)
        others = Others(judging.others, self._seconds)
        history = History(
            is_fresh=lambda pod: pod.metadata.labels.get(RUN_LABEL) == self._run,
            is_thorough=thorough, plugins=judging.plugins, decisions=decisions, ask_others=others if judging.others else None,
        )  # fmt: skip
        for space in (await self._client.namespaces.list()).items:
            history.take(Happened("ADDED", space))
        pending = await self._pending()
        clocks = (thorough, sampled)
        await asyncio.to_thread(self._take, history, clocks)
        history.end_decisions()
        unfit = await self._until_nothing_fits(history, clocks, pending)
        history.overtaken.end()
        scores = decisions.scores
        unjudged = decisions.unjudged + Counter(
            {"filters of others": others.not_asked, _ORDER: history.overtaken.explained}
        )
        return Verification(
            bindings=history.bindings, thorough=history.thorough, walked=history.walked, violations=[*history.found, *unfit],
            pending=pending, seconds=time.perf_counter() - began, scored=scores.judged, score_lost=scores.average_lost,
            score_lost_worst=float(scores.worst), score_most=float(scores.most), equals=scores.ties.count,
            asked_others=others.asked, not_judged=[*judging.not_judged, *words_of(unjudged, decisions.preempted.partly)],
        )  # fmt: skip

    def _take(self, history: History, clocks: Sequence[Thoroughness]) -> None:
        for happened in heapq.merge(
            *(_events(kept.drain(), kind) for kind, kept in self._recordings), _events(self.pods.drain(), kinds.POD),
            _views(self._in_view.drain()),
            key=lambda one: one.version,
        ):  # fmt: skip
            history.take(happened)
            for clock in clocks:
                clock.done()

    async def _until_nothing_fits(
        self, history: History, clocks: Sequence[Thoroughness], pending: int
    ) -> list[str]:
        """Return what is wrong with Pods that wait.

        One that fits may be about to be bound: it is looked at again for a while.
        """
        until = time.perf_counter() + PENDING_SECONDS
        while pending:
            history.pending.clear()
            waiting = await self._list_pending()
            await self._behind()
            await asyncio.to_thread(self._take, history, clocks)
            for pod in waiting:
                history.take(Happened("ADDED", pod))
            found = await asyncio.to_thread(history.unfit)
            if not found or time.perf_counter() > until:
                return found
            await SystemClock().sleep(_LOOK_SECONDS)
        return []

    async def _pending(self) -> int:
        return len(await self._list_pending())

    async def _list_pending(self) -> list[pod_pb2.Pod]:
        found = await self._client.pods.list(
            label_selector=f"{RUN_LABEL}={self._run}", field_selector="spec.nodeName="
        )
        return [pod for pod in found.items if pod.status.phase not in ("Succeeded", "Failed")]

    async def _behind(self) -> str:
        """Wait until every object is recorded as it is now.

        Returns the kind whose watch stays behind, an empty text when none does.
        """
        until = time.perf_counter() + _CAUGHT_UP_SECONDS
        for (kind, _), follower in zip(self._recordings, self._followers, strict=True):
            if not await follower.caught_up(until):
                return kind.plural
        return ""


def words_of(unjudged: Counter[str], preemptions: int) -> list[str]:
    """Name what was not judged, and of how many Pods; of so many preemptions the priorities alone were."""
    found = [f"{what}: {number:,} Pods" for what, number in sorted(unjudged.items()) if number > 0]
    if preemptions:
        found.append(f"beyond priorities: {preemptions:,} preemptions")
    return found


def _views(messages: list[bytes]) -> Iterator[Happened]:
    """Yield what a watch of Pods that wait and have a node in view says."""
    for happened in _events(messages, kinds.POD):
        yield Happened(NOT_IN_VIEW if happened.type == "DELETED" else IN_VIEW, happened.object)


def _events(messages: list[bytes], kind: kinds.Kind[Any]) -> Iterator[Happened]:
    for message in messages:
        for event in raw_pb2.RawWatchResponse.FromString(message).events:
            if event.type != "BOOKMARK":
                yield Happened(event.type, kind.message.FromString(event.object))
