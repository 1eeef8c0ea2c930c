"""The page of a Node: conditions, what it has, what its Pods ask for. Follows kubectl describe."""

from collections.abc import Sequence
from typing import Any

from cli.printers.page import NONE, Page, describe_labels, show_time
from vaina.objects import nodes, pods, quantity


def describe_node(page: Page, node: Any, on_it: Sequence[Any] = ()) -> None:
    """Write everything about a Node but its events; `on_it` are its Pods."""
    status, info = node.status, node.status.node_info
    page.value(0, "Name", node.metadata.name)
    page.value(0, "Roles", ",".join(nodes.roles(node)) or NONE)
    describe_labels(page, node)
    page.value(0, "CreationTimestamp", show_time(node.metadata.creation_timestamp))
    page.many(0, "Taints", [_taint(taint) for taint in node.spec.taints])
    page.value(0, "Unschedulable", str(node.spec.unschedulable).lower())
    if status.conditions:
        page.line(0, "Conditions:")
        headers = ("Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message")
        page.table(1, headers, [_condition(item) for item in status.conditions])
    page.line(0, "Addresses:")
    for address in status.addresses:
        page.value(1, address.type, address.address)
    for title, amounts in (("Capacity", status.capacity), ("Allocatable", status.allocatable)):
        page.line(0, f"{title}:")
        page.values(1, *((name, amounts[name].string) for name in sorted(amounts)))
    page.line(0, "System Info:")
    page.values(
        1,
        ("Machine ID", info.machine_id),
        ("Boot ID", info.boot_id),
        ("Kernel Version", info.kernel_version),
        ("OS Image", info.os_image),
        ("Operating System", info.operating_system),
        ("Architecture", info.architecture),
        ("Container Runtime Version", info.container_runtime_version),
        ("Kubelet Version", info.kubelet_version),
    )
    page.values(0, ("PodCIDR", node.spec.pod_cidr or None))
    _pods(page, node, on_it)


def _condition(item: Any) -> Sequence[str]:
    times = (show_time(item.last_heartbeat_time), show_time(item.last_transition_time))
    return item.type, item.status, *times, item.reason, item.message


def _taint(taint: Any) -> str:
    return f"{taint.key}{f'={taint.value}' if taint.value else ''}:{taint.effect}"


def _pods(page: Page, node: Any, on_it: Sequence[Any]) -> None:
    """Write the Pods that have not ended, with their requests and limits, and the sums."""
    living = [pod for pod in on_it if not pods.is_terminal(pod)]
    have = nodes.allocatable(node)
    sums = {("cpu", 0): 0, ("cpu", 1): 0, ("memory", 0): 0, ("memory", 1): 0}

    def show(name: str, amount: int) -> str:
        text = quantity.format_millis(amount) if name == "cpu" else quantity.format_bytes(amount)
        return f"{text} ({amount * 100 // have[name] if have.get(name) else 0}%)"

    rows: list[Sequence[str]] = []
    for pod in sorted(living, key=lambda item: (item.metadata.namespace, item.metadata.name)):
        sides = (pods.pod_requests(pod), pods.pod_limits(pod))
        cells: list[str] = []
        for name, side in sums:
            amount = sides[side].get(name, 0)
            sums[name, side] += amount
            cells.append(show(name, amount))
        rows.append((pod.metadata.namespace, pod.metadata.name, *cells))
    page.line(0, f"Non-terminated Pods:  ({len(living)} in total)")
    headers = ("Namespace", "Name", "CPU Requests", "CPU Limits", "Memory Requests", "Memory Limits")
    page.table(1, headers, rows)
    page.line(0, "Allocated resources:")
    totals = [(name, *(show(name, sums[name, side]) for side in (0, 1))) for name in ("cpu", "memory")]
    page.table(1, ("Resource", "Requests", "Limits"), totals)
