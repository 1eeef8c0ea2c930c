"""PURE: what happens in a run, drawn from a seed before it begins.

A story is data: it can be written down, cut shorter, and told again.

Steps name what they act on by number (the third Pod there is, by name), so that a story in which an earlier
step is missing still makes sense.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

#: what a story is when it says nothing else
NODES, SECONDS = (2, 4), (25.0, 50.0)


@dataclass(frozen=True, slots=True)
class Faults:
    """What happens by chance all the time, as shares between 0 and 1."""

    #: of messages that take up to half a second
    late: float = 0.0
    #: of calls that never arrive
    lose_request: float = 0.0
    #: of calls that are served, and the answer is lost
    lose_answer: float = 0.0
    #: of answers of streams that are lost, with their stream
    cut_stream: float = 0.0
    #: of storage's operations that are refused
    storage_refuses: float = 0.0
    #: of storage's operations that happen, and nobody says so
    storage_silent: float = 0.0
    #: the same of the nodes' container engines
    engine_refuses: float = 0.0
    engine_silent: float = 0.0
    #: of answers of streams that come twice
    double: float = 0.0
    #: of containers with an end whose end is a bad one
    container_fails: float = 0.0

    def without(self, *names: str) -> "Faults":
        """Return them with some switched off."""
        return replace(self, **dict.fromkeys(names, 0.0))

    def active(self) -> list[str]:
        """Return the names of those that may happen."""
        return [item.name for item in fields(self) if getattr(self, item.name)]


#: the most of each that a story may have
WORST = Faults(
    late=0.15, lose_request=0.05, lose_answer=0.08, cut_stream=0.03, storage_refuses=0.02, storage_silent=0.02,
    engine_refuses=0.05, engine_silent=0.05, double=0.1, container_fails=0.3,
)  # fmt: skip
CALM = Faults()


@dataclass(frozen=True, slots=True)
class Step:
    """Something that is done at a time."""

    #: seconds since the story began
    at: float
    verb: str
    args: tuple[str | int | float, ...] = ()

    def __str__(self) -> str:
        return f"{self.at:7.3f} s  {self.verb} {' '.join(str(arg) for arg in self.args)}".rstrip()


@dataclass(frozen=True, slots=True)
class Story:
    """A seed and what follows from it."""

    seed: int
    nodes: int
    servers: int
    #: processes of the scheduler, and of the controllers; of two one leads
    candidates: int
    #: share of turns at which anybody may be next; 0: first come, first served
    disorder: float
    faults: Faults
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        shares = ", ".join(f"{name} {getattr(self.faults, name):.3f}" for name in self.faults.active())
        head = (
            f"seed {self.seed}: {self.nodes} nodes, {self.servers} apiservers, {self.candidates} candidates, disorder {self.disorder:g}, "
            f"{'no accelerators, ' if self.plain else ''}by chance: {shares or 'nothing'}"
        )
        return "\n".join((head, *(f"  {step}" for step in self.steps)))

    @property
    def plain(self) -> bool:
        """Whether every service runs with all its accelerators off (`--fast-paths=none`): one story in ten."""
        return self.seed % 10 == 0

    @property
    def end(self) -> float:
        """When the last step begins."""
        return max((step.at for step in self.steps), default=0.0)


#: of what caches may be held back on their own
STALE_KINDS = (
    "Pod",
    "Pod",
    "ReplicaSet",
    "Deployment",
    "Job",
    "StatefulSet",
    "DaemonSet",
    "Node",
    "ControllerRevision",
)

Draw = Callable[[random.Random, "Story"], tuple[str | int | float, ...]]


def _part(rng: random.Random, story: Story) -> str:
    part = rng.choice(("scheduler", "controller", _node(rng, story)))
    return (
        f"{part}-b" if story.candidates > 1 and not part.startswith("node") and rng.random() < 0.5 else part
    )


def _node(rng: random.Random, story: Story) -> str:
    return f"node-{rng.randrange(story.nodes)}"


def _seconds(rng: random.Random, least: float, most: float) -> float:
    return round(rng.uniform(least, most), 2)


Table = Mapping[str, tuple[float, Draw]]
#: verb -> (weight, arguments), by what makes the Pods: a story has one or two of these
FAMILIES: Mapping[str, Table] = {
    "replicas": {
        "create-rs": (3, lambda r, s: (f"rs{r.randrange(3)}", r.randrange(1, 6), r.choice((100, 300, 700)))),
        "create-rc": (1, lambda r, s: (f"rc{r.randrange(2)}", r.randrange(1, 4), r.choice((100, 300)))),
    },
    "deployments": {
        "create-deployment": (
            3,
            lambda r, s: (
                f"dep{r.randrange(2)}", r.randrange(1, 6), r.choice((100, 300)),
                r.choice(("a quarter", "one more", "one less", "all at once")),
            ),
        ),
        "roll": (3, lambda r, s: (r.randrange(2), r.choice((100, 101, 102)))),
        "pause": (0.7, lambda r, s: (r.randrange(2), _seconds(r, 1, 10))),
    },
    "jobs": {
        "create-job": (
            4,
            lambda r, s: (
                f"job{r.randrange(2)}", r.randrange(1, 4), r.randrange(1, 6),
                r.choice(("plain", "indexed", "plain failed", "indexed failed")),
                r.choice(("3 s, then 0", "3 s, then 0", "3 s, then 0", "2 s, then 1")), r.randrange(3),
            ),
        ),
        "create-cron-job": (
            0.7, lambda r, s: (f"cron{r.randrange(2)}", r.choice(("Allow", "Forbid", "Replace")))
        ),
        "suspend": (1, lambda r, s: (r.randrange(2), _seconds(r, 1, 10))),
    },
    "stateful": {
        "create-stateful-set": (
            3,
            lambda r, s: (
                f"sts{r.randrange(2)}", r.randrange(1, 5), r.choice((100, 300)),
                r.choice(("OrderedReady", "OrderedReady", "Parallel")),
            ),
        ),
        "roll": (3, lambda r, s: (r.randrange(2), r.choice((100, 101, 102)))),
    },
    "daemons": {
        "create-daemon-set": (
            2,
            lambda r, s: (
                f"ds{r.randrange(2)}", r.choice((100, 300)), r.choice(("in place", "surge")),
                r.choice(("everywhere", "pool")),
            ),
        ),
        "label-node": (2.5, lambda r, s: (_node(r, s), r.choice(("yes", "yes", "no")))),
        "roll": (3, lambda r, s: (r.randrange(2), r.choice((100, 101, 102)))),
    },
}  # fmt: skip
#: beside those that have a scale
BUDGETS: Table = {
    "create-budget": (
        3,
        lambda r, s: (
            f"pdb{r.randrange(2)}", r.randrange(3), r.choice(("keep 1", "keep 2", "miss 1", "miss 1", "miss 0"))
        ),
    ),
    "delete-budget": (0.3, lambda r, s: (r.randrange(2),)),
    "evict": (4, lambda r, s: (r.randrange(12),)),
    "drain": (1, lambda r, s: (_node(r, s), _seconds(r, 2, 12))),
}  # fmt: skip
#: Pods that are more important than all others: somebody has to go for them, unless they are polite
PRIORITIES: Table = {
    "create-important": (
        1,
        lambda r, s: (
            f"imp{r.randrange(3)}", r.choice((500, 1200, 1900)), r.choice(("important", "important", "urgent", "polite"))
        ),
    ),
}  # fmt: skip
#: storage: sets with claims of their own, Pods that share one, and late caches of what this is about
STORAGE: Table = {
    "create-claimed-set": (
        2,
        lambda r, s: (
            f"db{r.randrange(2)}", r.randrange(1, 4), r.choice(("OrderedReady", "Parallel")),
            r.choice(("kept", "kept", "dropped")),
        ),
    ),
    "use-claim": (
        4,
        lambda r, s: (
            f"user{r.randrange(3)}", r.randrange(2), r.choice((100, 500, 1200)),
            r.choice(("for ever", "for ever", "3 s, then 0")),
        ),
    ),
    "delete-claim": (2, lambda r, s: (r.randrange(5),)),
    "grow-claim": (1, lambda r, s: (r.randrange(5), r.choice(("2Gi", "3Gi")))),
    "delete-pod": (2, lambda r, s: (r.randrange(12), r.choice((-1, -1, 1, 5, 0)))),
    "scale": (1, lambda r, s: (r.randrange(5), r.randrange(4))),
    "stale": (
        1.5,
        lambda r, s: (
            r.choice(("controller", "scheduler")), r.choice(("PersistentVolumeClaim", "PersistentVolume", "Pod")),
            _seconds(r, 0.5, 15),
        ),
    ),
    "kill": (1.5, lambda r, s: (r.choice(("controller", "scheduler", _node(r, s))), _seconds(r, 1, 8))),
}  # fmt: skip
#: what any story may have
COMMON: Table = {
    "create-pod": (
        2,
        lambda r, s: (
            f"pod{r.randrange(4)}", r.choice((100, 500, 1200)), r.choice(("Always", "Never", "OnFailure")),
            r.choice(("for ever", "for ever", "3 s, then 0", "2 s, then 1")),
        ),
    ),
    "generate-pod": (1, lambda r, s: ()),
    "hold-pod": (1.5, lambda r, s: (r.randrange(12), _seconds(r, 1, 20), r.choice(("deleted", "left")))),
    "scale": (3, lambda r, s: (r.randrange(5), r.randrange(6))),
    "delete-set": (1.5, lambda r, s: (r.randrange(5), r.choice(("Background", "Foreground", "Orphan")))),
    "delete-pod": (3, lambda r, s: (r.randrange(12), r.choice((-1, -1, 1, 5, 0)))),
    "relabel-pod": (1, lambda r, s: (r.randrange(12),)),
    "annotate": (0.7, lambda r, s: (r.randrange(5), r.randrange(100))),
    "race": (1, lambda r, s: (r.randrange(5),)),
    "cordon": (1, lambda r, s: (_node(r, s),)),
    "uncordon": (1, lambda r, s: (_node(r, s),)),
    "exit-container": (1, lambda r, s: (r.randrange(12), r.randrange(2))),
}  # fmt: skip
TROUBLE: Table = {
    "kill": (4, lambda r, s: (_part(r, s), _seconds(r, 1, 8))),
    "crash-apiserver": (3, lambda r, s: (r.randrange(s.servers), _seconds(r, 0.5, 8))),
    "partition": (
        2,
        lambda r, s: (_part(r, s), r.choice(("silent", "refused", "deaf")), _seconds(r, 0.2, 20)),
    ),
    "silence-node": (0.6, lambda r, s: (_node(r, s), _seconds(r, 45, 90))),
    "silence-all": (0.3, lambda r, s: (_seconds(r, 45, 80),)),
    "cut-streams": (2, lambda r, s: (_part(r, s),)),
    "cut-storage": (1.5, lambda r, s: (r.randrange(s.servers),)),
    "slow": (1, lambda r, s: (_part(r, s), _seconds(r, 0.1, 2), _seconds(r, 1, 15))),
    "stale": (
        2,
        lambda r, s: (
            r.choice(("controller", "controller", "scheduler")), r.choice(STALE_KINDS), _seconds(r, 0.5, 20)
        ),
    ),
    "compact": (1.5, lambda r, s: (r.choice((0, 0, 20)),)),
    "skew": (1, lambda r, s: (_part(r, s), round(r.choice((-1, 1)) * 10 ** r.uniform(-1, 3), 2))),
}  # fmt: skip
#: verbs of which nothing becomes without disks
STORING = frozenset({"create-claimed-set", "use-claim"})
VERBS = tuple(
    dict.fromkeys(
        verb
        for table in (*FAMILIES.values(), BUDGETS, PRIORITIES, STORAGE, COMMON, TROUBLE)
        for verb in table
    )
)
#: shares of stories that have two families, and budgets where there is something to have them for
_SECOND, _BUDGET = 0.4, 0.35
#: and Pods that are important, and such that have storage
_IMPORTANT, _STORED = 0.1, 0.1


def draw(seed: int) -> Story:
    """Return the story of a seed."""
    rng = random.Random(f"story {seed}")
    chosen = {
        item.name: rng.choice((0.0, rng.random())) * getattr(WORST, item.name) for item in fields(Faults)
    }
    story = Story(
        seed,
        rng.randint(*NODES),
        rng.choice((1, 1, 2)),
        rng.choice((1, 1, 1, 2)),
        rng.choice((0.0, 0.1, 1.0)),
        Faults(**chosen),
        (),
    )
    seconds = rng.uniform(*SECONDS)
    names = rng.sample([*FAMILIES], 1 + (rng.random() < _SECOND))
    work: dict[str, tuple[float, Draw]] = {
        verb: row for name in names for verb, row in FAMILIES[name].items()
    }
    first = next(iter(work))
    if rng.random() < _BUDGET and not {"jobs", "daemons"}.issuperset(names):
        work |= BUDGETS
    work |= COMMON
    steps = [Step(0.0, first, work[first][1](rng, story))]
    for table, count in ((work, rng.randint(4, 12)), (TROUBLE, rng.randint(1, 8))):
        for verb in rng.choices([*table], [weight for weight, _ in table.values()], k=count):
            # Much of it comes together: that is when it hurts.
            at = rng.random() ** 2 * seconds
            steps.append(Step(round(at, 3), verb, table[verb][1](rng, story)))
    steps += _important(seed, story, seconds) + _stored(seed, story, seconds)
    return replace(story, steps=tuple(sorted(steps, key=lambda step: step.at)))


def _important(seed: int, story: Story, seconds: float) -> list[Step]:
    """Return what a story has of `PRIORITIES`; by dice of its own, so that nothing else changes by it."""
    rng = random.Random(f"important {seed}")
    if rng.random() >= _IMPORTANT:
        return []
    # Somebody is in the way, and one of them waits already.
    steps = [Step(0.0, "create-rs", ("rs-full", 2 * story.nodes + 1, 700))] if rng.random() < 0.6 else []
    [(verb, (_, arguments))] = PRIORITIES.items()
    return steps + [
        Step(round(rng.random() * seconds, 3), verb, arguments(rng, story)) for _ in range(rng.randint(2, 5))
    ]


def _stored(seed: int, story: Story, seconds: float) -> list[Step]:
    """Return what a story has of `STORAGE`; by dice of its own, as above."""
    rng = random.Random(f"stored {seed}")
    if rng.random() >= _STORED:
        return []
    first = rng.choice(("create-claimed-set", "use-claim"))
    verbs = rng.choices([*STORAGE], [weight for weight, _ in STORAGE.values()], k=rng.randint(3, 9))
    return [
        Step(round(at * seconds, 3), verb, STORAGE[verb][1](rng, story))
        for verb, at in ((first, 0.0), *((verb, rng.random()) for verb in verbs))
    ]


def keep(story: Story, indices: Sequence[int]) -> Story:
    """Return the story with only these steps."""
    return replace(story, steps=tuple(story.steps[index] for index in indices))
