"""The kubelet's records as bodies of Engine API calls, and what the engine says as records. PURE.

Bodies are the API's own JSON (https://docs.docker.com/reference/api/engine/). Container names and the
`io.kubernetes.*` labels are those of Kubernetes' own Docker runtime, which tools know.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from kubelet.network.plan import HostPort
from kubelet.runtime import records

POD_NAME, POD_NAMESPACE, POD_UID = (
    "io.kubernetes.pod.name",
    "io.kubernetes.pod.namespace",
    "io.kubernetes.pod.uid",
)
CONTAINER_NAME, SANDBOX_ID = "io.kubernetes.container.name", "io.kubernetes.sandbox.id"
TYPE, ATTEMPT, ADDRESS, IMAGE = "vaina.dev/type", "vaina.dev/attempt", "vaina.dev/pod-ip", "vaina.dev/image"
HOST_PORTS = "vaina.dev/host-ports"
SANDBOX, CONTAINER = "podsandbox", "container"
#: the callers' own labels and annotations, so that these and ours never meet
_LABEL, _ANNOTATION = "label.", "annotation."

PAUSE_IMAGE = "vaina/pause:1"
#: states in which nothing of a container runs any more
ENDED = frozenset({"exited", "dead", "removing"})
#: of a container that could not be started: containerd's (pkg/cri/server/container_start.go: errorStartExitCode)
_START_ERROR_CODE = 128
#: how the engine's error ends when the caller of a start went away: since Docker 24 that cancels it, always
#: before anything of the container ran (moby, daemon/start.go: nothing from `tsk.Start` on is cancelled)
_CUT_OFF = "context canceled"
#: since which the engine can mount read-only with all below; kernels can since Linux 5.12
RECURSIVE_API = "1.44"
#: None is left to the engine, as in cri-dockerd's generateMountBindings: it is private, but rslave around the
#: engine's own root, where private is refused (moby, daemon/volumes_linux.go: validateBindDaemonRoot)
_PROPAGATION = {"HostToContainer": "rslave", "Bidirectional": "rshared"}


def sandbox_name(config: records.SandboxConfig) -> str:
    """Return the name of the pause container: one for each (uid, attempt)."""
    return f"k8s_POD_{config.name}_{config.namespace}_{config.uid}_{config.attempt}"


def container_name(sandbox: records.SandboxConfig, config: records.ContainerConfig) -> str:
    """Return the name of a container: one for each (uid, name, attempt)."""
    return f"k8s_{config.name}_{sandbox.name}_{sandbox.namespace}_{sandbox.uid}_{config.attempt}"


def _labels(
    own: Mapping[str, str], labels: Mapping[str, str], annotations: Mapping[str, str]
) -> dict[str, str]:
    return {
        **own,
        **{_LABEL + key: value for key, value in labels.items()},
        **{_ANNOTATION + key: value for key, value in annotations.items()},
    }


def _with_prefix(labels: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {key[len(prefix) :]: value for key, value in labels.items() if key.startswith(prefix)}


def filters_of(kind: str, pod_uid: records.Uid | None) -> dict[str, Any]:
    """Return the filters that list a kind (SANDBOX, CONTAINER), of one Pod or of all."""
    labels = [f"{TYPE}={kind}"]
    if pod_uid is not None:
        labels.append(f"{POD_UID}={pod_uid}")
    return {"label": labels}


def sandbox_body(config: records.SandboxConfig, address: str) -> dict[str, Any]:
    """Return the body that creates a pause container. `address` is empty with host_network."""
    own = {
        TYPE: SANDBOX, POD_NAME: config.name, POD_NAMESPACE: config.namespace, POD_UID: config.uid,
        ATTEMPT: str(config.attempt), ADDRESS: address,
    }  # fmt: skip
    if config.port_mappings and address:
        own[HOST_PORTS] = json.dumps(
            [[m.container_port, m.host_port, m.protocol, m.host_ip] for m in config.port_mappings]
        )
    host: dict[str, Any] = {
        "NetworkMode": "host" if config.host_network else "none",
        "IpcMode": "host" if config.host_ipc else "shareable",
        "LogConfig": {"Type": "none"},
    }
    if config.runtime_handler:
        host["Runtime"] = config.runtime_handler
    if config.host_pid:
        host["PidMode"] = "host"
    if config.cgroup_parent:
        host["CgroupParent"] = config.cgroup_parent
    if config.sysctls:
        host["Sysctls"] = dict(config.sysctls)
    if address:
        host["ExtraHosts"] = [f"{config.hostname}:{address}"]
    return {
        "Image": PAUSE_IMAGE,
        "Hostname": config.hostname,
        "Labels": _labels(own, config.labels, config.annotations),
        "HostConfig": host,
    }


def container_body(
    sandbox_id: str,
    sandbox: records.SandboxConfig,
    config: records.ContainerConfig,
    *,
    least_oom_score_adj: int,
    logs: records.LogLimits | None = None,
    seccomp: str = "",
) -> dict[str, Any]:
    """Return the body that creates a container in a sandbox; `seccomp` is the text of its localhost_profile.

    `least_oom_score_adj` is the least that this machine may set (less takes CAP_SYS_RESOURCE).
    """
    logs = logs or records.LogLimits()
    own = {
        TYPE: CONTAINER, POD_NAME: sandbox.name, POD_NAMESPACE: sandbox.namespace, POD_UID: sandbox.uid,
        CONTAINER_NAME: config.name, SANDBOX_ID: sandbox_id, ATTEMPT: str(config.attempt), IMAGE: config.image,
    }  # fmt: skip
    joined = f"container:{sandbox_id}"
    host: dict[str, Any] = {
        "NetworkMode": joined,
        "IpcMode": "host" if sandbox.host_ipc else joined,
        "LogConfig": {
            "Type": "json-file",
            "Config": {"max-size": str(logs.max_bytes), "max-file": str(logs.max_files)},
        },
        "Mounts": [_mount(mount) for mount in config.mounts],
        **limits_body(config.resources),
        "OomScoreAdj": max(config.resources.oom_score_adj, least_oom_score_adj),
        **_security(config.security, seccomp),
    }
    if sandbox.runtime_handler:
        host["Runtime"] = sandbox.runtime_handler
    if config.target_container_id:
        host["PidMode"] = f"container:{config.target_container_id}"
    elif sandbox.host_pid:
        host["PidMode"] = "host"
    elif sandbox.share_process_namespace:
        host["PidMode"] = joined
    if sandbox.cgroup_parent:
        host["CgroupParent"] = sandbox.cgroup_parent
    body: dict[str, Any] = {
        "Image": config.image_id,
        "Env": [f"{name}={value}" for name, value in config.env],
        "Labels": _labels(own, config.labels, config.annotations),
        "OpenStdin": config.stdin,
        "StdinOnce": config.stdin_once,
        "Tty": config.tty,
        "User": _user(config.security),
        # An image's own health check would run beside the Pod's probes.
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": host,
    }
    if config.command:
        body["Entrypoint"] = list(config.command)
    if config.args:
        body["Cmd"] = list(config.args)
    if config.working_dir:
        body["WorkingDir"] = config.working_dir
    if config.stop_signal:
        body["StopSignal"] = config.stop_signal
    return body


def _mount(mount: records.Mount) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if mount.propagation in _PROPAGATION:
        options["Propagation"] = _PROPAGATION[mount.propagation]
    if mount.readonly:
        # Since API 1.44 a mount that says neither is recursive where the kernel can; before, none is.
        options["ReadOnlyForceRecursive" if mount.recursive_readonly else "ReadOnlyNonRecursive"] = True
    return {
        "Type": "bind", "Source": mount.host_path, "Target": mount.container_path, "ReadOnly": mount.readonly,
        "BindOptions": options,
    }  # fmt: skip


def is_recursive(body: Mapping[str, Any]) -> bool:
    """Say whether the body of a create call has a mount that is read-only with all below."""
    mounts = body["HostConfig"].get("Mounts", ())
    return any("ReadOnlyForceRecursive" in mount["BindOptions"] for mount in mounts)


def can_mount_recursively(version: Mapping[str, Any]) -> bool:
    """Say whether an engine can mount read-only with all below: API 1.44 on Linux 5.12."""
    api, kernel = (_numbers(str(version.get(name, ""))) for name in ("ApiVersion", "KernelVersion"))
    return api >= _numbers(RECURSIVE_API) and kernel >= (5, 12)


def _numbers(text: str) -> tuple[int, ...]:
    """Return the first two numbers of a version; () where there are none."""
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else ()


def limits_body(resources: records.LinuxResources) -> dict[str, Any]:
    """Return the limits as the engine's create and update calls take them; what is not set is left out."""
    body: dict[str, Any] = {}
    if resources.cpu_shares:
        body["CpuShares"] = resources.cpu_shares
    if resources.cpu_quota_micros:
        body["CpuQuota"] = resources.cpu_quota_micros
        body["CpuPeriod"] = resources.cpu_period_micros
    if resources.memory_limit_bytes:
        # The same number for memory with swap: a limit that could be left by swapping would be none.
        body["Memory"] = body["MemorySwap"] = resources.memory_limit_bytes
    return body


