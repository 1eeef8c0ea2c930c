"""Which bindings of a large run are judged by the dear rules."""

import itertools

import pytest

from apiserver.storage.memory import MemoryStorage
from bench.load import verify
from bench.load.recording import Recording
from bench.load.verify import Thoroughness, Verifying
from tests.support.direct import build_handlers
from tests.support.tasks import running
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.clock import SystemClock


class Clock:
    """A time that passes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def judged(seconds: float, costs: list[float]) -> list[bool]:
    """Say of each binding, by what judging it would take, whether it was judged."""
    clock = Clock()
    thorough = Thoroughness(seconds, len(costs), clock)
    found = []
    for cost in costs:
        found.append(thorough())
        clock.now += cost if found[-1] else 0.001
        thorough.done()
    return found


@pytest.mark.parametrize(
    ("seconds", "costs", "least", "most"),
    [
        (10.0, [0.01] * 100, 100, 100),
        (10.0, [0.0] * 100, 100, 100),
        (1.0, [0.1] * 100, 9, 11),
        # The first are no sample of the rest: it grows dear, and what is left of the time is shared out.
        (1.0, [0.001] * 50 + [0.1] * 50, 50, 61),
        (0.0, [0.1] * 100, 1, 2),
        (1.0, [], 0, 0),
    ],
)
def test_as_many_are_judged_as_there_is_time_for(
    seconds: float, costs: list[float], least: int, most: int
) -> None:
    assert least <= sum(judged(seconds, costs)) <= most


def test_those_that_are_judged_are_spread_over_the_whole_run() -> None:
    places = [index for index, yes in enumerate(judged(1.0, [0.1] * 1000)) if yes]
    assert max(later - earlier for earlier, later in itertools.pairwise(places)) < 250
    assert places[-1] > 700


def test_of_a_run_that_is_too_large_nothing_is_kept() -> None:
    kept = Recording(10)
    kept.take(b"12345")
    assert not kept.is_full
    assert kept.drain() == [b"12345"]
    kept.take(b"123456")
    assert kept.is_full
    assert kept.drain() == []


@pytest.mark.parametrize("budgets", [0, 9])
async def test_disruption_budgets_are_kept_for_the_judge_too(
    budgets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "MAX_STORAGE_BYTES", 500)
    clock = SystemClock()
    client = Clientset(InProcessTransport(build_handlers(MemoryStorage(), clock), clock=clock))
    for number in range(budgets):
        made = pod_disruption_budget_pb2.PodDisruptionBudget()
        made.metadata.name, made.metadata.namespace = f"keep-{number}", "default"
        made.spec.min_available.int_val = 1
        await client.pod_disruption_budgets.create(made)
    verifying = Verifying(client, "r", 1.0)
    async with running(verifying.follow()):
        await verifying.wait_ready()
        said = await verifying.judge(0)
    assert said.reason == ("more happened to poddisruptionbudgets than is kept" if budgets else "")
