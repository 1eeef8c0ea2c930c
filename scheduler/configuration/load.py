"""Reads a KubeSchedulerConfiguration: text to checked values, with every violation named.

Fields and defaults follow `staging/src/k8s.io/kube-scheduler/config/v1/types.go` and
`pkg/scheduler/apis/config/v1/defaults.go`, rules and words `pkg/scheduler/apis/config/validation/validation.go`.
Fields that have no effect here are read and checked all the same, so that an upstream file may be used;
`docs/plugins.md` lists them. What a plugin's arguments may be, and which plugins there are, is checked where
profiles are made (`scheduler.configuration.profiles`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from scheduler.columns.pod_info import DEFAULT_SCHEDULER_NAME
from scheduler.configuration.decoding import Duration, camel, decode
from vaina.config import ConfigError
from vaina.errors import FieldError
from vaina.objects.field_path import Path, duplicate, forbidden, invalid, not_supported, required
from vaina.objects.tree import MAX_BYTES, TextError, decode_text
from vaina.objects.yaml_text import parse_yaml

API_VERSION: Final = "kubescheduler.config.k8s.io/v1"
KIND: Final = "KubeSchedulerConfiguration"

LEASE_DURATION: Final = Duration(15)
RENEW_DEADLINE: Final = Duration(10)
RETRY_PERIOD: Final = Duration(2)


@dataclass(frozen=True, slots=True)
class PluginRef:
    """A plugin that is enabled or disabled."""

    name: str
    #: of a score; 0: as it is by default, or 1
    weight: int = 0


@dataclass(frozen=True, slots=True)
class PluginSet:
    """What is different from the default at one extension point. Disabled `*`: all of the default."""

    enabled: tuple[PluginRef, ...] = ()
    disabled: tuple[PluginRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Plugins:
    """By extension point; `multiPoint` is every point that a plugin has."""

    pre_enqueue: PluginSet = PluginSet()
    queue_sort: PluginSet = PluginSet()
    pre_filter: PluginSet = PluginSet()
    filter: PluginSet = PluginSet()
    post_filter: PluginSet = PluginSet()
    pre_score: PluginSet = PluginSet()
    score: PluginSet = PluginSet()
    reserve: PluginSet = PluginSet()
    permit: PluginSet = PluginSet()
    pre_bind: PluginSet = PluginSet()
    bind: PluginSet = PluginSet()
    post_bind: PluginSet = PluginSet()
    multi_point: PluginSet = PluginSet()


ALL: Final = "*"
MULTI_POINT: Final = "multiPoint"
#: in upstream's order, multiPoint last
POINTS: Final = tuple(camel(field.name) for field in fields(Plugins))


def set_at(plugins: Plugins, point: str) -> PluginSet:
    """Return what a profile says of one extension point."""
    name = next(field.name for field in fields(Plugins) if camel(field.name) == point)
    found = getattr(plugins, name)
    assert isinstance(found, PluginSet)
    return found


@dataclass(frozen=True, slots=True)
class PluginConfig:
    """The arguments of one plugin."""

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KubeSchedulerProfile:
    """What one scheduler name does."""

    #: empty: default-scheduler, when there is but one profile
    scheduler_name: str = ""
    #: without effect: all nodes are scored
    percentage_of_nodes_to_score: int | None = None
    plugins: Plugins = Plugins()
    plugin_config: tuple[PluginConfig, ...] = ()


@dataclass(frozen=True, slots=True)
class LeaderElection:
    """Who of several works."""

    leader_elect: bool = True
    lease_duration: Duration = LEASE_DURATION
    renew_deadline: Duration = RENEW_DEADLINE
    retry_period: Duration = RETRY_PERIOD
    resource_lock: str = "leases"
    resource_name: str = "kube-scheduler"
    resource_namespace: str = "kube-system"


@dataclass(frozen=True, slots=True)
class ClientConnection:
    """Without effect: connections are gRPC's, and --apiserver says where to."""

    kubeconfig: str = ""
    accept_content_types: str = ""
    content_type: str = ""
    qps: float = 50
    burst: int = 100


@dataclass(frozen=True, slots=True)
class KubeSchedulerConfiguration:
    """The whole file."""

    api_version: str
    kind: str
    profiles: tuple[KubeSchedulerProfile, ...] = (KubeSchedulerProfile("default-scheduler"),)
    leader_election: LeaderElection = LeaderElection()
    #: the first back-off of a Pod that failed, and the longest
    pod_initial_backoff_seconds: int = 1
    pod_max_backoff_seconds: int = 10
    #: without effect: decisions are made one at a time, in columns
    parallelism: int = 16
    #: without effect: all nodes are scored
    percentage_of_nodes_to_score: int | None = None
    client_connection: ClientConnection = ClientConnection()
    #: without effect
    enable_profiling: bool = True
    enable_contention_profiling: bool = True
    delay_cache_until_active: bool = False
    #: refused: plugins are written in Python
    extenders: tuple[Mapping[str, Any], ...] = ()


