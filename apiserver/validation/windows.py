"""Rules for Windows' security options, and for what a Pod may set on either operating system.

Vaina's nodes run Linux; manifests written for Windows are still checked as everywhere. Follows
`pkg/apis/core/validation`: validateWindowsSecurityContextOptions, validateWindowsHostProcessPod,
validateLinux, validateWindows.
"""

import re
from collections.abc import Iterator
from typing import Final

from apiserver.validation.place import Place
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names

AnyContainer = pod_pb2.Container | pod_pb2.EphemeralContainerCommon

_MAX_SPEC_KIB: Final = 64
_MAX_DOMAIN: Final = 256
_MAX_USER: Final = 104
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_NET_BIOS: Final = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}')
_DNS_LABEL: Final = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_DNS: Final = re.compile(rf"{_DNS_LABEL}(?:\.{_DNS_LABEL})*", re.ASCII)
_BAD_USER_CHARS: Final = re.compile(r'["/\\:;|=,+*?<>@\[\]]')
_DOTS_AND_SPACES: Final = re.compile(r"[. ]+")

NOT_ON_WINDOWS: Final = "cannot be set for a windows pod"
NOT_ON_LINUX: Final = "windows options cannot be set for a linux pod"


def check_options(path: Place, options: pod_pb2.WindowsSecurityContextOptions) -> None:
    """Check the options of one security context."""
    if options.HasField("gmsa_credential_spec_name"):
        name = options.gmsa_credential_spec_name
        path.child("gmsaCredentialSpecName").check_value(name, names.dns_1123_subdomain)
    if options.HasField("gmsa_credential_spec"):
        spec, at = options.gmsa_credential_spec, path.child("gmsaCredentialSpec")
        if not spec:
            at.invalid(spec, "gmsaCredentialSpec cannot be an empty string")
        elif names.size(spec) > _MAX_SPEC_KIB * 1024:
            at.invalid(spec, f"gmsaCredentialSpec size must be under {_MAX_SPEC_KIB} KiB")
    if options.HasField("run_as_user_name"):
        name, at = options.run_as_user_name, path.child("runAsUserName")
        for problem in _user_name(name):
            at.invalid(name, f"runAsUserName{problem}")


def _user_name(name: str) -> Iterator[str]:
    if not name:
        yield " cannot be an empty string"
        return
    if _CONTROL.search(name):
        yield " cannot contain control characters"
        return
    if name.count("\\") > 1:
        yield " cannot contain more than one backslash"
        return
    domain, backslash, user = name.rpartition("\\")
    if names.size(domain) >= _MAX_DOMAIN:
        yield f"'s Domain length must be under {_MAX_DOMAIN} characters"
    if backslash and not (_NET_BIOS.fullmatch(domain) or _DNS.fullmatch(domain)):
        yield "'s Domain doesn't match the NetBios nor the DNS format"
    if not user:
        yield "'s User cannot be empty"
    elif names.size(user) > _MAX_USER:
        yield f"'s User length must not be longer than {_MAX_USER} characters"
    if _DOTS_AND_SPACES.fullmatch(user):
        yield "'s User cannot contain only periods or spaces"
    if _BAD_USER_CHARS.search(user):
        yield "'s User cannot contain the following characters: \"/\\:;|=,+*?<>@[]"


def visit_containers(spec: pod_pb2.PodSpec, path: Place) -> Iterator[tuple[AnyContainer, Place]]:
    """Yield all containers of a Pod with their paths: init, regular, ephemeral."""
    for index, container in enumerate(spec.init_containers):
        yield container, path.child("initContainers").index(index)
    for index, container in enumerate(spec.containers):
        yield container, path.child("containers").index(index)
    for index, ephemeral in enumerate(spec.ephemeral_containers):
        yield ephemeral.ephemeral_container_common, path.child("ephemeralContainers").index(index)


