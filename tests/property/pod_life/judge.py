"""What must hold of a Pod's life, told from what really happened and from Kubernetes' documentation, not from
the kubelet's own rules.

Sources: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/, .../init-containers/,
.../sidecar-containers/, KEP-753, KEP-5307.
"""

import math

from kubelet.decide.actions import (
    Action,
    CreateSandbox,
    KillContainer,
    KillReason,
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
from kubelet.decide.observation import HookProgress, ImageProgress, PodObservation, ProbeKind, ProbeResult
from kubelet.decide.resize import sizes_of
from tests.property.pod_life.model import ModelKubelet
from tests.property.pod_life.node import RUNNING, Attempt
from tests.property.pod_life.pods import RULED, kind_of, spec_of
from tests.property.pod_life.saying import check_status
from vaina.api.core.v1 import pod_pb2
from vaina.clock import seconds_of

#: of float arithmetic, and of times that the API keeps in whole nanoseconds
EPS = 0.001
_FAULTS = {KillReason.LIVENESS, KillReason.STARTUP, KillReason.POST_START}
_STARTABLE_AGAIN = {"Always", "OnFailure"}


class Judge:
    """Holds every action, word and rest of a kubelet against the rules.

    Raises AssertionError with the rule that is broken.
    """

    def __init__(self, kubelet: ModelKubelet) -> None:
        self.kubelet, self.node = kubelet, kubelet.node
        #: (when, grace seconds) of everything that asks the Pod to end
        self.asked_to_end: list[tuple[float, float]] = []
        #: since when the Pod has come to its end by itself
        self.ended_at: float | None = None
        #: to which containers TERM was sent, in which life of the kubelet
        self._terms: set[tuple[str, int]] = set()
        self._hooks: set[tuple[str, int]] = set()
        #: when they were first asked to end
        self._begun: dict[tuple[str, int], float] = {}
        #: how many starts in a row led to the newest attempt
        self._backoff: dict[str, int] = {}
        #: when a container's image was pulled last, in which life
        self._pulled: dict[str, tuple[int, int]] = {}

    @property
    def pod(self) -> pod_pb2.Pod:
        return self.node.pod

    # What is true of the Pod.

    def policy(self, name: str) -> str:
        return spec_of(self.pod, name).restart_policy or self.pod.spec.restart_policy

    def again(self, item: Attempt) -> bool | None:
        """Say whether an attempt that has ended is to be followed by another in the same sandbox.

        None: either is right.
        """
        kind, policy = kind_of(self.pod, item.name), self.policy(item.name)
        if kind == "ephemeral":
            return False
        if kind == "sidecar" or (spec_of(self.pod, item.name).restart_policy_rules and item.code in RULED):
            return True
        if policy == "Never":
            return False
        if item.code != 0:
            return True
        if item.killed in _FAULTS or item.killed == KillReason.RESIZE:
            # A kubelet that was restarted meanwhile knows the code alone.
            return (
                True
                if item.killed_in == self.kubelet.life
                else None
                if kind == "init" or policy == "OnFailure"
                else True
            )
        return kind == "main" and policy == "Always"

    def due(self, item: Attempt) -> float:
        """Return when the attempt after this one may begin: at once, then after 10 s, 20 s, ... 5 min."""
        count = self._backoff.get(item.name, 0)
        if count <= 1 or item.removed or item.finished - item.started >= 600.0:
            return item.finished
        return item.finished + min(10.0 * 2 ** (count - 2), 300.0)

    def newest(self, name: str) -> Attempt | None:
        return next(iter(reversed(self.node.attempts(name))), None)

    def here(self, name: str) -> Attempt | None:
        """Return a container's newest attempt, if it belongs to the sandbox that there is."""
        item, sandbox = self.newest(name), self.node.sandbox()
        return item if item is not None and sandbox is not None and item.sandbox == sandbox.id else None

    def mains(self) -> list[str]:
        return [spec.name for spec in self.pod.spec.containers]

    def is_up(self, name: str) -> bool:
        """Say whether a container runs, its postStart hook and its startup probe are over."""
        item = self.here(name)
        if item is None or not item.lives:
            return False
        if self.kubelet.memory.post_start.get(item.id) is HookProgress.RUNNING:
            return False
        probed = spec_of(self.pod, name).HasField("startup_probe")
        return not probed or self.kubelet.probes.get((item.id, ProbeKind.STARTUP)) is ProbeResult.SUCCESS

    def hooks(self) -> bool:
        """Say whether a postStart hook is under way."""
        return HookProgress.RUNNING in self.kubelet.memory.post_start.values()

    def has_begun(self) -> bool:
        """Say whether a main container has been started in this sandbox.

        Then nobody waits for init containers any more.
        """
        return any(self.here(name) is not None for name in self.mains())

    def done(self, name: str) -> bool:
        """Say whether an init container is done, for this sandbox."""
        item = self.newest(name)
        if item is None or item.code != 0:
            return False
        # Where nothing may start twice, a success whose record is gone counts in the next sandbox too.
        return self.here(name) is not None or (item.removed and self.pod.spec.restart_policy == "Never")

    def missing_before(self, name: str) -> str:
        """Return the init container that a container has to wait for still."""
        if self.has_begun() and kind_of(self.pod, name) in {"main", "sidecar"}:
            return ""
        for spec in self.pod.spec.init_containers:
            if spec.name == name:
                return ""
            if not (self.is_up(spec.name) if spec.restart_policy == "Always" else self.done(spec.name)):
                return spec.name
        return ""

    def has_ended_itself(self) -> bool:
        """Say whether the Pod has come to its end.

        No main container runs or will again, or an init container failed for good.
        """
        mains = [self.newest(name) for name in self.mains()]
        if all(item is not None and not item.lives and not self.again(item) for item in mains):
            return True
        if not self.has_begun():
            for spec in self.pod.spec.init_containers:
                item = self.newest(spec.name)
                if (
                    item is not None
                    and spec.restart_policy != "Always"
                    and item.code
                    and not self.again(item)
                ):
                    return True
        if self.node.sandbox() is None and self.pod.spec.restart_policy == "Never" and self.node.history:
            return not any(
                self.policy(name) in _STARTABLE_AGAIN or spec_of(self.pod, name).restart_policy_rules
                for name in self.mains()
            )
        return False

    def must_end(self) -> bool:
        return self.asked() or self.pod.status.phase in {"Succeeded", "Failed"} or self.has_ended_itself()

    def asked(self) -> bool:
        """Say whether somebody wants the Pod to end: the API, its deadline, the node."""
        deadline = self.deadline()
        return (
            self.node.gone
            or self.pod.metadata.HasField("deletion_timestamp")
            or self.kubelet.verdict is not None
            or (deadline is not None and self.node.now >= deadline - EPS)
        )

    def deadline(self) -> float | None:
        """Return when activeDeadlineSeconds are over."""
        if not self.pod.spec.HasField("active_deadline_seconds") or not self.pod.status.HasField(
            "start_time"
        ):
            return None
        return seconds_of(self.pod.status.start_time) + self.pod.spec.active_deadline_seconds

    def patience(self) -> float:
        """Return the earliest time at which a container of a Pod that ends may be killed."""
        grace = float(self.pod.spec.termination_grace_period_seconds)
        # The API keeps whole seconds: a restarted kubelet goes by them.
        times = [float(math.floor(at + seconds)) for at, seconds in self.asked_to_end]
        deadline = self.deadline()
        if deadline is not None:
            times.append(deadline + grace)
        if not times or self.ended_at is not None:
            times.append((self.node.now if self.ended_at is None else self.ended_at) + grace)
        return min(times)

    # What the kubelet does.

    def does(self, action: Action) -> None:
        match action:
            case CreateSandbox(attempt):
                assert not self.must_end(), "what ends gets no sandbox"
                assert self.node.sandbox() is None, "a Pod has one sandbox"
                assert attempt not in {item.attempt for item in self.node.sandboxes.values()}, (
                    "an attempt of a sandbox is made once"
                )
                assert not self.node.live(), "what ran in an old sandbox has ended before the next is made"
                assert {
                    item.name for item in self.pod.spec.volumes
                } <= self.node.mounted | self.node.prepared, (
                    "no sandbox before all is there that the volumes need"
                )
                self.node.prepared = frozenset()
            case StopSandbox(key):
                ready = self.node.sandboxes[key].ready
                assert not ready or self.must_end(), "a sandbox that is needed stays"
                assert not any(item.sandbox_id == key for item in self.node.live()), (
                    "containers end before their sandbox"
                )
            case RemoveSandbox(key):
                assert not any(item.sandbox_id == key for item in self.node.live()), (
                    "what runs is not removed"
                )
                assert self.node.gone or not self._kept(key), (
                    "the newest attempt of a container is kept, for its logs"
                )
            case RemoveContainer(key):
                assert self.node.containers[key].phase is not RUNNING, "what runs is not removed"
                newest = self.newest(self.node.containers[key].name)
                assert self.node.gone or newest is None or newest.id != key, (
                    "the newest attempt is kept, for its logs"
                )
            case PrepareVolumes(names):
                assert not self.node.mounted & set(names), "what is mounted needs nothing more"
                assert not self.must_end(), "what ends waits for no volumes"
            case MountVolumes(names):
                assert not self.node.mounted & set(names), "a volume is mounted once"
                assert not self.must_end(), "what ends gets no volumes"
            case UnmountVolumes():
                assert not self.node.live(), "volumes go after the last container"
                assert self.must_end(), "volumes that are needed stay"
            case PullImage(name):
                assert not self.must_end(), "what ends pulls nothing"
                self._pulled[name] = action.attempt, self.kubelet.life
            case StartContainer():
                self._starts(action)
            case ResizeContainer(key, name):
                assert self.node.containers[key].phase is RUNNING, "only what runs is resized"
                assert self.kubelet.memory.sizes[key] != sizes_of(spec_of(self.pod, name).resources), (
                    "it has this size"
                )
            case RunPreStop() | TermContainer() | KillContainer():
                self._stops(action)
            case _:
                pass

    def _kept(self, sandbox: str) -> bool:
        return any(item.sandbox == sandbox and self.newest(item.name) is item for item in self.node.history)

    def _starts(self, action: StartContainer) -> None:
        name, node = action.name, self.node
        spec, before = spec_of(self.pod, name), self.newest(name)
        assert not self.must_end(), f"{name} starts in a Pod that ends"
        assert node.sandbox() is not None, f"{name} starts without a sandbox"
        assert {item.name for item in self.pod.spec.volumes} <= node.mounted, (
            f"{name} starts without its volumes"
        )
        missing = self.missing_before(name) if kind_of(self.pod, name) != "ephemeral" else ""
        assert not missing, f"{name} starts before {missing} is done"
        if kind_of(self.pod, name) == "init":
            assert not self.has_begun(), f"{name} runs again beside the main containers"
        if spec.image_pull_policy == "Always":
            assert self._pulled.get(name) == (action.attempt, self.kubelet.life), (
                f"{name} starts without a pull"
            )
        if kind_of(self.pod, name) != "ephemeral":
            assert action.image_id == f"id of {spec.image}", f"{name} starts from another image"
        if before is None:
            return
        assert not before.lives, f"{name} runs already"
        assert action.attempt == before.number + 1, (
            f"{name} restarts with number {action.attempt} after {before.number}"
        )
        self._starts_again(name, before)

    def _starts_again(self, name: str, before: Attempt) -> None:
        same = self.here(name) is not None
        kind = kind_of(self.pod, name)
        if same or kind != "init":
            assert self.again(before) is not False, f"{name} starts again, against its restart policy"
        else:
            assert not self.done(name), f"{name} is done"
        if kind == "init" and same:
            assert before.code != 0 or before.killed, f"{name} runs again after it was done"
        resized = before.killed == KillReason.RESIZE
        if not resized:
            assert self.node.now >= self.due(before) - EPS, (
                f"{name} starts {self.due(before) - self.node.now:g} s before its back-off is over"
            )

    def started(self, item: Attempt) -> None:
        """A container was started: not created alone."""
        before = next((other for other in reversed(self.node.attempts(item.name)) if other is not item), None)
        count = self._backoff.get(item.name, 0)
        if before is not None:
            # A resize counts for nothing, where it is known.
            resized = before.killed == KillReason.RESIZE and before.killed_in == self.kubelet.life
            fresh = before.removed or before.finished - before.started >= 600.0
            count = 0 if resized else 1 if fresh else count
        self._backoff[item.name] = count + 1

    def _stops(self, action: RunPreStop | TermContainer | KillContainer) -> None:
        key, name, now = action.container_id, action.name, self.node.now
        item, spec, life = self.node.attempt(key), spec_of(self.pod, name), self.kubelet.life
        assert item.lives, f"{name} has ended already"
        first = (key, life) not in self._terms | self._hooks
        if first:
            self._reason(action.reason, item)
            item.killed, item.killed_in = action.reason, life
        if action.reason is KillReason.POD_ENDS:
            self._order(name)
        allowed = self._may_kill(item)
        if isinstance(action, RunPreStop):
            assert first, f"the preStop hook of {name} runs twice"
            assert spec.lifecycle.HasField("pre_stop")
            self._hooks.add((key, life))
        elif isinstance(action, TermContainer):
            assert (key, life) not in self._terms, f"{name} gets TERM twice"
            if spec.lifecycle.HasField("pre_stop"):
                stopping = self.kubelet.memory.stopping.get(key)
                assert stopping is not None, f"{name} gets TERM without its preStop hook"
                assert stopping.hook is not HookProgress.RUNNING or now >= allowed - EPS, (
                    f"{name} gets TERM while its preStop hook runs"
                )
            self._terms.add((key, life))
        else:
            assert now >= allowed - EPS, f"{name} is killed {allowed - now:g} s before its grace is over"

    def _may_kill(self, item: Attempt) -> float:
        """Return from when on a container may be killed: its grace is over."""
        begun = self._begun.setdefault((item.id, self.kubelet.life), self.node.now)
        spec = spec_of(self.pod, item.name)
        own = begun + self.pod.spec.termination_grace_period_seconds
        if item.killed in {KillReason.LIVENESS, KillReason.STARTUP}:
            probe = spec.liveness_probe if item.killed == KillReason.LIVENESS else spec.startup_probe
            if probe.HasField("termination_grace_period_seconds"):
                own = begun + probe.termination_grace_period_seconds
        if item.killed == KillReason.POD_ENDS or self.must_end():
            return min(self.patience(), own) if item.killed != KillReason.POD_ENDS else self.patience()
        return own

    def _reason(self, reason: KillReason, item: Attempt) -> None:
        probes, sandbox = self.kubelet.probes, self.node.sandbox()
        spec, key = spec_of(self.pod, item.name), item.id
        holds = {
            KillReason.POD_ENDS: self.must_end(),
            KillReason.LIVENESS: probes.get((key, ProbeKind.LIVENESS)) is ProbeResult.FAILURE,
            KillReason.STARTUP: probes.get((key, ProbeKind.STARTUP)) is ProbeResult.FAILURE,
            KillReason.POST_START: self.kubelet.memory.post_start.get(key) is HookProgress.FAILED,
            KillReason.RESIZE: bool(spec.resize_policy)
            and self.kubelet.memory.sizes.get(key) != sizes_of(spec.resources),
            KillReason.SANDBOX_CHANGED: sandbox is None or sandbox.id != item.sandbox,
        }[reason]
        assert holds, f"{item.name} is ended for nothing ({reason})"

    def _order(self, name: str) -> None:
        """Sidecars end after everything else, the last one first, as long as there is time."""
        if kind_of(self.pod, name) != "sidecar" or self.node.now >= self.patience() - EPS:
            return
        names = [spec.name for spec in self.pod.spec.init_containers if spec.restart_policy == "Always"]
        for item in self.node.live():
            before = kind_of(self.pod, item.name) != "sidecar" or names.index(item.name) > names.index(name)
            assert not before, f"{name} is ended before {item.name}"

    # What it says, and where it rests.

    def says(self, before: pod_pb2.PodStatus, after: pod_pb2.PodStatus, observed: PodObservation) -> None:
        if self.ended_at is None and self.has_ended_itself():
            self.ended_at = self.node.now
        check_status(self, before, after)

    def rests(self, plan: PodPlan) -> None:
        """Nothing is to be done now: then nothing is due, and the kubelet wakes up in time for what will be."""
        wake = plan.wake_at if plan.wake_at is not None else float("inf")
        if self.must_end():
            if self.node.live():
                assert wake <= self.latest() + EPS, (
                    f"it wakes {wake - self.latest():g} s too late to end what runs"
                )
            else:
                assert not self.node.mounted
                assert self.node.sandbox() is None
                assert plan.stopped
            return
        assert not plan.stopped, "a Pod that is to run has not stopped"
        deadline = self.deadline()
        assert deadline is None or wake <= deadline + EPS, "it wakes too late for the deadline"
        if self.node.sandbox() is None:
            assert self.kubelet.memory.failures or self.node.live(), "there is no sandbox"
            return
        if {item.name for item in self.pod.spec.volumes} - self.node.mounted or self._strays():
            return
        for spec in (*self.pod.spec.init_containers, *self.pod.spec.containers):
            self._is_cared_for(spec.name, wake)

    def latest(self) -> float:
        """Return until when everything of a Pod that ends must have been killed."""
        grace = float(self.pod.spec.termination_grace_period_seconds)
        asked = [*self.asked_to_end]
        # Somebody who asks may give more time than there was left.
        own = self.ended_at if not asked else None
        asked += [(at, grace) for at in (self.deadline(), own) if at is not None and at <= self.node.now]
        # A kubelet that was restarted begins anew; what has used up its grace with its hook gets 2 s more.
        times = [max(at, self.kubelet.since) + seconds for at, seconds in asked]
        return max([self.node.now, min(times, default=self.node.now + grace)]) + 2.0

    def _strays(self) -> bool:
        sandbox = self.node.sandbox()
        return any(sandbox is None or item.sandbox_id != sandbox.id for item in self.node.live())

    def _is_cared_for(self, name: str, wake: float) -> None:
        item = self.here(name)
        kind = kind_of(self.pod, name)
        if item is not None and item.lives:
            if item.id in self.kubelet.memory.stopping:
                late = wake - max(self.node.now, self._may_kill(item) + 2.0)
                assert late <= EPS, f"it wakes {late:g} s too late to kill {name}"
            if kind != "init" and item.id not in self.kubelet.memory.stopping:
                faults = (ProbeKind.LIVENESS, ProbeKind.STARTUP)
                failed = any(
                    self.kubelet.probes.get((item.id, fault)) is ProbeResult.FAILURE for fault in faults
                )
                assert not failed, f"{name} has failed a probe and goes on"
                wanted = sizes_of(spec_of(self.pod, name).resources)
                assert self.kubelet.memory.sizes.get(item.id, wanted) == wanted, (
                    f"{name} does not have its size"
                )
            return
        if self.missing_before(name) or (kind == "init" and (self.done(name) or self.has_begun())):
            return
        newest = self.newest(name)
        if newest is not None and (self.here(name) is not None or kind != "init") and not self.again(newest):
            return
        image = self.kubelet.memory.images.get(name)
        if self.kubelet.memory.failures or (
            image is not None and image.observation.progress is not ImageProgress.READY
        ):
            return
        due = self.node.now - 1.0 if newest is None else self.due(newest)
        assert due > self.node.now - EPS, f"{name} should run"
        assert wake <= due + EPS, f"it wakes {wake - due:g} s too late for {name}"
