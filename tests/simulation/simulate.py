"""Tells a story in a world of its own: the steps, then the calm, then what must have been reached."""

import asyncio
import gc
import logging
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from tests.simulation.actions import perform
from tests.simulation.checks.liveness import LIVENESS, missing
from tests.simulation.journal import Journal, Violation
from tests.simulation.story import Story
from tests.simulation.world import World
from vaina.testing.loop import SimulatedLoop, Stuck, run_simulated

#: after the last fault everything must be as it should within this time: a silent node's return, the longest
#: back-offs
CALM_SECONDS = 120.0
#: tasks of a whole world: the largest (four nodes, two of each part) has some 600, most of them workers and
#: watches; and a few for each Pod
MAX_TASKS = 700


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a story. Can be handed from process to process."""

    story: Story
    violation: Violation | None
    digest: str
    turns: int
    seconds: float
    commits: int
    verbs: Counter[str]
    faults: Counter[str]
    checks: Counter[str]
    lines: tuple[str, ...] = ()


def simulate(
    story: Story, *, keep_lines: bool = False, world_of: Callable[[Story], World] = World
) -> Outcome:
    """Tell a story, and return what came of it. Nothing of the machine comes into it."""
    loop = SimulatedLoop(random.Random(f"loop {story.seed}"), disorder=story.disorder)
    world = world_of(story)
    loop.set_exception_handler(lambda _, context: _on_stray(world, context))
    gc.collect()
    gc.disable()
    logs = _Logs(world)
    try:
        with logs:
            run_simulated(_tell(world, loop), loop)
    except Stuck as error:
        world.journal.violations.append(Violation("I17", str(error), loop.time()))
    finally:
        gc.enable()
        world.close()
    journal: Journal = world.journal
    return Outcome(
        story, journal.violations[0] if journal.violations else None, journal.digest(), loop.turns, loop.time(),
        len(world.model.written), Counter(step.verb for step in story.steps), journal.faults, journal.checks,
        tuple(journal.lines) if keep_lines else (),
    )  # fmt: skip


async def _tell(world: World, loop: SimulatedLoop) -> None:
    telling = loop.create_task(_whole_story(world))
    breaking = loop.create_task(world.broken.wait())
    await asyncio.wait((telling, breaking), return_when=asyncio.FIRST_COMPLETED)
    for task in (telling, breaking):
        task.cancel()
    await asyncio.wait((telling, breaking))
    if not telling.cancelled() and telling.exception() is not None:
        raise telling.exception()  # type: ignore[misc]  # looked at just now
    await world.end()


async def _whole_story(world: World) -> None:
    await world.begin()
    async with asyncio.TaskGroup() as group:
        for step in world.story.steps:
            await world.clock.sleep(step.at + 2.0 - world.now)
            world.journal.note(world.now, f"step {step.verb} {' '.join(map(str, step.args))}")
            group.create_task(perform(world, step))
    # They are to be true at any moment, in the middle of faults as well.
    world.judge_columns()
    world.calm_down()
    await _reach(world)
    _check_bounds(world)
    world.judge_columns()


async def _reach(world: World) -> None:
    """Wait until everything is as it should be, and stays so."""
    end, good_since = world.now + CALM_SECONDS, None
    while True:
        await world.clock.sleep(1.0)
        left = missing(world.model, world.node_states())
        if not left:
            good_since = world.now if good_since is None else good_since
            if world.now - good_since >= world.keep_seconds:
                break
        elif good_since is not None and left:
            good_since = None
        if world.now > end:
            for invariant, text in left:
                world.break_(invariant, f"{CALM_SECONDS:g} s after the last fault: {text}")
            return
    for invariant in (*LIVENESS, "I16"):
        world.judge(invariant, ())


def _check_bounds(world: World) -> None:
    count = len(asyncio.all_tasks())
    world.judge("I19", [f"{count} tasks are there"] if count > MAX_TASKS else [])
    watches = world.storage.watches
    most = len(world.servers) + 1
    world.judge(
        "I19",
        [f"{watches} watches of the storage are open, {most} servers are there"] if watches > most else [],
    )


def _on_stray(world: World, context: dict[str, Any]) -> None:
    error = context.get("exception")
    world.break_("I20", f"{context.get('message')}: {type(error).__name__ if error else ''} {error or ''}")


class _Logs:
    """Takes what is logged: an exception in it is a bug that somebody caught."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __enter__(self) -> None:
        structlog.configure(
            processors=[self._take],
            wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
            cache_logger_on_first_use=False,
        )

    def __exit__(self, *_: object) -> None:
        structlog.reset_defaults()

    def _take(self, _logger: Any, _name: str, event: Any) -> Any:
        words = " ".join(f"{key}={value}" for key, value in event.items())
        self._world.break_("I20", f"logged as an error: {words}")
        raise structlog.DropEvent
