"""Which Pods of a node `drain` takes, leaves, or does not touch. PURE; as `kubectl/pkg/drain/filters.go`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from vaina.api.core.v1 import pod_pb2
from vaina.objects.meta import controller_of
from vaina.objects.pods import is_mirror, is_terminal

_DAEMON_SET_FATAL: Final = "DaemonSet-managed Pods (use --ignore-daemonsets to ignore)"
_DAEMON_SET_WARNING: Final = "ignoring DaemonSet-managed Pods"
_LOCAL_FATAL: Final = "Pods with local storage (use --delete-emptydir-data to override)"
_LOCAL_WARNING: Final = "deleting Pods with local storage"
_UNMANAGED_FATAL: Final = "Pods that declare no controller (use --force to override)"
_UNMANAGED_WARNING: Final = "deleting Pods that declare no controller"


@dataclass(frozen=True, slots=True)
class DrainFilters:
    """What the caller allows."""

    ignore_daemon_sets: bool = False
    delete_empty_dir_data: bool = False
    force: bool = False
    #: Pods that have been ending for longer are not waited for; 0: all are
    skip_wait_seconds: float = 0.0


@dataclass(slots=True)
class DrainPlan:
    """What is to be done with the Pods of a node."""

    delete: list[pod_pb2.Pod] = field(default_factory=list[pod_pb2.Pod])
    #: words -> namespace/name of the Pods
    warnings: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    errors: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    @property
    def warning(self) -> str:
        """All warnings in one line; empty when there are none."""
        return "; ".join(f"{words}: {', '.join(names)}" for words, names in self.warnings.items())

    @property
    def error(self) -> str:
        """Why nothing may be done, as kubectl lists it; empty when it may."""
        texts = [f"cannot delete {words}: {', '.join(names)}" for words, names in sorted(self.errors.items())]
        return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]" if texts else ""


def plan_drain(
    pods: Iterable[pod_pb2.Pod], filters: DrainFilters, daemon_sets: Mapping[str, bool], now: float
) -> DrainPlan:
    """Sort the Pods of a node; `daemon_sets` says by `namespace/name` which of their DaemonSets exist."""
    plan = DrainPlan()
    for pod in pods:
        meta, name = pod.metadata, f"{pod.metadata.namespace}/{pod.metadata.name}"
        if filters.skip_wait_seconds and meta.HasField("deletion_timestamp"):
            began = meta.deletion_timestamp.seconds - meta.deletion_grace_period_seconds
            if now - began > filters.skip_wait_seconds:
                continue
        if is_mirror(pod):
            continue
        fatal, warnings, keep = _judge(pod, filters, daemon_sets)
        for words in fatal:
            plan.errors.setdefault(words, []).append(name)
        if fatal:
            continue
        for words in warnings:
            plan.warnings.setdefault(words, []).append(name)
        if not keep:
            plan.delete.append(pod)
    return plan


def _judge(
    pod: pod_pb2.Pod, filters: DrainFilters, daemon_sets: Mapping[str, bool]
) -> tuple[Sequence[str], Sequence[str], bool]:
    """Return what forbids to delete a Pod, what is to be said, and whether it stays."""
    owner = controller_of(pod.metadata)
    if owner is not None and owner.kind == "DaemonSet" and not is_terminal(pod):
        there = daemon_sets.get(f"{pod.metadata.namespace}/{owner.name}", False)
        if there and not filters.ignore_daemon_sets:
            return (_DAEMON_SET_FATAL,), (), True
        if there:
            return (), (_DAEMON_SET_WARNING,), True
        # Its DaemonSet is gone: nobody would make it again, so it goes as a Pod without a controller does.
        owner = None
    fatal: list[str] = []
    warnings: list[str] = []
    if is_terminal(pod):
        return fatal, warnings, False
    if any(volume.volume_source.HasField("empty_dir") for volume in pod.spec.volumes):
        if filters.delete_empty_dir_data:
            warnings.append(_LOCAL_WARNING)
        else:
            fatal.append(_LOCAL_FATAL)
    if owner is None:
        if filters.force:
            warnings.append(_UNMANAGED_WARNING)
        else:
            fatal.append(_UNMANAGED_FATAL)
    return fatal, warnings, False
