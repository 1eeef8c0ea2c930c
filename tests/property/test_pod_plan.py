"""Plans carried out on a model of a node, with everything that can go wrong: what must always hold of a Pod's life."""

from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kubelet.labels import BACKOFF_STEP
from kubelet.pod.actions import (
    Action,
    CancelPulls,
    CreateSandbox,
    KillContainer,
    MountVolumes,
    PodPlan,
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
from kubelet.pod.compute import RestartPolicy, compute_pod_plan, natural_ending
from kubelet.pod.observation import (
    HookProgress,
    ImageObservation,
    ImageProgress,
    PodObservation,
    ProbeKind,
    ProbeResult,
    Stopping,
)
from kubelet.pod.phase import TERMINAL
from kubelet.pod.resize import Sizes, desired
from kubelet.pod.status import NodeAddresses, compute_pod_status
from kubelet.pod.termination import Ending, next_ending
from kubelet.runtime.records import ContainerPhase, ContainerState, SandboxState, Uid
from vaina.api.core.v1 import pod_pb2
from vaina.clock import timestamp
from vaina.testing.builders import make_container, make_pod

#: a failure takes a while to be made small
pytestmark = pytest.mark.timeout(120)

UID = Uid("uid-default-web")
POLICY = RestartPolicy()
NODE = NodeAddresses("192.0.2.1", "docker")
#: of eight
_RARE = 5


class PodLife(RuleBasedStateMachine):
    """One Pod on one node. The node's truth is in `sandboxes` and `containers`; the rest a kubelet could forget."""

    @initialize(
        restart=st.sampled_from(["Always", "OnFailure", "Never"]),
        inits=st.integers(0, 2),
        sidecars=st.integers(0, 1),
        mains=st.integers(1, 2),
        volumes=st.integers(0, 1),
        hook=st.booleans(),
        stop_removes=st.booleans(),
        own=st.sampled_from(["", "", "Always", "OnFailure", "Never", "rule"]),
        debug=st.integers(0, 1),
        probed=st.booleans(),
    )
    def begin(
        self,
        restart: str,
        inits: int,
        sidecars: int,
        mains: int,
        volumes: int,
        hook: bool,
        stop_removes: bool,
        own: str,
        debug: int,
        probed: bool,
    ) -> None:
        self.stop_removes = stop_removes
        pod = make_pod(containers=[make_container(f"main{index}") for index in range(mains)])
        pod.spec.restart_policy = restart
        pod.spec.termination_grace_period_seconds = 30
        for index in range(inits):
            pod.spec.init_containers.append(make_container(f"init{index}"))
        for index in range(sidecars):
            pod.spec.init_containers.append(make_container(f"side{index}"))
            pod.spec.init_containers[-1].restart_policy = "Always"
        for index in range(volumes):
            pod.spec.volumes.add(name=f"volume{index}")
        if hook:
            pod.spec.containers[0].lifecycle.pre_stop.sleep.seconds = 5
        if own:
            pod.spec.containers[0].restart_policy = "Never" if own == "rule" else own
        if own == "rule":
            rule = pod.spec.containers[0].restart_policy_rules.add(action="Restart")
            rule.exit_codes.operator = "In"
            rule.exit_codes.values.append(1)
        for index in range(debug):
            ephemeral = pod.spec.ephemeral_containers.add().ephemeral_container_common
            ephemeral.name, ephemeral.image = f"debug{index}", "registry.local/tools:1"
        if probed:
            for container in (*pod.spec.containers, *pod.spec.init_containers):
                if container.restart_policy == "Always" or not container.name.startswith("init"):
                    container.startup_probe.period_seconds = 1
                    container.liveness_probe.period_seconds = 1
        self.pod = pod
        self.now = 1_000_000.0
        self.gone = False
        #: sandboxes, ever
        self.made = 0
        self.sandboxes: dict[str, SandboxState] = {}
        self.containers: dict[str, ContainerState] = {}
        #: (name, attempt) of everything that was ever started
        self.starts: list[tuple[str, int]] = []
        self.finished: set[str] = set()
        self.ended_for_good = False
        self.forget()

    def forget(self) -> None:
        self.images: dict[str, ImageObservation] = {}
        #: what probes have established; as long as nothing goes wrong a container is up as soon as it runs
        self.failed_probes: dict[str, ProbeKind] = {}
        self.sizes: dict[str, Sizes] = {}
        self.mounted: frozenset[str] = frozenset()
        self.stopping: dict[str, Stopping] = {}
        self.stopped: set[str] = set()
        self.ending: Ending | None = None
        self.adopted = True
        self.reported: pod_pb2.PodStatus | None = None

    def observe(self) -> PodObservation:
        return PodObservation(
            observed_at=self.now, first_seen=self.now, sandboxes=tuple(self.sandboxes.values()),
            containers=tuple(self.containers.values()), mounted=self.mounted, images=dict(self.images),
            stopping={key: item for key, item in self.stopping.items() if key in self.containers},
            stopped=frozenset(self.stopped), previous=self.reported or self.pod.status,
            probes=self.probes(), sizes=dict(self.sizes),
        )  # fmt: skip

    def probes(self) -> dict[tuple[str, ProbeKind], ProbeResult]:
        found: dict[tuple[str, ProbeKind], ProbeResult] = {}
        for item in self.containers.values():
            if item.phase is ContainerPhase.RUNNING:
                found[item.id, ProbeKind.STARTUP] = ProbeResult.SUCCESS
                found[item.id, ProbeKind.LIVENESS] = ProbeResult.SUCCESS
                if item.id in self.failed_probes:
                    found[item.id, self.failed_probes[item.id]] = ProbeResult.FAILURE
        return found

    def look(self) -> tuple[PodObservation, PodPlan]:
        self.ending = next_ending(
            self.ending,
            self.pod,
            gone=self.gone,
            now=self.now,
            adopted=self.adopted and self.reported is None,
        )
        observed = self.observe()
        ending = self.ending or natural_ending(self.pod, observed, self.now)
        plan = compute_pod_plan(self.pod, observed, ending=ending, now=self.now, policy=POLICY)
        again = compute_pod_plan(self.pod, observed, ending=ending, now=self.now, policy=POLICY)
        assert plan == again
        status = compute_pod_status(self.pod, observed, node=NODE, ending=ending, now=self.now, policy=POLICY)
        if not self.gone:
            before = self.pod.status.phase
            assert before not in TERMINAL or status.phase == before, "final phases stay"
            self.reported = status
            self.pod.status.CopyFrom(status)
        return observed, plan

    @rule(passes=st.integers(1, 3))
    def passes_go_by(self, passes: int) -> None:
        for _ in range(passes):
            _, plan = self.look()
            for action in plan.actions:
                self.do(action)

    @rule(actions=st.integers(1, 5))
    def a_pass_is_cut_short(self, actions: int) -> None:
        """Only the beginning of a plan is carried out: the kubelet was killed, or an action failed."""
        _, plan = self.look()
        for action in plan.actions[:actions]:
            self.do(action)

    def do(self, action: Action) -> None:  # noqa: PLR0912 - one match
        match action:
            case CreateSandbox(attempt):
                assert attempt not in {item.attempt for item in self.sandboxes.values()}, (
                    "an attempt is made once"
                )
                self.made += 1
                key = f"sandbox-{self.made}"
                address = f"10.244.1.{self.made % 250 + 2}"
                self.sandboxes[key] = SandboxState(
                    key, "web", "default", UID, attempt, True, address, self.now
                )
            case StopSandbox(key):
                for item in [*self.containers.values()]:
                    if item.sandbox_id == key:
                        self.end(item.id, 137)
                # Some runtimes have nothing left of a stopped sandbox, some go on showing its address.
                self.sandboxes[key] = replace(self.sandboxes[key], ready=False)
                if self.stop_removes:
                    del self.sandboxes[key]
                self.stopped.add(key)
            case RemoveSandbox(key):
                del self.sandboxes[key]
                for item in [*self.containers.values()]:
                    if item.sandbox_id == key:
                        assert item.phase is not ContainerPhase.RUNNING
                        del self.containers[item.id]
            case MountVolumes(names):
                self.mounted |= frozenset(names)
            case UnmountVolumes(names):
                assert not any(item.phase is ContainerPhase.RUNNING for item in self.containers.values())
                self.mounted -= frozenset(names)
            case PullImage(name):
                self.images[name] = ImageObservation(ImageProgress.READY, image_id="sha256:app")
            case CancelPulls():
                self.images.clear()
            case StartContainer():
                self.start(action)
            case ResizeContainer(key, name):
                assert self.containers[key].phase is ContainerPhase.RUNNING, "only what runs is resized"
                self.sizes[key] = desired(self.pod)[name]
            case RunPreStop(key, _, reason, deadline):
                self.stopping[key] = Stopping(reason, deadline, hook=HookProgress.RUNNING)
            case TermContainer(key, _, reason, deadline):
                before = self.stopping.get(key, Stopping(reason, deadline))
                self.stopping[key] = replace(before, termed_at=self.now)
            case KillContainer(key):
                self.end(key, 137)
            case RemoveContainer(key):
                assert self.containers[key].phase is not ContainerPhase.RUNNING
                del self.containers[key]

    def start(self, action: StartContainer) -> None:
        key = f"{action.name}-{action.attempt}"
        sandbox = max(self.sandboxes.values(), key=lambda item: item.attempt)
        assert sandbox.ready, "nothing starts outside a sandbox"
        assert key not in self.containers or self.containers[key].phase is ContainerPhase.CREATED
        assert (action.name, action.attempt) not in self.starts, "an attempt is started once"
        assert {volume.name for volume in self.pod.spec.volumes} <= self.mounted
        assert not self.ended_for_good, "what has ended for good starts nothing"
        self.starts.append((action.name, action.attempt))
        if action.name in desired(self.pod):
            self.sizes[key] = desired(self.pod)[action.name]
        self.containers[key] = ContainerState(
            key, sandbox.id, UID, action.name, action.attempt, ContainerPhase.RUNNING, "image", "sha256:app",
            created_at=self.now, started_at=self.now, annotations={BACKOFF_STEP: str(action.backoff_step)},
        )  # fmt: skip

    def end(self, key: str, code: int) -> None:
        item = self.containers.get(key)
        if item is not None and item.phase is ContainerPhase.RUNNING:
            self.containers[key] = replace(
                item, phase=ContainerPhase.EXITED, exit_code=code, finished_at=self.now,
                reason="Error" if code else "Completed",
            )  # fmt: skip

    @rule(code=st.sampled_from([0, 1]), which=st.integers(0, 5))
    def a_container_ends(self, code: int, which: int) -> None:
        live = [item.id for item in self.containers.values() if item.phase is ContainerPhase.RUNNING]
        if live:
            self.end(live[which % len(live)], code)

    @rule(which=st.integers(0, 5), kind=st.sampled_from([ProbeKind.STARTUP, ProbeKind.LIVENESS]))
    def a_probe_fails(self, which: int, kind: ProbeKind) -> None:
        specs = {spec.name: spec for spec in (*self.pod.spec.containers, *self.pod.spec.init_containers)}
        live = [
            item.id
            for item in self.containers.values()
            if item.phase is ContainerPhase.RUNNING
            and item.name in specs
            and specs[item.name].HasField("liveness_probe")
        ]
        if live:
            self.failed_probes[live[which % len(live)]] = kind

    @rule(cpu=st.sampled_from(["1", "2"]))
    def it_is_resized(self, cpu: str) -> None:
        self.pod.spec.containers[0].resources.requests["cpu"].string = cpu

    @rule()
    def an_event_comes_late_or_twice(self) -> None:
        """Somebody pokes the worker: it looks, and does nothing that it would not have done."""
        _, plan = self.look()
        for _ in range(2):
            _, again = self.look()
            assert again == plan

    @rule(seconds=st.sampled_from([1.0, 12.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def the_kubelet_restarts(self) -> None:
        mounted = self.mounted
        self.forget()
        # That is asked of the file system.
        self.mounted = mounted

    @rule()
    def the_sandbox_dies(self) -> None:
        for key, item in self.sandboxes.items():
            self.sandboxes[key] = replace(item, ready=False)

    @rule()
    def somebody_removes_the_records(self) -> None:
        self.look()
        self.sandboxes.clear()
        self.containers.clear()

    @rule()
    def the_machine_restarts(self) -> None:
        self.the_sandbox_dies()
        for key in [*self.containers]:
            self.end(key, 137)
        self.the_kubelet_restarts()

    @precondition(lambda self: not self.pod.metadata.HasField("deletion_timestamp"))
    @rule(chance=st.integers(0, 7))
    def somebody_deletes_it(self, chance: int) -> None:
        # Rarely: it ends most of what could happen. (Ends of a range are tried more often than what lies between.)
        if chance != _RARE:
            return
        self.pod.metadata.deletion_timestamp.CopyFrom(timestamp(self.now + 30))
        self.pod.metadata.deletion_grace_period_seconds = 30

    @rule(chance=st.integers(0, 7))
    def it_goes_from_the_api(self, chance: int) -> None:
        self.gone = self.gone or chance == _RARE

    @invariant()
    def at_most_one_sandbox_has_a_process(self) -> None:
        assert sum(item.ready for item in self.sandboxes.values()) <= 1

    @invariant()
    def at_most_one_attempt_runs(self) -> None:
        names = [item.name for item in self.containers.values() if item.phase is ContainerPhase.RUNNING]
        assert len(names) == len(set(names))

    @invariant()
    def attempts_grow(self) -> None:
        for name in {name for name, _ in self.starts}:
            attempts = [attempt for other, attempt in self.starts if other == name]
            assert attempts == sorted(set(attempts))

    @invariant()
    def never_starts_once(self) -> None:
        specs = {spec.name: spec for spec in (*self.pod.spec.containers, *self.pod.spec.init_containers)}
        if self.pod.spec.restart_policy == "Never":
            names = [
                name
                for name, _ in self.starts
                if name in specs and not specs[name].restart_policy and not self.may_begin_anew
            ]
            assert len(names) == len(set(names))

    @property
    def may_begin_anew(self) -> bool:
        """A Pod that may start nothing twice gets another sandbox for a container that may; its init containers run there again."""
        return any(
            spec.restart_policy in {"Always", "OnFailure"} or spec.restart_policy_rules
            for spec in self.pod.spec.containers
        )

    @invariant()
    def a_debug_container_starts_once(self) -> None:
        names = [name for name, _ in self.starts if name.startswith("debug")]
        assert len(names) == len(set(names))

    @invariant()
    def a_final_phase_starts_nothing(self) -> None:
        self.ended_for_good = self.pod.status.phase in TERMINAL

    def teardown(self) -> None:
        """Left alone, the Pod comes to rest; gone from the API, nothing of it stays."""
        if not hasattr(self, "pod"):
            return
        self.settle()
        self.check_at_rest()
        self.it_is_resized("3")
        self.settle()
        self.check_at_rest()
        self.gone = True
        self.settle()
        assert not self.sandboxes
        assert not self.containers
        assert not self.mounted

    def check_at_rest(self) -> None:
        """The Pod is what its spec says: everything that should run does, or it has come to its end and nothing does."""
        live = {item.name for item in self.containers.values() if item.phase is ContainerPhase.RUNNING}
        if self.gone or self.pod.metadata.HasField("deletion_timestamp") or self.pod.status.phase in TERMINAL:
            assert not live
            assert not any(item.ready for item in self.sandboxes.values())
            return
        assert sum(item.ready for item in self.sandboxes.values()) == 1
        assert {spec.name for spec in self.pod.spec.init_containers if spec.restart_policy} <= live
        mains = {spec.name: spec for spec in self.pod.spec.containers}
        ended = {
            item.name: item.exit_code for item in self.containers.values() if item.name in mains.keys() - live
        }
        assert mains.keys() - live <= ended.keys()
        for name in mains.keys() - live:
            own = mains[name].restart_policy or self.pod.spec.restart_policy
            assert own in {"Never", "OnFailure"}, f"{name} should run"
        for item in self.containers.values():
            if item.phase is ContainerPhase.RUNNING and item.name in mains:
                assert self.sizes[item.id] == desired(self.pod)[item.name], "it has what it should"
        assert self.pod.status.phase == "Running"

    def settle(self) -> None:
        # Nothing goes wrong from now on: init containers end well, and what they wait for comes.
        self.failed_probes.clear()
        for _ in range(200):
            _, plan = self.look()
            for action in plan.actions:
                self.do(action)
            initial = [
                item.id
                for item in self.containers.values()
                if item.name.startswith("init") and item.phase is ContainerPhase.RUNNING
            ]
            if not plan.actions and initial and self.ending is None:
                self.end(initial[0], 0)
                continue
            if not plan.actions:
                if plan.wake_at is None or plan.terminal:
                    return
                self.now = max(self.now, plan.wake_at)
        raise AssertionError("the Pod never came to rest")


PodLife.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestPodLife = PodLife.TestCase
