"""What a worker remembers of its Pod between passes: what is under way, and what has failed.

Owned by the Pod's worker; its tasks (pulls, hooks) run on the same event loop. A restarted kubelet begins
with an empty memory: adopting what runs needs nothing of it.
"""

import asyncio
from dataclasses import dataclass, field, replace

from kubelet.decide.observation import Failure, HookProgress, ImageObservation, Stopping
from kubelet.decide.resize import Pending, Sizes
from kubelet.runtime.records import SandboxState
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
    """The memory of one Pod."""

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
    #: by container id: what it was told last
    sizes: dict[str, Sizes] = field(default_factory=dict)
    #: why the Pod does not get what it asks for
    resize: Pending | None = None
    #: ids of sandboxes that were stopped
    stopped: set[str] = field(default_factory=set)
    #: None: not asked yet
    mounted: frozenset[str] | None = None
    #: when volumes that are made of objects were last brought up to date
    refreshed_at: float = 0.0
    #: the newest that was made or seen
    sandbox: SandboxState | None = None
    #: of the Pod's RuntimeClass ("": it has none), as its sandbox was made with it; None: not asked yet
    runtime_handler: str | None = None
    #: what was reported last
    reported: pod_pb2.PodStatus | None = None
    #: when the first container was started: the beginning of step 6
    first_start: float | None = None

    def __post_init__(self) -> None:
        self.refreshed_at = self.first_seen

    def fail(self, key: str, reason: str, message: str, *, backoff: Backoff, now: float) -> None:
        """Remember a failure, and when the next try is due."""
        before = self.failures.get(key)
        count = before.count + 1 if before is not None else 1
        self.failures[key] = Failure(count, reason, message, now + backoff.delay(count - 1))

    def hook_ended(self, container_id: str, progress: HookProgress) -> None:
        stopping = self.stopping.get(container_id)
        if stopping is not None:
            self.stopping[container_id] = replace(stopping, hook=progress)

    def forget_containers(self, present: frozenset[str]) -> None:
        """Drop what concerns containers that the runtime no longer has."""
        for known in (self.post_start, self.stopping, self.last_words, self.sizes):
            for container_id in [key for key in known if key not in present]:
                del known[container_id]
