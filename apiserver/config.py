"""The apiserver's configuration: flags, environment (VAINA_LISTEN ...) or a YAML file."""

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
    log_level: str = "info"
    log_format: str = "json"
