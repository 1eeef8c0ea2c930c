"""The world of one run: storage that outlives its servers, apiservers, parts and nodes, and what is known of
all of them.
"""

import asyncio
import random
import traceback
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any

from apiserver.authorization.modes import NODE, RBAC, Authorization, of_modes
from apiserver.build import App, build
from apiserver.fast_paths import FAST_PATHS as APISERVER_FAST_PATHS
from apiserver.storage.cacher import Cacher
from apiserver.storage.interface import StorageEvent
from apiserver.storage.resources import resource_of
from controller.build import build as build_controllers
from controller.config import ControllerConfig
from scheduler.build import FAST_PATHS as SCHEDULER_FAST_PATHS
from scheduler.build import build as build_scheduler
from scheduler.scheduler import Scheduler
from tests.simulation.checks.claims import started
from tests.simulation.checks.commits import EVICTION, GRACE, MONITOR
from tests.simulation.checks.every import COMMIT_CHECKS, VERB_CHECKS
from tests.simulation.checks.model import KNOWN, Model
from tests.simulation.checks.nodes import NodeState, Verb, containers_first
from tests.simulation.checks.watches import acknowledged, listed, watch_check
from tests.simulation.disk import Disks, claims_of
from tests.simulation.engine import Engine, SimulatedNode
from tests.simulation.journal import AUTHOR, Author, Journal, Violation
from tests.simulation.network import Connection, Link, ServerCalls
from tests.simulation.storage import CommittingStorage, ServersStorage
from tests.simulation.story import CALM, STORING, Faults, Story
from tests.support.columns import column_differences
from vaina.cache.informer import MutationDetector
from vaina.client.clientset import Clientset
from vaina.errors import ApiError, Forbidden, InternalError, Unavailable
from vaina.kinds import KINDS
from vaina.leaderelection.runner import LeaderElector
from vaina.leaderelection.service import LeaderTransport
from vaina.objects.meta import metadata
from vaina.testing.loop import LoopClock

Work = Callable[[], Coroutine[Any, Any, None]]

#: the part that only looks
READER = "reader"
#: how the refusal to evict a Pod with two budgets begins
_TWO_BUDGETS = "This pod has more than one PodDisruptionBudget"


class Server:
    """One process of an apiserver."""

    def __init__(self, world: "World", name: str, incarnation: int) -> None:
        self._world, self.name = world, name
        rng = world.rng(f"{name} {incarnation}")
        self.storage = ServersStorage(world.storage, world.clock, rng, lambda: world.faults, world.on_fault)
        self.cacher = Cacher(self.storage, [resource_of(kind) for kind in KINDS], clock=world.clock, rng=rng)
        authorizer, roles = world.authorization(self.cacher)
        self.app: App = build(
            self.cacher,
            world.clock,
            rng=rng,
            new_uid=world.new_uid,
            connect_kubelet=_no_kubelet,
            instance=name,
            fast_paths=() if world.story.plain else APISERVER_FAST_PATHS,
            authorizer=authorizer,
            roles=roles,
        )
        self.calls = ServerCalls(self.app.handlers, world.clock)
        self.up = False

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.cacher.run())
            group.create_task(self.app.run())
            await self.cacher.wait_ready()
            while True:
                try:
                    await self.app.bootstrap()
                    break
                except ApiError:
                    await self._world.clock.sleep(1.0)
            self.up = True

    def crash(self) -> None:
        """Be gone, in the middle of everything."""
        self.up = False
        self.storage.die()
        self.calls.crash()


def _no_kubelet(address: str) -> Any:
    raise Unavailable(f"nobody listens at {address}")


class SeenDetector(MutationDetector):
    """Also tells what a process has seen, in the order in which it did."""

    def __init__(self, on_seen: Callable[[Any], None]) -> None:
        super().__init__()
        self._on_seen = on_seen

    def remember(self, obj: Any) -> None:
        super().remember(obj)
        self._on_seen(obj)


class Process:
    """One life of a part."""

    def __init__(self, part: str, incarnation: int) -> None:
        self.part, self.incarnation = part, incarnation
        self.task: asyncio.Task[None] | None = None
        self.endings: list[Callable[[], None]] = []
        self.detector: SeenDetector | None = None
        #: of a scheduler
        self.scheduler: Scheduler | None = None


