"""The scheduler as tests build it: with the accelerators of this run of tests."""

from functools import partial

from scheduler import build as scheduler_build
from scheduler.build import FAST_PATHS
from tests.support.fast_paths import switched_on

build = partial(scheduler_build.build, fast_paths=switched_on(FAST_PATHS))
