"""The apiserver's configuration: flags, environment (VAINA_LISTEN ...) or a YAML file."""

from typing import Annotated, Literal

import msgspec


class ApiserverConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Read once, by `__main__`."""

    #: where gRPC is served
    listen: str = "127.0.0.1:6443"
    #: folder with tls.crt, tls.key and ca.crt (docs/security.md); empty: in the clear, on loopback alone
    cert_dir: str = ""
    #: where Kubernetes' REST API is served, with the same certificates; empty: nowhere
    rest_listen: str = ""
    #: address under which Pods find the REST API: that of the Service kubernetes, which is made; empty: none
    kubernetes_service_ip: str = ""
    #: where nodes get their first certificate, with a bootstrap token (docs/security.md); empty: nowhere
    bootstrap_listen: str = ""
    #: file with a bootstrap token, of which a Secret is made at the start; empty: people make the Secrets
    bootstrap_token_file: str = ""
    #: likewise, to show to kubelets; ca.crt is the authority of their certificates
    kubelet_client_cert_dir: str = ""
    #: likewise, to show to etcd
    etcd_cert_dir: str = ""
    #: who decides, in this order, what a caller may do: Node, RBAC, AlwaysAllow; empty: Node and RBAC with
    #: certificates, AlwaysAllow without
    authorization_mode: tuple[str, ...] = ()
    #: where /metrics and /healthz are served
    metrics_listen: str = "127.0.0.1:8080"
    #: where /healthz is served in the clear as well, on loopback alone; empty: nowhere else
    health_listen: str = ""
    #: host:port of each etcd
    etcd_endpoints: tuple[str, ...] = ("127.0.0.1:2379",)
    #: etcd; or memory, for trying things out: everything is gone at the end
    storage: str = "etcd"
    #: seconds between two compactions of etcd; 0: never
    compaction_seconds: float = 300.0
    #: whether `vaina debug` may add containers to running Pods
    ephemeral_containers: bool = True
    #: Pods a second that get a trace of their steps without asking for one; 0: only those that ask
    traces_per_second: Annotated[float, msgspec.Meta(ge=0, le=1000)] = 50.0
    #: connections at once, at most; fewer where three quarters of the files that may be open are fewer
    max_connections: int = 16_000
    #: watches, logs and exec at once, at most
    max_streams: int = 20_000
    #: the same of one user, or of one address where users are not known
    max_streams_per_client: int = 10_000
    #: how long the apiserver still serves everything after it was asked to end, while health says NOT_SERVING
    shutdown_delay_seconds: float = 0.0
    #: the time over which it then ends the watches
    shutdown_watch_termination_seconds: float = 3.0
    #: how long calls under way have at the end
    shutdown_grace_seconds: float = 5.0
    #: levels of the Pod Security Standards (privileged, baseline, restricted; with a version: baseline:v1.37)
    #: for namespaces whose labels name none: beyond it a Pod is refused
    pod_security_enforce: str = "baseline"
    #: likewise: beyond it the author of a Pod is warned
    pod_security_warn: str = "baseline"
    #: likewise: beyond it the request is audited
    pod_security_audit: str = "baseline"
    #: namespaces whose Pods are not held to any level
    pod_security_exempt_namespaces: tuple[str, ...] = ("kube-system",)
    #: upstream's audit Policy: which requests are written to the audit log; read at the start (docs/audit.md)
    audit_policy_file: str = ""
    #: where the audit log is written; -: to the standard output; empty: nowhere
    audit_log_path: str = ""
    #: what happens to requests while the log is not written: blocking (they wait a second, then go on) or
    #: blocking-strict (they are refused)
    audit_log_mode: Literal["blocking", "blocking-strict"] = "blocking"
    #: megabytes of the log before it is put aside; 0: it is never
    audit_log_maxsize: Annotated[int, msgspec.Meta(ge=0)] = 100
    #: logs that were put aside and are kept; 0: all
    audit_log_maxbackup: Annotated[int, msgspec.Meta(ge=0)] = 100
    #: days after which they are removed; 0: never
    audit_log_maxage: Annotated[int, msgspec.Meta(ge=0)] = 366
    #: upstream's EncryptionConfiguration: which kinds etcd holds encrypted, and with which keys; read again
    #: when it changes (docs/secrets-at-rest.md)
    encryption_provider_config: str = ""
    #: who signs tokens of ServiceAccounts; of several the first, and those of the others count too; empty:
    #: there are no tokens, and Pods get no account
    service_account_issuer: tuple[str, ...] = ()
    #: PEM file with the private key by which tokens are signed; read again when it changes
    service_account_signing_key_file: str = ""
    #: PEM files with the keys whose tokens count; the signing key's do besides
    service_account_key_file: tuple[str, ...] = ()
    #: for whom tokens are that name nobody; empty: for the issuers
    api_audiences: tuple[str, ...] = ()
    #: seconds that a token holds at most; 0: as it was asked for, 2^32 at most
    service_account_max_token_expiration: float = 0.0
    #: tokens that are mounted into containers hold a year, for programs that read them once
    service_account_extend_token_expiration: bool = False
    #: where others find the keys, as /.well-known/openid-configuration has it; empty: at the issuer
    service_account_jwks_uri: str = ""
    #: lines of this level and above are written: debug, info, warning, error
    log_level: str = "info"
    #: json, or console for people
    log_format: str = "json"
    #: accelerators that are on: all, none, or names (docs/fast-paths.md)
    fast_paths: tuple[str, ...] = ("all",)