class World:
    """Owned by the task that tells a story in it."""

    #: which run; as `ControllerConfig` has it
    controllers: tuple[str, ...] = ("*",)
    #: for how long everything must stay as it should be once it is
    keep_seconds = 12.0

    def __init__(self, story: Story) -> None:
        self.story, self.journal = story, Journal()
        self.faults: Faults = story.faults
        self.clock = LoopClock()
        self.model = Model()
        self.storage = CommittingStorage(self.clock, self._on_commit)
        self.servers: dict[str, Server] = {}
        self.nodes: dict[str, SimulatedNode] = {}
        #: of stories that are about storage; kubelets of others have hollow volumes
        self.disks = Disks() if any(step.verb in STORING for step in story.steps) else None
        if self.disks is not None:
            self.model.data = self.disks.names
        self._links: dict[str, Link] = {}
        self._processes: dict[str, Process] = {}
        self._incarnations: dict[str, int] = {}
        self._clocks: dict[str, LoopClock] = {}
        self._uids = 0
        self._seen: dict[tuple[str, str], list[tuple[float, int]]] = {}
        self._ending = False
        #: set at the first violation
        self.broken = asyncio.Event()
        self.user = self.connect("user")

    def authorization(self, cacher: Cacher) -> Authorization:
        """Return who decides in a server: what every cluster with certificates has."""
        return of_modes((NODE, RBAC), cacher)

    # -- what everything is made of

    def rng(self, what: str) -> random.Random:
        """Return a generator of its own for something: what others draw does not change it."""
        return random.Random(f"{self.story.seed} {what}")

    def new_uid(self) -> str:
        """Return a new uid, in the form that uids have."""
        self._uids += 1
        return f"00000000-0000-4000-8000-{self._uids:012d}"

    def link(self, part: str) -> Link:
        """Return what lies between a part and the servers."""
        if part not in self._links:
            self._links[part] = Link()
        return self._links[part]

    def clock_of(self, part: str) -> LoopClock:
        """Return a part's clock."""
        return self._clocks.setdefault(part, LoopClock())

    def connect(self, part: str, process: Process | None = None) -> Clientset:
        """Return a client of a part's own."""
        incarnation = process.incarnation if process else 0
        connection = Connection(self, part, incarnation, self.rng(f"network {part} {incarnation}"))
        if process is not None:
            process.endings.append(connection.die)
        return Clientset(connection)

    def pick_server(self, part: str, rng: random.Random) -> ServerCalls:
        """Return the calls of a server that is up. Raises Unavailable."""
        del part
        up = [server for server in self.servers.values() if server.up]
        if not up:
            raise Unavailable("connection refused")
        return up[int(rng.random() * len(up))].calls

    async def before_call(self, part: str, method: str) -> int:
        """Return a number for a call that is about to be made; may never return."""
        del part, method
        return 0

    async def after_call(self, number: int) -> None:
        """A call has been served, and its caller does not know yet; may never return."""

    # -- parts

    @property
    def parts(self) -> list[str]:
        """The parts that run."""
        return [*self._processes]

    def start(self, part: str) -> None:
        """Start a part, unless it runs: apiserver-0, scheduler, scheduler-b, controller, node-0."""
        if part in self._processes or self._ending:
            return
        incarnation = self._incarnations[part] = self._incarnations.get(part, 0) + 1
        process = self._processes[part] = Process(part, incarnation)
        self._note(f"start {part} {incarnation}")
        for key in [key for key in self._seen if key[0] == part]:
            del self._seen[key]
        process.task = asyncio.get_running_loop().create_task(self._life(part, process), name=part)
        process.task.add_done_callback(lambda task: self._on_end(process, task))

    async def kill(self, part: str) -> None:
        """End a part's process in the middle of whatever it does; nothing if it does not run."""
        process = self._processes.pop(part, None)
        if process is None or process.task is None:
            return
        self._note(f"kill {part} {process.incarnation}")
        for ending in process.endings:
            ending()
        process.task.cancel()
        await asyncio.wait((process.task,))
        if process.detector is not None:
            self._check_caches(process.detector)

    def _life(self, part: str, process: Process) -> Coroutine[Any, Any, None]:
        if part.startswith("apiserver"):
            server = self.servers[part] = Server(self, part, process.incarnation)
            process.endings.append(server.crash)
            return server.run()
        client, clock = self.connect(part, process), self.clock_of(part)
        rng = self.rng(f"{part} {process.incarnation}")
        if part in self.nodes:
            node = self.nodes[part]
            engine = Engine(node, self.rng(f"engine {part} {process.incarnation}"))
            process.endings.append(engine.die)
            return node.kubelet(client, engine, clock, rng)
        if part == READER:
            return _read(client, clock, rng)
        process.detector = SeenDetector(lambda obj: self._on_seen(process, obj))
        elector, client = self._elect(process, client, clock, rng)
        if part.startswith("scheduler"):
            process.scheduler = scheduler = build_scheduler(
                client, clock, tie_break=rng.randrange, detector=process.detector, rng=rng,
                fast_paths=() if self.story.plain else SCHEDULER_FAST_PATHS,
            )  # fmt: skip
            return _lead(elector, scheduler.follow, scheduler.wait_synced, scheduler.lead)
        config = ControllerConfig(
            node_monitor_grace_seconds=GRACE,
            pod_eviction_seconds=EVICTION,
            node_monitor_period_seconds=MONITOR,
            controllers=self.controllers,
            **({} if self.disks is None else {"local_path_directory": str(self.disks.volumes)}),
        )
        manager = build_controllers(client, clock, config, detector=process.detector, rng=rng)
        return _lead(elector, manager.follow, manager.wait_synced, manager.lead)

    def _elect(
        self, process: Process, client: Clientset, clock: LoopClock, rng: random.Random
    ) -> tuple[LeaderElector | None, Clientset]:
        """Return the process' candidate, if the story has several, and the client that writes only while it
        leads.
        """
        if self.story.candidates == 1:
            return None, client
        author = Author(process.part, process.incarnation)
        elector = LeaderElector(client, clock, name=author.lock, identity=author.identity, rng=rng)
        return elector, Clientset(LeaderTransport(client.transport, elector.is_leader))

    def _on_end(self, process: Process, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and "LeadershipLost" in _words(error) and not self._ending:
            # The supervisor starts it anew.
            self.on_fault("leadership-lost", process.part)
            self._processes.pop(process.part, None)
            for ending in process.endings:
                ending()
            asyncio.get_running_loop().call_later(1.5, self.start, process.part)
            return
        self.break_(
            "I20", f"{process.part} died: {_words(error)}" if error else f"{process.part} ended by itself"
        )

    # -- what is seen

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        try:
            return self.clock.monotonic()
        except RuntimeError:
            # The loop has stopped, and what is left of its tasks goes.
            return -1.0

    def _note(self, text: str) -> None:
        self.journal.note(self.now, text)

    def break_(self, invariant: str, text: str) -> None:
        """Note that an invariant does not hold."""
        violation = Violation(invariant, text, self.now)
        self._note(f"VIOLATION {violation}")
        self.journal.violations.append(violation)
        self.broken.set()

    def judge(self, invariant: str, violations: Iterable[str]) -> None:
        """Count a look at an invariant, and note what it found."""
        self.journal.checks[invariant] += 1
        try:
            found = [*violations]
        except Exception as error:  # noqa: BLE001 - or it would be taken for an error of the component that is judged
            found = [f"its checker fails: {type(error).__name__} {error} {traceback.format_exc()[-500:]}"]
        for text in found:
            self.break_(invariant, text)

    def judge_columns(self) -> None:
        """Look whether the columns of each scheduler follow from what its watches have shown."""
        for process in self._processes.values():
            if process.scheduler is not None and process.scheduler.synced:
                found = column_differences(process.scheduler)
                self.judge("I8", [f"the columns of {process.part}: {text}" for text in found])

    def on_fault(self, kind: str, text: str) -> None:
        """Take note of a fault that hit something."""
        self.journal.fault(self.now, kind, text)

    def node_states(self) -> dict[str, NodeState]:
        """Return what every runtime has."""
        return {name: node.state() for name, node in self.nodes.items()}

    def _on_commit(self, event: StorageEvent) -> None:
        commit = self.model.apply(event, self.now, AUTHOR.get())
        self._note(f"commit {commit}")
        if commit.kind not in KNOWN:
            return
        for invariant, checks in COMMIT_CHECKS.items():
            for check in checks:
                self.judge(invariant, check(commit, self.model, self._seen))
        if commit.new is None and commit.kind.kind == "Pod":
            self.judge("I16", containers_first(commit, self.node_states()))

    async def on_verb(self, verb: Verb) -> None:
        """Judge what a kubelet has its runtime do."""
        self._note(f"{verb.when} {verb.node} {verb.verb} {verb.subject} {verb.grace_seconds:g}")
        nodes = self.node_states()
        for invariant, checks in VERB_CHECKS.items():
            for check in checks:
                self.judge(invariant, check(verb, nodes, self.model))
        if self.disks is not None:
            for pod in started(verb, "after", nodes, self.model):
                for name in claims_of(pod):
                    if (claim := self.model.claim(name)) is not None:
                        self.judge("volume", self.disks.use(claim.spec.volume_name))

    def on_answer(self, method: str, request: bytes, answer: bytes, version_before: int) -> None:
        """Judge what a part was answered; `version_before` was there when it asked."""
        self.judge("I4", acknowledged(method, answer, self.model))
        if method.endswith("/List"):
            self.judge("I5", listed(method, request, answer, self.model, version_before))

    def on_error(self, part: str, method: str, error: ApiError) -> None:
        """Judge an error that a part got."""
        self._note(f"error {part} {method.rpartition('.')[2]} {type(error).__name__} {error.message}")
        # To say so is all that upstream does of two budgets for one Pod, and by this code.
        internal = isinstance(error, InternalError) and _TWO_BUDGETS not in error.message
        # Scheduler and controllers have the rights that they need. What a node may hangs on its Pods: it may be
        # early, or late with a report.
        refused = isinstance(error, Forbidden) and 'User "system:kube-' in error.message
        self.judge("I20", [f"{part} got for {method}: {error.message}"] if internal or refused else [])

    def stream_check(self, part: str, method: str, request: bytes) -> Callable[[bytes], None] | None:
        """Return what judges a stream's answers."""
        check = watch_check(method, request, self.model)
        if check is None:
            return None
        return lambda answer: self.judge("I6", (f"{part}: {text}" for text in check(answer)))

    def _on_seen(self, process: Process, obj: Any) -> None:
        if self._processes.get(process.part) is not process:
            return
        meta = metadata(obj)
        key, version = (process.part, meta.uid), int(meta.resource_version)
        seen = self._seen.setdefault(key, [(self.now, version)])
        before = seen[-1][1]
        if version > before:
            seen.append((self.now, version))
        going_back = version < before
        self.judge(
            "I7", [f"{process.part} saw {meta.name} at {version} after {before}"] if going_back else []
        )

    def _check_caches(self, detector: MutationDetector) -> None:
        try:
            detector.check()
        except AssertionError as error:
            self.break_("I7", str(error))

    # -- beginning and end

    async def begin(self) -> None:
        """Start everything; return when all nodes are there."""
        for number in range(self.story.servers):
            self.start(f"apiserver-{number}")
        for number in range(self.story.nodes):
            node = SimulatedNode(self, number)
            self.nodes[node.name] = node
        for part in (*self._candidates(), *self.nodes, READER):
            self.start(part)

    def _candidates(self) -> list[str]:
        letters = ("", "-b")[: self.story.candidates]
        return [f"{role}{letter}" for letter in letters for role in ("scheduler", "controller")]

    def calm_down(self) -> None:
        """End all faults, and start what does not run."""
        self._note("calm")
        self.faults = CALM
        for link in self._links.values():
            link.set("up")
            link.slow = 0.0
            link.release()
        for clock in self._clocks.values():
            clock.skew = 0.0
        for part in (*self.servers, *self._candidates(), *self.nodes, READER):
            self.start(part)

    def close(self) -> None:
        """Leave nothing on the machine."""
        if self.disks is not None:
            self.disks.close()

    async def end(self) -> None:
        """End all parts."""
        self._ending = True
        for part in [*self._processes]:
            await self.kill(part)


async def _read(client: Clientset, clock: LoopClock, rng: random.Random) -> None:
    """List Pods now and then, as a user does.

    Components watch, so nobody else would ask for a consistent list (I5).
    """
    while True:
        await clock.sleep(0.5 + 3.0 * rng.random())
        with suppress(ApiError):
            await client.pods.list()


async def _lead(elector: LeaderElector | None, follow: Work, filled: Work, lead: Work) -> None:
    """Do as `vaina.leaderelection.Election.run`, whose identities are made of the machine's randomness."""
    async with asyncio.TaskGroup() as group:
        group.create_task(follow())
        await filled()
        await (lead() if elector is None else elector.run(lead))


def _words(error: BaseException) -> str:
    """Return what was raised, of groups what is in them."""
    if isinstance(error, BaseExceptionGroup):
        return ", ".join(_words(inner) for inner in error.exceptions)
    return f"{type(error).__name__}: {error}"