def _host_process(context: pod_pb2.PodSecurityContext | pod_pb2.SecurityContext) -> bool | None:
    """Return hostProcess of a security context, or None when it is unset."""
    options = context.windows_options
    return options.host_process if options.HasField("host_process") else None


def check_host_process(path: Place, spec: pod_pb2.PodSpec) -> None:
    """Check that either all containers are processes of a Windows host, or none."""
    containers = (*spec.containers, *spec.init_containers)
    contexts = [spec.security_context, *(container.security_context for container in containers)]
    if not any(context.HasField("windows_options") for context in contexts) and not spec.ephemeral_containers:
        return
    of_pod = _host_process(spec.security_context)
    count = host_processes = 0
    for container, at in visit_containers(spec, path):
        count += 1
        own = _host_process(container.security_context)
        if of_pod is not None and own is not None and of_pod != own:
            was = "true" if of_pod else "false"
            detail = f"pod hostProcess value must be identical if both are specified, was {was}"
            at.child("securityContext", "windowsOptions", "hostProcess").invalid(own, detail)
        host_processes += bool(own if own is not None else of_pod)
    if not host_processes:
        return
    if host_processes != count:
        detail = (
            "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        )
        path.invalid("", detail)
    if not spec.host_network:
        detail = "hostNetwork must be true if pod contains any hostProcess containers"
        path.child("hostNetwork").invalid(False, detail)


#: fields of security contexts that Windows does not know, in the order in which upstream looks at them
_POD_FIELDS: Final = ("app_armor_profile", "se_linux_options")
_POD_FIELDS_AFTER_HOST: Final = ("seccomp_profile", "fs_group", "fs_group_change_policy", "sysctls")
_POD_FIELDS_LAST: Final = (
    "run_as_user", "run_as_group", "supplemental_groups", "supplemental_groups_policy", "se_linux_change_policy",
)  # fmt: skip
_CONTAINER_FIELDS: Final = (
    "app_armor_profile", "se_linux_options", "seccomp_profile", "capabilities", "read_only_root_filesystem",
    "privileged", "allow_privilege_escalation", "proc_mount", "run_as_user", "run_as_group",
)  # fmt: skip


def check_os(path: Place, spec: pod_pb2.PodSpec) -> None:
    """Check the operating system that a Pod names, and that nothing of the other one is set."""
    at = path.child("os")
    if not spec.os.name:
        at.child("name").required()
    elif spec.os.name == "linux":
        _check_linux(path, spec)
    elif spec.os.name == "windows":
        _check_windows(path, spec)
    else:
        at.not_supported(spec.os.name, ["linux", "windows"])


def _check_linux(path: Place, spec: pod_pb2.PodSpec) -> None:
    if spec.security_context.HasField("windows_options"):
        path.child("securityContext", "windowsOptions").forbidden(NOT_ON_LINUX)
    for container, at in visit_containers(spec, path):
        if container.security_context.HasField("windows_options"):
            at.child("securityContext", "windowsOptions").forbidden(NOT_ON_LINUX)


def _check_windows(path: Place, spec: pod_pb2.PodSpec) -> None:
    at, context = path.child("securityContext"), spec.security_context
    at.check_absent(context, _POD_FIELDS, NOT_ON_WINDOWS)
    hosts = (
        ("hostUsers", spec.HasField("host_users")), ("hostPID", spec.host_pid), ("hostIPC", spec.host_ipc),
    )  # fmt: skip
    for shown, given in hosts:
        if given:
            path.child(shown).forbidden(NOT_ON_WINDOWS)
    at.check_absent(context, _POD_FIELDS_AFTER_HOST, NOT_ON_WINDOWS)
    if spec.HasField("share_process_namespace"):
        path.child("shareProcessNamespace").forbidden(NOT_ON_WINDOWS)
    at.check_absent(context, _POD_FIELDS_LAST, NOT_ON_WINDOWS)
    for container, container_path in visit_containers(spec, path):
        at = container_path.child("securityContext")
        at.check_absent(container.security_context, _CONTAINER_FIELDS, NOT_ON_WINDOWS)
