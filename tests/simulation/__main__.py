"""`make sim`: many seeds on all cores, a table of what was done to them, and for the first failure its
shortest story.

python -m tests.simulation --seeds 500 --first 1
python -m tests.simulation --seeds 20000 --first 1000 --minutes 60
python -m tests.simulation --replay '{"seed":7,...}' --log
python -m tests.simulation --crashes
"""

import argparse
import gc
import multiprocessing
import os
import sys

from tests.simulation.crashes import MORE, STORIES, findings, tell
from tests.simulation.replay import from_text, to_text
from tests.simulation.shrink import shrink
from tests.simulation.simulate import Outcome, simulate
from tests.simulation.story import Story, draw
from tests.simulation.table import Totals
from vaina.clock import SystemClock

#: seeds after which a fault that never hit anything is a fault of the simulation
ENOUGH_SEEDS = 200


def _say(words: object) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def main(argv: list[str]) -> int:
    """Run, and return the exit code: 0 when nothing was found."""
    parser = argparse.ArgumentParser(prog="make sim", description="Simulate the control plane.")
    parser.add_argument("--seeds", type=int, default=500, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--minutes", type=float, default=0.0, help="stop after so long; 0: when all are done")
    parser.add_argument("--processes", type=int, default=0, help="0: one for each core")
    parser.add_argument("--all", action="store_true", help="go on after a failure, and list them")
    parser.add_argument("--replay", default="", help="a story as a failure printed it")
    parser.add_argument(
        "--log", action="store_true", help="print everything that happened (with --replay, or one seed)"
    )
    parser.add_argument(
        "--crashes", action="store_true", help="instead: kill the controllers at every write of some stories"
    )
    options = parser.parse_args(argv)
    if options.crashes:
        return _crash(options.processes)
    if options.replay or options.log:
        story = from_text(options.replay) if options.replay else draw(options.first)
        return _tell(story, log=options.log)
    return _run(options)


def _tell(story: Story, *, log: bool) -> int:
    outcome = simulate(story, keep_lines=log)
    for line in outcome.lines:
        _say(line)
    _say(story)
    _say(outcome.violation or "nothing is wrong with it")
    return 1 if outcome.violation else 0


def _run(options: argparse.Namespace) -> int:
    clock = SystemClock()
    begun = clock.monotonic()
    totals, failures = Totals(), list[Outcome]()
    last = options.first + options.seeds - 1
    with multiprocessing.Pool(options.processes or os.cpu_count(), initializer=gc.freeze) as pool:
        for outcome in pool.imap_unordered(_simulate, range(options.first, last + 1), chunksize=2):
            totals.add(outcome)
            if outcome.violation:
                failures.append(outcome)
                _say(f"seed {outcome.story.seed}: {outcome.violation}")
                if not options.all:
                    break
            if options.minutes and clock.monotonic() - begun > 60.0 * options.minutes:
                _say(f"stopped after {options.minutes:g} minutes")
                break
        pool.terminate()
    _say(totals.text(clock.monotonic() - begun))
    if failures:
        _explain(min(failures, key=lambda outcome: outcome.story.seed))
        return 1
    never = totals.never_happened() if totals.seeds >= ENOUGH_SEEDS else []
    if never:
        _say(f"these never happened, so nothing is known of them: {', '.join(never)}")
        return 1
    return 0


def _crash(processes: int) -> int:
    """Tell every story with a crash at every write; return 0 when all come to the same end."""
    found = 0
    stories = {**STORIES, **MORE}
    with multiprocessing.Pool(processes or os.cpu_count(), initializer=gc.freeze) as pool:
        for name, count, wrong in pool.imap(_crash_one, stories):
            _say(f"{name}: {count} writes, {2 * count} crashes, {len(wrong)} with another end")
            for text in wrong:
                _say(f"  {text}")
            found += len(wrong)
    return 1 if found else 0


def _crash_one(name: str) -> tuple[str, int, list[str]]:
    story = {**STORIES, **MORE}[name]
    return name, len(tell(story).writes), [*findings(story)]


def _simulate(seed: int) -> Outcome:
    return simulate(draw(seed))


def _explain(outcome: Outcome) -> None:
    """Print a failure: the seed, what is broken, the shortest story, and how to tell it again."""
    violation = outcome.violation
    assert violation is not None

    def fails(story: Story) -> bool:
        found = simulate(story).violation
        return found is not None and found.invariant == violation.invariant

    _say(f"\nseed {outcome.story.seed} breaks {violation}")
    _say(f"shrinking its {len(outcome.story.steps)} steps ...")
    short = shrink(outcome.story, fails)
    _say(
        f"the shortest story found, of {len(short.steps)} steps:\n\n{short}\n\n{simulate(short).violation}\n"
    )
    _say(f"again, with everything that happens:\n  make sim REPLAY='{to_text(short)}'")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
