"""PURE: the levels of the Pod Security Standards: which one a namespace asks for, which rules make up a level in
which version, and what a Pod breaks.

Follows k8s.io/pod-security-admission `api/helpers.go`, `policy/registry.go` and `policy/checks.go`. Labels that
cannot be read are errors of the namespace; Pods are then held to `restricted` and `latest`, and nobody is
warned.
"""

import re
from collections.abc import Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple

from apiserver.admission.pod_security import checks
from apiserver.admission.pod_security.checks import Check, Subject, Violation
from vaina.errors import FieldError
from vaina.objects import field_path

PREFIX: Final = "pod-security.kubernetes.io/"
_LABELS: Final = field_path.Path("metadata", "labels")
_VERSION: Final = re.compile(r"v1\.(0|[1-9][0-9]*)")


class Level(IntEnum):
    """How much a Pod may ask for; the greater the stricter."""

    PRIVILEGED = 0
    BASELINE = 1
    RESTRICTED = 2


#: the minor version that is newer than every other
LATEST: Final = 1 << 63


class LevelVersion(NamedTuple):
    """A level as one minor version of Kubernetes had it."""

    level: Level
    minor: int = LATEST

    def __str__(self) -> str:
        return f"{self.level.name.lower()}:{'latest' if self.minor == LATEST else f'v1.{self.minor}'}"


class Policy(NamedTuple):
    """What a namespace asks of its Pods."""

    #: a Pod beyond it is refused
    enforce: LevelVersion
    #: a request beyond it is noted in the audit log
    audit: LevelVersion
    #: the caller is warned of a request beyond it
    warn: LevelVersion

    @property
    def is_privileged(self) -> bool:
        """Whether every Pod passes without a word."""
        return all(mode.level is Level.PRIVILEGED for mode in self)


PRIVILEGED: Final = Policy(*(LevelVersion(Level.PRIVILEGED),) * 3)


def policy_of(labels: Mapping[str, str], defaults: Policy) -> tuple[Policy, list[FieldError]]:
    """Return the policy of a namespace by its labels, and what is wrong with them."""
    errors: list[FieldError] = []
    modes = dict[str, LevelVersion]()
    for mode, default in zip(Policy._fields, defaults, strict=True):
        level, minor = default
        name, version = labels.get(PREFIX + mode), labels.get(f"{PREFIX}{mode}-version")
        if name is not None:
            found = Level.__members__.get(name.upper()) if name.islower() else None
            if found is None:
                errors.append(_wrong(mode, name, "must be one of privileged, baseline, restricted"))
                found = Level.RESTRICTED if mode == "enforce" else Level.PRIVILEGED
            elif mode == "enforce":
                modes["named"] = LevelVersion(found)
            level = found
        if version is not None:
            read = _minor(version)
            if read is None:
                errors.append(_wrong(f"{mode}-version", version, 'must be "latest" or "v1.x"'))
            minor = LATEST if read is None else read
        modes[mode] = LevelVersion(level, minor)
    enforce, warn = modes["enforce"], modes["warn"]
    if "named" in modes and PREFIX + "warn" not in labels and enforce.level > warn.level:
        # Only Pods are refused: a warning tells the author of a template that its Pods will be.
        is_version_named = f"{PREFIX}warn-version" in labels
        warn = LevelVersion(enforce.level, warn.minor if is_version_named else enforce.minor)
    return Policy(enforce, modes["audit"], warn), errors


def _minor(version: str) -> int | None:
    """Return the minor version that a label names; None when it names none."""
    if version == "latest":
        return LATEST
    match = _VERSION.fullmatch(version)
    # More than an int64 holds is no version, as for upstream.
    return int(match[1]) if match and int(match[1]) < LATEST else None


def _wrong(label: str, value: str, detail: str) -> FieldError:
    return field_path.invalid(_LABELS.key(PREFIX + label), value, detail)


_SE_LINUX: Final = ("container_t", "container_init_t", "container_kvm_t")
_SYSCTLS_0: Final = (
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
)  # fmt: skip
_SYSCTLS_27: Final = (*_SYSCTLS_0, "net.ipv4.ip_local_reserved_ports")
_SYSCTLS_29: Final = (
    *_SYSCTLS_27, "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
)  # fmt: skip
_SYSCTLS_32: Final = (*_SYSCTLS_29, "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem")
_SYSCTLS_37: Final = (*_SYSCTLS_32, "net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat")


