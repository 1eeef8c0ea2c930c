"""The tests of creates run with the accelerators and without them."""

from collections.abc import Callable
from functools import partial

import pytest

from apiserver.fast_paths import FAST_PATHS
from tests.support import apiserver
from tests.support.apiserver import Harness


@pytest.fixture(params=[(), tuple(FAST_PATHS)], ids=["plain", "fast"])
def make_apiserver(request: pytest.FixtureRequest) -> Callable[..., Harness]:
    """Make an apiserver, with or without accelerators."""
    return partial(apiserver.make_apiserver, fast_paths=request.param)
