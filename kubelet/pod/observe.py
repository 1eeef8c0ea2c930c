"""What a worker knows of its Pod: what it remembers between passes, and one look at everything. Shell."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial

from kubelet.decide.actions import ContainerKind
from kubelet.decide.containers import ContainerView, init_done, restart_wanted, view_containers, wanted_images
from kubelet.decide.observation import (
    Failure,
    HookProgress,
    ImageObservation,
    ImageProgress,
    PodObservation,
    ProbeKind,
    ProbeResult,
    Stopping,
)
from kubelet.decide.resize import Pending, Sizes, made_with, reported
from kubelet.pod.pull_secrets import find_pull_credentials
from kubelet.pod.tools import PodTools
from kubelet.runtime.interface import NotFoundInRuntime
from kubelet.runtime.records import (
    BACKOFF_STEP,
    TERMINATION_POLICY_ANNOTATION,
    ContainerPhase,
    ContainerState,
    LogOptions,
    SandboxState,
    Uid,
)
from vaina.api.core.v1 import pod_pb2
from vaina.backoff import Backoff


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """What is known of the image for one attempt."""

    attempt: int
    image: str
    observation: ImageObservation
    #: it was pulled for this attempt, and an event said so
    pulled: bool = False


@dataclass(slots=True)
class PodMemory:
    """What a worker remembers of its Pod between passes: what is under way, and what has failed.

    A restarted kubelet begins with an empty memory: adopting what runs needs nothing of it.
    """

    first_seen: float
    #: by `image_key`
    images: dict[str, ImageRecord] = field(default_factory=dict)
    pulls: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    #: by container id
    post_start: dict[str, HookProgress] = field(default_factory=dict)
    stopping: dict[str, Stopping] = field(default_factory=dict)
    last_words: dict[str, str] = field(default_factory=dict)
    #: by container name: restarts in a row that led to its last end
    steps: dict[str, str] = field(default_factory=dict)
    #: by container name: what the node has granted; None: not asked yet
    allocated: dict[str, Sizes] | None = None
    sizes: dict[str, Sizes] = field(default_factory=dict)
    resize: Pending | None = None
    stopped: set[str] = field(default_factory=set)
    #: None: not asked yet
    mounted: frozenset[str] | None = None
    #: when volumes that are made of objects were last brought up to date
    refreshed_at: float = 0.0
    #: the newest that was made or seen
    sandbox: SandboxState | None = None
    #: of the Pod's RuntimeClass ("": it has none), as its sandbox was made with it; None: not asked yet
    runtime_handler: str | None = None
    reported: pod_pb2.PodStatus | None = None
    #: when the first container was started: the beginning of step 6
    first_start: float | None = None

    def __post_init__(self) -> None:
        self.refreshed_at = self.first_seen

    def fail(self, key: str, reason: str, message: str, *, backoff: Backoff, now: float) -> None:
        before = self.failures.get(key)
        count = before.count + 1 if before is not None else 1
        self.failures[key] = Failure(count, reason, message, now + backoff.delay(count - 1))

    def hook_ended(self, container_id: str, progress: HookProgress) -> None:
        stopping = self.stopping.get(container_id)
        if stopping is not None:
            self.stopping[container_id] = replace(stopping, hook=progress)

    def forget_containers(self, present: frozenset[str]) -> None:
        for known in (self.post_start, self.stopping, self.last_words, self.sizes):
            for container_id in [key for key in known if key not in present]:
                del known[container_id]


#: bytes of the log that stand in for a termination message
_MAX_LOG_BYTES = 2048


async def observe(
    pod: pod_pb2.Pod,
    tools: PodTools,
    memory: PodMemory,
    probes: Mapping[tuple[str, ProbeKind], ProbeResult],
    *,
    ending: bool,
) -> PodObservation:
    """Return what is known of the Pod now, and forget what concerns containers that are gone.

    No images are looked for when the Pod ends. Raises RuntimeFailure.
    """
    uid = Uid(pod.metadata.uid)
    begun = tools.clock.now()
    with tools.metrics.operation("list_containers"):
        sandboxes, containers = await asyncio.gather(
            tools.runtime.list_pod_sandboxes(uid), tools.runtime.list_containers(uid)
        )
    memory.forget_containers(frozenset(state.id for state in containers))
    memory.stopped &= {state.id for state in sandboxes}
    memory.sandbox = max(sandboxes, key=lambda item: item.attempt, default=None)
    if memory.mounted is None:
        memory.mounted = await tools.volumes.mounted(pod)
    await _last_words(tools, memory, containers)
    memory.steps |= {
        state.name: state.annotations.get(BACKOFF_STEP, "0")
        for state in sorted(containers, key=lambda state: state.attempt)
        if state.phase is ContainerPhase.EXITED
    }
    previous = memory.reported if memory.reported is not None else pod.status
    observed = PodObservation(
        observed_at=begun,
        first_seen=memory.first_seen,
        sandboxes=tuple(sandboxes),
        containers=tuple(containers),
        stopped=frozenset(memory.stopped),
        mounted=memory.mounted,
        failures=dict(memory.failures),
        post_start=dict(memory.post_start),
        stopping=dict(memory.stopping),
        steps=dict(memory.steps),
        probes=probes,
        termination_messages=dict(memory.last_words),
        previous=previous,
        said=memory.reported if memory.reported is not None else tools.status.shown(pod),
        sizes=_sizes(memory, containers, previous),
        resize=memory.resize,
        images={name: record.observation for name, record in memory.images.items()},
    )
    if ending:
        return observed
    return replace(observed, images=await _images(pod, tools, memory, observed))


def _sizes(
    memory: PodMemory, containers: Sequence[ContainerState], previous: pod_pb2.PodStatus
) -> dict[str, Sizes]:
    """Return the sizes of running containers: as told last, as an earlier kubelet reported them, or as made."""
    said: dict[str, Sizes] | None = None
    for state in containers:
        if state.phase is not ContainerPhase.RUNNING or state.id in memory.sizes:
            continue
        if said is None:
            said = reported(previous)
        found = said.get(state.id) or made_with(state)
        if found is not None:
            memory.sizes[state.id] = found
    return {state.id: memory.sizes[state.id] for state in containers if state.id in memory.sizes}


async def _last_words(tools: PodTools, memory: PodMemory, containers: Sequence[ContainerState]) -> None:
    for state in containers:
        if state.phase is ContainerPhase.EXITED and state.id not in memory.last_words:
            words = await tools.files.last_words(state)
            policy = state.annotations.get(TERMINATION_POLICY_ANNOTATION, "")
            if not words and policy == "FallbackToLogsOnError" and state.exit_code != 0:
                words = await _end_of_log(tools, state)
            memory.last_words[state.id] = words


async def _end_of_log(tools: PodTools, state: ContainerState) -> str:
    data = b""
    try:
        async with aclosing(tools.runtime.container_logs(state.id, LogOptions(tail_lines=80))) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                data = (data + piece)[-_MAX_LOG_BYTES:]
    except NotFoundInRuntime:
        return ""
    return data.decode("utf-8", errors="replace")


async def _images(
    pod: pod_pb2.Pod, tools: PodTools, memory: PodMemory, observed: PodObservation
) -> dict[str, ImageObservation]:
    """Return what is known of the images that next attempts need; what is settled is remembered."""
    images: dict[str, ImageObservation] = {}
    for view in view_containers(pod, observed):
        if not _will_start(view, pod, observed):
            continue
        for wanted in wanted_images(pod, view.spec, view.next_attempt):
            record = memory.images.get(wanted.key)
            if record is not None and (record.attempt, record.image) == (wanted.attempt, wanted.reference):
                images[wanted.key] = record.observation
            elif wanted.key not in images:
                credentials = partial(find_pull_credentials, tools.objects, pod, wanted.reference)
                found = await tools.images.look(wanted.reference, wanted.policy, credentials)
                images[wanted.key] = found
                if found.progress is ImageProgress.READY:
                    memory.images[wanted.key] = ImageRecord(wanted.attempt, wanted.reference, found)
    return images


def _will_start(view: ContainerView, pod: pod_pb2.Pod, observed: PodObservation) -> bool:
    if view.running and view.in_sandbox:
        return False
    if view.kind is ContainerKind.INIT and init_done(pod, view):
        return False
    if view.kind is ContainerKind.EPHEMERAL:
        return view.exited is None and not view.running
    return view.exited is None or view.kind is ContainerKind.INIT or restart_wanted(view, pod, observed)
