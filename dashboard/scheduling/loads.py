"""What the page knows of load tests: what each run says of itself in the cluster, and remembered. PURE.

Times are seconds. A run is seen by the annotation of its namespace RUN-progress
(`vaina/objects/load_progress.py`), which anybody may have written who may write namespaces.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from vaina.api.core.v1 import namespace_pb2
from vaina.cache.list_watch import Apply, Replace
from vaina.objects.load_progress import (
    ANNOTATION,
    MAX_NAME,
    NAMESPACE,
    RUN_LABEL,
    LoadProgress,
    ProgressError,
    decode_progress,
)

#: runs that are remembered, those of which there was news last
MAX_RUNS: Final = 20
#: points of one; beyond it every second one goes
MAX_POINTS: Final = 600
#: a run that has said nothing for so long may have been killed
SILENT_SECONDS: Final = 20.0

Changes = Replace[namespace_pb2.Namespace] | Apply[namespace_pb2.Namespace]


@dataclass(slots=True)
class Seen:
    """A run."""

    uid: str
    progress: LoadProgress
    #: when it said so, of the page's clock
    at: float
    #: what it made is being deleted, or gone
    is_gone: bool = False
    #: [seconds since it began, Pods asked for, bound, running]
    points: list[list[float]] = field(default_factory=list[list[float]])
    #: that lie between two points at least
    apart: float = 0.0

    def take(self, progress: LoadProgress, at: float) -> None:
        """Take what it says now."""
        self.progress, self.at = progress, at
        point = [progress.seconds, progress.asked, progress.bound, progress.running]
        if self.points and progress.seconds <= self.points[-1][0]:
            return
        # The newest point is where the run is; what it replaces was too near to the one before.
        if len(self.points) > 1 and self.points[-1][0] - self.points[-2][0] < self.apart:
            self.points[-1] = point
        else:
            self.points.append(point)
        if len(self.points) > MAX_POINTS:
            last = self.points[-1][0]
            self.apart = 2 * (last - self.points[0][0]) / MAX_POINTS
            self.points = [*self.points[:-1:2], self.points[-1]]

    def state(self, now: float) -> str:
        """Return running, ended or failed as it says, or gone or silent where it says no more."""
        if self.progress.state != "running":
            return self.progress.state
        if self.is_gone:
            return "gone"
        return "silent" if now - self.at > SILENT_SECONDS else "running"


class LoadRuns:
    """Runs by name, that of which there was news last at the end. Owned by its follower."""

    def __init__(self) -> None:
        self.runs: dict[str, Seen] = {}
        #: why the apiserver does not show them
        self.refusal = ""

    def take(self, what: Changes, now: float) -> None:
        """Take what the watch of namespaces brought."""
        self.refusal = ""
        match what:
            case Replace(items=items):
                there = {name for item in items.values() if (name := self._take(item, now))}
                self._go(self.runs.keys() - there)
            case Apply(changes=changes):
                for _, item, before in changes:
                    if item is not None:
                        self._take(item, now)
                    elif _run_of(before) in self.runs:
                        self._go([_run_of(before)])

    def _take(self, item: namespace_pb2.Namespace, now: float) -> str:
        """Take a namespace; return the run that it tells of, "" where it tells of none."""
        name, meta = _run_of(item), item.metadata
        if not name or ANNOTATION not in meta.annotations:
            return ""
        try:
            progress = decode_progress(meta.annotations[ANNOTATION])
        except ProgressError:
            return ""
        seen = self.runs.pop(name, None)
        if seen is None or seen.uid != meta.uid:
            seen = Seen(meta.uid, progress, now)
        self.runs[name] = seen
        if progress != seen.progress or not seen.points:
            seen.take(progress, now)
        seen.is_gone = meta.HasField("deletion_timestamp")
        while len(self.runs) > MAX_RUNS:
            del self.runs[next(iter(self.runs))]
        return name

    def _go(self, names: Iterable[str]) -> None:
        for name in names:
            self.runs[name].is_gone = True

    def all(self, now: float) -> dict[str, Any]:
        """Return all runs without their points, those that began last first."""
        newest = sorted(self.runs.items(), key=lambda one: one[1].progress.started, reverse=True)
        return {"runs": [_shown(name, seen, now) for name, seen in newest], "refusal": self.refusal}

    def one(self, name: str, now: float) -> dict[str, Any]:
        """Return one run with its points; {"run": None} where none was seen."""
        seen = self.runs.get(name)
        if seen is None:
            return {"run": None, "refusal": self.refusal}
        progress = seen.progress
        return {
            "run": _shown(name, seen, now),
            "points": [*seen.points],
            "measurements": progress.measurements,
            "config": [*progress.config.items()],
        }


def _run_of(item: namespace_pb2.Namespace) -> str:
    """Return the run of which a namespace tells, "" for other namespaces."""
    name = item.metadata.labels.get(RUN_LABEL, "")
    return name if len(name) <= MAX_NAME and item.metadata.name == f"{name}-{NAMESPACE}" else ""


def _shown(name: str, seen: Seen, now: float) -> dict[str, Any]:
    progress = seen.progress
    return {
        "name": name, "workload": progress.workload, "state": seen.state(now), "step": progress.step,
        "started": progress.started, "seconds": progress.seconds, "wanted": progress.wanted,
        "asked": progress.asked, "bound": progress.bound, "running": progress.running, "gone": progress.gone,
    }  # fmt: skip
