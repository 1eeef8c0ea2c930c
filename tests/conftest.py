"""What tests of several folders share."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.support.cluster_plugin"]

# No limits of wall time for single examples: a busy machine would fail them by chance. Each test's own timeout stands.
settings.register_profile("vaina", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("vaina")
