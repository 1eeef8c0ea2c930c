"""Runs a workload: its steps one after the other, measured where it says so, and everything taken away in the end."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from bench.load.apps import plan_apps
from bench.load.arrivals import at_rate, parse_trace
from bench.load.cleanup import clean
from bench.load.cluster import Target
from bench.load.create import Creator, Pace
from bench.load.departures import Departures
from bench.load.hollow import HollowKubelets
from bench.load.making import Making
from bench.load.measure import Measuring
from bench.load.node_churn import NodeChurn, churn_nodes
from bench.load.observe import Observer
from bench.load.owners import DIGITS, OwnedPods, OwnerCreator
from bench.load.podset import PodSet
from bench.load.progress import SHOW_SECONDS, Progress
from bench.load.replay import ObjectsError, Settling, create_objects, pods_of, read_objects
from bench.load.report import Measurement, Verification
from bench.load.scrape import Meter, ProcMeter
from bench.load.settings import RUN_LABEL, Settings
from bench.load.shares import deal, share
from bench.load.simulated import SimulatedKubelets
from bench.load.steady import arrivals_of, plan_steady, sum_up, words
from bench.load.steps import attempted, churn, delete_pods
from bench.load.verify import Verifying
from bench.load.workload import (
    MAX_COUNT,
    AnyOperation,
    Barrier,
    Churn,
    ChurnNodes,
    CreateAny,
    CreateNamespaces,
    CreateNodes,
    CreateObjects,
    CreatePods,
    DeletePods,
    NodeTemplate,
    Owners,
    Sleep,
    StartCollectingMetrics,
    StopCollectingMetrics,
    Workload,
)
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.kinds import NODE

#: a scheduler that has just been started lists tens of thousands of objects before it binds
_START_PATIENCE = 3


class RunError(Exception):
    """A run that cannot go on."""


class Run:
    """One run of one workload. Owned by one task."""

    def __init__(
        self, workload: Workload, target: Target, client: Clientset, settings: Settings, progress: Progress
    ) -> None:
        self._workload, self._target, self._client = workload, target, client
        self.notes: list[str] = []
        self._settings, self._progress = settings, progress
        self._making = Making(client, settings, Path(workload.folder))
        if settings.nodes != "real" and not target.is_disposable:
            self._making.node_selector = {RUN_LABEL: settings.run}
            self.notes.append("Pods have a nodeSelector that keeps them on the run's nodes")
            if settings.nodes != "hollow":
                self.notes.append(
                    "nodes have no heartbeat: where controllers run they are taken for lost after a while"
                )
        self._verifying = (
            Verifying(client, settings.run, settings.verify_seconds) if settings.verify else None
        )
        # Room is also what others take; where there are no others, this is the cheaper watch.
        alone = not any(isinstance(step, CreateObjects) for step in workload.case.workload_template)
        own = alone and target.is_disposable
        selector = settings.selector if own or self._verifying is None else ""
        self._observer = Observer(client, selector, self._verifying.pods.take if self._verifying else None)
        self._settling = Settling(client, settings.selector, self._observer.now, settings.patience_seconds)
        self._sets: list[PodSet] = []
        self._measuring: Measuring | None = None
        self._measured_namespaces: list[str] = []
        self._background: list[asyncio.Task[None]] = []
        self._hollow: list[HollowKubelets | SimulatedKubelets] = []
        self.measurements: list[Measurement] = []
        self.verification: Verification | None = None

    async def execute(self) -> None:
        """Do all steps. What was made is deleted in the end, whatever happened, unless the cluster itself goes.

        Raises:
            RunError: Pods did not come as far as they should.
            ApiError: the apiserver refuses, or does not answer.
        """
        # The watch tries for ever: what cannot be reached at all is told now.
        await self._client.namespaces.list_page(limit=1)
        try:
            await self._execute()
        except BaseExceptionGroup as group:
            raise _first(group) from None
        finally:
            await self._end()

    async def _execute(self) -> None:
        async with asyncio.TaskGroup() as group:
            watching = [group.create_task(self._observer.run())]
            if self._verifying is not None:
                watching.append(group.create_task(self._verifying.follow()))
            try:
                await self._until_watched()
                await self._start_scheduler()
                for number, step in enumerate(self._workload.case.workload_template):
                    await self._step(group, number, step)
                await self._stop_background()
                await self._verify()
            finally:
                for task in (*watching, *self._background):
                    task.cancel()

    async def _stop_background(self) -> None:
        for task in self._background:
            task.cancel()
        if self._background:
            await asyncio.wait(self._background)

    async def _verify(self) -> None:
        if self._verifying is not None:
            self._progress.say("judging what happened")
            self.verification = await self._verifying.judge(sum(pods.bound_count for pods in self._sets))

    async def _until_watched(self) -> None:
        patience = self._settings.patience_seconds
        try:
            async with asyncio.timeout(patience):
                await self._observer.ready.wait()
                if self._verifying is not None:
                    await self._verifying.wait_ready()
        except TimeoutError:
            raise RunError(f"the apiserver has not let the run watch its Pods for {patience:.0f} s") from None

    async def _start_scheduler(self) -> None:
        if self._target.is_disposable:
            await self._target.start_scheduler()
            await self._target.wait_scheduler()

    async def _end(self) -> None:
        self._progress.close()
        try:
            if not self._target.is_disposable and not self._settings.keep:
                self._progress.say("deleting what the run made")
                grace = 1 if self._settings.nodes == "real" else 0
                await clean(
                    self._client, self._settings.run, grace_seconds=grace, say=self._progress.say,
                    wait_seconds=self._settings.clean_seconds,
                )  # fmt: skip
        finally:
            for hollow in self._hollow:
                hollow.close()

    async def _step(self, group: asyncio.TaskGroup, number: int, step: AnyOperation) -> None:  # noqa: C901, PLR0912 - one step a case
        name = f"{type(step).__name__[0].lower()}{type(step).__name__[1:]} [{number}]"
        match step:
            case CreateNodes():
                await self._create_nodes(number, name, step)
            case CreateNamespaces():
                for index in range(self._workload.count(step)):
                    await self._making.namespace(f"{step.prefix}-{index}", step.namespace_template_path)
            case CreatePods():
                await self._create_pods(group, number, name, step)
            case CreateAny():
                maker = self._making.maker(step.template_path)
                for index in range(self._workload.count(step, 1)):
                    await self._making.make_any(maker, step.namespace or f"namespace-{number}", index)
            case CreateObjects():
                await self._create_objects(group, name, step)
            case Churn():
                place = step.namespace or f"namespace-{number}"
                self._spawn(group, churn(self._client, self._making, step, place, self._observer, self.notes))
            case ChurnNodes():
                await self._churn_nodes(group, number, name, step)
            case DeletePods():
                await self._delete_pods(group, name, step)
            case Barrier():
                await self._barrier(name, step)
            case Sleep():
                await asyncio.sleep(self._workload.seconds(step))
            case StartCollectingMetrics():
                self._measured_namespaces = step.namespaces
                self._measuring = self._new_measuring(step.name or name)
                await self._measuring.prepare()
                await self._measuring.begin()
            case StopCollectingMetrics():
                assert self._measuring is not None, "the parser sees to it"
                self.measurements.append(await self._measuring.end(self._making.nodes))
                self.notes += _silent(self._measuring)
                self._measuring = None

    def _new_measuring(self, name: str) -> Measuring:
        return Measuring(name, self._target, self._client, self._meters, self._settings.window_seconds)

    def _meters(self) -> dict[str, Meter]:
        pids = [pid for one in self._hollow for pid in one.pids]
        return self._target.meters() | {f"kubelets-{n}": ProcMeter(pid) for n, pid in enumerate(pids)}

    def _spawn(self, group: asyncio.TaskGroup, work: Awaitable[None]) -> asyncio.Task[None]:
        async def run() -> None:
            await work

        task = group.create_task(run())
        self._background.append(task)
        return task

    async def _create_nodes(self, number: int, name: str, step: CreateNodes) -> None:
        count = self._workload.count(step)
        strategy = step.label_node_prepare_strategy
        kinds = step.node_templates or [NodeTemplate(step.node_template_path)]
        dealt = deal(count, [share(one.share) for one in kinds], self._random(number))

        def labels(index: int) -> dict[str, str]:
            if strategy is None:
                return {}
            return {strategy.label_key: strategy.label_values[index % len(strategy.label_values)]}

        match self._settings.nodes:
            case "real":
                self.notes.append(f"{name}: left out, the cluster's own nodes are used")
                return
            case "hollow":
                for kind, one in enumerate(kinds):
                    mine = [index for index, dealt_kind in enumerate(dealt) if dealt_kind == kind]
                    await self._start_hollow(one.node_template_path, [labels(index) for index in mine])
            case _:
                await self._making.make_nodes([kinds[kind].node_template_path for kind in dealt], labels)
                if self._settings.nodes == "simulated" and not self._hollow:
                    self._hollow.append(SimulatedKubelets(self._target.address, self._settings))
        self._progress.say(f"{name}: {count:,} nodes")

    async def _churn_nodes(self, group: asyncio.TaskGroup, number: int, name: str, step: ChurnNodes) -> None:
        kind = self._settings.nodes
        if kind == "real" or (kind == "hollow" and step.mode == "recreate"):
            raise RunError(f"{name}: nodes are {kind}, whose kubelets are not the run's to take away")
        nodes = await self._client.nodes.list(label_selector=self._settings.selector)
        names = sorted(node.metadata.name for node in nodes.items)
        if step.number >= len(names):
            raise RunError(
                f"{name}: number: {step.number:,} of {len(names):,} nodes cannot be away: one must stay"
            )
        churn = NodeChurn(self._client, self._settings, step)
        self._spawn(
            group,
            churn_nodes(
                churn, names, self._random(number), lambda words: self.notes.append(f"{name}: {words}")
            ),
        )

    async def _start_hollow(self, path: str, labels: Sequence[dict[str, str]]) -> None:
        hollow = HollowKubelets(
            self._client, self._target.address, self._settings, len(self._hollow),
            heartbeats=not self._target.is_disposable,
        )  # fmt: skip
        self._hollow.append(hollow)
        template = self._making.template(path, "Node")
        await hollow.start(len(labels), template, labels.__getitem__, self._settings.patience_seconds)
        self._making.nodes += len(labels)

    def _random(self, number: int) -> random.Random:
        """Return the dice of a step: the same in each run with this seed."""
        return random.Random(f"{self._settings.seed}-{number}")

    def _offsets(self, count: int) -> list[float] | None:
        settings = self._settings
        if settings.trace:
            try:
                return parse_trace(settings.trace, count)
            except ValueError as error:
                raise RunError(f"--trace: {error}") from error
        if settings.rate:
            return at_rate(count, settings.rate, settings.arrivals, random.Random(settings.seed))
        return None

    def _pace(self, *, measured: bool, count: int) -> Pace:
        settings = self._settings
        offsets = self._offsets(count) if measured else None
        if measured and settings.create == "unary":
            return Pace(settings.callers, 1, offsets)
        return Pace(settings.in_flight, settings.batch_size, offsets)

    async def _create_pods(self, group: asyncio.TaskGroup, number: int, name: str, step: CreatePods) -> None:
        count = self._workload.count(step)
        short = step.namespace or f"namespace-{number}"
        if step.steady_state:
            await self._hold(group, number, name, step)
            return
        if step.owners is not None:
            await self._own(group, number, name, step, step.owners)
            return
        namespace = await self._making.namespace(short)
        names, make_plain = await self._plan_pods(number, name, step, namespace, count)
        running = self._settings.wait_running and not step.skip_wait_to_completion
        pods = PodSet(f"{name} in {short}", namespace, names, wants_running=running)
        self._sets.append(pods)
        self._observer.follow(pods)
        make = self._making.pod_maker(make_plain, namespace, names)
        creator = Creator(
            self._client, self._pace(measured=step.collect_metrics, count=count), self._observer.now
        )
        if step.collect_metrics:
            await self._measure(group, short, pods, creator, lambda: creator.create(pods, make))
            return
        if self._measuring is not None and (
            not self._measured_namespaces or short in self._measured_namespaces
        ):
            self._measuring.pods.append(pods)
        await creator.create(pods, make)
        if not step.skip_wait_to_completion:
            await self._wait(pods)
        self._progress.say(f"{pods.name}: {pods.bound_count:,} of {count:,} bound")

    async def _plan_pods(
        self, number: int, name: str, step: CreatePods, namespace: str, count: int
    ) -> tuple[list[str], Callable[[int], pod_pb2.Pod]]:
        """Return the names of a step's Pods, and what makes each; apps have their ReplicaSets then."""
        if step.apps is not None:
            if not self._target.is_disposable:
                raise RunError(
                    f"{name}: a cluster's controllers make and delete Pods of ReplicaSets: use --local"
                )
            apps = self._workload.count(step.apps)
            load = plan_apps(step.apps, number, apps=apps, pods=count, rng=self._random(number))
            return load.pod_names(), await self._making.make_apps(load, namespace)
        maker = self._making.maker(
            step.pod_template_path or self._workload.case.default_pod_template_path, "Pod"
        )
        return [maker.name(f"{number}-{index:06}") for index in range(count)], partial(maker.make, number="")

    async def _own(
        self, group: asyncio.TaskGroup, number: int, name: str, step: CreatePods, owners: Owners
    ) -> None:
        """Have controllers make the Pods."""
        short, count = step.namespace or f"namespace-{number}", self._workload.count(owners)
        await self._target.start_controllers()
        namespace = await self._making.namespace(short)
        maker = self._making.maker(owners.template_path)
        numbers = self._making.numbers(maker.template.generate_name, count)
        pods = OwnedPods(
            f"{name} in {short}", namespace, [maker.name(f"{one:0{DIGITS}}") for one in numbers],
            # More of each where the count was changed (--measure) and is not as many for each.
            -(-self._workload.count(step) // count),
            wants_running=self._settings.wait_running and not step.skip_wait_to_completion,
        )  # fmt: skip
        self._sets.append(pods)
        self._observer.follow_owned(pods)
        creator = OwnerCreator(self._client, self._making, self._settings, maker, numbers)
        if step.collect_metrics:
            await self._measure(group, short, pods, creator, lambda: creator.create(pods, self._observer.now))
            return
        if self._measuring is not None and (
            not self._measured_namespaces or short in self._measured_namespaces
        ):
            self._measuring.pods.append(pods)
        await creator.create(pods, self._observer.now)
        if not step.skip_wait_to_completion:
            await self._wait(pods)
        self._progress.say(f"{pods.name}: {pods.bound_count:,} of {len(pods):,} bound")

    async def _hold(self, group: asyncio.TaskGroup, number: int, name: str, step: CreatePods) -> None:
        """Have about as many Pods there all the time: some come, and some go."""
        held, settings = self._workload.count(step), self._settings
        rate, seconds = settings.rate or self._workload.rate(step), self._workload.seconds(step)
        if held + arrivals_of(rate, seconds) > MAX_COUNT:
            raise RunError(f"{name}: at {rate:,.0f} a second more than {MAX_COUNT:,} Pods would come")
        plan = plan_steady(
            held=held, rate=rate, seconds=seconds, arrivals=settings.arrivals, lifetimes=step.lifetimes or "constant",
            rng=random.Random(f"{settings.seed}-{number}-steady"),
        )  # fmt: skip
        short = step.namespace or f"namespace-{number}"
        namespace = await self._making.namespace(short)
        names, make_plain = await self._plan_pods(number, name, step, namespace, len(plan.stays))
        make = self._making.pod_maker(make_plain, namespace, names)
        first, came = (
            PodSet(f"{name} in {short}", namespace, some, wants_running=settings.wait_running)
            for some in (names[:held], names[held:])
        )
        for pods in (first, came):
            self._sets.append(pods)
            self._observer.follow(pods)
        await Creator(self._client, self._pace(measured=False, count=held), self._observer.now).create(
            first, make
        )
        await self._wait(first)
        self._progress.say(
            f"{first.name}: {held:,} are there, {plan.rate:,.0f} come a second for {plan.seconds:g} s"
        )
        departures = Departures(
            self._client, self._observer.now, grace_seconds=0 if settings.nodes == "objects" else None
        )
        departures.follow(came, plan.stays[held:])
        begun = self._observer.now()
        for index, stay in enumerate(plan.stays[:held]):
            departures.plan(first, index, begun + stay)
        departing = self._spawn(group, departures.run())
        pace = replace(self._pace(measured=True, count=0), offsets=plan.offsets)
        creator = Creator(self._client, pace, self._observer.now)
        await self._measure(
            group, short, came, creator, lambda: creator.create(came, lambda index: make(held + index))
        )
        departing.cancel()
        found = sum_up(plan, first, came, start=creator.start, late=departures.late_seconds)
        self.measurements[-1] = msgspec.structs.replace(self.measurements[-1], steady=found)
        if not found.keeps_up:
            self.notes.append(f"{name}: {words(found)}")

    async def _create_objects(self, group: asyncio.TaskGroup, name: str, step: CreateObjects) -> None:
        if not self._target.is_disposable:
            raise RunError(f"{name}: a cluster's controllers would act on what is imported: use --local")
        try:
            objects = await asyncio.to_thread(read_objects, Path(self._workload.folder) / step.path)
            measured = pods_of(objects, step.path) if step.collect_metrics else []
        except ObjectsError as error:
            raise RunError(str(error)) from error
        if not step.collect_metrics:
            await create_objects(self._client, objects, self._observer.now, self._progress.say)
            self._making.nodes += sum(kind is NODE for kind, _ in objects)
            return
        for pod in measured:
            self._making.label(pod)
        names, namespaces = (
            [getattr(pod.metadata, part) for pod in measured] for part in ("name", "namespace")
        )
        pods = PodSet(f"{name} {step.path}", "", names, namespaces=namespaces, may_stay=True)
        self._sets.append(pods)
        self._observer.follow(pods)
        creator = Creator(self._client, self._pace(measured=True, count=len(pods)), self._observer.now)
        await self._measure(
            group, Path(step.path).stem, pods, creator, lambda: creator.create(pods, measured.__getitem__)
        )
        self.notes += self._settling.notes

    async def _measure(
        self,
        group: asyncio.TaskGroup,
        short: str,
        pods: PodSet,
        creator: Creator | OwnerCreator,
        create: Callable[[], Coroutine[Any, Any, object]],
    ) -> None:
        measuring = self._new_measuring(short)
        measuring.pods.append(pods)
        pending = self._settings.create == "pending"
        if pending:
            await self._target.stop_scheduler()
            await create()
            self._progress.say(f"{pods.name}: {len(pods):,} are pending")
        await measuring.prepare()
        watchers = [self._spawn(group, measuring.watch_lag())]
        if pending:
            await self._target.start_scheduler()
            await self._until_begun(pods)
            await measuring.begin(pods.first_bound if pods.bound_count else None)
            watchers.append(self._spawn(group, measuring.sample()))
        else:
            watchers.append(self._spawn(group, measuring.sample()))
            await measuring.begin()
            creating = self._spawn(group, _nothing(create()))
            await self._wait(pods)
            await creating
        await self._wait(pods)
        measuring.retries = creator.retries
        found = await measuring.end(self._making.nodes)
        self.notes += _silent(measuring)
        for task in watchers:
            task.cancel()
        if found.seconds < 1:
            self.notes.append(f"{measuring.name}: {found.seconds:.2f} s are too short for a steady rate")
        self.measurements.append(found)

    async def _until_begun(self, pods: PodSet) -> None:
        patience = _START_PATIENCE * self._settings.patience_seconds
        if pods.may_stay:
            await self._target.wait_scheduler()
            await self._settling.wait(pods, self._progress.show, until=pods.begun)
            return
        try:
            async with asyncio.timeout(patience):
                await pods.begun.wait()
        except TimeoutError:
            await self._target.wait_scheduler()  # says why, where it did not start
            raise RunError(f"{pods.name}: no Pod has a node after {patience:.0f} s") from None

    async def _wait(self, pods: PodSet) -> None:
        """Wait until a step's Pods are where they should be; give up when nothing has happened for too long."""
        if pods.may_stay:
            await self._settling.wait(pods, self._progress.show)
            return
        seen, since = pods.progress, self._observer.now()
        while not pods.settled.is_set():
            try:
                async with asyncio.timeout(SHOW_SECONDS):
                    await pods.settled.wait()
            except TimeoutError:
                self._progress.show(pods)
            if pods.progress != seen or pods.is_idle:
                seen, since = pods.progress, self._observer.now()
            elif self._observer.now() - since > self._settings.patience_seconds:
                await self._target.wait_scheduler()  # says why, where it has ended
                raise RunError(await self._stuck(pods))

    async def _stuck(self, pods: PodSet) -> str:
        waiting = pods.unbound()
        text = (
            f"{pods.name}: nothing has happened for {self._settings.patience_seconds:.0f} s; {pods.bound_count:,} of "
            f"{len(pods):,} Pods have a node, {pods.running_count:,} run"
        )
        if not waiting:
            return text
        pod = await self._client.pods.get(waiting[0], pods.namespace)
        reasons = [one.message for one in pod.status.conditions if one.type == "PodScheduled" and one.message]
        return f"{text}; {waiting[0]}: {reasons[0] if reasons else 'not tried yet'}"

    async def _delete_pods(self, group: asyncio.TaskGroup, name: str, step: DeletePods) -> None:
        namespace = self._making.full_namespace(step.namespace)
        names = [pod for pods in self._sets if pods.namespace == namespace for pod in pods.names if pod]
        work = delete_pods(self._client, namespace, names, step)
        task = self._spawn(group, work)
        if not step.skip_wait_to_completion:
            await task
        self._progress.say(f"{name}: {len(names):,} Pods of {step.namespace}")

    async def _barrier(self, name: str, step: Barrier) -> None:
        wanted = {self._making.full_namespace(one) for one in step.namespaces}
        if step.stage_requirement == "Running" and not self._settings.wait_running:
            self.notes.append(f"{name}: Pods were not waited for until they run")
        for pods in self._sets:
            if wanted and pods.namespace not in wanted:
                continue
            if step.stage_requirement == "Attempted":
                try:
                    await attempted(self._client, pods, self._settings)
                except TimeoutError:
                    patience = self._settings.patience_seconds
                    raise RunError(f"{pods.name}: not all Pods were tried within {patience:.0f} s") from None
            else:
                await self._wait(pods)
        self._progress.say(f"{name}: passed")


def _silent(measuring: Measuring) -> list[str]:
    return [
        f"CPU and memory of {name} are not known: its page of metrics did not answer (--{name}-metrics)"
        for name in sorted(measuring.silent)
    ]


async def _nothing(work: Awaitable[object]) -> None:
    await work


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first exception of a group of groups: the tasks of a run fail for one reason."""
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
