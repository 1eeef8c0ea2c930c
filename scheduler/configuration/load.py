"""Reads a KubeSchedulerConfiguration: text to checked values, with every violation named.

Called by `scheduler.config`. Rules and words follow `pkg/scheduler/apis/config/validation/validation.go`;
what a plugin's arguments may be, and which plugins there are, is checked where profiles are made
(`scheduler.configuration.profiles`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from scheduler.columns.pod_info import DEFAULT_SCHEDULER_NAME
from scheduler.configuration.decoding import decode
from scheduler.configuration.types import (
    API_VERSION,
    KIND,
    KubeSchedulerConfiguration,
    KubeSchedulerProfile,
    LeaderElection,
)
from vaina.config import ConfigError
from vaina.errors import FieldError
from vaina.objects.field_path import Path, duplicate, forbidden, invalid, not_supported, required
from vaina.objects.tree import MAX_BYTES, TextError, decode_text
from vaina.objects.yaml_text import parse_yaml


class ConfigurationError(ConfigError):
    """A file that cannot be used; one line a violation."""

    def __init__(self, errors: Sequence[FieldError | str]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = tuple(errors)


def is_scheduler_configuration(text: bytes) -> bool:
    """Say whether a file says of itself that it is a KubeSchedulerConfiguration."""
    return KIND.encode() in text


def read_configuration(text: str | bytes) -> KubeSchedulerConfiguration:
    """Read a file.

    Raises:
        ConfigurationError: it is no YAML, or breaks a rule.
    """
    if len(text) > MAX_BYTES:
        raise ConfigurationError([f"limit is {MAX_BYTES} bytes"])
    try:
        documents = parse_yaml(decode_text(text))
    except TextError as error:
        raise ConfigurationError([str(error)]) from error
    if len(documents) != 1:
        raise ConfigurationError([f"one document is expected, not {len(documents)}"])
    tree = documents[0][0]
    if not isinstance(tree, Mapping):
        raise ConfigurationError([f"a mapping with apiVersion {API_VERSION} and kind {KIND} is expected"])
    errors: list[FieldError] = []
    _check_type(tree, errors)
    found = decode(KubeSchedulerConfiguration, tree, Path(), errors)
    if found is not None:
        found = _complete(found)
        _check(found, errors)
    if errors or found is None:
        raise ConfigurationError(errors)
    return found


def _check_type(tree: Mapping[str, object], errors: list[FieldError]) -> None:
    for name, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
        given = tree.get(name)
        if given is not None and given != wanted:
            errors.append(not_supported(name, str(given), (wanted,)))


def _complete(found: KubeSchedulerConfiguration) -> KubeSchedulerConfiguration:
    if len(found.profiles) == 1 and not found.profiles[0].scheduler_name:
        return replace(found, profiles=(replace(found.profiles[0], scheduler_name=DEFAULT_SCHEDULER_NAME),))
    return found


def _check(found: KubeSchedulerConfiguration, errors: list[FieldError]) -> None:
    if found.client_connection.kubeconfig:
        errors.append(forbidden("clientConnection.kubeconfig", "the apiserver is named by --apiserver"))
    _check_leader_election(found.leader_election, Path("leaderElection"), errors)
    if found.parallelism <= 0:
        errors.append(
            invalid("parallelism", found.parallelism, "should be an integer value greater than zero")
        )
    if not found.profiles:
        errors.append(required("profiles"))
    seen: dict[str, int] = {}
    for index, profile in enumerate(found.profiles):
        path = Path("profiles").index(index)
        _check_profile(profile, path, errors)
        if profile.scheduler_name in seen:
            errors.append(duplicate(path.child("schedulerName"), profile.scheduler_name))
        seen.setdefault(profile.scheduler_name, index)
        if profile.plugins.queue_sort != found.profiles[0].plugins.queue_sort:
            shown = [item.name for item in profile.plugins.queue_sort.enabled]
            errors.append(
                invalid(path.child("plugins", "queueSort"), shown, "must be the same for all profiles")
            )
    _check_percentage(found.percentage_of_nodes_to_score, Path("percentageOfNodesToScore"), errors)
    initial, highest = found.pod_initial_backoff_seconds, found.pod_max_backoff_seconds
    if initial <= 0:
        errors.append(invalid("podInitialBackoffSeconds", initial, "must be greater than 0"))
    if highest < initial:
        errors.append(
            invalid(
                "podMaxBackoffSeconds", highest, "must be greater than or equal to PodInitialBackoffSeconds"
            )
        )
    if found.extenders:
        errors.append(
            forbidden("extenders", "there are none here: a plugin is twenty lines (docs/plugins.md)")
        )


def _check_profile(profile: KubeSchedulerProfile, path: Path, errors: list[FieldError]) -> None:
    if not profile.scheduler_name:
        errors.append(required(path.child("schedulerName")))
    _check_percentage(profile.percentage_of_nodes_to_score, path.child("percentageOfNodesToScore"), errors)
    seen: set[str] = set()
    for index, config in enumerate(profile.plugin_config):
        if config.name in seen:
            errors.append(duplicate(path.child("pluginConfig").index(index), config.name))
        seen.add(config.name)


def _check_percentage(value: int | None, path: Path, errors: list[FieldError]) -> None:
    if value is not None and not 0 <= value <= 100:
        errors.append(invalid(path, value, "not in valid range [0-100]"))


def _check_leader_election(found: LeaderElection, path: Path, errors: list[FieldError]) -> None:
    """Check what concerns several schedulers (`ValidateLeaderElectionConfiguration`)."""
    if not found.leader_elect:
        return
    times = (
        ("leaseDuration", found.lease_duration),
        ("renewDeadline", found.renew_deadline),
        ("retryPeriod", found.retry_period),
    )
    for name, seconds in times:
        if seconds <= 0:
            errors.append(invalid(path.child(name), f"{seconds:g}s", "must be greater than zero"))
    if found.lease_duration <= found.renew_deadline:
        errors.append(
            invalid(
                path.child("leaseDuration"),
                f"{found.lease_duration:g}s",
                "LeaseDuration must be greater than RenewDeadline",
            )
        )
    if found.renew_deadline <= found.retry_period:
        errors.append(
            invalid(
                path.child("renewDeadline"),
                f"{found.renew_deadline:g}s",
                "RenewDeadline must be greater than RetryPeriod",
            )
        )
    if found.resource_lock != "leases":
        errors.append(
            invalid(path.child("resourceLock"), found.resource_lock, 'resourceLock value must be "leases"')
        )
    for name, text in (
        ("resourceName", found.resource_name),
        ("resourceNamespace", found.resource_namespace),
    ):
        if not text:
            errors.append(required(path.child(name), f"{name} is required"))
