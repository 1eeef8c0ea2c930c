"""`vaina describe`: everything about one object for people, its events last.

The form is kubectl's: a name, a colon, and the values in line; inner things two columns deeper.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from google.protobuf.message import Message

from cli.printers import describe_kinds
from cli.printers.autoscaler import describe_autoscaler
from cli.printers.describe_pod import describe_pod
from cli.printers.page import NONE, Page, describe_labels, describe_meta, show_time
from cli.printers.rbac import describe_binding, describe_role
from cli.printers.style import PLAIN, Paint
from vaina.kinds import Kind
from vaina.objects.encode import message_to_dict
from vaina.printers.cells import UNKNOWN, event_count, event_source, event_times, human_duration


def describe_events(page: Page, events: Sequence[Any], now: float) -> None:
    """End a page with the events of the object, the oldest first."""
    if not events:
        page.value(0, "Events", NONE)
        return
    page.line(0, "Events:")
    rows = [
        (event.type, event.reason, _event_age(event, now), event_source(event), event.message.strip())
        for event in sorted(events, key=lambda item: event_times(item)[1] or 0.0)
    ]
    page.line(1, "Type", "Reason", "Age", "From", "Message")
    # So many dashes has kubectl.
    page.line(1, "----", "------", "----", "----", "-------")
    for row in rows:
        page.line(1, *row)


def _event_age(event: Any, now: float) -> str:
    first, last = event_times(event)
    if last is None or first is None:
        return UNKNOWN
    if event_count(event) > 1:
        return f"{human_duration(now - last)} (x{event_count(event)} over {human_duration(now - first)})"
    return human_duration(now - first)


def _config_map(page: Page, config: Any, _: Sequence[Any]) -> None:
    describe_meta(page, config)
    describe_labels(page, config)
    page.line(0, "")
    page.line(0, "Data")
    page.line(0, "====")
    for key in sorted(config.data):
        page.line(0, f"{key}:")
        page.line(0, "----")
        for line in config.data[key].splitlines():
            page.line(0, line)
        page.line(0, "")
    for key in sorted(config.binary_data):
        page.line(0, f"{key}: {len(config.binary_data[key])} bytes")
    page.line(0, "")


def _secret(page: Page, secret: Any, _: Sequence[Any]) -> None:
    describe_meta(page, secret)
    describe_labels(page, secret)
    page.line(0, "")
    page.value(0, "Type", secret.type)
    page.line(0, "")
    page.line(0, "Data")
    page.line(0, "====")
    for key in sorted(secret.data):
        page.value(0, key, f"{len(secret.data[key])} bytes")


def _service_account(page: Page, account: Any, _: Sequence[Any]) -> None:
    describe_meta(page, account)
    describe_labels(page, account)
    page.many(0, "Image pull secrets", [one.name for one in account.image_pull_secrets])


def _any(page: Page, obj: Any, _: Sequence[Any]) -> None:
    """Write every field that is set, for kinds without a page of their own."""
    describe_meta(page, obj)
    describe_labels(page, obj)
    tree = {key: value for key, value in message_to_dict(obj).items() if key != "metadata"}
    page.value(0, "Created", show_time(obj.metadata.creation_timestamp))
    _tree(page, 0, tree)


def _title(name: str) -> str:
    words = "".join(f" {char}" if char.isupper() else char for char in name)
    return f"{words[:1].upper()}{words[1:]}".strip()


def _tree(page: Page, level: int, tree: Mapping[str, Any]) -> None:
    for name, value in tree.items():
        if isinstance(value, dict):
            if value:
                page.line(level, f"{_title(name)}:")
                _tree(page, level + 1, value)
        elif isinstance(value, list):
            page.line(level, f"{_title(name)}:")
            for item in value:
                if isinstance(item, dict):
                    _tree(page, level + 1, item)
                    page.line(level + 1, "")
                else:
                    page.line(level + 1, str(item))
        elif value not in (None, ""):
            page.value(level, _title(name), str(value))


#: nobody writes Events about these
_WITHOUT_EVENTS: Final = frozenset({
    "Event", "PodTrace", "ResourceQuota", "LimitRange", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding",
})  # fmt: skip
_Describe = Callable[[Page, Any, Sequence[Any]], None]


_PAGES: Final[Mapping[str, _Describe]] = {
    "Pod": describe_pod,
    "Node": describe_kinds.describe_node,
    "ReplicaSet": describe_kinds.describe_replicas,
    "Deployment": describe_kinds.describe_deployment,
    "ReplicationController": describe_kinds.describe_replicas,
    "Job": describe_kinds.describe_job,
    "CronJob": describe_kinds.describe_cron_job,
    "HorizontalPodAutoscaler": describe_autoscaler,
    "ConfigMap": _config_map,
    "Secret": _secret,
    "ServiceAccount": _service_account,
    "Namespace": describe_kinds.describe_namespace,
    "ResourceQuota": describe_kinds.describe_resource_quota,
    "LimitRange": describe_kinds.describe_limit_range,
    "Role": describe_role,
    "ClusterRole": describe_role,
    "RoleBinding": describe_binding,
    "ClusterRoleBinding": describe_binding,
    "PriorityClass": describe_kinds.describe_priority_class,
    "PodDisruptionBudget": describe_kinds.describe_budget,
}


def render_description(
    kind: Kind[Any], obj: Message, *, pods: Sequence[Message] = (), events: Sequence[Message] = (), now: float,
    paint: Paint = PLAIN,
) -> str:  # fmt: skip
    """Write the page of an object; `now` in seconds since the epoch.

    `pods` are of a Node its Pods, of a ReplicaSet those that it owns, of a Deployment its ReplicaSets, of a
    Namespace its quotas and limit ranges.
    """
    page = Page()
    _PAGES.get(kind.kind, _any)(page, obj, pods)
    if kind.kind not in _WITHOUT_EVENTS:
        describe_events(page, events, now)
    return _coloured(page.text(), paint)


def _coloured(text: str, paint: Paint) -> str:
    if not paint.enabled:
        return text
    lines: list[str] = []
    for line in text.split("\n"):
        name, colon, rest = line.partition(":")
        is_name = bool(colon) and not line.startswith("      ") and (rest.startswith(" ") or not rest)
        words = rest.strip().split(" ")[0] if rest.strip() else ""
        styled = rest.replace(words, paint(_WORDS[words], words), 1) if words in _WORDS else rest
        lines.append(
            f"{paint('bold', name)}:{styled}"
            if is_name
            else line.replace("Warning", paint("yellow", "Warning"), 1)
        )
    return "\n".join(lines)


_WORDS: Final = {
    "Running": "green", "Succeeded": "green", "Failed": "red", "Pending": "yellow", "Waiting": "yellow",
    "Terminated": "yellow", "True": "green", "False": "yellow",
}  # fmt: skip
