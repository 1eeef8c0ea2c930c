"""What all tests of the simulation share."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def _heap_that_stays() -> Iterator[None]:
    """Each story begins with a collection of garbage.

    Of its own, not of all modules there are, which takes as long as a third of it.
    """
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
