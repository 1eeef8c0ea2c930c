"""The checking mode: what plugins say of themselves, compared with answers from scratch.

A wrong `reach`, `reads_requests` or hint makes no error, but decisions on old answers, or a Pod that sleeps
although it would fit. With `--check-plugins` each placement is checked, and each second some of the Pods that
wait; what is found is logged with the plugin's name, once for each kind. It costs several full passes a Pod.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass, PodCompiler, PodInfo
from scheduler.decide.cycle import schedule_pod
from scheduler.framework.checked import ask_filter, ask_pre_filter, ask_pre_score, ask_score
from scheduler.framework.interface import CycleState, FeasibleScore, FilterPlugin, Reach, ScorePlugin
from scheduler.framework.runtime import Framework, Profile
from scheduler.framework.status import Scheduled
from scheduler.queue.places import QueuedPod
from vaina.api.core.v1 import pod_pb2

log = structlog.stdlib.get_logger(__name__)

#: Pods that wait and are looked at each second
SLEEPERS: Final = 16
#: how a Pod asks for something else, to see who looks at that
_OTHER_CPU: Final = "7m"

#: plugin -> numbers that say what it answers for each row
Answers = dict[str, NDArray[np.int64]]


class PluginCheck:
    """Holds plugins to what they say of themselves. Owned by the scheduling task."""

    def __init__(self, table: NodeTable) -> None:
        self._table = table
        #: (plugin, kind of promise): a sentence. As many as there are plugins, thrice
        self.found: dict[tuple[str, str], str] = {}

    def place(self, info: PodInfo, profile: Profile, row: int, place: Callable[[], None]) -> None:
        """Place a Pod, and look whose answers that changed for an equal one."""
        pod = info.pod_class
        try:
            before = self._answers(pod, profile)
            other = self._answers(_with_other_requests(info), profile)
        except Exception:
            # The decision itself has met it, or will: what is checked must not cost the Pod its place.
            log.exception("plugins not checked", pod=info.key)
            place()
            return
        for plugin in _plugins(profile):
            name = plugin.name
            if not getattr(plugin, "reads_requests", True) and not np.array_equal(before[name], other[name]):
                words = "says that it does not read requests, and answers otherwise for a Pod that asks for other CPU"
                self._report(name, "reads_requests", words)
        place()
        try:
            self._compare(profile, row, before, self._answers(pod, profile))
        except Exception:
            log.exception("plugins not checked", pod=info.key)

    def sleepers(self, pods: Iterable[QueuedPod], framework_of: Callable[[PodClass], Framework]) -> None:
        """Look at Pods that wait for a hint: one that would fit now was forgotten by one."""
        for pod in pods:
            pod_class = pod.info.pod_class
            profile = framework_of(pod_class).profile
            if not pod.rejected_by <= {plugin.name for plugin in profile.filters}:
                # It waits for victims, or was rejected by Reserve or Permit: that is no answer about nodes.
                continue
            try:
                decision = schedule_pod(
                    pod_class, self._table, Framework(profile), tie_break=lambda _count: 0
                )
            except Exception:
                log.exception("plugins not checked", pod=pod.info.key)
                continue
            if isinstance(decision, Scheduled):
                words = (
                    f"refused {pod.info.key}, which would fit on {decision.node_name} now: no hint woke it"
                )
                for name in sorted(pod.rejected_by):
                    self._report(name, "hints", words)

    def _compare(self, profile: Profile, row: int, before: Answers, after: Answers) -> None:
        for plugin in _plugins(profile):
            if plugin.reach > Reach.ROW:
                continue
            changed = set(np.flatnonzero(before[plugin.name] != after[plugin.name]).tolist())
            beyond = changed - {row} if plugin.reach is Reach.ROW else changed
            if beyond:
                names = self._table.snapshot().names
                far = names[min(beyond)]
                words = (
                    f"says reach {plugin.reach.name}, and a Pod on {names[row]} changes its answer for {far}"
                )
                self._report(plugin.name, "reach", words)

    def _answers(self, pod: PodClass, profile: Profile) -> Answers:
        """Ask each plugin about all rows, with nothing kept from before."""
        nodes, state = self._table.snapshot(), CycleState()
        found: Answers = {}
        for plugin in profile.filters:
            result = ask_pre_filter(plugin, state, pod, nodes)
            silent = result.skip or result.rejected
            codes = None if silent else ask_filter(plugin, state, pod, nodes, nodes.all)
            found[plugin.name] = np.zeros(nodes.size, np.int64) if codes is None else codes.astype(np.int64)
            if result.rejected:
                found[plugin.name] += 1
        for weighted in profile.scores:
            score = weighted.plugin
            if isinstance(score, FeasibleScore) or not ask_pre_score(score, state, pod, nodes):
                continue
            raw = ask_score(score, state, pod, nodes, nodes.all)
            codes = found.get(score.name)
            # One number for both answers: a filter's code and a score seldom change so that the sum stays.
            found[score.name] = raw if codes is None else codes * 1_000_003 + raw
        for one in _plugins(profile):
            found.setdefault(one.name, np.zeros(nodes.size, np.int64))
            found[one.name] = np.where(nodes.valid, found[one.name], 0)
        return found

    def _report(self, plugin: str, promise: str, words: str) -> None:
        if (plugin, promise) not in self.found:
            self.found[plugin, promise] = words
            log.error("a plugin is not what it says", plugin=plugin, promise=promise, found=words)


def _plugins(profile: Profile) -> Sequence[FilterPlugin | ScorePlugin]:
    scores = [item.plugin for item in profile.scores]
    unique: dict[str, FilterPlugin | ScorePlugin] = {plugin.name: plugin for plugin in profile.filters}
    return [*(unique | {plugin.name: plugin for plugin in scores}).values()]


def _with_other_requests(info: PodInfo) -> PodClass:
    made = pod_pb2.Pod()
    made.CopyFrom(info.pod)
    for container in made.spec.containers:
        container.resources.requests["cpu"].string = _OTHER_CPU
    return PodCompiler().compile(made).pod_class
