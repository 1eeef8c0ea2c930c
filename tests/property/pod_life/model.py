"""A worker as the model has it: what it remembers and loses, its look, and each action carried out on the
model's node.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from kubelet.decide import compute, containers, status, termination
from kubelet.decide.actions import (
    Action,
    CancelPulls,
    CreateSandbox,
    KillContainer,
    MountVolumes,
    PodPlan,
    PrepareVolumes,
    PullImage,
    RemoveContainer,
    RemoveSandbox,
    ResizeContainer,
    RunPreStop,
    StartContainer,
    StopSandbox,
    TermContainer,
    UnmountVolumes,
)
from kubelet.decide.containers import view_containers
from kubelet.decide.observation import (
    SANDBOX_KEY,
    VOLUMES_KEY,
    HookProgress,
    ImageObservation,
    ImageProgress,
    PodObservation,
    ProbeKind,
    ProbeResult,
    Stopping,
    start_key,
)
from kubelet.decide.resize import made_with, reported, sizes_of
from kubelet.decide.termination import Ending, EndReason, Verdict
from kubelet.pod.observe import ImageRecord, PodMemory
from kubelet.runtime.records import ContainerState
from tests.property.pod_life.node import RUNNING, Attempt, Node
from tests.property.pod_life.pods import spec_of
from vaina.api.core.v1 import pod_pb2
from vaina.backoff import Backoff

POLICY = containers.RestartPolicy()
ADDRESSES = status.NodeAddresses("192.0.2.1", "docker")
_SOON = Backoff(0.5, 8.0)


class ActionFailed(Exception):
    """It did not work; the pass ends."""


class Witness(Protocol):
    """Who is told what the kubelet is about to do and what it says."""

    def does(self, action: Action) -> None: ...

    def started(self, item: Attempt) -> None: ...

    def says(self, before: pod_pb2.PodStatus, after: pod_pb2.PodStatus, observed: PodObservation) -> None: ...

    def rests(self, plan: PodPlan) -> None: ...


class ModelKubelet:
    """One worker. `restart` is what a killed kubelet has left: nothing of `memory` and `probes`."""

    def __init__(self, node: Node, witness: Callable[["ModelKubelet"], Witness]) -> None:
        self.node = node
        #: how often it was started
        self.life = -1
        #: seconds after which a status reaches the API
        self.lag = 0.0
        self.restart()
        self.witness = witness(self)

    def restart(self) -> None:
        self.life += 1
        self.memory = PodMemory(first_seen=self.node.now)
        self.probes: dict[tuple[str, ProbeKind], ProbeResult] = {}
        self.ending: Ending | None = None
        self.natural: Ending | None = None
        #: probes that were begun
        self._asked: set[tuple[str, ProbeKind]] = set()
        self.verdict: Verdict | None = None
        self.looked = False
        #: since when it has looked without a pause
        self.since = self.node.now

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        """Do something after a while, unless the kubelet is another by then."""
        life = self.life
        self.node.at(self.node.now + seconds, lambda: do() if self.life == life else None)

    def look(self) -> tuple[PodObservation, PodPlan]:
        """Observe, say how it is, decide: as `kubelet.pod.worker` does."""
        node, pod, now = self.node, self.node.pod, self.node.now
        self.ending = termination.next_ending(
            self.ending, pod, gone=node.gone, now=now, adopted=self.life > 0 and not self.looked,
            verdict=self.verdict,
        )  # fmt: skip
        if not self.looked:
            self._adopt()
        observed = self._observe()
        self.natural = compute.natural_ending(pod, observed, now, before=self.natural)
        ending = self.ending or self.natural
        if not node.gone:
            self._say(observed, ending)
        self._attend(observed, ending)
        self.looked = True
        return observed, compute.compute_pod_plan(pod, observed, ending=ending, now=now, policy=POLICY)

    def _observe(self) -> PodObservation:
        node, memory = self.node, self.memory
        memory.forget_containers(frozenset(node.containers))
        memory.stopped &= set(node.sandboxes)
        memory.mounted = node.mounted
        before = memory.reported if memory.reported is not None else node.pod.status
        said = reported(before)
        for item in node.live():
            found = memory.sizes.get(item.id) or said.get(item.id) or made_with(item)
            if found is not None:
                memory.sizes[item.id] = found
        previous = pod_pb2.PodStatus()
        previous.CopyFrom(before)
        observed = PodObservation(
            observed_at=node.now, first_seen=memory.first_seen, sandboxes=tuple(node.sandboxes.values()),
            containers=tuple(node.containers.values()), stopped=frozenset(memory.stopped), mounted=node.mounted,
            failures=dict(memory.failures), post_start=dict(memory.post_start), stopping=dict(memory.stopping),
            probes={key: result for key, result in self.probes.items() if key[0] in node.containers},
            sizes=dict(memory.sizes), previous=previous, said=previous,
        )  # fmt: skip
        return replace(observed, images=self._images(observed))

    def _images(self, observed: PodObservation) -> dict[str, ImageObservation]:
        found: dict[str, ImageObservation] = {}
        for view in view_containers(self.node.pod, observed):
            if view.running and view.in_sandbox:
                continue
            record = self.memory.images.get(view.name)
            if record is not None and record.attempt == view.next_attempt:
                found[view.name] = record.observation
            elif view.spec.image in self.node.images and view.spec.image_pull_policy != "Always":
                found[view.name] = ImageObservation(ImageProgress.READY, image_id=f"id of {view.spec.image}")
        return found

    def _say(self, observed: PodObservation, ending: Ending | None) -> None:
        node = self.node
        said = status.compute_pod_status(
            node.pod, observed, node=ADDRESSES, ending=ending, now=node.now, policy=POLICY
        )
        assert observed.previous is not None
        self.witness.says(observed.previous, said, observed)
        news = said != self.memory.reported
        if news:
            self.memory.reported = said
        if not self.lag:
            self._write(said)
        elif news:
            # The newest is written: one that comes late tells nothing old.
            self.later(self.lag, lambda: self._write(said) if self.memory.reported is said else None)

    def _write(self, said: pod_pb2.PodStatus) -> None:
        gates = [item for item in self.node.pod.status.conditions if item.type.startswith("example.com/")]
        written = pod_pb2.PodStatus()
        written.CopyFrom(said)
        written.conditions.extend(gates)
        self.node.pod.status.CopyFrom(written)

    def _adopt(self) -> None:
        for item in (*self.node.pod.status.init_container_statuses, *self.node.pod.status.container_statuses):
            _, _, key = item.container_id.rpartition("://")
            if key and item.ready:
                self.probes[key, ProbeKind.READINESS] = ProbeResult.SUCCESS
            if key and item.started:
                self.probes[key, ProbeKind.STARTUP] = ProbeResult.SUCCESS

    def _attend(self, observed: PodObservation, ending: Ending | None) -> None:
        """Have the probes that the running containers need; their answers come after a while."""
        for item in self.node.live():
            kind, spec = self.node.kind(item.name), spec_of(self.node.pod, item.name)
            if kind in {"init", "ephemeral"} or item.id in observed.post_start_pending:
                continue
            run = self.node.attempt(item.id).run
            age = self.node.now - item.started_at
            up = self.probes.get((item.id, ProbeKind.STARTUP)) is ProbeResult.SUCCESS
            waits = spec.HasField("startup_probe") and not up
            answer = ProbeResult.SUCCESS if run.comes_up else ProbeResult.FAILURE
            self._probe(item, spec, ProbeKind.STARTUP, run.up - age, answer, asked=waits and ending is None)
            self._probe(
                item,
                spec,
                ProbeKind.LIVENESS,
                run.lives - age,
                ProbeResult.FAILURE,
                asked=not waits and ending is None,
            )
            self._probe(
                item, spec, ProbeKind.READINESS, run.ready - age, ProbeResult.SUCCESS, asked=not waits
            )

    def _probe(
        self, item: ContainerState, spec: pod_pb2.Container, kind: ProbeKind, seconds: float, result: ProbeResult, *,
        asked: bool,
    ) -> None:  # fmt: skip
        key = item.id, kind
        if not asked or not spec.HasField(f"{kind.value.lower()}_probe") or key in self._asked:
            return
        self._asked.add(key)
        first = {ProbeKind.LIVENESS: ProbeResult.SUCCESS, ProbeKind.READINESS: ProbeResult.FAILURE}
        self.probes.setdefault(key, first.get(kind, ProbeResult.UNKNOWN))

        def answer() -> None:
            self.probes[key] = ProbeResult.SUCCESS if self.node.calm else result

        self.later(max(seconds, 0.1), answer)

    def do(self, action: Action) -> None:  # noqa: PLR0912 - one match
        """Carry out one action. Raises ActionFailed."""
        self.witness.does(action)
        node, memory = self.node, self.memory
        match action:
            case CreateSandbox(attempt):
                self._may_fail(SANDBOX_KEY)
                memory.sandbox = node.make_sandbox(attempt)
            case StopSandbox(key):
                node.stop_sandbox(key)
                memory.stopped.add(key)
            case RemoveSandbox(key):
                node.remove_sandbox(key)
            case PrepareVolumes(names):
                self._may_fail(VOLUMES_KEY)
                node.prepared |= frozenset(names)
            case MountVolumes(names):
                self._may_fail(VOLUMES_KEY)
                node.mounted |= frozenset(names)
            case UnmountVolumes(names):
                node.mounted -= frozenset(names)
                memory.failures.pop(VOLUMES_KEY, None)
            case PullImage():
                self._pull(action)
            case CancelPulls():
                memory.images.clear()
            case StartContainer():
                self._start(action)
            case ResizeContainer(key, name):
                memory.sizes[key] = sizes_of(spec_of(node.pod, name).resources)
            case RunPreStop():
                self._pre_stop(action)
            case TermContainer(key):
                before = memory.stopping.get(key, Stopping(action.reason, action.deadline))
                memory.stopping[key] = replace(before, termed_at=node.now)
                node.signal(key)
            case KillContainer(key):
                before = memory.stopping.get(key, Stopping(action.reason, node.now))
                memory.stopping[key] = replace(
                    before, termed_at=before.termed_at or node.now, killed_at=node.now
                )
                node.end(key, 137)
            case RemoveContainer(key):
                node.remove_container(key)

    def _may_fail(self, key: str, reason: str = "") -> None:
        failures = self.memory.failures.get(key)
        count = failures.count if failures else 0
        if not self.node.calm and self.node.dice(key, self.node.now, count).random() < 0.05:
            self.memory.fail(key, reason, "it does not work", backoff=_SOON, now=self.node.now)
            raise ActionFailed
        self.memory.failures.pop(key, None)

    def _pull(self, action: PullImage) -> None:
        node, memory = self.node, self.memory
        dice = node.dice("pull", action.name, action.attempt, node.now)
        works, seconds = node.calm or dice.random() > 0.1, dice.choice([0.2, 2.0])

        def record(found: ImageObservation) -> None:
            memory.images[action.name] = ImageRecord(action.attempt, action.image, found, pulled=True)

        def ends() -> None:
            now = memory.images.get(action.name)
            if now is None or now.attempt != action.attempt:
                return
            if works:
                node.images.add(action.image)
                record(ImageObservation(ImageProgress.READY, image_id=f"id of {action.image}"))
            else:
                until = node.now + 10.0
                record(
                    ImageObservation(ImageProgress.FAILED, "", "ErrImagePull", "no", node.now + 1.0, until)
                )

        record(ImageObservation(ImageProgress.PULLING))
        self.later(seconds, ends)

    def _start(self, action: StartContainer) -> None:
        node, memory = self.node, self.memory
        self._may_fail(start_key(action.name), "CreateContainerError")
        known = len(node.containers)
        key = node.create(action)
        if not node.calm and len(node.containers) > known and node.dice("half", key).random() < 0.05:
            # It was created, and then something came between.
            raise ActionFailed
        works = node.start(key)
        self.witness.started(node.attempt(key))
        if not works:
            raise ActionFailed
        memory.failures.pop(start_key(action.name), None)
        spec = spec_of(node.pod, action.name)
        memory.sizes[key] = sizes_of(spec.resources)
        if spec.lifecycle.HasField("post_start"):
            run = node.attempt(key).run
            memory.post_start[key] = HookProgress.RUNNING
            end = HookProgress.DONE if run.post_start_works else HookProgress.FAILED

            def ends() -> None:
                if key in memory.post_start:
                    memory.post_start[key] = end

            self.later(run.post_start, ends)

    def _pre_stop(self, action: RunPreStop) -> None:
        memory, key = self.memory, action.container_id
        memory.stopping[key] = Stopping(action.reason, action.deadline, hook=HookProgress.RUNNING)
        seconds = max(action.deadline - self.node.now, 0.0)
        run = self.node.attempt(key).run
        done = HookProgress.DONE if run.pre_stop <= seconds else HookProgress.FAILED
        self.later(min(run.pre_stop, seconds), lambda: memory.hook_ended(key, done))

    def finished(self, plan: PodPlan) -> bool:
        """Say whether the object may go from the API."""
        return plan.stopped and self.ending is not None and self.ending.reason is EndReason.DELETED

    def running(self) -> list[ContainerState]:
        return [item for item in self.node.containers.values() if item.phase is RUNNING]
