"""Requests and limits as cgroup numbers."""

import pytest

from kubelet.containers.cgroups import cpu_quota, cpu_shares, linux_resources, oom_score_adj
from kubelet.runtime.records import LinuxResources
from vaina.testing.builders import make_container, make_pod

GIB = 1024**3


@pytest.mark.parametrize(
    ("millis", "shares"), [(0, 2), (1, 2), (10, 10), (250, 256), (1000, 1024), (10**9, 262_144)]
)
def test_shares(millis: int, shares: int) -> None:
    assert cpu_shares(millis) == shares


@pytest.mark.parametrize(("millis", "quota"), [(0, 0), (1, 1000), (10, 1000), (500, 50_000), (2000, 200_000)])
def test_quota(millis: int, quota: int) -> None:
    assert cpu_quota(millis) == quota


@pytest.mark.parametrize(
    ("requests", "limits", "score"),
    [
        ({}, {}, 1000),
        ({"cpu": "1", "memory": "1Gi"}, {"cpu": "1", "memory": "1Gi"}, -997),
        ({"memory": "1Gi"}, {}, 750),
        ({"memory": "4Gi"}, {}, 3),
        ({"cpu": "1"}, {}, 999),
    ],
)
def test_oom_score(requests: dict[str, str], limits: dict[str, str], score: int) -> None:
    pod = make_pod(containers=[make_container(requests=requests, limits=limits)])

    assert oom_score_adj(pod, pod.spec.containers[0], 4 * GIB) == score


def test_a_request_that_is_not_set_is_the_limit() -> None:
    pod = make_pod(containers=[make_container(limits={"cpu": "500m", "memory": "64Mi"})])

    assert linux_resources(pod, pod.spec.containers[0], memory_capacity_bytes=4 * GIB) == LinuxResources(
        cpu_shares=512, cpu_quota_micros=50_000, cpu_period_micros=100_000, memory_limit_bytes=64 * 1024**2,
        oom_score_adj=999,
    )  # fmt: skip


def test_a_limit_that_is_not_set_is_the_whole_pods() -> None:
    pod = make_pod(
        containers=[make_container(requests={"memory": "1Gi"}), make_container(limits={"cpu": "1"})]
    )
    pod.spec.resources.limits["cpu"].string = "2"
    pod.spec.resources.limits["memory"].string = "3Gi"

    first, second = (
        linux_resources(pod, item, memory_capacity_bytes=4 * GIB) for item in pod.spec.containers
    )

    assert (first.cpu_shares, first.cpu_quota_micros, first.memory_limit_bytes) == (2048, 200_000, 3 * GIB)
    assert (second.cpu_shares, second.cpu_quota_micros, second.memory_limit_bytes) == (1024, 100_000, 3 * GIB)
