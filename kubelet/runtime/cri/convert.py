"""The kubelet's records as CRI messages, and what the runtime says as records. PURE.

Labels and annotations of our own keep what the interface has no field for; no caller sees them. Masked paths
and log directories are upstream's (`pkg/securitycontext`, `pkg/kubelet/kuberuntime/helpers.go`).
"""

from collections.abc import Mapping

from kubelet.runtime import records
from kubelet.runtime.cri import cri_pb2 as cri

_OWN = "vaina.dev/cri."
#: labels: what containers are found by
POD_UID = f"{_OWN}pod-uid"
_IMAGE = f"{_OWN}image"
_STOP_SIGNAL = f"{_OWN}stop-signal"

_PROPAGATION = {
    "None": cri.PROPAGATION_PRIVATE,
    "HostToContainer": cri.PROPAGATION_HOST_TO_CONTAINER,
    "Bidirectional": cri.PROPAGATION_BIDIRECTIONAL,
}
_MASKED = (
    "/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
    "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
)  # fmt: skip
_READONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_MAX_FILE_NAME = 255
_NANOS = 1_000_000_000
#: of a container that a runtime lost sight of, as containerd says it
_UNKNOWN_CODE = 255

#: how containerd says that a start failed before anything of the container ran, and that it failed because
#: its caller went away (internal/cri/server/container_start.go; a shim that is starting is killed then)
_NOT_RUN, _CUT_OFF = "failed to create containerd task: ", ("context canceled", "signal: killed")


def log_directory(root: str, config: records.SandboxConfig) -> str:
    """Return the directory of a Pod's logs: <root>/<namespace>_<name>_<uid>, cut where it is too long."""
    end = f"_{config.uid}"
    return f"{root}/{f'{config.namespace}_{config.name}'[: _MAX_FILE_NAME - len(end)]}{end}"


def _without_own(items: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in items.items() if not key.startswith(_OWN)}


def _namespaces(sandbox: records.SandboxConfig, target_id: str = "") -> cri.NamespaceOption:
    pid = cri.CONTAINER
    if target_id:
        pid = cri.TARGET
    elif sandbox.host_pid:
        pid = cri.NODE
    elif sandbox.share_process_namespace:
        pid = cri.POD
    return cri.NamespaceOption(
        network=cri.NODE if sandbox.host_network else cri.POD,
        pid=pid,
        ipc=cri.NODE if sandbox.host_ipc else cri.POD,
        target_id=target_id,
    )


def sandbox_message(
    config: records.SandboxConfig, *, node_dns: records.DnsConfig, log_root: str, privileged: bool = False
) -> cri.PodSandboxConfig:
    """Return what a sandbox is made of; `node_dns` is for one that brings no resolv.conf.

    The runtime refuses a privileged container in a sandbox that is not `privileged`.
    """
    dns = config.dns or node_dns
    seccomp = cri.SecurityProfile.Unconfined if privileged else cri.SecurityProfile.RuntimeDefault
    message = cri.PodSandboxConfig(
        metadata=cri.PodSandboxMetadata(
            name=config.name, uid=config.uid, namespace=config.namespace, attempt=config.attempt
        ),
        hostname=config.hostname,
        log_directory=log_directory(log_root, config),
        # With nothing set at all the runtime takes the node's own file, whose servers Pods do not reach.
        dns_config=cri.DNSConfig(
            servers=dns.nameservers, searches=dns.searches, options=dns.options or ("ndots:1",)
        ),
        labels={**config.labels, POD_UID: config.uid},
        annotations=dict(config.annotations),
        linux=cri.LinuxPodSandboxConfig(
            cgroup_parent=config.cgroup_parent,
            security_context=cri.LinuxSandboxSecurityContext(
                namespace_options=_namespaces(config),
                privileged=privileged,
                seccomp=cri.SecurityProfile(profile_type=seccomp),
            ),
            sysctls=dict(config.sysctls),
        ),
    )
    for port in config.port_mappings:
        message.port_mappings.add(
            protocol=cri.Protocol.Value(port.protocol), container_port=port.container_port,
            host_port=port.host_port, host_ip=port.host_ip,
        )  # fmt: skip
    return message


