"""The page of a Node: conditions, what it has, what its Pods ask for. Follows kubectl describe."""

from collections.abc import Sequence
from typing import Any

from cli.printers.page import NONE, Page, describe_labels, show_time
from vaina.objects import nodes, pods, quantity


def describe_node(page: Page, node: Any, on_it: Sequence[Any] = ()) -> None:
    """Write everything about a Node but its events; `on_it` are its Pods."""
    status = node.status
    page.value(0, "Name", node.metadata.name)
    page.value(0, "Roles", ",".join(nodes.roles(node)) or NONE)
    describe_labels(page, node)
    page.value(0, "CreationTimestamp", show_time(node.metadata.creation_timestamp))
    page.many(0, "Taints", [_taint(taint) for taint in node.spec.taints])
    page.value(0, "Unschedulable", str(node.spec.unschedulable).lower())
    if status.conditions:
        page.line(0, "Conditions:")
        page.line(1, "Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message")
        page.line(1, "----", "------", "-----------------", "------------------", "------", "-------")
        for item in status.conditions:
            page.line(
                1, item.type, item.status, show_time(item.last_heartbeat_time), show_time(item.last_transition_time),
                item.reason, item.message,
            )  # fmt: skip
    page.line(0, "Addresses:")
    for address in status.addresses:
        page.value(1, address.type, address.address)
    for title, amounts in (("Capacity", status.capacity), ("Allocatable", status.allocatable)):
        page.line(0, f"{title}:")
        for name in sorted(amounts):
            page.value(1, name, amounts[name].string)
    _system(page, status.node_info)
    if node.spec.pod_cidr:
        page.value(0, "PodCIDR", node.spec.pod_cidr)
    _pods(page, node, on_it)


def _taint(taint: Any) -> str:
    return f"{taint.key}{f'={taint.value}' if taint.value else ''}:{taint.effect}"


def _system(page: Page, info: Any) -> None:
    page.line(0, "System Info:")
    for name, value in (
        ("Machine ID", info.machine_id), ("Boot ID", info.boot_id), ("Kernel Version", info.kernel_version),
        ("OS Image", info.os_image), ("Operating System", info.operating_system), ("Architecture", info.architecture),
        ("Container Runtime Version", info.container_runtime_version), ("Kubelet Version", info.kubelet_version),
    ):  # fmt: skip
        page.value(1, name, value)


def _share(amount: int, whole: int) -> str:
    return f"({amount * 100 // whole}%)" if whole else "(0%)"


def _amount(name: str, amount: int) -> str:
    return quantity.format_millis(amount) if name == "cpu" else quantity.format_bytes(amount)


def _pods(page: Page, node: Any, on_it: Sequence[Any]) -> None:
    """Write the Pods that have not ended, with their requests, and the sums."""
    living = [pod for pod in on_it if not pods.is_terminal(pod)]
    have = nodes.allocatable(node)
    page.line(0, f"Non-terminated Pods:  ({len(living)} in total)")
    page.line(1, "Namespace", "Name", "CPU Requests", "CPU Limits", "Memory Requests", "Memory Limits")
    page.line(1, "---------", "----", "------------", "----------", "---------------", "-------------")
    sums = {("cpu", 0): 0, ("cpu", 1): 0, ("memory", 0): 0, ("memory", 1): 0}
    for pod in sorted(living, key=lambda item: (item.metadata.namespace, item.metadata.name)):
        sides = (pods.pod_requests(pod), pods.pod_limits(pod))
        cells: list[str] = []
        for name in ("cpu", "memory"):
            for side, amounts in enumerate(sides):
                amount = amounts.get(name, 0)
                sums[name, side] += amount
                cells.append(f"{_amount(name, amount)} {_share(amount, have.get(name, 0))}")
        page.line(1, pod.metadata.namespace, pod.metadata.name, *cells)
    page.line(0, "Allocated resources:")
    page.line(1, "Resource", "Requests", "Limits")
    page.line(1, "--------", "--------", "------")
    for name in ("cpu", "memory"):
        cells = [
            f"{_amount(name, sums[name, side])} {_share(sums[name, side], have.get(name, 0))}"
            for side in (0, 1)
        ]
        page.line(1, name, *cells)
