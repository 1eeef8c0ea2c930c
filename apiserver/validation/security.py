"""Rules for security contexts of Pods and containers: users, profiles, privileges, kernel parameters.

Follows `pkg/apis/core/validation`: ValidateSecurityContext, validatePodSpecSecurityContext, validateSysctls.
"""

from collections.abc import Iterable
from typing import Final

from apiserver.validation import windows
from apiserver.validation.metadata import Errors, check_text
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names
from vaina.objects.field_path import Path, duplicate, forbidden, invalid, not_supported, required, too_long

_PROFILES: Final = ("Localhost", "RuntimeDefault", "Unconfined")
_PROC_MOUNTS: Final = ("Default", "Unmasked")
_FS_GROUP_POLICIES: Final = ("Always", "OnRootMismatch")
_GROUP_POLICIES: Final = ("Merge", "Strict")
_SELINUX_POLICIES: Final = ("MountOption", "Recursive")
_MAX_PROFILE_BYTES: Final = 4095
#: kernel parameters that belong to a namespace which a Pod may share with its host
_NET_SYSCTLS: Final = ("net.",)
_IPC_SYSCTLS: Final = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")


def check_id(errors: Errors, path: Path, value: int) -> None:
    """Check the number of a user or group."""
    errors.extend(invalid(path, value, problem) for problem in names.user_or_group_id(value))


def check_seccomp(errors: Errors, path: Path, profile: pod_pb2.SeccompProfile) -> None:
    """Check a seccomp profile."""
    if not profile.type:
        errors.append(required(path.child("type"), "type is required when seccompProfile is set"))
    elif profile.type not in _PROFILES:
        errors.append(not_supported(path.child("type"), profile.type, _PROFILES))
    at = path.child("localhostProfile")
    if profile.type == "Localhost":
        if not profile.HasField("localhost_profile"):
            errors.append(required(at, "must be set when seccomp type is Localhost"))
        else:
            check_text(errors, at, profile.localhost_profile, names.local_descending_path)
    elif profile.HasField("localhost_profile"):
        errors.append(invalid(at, profile, "can only be set when seccomp type is Localhost"))


def check_app_armor(errors: Errors, path: Path, profile: pod_pb2.AppArmorProfile) -> None:
    """Check an AppArmor profile."""
    at = path.child("localhostProfile")
    if profile.type == "Localhost":
        _check_local_profile(errors, at, profile)
    elif profile.type in _PROFILES:
        if profile.HasField("localhost_profile"):
            detail = "can only be set when AppArmor type is Localhost"
            errors.append(invalid(at, profile.localhost_profile, detail))
    elif not profile.type:
        errors.append(required(path.child("type"), "type is required when appArmorProfile is set"))
    else:
        errors.append(not_supported(path.child("type"), profile.type, _PROFILES))


def _check_local_profile(errors: Errors, path: Path, profile: pod_pb2.AppArmorProfile) -> None:
    name = profile.localhost_profile
    if name != name.strip():
        errors.append(invalid(path, name, "must not be padded with whitespace"))
    elif not name:
        errors.append(required(path, "must be set when AppArmor type is Localhost"))
    if names.size(name) > _MAX_PROFILE_BYTES:
        errors.append(too_long(path, _MAX_PROFILE_BYTES))


def check_container(
    errors: Errors, path: Path, context: pod_pb2.SecurityContext, *, host_users: bool
) -> None:
    """Check a container's security context; `host_users` says that the Pod shares the host's users."""
    if context.HasField("run_as_user"):
        check_id(errors, path.child("runAsUser"), context.run_as_user)
    if context.HasField("run_as_group"):
        check_id(errors, path.child("runAsGroup"), context.run_as_group)
    if context.HasField("proc_mount"):
        _check_proc_mount(errors, path.child("procMount"), context.proc_mount, host_users=host_users)
    if context.HasField("seccomp_profile"):
        check_seccomp(errors, path.child("seccompProfile"), context.seccomp_profile)
    if context.HasField("allow_privilege_escalation") and not context.allow_privilege_escalation:
        _check_no_escalation(errors, path, context)
    if context.HasField("windows_options"):
        windows.check_options(errors, path.child("windowsOptions"), context.windows_options)
    if context.HasField("app_armor_profile"):
        check_app_armor(errors, path.child("appArmorProfile"), context.app_armor_profile)