def _user(security: records.SecurityConfig) -> str:
    user = security.run_as_username
    if security.run_as_user is not None:
        user = str(security.run_as_user)
    return user if security.run_as_group is None else f"{user or 0}:{security.run_as_group}"


def localhost_profile(security: records.SecurityConfig) -> str:
    """Return which file has the container's seccomp profile; "" when none has."""
    _, slash, file = security.seccomp_profile.partition("Localhost/")
    return file if slash else ""


def _security(security: records.SecurityConfig, seccomp: str) -> dict[str, Any]:
    options = []
    if security.no_new_privs:
        options.append("no-new-privileges")
    if security.seccomp_profile == "Unconfined":
        options.append("seccomp=unconfined")
    elif seccomp:
        # The engine takes the profile itself here, not its name.
        options.append(f"seccomp={seccomp}")
    if security.apparmor_profile == "Unconfined":
        options.append("apparmor=unconfined")
    elif security.apparmor_profile.startswith("Localhost/"):
        options.append(f"apparmor={security.apparmor_profile.removeprefix('Localhost/')}")
    unmasked: dict[str, Any] = {"MaskedPaths": [], "ReadonlyPaths": []} if security.unmasked_proc else {}
    return {
        "Privileged": security.privileged,
        "CapAdd": list(security.add_capabilities),
        "CapDrop": list(security.drop_capabilities),
        "GroupAdd": [str(group) for group in security.supplemental_groups],
        "ReadonlyRootfs": security.readonly_rootfs,
        "SecurityOpt": options,
        **unmasked,
    }


