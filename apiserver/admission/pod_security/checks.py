"""PURE: the single rules of the Pod Security Standards. Each says why a Pod breaks it, in upstream's words.

Follows k8s.io/pod-security-admission `policy/check_*.go`, a function a file, with their names. Where a rule
changed between versions the function takes what changed as an argument; `levels` has the versions.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from typing import Final, NamedTuple, TypeAlias, TypeVar

from google.protobuf.message import Message

from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.quoting import go_quote

Container: TypeAlias = pod_pb2.Container | pod_pb2.EphemeralContainerCommon
SecurityContext: TypeAlias = pod_pb2.SecurityContext | pod_pb2.PodSecurityContext
Name = TypeVar("Name")
T = TypeVar("T")

_APPARMOR_ANNOTATION: Final = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_OF_POD: Final = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_OF_CONTAINER: Final = "container.seccomp.security.alpha.kubernetes.io/"
_PROFILES: Final = frozenset({"RuntimeDefault", "Localhost"})
_CAPABILITIES: Final = frozenset({
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
})  # fmt: skip
_VOLUMES: Final = frozenset({
    "config_map", "csi", "downward_api", "empty_dir", "ephemeral", "image", "persistent_volume_claim", "projected",
    "secret",
})  # fmt: skip


class Violation(NamedTuple):
    """Why a Pod breaks a rule."""

    reason: str
    #: which containers, and what they ask for; may be empty
    detail: str


class Subject(NamedTuple):
    """What the rules look at: a Pod, or the template of Pods. Read once for all rules."""

    annotations: Mapping[str, str]
    spec: pod_pb2.PodSpec
    #: init containers, containers and ephemeral containers, in this order
    containers: Sequence[Container]
    #: the security contexts that are set, with the name of the container, or None for the Pod's own
    contexts: Sequence[tuple[str | None, SecurityContext]]


def subject_of(meta: meta_pb2.ObjectMeta, spec: pod_pb2.PodSpec) -> Subject:
    """Read a Pod, or a template."""
    ephemeral = (one.ephemeral_container_common for one in spec.ephemeral_containers)
    containers: list[Container] = [*spec.init_containers, *spec.containers, *ephemeral]
    contexts: list[tuple[str | None, SecurityContext]] = []
    if spec.HasField("security_context"):
        contexts.append((None, spec.security_context))
    contexts += [(one.name, one.security_context) for one in containers if one.HasField("security_context")]
    return Subject(meta.annotations, spec, containers, contexts)


#: one rule; None: the Pod keeps it
Check: TypeAlias = Callable[[Subject], Violation | None]


def _quoted(items: Iterable[str]) -> str:
    return ", ".join(f'"{item}"' for item in items)


def _named(noun: str, items: Collection[str]) -> str:
    """Return `container "a"`, or `containers "a", "b"`."""
    return f"{_plural(noun, items)} {_quoted(items)}"


def _plural(noun: str, items: Collection[str]) -> str:
    return noun if len(items) == 1 else f"{noun}s"


def _asking(
    named: Iterable[tuple[Name, T]], wrong_of: Callable[[T], Iterable[str]]
) -> tuple[list[Name], list[str]]:
    """Return the names of what asks for something wrong, and all that is asked for, in order."""
    found = [(name, wrong) for name, part in named if (wrong := set(wrong_of(part)))]
    return [name for name, _ in found], sorted({one for _, wrong in found for one in wrong})


def _shown(names: Sequence[str | None]) -> list[str]:
    """Return how owners of security contexts are named: `pod`, `container "a"`."""
    named = [name for name in names if name is not None]
    return [*(["pod"] if None in names else []), *([_named("container", named)] if named else [])]


def _setters(pod: Subject, breaks: Callable[[SecurityContext], bool]) -> list[str]:
    """Return who sets something wrong in a security context."""
    return _shown([name for name, context in pod.contexts if breaks(context)])


def _own_contexts(pod: Subject) -> Iterator[tuple[str, pod_pb2.SecurityContext]]:
    """Yield the security contexts of containers, each with the container's name."""
    for name, context in pod.contexts:
        if name is not None and isinstance(context, pod_pb2.SecurityContext):
            yield name, context


