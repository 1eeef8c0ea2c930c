"""A small exact model of what a kubelet does not lose.

The API's object, the runtime with its processes, the disk, the clock.
"""

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from kubelet.decide.actions import StartContainer
from kubelet.decide.resize import encode_sizes, sizes_of
from kubelet.runtime.records import (
    BACKOFF_STEP,
    SIZES_ANNOTATION,
    ContainerPhase,
    ContainerState,
    SandboxState,
    Uid,
)
from tests.property.pod_life.pods import UID, Run, draw_run, kind_of, spec_of
from vaina.api.core.v1 import pod_pb2

RUNNING, EXITED, CREATED = ContainerPhase.RUNNING, ContainerPhase.EXITED, ContainerPhase.CREATED
#: of a container whose record somebody removed while it ran
LOST = 137


@dataclass(slots=True)
class Attempt:
    """What really happened to one attempt of a container; the judge's memory."""

    name: str
    id: str
    number: int
    sandbox: str
    run: Run
    started: float
    finished: float = 0.0
    code: int | None = None
    #: why the kubelet began to end it, and which life of the kubelet that was
    killed: str = ""
    killed_in: int = -1
    #: the record is gone from the runtime, and with it what its annotations say
    removed: bool = False
    #: the kubelet began to end it with its whole sandbox
    sandbox_died: bool = False

    @property
    def lives(self) -> bool:
        return self.code is None


class Node:
    """One Pod's part of a node and of the API."""

    def __init__(self, seed: str, pod: pod_pb2.Pod, *, stop_removes: bool) -> None:
        self.seed, self.pod, self.stop_removes = seed, pod, stop_removes
        self.now = 1_000_000.0
        self.calm = False
        #: no source has the Pod any more
        self.gone = False
        self.sandboxes: dict[str, SandboxState] = {}
        self.containers: dict[str, ContainerState] = {}
        self.mounted: frozenset[str] = frozenset()
        #: volumes of which everything was there when it was looked at last, and no sandbox was made since
        self.prepared: frozenset[str] = frozenset()
        self.images: set[str] = set()
        self.history: list[Attempt] = []
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count(1)
        self._made = 0

    def dice(self, *what: object) -> random.Random:
        """Return chance that depends on nothing but what it is for."""
        return random.Random(":".join(str(item) for item in (self.seed, *what)))

    def at(self, time: float, do: Callable[[], None]) -> None:
        """Do something at a time."""
        heapq.heappush(self._agenda, (time, next(self._numbers), do))

    def next_at(self) -> float | None:
        """Return when the next thing happens."""
        return self._agenda[0][0] if self._agenda else None

    def happen(self) -> None:
        """Do everything that is due."""
        while self._agenda and self._agenda[0][0] <= self.now:
            heapq.heappop(self._agenda)[2]()

    def kind(self, name: str) -> str:
        return kind_of(self.pod, name)

    def attempts(self, name: str) -> list[Attempt]:
        """Return the attempts of a container that ever ran, the oldest first."""
        return [item for item in self.history if item.name == name]

    def attempt(self, container_id: str) -> Attempt:
        """Return the attempt that has the id."""
        return next(item for item in reversed(self.history) if item.id == container_id)

    def sandbox(self) -> SandboxState | None:
        """Return the sandbox that has a process, if there is one."""
        return next((item for item in self.sandboxes.values() if item.ready), None)

    def make_sandbox(self, attempt: int) -> SandboxState:
        self._made += 1
        address = f"10.244.1.{self._made % 250 + 2}"
        made = SandboxState(
            f"sandbox-{self._made}", "web", "default", Uid(UID), attempt, True, address, self.now
        )
        self.sandboxes[made.id] = made
        return made

    def stop_sandbox(self, key: str) -> None:
        self._end_all(key)
        self.sandboxes[key] = replace(self.sandboxes[key], ready=False)
        if self.stop_removes:
            # Some runtimes have nothing left of a stopped sandbox, some go on showing its address.
            del self.sandboxes[key]

    def sandbox_dies(self, *, with_containers: bool) -> None:
        """A sandbox's process ends, and with it those of its containers where they share its fate."""
        for key, item in [*self.sandboxes.items()]:
            if item.ready:
                self.sandboxes[key] = replace(item, ready=False)
                if with_containers:
                    self._end_all(key)

    def _end_all(self, sandbox: str) -> None:
        for item in [*self.containers.values()]:
            if item.sandbox_id == sandbox:
                self.end(item.id, 137)

    def remove_sandbox(self, key: str) -> None:
        del self.sandboxes[key]
        for item in [*self.containers.values()]:
            if item.sandbox_id == key:
                self.remove_container(item.id)

    def remove_container(self, key: str) -> None:
        item = self.containers.pop(key)
        if item.phase is not CREATED:
            self.attempt(key).removed = True

    def lose_records(self) -> None:
        """Somebody removes everything of the Pod by hand."""
        for item in [*self.containers.values()]:
            self.end(item.id, LOST)
            self.remove_container(item.id)
        self.sandboxes.clear()

    def create(self, action: StartContainer) -> str:
        """Create a container, once; return its id."""
        sandbox = self.sandbox()
        assert sandbox is not None, "a container starts in a sandbox that is ready"
        spec = spec_of(self.pod, action.name)
        key = f"{action.name}-{action.attempt}-{sandbox.id}"
        if key not in self.containers:
            self.containers[key] = ContainerState(
                key, sandbox.id, Uid(UID), action.name, action.attempt, CREATED, spec.image, action.image_id,
                created_at=self.now,
                annotations={
                    BACKOFF_STEP: str(action.backoff_step), SIZES_ANNOTATION: encode_sizes(sizes_of(spec.resources)),
                },
            )  # fmt: skip
        return key

    def start(self, key: str) -> bool:
        """Start a created container; False: the runtime cannot, and says that it has ended."""
        item = self.containers[key]
        spec, kind = spec_of(self.pod, item.name), self.kind(item.name)
        run = draw_run(f"{self.seed}:{item.name}:{item.attempt}", spec, kind, calm=self.calm)
        self.history.append(Attempt(item.name, key, item.attempt, item.sandbox_id, run, self.now))
        self.containers[key] = replace(item, phase=RUNNING, started_at=self.now)
        if not run.starts:
            self.end(key, 128, "StartError")
            return False
        self.at(self.now + run.seconds, lambda: self.exits(key))
        return True

    def exits(self, key: str) -> None:
        """A container comes to its own end, unless calm has come over it meanwhile."""
        if self.calm and key in self.containers:
            name = self.containers[key].name
            if self.kind(name) in {"sidecar", "main"}:
                return
        self.end(key, 0 if self.calm else self.attempt(key).run.code)

    def end(self, key: str, code: int, reason: str = "") -> None:
        item = self.containers.get(key)
        if item is None or item.phase is not RUNNING:
            return
        reason = reason or ("Error" if code else "Completed")
        self.containers[key] = replace(
            item, phase=EXITED, exit_code=code, finished_at=self.now, reason=reason
        )
        ended = self.attempt(key)
        ended.code, ended.finished = code, self.now

    def signal(self, key: str) -> None:
        """Send TERM."""
        run = self.attempt(key).run
        self.at(self.now + run.heeds, lambda: self.end(key, run.term_code))

    def live(self) -> list[ContainerState]:
        return [item for item in self.containers.values() if item.phase is RUNNING]
