"""What a server promises holds on each gRPC core."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest

from vaina.serving import core, fast_core, server

#: `vaina.serving.server.serve`
Serve = Callable[..., AbstractAsyncContextManager[server.Server]]


@pytest.fixture(params=[core.make_server, fast_core.make_server], ids=["plain", "fast"])
def serve(request: pytest.FixtureRequest) -> Serve:
    """Return what serves on one of the cores."""
    return partial(server.serve, core=request.param)


@pytest.fixture(autouse=True)
def _patient(patient_channels: None) -> None:
    """Have all connections here take their time."""
