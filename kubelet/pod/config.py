"""What the runtime is told about a sandbox and a container, and a Pod's names, hosts and DNS. PURE.

Labels are upstream's, so that tools know a node's containers; annotations keep what a restarted kubelet
needs (I11). Names follow GeneratePodHostNameAndDomain and hostsFileContent (`pkg/kubelet/kubelet_pods.go`),
GetNodenameForKernel (`pkg/kubelet/util/util.go`) and `pkg/kubelet/network/dns/dns.go`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from kubelet.containers.cgroups import linux_resources, pod_cgroup
from kubelet.containers.env import ConfigProblem, expand_all
from kubelet.decide.actions import StartContainer
from kubelet.decide.resize import encode_sizes, sizes_of
from kubelet.decide.termination import grace_seconds
from kubelet.runtime import records
from kubelet.runtime.records import DnsConfig
from kubelet.sources.static_files import is_static
from vaina.api.core.v1 import pod_pb2


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """What configs need to know of the node."""

    memory_capacity_bytes: int = 0
    #: cgroup above those of Pods; "": the engine's own choice
    cgroup_parent: str = ""
    #: DNS of the cluster: empty until there is one, then Pods with ClusterFirst use it
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    node_dns: records.DnsConfig = field(default_factory=records.DnsConfig)
    #: a container that asks for no seccomp profile gets the runtime's own instead of none
    seccomp_default: bool = False
    #: directory of profiles of type Localhost; empty: they are named as they are
    seccomp_root: str = ""
    allocatable: Mapping[str, int] = field(default_factory=dict[str, int])
    #: the runtime can mount read-only with all that is mounted below
    recursive_readonly: bool = False
    pod_pids_limit: int = 0
    allowed_unsafe_sysctls: tuple[str, ...] = ()
    #: variables of Services, for every container
    services: Mapping[str, str] = field(default_factory=dict[str, str])


def pod_labels(pod: pod_pb2.Pod) -> dict[str, str]:
    """Return the labels by which everything of a Pod is found in the runtime."""
    meta = pod.metadata
    return {
        records.POD_NAME_LABEL: meta.name,
        records.POD_NAMESPACE_LABEL: meta.namespace,
        records.POD_UID_LABEL: meta.uid,
    }


def _source(pod: pod_pb2.Pod) -> dict[str, str]:
    """Say of a static Pod that it is one: what is left of it can then be ended without an apiserver."""
    return {records.SOURCE_ANNOTATION: "file"} if is_static(pod.metadata) else {}


def sandbox_config(
    pod: pod_pb2.Pod, attempt: int, settings: NodeSettings, runtime_handler: str = ""
) -> records.SandboxConfig:
    """Return what the Pod's sandbox is made of (step 4). Raises NameTooLong: the full name is no host name."""
    meta, spec = pod.metadata, pod.spec
    ports = tuple(
        records.PortMapping(port.container_port, port.host_port, port.protocol or "TCP", port.host_ip)
        for container in (*spec.init_containers, *spec.containers)
        for port in container.ports
        if port.host_port and not spec.host_network
    )
    return records.SandboxConfig(
        name=meta.name,
        namespace=meta.namespace,
        uid=records.Uid(meta.uid),
        attempt=attempt,
        hostname="" if spec.host_network else kernel_name(pod, settings.cluster_domain),
        labels={**meta.labels, **pod_labels(pod)},
        annotations={records.GRACE_ANNOTATION: f"{grace_seconds(pod):g}", **_source(pod)},
        host_network=spec.host_network,
        host_pid=spec.host_pid,
        host_ipc=spec.host_ipc,
        share_process_namespace=spec.share_process_namespace,
        privileged=any(
            item.security_context.privileged for item in (*spec.init_containers, *spec.containers)
        ),
        dns=dns_config(pod, settings),
        port_mappings=ports,
        sysctls={item.name: item.value for item in spec.security_context.sysctls},
        cgroup_parent=pod_cgroup(settings.cgroup_parent, pod),
        runtime_handler=runtime_handler,
    )


