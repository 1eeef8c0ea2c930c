"""PURE: upstream's audit Policy: which requests are written to the log, and how much of them.

The first rule that matches a request says its level; without any nothing is written. Kinds, rules and texts
follow apiserver `pkg/apis/audit/v1/types.go`, `pkg/audit/policy/checker.go` and
`pkg/apis/audit/validation/validation.go`.
"""

from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path as File
from typing import Any, Final, NamedTuple

import msgspec

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.methods import Action
from apiserver.files import parse_file
from vaina.config import ConfigError
from vaina.errors import FieldError
from vaina.objects import names
from vaina.objects.field_path import Path, invalid, not_supported, required
from vaina.serving.handlers import User

API_VERSION: Final = "audit.k8s.io/v1"
REQUEST_RECEIVED: Final = "RequestReceived"
RESPONSE_STARTED: Final = "ResponseStarted"
RESPONSE_COMPLETE: Final = "ResponseComplete"
PANIC: Final = "Panic"
_STAGES: Final = (REQUEST_RECEIVED, RESPONSE_STARTED, RESPONSE_COMPLETE, PANIC)
_LEVELS: Final = ("None", "Metadata", "Request", "RequestResponse")


class Level(IntEnum):
    """How much of a request is written."""

    NONE = 0
    METADATA = 1
    REQUEST = 2
    REQUEST_RESPONSE = 3

    @property
    def word(self) -> str:
        return _LEVELS[self]


class GroupResources(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Resources of a group; without any: all of it."""

    group: str = ""
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()

    def matches(self, asked: Attributes) -> bool:
        if self.group not in (asked.group, "*"):
            return False
        if not self.resources:
            return True
        if self.resource_names and asked.name not in self.resource_names:
            return False
        wanted = ("*", asked.combined, f"{asked.resource}/*")
        return any(
            one in wanted or (asked.subresource and one == f"*/{asked.subresource}") for one in self.resources
        )

    def has_some_of(self, action: Action) -> bool:
        """Say whether it may match calls of a method; some name a sub-resource in their requests."""
        return self.group in (action.group, "*") and (
            not self.resources
            or any(one.partition("/")[0] in ("*", action.resource) for one in self.resources)
        )

    def is_all_of(self, action: Action) -> bool:
        """Say whether it matches all calls of a method, whatever they name."""
        if self.group not in (action.group, "*") or self.resource_names:
            return False
        # Some methods name a sub-resource in their requests.
        exact = action.resource if action.verb not in ("get", "patch") else "*"
        whole = f"{exact}/{action.subresource}" if action.subresource else exact
        return not self.resources or not {"*", whole}.isdisjoint(self.resources)


class PolicyRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Requests that match all that is named here are written at a level."""

    level: str = ""
    users: tuple[str, ...] = ()
    user_groups: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    resources: tuple[GroupResources, ...] = ()
    namespaces: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = msgspec.field(default=(), name="nonResourceURLs")
    omit_stages: tuple[str, ...] = ()
    omit_managed_fields: bool | None = None

    def has_user(self, user: User) -> bool:
        if self.users and user.name not in self.users:
            return False
        return not self.user_groups or any(group in self.user_groups for group in user.groups)

    def matches(self, asked: Attributes) -> bool:
        if not self.has_user(asked.user) or (self.verbs and asked.verb not in self.verbs):
            return False
        if self.namespaces or self.resources:
            if not asked.resource or (self.namespaces and asked.namespace not in self.namespaces):
                return False
            return not self.resources or any(one.matches(asked) for one in self.resources)
        if self.non_resource_urls:
            return not asked.resource and any(_is_path(asked.path, url) for url in self.non_resource_urls)
        return True

    def has_some_of(self, action: Action) -> bool:
        """Say whether it may match calls of a method."""
        if self.verbs and action.verb not in self.verbs:
            return False
        if self.namespaces or self.resources:
            return bool(action.resource) and (
                not self.resources or any(one.has_some_of(action) for one in self.resources)
            )
        return not self.non_resource_urls or not action.resource

    def is_all_of(self, action: Action) -> bool:
        """Say whether it matches all calls of a method by its users, whatever they name."""
        if self.namespaces or self.non_resource_urls or (self.verbs and action.verb not in self.verbs):
            return False
        return not self.resources or any(one.is_all_of(action) for one in self.resources)


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The whole file."""

    rules: tuple[PolicyRule, ...] = ()
    omit_stages: tuple[str, ...] = ()
    omit_managed_fields: bool = False
    metadata: dict[str, Any] = {}

    def of(self, asked: Attributes) -> "Auditing":
        """Return how a request is audited: as the first rule that matches says."""
        for rule in self.rules:
            if rule.matches(asked):
                omits = rule.omit_managed_fields
                return Auditing(
                    Level(_LEVELS.index(rule.level)),
                    frozenset(self.omit_stages + rule.omit_stages),
                    self.omit_managed_fields if omits is None else omits,
                )
        return Auditing(Level.NONE, frozenset(self.omit_stages), self.omit_managed_fields)

    def for_calls_of(self, action: Action) -> "Policy":
        """Return the policy without rules that match no call of a method."""
        return msgspec.structs.replace(
            self, rules=tuple(rule for rule in self.rules if rule.has_some_of(action))
        )

    def may_concern(self, user: User, action: Action | None) -> bool:
        """Say whether any call of a method by a user may be written; None: of a method of many resources."""
        for rule in self.rules:
            if not rule.has_user(user):
                continue
            if rule.level != "None":
                return True
            if action is not None and rule.is_all_of(action):
                return False
        return False


class Auditing(NamedTuple):
    """What is written of a request."""

    level: Level
    omit_stages: frozenset[str]
    omit_managed_fields: bool


def _is_path(path: str, url: str) -> bool:
    return url in ("*", path) or (url.endswith("*") and path.startswith(url.rstrip("*")))


def read_policy(path: File) -> Policy:
    """Read a policy file. Raises ConfigError with every violation.

    Unknown fields are refused; upstream warns of them and goes on, which may audit less than was meant.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f'failed to read file path "{path}": {error.strerror}') from error
    policy = parse_file(path, data, Policy, API_VERSION)
    errors = validate(policy)
    if errors:
        words = ", ".join(map(str, errors))
        raise ConfigError(f"{f'[{words}]' if len(errors) > 1 else words}: from file {path}")
    if not policy.rules:
        raise ConfigError(f"loaded illegal policy with 0 rules: from file {path}")
    return policy