#: fields that change nothing here, and why
_WITHOUT_EFFECT: Final = {
    "parallelism": ": decisions are made one at a time",
    "client_connection": ": connections are gRPC's",
    "enable_profiling": "", "enable_contention_profiling": "", "delay_cache_until_active": "",
}  # fmt: skip


class ConfigurationError(ConfigError):
    """A file that cannot be used; one line a violation."""

    def __init__(self, errors: Sequence[FieldError | str]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = tuple(errors)


def is_scheduler_configuration(text: bytes) -> bool:
    """Say whether a file says of itself that it is a KubeSchedulerConfiguration."""
    return KIND.encode() in text


def read_configuration(text: str | bytes) -> KubeSchedulerConfiguration:
    """Read a file. Raises ConfigurationError: it is no YAML, or breaks a rule."""
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
        words = "should be an integer value greater than zero"
        errors.append(invalid("parallelism", found.parallelism, words))
    if not found.profiles:
        errors.append(required("profiles"))
    names: set[str] = set()
    for index, profile in enumerate(found.profiles):
        path = Path("profiles").index(index)
        _check_profile(profile, path, errors)
        if profile.scheduler_name in names:
            errors.append(duplicate(path.child("schedulerName"), profile.scheduler_name))
        names.add(profile.scheduler_name)
        if profile.plugins.queue_sort != found.profiles[0].plugins.queue_sort:
            shown, at = [item.name for item in profile.plugins.queue_sort.enabled], path.child("plugins")
            errors.append(invalid(at.child("queueSort"), shown, "must be the same for all profiles"))
    _check_percentage(found.percentage_of_nodes_to_score, Path("percentageOfNodesToScore"), errors)
    initial, highest = found.pod_initial_backoff_seconds, found.pod_max_backoff_seconds
    if initial <= 0:
        errors.append(invalid("podInitialBackoffSeconds", initial, "must be greater than 0"))
    if highest < initial:
        words = "must be greater than or equal to PodInitialBackoffSeconds"
        errors.append(invalid("podMaxBackoffSeconds", highest, words))
    if found.extenders:
        words = "there are none here: a plugin is twenty lines (docs/plugins.md)"
        errors.append(forbidden("extenders", words))


def _check_profile(profile: KubeSchedulerProfile, path: Path, errors: list[FieldError]) -> None:
    if not profile.scheduler_name:
        errors.append(required(path.child("schedulerName")))
    _check_percentage(profile.percentage_of_nodes_to_score, path.child("percentageOfNodesToScore"), errors)
    names: set[str] = set()
    for index, config in enumerate(profile.plugin_config):
        if config.name in names:
            errors.append(duplicate(path.child("pluginConfig").index(index), config.name))
        names.add(config.name)


def _check_percentage(value: int | None, path: Path, errors: list[FieldError]) -> None:
    if value is not None and not 0 <= value <= 100:
        errors.append(invalid(path, value, "not in valid range [0-100]"))


def _check_leader_election(found: LeaderElection, path: Path, errors: list[FieldError]) -> None:
    """Check what concerns several schedulers (`ValidateLeaderElectionConfiguration`)."""
    if not found.leader_elect:
        return
    times = {
        "leaseDuration": found.lease_duration, "renewDeadline": found.renew_deadline, "retryPeriod": found.retry_period,
    }  # fmt: skip
    for name, seconds in times.items():
        if seconds <= 0:
            errors.append(invalid(path.child(name), f"{seconds:g}s", "must be greater than zero"))
    for name, less in (("leaseDuration", "renewDeadline"), ("renewDeadline", "retryPeriod")):
        if times[name] <= times[less]:
            words = f"{_capital(name)} must be greater than {_capital(less)}"
            errors.append(invalid(path.child(name), f"{times[name]:g}s", words))
    if found.resource_lock != "leases":
        words = 'resourceLock value must be "leases"'
        errors.append(invalid(path.child("resourceLock"), found.resource_lock, words))
    named = {"resourceName": found.resource_name, "resourceNamespace": found.resource_namespace}
    for name, text in named.items():
        if not text:
            errors.append(required(path.child(name), f"{name} is required"))


def _capital(name: str) -> str:
    return name[0].upper() + name[1:]


def without_effect(found: KubeSchedulerConfiguration) -> Iterator[str]:
    """Yield a line for each field that asks for something and changes nothing here: the log tells it."""
    default = KubeSchedulerConfiguration(found.api_version, found.kind)
    percentages: dict[str, KubeSchedulerConfiguration | KubeSchedulerProfile] = {"": found}
    percentages |= {f"profiles[{index}].": profile for index, profile in enumerate(found.profiles)}
    for at, item in percentages.items():
        if item.percentage_of_nodes_to_score not in (None, 100):
            words = "has no effect: all nodes are looked at, as with 100"
            yield f"{at}percentageOfNodesToScore: {words}"
    for name, why in _WITHOUT_EFFECT.items():
        if getattr(found, name) != getattr(default, name):
            yield f"{camel(name)}: has no effect{why}"