def container_config(
    pod: pod_pb2.Pod,
    container: pod_pb2.Container,
    action: StartContainer,
    *,
    env: tuple[tuple[str, str], ...],
    mounts: tuple[records.Mount, ...],
    settings: NodeSettings,
    image_user: str = "",
) -> records.ContainerConfig:
    """Return what a container is made of (step 6). Raises ConfigProblem: it may not run as root, and would."""
    variables = dict(env)
    return records.ContainerConfig(
        name=container.name,
        attempt=action.attempt,
        image_id=action.image_id,
        image=container.image,
        command=expand_all(container.command, variables),
        args=expand_all(container.args, variables),
        env=env,
        working_dir=container.working_dir,
        mounts=mounts if settings.recursive_readonly else tuple(map(_shallow, mounts)),
        resources=linux_resources(pod, container, memory_capacity_bytes=settings.memory_capacity_bytes),
        security=security_config(pod, container, settings, image_user),
        stdin=container.stdin,
        stdin_once=container.stdin_once,
        tty=container.tty,
        stop_signal=container.lifecycle.stop_signal,
        labels={
            **pod_labels(pod),
            records.CONTAINER_NAME_LABEL: container.name,
            records.CONTAINER_KIND_LABEL: action.kind.value,
        },
        annotations={
            records.BACKOFF_STEP: str(action.backoff_step),
            records.RESTART_COUNT_ANNOTATION: str(action.attempt),
            records.GRACE_ANNOTATION: f"{grace_seconds(pod):g}",
            records.SIZES_ANNOTATION: encode_sizes(sizes_of(container.resources)),
            **({records.IMAGES_ANNOTATION: " ".join(dict(action.images).values())} if action.images else {}),
            **_source(pod),
            records.TERMINATION_PATH_ANNOTATION: container.termination_message_path,
            records.TERMINATION_POLICY_ANNOTATION: container.termination_message_policy,
        },
        target_container_id=action.target_id or "",
    )


def _shallow(mount: records.Mount) -> records.Mount:
    """Return a mount for a runtime without recursive read-only mounts; IfPossible asks for no more."""
    return replace(mount, recursive_readonly=False) if mount.recursive_readonly else mount


def needs_image_user(pod: pod_pb2.Pod, container: pod_pb2.Container) -> bool:
    """Say whether `security_config` needs the image's user."""
    own, whole = container.security_context, pod.spec.security_context
    if _first(own, whole, "run_as_user") is not None:
        return False
    return bool(_first(own, whole, "run_as_non_root")) or _first(own, whole, "run_as_group") is not None


def security_config(
    pod: pod_pb2.Pod, container: pod_pb2.Container, settings: NodeSettings, image_user: str
) -> records.SecurityConfig:
    """Return the rights of the container; its own settings go before the Pod's.

    `image_user` is "1000:1000", "nobody" or "". Raises ConfigProblem: it may not run as root, and would.
    """
    own, whole = container.security_context, pod.spec.security_context
    user = _first(own, whole, "run_as_user")
    group = _first(own, whole, "run_as_group")
    if _first(own, whole, "run_as_non_root"):
        _check_non_root(pod, container, user, image_user)
    name = ""
    if group is not None and user is None:
        # A group needs a user: the image's.
        image = image_user.partition(":")[0] or "0"
        user, name = (int(image), "") if image.isdecimal() else (None, image)
    groups = [*whole.supplemental_groups]
    if whole.HasField("fs_group") and whole.fs_group not in groups:
        groups.append(whole.fs_group)
    return records.SecurityConfig(
        privileged=own.privileged,
        add_capabilities=tuple(own.capabilities.add),
        drop_capabilities=tuple(own.capabilities.drop),
        run_as_user=user,
        run_as_username=name,
        run_as_group=group,
        supplemental_groups=tuple(groups),
        readonly_rootfs=own.read_only_root_filesystem,
        no_new_privs=own.HasField("allow_privilege_escalation") and not own.allow_privilege_escalation,
        # Runtimes give privileged containers none, whatever is asked (`pkg/kubelet/kuberuntime/helpers.go`).
        seccomp_profile=_profile(own, whole, "seccomp_profile", root=settings.seccomp_root)
        or ("RuntimeDefault" if settings.seccomp_default else "Unconfined"),
        apparmor_profile=_profile(own, whole, "app_armor_profile"),
        unmasked_proc=own.proc_mount == "Unmasked",
    )


def _first(own: pod_pb2.SecurityContext, whole: pod_pb2.PodSecurityContext, name: str) -> int | None:
    for message in (own, whole):
        if message.HasField(name):
            return int(getattr(message, name))
    return None


def _profile(
    own: pod_pb2.SecurityContext, whole: pod_pb2.PodSecurityContext, name: str, *, root: str = ""
) -> str:
    for message in (own, whole):
        if message.HasField(name):
            profile: pod_pb2.SeccompProfile = getattr(message, name)
            if profile.type != "Localhost":
                return profile.type
            file = profile.localhost_profile
            return f"Localhost/{root}/{file}" if root else f"Localhost/{file}"
    return ""


def _check_non_root(
    pod: pod_pb2.Pod, container: pod_pb2.Container, user: int | None, image_user: str
) -> None:
    where = f'(pod: "{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})", container: {container.name})'
    if user is not None:
        if user == 0:
            raise ConfigProblem(f"container's runAsUser breaks non-root policy {where}")
        return
    name = image_user.partition(":")[0]
    if not name or name == "0":
        raise ConfigProblem(f"container has runAsNonRoot and image will run as root {where}")
    if not name.isdecimal():
        raise ConfigProblem(
            f"container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root {where}"
        )


