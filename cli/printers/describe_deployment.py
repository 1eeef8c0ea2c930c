"""The page of a Deployment in `vaina describe`, in kubectl's form (`pkg/describe`: DeploymentDescriber)."""

from collections.abc import Sequence
from typing import Any

from cli.printers.cells import int_or_text, show_selector
from cli.printers.describe_pod import describe_template
from cli.printers.page import NONE, Page, describe_labels, describe_meta, show_time
from vaina.objects.rollouts import new_replica_set, old_replica_sets, replicas_of


def describe_deployment(page: Page, found: Any, sets: Sequence[Any]) -> None:
    """Write the page; `sets` are its ReplicaSets."""
    spec, status = found.spec, found.status
    describe_meta(page, found)
    page.value(0, "CreationTimestamp", show_time(found.metadata.creation_timestamp))
    describe_labels(page, found)
    page.value(0, "Selector", show_selector(found))
    counts = (
        (replicas_of(found), "desired"), (status.updated_replicas, "updated"), (status.replicas, "total"),
        (status.available_replicas, "available"), (status.unavailable_replicas, "unavailable"),
    )  # fmt: skip
    page.value(0, "Replicas", " | ".join(f"{count} {word}" for count, word in counts))
    page.value(0, "StrategyType", spec.strategy.type)
    page.value(0, "MinReadySeconds", str(spec.min_ready_seconds))
    if spec.strategy.HasField("rolling_update"):
        rolling = spec.strategy.rolling_update
        unavailable, surge = int_or_text(rolling.max_unavailable), int_or_text(rolling.max_surge)
        page.value(0, "RollingUpdateStrategy", f"{unavailable} max unavailable, {surge} max surge")
    page.line(0, "Pod Template:")
    describe_template(page, spec.template)
    if status.conditions:
        page.line(0, "Conditions:")
        page.line(1, "Type", "Status", "Reason")
        page.line(1, "----", "------", "------")
        for condition in status.conditions:
            page.line(1, condition.type, condition.status, condition.reason)
    new = new_replica_set(found, sets)
    old = [rs for rs in old_replica_sets(found, sets) if replicas_of(rs) or rs.status.replicas]
    page.value(0, "OldReplicaSets", ", ".join(_show(rs) for rs in old) or NONE)
    page.value(0, "NewReplicaSet", NONE if new is None else _show(new))


def _show(rs: Any) -> str:
    return f"{rs.metadata.name} ({rs.status.replicas}/{replicas_of(rs)} replicas created)"
