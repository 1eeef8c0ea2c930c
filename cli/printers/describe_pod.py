"""The page of a Pod, and of a Pod template, as kubectl describes them: containers, conditions, volumes."""

from collections.abc import Mapping, Sequence
from typing import Any

from cli.printers.page import NONE, Page, controlled_by, describe_labels, describe_meta, show_time
from vaina.objects.encode import message_to_dict
from vaina.printers.probes import show_probe


def describe_pod(page: Page, pod: Any, _: Sequence[Any] = ()) -> None:
    """Write everything about a Pod but its events."""
    meta, spec, status = pod.metadata, pod.spec, pod.status
    describe_meta(page, pod)
    page.values(
        0,
        ("Priority", str(spec.priority) if spec.HasField("priority") else None),
        ("Priority Class Name", spec.priority_class_name or None),
        ("Runtime Class Name", spec.runtime_class_name or None),
        ("Service Account", spec.service_account_name or "default"),
        ("Node", f"{spec.node_name}/{status.host_ip}" if spec.node_name else NONE),
        ("Start Time", show_time(status.start_time) if status.HasField("start_time") else None),
    )
    describe_labels(page, pod)
    ending = meta.HasField("deletion_timestamp")
    page.values(
        0,
        ("Status", f"Terminating (since {show_time(meta.deletion_timestamp)})" if ending else status.phase),
        ("Termination Grace Period", f"{meta.deletion_grace_period_seconds}s" if ending else None),
        ("Reason", status.reason or None),
        ("Message", status.message or None),
        ("IP", status.pod_ip),
    )
    page.many(0, "IPs", [f"IP: {entry.ip}" for entry in status.pod_ips])
    nominated = status.nominated_node_name or None
    page.values(0, ("Controlled By", controlled_by(pod)), ("NominatedNodeName", nominated))
    _containers(page, "Init Containers", spec.init_containers, status.init_container_statuses, 0)
    _containers(page, "Containers", spec.containers, status.container_statuses, 0)
    debug = [item.ephemeral_container_common for item in spec.ephemeral_containers]
    _containers(page, "Ephemeral Containers", debug, status.ephemeral_container_statuses, 0)
    if status.conditions:
        page.line(0, "Conditions:")
        page.line(1, "Type", "Status")
        for condition in status.conditions:
            page.line(1, condition.type, condition.status)
    _volumes(page, spec.volumes, 0)
    page.value(0, "QoS Class", status.qos_class)
    page.pairs(0, "Node-Selectors", spec.node_selector)
    page.many(0, "Tolerations", [_toleration(item) for item in spec.tolerations])


def describe_template(page: Page, template: Any) -> None:
    """Write a Pod template, one level deeper than its title."""
    page.line(0, "Pod Template:")
    page.pairs(1, "Labels", template.metadata.labels)
    _containers(page, "Init Containers", template.spec.init_containers, (), 1)
    _containers(page, "Containers", template.spec.containers, (), 1)
    _volumes(page, template.spec.volumes, 1)


def _containers(
    page: Page, title: str, containers: Sequence[Any], statuses: Sequence[Any], level: int
) -> None:
    if not containers:
        return
    page.line(level, f"{title}:")
    by_name = {status.name: status for status in statuses}
    for container in containers:
        page.line(level + 1, f"{container.name}:")
        _container(page, container, by_name.get(container.name), level + 2)


def _container(page: Page, container: Any, status: Any, level: int) -> None:
    several = "s" if len(container.ports) > 1 else ""
    ports = [f"{port.container_port}/{port.protocol or 'TCP'}" for port in container.ports]
    host_ports = [f"{port.host_port}/{port.protocol or 'TCP'}" for port in container.ports]
    page.values(
        level,
        ("Container ID", status.container_id if status is not None else None),
        ("Image", container.image),
        ("Image ID", status.image_id if status is not None else None),
        (f"Port{several}", ", ".join(ports) or NONE),
        (f"Host Port{several}", ", ".join(host_ports) or NONE),
    )
    _words(page, "Command", container.command, level)
    _words(page, "Args", container.args, level)
    if status is not None:
        _state(page, "State", status.state, level)
        if status.last_state.HasField("terminated"):
            _state(page, "Last State", status.last_state, level)
        page.values(level, ("Ready", str(status.ready)), ("Restart Count", str(status.restart_count)))
    for name, amounts in (("Limits", container.resources.limits), ("Requests", container.resources.requests)):
        if amounts:
            page.line(level, f"{name}:")
            page.values(level + 1, *((resource, amounts[resource].string) for resource in sorted(amounts)))
    for name in ("Liveness", "Readiness", "Startup"):
        field = f"{name.lower()}_probe"
        if container.HasField(field):
            page.value(level, name, show_probe(getattr(container, field)))
    _environment(page, container, level)
    mounts = [
        f"{mount.mount_path} from {mount.name} ({'ro' if mount.read_only else 'rw'}{_sub_path(mount)})"
        for mount in sorted(container.volume_mounts, key=lambda item: item.mount_path)
    ]
    _block(page, "Mounts", mounts, level)


