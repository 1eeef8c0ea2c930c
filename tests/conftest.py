"""What tests of several folders share."""

import os

import pytest
from hypothesis import HealthCheck, settings

from vaina.client import channels, transport

pytest_plugins = ["tests.support.cluster_plugin", "tests.support.first_tries", "tests.support.hung_tests"]

# No limits of wall time for single examples: a busy machine would fail them by chance. Each test's own
# timeout stands.
settings.register_profile("vaina", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# CI tries the same examples each time: what it says depends on the change alone. Every other run looks for
# new ones (decision 141).
settings.register_profile("vaina-ci", settings.get_profile("vaina"), derandomize=True, print_blob=True)
settings.load_profile("vaina-ci" if os.environ.get("CI") else "vaina")  # noqa: TID251 (where tests begin)


@pytest.fixture
def patient_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give connections of gRPC a minute to come about: where the machine stands still, a second is over."""
    patient = {**dict(channels.OPTIONS), "grpc.min_reconnect_backoff_ms": 60_000}
    monkeypatch.setattr(transport, "OPTIONS", tuple(patient.items()))