def _wrong_profile(field: str) -> Callable[[SecurityContext], Sequence[str]]:
    """Return what says which profile of a security context switches protection off."""

    def wrong(context: SecurityContext) -> Sequence[str]:
        profile = getattr(context, field).type
        return [profile] if context.HasField(field) and profile not in _PROFILES else ()

    return wrong


def _added_but(allowed: Set[str]) -> Callable[[pod_pb2.SecurityContext], Set[str]]:
    return lambda context: set(context.capabilities.add) - allowed


def _containers_that(pod: Subject, breaks: Callable[[Container], bool]) -> list[str]:
    return [container.name for container in pod.containers if breaks(container)]


# -- baseline


def app_armor_profile(pod: Subject) -> Violation | None:
    """The default AppArmor profile must not be switched off."""
    names, values = _asking(pod.contexts, _wrong_profile("app_armor_profile"))
    setters = _shown(names)
    annotations = sorted(
        f"{key}={go_quote(value)}"
        for key, value in pod.annotations.items()
        if key.startswith(_APPARMOR_ANNOTATION)
        and value not in ("", "runtime/default")
        and not value.startswith("localhost/")
    )
    shown = [*values, *annotations]
    if annotations:
        setters.append(_plural("annotation", annotations))
    if not setters:
        return None
    return Violation(
        _plural("forbidden AppArmor profile", shown),
        f"{' and '.join(setters)} must not set AppArmor profile type to {_quoted(shown)}",
    )


def capabilities_baseline(pod: Subject) -> Violation | None:
    """No capability may be added that a container does not have by default."""
    wrong, added = _asking(_own_contexts(pod), _added_but(_CAPABILITIES))
    if not wrong:
        return None
    what = f"must not include {_quoted(added)} in securityContext.capabilities.add"
    return Violation("non-default capabilities", f"{_named('container', wrong)} {what}")


def host_namespaces(pod: Subject) -> Violation | None:
    """The node's namespaces must not be shared."""
    shared = {
        "hostNetwork": pod.spec.host_network,
        "hostPID": pod.spec.host_pid,
        "hostIPC": pod.spec.host_ipc,
    }
    found = [f"{name}=true" for name, is_set in shared.items() if is_set]
    return Violation("host namespaces", ", ".join(found)) if found else None


def host_path_volumes(pod: Subject) -> Violation | None:
    """Nothing of the node's disk may be mounted."""
    found = [volume.name for volume in pod.spec.volumes if volume.volume_source.HasField("host_path")]
    return Violation("hostPath volumes", _named("volume", found)) if found else None


def host_ports(pod: Subject) -> Violation | None:
    """No port of the node may be taken."""
    wrong, ports = _asking(
        ((container.name, container.ports) for container in pod.containers),
        lambda listed: [str(port.host_port) for port in listed if port.host_port],
    )
    if not wrong:
        return None
    use, which = "uses" if len(wrong) == 1 else "use", _plural("hostPort", ports)
    return Violation("hostPort", f"{_named('container', wrong)} {use} {which} {', '.join(ports)}")


def host_probes_and_host_lifecycle(pod: Subject) -> Violation | None:
    """The kubelet must not be made to ask other hosts."""
    hosts, wrong = set[str](), set[str]()
    for container in pod.containers:
        lifecycle = container.lifecycle
        handlers = (
            container.liveness_probe.handler, container.readiness_probe.handler,
            container.startup_probe.handler, lifecycle.post_start, lifecycle.pre_stop,
        )  # fmt: skip
        asked = {host for one in handlers for host in (one.http_get.host, one.tcp_socket.host) if host}
        if asked:
            hosts |= asked
            wrong.add(container.name)
    if not wrong:
        return None
    use, which = "uses" if len(wrong) == 1 else "use", _plural("probe or lifecycle host", hosts)
    detail = f"{_named('container', sorted(wrong))} {use} {which} {_quoted(sorted(hosts))}"
    return Violation("probe or lifecycle host", detail)


