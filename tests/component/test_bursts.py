"""Bursts of parallel calls that are answered with errors.

Who keeps to 100 calls a connection is never turned away.
"""

import asyncio
from collections import Counter

import pytest
from google.protobuf.message import Message

from vaina.client.clientset import Clientset
from vaina.testing.builders import make_config_map

pytestmark = [pytest.mark.component, pytest.mark.timeout(60)]

ROUNDS, CALLS = 20, 50


def named(results: list[Message | BaseException]) -> Counter[str]:
    return Counter(type(result).__name__ for result in results)


async def test_gets_of_what_is_not_there_are_all_told_so(client: Clientset) -> None:
    found: Counter[str] = Counter()
    for _ in range(ROUNDS):
        calls = (client.config_maps.get("missing", "default") for _ in range(CALLS))
        found += named(await asyncio.gather(*calls, return_exceptions=True))
    assert found == {"NotFound": ROUNDS * CALLS}


async def test_creates_of_what_is_there_are_all_told_so_and_others_made(client: Clientset) -> None:
    found: Counter[str] = Counter()
    for number in range(ROUNDS):
        # Each name twice: one of the two is refused.
        calls = (client.config_maps.create(make_config_map(f"a{number}-{n // 2}")) for n in range(CALLS))
        found += named(await asyncio.gather(*calls, return_exceptions=True))
    assert found == {"ConfigMap": ROUNDS * CALLS // 2, "AlreadyExists": ROUNDS * CALLS // 2}