class Rule(NamedTuple):
    """A rule of a level, in each form that it has had."""

    id: str
    #: (first minor version, form), the oldest first
    forms: Sequence[tuple[int, Check]]
    #: the baseline rule that a restricted one replaces
    overrides: str = ""


BASELINE: Final = (
    Rule("appArmorProfile", [(0, checks.app_armor_profile)]),
    Rule("capabilities_baseline", [(0, checks.capabilities_baseline)]),
    Rule("hostNamespaces", [(0, checks.host_namespaces)]),
    Rule("hostPathVolumes", [(0, checks.host_path_volumes)]),
    Rule("hostPorts", [(0, checks.host_ports)]),
    Rule("hostProbesAndHostLifecycle", [(34, checks.host_probes_and_host_lifecycle)]),
    Rule("privileged", [(0, checks.privileged)]),
    Rule("procMount", [(0, checks.proc_mount), (35, checks.unless_user_namespace(checks.proc_mount))]),
    Rule(
        "seLinuxOptions",
        [
            (0, checks.se_linux_options(*_SE_LINUX)),
            (31, checks.se_linux_options(*_SE_LINUX, "container_engine_t")),
        ],
    ),
    Rule(
        "seccompProfile_baseline", [(0, checks.seccomp_annotations), (19, checks.seccomp_profile_baseline)]
    ),
    Rule(
        "sysctls",
        [
            (0, checks.sysctls(_SYSCTLS_0)), (27, checks.sysctls(_SYSCTLS_27)), (29, checks.sysctls(_SYSCTLS_29)),
            (32, checks.sysctls(_SYSCTLS_32)), (37, checks.sysctls(_SYSCTLS_37)),
        ],
    ),
    Rule("windowsHostProcess", [(0, checks.windows_host_process)]),
)  # fmt: skip
RESTRICTED: Final = (
    Rule(
        "allowPrivilegeEscalation",
        [
            (8, checks.allow_privilege_escalation),
            (25, checks.unless_windows(checks.allow_privilege_escalation)),
        ],
    ),
    Rule(
        "capabilities_restricted",
        [(22, checks.capabilities_restricted), (25, checks.unless_windows(checks.capabilities_restricted))],
        overrides="capabilities_baseline",
    ),
    Rule("procMount_restricted", [(35, checks.proc_mount)], overrides="procMount"),
    Rule("restrictedVolumes", [(0, checks.restricted_volumes)], overrides="hostPathVolumes"),
    Rule(
        "runAsNonRoot",
        [(0, checks.run_as_non_root), (35, checks.unless_user_namespace(checks.run_as_non_root))],
    ),
    Rule("runAsUser", [(23, checks.run_as_user), (35, checks.unless_user_namespace(checks.run_as_user))]),
    Rule(
        "seccompProfile_restricted",
        [
            (19, checks.seccomp_profile_restricted),
            (25, checks.unless_windows(checks.seccomp_profile_restricted)),
        ],
        overrides="seccompProfile_baseline",
    ),
)


@lru_cache(maxsize=256)
def checks_of(asked: LevelVersion) -> tuple[Check, ...]:
    """Return the rules of a level in a version: those of baseline first, each by its id."""
    if asked.level is Level.PRIVILEGED:
        return ()
    restricted = (
        [rule for rule in RESTRICTED if _form(rule, asked.minor)] if asked.level is Level.RESTRICTED else []
    )
    overridden = {rule.overrides for rule in restricted}
    kept = [*(rule for rule in BASELINE if rule.id not in overridden), *restricted]
    return tuple(check for rule in kept if (check := _form(rule, asked.minor)) is not None)


def _form(rule: Rule, minor: int) -> Check | None:
    """Return the form of a rule in a minor version; None: that version has no such rule."""
    return next((check for since, check in reversed(rule.forms) if since <= minor), None)


def evaluate(asked: LevelVersion, pod: Subject) -> list[Violation]:
    """Return what a Pod breaks of a level, in the order of the rules."""
    return [found for check in checks_of(asked) if (found := check(pod)) is not None]


def reasons(violations: Sequence[Violation]) -> str:
    """Return the reasons in one line."""
    return ", ".join(violation.reason for violation in violations)


def details(violations: Sequence[Violation]) -> str:
    """Return the reasons with their details in one line."""
    return ", ".join(f"{reason} ({detail})" if detail else reason for reason, detail in violations)