def privileged(pod: Subject) -> Violation | None:
    """No container may be privileged."""
    wrong = [name for name, context in _own_contexts(pod) if context.privileged]
    if not wrong:
        return None
    return Violation(
        "privileged", f"{_named('container', wrong)} must not set securityContext.privileged=true"
    )


def proc_mount(pod: Subject) -> Violation | None:
    """What is masked in /proc must stay masked."""
    wrong, types = _asking(
        _own_contexts(pod),
        lambda context: (
            [context.proc_mount] if context.HasField("proc_mount") and context.proc_mount != "Default" else ()
        ),
    )
    if not wrong:
        return None
    what = f"must not set securityContext.procMount to {_quoted(types)}"
    return Violation("procMount", f"{_named('container', wrong)} {what}")


def se_linux_options(*types: str) -> Check:
    """Return the rule that allows these SELinux types, and no user or role."""
    allowed = frozenset({"", *types})

    def check(pod: Subject) -> Violation | None:
        wrong_types, said = set[str](), set[str]()

        def breaks(context: SecurityContext) -> bool:
            options = context.se_linux_options
            is_type_wrong = options.type not in allowed
            if is_type_wrong:
                wrong_types.add(options.type)
            said.update(name for name in ("user", "role") if getattr(options, name))
            return is_type_wrong or bool(options.user or options.role)

        setters = _setters(pod, breaks)
        if not setters:
            return None
        parts = [_named("type", sorted(wrong_types))] if wrong_types else []
        parts += [f"{name} may not be set" for name in ("user", "role") if name in said]
        what = f"set forbidden securityContext.seLinuxOptions: {'; '.join(parts)}"
        return Violation("seLinuxOptions", f"{' and '.join(setters)} {what}")

    return check


def seccomp_annotations(pod: Subject) -> Violation | None:
    """Seccomp must not be switched off (up to v1.18, by annotations)."""
    keys = [_SECCOMP_OF_POD, *(_SECCOMP_OF_CONTAINER + container.name for container in pod.containers)]
    found = {
        f"{key}={go_quote(value)}"
        for key in keys
        if (value := pod.annotations.get(key)) is not None
        and value not in ("runtime/default", "docker/default")
        and not value.startswith("localhost/")
    }
    if not found:
        return None
    return Violation("seccompProfile", f"forbidden {_plural('annotation', found)} {', '.join(sorted(found))}")


def seccomp_profile_baseline(pod: Subject) -> Violation | None:
    """Seccomp must not be switched off."""
    names, values = _asking(pod.contexts, _wrong_profile("seccomp_profile"))
    if not names:
        return None
    what = f"must not set securityContext.seccompProfile.type to {_quoted(values)}"
    return Violation("seccompProfile", f"{' and '.join(_shown(names))} {what}")


def sysctls(allowed: Collection[str]) -> Check:
    """Return the rule that allows these kernel parameters."""

    def check(pod: Subject) -> Violation | None:
        found = [item.name for item in pod.spec.security_context.sysctls if item.name not in allowed]
        return Violation("forbidden sysctls", ", ".join(found)) if found else None

    return check


def windows_host_process(pod: Subject) -> Violation | None:
    """No container may be a process of a Windows host."""
    setters = _setters(pod, lambda context: context.windows_options.host_process)
    if not setters:
        return None
    what = "must not set securityContext.windowsOptions.hostProcess=true"
    return Violation("hostProcess", f"{' and '.join(setters)} {what}")


# -- restricted