def seconds_of(text: str) -> float:
    """Return an engine's time as seconds since the epoch; its zero time (year 1) is 0."""
    return 0.0 if not text or text.startswith("0001-") else datetime.fromisoformat(text).timestamp()


def sandbox_state(listed: Mapping[str, Any], *, networked: bool) -> records.SandboxState:
    """Return a sandbox from the engine's list; `networked`: its network is in place, or the host's."""
    labels = listed["Labels"]
    return records.SandboxState(
        id=listed["Id"], name=labels[POD_NAME], namespace=labels[POD_NAMESPACE], uid=records.Uid(labels[POD_UID]),
        attempt=int(labels[ATTEMPT]), ready=listed["State"] == "running" and networked,
        # An ended one has given its address back; `addresses_held` knows if a container still uses it.
        ip="" if listed["State"] in ENDED else labels.get(ADDRESS, ""), created_at=float(listed["Created"]),
        labels=_with_prefix(labels, _LABEL), annotations=_with_prefix(labels, _ANNOTATION),
    )  # fmt: skip


def host_ports(sandboxes: Iterable[Mapping[str, Any]]) -> tuple[HostPort, ...]:
    """Return the ports of the node that lead to sandboxes of the engine's list; those of ended ones are free."""
    return tuple(
        HostPort(records.PortMapping(*mapping), item["Labels"][ADDRESS])
        for item in sandboxes
        if item["State"] not in ENDED and HOST_PORTS in item["Labels"]
        for mapping in json.loads(item["Labels"][HOST_PORTS])
    )


