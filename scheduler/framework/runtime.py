"""Runs the plugins of a profile for one class of Pods, and measures around them; keeps all profiles.

Called by `scheduler.decide.cycle`. The observer is handed in: what is pure reads no clock.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np

from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.framework.binding_points import (
    NO_POINTS,
    BindingPoints,
    PermitPlugin,
    QueueSortPlugin,
    ReservePlugin,
)
from scheduler.framework.checked import ask_post_filter, ask_pre_filter, ask_pre_score, text
from scheduler.framework.events import Changed, ClusterEvent, Hint, always
from scheduler.framework.interface import (
    RUN,
    UNRESOLVABLE,
    Codes,
    CycleState,
    FilterPlugin,
    PostFilterPlugin,
    PostFilterResult,
    PreEnqueuePlugin,
    PreFilterResult,
    Reach,
    Refusals,
    ScorePlugin,
)


class Observer:
    """Is told the times of plugins and extension points. This one keeps none (`scheduler.metrics` does)."""

    def begin(self) -> None:
        """Plugins are about to be asked for a class."""

    def now(self) -> float:
        """Return a moment in seconds."""
        return 0.0

    def plugin(self, plugin: str, extension_point: str, seconds: float, status: str = "Success") -> None:
        """A plugin has answered."""

    def extension_point(
        self, name: str, *, success: bool = True, seconds: float, failed: str = "Unschedulable"
    ) -> None:
        """All plugins of an extension point have answered; `failed` is the status without success."""

    def flush(self) -> None:
        """Some decisions have been made: let what was taken be read."""


UNOBSERVED: Final = Observer()


@dataclass(frozen=True, slots=True)
class Weighted:
    """A score plugin and how much it counts."""

    plugin: ScorePlugin
    weight: int


@dataclass(frozen=True, slots=True)
class Profile:
    """Plugins by extension point, in order. Made by `scheduler.framework.registry`."""

    name: str
    pre_enqueue: tuple[PreEnqueuePlugin, ...] = ()
    filters: tuple[FilterPlugin, ...] = ()
    post_filters: tuple[PostFilterPlugin, ...] = ()
    scores: tuple[Weighted, ...] = ()
    #: None: PrioritySort
    queue_sort: QueueSortPlugin | None = None
    binding: BindingPoints = NO_POINTS


def narrowed(plugins: Sequence[str]) -> str:
    """Return why a node will not do that is none of those that pre-filters named."""
    return f"node(s) didn't satisfy plugin(s) [{' '.join(sorted(plugins))}]"


class NamedNodes:
    """The filter that stands first where pre-filters left only some nodes in question."""

    reach = Reach.NONE
    reads_requests = False
    #: none of its own: those of the plugins that named the nodes count
    hints: Mapping[ClusterEvent, Hint] = MappingProxyType({})

    def __init__(self, plugins: Sequence[str], names: frozenset[str]) -> None:
        self.name, self._names = plugins[0], names
        self._reason = narrowed(plugins)

    def pre_filter(self, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        return RUN

    def reasons(self, pod: PodClass) -> Sequence[str]:
        return (self._reason,)

    def filter(self, state: CycleState, pod: PodClass, nodes: Snapshot, rows: Rows) -> Codes | None:
        codes = np.full(nodes.size, UNRESOLVABLE | 1, np.int64)
        wanted = [nodes.rows[name] for name in self._names if name in nodes.rows]
        codes[wanted] = 0
        return codes[rows]

    def filter_row(self, state: CycleState, pod: PodClass, nodes: Snapshot, row: int) -> int:
        return 0 if nodes.names[row] in self._names else UNRESOLVABLE | 1


@dataclass(slots=True)
class Prepared:
    """The plugins that have something to say about a class, each with what it prepared."""

    state: CycleState
    filters: list[FilterPlugin] = field(default_factory=list)
    scores: list[Weighted] = field(default_factory=list)
    #: a plugin refused the Pod before any node was looked at: its name and its words
    rejected_by: str = ""
    rejected: str = ""


class Framework:
    """A profile at work. Owned by the scheduling task."""

    def __init__(self, profile: Profile, observer: Observer = UNOBSERVED) -> None:
        self.profile, self.observer = profile, observer
        #: event -> plugin -> hint
        self.hints: dict[ClusterEvent, dict[str, Hint]] = {}
        binding = profile.binding
        rejecting: tuple[FilterPlugin | PreEnqueuePlugin | ReservePlugin | PermitPlugin, ...] = (
            *profile.filters, *profile.pre_enqueue, *binding.reserve, *binding.permit,
        )  # fmt: skip
        for plugin in rejecting:
            # One without hints is asked after any change, as upstream's without EnqueueExtensions.
            hints: Mapping[ClusterEvent, Hint] = getattr(plugin, "hints", dict.fromkeys(ClusterEvent, always))
            for event, hint in hints.items():
                self.hints.setdefault(event, {})[plugin.name] = hint

    def that_say(self, attribute: str) -> frozenset[str]:
        """Return the filters that say something of themselves: hints_ignore_labels, hints_read_class_only."""
        return frozenset(plugin.name for plugin in self.profile.filters if getattr(plugin, attribute, False))

    def gate(self, pod: PodClass) -> str:
        """Return the name of the plugin that keeps the Pod out of the queue, or an empty text."""
        for plugin in self.profile.pre_enqueue:
            if text(plugin.name, "pre_enqueue", plugin.pre_enqueue(pod)):
                return plugin.name
        return ""

    def prepare(self, pod: PodClass, nodes: Snapshot) -> Prepared:
        observer = self.observer
        prepared = Prepared(CycleState())
        narrowing: list[str] = []
        names: frozenset[str] | None = None
        began = observer.now()
        for plugin in self.profile.filters:
            started = observer.now()
            result = ask_pre_filter(plugin, prepared.state, pod, nodes)
            observer.plugin(plugin.name, "PreFilter", observer.now() - started)
            if result.rejected:
                prepared.rejected_by, prepared.rejected = plugin.name, result.rejected
                break
            if result.names is not None:
                narrowing.append(plugin.name)
                names = result.names if names is None else names & result.names
            if not result.skip:
                prepared.filters.append(plugin)
        observer.extension_point("PreFilter", success=not prepared.rejected, seconds=observer.now() - began)
        if names is not None:
            prepared.filters.insert(0, NamedNodes(narrowing, names))
        began = observer.now()
        for weighted in self.profile.scores:
            started = observer.now()
            if ask_pre_score(weighted.plugin, prepared.state, pod, nodes):
                prepared.scores.append(weighted)
            observer.plugin(weighted.plugin.name, "PreScore", observer.now() - started)
        observer.extension_point("PreScore", seconds=observer.now() - began)
        return prepared

    def post_filter(
        self, prepared: Prepared, pod: PodClass, nodes: Snapshot, refusals: Refusals
    ) -> PostFilterResult:
        """Ask the post-filters in order; the first that nominates a node ends it."""
        observer = self.observer
        began = observer.now()
        messages: list[str] = []
        result, waits = PostFilterResult(), False
        for plugin in self.profile.post_filters:
            started = observer.now()
            result = ask_post_filter(plugin, prepared.state, pod, nodes, refusals)
            observer.plugin(plugin.name, "PostFilter", observer.now() - started)
            if result.nominated:
                break
            if result.message:
                messages.append(result.message)
            waits |= result.waits
        success = bool(result.nominated)
        observer.extension_point("PostFilter", success=success, seconds=observer.now() - began)
        return result if success else PostFilterResult(message=", ".join(messages), waits=waits)


class Frameworks:
    """Frameworks by scheduler name. Owned by the scheduling task."""

    def __init__(self, frameworks: Sequence[Framework]) -> None:
        assert frameworks
        self._by_name = {framework.profile.name: framework for framework in frameworks}
        #: the first profile: what is asked about no Pod in particular is asked of it
        self.first = frameworks[0]
        self._hints = frameworks[0].hints if len(frameworks) == 1 else self._merge(frameworks)

    def __iter__(self) -> Iterator[Framework]:
        return iter(self._by_name.values())

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._by_name)

    @property
    def hints(self) -> dict[ClusterEvent, dict[str, Hint]]:
        return self._hints

    def of(self, pod: PodClass) -> Framework:
        """Return the framework that decides for a Pod; one of another scheduler is our first's."""
        return self._by_name.get(pod.scheduler_name, self.first)

    def that_say(self, attribute: str) -> frozenset[str]:
        """Return the names of the filters that say something of themselves in each profile that has them."""
        return frozenset(
            name
            for framework in self
            for name in framework.that_say(attribute)
            if all(
                name in other.that_say(attribute)
                for other in self
                if any(plugin.name == name for plugin in other.profile.filters)
            )
        )

    def gate(self, pod: PodClass) -> str:
        return self.of(pod).gate(pod)

    def flush(self) -> None:
        for framework in self._by_name.values():
            framework.observer.flush()

    def _merge(self, frameworks: Sequence[Framework]) -> dict[ClusterEvent, dict[str, Hint]]:
        found: dict[ClusterEvent, dict[str, Hint]] = {}
        for framework in frameworks:
            for event, hints in framework.hints.items():
                for plugin in hints:
                    found.setdefault(event, {})[plugin] = self._dispatch(event, plugin)
        return found

    def _dispatch(self, event: ClusterEvent, plugin: str) -> Hint:
        def hint(pod: PodClass, before: Changed, after: Changed) -> bool:
            own = self.of(pod).hints.get(event, {}).get(plugin)
            return own is not None and own(pod, before, after)

        return hint
