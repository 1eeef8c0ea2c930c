"""PURE: which level of the Pod Security Standards a namespace asks for, read from its labels.

Follows k8s.io/pod-security-admission `api/helpers.go`. Labels that cannot be read are errors of the namespace;
Pods are then held to `restricted` and `latest`, and nobody is warned.
"""

import re
from collections.abc import Mapping
from enum import IntEnum
from typing import Final, NamedTuple

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
    """Return the policy of a namespace, and what is wrong with its labels.

    Args:
        labels: of the namespace.
        defaults: what holds for a mode that no label names.
    """
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
