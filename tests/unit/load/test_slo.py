"""Limits on the command line."""

import pytest

from bench.load.slo import SloError, failed, parse_limits


@pytest.mark.parametrize(
    ("text", "metrics", "told"),
    [
        ("throughput>=3000", {"throughput": 3000.0}, []),
        ("throughput>=3000", {"throughput": 2999.0}, ["throughput>=3000 does not hold: 2999"]),
        ("create_to_bound_p99<=100ms", {"create_to_bound_p99": 0.1}, []),
        ("create_to_bound_p99<=0.1s", {"create_to_bound_p99": 0.11}, ["create_to_bound_p99<=0.1s does not hold: 0.11"]),
        ("throughput >= 1, scheduler_us <= 5", {"throughput": 0.0, "scheduler_us": 6.0},
         ["throughput >= 1 does not hold: 0", "scheduler_us <= 5 does not hold: 6"]),
        ("create_to_running_p50<=1s", {}, ["create_to_running_p50<=1s: not measured"]),
        ("unscheduled<=0", {"unscheduled": 0.0}, []),
    ],
)  # fmt: skip
def test_limits(text: str, metrics: dict[str, float], told: list[str]) -> None:
    assert failed(parse_limits(text), metrics) == told


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "is no limit like"),
        ("throughput>3000", "is no limit like"),
        ("throughput>=", "is no limit like"),
        ("throughput>=3000,", "is no limit like"),
        ("speed>=3000", 'there is no figure "speed" \\(there are throughput, '),
        ("throughput>=3000ms", "it has no unit"),
        ("create_to_bound_p99<=100", "a unit \\(ms, s\\) is needed"),
        ("create_to_bound_p99<=100h", "is no limit like"),
        ("throughput>=1.2.3", '"1.2.3" is no number'),
    ],
)
def test_limits_that_cannot_be_read(text: str, error: str) -> None:
    with pytest.raises(SloError, match=error):
        parse_limits(text)
