"""Rules for security contexts of Pods and containers: users, profiles, privileges, kernel parameters.

Follows `pkg/apis/core/validation`: ValidateSecurityContext, validatePodSpecSecurityContext, validateSysctls.
"""

from collections.abc import Iterable
from typing import Final

from apiserver.validation import windows
from apiserver.validation.place import Place
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names

_PROFILES: Final = ("Localhost", "RuntimeDefault", "Unconfined")
_PROC_MOUNTS: Final = ("Default", "Unmasked")
_FS_GROUP_POLICIES: Final = ("Always", "OnRootMismatch")
_GROUP_POLICIES: Final = ("Merge", "Strict")
_SELINUX_POLICIES: Final = ("MountOption", "Recursive")
_MAX_PROFILE_BYTES: Final = 4095
#: kernel parameters that belong to a namespace which a Pod may share with its host
_NET_SYSCTLS: Final = ("net.",)
_IPC_SYSCTLS: Final = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")


def check_id(path: Place, value: int) -> None:
    """Check the number of a user or group."""
    path.check_value(value, names.user_or_group_id)


def check_seccomp(path: Place, profile: pod_pb2.SeccompProfile) -> None:
    """Check a seccomp profile."""
    if not profile.type:
        path.child("type").required("type is required when seccompProfile is set")
    else:
        path.child("type").check_supported(profile.type, _PROFILES)
    at = path.child("localhostProfile")
    if profile.type == "Localhost":
        if not profile.HasField("localhost_profile"):
            at.required("must be set when seccomp type is Localhost")
        else:
            at.check_value(profile.localhost_profile, names.local_descending_path)
    elif profile.HasField("localhost_profile"):
        at.invalid(profile, "can only be set when seccomp type is Localhost")


def check_app_armor(path: Place, profile: pod_pb2.AppArmorProfile) -> None:
    """Check an AppArmor profile."""
    at = path.child("localhostProfile")
    if profile.type == "Localhost":
        _check_local_profile(at, profile)
    elif profile.type in _PROFILES:
        if profile.HasField("localhost_profile"):
            at.invalid(profile.localhost_profile, "can only be set when AppArmor type is Localhost")
    elif not profile.type:
        path.child("type").required("type is required when appArmorProfile is set")
    else:
        path.child("type").not_supported(profile.type, _PROFILES)


def _check_local_profile(path: Place, profile: pod_pb2.AppArmorProfile) -> None:
    name = profile.localhost_profile
    if name != name.strip():
        path.invalid(name, "must not be padded with whitespace")
    elif not name:
        path.required("must be set when AppArmor type is Localhost")
    if names.size(name) > _MAX_PROFILE_BYTES:
        path.too_long(_MAX_PROFILE_BYTES)


def check_container(path: Place, context: pod_pb2.SecurityContext, *, host_users: bool) -> None:
    """Check a container's security context; `host_users` says that the Pod shares the host's users."""
    if context.HasField("run_as_user"):
        check_id(path.child("runAsUser"), context.run_as_user)
    if context.HasField("run_as_group"):
        check_id(path.child("runAsGroup"), context.run_as_group)
    if context.HasField("proc_mount"):
        _check_proc_mount(path.child("procMount"), context.proc_mount, host_users=host_users)
    if context.HasField("seccomp_profile"):
        check_seccomp(path.child("seccompProfile"), context.seccomp_profile)
    if context.HasField("allow_privilege_escalation") and not context.allow_privilege_escalation:
        _check_no_escalation(path, context)
    if context.HasField("windows_options"):
        windows.check_options(path.child("windowsOptions"), context.windows_options)
    if context.HasField("app_armor_profile"):
        check_app_armor(path.child("appArmorProfile"), context.app_armor_profile)


def _check_proc_mount(path: Place, proc_mount: str, *, host_users: bool) -> None:
    path.check_supported(proc_mount, _PROC_MOUNTS)
    if host_users and proc_mount == "Unmasked":
        path.invalid(proc_mount, "`hostUsers` must be false to use `Unmasked`")


def _check_no_escalation(path: Place, context: pod_pb2.SecurityContext) -> None:
    if context.privileged:
        path.invalid(context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true")
    detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
    for name in context.capabilities.add:
        if name == "CAP_SYS_ADMIN":
            path.invalid(context, detail)


def check_pod(path: Place, spec: pod_pb2.PodSpec) -> None:
    """Check a Pod's security context."""
    context = spec.security_context
    for field in ("fs_group", "run_as_user", "run_as_group"):
        if context.HasField(field):
            check_id(path.field(context, field), getattr(context, field))
    for index, group in enumerate(context.supplemental_groups):
        check_id(path.child("supplementalGroups").index(index), group)
    if context.sysctls:
        _check_sysctls(path.child("sysctls"), context.sysctls, spec)
    path.check_given(context, "fs_group_change_policy", _FS_GROUP_POLICIES)
    if context.HasField("seccomp_profile"):
        check_seccomp(path.child("seccompProfile"), context.seccomp_profile)
    if context.HasField("windows_options"):
        windows.check_options(path.child("windowsOptions"), context.windows_options)
    if context.HasField("app_armor_profile"):
        check_app_armor(path.child("appArmorProfile"), context.app_armor_profile)
    path.check_given(context, "supplemental_groups_policy", _GROUP_POLICIES)
    path.check_given(context, "se_linux_change_policy", _SELINUX_POLICIES)


def _check_sysctls(path: Place, sysctls: Iterable[pod_pb2.Sysctl], spec: pod_pb2.PodSpec) -> None:
    seen: set[str] = set()
    for index, sysctl in enumerate(sysctls):
        at = path.index(index).child("name")
        if not sysctl.name:
            at.required()
        elif names.sysctl(sysctl.name):
            at.check_value(sysctl.name, names.sysctl)
        elif sysctl.name in seen:
            at.duplicate(sysctl.name)
        dotted = sysctl.name.replace("/", ".")
        if spec.host_network and dotted.startswith(_NET_SYSCTLS):
            at.invalid(sysctl.name, "may not be specified when 'hostNetwork' is true")
        elif spec.host_ipc and dotted.startswith(_IPC_SYSCTLS):
            at.invalid(sysctl.name, "may not be specified when 'hostIPC' is true")
        seen.add(sysctl.name)


def check_host_users(path: Place, spec: pod_pb2.PodSpec) -> None:
    """Check that a Pod with users of its own shares no other namespace with its host (KEP-127)."""
    if not spec.HasField("host_users") or spec.host_users:
        return
    # Upstream names two of them with a capital letter.
    fields = (("hostNetwork", spec.host_network), ("HostPID", spec.host_pid), ("HostIPC", spec.host_ipc))
    for shown, given in fields:
        if given:
            path.child(shown).forbidden("when `pod.Spec.HostUsers` is false")
