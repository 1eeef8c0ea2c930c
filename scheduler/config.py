"""The scheduler's configuration: flags, environment (VAINA_APISERVER ...) and a YAML file.

The file (`--config FILE`) is either upstream's KubeSchedulerConfiguration, which says what is scheduled how
(`scheduler.configuration`, docs/plugins.md), or a plain one with the fields below, as for the other services.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from scheduler.columns.pod_info import DEFAULT_SCHEDULER_NAME
from scheduler.configuration.load import (
    API_VERSION,
    KIND,
    ConfigurationError,
    KubeSchedulerConfiguration,
    KubeSchedulerProfile,
    LeaderElection,
    is_scheduler_configuration,
    read_configuration,
)
from vaina.config import PREFIX, ConfigError, load
from vaina.leaderelection.service import LeaderElectionConfig

_FLAG: Final = "--config"


class SchedulerConfig(LeaderElectionConfig, frozen=True, forbid_unknown_fields=True):
    """Read once, by `__main__`."""

    leader_elect_resource_name: str = "kube-scheduler"

    #: host:port of the apiserver
    apiserver: str = "127.0.0.1:6443"
    #: instead of gRPC, the REST API that a kubeconfig names; in-cluster: as the Pod that this process runs in
    kubeconfig: str = ""
    #: where gRPC is served (SchedulerService, health, reflection)
    listen: str = "127.0.0.1:10259"
    #: folder with tls.crt, tls.key and ca.crt (docs/security.md); empty: in the clear, on loopback alone
    cert_dir: str = ""
    #: where /metrics and /healthz are served
    metrics_listen: str = "127.0.0.1:10251"
    #: where /healthz is served in the clear as well, on loopback alone; empty: nowhere else
    health_listen: str = ""
    #: spec.schedulerName of the Pods to schedule; the profiles of a KubeSchedulerConfiguration name their own
    scheduler_name: str = DEFAULT_SCHEDULER_NAME
    #: lines of this level and above are written: debug, info, warning, error
    log_level: str = "info"
    #: json, or console for people
    log_format: str = "json"
    #: folder with plugins (docs/plugins.md); empty: those that are installed
    plugins_dir: str = ""
    #: log plugins that decide otherwise than they declare (docs/plugins.md); slow, for trials
    check_plugins: bool = False
    #: accelerators that are on: all, none, or names (docs/fast-paths.md)
    fast_paths: tuple[str, ...] = ("all",)


def load_configuration(
    argv: Sequence[str], environ: Mapping[str, str]
) -> tuple[SchedulerConfig, KubeSchedulerConfiguration]:
    """Return the configuration of the process, and what it schedules how. Raises ConfigError."""
    path, rest = _config_file(argv, environ)
    text = _read(path) if path else b""
    if not is_scheduler_configuration(text):
        config = load(SchedulerConfig, argv=argv, environ=environ)
        profiles = (KubeSchedulerProfile(config.scheduler_name),)
        return config, KubeSchedulerConfiguration(API_VERSION, KIND, profiles=profiles)
    try:
        found = read_configuration(text)
    except ConfigurationError as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from error
    others = {name: value for name, value in environ.items() if name != f"{PREFIX}CONFIG"}
    config = load(SchedulerConfig, argv=rest, environ=others, defaults=_elects(found.leader_election))
    if config.scheduler_name != DEFAULT_SCHEDULER_NAME:
        raise ConfigError(f"scheduler_name: the profiles of {path} say it")
    return config, found


def _elects(election: LeaderElection) -> dict[str, object]:
    return {
        "leader_elect": election.leader_elect,
        "leader_elect_lease_duration_seconds": float(election.lease_duration),
        "leader_elect_renew_deadline_seconds": float(election.renew_deadline),
        "leader_elect_retry_period_seconds": float(election.retry_period),
        "leader_elect_resource_name": election.resource_name,
        "leader_elect_resource_namespace": election.resource_namespace,
    }


def _config_file(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[str, list[str]]:
    path, rest, index = environ.get(f"{PREFIX}CONFIG", ""), list[str](), 0
    while index < len(argv):
        flag, equals, value = argv[index].partition("=")
        if flag != _FLAG:
            rest.append(argv[index])
        elif equals:
            path = value
        elif index + 1 < len(argv):
            index += 1
            path = argv[index]
        else:
            rest.append(argv[index])
        index += 1
    return path, rest


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error}") from error