def allow_privilege_escalation(pod: Subject) -> Violation | None:
    """Every container must give up gaining rights."""

    def breaks(container: Container) -> bool:
        context = container.security_context
        return not context.HasField("allow_privilege_escalation") or context.allow_privilege_escalation

    wrong = _containers_that(pod, breaks)
    if not wrong:
        return None
    what = "must set securityContext.allowPrivilegeEscalation=false"
    return Violation("allowPrivilegeEscalation != false", f"{_named('container', wrong)} {what}")


def capabilities_restricted(pod: Subject) -> Violation | None:
    """Every container must drop all capabilities, and may add NET_BIND_SERVICE alone."""
    keeping = _containers_that(
        pod, lambda container: "ALL" not in container.security_context.capabilities.drop
    )
    (adding, added), details = _asking(_own_contexts(pod), _added_but({"NET_BIND_SERVICE"})), list[str]()
    if keeping:
        details.append(f'{_named("container", keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        what = f"must not include {_quoted(added)} in securityContext.capabilities.add"
        details.append(f"{_named('container', adding)} {what}")
    return Violation("unrestricted capabilities", "; ".join(details)) if details else None


def restricted_volumes(pod: Subject) -> Violation | None:
    """Only volumes may be mounted that are made for Pods."""
    wrong, types = list[str](), set[str]()
    for volume in pod.spec.volumes:
        sources = {field.name: field.json_name for field, _ in volume.volume_source.ListFields()}
        if not _VOLUMES & sources.keys():
            wrong.append(volume.name)
            # By the number of the field, as upstream's cases come.
            types.add(next(iter(sources.values()), "unknown"))
    if not wrong:
        return None
    use = "uses" if len(wrong) == 1 else "use"
    which = f"{_plural('restricted volume type', types)} {_quoted(sorted(types))}"
    return Violation("restricted volume types", f"{_named('volume', wrong)} {use} {which}")


def run_as_non_root(pod: Subject) -> Violation | None:
    """Every container must be required to run as somebody else than root."""

    def is_set(context: Message) -> bool:
        return context.HasField("run_as_non_root")

    setters = _setters(pod, lambda context: is_set(context) and not context.run_as_non_root)
    if setters:
        what = "must not set securityContext.runAsNonRoot=false"
        return Violation("runAsNonRoot != true", f"{' and '.join(setters)} {what}")
    if pod.spec.security_context.run_as_non_root:
        return None
    silent = _containers_that(pod, lambda container: not is_set(container.security_context))
    if not silent:
        return None
    what = "must set securityContext.runAsNonRoot=true"
    return Violation("runAsNonRoot != true", f"pod or {_named('container', silent)} {what}")


def run_as_user(pod: Subject) -> Violation | None:
    """No container may ask for root by number."""
    setters = _setters(pod, lambda context: context.HasField("run_as_user") and context.run_as_user == 0)
    return Violation("runAsUser=0", f"{' and '.join(setters)} must not set runAsUser=0") if setters else None


def seccomp_profile_restricted(pod: Subject) -> Violation | None:
    """Every container must have a seccomp profile."""
    found = seccomp_profile_baseline(pod)
    if found is not None or pod.spec.security_context.HasField("seccomp_profile"):
        return found
    silent = _containers_that(pod, lambda one: not one.security_context.HasField("seccomp_profile"))
    if not silent:
        return None
    what = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Violation("seccompProfile", f"pod or {_named('container', silent)} {what}")


# -- exemptions


def unless_windows(check: Check) -> Check:
    """Return a rule that a Pod for Windows need not keep: validation lets it set none of these fields."""
    return lambda pod: None if pod.spec.os.name == "windows" else check(pod)


def unless_user_namespace(check: Check) -> Check:
    """Return a rule that a Pod with user ids of its own (`hostUsers: false`) need not keep."""
    return lambda pod: None if pod.spec.HasField("host_users") and not pod.spec.host_users else check(pod)
