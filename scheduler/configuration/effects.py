"""What a file says that changes nothing here: told when the process starts, never taken in silence. PURE."""

from collections.abc import Iterator
from typing import Final

from scheduler.configuration.types import KubeSchedulerConfiguration, KubeSchedulerProfile

_ALL_NODES: Final = "has no effect: all nodes are looked at, as with 100"
_NO_EFFECT: Final = "has no effect"


def without_effect(found: KubeSchedulerConfiguration) -> tuple[str, ...]:
    """Return a line for each field that asks for something and changes nothing."""
    return tuple(_lines(found))


def _lines(found: KubeSchedulerConfiguration) -> Iterator[str]:
    default = KubeSchedulerConfiguration(found.api_version, found.kind)
    yield from _percentage("", found)
    for index, profile in enumerate(found.profiles):
        yield from _percentage(f"profiles[{index}].", profile)
    if found.parallelism != default.parallelism:
        yield f"parallelism: {_NO_EFFECT}: decisions are made one at a time"
    if found.client_connection != default.client_connection:
        yield f"clientConnection: {_NO_EFFECT}: connections are gRPC's"
    if found.enable_profiling != default.enable_profiling:
        yield f"enableProfiling: {_NO_EFFECT}"
    if found.enable_contention_profiling != default.enable_contention_profiling:
        yield f"enableContentionProfiling: {_NO_EFFECT}"
    if found.delay_cache_until_active != default.delay_cache_until_active:
        yield f"delayCacheUntilActive: {_NO_EFFECT}"


def _percentage(at: str, found: KubeSchedulerConfiguration | KubeSchedulerProfile) -> Iterator[str]:
    if found.percentage_of_nodes_to_score not in (None, 100):
        yield f"{at}percentageOfNodesToScore: {_ALL_NODES}"