def _check_proc_mount(errors: Errors, path: Path, proc_mount: str, *, host_users: bool) -> None:
    if proc_mount not in _PROC_MOUNTS:
        errors.append(not_supported(path, proc_mount, _PROC_MOUNTS))
    if host_users and proc_mount == "Unmasked":
        errors.append(invalid(path, proc_mount, "`hostUsers` must be false to use `Unmasked`"))


def _check_no_escalation(errors: Errors, path: Path, context: pod_pb2.SecurityContext) -> None:
    if context.privileged:
        detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        errors.append(invalid(path, context, detail))
    detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
    errors.extend(
        invalid(path, context, detail) for name in context.capabilities.add if name == "CAP_SYS_ADMIN"
    )


def check_pod(errors: Errors, path: Path, spec: pod_pb2.PodSpec) -> None:
    """Check a Pod's security context."""
    context = spec.security_context
    for field, shown in (
        ("fs_group", "fsGroup"),
        ("run_as_user", "runAsUser"),
        ("run_as_group", "runAsGroup"),
    ):
        if context.HasField(field):
            check_id(errors, path.child(shown), getattr(context, field))
    for index, group in enumerate(context.supplemental_groups):
        check_id(errors, path.child("supplementalGroups").index(index), group)
    if context.sysctls:
        _check_sysctls(errors, path.child("sysctls"), context.sysctls, spec)
    _check_pod_profiles(errors, path, context)
    _check_pod_policies(errors, path, context)


def _check_pod_profiles(errors: Errors, path: Path, context: pod_pb2.PodSecurityContext) -> None:
    policy = context.fs_group_change_policy
    if context.HasField("fs_group_change_policy") and policy not in _FS_GROUP_POLICIES:
        errors.append(not_supported(path.child("fsGroupChangePolicy"), policy, _FS_GROUP_POLICIES))
    if context.HasField("seccomp_profile"):
        check_seccomp(errors, path.child("seccompProfile"), context.seccomp_profile)
    if context.HasField("windows_options"):
        windows.check_options(errors, path.child("windowsOptions"), context.windows_options)
    if context.HasField("app_armor_profile"):
        check_app_armor(errors, path.child("appArmorProfile"), context.app_armor_profile)


def _check_pod_policies(errors: Errors, path: Path, context: pod_pb2.PodSecurityContext) -> None:
    groups = context.supplemental_groups_policy
    if context.HasField("supplemental_groups_policy") and groups not in _GROUP_POLICIES:
        errors.append(not_supported(path.child("supplementalGroupsPolicy"), groups, _GROUP_POLICIES))
    selinux = context.se_linux_change_policy
    if context.HasField("se_linux_change_policy") and selinux not in _SELINUX_POLICIES:
        errors.append(not_supported(path.child("seLinuxChangePolicy"), selinux, _SELINUX_POLICIES))


def _check_sysctls(
    errors: Errors, path: Path, sysctls: Iterable[pod_pb2.Sysctl], spec: pod_pb2.PodSpec
) -> None:
    seen: set[str] = set()
    for index, sysctl in enumerate(sysctls):
        at = path.index(index).child("name")
        if not sysctl.name:
            errors.append(required(at))
        elif names.sysctl(sysctl.name):
            check_text(errors, at, sysctl.name, names.sysctl)
        elif sysctl.name in seen:
            errors.append(duplicate(at, sysctl.name))
        dotted = sysctl.name.replace("/", ".")
        if spec.host_network and dotted.startswith(_NET_SYSCTLS):
            errors.append(invalid(at, sysctl.name, "may not be specified when 'hostNetwork' is true"))
        elif spec.host_ipc and dotted.startswith(_IPC_SYSCTLS):
            errors.append(invalid(at, sysctl.name, "may not be specified when 'hostIPC' is true"))
        seen.add(sysctl.name)


def check_host_users(errors: Errors, path: Path, spec: pod_pb2.PodSpec) -> None:
    """Check that a Pod with users of its own shares no other namespace with its host (KEP-127).

    Upstream names two of the fields with a capital letter.
    """
    if not spec.HasField("host_users") or spec.host_users:
        return
    fields = (("hostNetwork", spec.host_network), ("HostPID", spec.host_pid), ("HostIPC", spec.host_ipc))
    errors.extend(
        forbidden(path.child(shown), "when `pod.Spec.HostUsers` is false") for shown, given in fields if given
    )
