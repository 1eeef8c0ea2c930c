"""The leader_election_* metrics, under component-base's names (metrics/prometheus/clientgo/leaderelection)."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class LeaderMetrics:
    """By the name of the lease."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.status = Gauge(
            "leader_election_master_status",
            "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master. "
            "'name' is the string used to identify the lease. Please make sure to group by name.",
            ["name"], registry=registry,
        )  # fmt: skip
        self.slow_path = Counter(
            "leader_election_slowpath",
            "Total number of slow path exercised in renewing leader leases. 'name' is the string used to identify the "
            "lease. Please make sure to group by name.",
            ["name"], registry=registry,
        )  # fmt: skip
