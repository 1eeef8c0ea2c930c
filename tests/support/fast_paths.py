"""Which accelerators are on in the tests: all, unless the variable of the services says otherwise.

`VAINA_FAST_PATHS=none` (`make test-plain`) runs any test on the plain way alone.
"""

import os
from collections.abc import Mapping

from vaina.config import ALL, choose


def switched_on(known: Mapping[str, str]) -> frozenset[str]:
    """Return the names of a service's accelerators that are on in this run of tests."""
    return choose(os.environ.get("VAINA_FAST_PATHS", ALL).split(","), known)  # noqa: TID251  # where tests begin
