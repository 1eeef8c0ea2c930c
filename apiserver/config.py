"""The apiserver's configuration: flags, environment (VAINA_LISTEN ...) or a YAML file."""

from typing import Annotated

import msgspec


class ApiserverConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Read once, by `__main__`."""

    #: where gRPC is served
    listen: str = "127.0.0.1:6443"
    #: where /metrics and /healthz are served
    metrics_listen: str = "127.0.0.1:8080"
    #: host:port of each etcd
    etcd_endpoints: tuple[str, ...] = ("127.0.0.1:2379",)
    #: etcd, or memory: everything is gone at the end; for trying things out
    storage: str = "etcd"
    #: how often old revisions are dropped from etcd, in seconds; 0 never
    compaction_seconds: float = 300.0
    #: whether debug containers may be added to running Pods (`vaina debug`); otherwise there is no such
    #: sub-resource
    ephemeral_containers: bool = True
    #: Pods a second that have a trace of their steps without asking for one, and four seconds' worth at once;
    #: 0: only those that ask
    traces_per_second: Annotated[float, msgspec.Meta(ge=0, le=1000)] = 50.0
    #: connections at once; three quarters of the files that the process may open, where that is less
    max_connections: int = 16_000
    #: watches, logs and exec at once: of all clients, and of one user or (as long as nobody is known) one
    #: address
    max_streams: int = 20_000
    max_streams_per_client: int = 10_000
    #: at the end: health says NOT_SERVING and everything is served for so long, until everybody who looks at
    #: health has gone elsewhere
    shutdown_delay_seconds: float = 0.0
    #: ... within which many watches end one after the other
    shutdown_watch_termination_seconds: float = 3.0
    #: ... and how long calls under way have
    shutdown_grace_seconds: float = 5.0
    log_level: str = "info"
    log_format: str = "json"
    #: accelerators that are on: all, none, or names (docs/fast-paths.md)
    fast_paths: tuple[str, ...] = ("all",)
