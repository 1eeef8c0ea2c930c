"""The scheduler as tests build it, with the accelerators of this run of tests; and how its process leads."""

from functools import partial
from typing import Final

from scheduler import build as scheduler_build
from scheduler.build import FAST_PATHS
from tests.support.fast_paths import switched_on

build = partial(scheduler_build.build, fast_paths=switched_on(FAST_PATHS))
#: who was killed leaves its lease behind: the next need not wait the usual 15 s. Nor is it lost, and its holder
#: ended, because a busy machine stands still for some seconds
SHORT_LEASE: Final = (
    "--leader-elect-lease-duration-seconds=8",
    "--leader-elect-renew-deadline-seconds=7",
    "--leader-elect-retry-period-seconds=0.5",
)
