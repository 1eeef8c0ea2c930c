"""Which plugins there are, in which order, how much each score counts, and how a profile is made of them.

Order and weights are upstream's (`apis/config/v1/default_plugins.go`); a new plugin takes its place in that
order. Plugins of others come beside these by entry point (`scheduler.configuration.third_party`).

Upstream has an object for each extension point, and either may be disabled. Here a filter is asked with what
its pre-filter prepared, so a half is made of the whole (decision 183):

    preFilter alone   may refuse a Pod outright, or name the only nodes that come into question
    filter alone      prepares for itself, and names no nodes

preScore without score does nothing, and score without preScore prepares for itself: these need no half.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Final

from scheduler.columns.pod_info import DEFAULT_SCHEDULER_NAME, PodClass
from scheduler.columns.snapshot import Snapshot
from scheduler.framework.binding_points import (
    BindingPoints,
    BindPlugin,
    Handle,
    PermitPlugin,
    PostBindPlugin,
    PreBindPlugin,
    QueueSortPlugin,
    ReservePlugin,
)
from scheduler.framework.interface import (
    RUN,
    SKIP,
    CycleState,
    FilterPlugin,
    PostFilterPlugin,
    PreEnqueuePlugin,
    PreFilterResult,
    Reach,
    ScorePlugin,
)
from scheduler.framework.runtime import Profile, Weighted
from scheduler.plugins.default_preemption import DefaultPreemption, DefaultPreemptionArgs
from scheduler.plugins.image_locality import ImageLocality
from scheduler.plugins.inter_pod_affinity import InterPodAffinity, InterPodAffinityArgs
from scheduler.plugins.node_affinity import NodeAffinity, NodeAffinityArgs
from scheduler.plugins.node_filters import (
    NodeDeclaredFeatures,
    NodeName,
    NodePorts,
    NodeUnschedulable,
    TaintToleration,
)
from scheduler.plugins.node_resources import (
    BalancedAllocation,
    NodeResourcesBalancedAllocationArgs,
    NodeResourcesFit,
    NodeResourcesFitArgs,
)
from scheduler.plugins.pod_topology_spread import PodTopologySpread, PodTopologySpreadArgs
from scheduler.plugins.queueing import PrioritySort, SchedulingGates
from scheduler.plugins.volume_places import VolumeBinding, VolumeBindingArgs, VolumeZone
from scheduler.plugins.volume_use import NodeVolumeLimits, VolumeRestrictions


def only_pre_filter(plugin: FilterPlugin) -> FilterPlugin:
    """Return a plugin whose filter is disabled: nothing that it prepares is read."""
    whole = type(plugin)

    def pre_filter(self: FilterPlugin, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        return replace(whole.pre_filter(self, state, pod, nodes), skip=True)

    return _half(plugin, pre_filter=pre_filter, reach=Reach.NONE, describer=None, describe=None)


def only_filter(plugin: FilterPlugin) -> FilterPlugin:
    """Return a plugin whose preFilter is disabled. It can all that it could (rows, room, what is affected)."""
    whole = type(plugin)

    def pre_filter(self: FilterPlugin, state: CycleState, pod: PodClass, nodes: Snapshot) -> PreFilterResult:
        result = whole.pre_filter(self, state, pod, nodes)
        if result.rejected:
            return result
        return SKIP if result.skip else RUN

    return _half(plugin, pre_filter=pre_filter)


def _half(plugin: FilterPlugin, **instead: object) -> FilterPlugin:
    """Return a plugin that has some of its attributes replaced."""
    whole, half = type(plugin), copy(plugin)
    half.__class__ = type(whole.__name__, (whole,), {"__slots__": (), "name": plugin.name, **instead})
    return half


@dataclass(frozen=True, slots=True)
class Factory:
    """How a plugin is made."""

    name: str
    #: of its arguments (None where it has none) and what it may look at
    make: Callable[[Any, Handle], object]
    #: the dataclass of its arguments
    args: type[Any] | None = None
    #: of its score in the default profile
    weight: int = 1

    def build(self, args: object, handle: Handle) -> object:
        """Make the plugin; arguments that are left out are those by default."""
        return self.make(self.args() if args is None and self.args is not None else args, handle)


class DefaultBinder:
    """Pods that no plugin before it binds are bound in batches (`scheduler.bind.binding`)."""

    name = "DefaultBinder"
    points = ("bind",)


#: in the order of the default profile
IN_TREE: Final[tuple[Factory, ...]] = (
    Factory("SchedulingGates", lambda _args, _handle: SchedulingGates()),
    Factory("PrioritySort", lambda _args, _handle: PrioritySort()),
    Factory("NodeName", lambda _args, _handle: NodeName()),
    Factory("NodeUnschedulable", lambda _args, _handle: NodeUnschedulable()),
    Factory("TaintToleration", lambda _args, _handle: TaintToleration(), weight=3),
    Factory("NodeAffinity", lambda args, _handle: NodeAffinity(args), NodeAffinityArgs, 2),
    Factory("NodePorts", lambda _args, _handle: NodePorts()),
    Factory("NodeResourcesFit", lambda args, _handle: NodeResourcesFit(args), NodeResourcesFitArgs),
    Factory("VolumeRestrictions", lambda _args, handle: VolumeRestrictions(handle.volumes)),
    Factory("NodeVolumeLimits", lambda _args, handle: NodeVolumeLimits(handle.volumes)),
    Factory("VolumeBinding", lambda args, handle: VolumeBinding(args, handle.volumes), VolumeBindingArgs),
    Factory("VolumeZone", lambda _args, handle: VolumeZone(handle.volumes)),
    Factory("PodTopologySpread", lambda args, _handle: PodTopologySpread(args), PodTopologySpreadArgs, 2),
    Factory("InterPodAffinity", lambda args, _handle: InterPodAffinity(args), InterPodAffinityArgs, 2),
    Factory("DefaultPreemption", lambda args, _handle: DefaultPreemption(args=args), DefaultPreemptionArgs),
    Factory(
        "NodeResourcesBalancedAllocation",
        lambda args, _handle: BalancedAllocation(args),
        NodeResourcesBalancedAllocationArgs,
    ),
    Factory("ImageLocality", lambda _args, _handle: ImageLocality()),
    Factory("DefaultBinder", lambda _args, _handle: DefaultBinder()),
    Factory("NodeDeclaredFeatures", lambda _args, _handle: NodeDeclaredFeatures()),
)


#: extension point, in the words of the configuration -> what a plugin of it is
PROTOCOLS: Final[dict[str, type]] = {
    "preEnqueue": PreEnqueuePlugin, "queueSort": QueueSortPlugin, "preFilter": FilterPlugin, "filter": FilterPlugin,
    "postFilter": PostFilterPlugin, "preScore": ScorePlugin, "score": ScorePlugin, "reserve": ReservePlugin,
    "permit": PermitPlugin, "preBind": PreBindPlugin, "bind": BindPlugin, "postBind": PostBindPlugin,
}  # fmt: skip


def points_of(plugin: object) -> frozenset[str]:
    """Return the extension points that a plugin has."""
    return called_at(plugin) | frozenset(getattr(plugin, "points", ()))


def called_at(plugin: object) -> frozenset[str]:
    """Return the extension points that a plugin has the methods of."""
    return frozenset(point for point, protocol in PROTOCOLS.items() if isinstance(plugin, protocol))


def assemble(
    name: str,
    plugins: Mapping[str, object],
    order: Mapping[str, Sequence[str]],
    weights: Mapping[str, int],
) -> Profile:
    """Make a profile of plugins: `order` is extension point -> names of plugins that have it."""

    def at(point: str) -> Sequence[object]:
        return [plugins[item] for item in order.get(point, ())]

    return Profile(
        name=name,
        pre_enqueue=tuple(plugin for plugin in at("preEnqueue") if isinstance(plugin, PreEnqueuePlugin)),
        filters=_filters(plugins, order),
        post_filters=tuple(plugin for plugin in at("postFilter") if isinstance(plugin, PostFilterPlugin)),
        scores=tuple(
            Weighted(plugin, weights[plugin.name])
            for plugin in at("score")
            if isinstance(plugin, ScorePlugin)
        ),
        queue_sort=next((plugin for plugin in at("queueSort") if isinstance(plugin, QueueSortPlugin)), None),
        binding=_binding(at),
    )


def _binding(at: Callable[[str], Sequence[object]]) -> BindingPoints:
    binders: list[BindPlugin] = []
    default = False
    for plugin in at("bind"):
        default = isinstance(plugin, DefaultBinder)
        if default:
            # It takes every Pod: nobody behind it is asked.
            break
        if isinstance(plugin, BindPlugin):
            binders.append(plugin)
    return BindingPoints(
        reserve=tuple(plugin for plugin in at("reserve") if isinstance(plugin, ReservePlugin)),
        permit=tuple(plugin for plugin in at("permit") if isinstance(plugin, PermitPlugin)),
        pre_bind=tuple(plugin for plugin in at("preBind") if isinstance(plugin, PreBindPlugin)),
        bind=tuple(binders),
        post_bind=tuple(plugin for plugin in at("postBind") if isinstance(plugin, PostBindPlugin)),
        default_binder=default,
    )


def _filters(plugins: Mapping[str, object], order: Mapping[str, Sequence[str]]) -> tuple[FilterPlugin, ...]:
    """Return the filters in their order; before them those whose preFilter alone is enabled."""
    asked, prepared = order.get("filter", ()), order.get("preFilter", ())
    found: list[FilterPlugin] = []
    for name in [*(item for item in prepared if item not in asked), *asked]:
        plugin = plugins[name]
        if not isinstance(plugin, FilterPlugin):
            continue
        if name not in asked:
            found.append(only_pre_filter(plugin))
        else:
            found.append(plugin if name in prepared else only_filter(plugin))
    return tuple(found)


def default_profile(name: str = DEFAULT_SCHEDULER_NAME, handle: Handle | None = None) -> Profile:
    """Make the default profile under a scheduler's name."""
    plugins = {factory.name: factory.build(None, handle or Handle()) for factory in IN_TREE}
    order: dict[str, list[str]] = {}
    for plugin_name, plugin in plugins.items():
        for point in points_of(plugin):
            order.setdefault(point, []).append(plugin_name)
    return assemble(name, plugins, order, {factory.name: factory.weight for factory in IN_TREE})