def container_message(
    config: records.ContainerConfig, sandbox: records.SandboxConfig, *, image_user: str = ""
) -> cri.ContainerConfig:
    """Return what a container is made of; the runtime wants a user beside a group, which is the image's."""
    message = cri.ContainerConfig(
        metadata=cri.ContainerMetadata(name=config.name, attempt=config.attempt),
        image=cri.ImageSpec(image=config.image_id, user_specified_image=config.image),
        command=config.command,
        args=config.args,
        working_dir=config.working_dir,
        envs=[cri.KeyValue(key=name, value=value) for name, value in config.env],
        labels={**config.labels, POD_UID: sandbox.uid},
        annotations={
            **config.annotations,
            _IMAGE: config.image,
            **({_STOP_SIGNAL: config.stop_signal} if config.stop_signal else {}),
        },
        log_path=f"{config.name}/{config.attempt}.log",
        stdin=config.stdin,
        stdin_once=config.stdin_once,
        tty=config.tty,
        linux=cri.LinuxContainerConfig(
            resources=resources_message(config.resources, whole=True),
            security_context=_security(
                config.security, sandbox, image_user, target_id=config.target_container_id
            ),
        ),
        stop_signal=_signal(config.stop_signal),
    )
    for mount in config.mounts:
        message.mounts.add(
            container_path=mount.container_path, host_path=mount.host_path, readonly=mount.readonly,
            propagation=_PROPAGATION[mount.propagation], image_sub_path=mount.sub_path,
            image=cri.ImageSpec(image=mount.image) if mount.image else None,
        )  # fmt: skip
    return message


def _signal(name: str) -> str:
    return name if name in cri.Signal.keys() else "RUNTIME_DEFAULT"  # noqa: SIM118 - no mapping


def resources_message(
    resources: records.LinuxResources, *, whole: bool = False
) -> cri.LinuxContainerResources:
    """Return the limits; with `whole` also what can be set at the start only."""
    message = cri.LinuxContainerResources(
        cpu_shares=resources.cpu_shares,
        cpu_quota=resources.cpu_quota_micros,
        cpu_period=resources.cpu_period_micros if resources.cpu_quota_micros else 0,
        memory_limit_in_bytes=resources.memory_limit_bytes,
        # The same number for memory with swap: a limit that could be left by swapping would be none.
        memory_swap_limit_in_bytes=resources.memory_limit_bytes,
    )
    if whole:
        message.oom_score_adj = resources.oom_score_adj
    return message


def _profile(name: str, *, privileged: bool) -> cri.SecurityProfile:
    if name.startswith("Localhost/"):
        return cri.SecurityProfile(
            profile_type=cri.SecurityProfile.Localhost, localhost_ref=name.removeprefix("Localhost/")
        )
    unconfined = name == "Unconfined" or (privileged and not name)
    kind = cri.SecurityProfile.Unconfined if unconfined else cri.SecurityProfile.RuntimeDefault
    return cri.SecurityProfile(profile_type=kind)


def _security(
    security: records.SecurityConfig, sandbox: records.SandboxConfig, image_user: str, *, target_id: str = ""
) -> cri.LinuxContainerSecurityContext:
    message = cri.LinuxContainerSecurityContext(
        capabilities=cri.Capability(
            add_capabilities=security.add_capabilities, drop_capabilities=security.drop_capabilities
        ),
        privileged=security.privileged,
        namespace_options=_namespaces(sandbox, target_id),
        readonly_rootfs=security.readonly_rootfs,
        supplemental_groups=security.supplemental_groups,
        no_new_privs=security.no_new_privs,
        # Without a word about it an engine's default is the default profile, as Docker's is.
        seccomp=_profile(security.seccomp_profile, privileged=security.privileged),
    )
    if security.apparmor_profile:
        message.apparmor.CopyFrom(_profile(security.apparmor_profile, privileged=security.privileged))
    if not security.privileged and not security.unmasked_proc:
        message.masked_paths.extend(_MASKED)
        message.readonly_paths.extend(_READONLY)
    user = security.run_as_user
    if security.run_as_group is not None:
        message.run_as_group.value = security.run_as_group
        name = image_user.partition(":")[0]
        if user is None and name and not name.isdecimal():
            message.run_as_username = name
        elif user is None:
            user = int(name or "0")
    if user is not None:
        message.run_as_user.value = user
    return message


