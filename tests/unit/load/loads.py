"""Reports for tests."""

from typing import Any

from bench.load.report import Balance, Latency, Machine, Measurement, ProcessUse, QueueSample, Report
from bench.load.stats import distribution, summary, throughput, windows


def measurement(
    name: str = "namespace-2", *, latency: float = 0.01, pods: int = 100, **changes: Any
) -> Measurement:
    """Return a measurement of Pods that were bound evenly within two seconds."""
    times = [2.0 * (index + 1) / pods for index in range(pods)]
    latencies = [latency * (index + 1) / pods for index in range(pods)]
    found = windows(times, 0.0)
    fields: dict[str, Any] = {
        "name": name, "pods": pods, "bound": pods, "running": 0, "seconds": 2.0, "throughput": throughput(found),
        "windows": found, "window_seconds": 1.0,
        "latencies": {"create_to_bound": Latency(summary(latencies), distribution(latencies))},
        "attempts": {"scheduled": float(pods), "unschedulable": 0.0},
        "queue": [QueueSample(0.0, {"active": 100.0}), QueueSample(1.0, {"active": 10.0})],
        "processes": {"scheduler": ProcessUse(1.0, 1e6 / pods, 100 * 2**20)},
        "etcd_requests": {"commit": 12.0},
        "balance": Balance(nodes=10, used=10, least=10, most=10, average=10.0, deviation=0.0),
        "lag_seconds": 0.004, "retries": {},
    }  # fmt: skip
    return Measurement(**{**fields, **changes})


def report(*measurements: Measurement, **changes: Any) -> Report:
    """Return a report."""
    machine = Machine("CPU", 2, "6.1", "3.11.2", "GCC", "3.5.16", (0.1, 0.2, 0.3))
    fields: dict[str, Any] = {
        "workload": "SchedulingBasic/5Nodes", "description": "Small <Pods>.", "params": {"initNodes": 5},
        "reference_threshold": 680.0, "run": "load-1", "started": "2026-11-22T10:00:00Z", "commit": "abc",
        "machine": machine, "how": {"nodes": "objects", "fsync": True},
        "measurements": list(measurements) or [measurement()], "notes": [],
    }  # fmt: skip
    return Report(**{**fields, **changes})
