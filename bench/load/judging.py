"""What a run's decisions are judged by: the profile that its scheduler has, as far as it is known.

The plain reference knows the default plugins with their default arguments. What a configuration takes away is
not judged, and named; whose scores it knows nothing of, neither; filters of others are asked themselves,
about the world as it was.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Final

from bench.judge.reference import World
from bench.judge.reference.scheduler import RULES
from bench.judge.scores import WEIGHTS
from scheduler.cache.cache import Cache
from scheduler.columns.node_info import compile_node
from scheduler.columns.pod_info import DEFAULT_SCHEDULER_NAME, PodCompiler
from scheduler.configuration.load import (
    ConfigurationError,
    KubeSchedulerProfile,
    is_scheduler_configuration,
    read_configuration,
)
from scheduler.configuration.profiles import make_profiles
from scheduler.configuration.third_party import find_plugins
from scheduler.framework.checked import ask_pre_filter
from scheduler.framework.interface import UNRESOLVABLE, CycleState, FilterPlugin
from scheduler.framework.registry import IN_TREE
from scheduler.framework.runtime import Profile
from vaina.api.core.v1 import pod_pb2

_OURS: Final = frozenset(factory.name for factory in IN_TREE)
_RULES: Final = frozenset(rule.name for rule in RULES)


class JudgingError(Exception):
    """A configuration that cannot be used; the text names the file and what is wrong."""


@dataclass(frozen=True)
class Judging:
    """By what a scheduler is judged."""

    #: rules of the reference that take part; None: all
    plugins: frozenset[str] | None = None
    #: of scores
    weights: Mapping[str, int] = field(default_factory=lambda: dict(WEIGHTS))
    #: why scores are not judged; "": they are
    without_scores: str = ""
    #: whether it looks at all nodes, takes one of the best of them, and draws among equals
    takes_the_best: bool = True
    #: in words
    not_judged: tuple[str, ...] = ()
    #: filters of others
    others: tuple[FilterPlugin, ...] = ()


#: of a scheduler of which nothing is known but that it schedules: what nodes must be is judged, how good they
#: are is told
UNKNOWN: Final = Judging(takes_the_best=False)


def of_file(path: str) -> Judging:
    """Return what a scheduler with a file of configuration is judged by; one with flags alone, as by default.

    Raises:
        JudgingError: the file cannot be read, or the configuration cannot be used.
    """
    try:
        text = Path(path).read_bytes()
        return of_configuration(text) if is_scheduler_configuration(text) else Judging()
    except OSError as error:
        raise JudgingError(f"{path}: {error.strerror}") from error
    except ConfigurationError as error:
        raise JudgingError(f"{path}: {error}") from error


def of_configuration(text: bytes, third_party: Mapping[str, EntryPoint] | None = None) -> Judging:
    """Return what a scheduler with a configuration is judged by.

    Args: third_party: plugins that are installed; None: find them.

    Raises:
        ConfigurationError: the configuration cannot be used.
    """
    given = read_configuration(text).profiles
    made = make_profiles(given, third_party=find_plugins() if third_party is None else third_party)
    for profile, ours in zip(given, made, strict=True):
        if ours.name == DEFAULT_SCHEDULER_NAME:
            return _of_profile(profile, ours, [other for other in made if other is not ours])
    return Judging(takes_the_best=False, not_judged=("any profile: none is called default-scheduler",))


def _of_profile(given: KubeSchedulerProfile, made: Profile, beside: Sequence[Profile]) -> Judging:
    scoring = {weighted.plugin.name: weighted.weight for weighted in made.scores}
    filtering = {plugin.name for plugin in made.filters}
    #: what other profiles do without is asked of none of the Pods: whose they are is not looked at for each rule
    everywhere = filtering.intersection(*({plugin.name for plugin in other.filters} for other in beside))
    only_scores = _RULES & WEIGHTS.keys() - {
        "NodeResourcesFit",
        "TaintToleration",
        "NodeAffinity",
        "PodTopologySpread",
        "InterPodAffinity",
    }
    plugins = (_RULES & everywhere) | only_scores
    argued = {item.name for item in given.plugin_config if item.args}
    if any("ignoredResource" in key for item in given.plugin_config for key in item.args):
        plugins -= {"NodeResourcesFit"}
    reasons = [f"arguments of {name}" for name in sorted(argued & scoring.keys())]
    reasons += [f"{name} scores" for name in sorted(scoring.keys() - _OURS)]
    reasons += [f"{name} scores and does not filter" for name in sorted(scoring.keys() & _RULES - plugins)]
    return Judging(
        plugins=plugins,
        weights={name: scoring.get(name, 0) for name in WEIGHTS},
        without_scores=", ".join(reasons),
        not_judged=tuple(f"plugin {name}" for name in sorted(_RULES - plugins)),
        others=tuple(plugin for plugin in made.filters if plugin.name not in _OURS),
    )  # fmt: skip


class Others:
    """Asks filters of others about nodes, for so many seconds."""

    def __init__(self, plugins: Sequence[FilterPlugin], seconds: float) -> None:
        self._plugins, self._left = plugins, seconds
        #: Pods that were asked about, and that were not: the time was over
        self.asked = 0
        self.not_asked = 0

    def __call__(self, world: World, pod: pod_pb2.Pod, node: str) -> str | None:
        """Say why a node will not do in a world; None: it will, or there is no time left to ask."""
        if self._left <= 0:
            self.not_asked += 1
            return None
        began = time.thread_time()
        self.asked += 1
        try:
            return self._ask(world, pod, node)
        finally:
            self._left -= time.thread_time() - began

    def _ask(self, world: World, pod: pod_pb2.Pod, node: str) -> str | None:
        if node not in world.nodes:
            return None
        cache, compiler = Cache(), PodCompiler()
        for made in world.nodes.values():
            cache.upsert_node(compile_node(made))
        for name, labels in world.namespaces.items():
            cache.table.set_namespace(name, labels)
        for placed in world.pods.values():
            cache.put(compiler.compile(_on(placed.pod, placed.node)))
        wanted, nodes = compiler.compile(pod).pod_class, cache.table.snapshot()
        row = nodes.rows[node]
        for plugin in self._plugins:
            state = CycleState()
            found: Any = ask_pre_filter(plugin, state, wanted, nodes)
            if found.rejected:
                return f"{plugin.name}: {found.rejected}"
            if found.names is not None and node not in found.names:
                return f"{plugin.name}: it names other nodes"
            if found.skip:
                continue
            code = int(plugin.filter_row(state, wanted, nodes, row))
            if code:
                words = plugin.reasons(wanted)
                said = [word for bit, word in enumerate(words) if (code & ~UNRESOLVABLE) >> bit & 1]
                return f"{plugin.name}: {', '.join(said) or 'refused'}"
        return None


def _on(pod: pod_pb2.Pod, node: str) -> pod_pb2.Pod:
    if pod.spec.node_name == node:
        return pod
    made = pod_pb2.Pod()
    made.CopyFrom(pod)
    made.spec.node_name = node
    return made