def sandbox_state(
    listed: cri.PodSandbox | cri.PodSandboxStatus,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    *,
    ip: str,
) -> records.SandboxState:
    """Return a sandbox from what the runtime lists; the address is asked for by itself."""
    meta = listed.metadata
    return records.SandboxState(
        id=listed.id, name=meta.name, namespace=meta.namespace, uid=records.Uid(meta.uid), attempt=meta.attempt,
        ready=listed.state == cri.SANDBOX_READY, ip=ip, created_at=listed.created_at / _NANOS,
        labels=_without_own(labels), annotations=dict(annotations),
    )  # fmt: skip


def container_state(listed: cri.Container, status: cri.ContainerStatus) -> records.ContainerState:
    """Return a container from its item of the list and its status.

    One that the runtime lost sight of (CONTAINER_UNKNOWN) counts as ended: the caller has seen to it.
    """
    phase, reason, code = records.ContainerPhase.EXITED, status.reason, status.exit_code
    if status.state == cri.CONTAINER_CREATED:
        phase = records.ContainerPhase.CREATED
    elif status.state == cri.CONTAINER_RUNNING:
        phase = records.ContainerPhase.RUNNING
    elif status.state == cri.CONTAINER_UNKNOWN:
        code, reason = _UNKNOWN_CODE, "Error"
    ended = phase is records.ContainerPhase.EXITED
    created, started = status.created_at / _NANOS, status.started_at / _NANOS
    finished = max(status.finished_at / _NANOS, started) or created
    return records.ContainerState(
        id=status.id, sandbox_id=listed.pod_sandbox_id, pod_uid=records.Uid(status.labels[POD_UID]), name=status.metadata.name,
        attempt=status.metadata.attempt, phase=phase, image=status.annotations.get(_IMAGE, status.image.image),
        image_id=listed.image_ref, created_at=created, started_at=started, finished_at=finished if ended else 0.0,
        exit_code=code if ended else 0,
        reason=(reason or ("Error" if code else "Completed")) if ended else "",
        message=status.message if ended else "",
        labels=_without_own(status.labels), annotations=_without_own(status.annotations),
    )  # fmt: skip


def was_cut_off(status: cri.ContainerStatus) -> bool:
    """Say whether a container has not run because the caller of its start went away.

    Where containerd cannot tell (task.Start was cut off) it counts as run: nothing runs twice.
    """
    message = status.message.removesuffix(": unknown")
    return (
        status.state == cri.CONTAINER_EXITED
        and status.reason == "StartError"
        and message.startswith(_NOT_RUN)
        and message.endswith(_CUT_OFF)
    )


def own_stop_signal(status: cri.ContainerStatus) -> str:
    """Return the stop signal that the runtime does not know of; "": it does, or none was asked for."""
    wanted = status.annotations.get(_STOP_SIGNAL, "")
    return "" if status.stop_signal != cri.RUNTIME_DEFAULT else wanted


def image_state(image: cri.Image) -> records.ImageState:
    """Return an image."""
    return records.ImageState(
        id=image.id,
        tags=tuple(image.repo_tags),
        digests=tuple(image.repo_digests),
        size_bytes=image.size,
        user=str(image.uid.value) if image.HasField("uid") else image.username,
        pinned=image.pinned,
    )