MAX_HOSTNAME = 63
#: of a full name as the kernel's host name
MAX_FQDN = 64

_HEAD = "# Kubernetes-managed hosts file.\n"
_HOST_HEAD = "# Kubernetes-managed hosts file (host network).\n"
_LOCAL = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""
_ALIASES = "\n# Entries added by HostAliases.\n"


class NameTooLong(Exception):
    """The full name is longer than the kernel takes; the message is upstream's."""


def short_name(pod: pod_pb2.Pod) -> str:
    """Return the Pod's host name: its own choice, else its name, cut to 63 characters (row B3)."""
    return (pod.spec.hostname or pod.metadata.name)[:MAX_HOSTNAME].rstrip("-.")


def full_name(pod: pod_pb2.Pod, cluster_domain: str) -> str:
    """Return the Pod's full name; "": it has no subdomain, or an override takes the place of all names."""
    if not pod.spec.subdomain or pod.spec.hostname_override:
        return ""
    return f"{short_name(pod)}.{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{cluster_domain}"


def kernel_name(pod: pod_pb2.Pod, cluster_domain: str) -> str:
    """Return what `hostname` says in the Pod. Raises NameTooLong."""
    if pod.spec.hostname_override:
        return pod.spec.hostname_override
    whole = full_name(pod, cluster_domain)
    if not pod.spec.set_hostname_as_fqdn or not whole:
        return short_name(pod)
    if len(whole) > MAX_FQDN:
        raise NameTooLong(
            f"failed to construct FQDN from Pod hostname and cluster domain, FQDN {whole} is too long "
            f"({MAX_FQDN} characters is the max, {len(whole)} characters requested)"
        )
    return whole


def hosts_file(pod: pod_pb2.Pod, *, pod_ip: str, cluster_domain: str) -> str:
    """Return the /etc/hosts of a Pod with a network of its own."""
    names = [
        name
        for name in (full_name(pod, cluster_domain), pod.spec.hostname_override or short_name(pod))
        if name
    ]
    return f"{_HEAD}{_LOCAL}{pod_ip}\t" + "\t".join(names) + "\n" + _aliases(pod)


def host_network_hosts_file(pod: pod_pb2.Pod, node: str) -> str:
    """Return the /etc/hosts of a Pod on the node's network: the node's own file, and the Pod's aliases."""
    return _HOST_HEAD + node + _aliases(pod)


def _aliases(pod: pod_pb2.Pod) -> str:
    lines = [f"{alias.ip}\t" + "\t".join(alias.hostnames) + "\n" for alias in pod.spec.host_aliases]
    return _ALIASES + "".join(lines) if lines else ""


#: as the C library reads them, and as upstream allows
MAX_NAMESERVERS, MAX_SEARCHES, MAX_SEARCH_CHARACTERS = 3, 32, 2048


def dns_config(pod: pod_pb2.Pod, settings: NodeSettings) -> DnsConfig | None:
    """Return the Pod's resolv.conf by its dnsPolicy and dnsConfig; None: as the node's own.

    Without DNS of the cluster ClusterFirst is as Default.
    """
    node, domain = settings.node_dns, settings.cluster_domain
    policy = pod.spec.dns_policy or "ClusterFirst"
    asks_cluster = policy == "ClusterFirstWithHostNet" or (
        policy == "ClusterFirst" and not pod.spec.host_network
    )
    extra = pod.spec.dns_config
    if policy == "None":
        base = DnsConfig()
    elif asks_cluster and settings.cluster_dns:
        own = (f"{pod.metadata.namespace}.svc.{domain}", f"svc.{domain}", domain)
        base = DnsConfig(settings.cluster_dns, (*own, *node.searches), ("ndots:5",))
    elif not pod.spec.HasField("dns_config"):
        return None
    else:
        base = node
    options = dict(_option(text) for text in base.options)
    options.update({item.name: item.value for item in extra.options})
    return DnsConfig(
        _once((*base.nameservers, *extra.nameservers))[:MAX_NAMESERVERS],
        _fitting(_once((*base.searches, *extra.searches))[:MAX_SEARCHES]),
        tuple(f"{name}:{value}" if value else name for name, value in options.items()),
    )


def _option(text: str) -> tuple[str, str]:
    name, _, value = text.partition(":")
    return name, value


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _fitting(searches: tuple[str, ...]) -> tuple[str, ...]:
    while len(" ".join(searches)) > MAX_SEARCH_CHARACTERS:
        searches = searches[:-1]
    return searches
