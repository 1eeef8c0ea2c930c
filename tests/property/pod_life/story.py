"""One Pod's life, drawn from a seed: what happens to it while it lives, then calm, rest, and its end."""

import random
from dataclasses import dataclass, field

from kubelet.decide.termination import Verdict
from tests.property.pod_life.judge import Judge
from tests.property.pod_life.model import ActionFailed, ModelKubelet
from tests.property.pod_life.node import Node
from tests.property.pod_life.pods import GATE, draw_pod, kind_of, spec_of
from vaina.clock import timestamp

#: passes at one moment, and looks until a Pod that is left alone is at rest
_PASSES, _LOOKS = 60, 400
_EVENTS: dict[str, int] = {
    "nothing": 6, "exits": 5, "restarts": 5, "cut": 5, "sandbox": 3, "machine": 2, "records": 1, "resize": 3, "debug": 2,
    "gate": 2, "pokes": 3, "blind": 3, "slow": 2, "delete": 1, "shorter": 1, "gone": 1, "evict": 1, "fails": 3,
}  # fmt: skip
#: what some stories have more of, so that each kind of life is well known after a few dozen
_THEMES: tuple[dict[str, int], ...] = (
    {},
    {"delete": 14, "shorter": 22, "restarts": 8},
    {"sandbox": 12, "machine": 8, "records": 6, "debug": 8},
    {"fails": 14, "exits": 14, "nothing": 14, "debug": 8},
)


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens after so many seconds."""

    seconds: float
    what: str
    #: a number that says which, where there are several
    which: int


@dataclass(frozen=True)
class Story:
    """A Pod and what happens to it."""

    seed: int
    steps: tuple[Step, ...] = field(default=())


def draw(seed: int) -> Story:
    """Return the story of a seed."""
    rng = random.Random(f"story {seed}")
    weights = {**_EVENTS, **_THEMES[seed % len(_THEMES)]}
    steps = []
    for _ in range(rng.randrange(3, 14)):
        what = rng.choices([*weights], [*weights.values()])[0]
        # What shortens a grace has to come while there is one.
        seconds = rng.choice(
            [0.3, 1.0, 4.0] if what == "shorter" else [0.0, 0.3, 1.0, 4.0, 11.0, 45.0, 400.0]
        )
        steps.append(Step(seconds, what, rng.randrange(12)))
    if seed % len(_THEMES) == 1:
        steps.insert(rng.randrange(2), Step(rng.choice([1.0, 4.0, 11.0]), "delete", rng.randrange(12)))
    return Story(seed, tuple(steps))


class Life:
    """A story being lived."""

    def __init__(self, story: Story) -> None:
        rng = random.Random(f"pod {story.seed}")
        self.story = story
        self.node = Node(str(story.seed), draw_pod(rng), stop_removes=rng.random() < 0.5)
        self.kubelet = ModelKubelet(self.node, Judge)
        self.judge = self.kubelet.witness
        assert isinstance(self.judge, Judge)
        #: actions after which the kubelet is killed
        self.cut_after: int | None = None
        self.again_at: float | None = None
        self.wake_at: float | None = None
        self.log: list[str] = []

    def live(self) -> None:
        """Live it to the end. Raises AssertionError with what is wrong."""
        self.looks()
        for step in self.story.steps:
            self.passes(step.seconds)
            self.log.append(f"{self.node.now - 1_000_000:g}: {step.what} {step.which}")
            getattr(self, f"_{step.what}")(step.which)
        self.node.calm = True
        self.kubelet.lag = 0.0
        self.cut_after = None
        self.comes_to_rest()
        self.stays_still()
        self._gone(0)
        self.comes_to_rest()
        left = (self.node.sandboxes, self.node.containers, self.node.mounted)
        assert not any(left), f"something is left of it: {left}"

    # Time.

    def passes(self, seconds: float) -> None:
        """Let time pass; the kubelet looks whenever something happens."""
        until = self.node.now + seconds
        while True:
            at = min(
                (t for t in (self.node.next_at(), self.wake_at, self.again_at) if t is not None),
                default=float("inf"),
            )
            if at > until:
                break
            self._at(at)
        self.node.now = until
        self.looks()

    def _at(self, at: float) -> None:
        # A look that was due before is late; time does not go back for it.
        self.node.now = max(self.node.now, at)
        self.node.happen()
        self.looks()

    def looks(self) -> None:
        """Look and do until there is nothing to do."""
        self.again_at = None
        for _ in range(_PASSES):
            _, plan = self.kubelet.look()
            self.wake_at = plan.wake_at
            if plan.terminal or not plan.actions:
                late = plan.wake_at is not None and plan.wake_at <= self.node.now
                assert not late, "it asks to look again at once, and does nothing"
                break
            if not self._pass(plan.actions):
                self.again_at, self.wake_at = self.node.now + 0.2, None
                return
        else:
            raise AssertionError(f"it is never still: {plan.actions}")
        if self.kubelet.finished(plan):
            assert not self.node.live(), "the object may go while something runs"
            self._gone(0)
            self.again_at = self.node.now
        else:
            self.judge.rests(plan)

    def _pass(self, actions: tuple[object, ...]) -> bool:
        """Do what a plan says; False: it was cut short."""
        for action in actions:
            self.log.append(f"{self.node.now - 1_000_000:g}: {action}")
            try:
                self.kubelet.do(action)
            except ActionFailed:
                return False
            if self.cut_after is not None:
                self.cut_after -= 1
                if self.cut_after <= 0:
                    self.cut_after = None
                    self.kubelet.restart()
                    return False
        return True

    def comes_to_rest(self) -> None:
        """Left alone, the Pod becomes what its spec says, and then nothing happens any more."""
        self._calm_processes()
        self.looks()
        for _ in range(_LOOKS):
            times = [
                t
                for t in (self.node.next_at(), self.wake_at, self.again_at)
                if t is not None and t < float("inf")
            ]
            if not times:
                break
            self._at(min(times))
        else:
            raise AssertionError("it never comes to rest")
        if self.node.gone:
            return
        live = {item.name for item in self.node.live()}
        if self.judge.must_end():
            assert not live, f"{live} run in a Pod that has ended"
            assert self.node.pod.status.phase in {"Succeeded", "Failed"}, (
                "it has ended, and its phase is not final"
            )
            return
        assert self.node.pod.status.phase == "Running", f"it is {self.node.pod.status.phase}"
        wanted = {item.name for item in self.node.pod.spec.init_containers if item.restart_policy == "Always"}
        for name in self.judge.mains():
            newest = self.judge.newest(name)
            assert newest is not None, f"{name} never ran"
            if newest.lives or self.judge.again(newest):
                wanted.add(name)
        assert wanted <= live, f"{wanted - live} should run"

    def stays_still(self) -> None:
        """More looks, later, and by a kubelet that was just started, change nothing."""
        running = {item.id for item in self.node.live()}
        for restart in (False, True, False):
            if restart:
                self.kubelet.restart()
            self.passes(1000.0)
            assert {item.id for item in self.node.live()} == running, "it is not still"

    def _calm_processes(self) -> None:
        for item in self.node.live():
            if kind_of(self.node.pod, item.name) == "init":
                self.node.at(self.node.now + 1.0, lambda key=item.id: self.node.end(key, 0))

    # What may happen. `which` says to whom.

    def _nothing(self, which: int) -> None: ...

    def _exits(self, which: int) -> None:
        live = self.node.live()
        if live:
            self.node.end(live[which % len(live)].id, (0, 1, 42, 137)[which % 4])
        self.looks()

    def _restarts(self, which: int) -> None:
        self.kubelet.restart()
        self.looks()

    def _cut(self, which: int) -> None:
        """The kubelet is killed after some more actions, in the middle of a plan."""
        self.cut_after = which % 5 + 1

    def _sandbox(self, which: int) -> None:
        self.node.sandbox_dies(with_containers=bool(which % 2))
        self.looks()

    def _machine(self, which: int) -> None:
        self.node.sandbox_dies(with_containers=True)
        for item in self.node.live():
            self.node.end(item.id, 137)
        self.kubelet.restart()
        self.looks()

    def _records(self, which: int) -> None:
        """Somebody removes everything by hand, once the status has said what there is."""
        self.kubelet.lag = 0.0
        self.cut_after = None
        self.looks()
        if not self.again_at:
            self.node.lose_records()
            self.looks()

    def _resize(self, which: int) -> None:
        mains = self.node.pod.spec.containers
        mains[which % len(mains)].resources.requests["cpu"].string = str(which % 3 + 1)
        self.looks()

    def _debug(self, which: int) -> None:
        if self.node.pod.spec.ephemeral_containers or self.node.gone:
            return
        common = self.node.pod.spec.ephemeral_containers.add().ephemeral_container_common
        common.name, common.image = "debug", "registry.local/debug:1"
        self.looks()

    def _gate(self, which: int) -> None:
        for item in [*self.node.pod.status.conditions]:
            if item.type == GATE:
                self.node.pod.status.conditions.remove(item)
        self.node.pod.status.conditions.add(type=GATE, status="True" if which % 3 else "False")
        self.looks()

    def _pokes(self, which: int) -> None:
        """Events that come late or twice: looking again is doing nothing."""
        self.looks()
        if self.again_at is None:
            _, first = self.kubelet.look()
            _, second = self.kubelet.look()
            assert first == second, "the same look, another plan"
            assert not first.actions, "a look without news does something"

    def _blind(self, which: int) -> None:
        """The kubelet hangs for a while: all that happens meanwhile is seen at once."""
        until = self.node.now + (0.7, 3.0, 20.0)[which % 3]
        while (at := self.node.next_at()) is not None and at <= until:
            self.node.now = max(self.node.now, at)
            self.node.happen()
        self.node.now = self.kubelet.since = until
        self.looks()

    def _slow(self, which: int) -> None:
        """Statuses reach the API late from now on, or never when the kubelet is killed before."""
        self.kubelet.lag = (0.0, 0.4, 2.0)[which % 3]

    def _fails(self, which: int) -> None:
        """A probe fails before its time."""
        probes = [key for key in self.kubelet.probes if key[0] in self.node.containers]
        if probes:
            key = probes[which % len(probes)]
            spec = spec_of(self.node.pod, self.node.containers[key[0]].name)
            if spec.HasField(f"{key[1].value.lower()}_probe"):
                self.kubelet.probes[key] = type(self.kubelet.probes[key]).FAILURE
        self.looks()

    def _delete(self, which: int) -> None:
        meta = self.node.pod.metadata
        if not meta.HasField("deletion_timestamp") and not self.node.gone:
            self._deleted(float((30, 5, 0)[which % 3]))

    def _shorter(self, which: int) -> None:
        """A second delete, with a shorter grace."""
        meta = self.node.pod.metadata
        if meta.HasField("deletion_timestamp") and meta.deletion_grace_period_seconds > 1:
            self._deleted(1.0)

    def _deleted(self, grace: float) -> None:
        meta = self.node.pod.metadata
        meta.deletion_timestamp.CopyFrom(timestamp(self.node.now + grace))
        meta.deletion_grace_period_seconds = int(grace)
        self.judge.asked_to_end.append((self.node.now, grace))
        self.looks()

    def _gone(self, which: int) -> None:
        if self.node.gone:
            return
        self.node.gone = True
        meta, spec = self.node.pod.metadata, self.node.pod.spec
        has = meta.HasField("deletion_grace_period_seconds")
        grace = meta.deletion_grace_period_seconds if has else spec.termination_grace_period_seconds
        self.judge.asked_to_end.append((self.node.now, float(grace)))
        if self.again_at is None:
            self.again_at = self.node.now

    def _evict(self, which: int) -> None:
        if self.kubelet.verdict is None and self.kubelet.ending is None and not self.judge.must_end():
            grace = float((0, 10)[which % 2])
            self.kubelet.verdict = Verdict("Evicted", "too little", grace)
            own = float(self.node.pod.spec.termination_grace_period_seconds)
            self.judge.asked_to_end.append((self.node.now, min(grace, own)))
            self.looks()