def addresses_held(sandboxes: Iterable[Mapping[str, Any]], running: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the addresses that may not be given to another sandbox (I3).

    `sandboxes` are all, ended ones too; a running container in an ended one still uses its network namespace.
    """
    used = {item["Labels"].get(SANDBOX_ID, "") for item in running}
    return [
        item["Labels"].get(ADDRESS, "")
        for item in sandboxes
        if item["State"] not in ENDED or item["Id"] in used
    ]


def container_state(inspected: Mapping[str, Any]) -> records.ContainerState:
    """Return a container from what the engine's inspect says."""
    state, labels = inspected["State"], inspected["Config"]["Labels"]
    created = seconds_of(inspected["Created"])
    phase, reason, message = _phase(state)
    ended = phase is records.ContainerPhase.EXITED
    started = seconds_of(state.get("StartedAt", ""))
    # The engine notes a start when it hears of it: a container that ends at once may have ended "before".
    finished = max(seconds_of(state.get("FinishedAt", "")), started) if ended else 0.0
    return records.ContainerState(
        id=inspected["Id"], sandbox_id=labels[SANDBOX_ID], pod_uid=records.Uid(labels[POD_UID]), name=labels[CONTAINER_NAME],
        attempt=int(labels[ATTEMPT]), phase=phase, image=labels.get(IMAGE, ""), image_id=inspected["Image"],
        created_at=created, started_at=started,
        finished_at=(finished or created) if ended else 0.0,
        exit_code=_exit_code(state, reason) if ended else 0, reason=reason, message=message,
        labels=_with_prefix(labels, _LABEL), annotations=_with_prefix(labels, _ANNOTATION),
    )  # fmt: skip


def stop_signal(inspected: Mapping[str, Any]) -> str:
    """Return the signal that asks a container to end: its own, its image's, or TERM."""
    return inspected["Config"].get("StopSignal") or "SIGTERM"


def _exit_code(state: Mapping[str, Any], reason: str) -> int:
    # The engine tells 126 or 127 of one that could not be started, as a shell would: a program's own codes.
    return _START_ERROR_CODE if reason == "StartError" else int(state.get("ExitCode", 0))


def _phase(state: Mapping[str, Any]) -> tuple[records.ContainerPhase, str, str]:
    """Return phase, reason and message.

    A container whose start failed stays `created` in the engine, with an error. So does one whose start was
    cut off, which has not run and is started again.
    """
    error = state.get("Error", "")
    match state["Status"]:
        case "running" | "paused" | "restarting":
            return records.ContainerPhase.RUNNING, "", ""
        case "created" if not error or error.endswith(_CUT_OFF):
            return records.ContainerPhase.CREATED, "", ""
        case "created":
            return records.ContainerPhase.EXITED, "StartError", error
        case _ if state.get("OOMKilled"):
            return records.ContainerPhase.EXITED, "OOMKilled", error
        case _:
            return (
                records.ContainerPhase.EXITED,
                "Completed" if not state.get("ExitCode", 0) else "Error",
                error,
            )


def image_state(inspected: Mapping[str, Any]) -> records.ImageState:
    """Return an image from what the engine's inspect or list says."""
    return records.ImageState(
        id=inspected["Id"],
        tags=tuple(inspected.get("RepoTags") or ()),
        digests=tuple(inspected.get("RepoDigests") or ()),
        size_bytes=int(inspected.get("Size", 0)),
        user=(inspected.get("Config") or {}).get("User", ""),
        pinned=PAUSE_IMAGE in (inspected.get("RepoTags") or ()),
    )
