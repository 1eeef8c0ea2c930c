"""Configuration of the page. Each field is VAINA_<NAME>, --<name>, or a key of the YAML file."""

import msgspec


class DashboardConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What can be configured; times in seconds."""

    #: host:port of the apiserver
    apiserver: str = "127.0.0.1:6443"
    #: host:port of the scheduler
    scheduler: str = "127.0.0.1:10259"
    #: host:port of the controller
    controller: str = "127.0.0.1:10257"
    #: URL of the Prometheus that measures the cluster, for plots of hours; empty: there is none
    prometheus: str = ""
    #: folder with tls.crt, tls.key and ca.crt (docs/security.md); empty: in the clear, on loopback alone
    cert_dir: str = ""
    #: where the page is served, in the clear
    listen: str = "127.0.0.1:8090"
    #: whether it may be served beyond loopback: only where no other machine and no Pod reaches it
    listen_in_the_clear: bool = False
    #: file with the secret of the login link
    login_token_file: str = ""
    #: how long a login holds
    session_seconds: float = 43_200.0
    #: where /metrics and /healthz are served
    metrics_listen: str = "127.0.0.1:8091"
    #: where /healthz is served in the clear as well, on loopback alone; empty: nowhere else
    health_listen: str = ""
    #: lines of this level and above are written: debug, info, warning, error
    log_level: str = "info"
    #: json, or console for people
    log_format: str = "json"