def validate(policy: Policy) -> list[FieldError]:
    """Return every violation (`ValidatePolicy`)."""
    errors = _check_stages(policy.omit_stages, Path("omitStages"))
    for index, rule in enumerate(policy.rules):
        path = Path("rules").index(index)
        if not rule.level:
            errors.append(required(path.child("level")))
        elif rule.level not in _LEVELS:
            errors.append(not_supported(path.child("level"), rule.level, _LEVELS))
        urls = path.child("nonResourceURLs")
        for at, url in enumerate(rule.non_resource_urls):
            if url != "*" and not url.startswith("/"):
                why = "non-resource URL rules must begin with a '/' character"
                errors.append(invalid(urls.index(at), url, why))
            if url != "*" and "*" in url[:-1]:
                why = "non-resource URL wildcards '*' must be the final character of the rule"
                errors.append(invalid(urls.index(at), url, why))
        errors += _check_resources(rule.resources, path.child("resources"))
        errors += _check_stages(rule.omit_stages, path.child("omitStages"))
        if rule.non_resource_urls and (rule.resources or rule.namespaces):
            why = "rules cannot apply to both regular resources and non-resource URLs"
            errors.append(invalid(urls, rule.non_resource_urls, why))
    return errors


def _check_resources(resources: Sequence[GroupResources], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for one in resources:
        wrong = [] if one.group in ("", "*") else names.dns_1123_subdomain(one.group)
        if wrong:
            errors.append(invalid(path.child("group"), one.group, ",".join(wrong)))
        if one.resource_names and not one.resources:
            why = "using resourceNames requires at least one resource"
            errors.append(invalid(path.child("resourceNames"), one.resource_names, why))
    return errors


def _check_stages(stages: Sequence[str], path: Path) -> list[FieldError]:
    return [
        invalid(path.index(index), stage, f"allowed stages are {','.join(_STAGES)}")
        for index, stage in enumerate(stages)
        if stage not in _STAGES
    ]