def _sub_path(mount: Any) -> str:
    return f',path="{mount.sub_path}"' if mount.sub_path else ""


def _block(page: Page, name: str, lines: Sequence[str], level: int) -> None:
    if not lines:
        page.value(level, name, NONE)
        return
    page.line(level, f"{name}:")
    for line in lines:
        page.line(level + 1, line)


def _words(page: Page, name: str, words: Sequence[str], level: int) -> None:
    if words:
        _block(page, name, [line for word in words for line in word.splitlines() or [""]], level)


def _state(page: Page, name: str, state: Any, level: int) -> None:
    if state.HasField("running"):
        page.value(level, name, "Running")
        page.value(level + 1, "Started", show_time(state.running.started_at))
    elif state.HasField("terminated"):
        ended = state.terminated
        page.value(level, name, "Terminated")
        page.values(
            level + 1,
            ("Reason", ended.reason or None),
            ("Message", ended.message or None),
            ("Exit Code", str(ended.exit_code)),
            ("Signal", str(ended.signal) if ended.signal else None),
            ("Started", show_time(ended.started_at)),
            ("Finished", show_time(ended.finished_at)),
        )
    else:
        page.value(level, name, "Waiting")
        waiting = state.waiting
        page.values(level + 1, ("Reason", waiting.reason or None), ("Message", waiting.message or None))


def _environment(page: Page, container: Any, level: int) -> None:
    sources = []
    for source in container.env_from:
        kind = "ConfigMap" if source.HasField("config_map_ref") else "Secret"
        reference = source.config_map_ref if kind == "ConfigMap" else source.secret_ref
        name = reference.local_object_reference.name
        prefix = f" with prefix '{source.prefix}'" if source.prefix else ""
        sources.append(f"{name}  {kind}{prefix}  Optional: {str(reference.optional).lower()}")
    if sources:
        _block(page, "Environment Variables from", sources, level)
    if not container.env:
        page.value(level, "Environment", NONE)
        return
    page.line(level, "Environment:")
    for variable in container.env:
        page.value(level + 1, variable.name, _variable(variable))


def _variable(variable: Any) -> str:
    source = variable.value_from
    if source.HasField("field_ref"):
        return f"({source.field_ref.api_version or 'v1'}:{source.field_ref.field_path})"
    if source.HasField("resource_field_ref"):
        return f"{source.resource_field_ref.container_name} ({source.resource_field_ref.resource})"
    for kind, field in (("config map", "config_map_key_ref"), ("secret", "secret_key_ref")):
        if source.HasField(field):
            reference = getattr(source, field)
            name = reference.local_object_reference.name
            return f"<set to the key '{reference.key}' of {kind} '{name}'>  Optional: {str(reference.optional).lower()}"
    return str(variable.value)


_VOLUME_WORDS: Mapping[str, str] = {
    "emptyDir": "EmptyDir (a temporary directory that shares a pod's lifetime)",
    "configMap": "ConfigMap (a volume populated by a ConfigMap)",
    "secret": "Secret (a volume populated by a Secret)",
    "hostPath": "HostPath (bare host directory volume)",
    "persistentVolumeClaim": "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
    "projected": "Projected (a volume that contains injected data from multiple sources)",
    "downwardAPI": "DownwardAPI (a volume populated by information about the pod)",
}


def _volumes(page: Page, volumes: Sequence[Any], level: int) -> None:
    if not volumes:
        page.value(level, "Volumes", NONE)
        return
    page.line(level, "Volumes:")
    for volume in volumes:
        page.line(level + 1, f"{volume.name}:")
        source = message_to_dict(volume.volume_source)
        for kind, fields in source.items():
            page.value(level + 2, "Type", _VOLUME_WORDS.get(kind, kind))
            for name, value in (fields or {}).items():
                if isinstance(value, str | int):
                    page.value(level + 2, f"{name[:1].upper()}{name[1:]}", str(value))


def _toleration(item: Any) -> str:
    value = f"={item.value}" if item.value else ""
    effect = f":{item.effect}" if item.effect else ""
    operator = f" op={item.operator}" if item.operator == "Exists" else ""
    seconds = f" for {item.toleration_seconds}s" if item.HasField("toleration_seconds") else ""
    return f"{item.key}{value}{effect}{operator}{seconds}".strip()
