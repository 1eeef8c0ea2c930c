"""What tests of several folders share."""

import os

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.support.cluster_plugin", "tests.support.first_tries", "tests.support.hung_tests"]

# No limits of wall time for single examples: a busy machine would fail them by chance. Each test's own
# timeout stands.
settings.register_profile("vaina", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# CI tries the same examples each time: what it says depends on the change alone. Every other run looks for
# new ones (decision 141).
settings.register_profile("vaina-ci", settings.get_profile("vaina"), derandomize=True, print_blob=True)
settings.load_profile("vaina-ci" if os.environ.get("CI") else "vaina")  # noqa: TID251 (where tests begin)
