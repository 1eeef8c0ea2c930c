"""Durations as Go writes them."""

import pytest

from kubelet.durations import go_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (10, "10s"), (20, "20s"), (60, "1m0s"), (80, "1m20s"), (160, "2m40s"), (300, "5m0s"),
        (3600, "1h0m0s"), (5025.5, "1h23m45.5s"), (1.234, "1.234s"), (0.25, "250ms"), (0.0015, "1.5ms"),
        (0.00000025, "250ns"), (-90, "-1m30s"),
    ],
)  # fmt: skip
def test_go_duration(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text
