"""Rates of use, how they are told, and what of the disk is counted."""

import os
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from kubelet.machine.cgroups import CgroupUse
from kubelet.machine.machine import tree_use
from kubelet.server.stats import ResourceCollector, node_metrics, pod_metrics
from kubelet.stats import PodRates, Rate, Sampler, rate
from vaina.testing.builders import make_pod

MI = 1024**2


def use(nanos: int, memory: int = 5 * MI) -> CgroupUse:
    return CgroupUse(nanos, memory)


def test_a_rate_is_what_was_used_between_two_looks() -> None:
    first = rate(None, use(1_000), at=100.0)
    second = rate(first, use(1_000 + 3 * 10**9), at=115.0)

    assert first is not None
    assert first.cpu_nano_cores is None
    assert second == Rate(115.0, 15.0, 200_000_000, 1_000 + 3 * 10**9, 5 * MI)


def test_a_counter_that_went_back_begins_anew() -> None:
    before = Rate(100.0, 15.0, 5, 9_000, MI)
    after = rate(before, use(10), at=115.0)
    assert after is not None
    assert (after.cpu_nano_cores, after.cpu_nanos) == (None, 10)


def test_what_cannot_be_measured_has_no_rate() -> None:
    assert rate(None, CgroupUse(), at=1.0) is None
    assert rate(None, CgroupUse(cpu_nanos=1), at=1.0) is None


def rates(**cores: int | None) -> PodRates:
    pod = make_pod()
    pod.metadata.labels["app"] = "web"
    found = {name: Rate(115.0, 15.0, amount, 10**9, 5 * MI, 42.0) for name, amount in cores.items()}
    return PodRates(pod, Rate(115.0, 15.0, 7, 2 * 10**9, 9 * MI), found)


def test_metrics_are_as_metrics_server_tells_them() -> None:
    made = pod_metrics(rates(app=250_000_000, side=1))
    assert made is not None
    assert (made.metadata.name, made.metadata.namespace, made.metadata.labels["app"]) == (
        "web",
        "default",
        "web",
    )
    assert (made.timestamp.seconds, made.window.duration) == (115, 15 * 10**9)
    assert {item.name: (item.usage["cpu"].string, item.usage["memory"].string) for item in made.containers} == {
        "app": ("250000000n", "5Mi"), "side": ("1n", "5Mi"),
    }  # fmt: skip
    assert node_metrics("n", Rate(1.0, 2.0, 3, 4, 5 * MI)).usage["cpu"].string == "3n"


def test_a_pod_with_a_container_that_was_seen_once_has_none_yet() -> None:
    assert pod_metrics(rates(app=1, young=None)) is None
    assert pod_metrics(rates()) is None


def test_prometheus_sees_upstreams_names() -> None:
    class Sampled(Sampler):
        def __init__(self) -> None:
            return

        node = Rate(100.0, 15.0, 1, 3 * 10**9, 7 * MI)
        pods = (rates(app=1),)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(ResourceCollector(Sampled()))
    text = generate_latest(registry).decode()
    for line in (
        "node_cpu_usage_seconds_total 3.0 100000",
        "node_memory_working_set_bytes 7.340032e+06 100000",
        'container_cpu_usage_seconds_total{container="app",namespace="default",pod="web"} 1.0 115000',
        'container_memory_working_set_bytes{container="app",namespace="default",pod="web"} 5.24288e+06 115000',
        'container_start_time_seconds{container="app",namespace="default",pod="web"} 42.0 115000',
        'pod_cpu_usage_seconds_total{namespace="default",pod="web"} 2.0 115000',
        'pod_memory_working_set_bytes{namespace="default",pod="web"} 9.437184e+06 115000',
        "resource_scrape_error 0.0",
    ):
        assert line in text, line


def test_a_tree_counts_what_is_allocated_and_links_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(os.urandom(100_000))
    before = tree_use(tmp_path)
    os.link(tmp_path / "a", tmp_path / "b")
    (tmp_path / "loop").symlink_to(tmp_path)

    after = tree_use(tmp_path)

    assert before.bytes >= 100_000
    # The link and the symlink's own inode; no byte of the file again.
    assert after.bytes - before.bytes < 100_000
    assert after.inodes == before.inodes + 1
    assert tree_use(tmp_path / "gone").bytes == 0


@pytest.mark.parametrize("name", ["..", "a b", "ü"])
def test_names_of_files_do_not_matter(tmp_path: Path, name: str) -> None:
    (tmp_path / f"x{name}").write_text("1")
    assert tree_use(tmp_path).inodes == 2
