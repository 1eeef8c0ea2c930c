"""Runs a workload: its steps one after the other, measured where it says so, and everything taken away in the
end.
"""

import asyncio
from collections.abc import Awaitable
from pathlib import Path

from bench.load.cleanup import clean
from bench.load.cluster import Target
from bench.load.context import Context, RunError
from bench.load.machines import Machines
from bench.load.making import Making
from bench.load.measurements import Measurements
from bench.load.nodes import RunNodes
from bench.load.observe import Observer
from bench.load.pods import RunPods
from bench.load.progress import Progress
from bench.load.publishing import Publishing
from bench.load.report import Measurement, Verification
from bench.load.settings import RUN_LABEL, Settings
from bench.load.steps import attempted, churn, delete_pods, update_any
from bench.load.verify import Verifying
from bench.load.waiting import Waiting
from bench.load.workload import (
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
    Sleep,
    StartCollectingMetrics,
    StopCollectingMetrics,
    UpdateAny,
    UpdateOwners,
    Workload,
)
from vaina.client.clientset import Clientset
from vaina.objects.load_progress import State
from vaina.tasks import first_error


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
            Verifying(client, settings.run, settings.verify_seconds, target.judging())
            if settings.verify
            else None
        )
        # Room is also what others take; where there are no others, this is the cheaper watch.
        alone = not any(isinstance(step, CreateObjects) for step in workload.case.workload_template)
        own = alone and target.is_disposable
        selector = settings.selector if own or self._verifying is None else ""
        self._observer = Observer(client, selector, self._verifying.pods.take if self._verifying else None)
        self._group = asyncio.TaskGroup()
        self._background: list[asyncio.Task[None]] = []
        self.machines = Machines(settings.generate_on, settings.hollow_on)
        context = Context(
            workload,
            target,
            client,
            settings,
            progress,
            self._making,
            self._observer,
            self._spawn,
            self.machines,
            self.notes,
        )
        self._nodes = RunNodes(context)
        self._waiting = Waiting(context)
        self._measurements = Measurements(context, self._nodes, self._waiting)
        self._pods = RunPods(context, self._waiting, self._measurements)
        #: for whoever looks at the cluster; one that goes with the run has nobody who does
        self.publishing = (
            None if target.is_disposable else Publishing(context, self._measurements.begun, self._pods.sets)
        )
        self.verification: Verification | None = None

    @property
    def measurements(self) -> list[Measurement]:
        """What was measured, in the order in which it ended."""
        return self._measurements.done

    async def execute(self) -> None:
        """Do all steps. What was made is deleted in the end, whatever happened, unless the cluster itself goes.

        Raises:
            RunError: Pods did not come as far as they should.
            ApiError: the apiserver refuses, or does not answer.
        """
        # The watch tries for ever: what cannot be reached at all is told now.
        await self._client.namespaces.list_page(limit=1)
        state: State = "failed"
        try:
            await self._execute()
            state = "ended"
        except BaseExceptionGroup as group:
            raise first_error(group) from None
        finally:
            await self._end(state)

    async def _execute(self) -> None:
        async with self._group as group:
            await self.machines.start(self._target.address, group)
            watching = [group.create_task(self._observer.run()), group.create_task(self.machines.watch())]
            if self._verifying is not None:
                watching.append(group.create_task(self._verifying.follow()))
            try:
                await self._until_watched()
                await self._start_scheduler()
                watching.append(group.create_task(self._target.watch_scheduler()))
                if self.publishing is not None:
                    await self.publishing.begin()
                    watching.append(group.create_task(self.publishing.run()))
                for number, step in enumerate(self._workload.case.workload_template):
                    await self._step(number, step)
                await self._stop_background()
                await self._verify()
            finally:
                self.machines.stop()
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
            self.verification = await self._verifying.judge(sum(pods.bound_count for pods in self._pods.sets))

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

    async def _end(self, state: State) -> None:
        self._progress.close()
        try:
            if self.publishing is not None:
                await self.publishing.end(state)
            if not self._target.is_disposable and not self._settings.keep:
                self._progress.say("deleting what the run made")
                grace = 1 if self._settings.nodes == "real" else 0
                await clean(
                    self._client, self._settings.run, grace_seconds=grace, say=self._progress.say,
                    wait_seconds=self._settings.clean_seconds,
                )  # fmt: skip
        finally:
            self._nodes.close()
            await self.machines.close()

    async def _step(self, number: int, step: AnyOperation) -> None:  # noqa: C901, PLR0912 - one step a case
        name = f"{type(step).__name__[0].lower()}{type(step).__name__[1:]} [{number}]"
        if self.publishing is not None:
            self.publishing.step = name
        match step:
            case CreateNodes():
                await self._nodes.create(number, name, step)
            case CreateNamespaces():
                for index in range(self._workload.count(step)):
                    await self._making.namespace(f"{step.prefix}-{index}", step.namespace_template_path)
            case CreatePods():
                await self._pods.create(number, name, step)
            case CreateAny():
                maker = self._making.maker(step.template_path)
                for index in range(self._workload.count(step, 1)):
                    await self._making.make_any(maker, step.namespace or f"namespace-{number}", index)
            case UpdateAny():
                await self._update_any(name, step)
            case CreateObjects():
                await self._pods.create_objects(name, step)
            case Churn():
                place = step.namespace or f"namespace-{number}"
                self._spawn(churn(self._client, self._making, step, place, self._observer, self.notes))
            case ChurnNodes():
                await self._nodes.churn(number, name, step)
            case UpdateOwners():
                await self._pods.update_owners(name, step)
            case DeletePods():
                await self._delete_pods(name, step)
            case Barrier():
                await self._barrier(name, step)
            case Sleep():
                await asyncio.sleep(self._workload.seconds(step))
            case StartCollectingMetrics():
                await self._measurements.start(step.name or name, step.namespaces, step.label_selector)
            case StopCollectingMetrics():
                await self._measurements.stop()

    def _spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        async def run() -> None:
            await work

        task = self._group.create_task(run())
        self._background.append(task)
        return task

    async def _delete_pods(self, name: str, step: DeletePods) -> None:
        namespace = self._making.full_namespace(step.namespace)
        names = [pod for pods in self._pods.sets if pods.namespace == namespace for pod in pods.names if pod]
        task = self._spawn(delete_pods(self._client, namespace, names, step))
        if not step.skip_wait_to_completion:
            await task
        self._progress.say(f"{name}: {len(names):,} Pods of {step.namespace}")

    async def _update_any(self, name: str, step: UpdateAny) -> None:
        count = self._workload.count(step, 1)
        task = self._spawn(update_any(self._client, self._making, step, count))
        if not step.skip_wait_to_completion:
            await task
        self._progress.say(f"{name}: {count:,} of {step.template_path}")

    async def _barrier(self, name: str, step: Barrier) -> None:
        wanted = {self._making.full_namespace(one) for one in step.namespaces}
        if step.stage_requirement == "Running" and not self._settings.wait_running:
            self.notes.append(f"{name}: Pods were not waited for until they run")
        for pods in self._pods.sets:
            if (wanted and pods.namespace not in wanted) or not pods.has_labels(step.label_selector):
                continue
            if step.stage_requirement == "Attempted":
                try:
                    await attempted(self._client, pods, self._settings)
                except TimeoutError:
                    patience = self._settings.patience_seconds
                    raise RunError(f"{pods.name}: not all Pods were tried within {patience:.0f} s") from None
            else:
                await self._waiting.until_settled(pods)
        self._progress.say(f"{name}: passed")
