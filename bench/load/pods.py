"""The Pods of a run: planned, created and measured as their steps say (`createPods`, `createObjects`).

Called by `run`.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.load.apps import plan_apps
from bench.load.arrivals import at_rate, parse_trace
from bench.load.context import Context, RunError
from bench.load.create import Creator, Pace
from bench.load.departures import Departures
from bench.load.gates import Gates
from bench.load.measurements import Measurements
from bench.load.owners import DIGITS, OwnedPods, OwnerCreator, OwnerUpdater
from bench.load.podset import PodSet
from bench.load.replay import ObjectsError, create_objects, pods_of, read_objects
from bench.load.split import SplitCreator
from bench.load.steady import arrivals_of, plan_steady, sum_up, words
from bench.load.volumes import VolumeTemplates, make_volumes, with_volumes
from bench.load.waiting import Waiting
from bench.load.workload import MAX_COUNT, CreateObjects, CreatePods, Owners, UpdateOwners
from vaina.api.core.v1 import pod_pb2
from vaina.kinds import DAEMON_SET, NODE


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a step's Pods are."""

    names: list[str]
    #: makes each, but for its name
    make: Callable[[int], pod_pb2.Pod]
    #: for which no node will do
    stay: frozenset[int] = frozenset()


class RunPods:
    """Owns the sets of Pods of all steps. Owned by the run."""

    def __init__(self, context: Context, waiting: Waiting, measurements: Measurements) -> None:
        self._context, self._workload, self._target = context, context.workload, context.target
        self._client, self._settings, self._progress = context.client, context.settings, context.progress
        self._making, self._observer, self._notes = context.making, context.observer, context.notes
        self._waiting, self._measurements = waiting, measurements
        #: one of each step (two of a steady state), in their order
        self.sets: list[PodSet] = []

    async def create(self, number: int, name: str, step: CreatePods) -> None:
        """Create the Pods of a step, or have them created, and wait and measure as it says.

        Raises:
            RunError: they did not come as far as they should, or what was asked for cannot be done here.
            ApiError: one was refused.
        """
        if step.steady_state:
            await self._hold(number, name, step)
        elif step.owners is not None:
            await self._own(number, name, step, step.owners)
        else:
            await self._create(number, name, step)

    async def _create(self, number: int, name: str, step: CreatePods) -> None:
        count = self._workload.count(step)
        short = step.namespace or f"namespace-{number}"
        namespace = await self._making.namespace(short)
        plan = await self._plan(number, name, step, namespace, count)
        running = self._settings.wait_running and not step.skip_wait_to_completion
        pods = PodSet(f"{name} in {short}", namespace, plan.names, wants_running=running, stay=plan.stay)
        pods.labels = self._labels(step)
        self.sets.append(pods)
        self._observer.follow(pods)
        make = self._making.pod_maker(plan.make, namespace, plan.names)
        pace = self._pace(measured=step.collect_metrics, count=count)
        gates = self._gates(step, plan, pods)
        if step.collect_metrics:
            if gates is not None:
                self._refuse_machines(name, "gates of its Pods are lifted as these come")
            creator, create = await self._creator(pods, pace, make)
            await self._measurements.measure(short, pods, creator, create, gates.run if gates else None)
            self._note_stay(name, pods)
            return
        creator = Creator(self._client, pace, self._observer.now)
        self._measurements.follow(short, pods)
        if gates is not None:
            self._context.spawn(gates.run())
        await creator.create(pods, make)
        if not step.skip_wait_to_completion:
            await self._waiting.until_settled(pods)
        self._progress.say(f"{pods.name}: {pods.bound_count:,} of {count:,} bound")

    async def _creator(
        self, pods: PodSet, pace: Pace, make: Callable[[int], pod_pb2.Pod]
    ) -> tuple[Creator | SplitCreator, Callable[[], Coroutine[Any, Any, object]]]:
        """Return what creates measured Pods, here or on other machines, and the call that has it do so."""
        if not self._context.machines.generators:
            creator = Creator(self._client, pace, self._observer.now)
            return creator, lambda: creator.create(pods, make)
        split = SplitCreator(self._context.machines.generators, pods)
        await split.ship(pace, self._settings.selector, make)
        return split, split.create

    def _gates(self, step: CreatePods, plan: "_Plan", pods: PodSet) -> Gates | None:
        """Return what lifts the gates of a step's Pods, where it is asked for."""
        rate = step.gates_lifted_per_second
        if not rate:
            return None
        gated = [index for index in range(len(pods)) if plan.make(index).spec.scheduling_gates]
        return Gates(self._client, pods, gated, rate, self._observer.now)

    def _note_stay(self, name: str, pods: PodSet) -> None:
        if pods.stay:
            self._notes.append(
                f"{name}: {len(pods.stay) - pods.strayed_count:,} Pods fit nowhere and were not waited for"
            )
        if pods.strayed_count:
            self._notes.append(f"{name}: {pods.strayed_count:,} Pods that should fit nowhere have a node")

    async def _plan(self, number: int, name: str, step: CreatePods, namespace: str, count: int) -> "_Plan":
        """Return what a step's Pods are; apps have their ReplicaSets then, and Pods their volumes."""
        if step.apps is not None:
            if not self._target.is_disposable:
                raise RunError(
                    f"{name}: a cluster's controllers make and delete Pods of ReplicaSets: use --local"
                )
            apps = self._workload.count(step.apps)
            load = plan_apps(step.apps, number, apps=apps, pods=count, rng=self._context.dice(number))
            make = await self._making.make_apps(load, namespace)
            for (volume, claim), indexes in load.with_volumes().items():
                make = await self._with_volumes(make, volume, claim, namespace, indexes)
            return _Plan(load.pod_names(), make, load.that_fit_nowhere())
        maker = self._making.maker(self._template_path(step), "Pod")
        names = [maker.name(f"{number}-{index:06}", index) for index in range(count)]
        make = partial(maker.make, number="")
        volume, claim = step.persistent_volume_template_path, step.persistent_volume_claim_template_path
        if volume:
            make = await self._with_volumes(make, volume, claim, namespace, range(count))
        return _Plan(names, make)

    async def _with_volumes(
        self,
        make: Callable[[int], pod_pb2.Pod],
        volume: str,
        claim: str,
        namespace: str,
        indexes: Sequence[int],
    ) -> Callable[[int], pod_pb2.Pod]:
        claims = await make_volumes(
            self._client, self._making, VolumeTemplates(volume, claim), namespace, indexes
        )
        return with_volumes(make, claims)

    def _template_path(self, step: CreatePods) -> str:
        return step.pod_template_path or self._workload.case.default_pod_template_path

    def _labels(self, step: CreatePods) -> Mapping[str, str]:
        """Return the labels of a step's Pods that other steps can select them by: those of its template."""
        if step.apps is not None:
            return {}
        labels: Mapping[str, str] = (
            self._making.maker(self._template_path(step), "Pod").make(0, "").metadata.labels
        )
        return labels

    def _refuse_machines(self, name: str, why: str) -> None:
        if self._settings.generate_on:
            raise RunError(f"{name}: {why}, and not split between machines: leave out --generate-on")

    def _pace(self, *, measured: bool, count: int) -> Pace:
        settings = self._settings
        offsets = self._offsets(count) if measured else None
        if measured and settings.create == "unary":
            return Pace(settings.callers, 1, offsets)
        return Pace(settings.in_flight, settings.batch_size, offsets)

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

    async def _own(self, number: int, name: str, step: CreatePods, owners: Owners) -> None:
        """Have controllers make the Pods."""
        self._refuse_machines(name, "its Pods are made by controllers")
        short, count = step.namespace or f"namespace-{number}", self._workload.count(owners)
        await self._target.start_controllers()
        namespace = await self._making.namespace(short)
        maker = self._making.maker(owners.template_path)
        numbers = self._making.numbers(maker.template.generate_name, count)
        # More of each where the count was changed (--measure) and is not as many for each.
        replicas = -(-self._workload.count(step) // count)
        if maker.template.kind is DAEMON_SET:
            if self._settings.nodes == "real":
                raise RunError(
                    f"{name}: owners: of a DaemonSet's Pods on real nodes it is not known how many come"
                )
            replicas = self._making.nodes
        pods = OwnedPods(
            f"{name} in {short}", namespace, [maker.name(f"{one:0{DIGITS}}") for one in numbers], replicas,
            wants_running=self._settings.wait_running and not step.skip_wait_to_completion,
        )  # fmt: skip
        pods.maker = maker
        self.sets.append(pods)
        self._observer.follow_owned(pods)
        creator = OwnerCreator(self._client, self._making, self._settings, maker, numbers)
        await self._owners(
            short, pods, creator, measured=step.collect_metrics, waits=not step.skip_wait_to_completion
        )

    async def update_owners(self, name: str, step: UpdateOwners) -> None:
        """Have the owners of a namespace put other Pods in the place of all, and wait until these run.

        Raises:
            RunError: they did not come as far as they should, or cannot.
            ApiError: an owner may not be so.
        """
        namespace = self._making.full_namespace(step.namespace)
        for before in [pods for pods in self.sets if isinstance(pods, OwnedPods) and pods.maker is not None]:
            if before.namespace != namespace:
                continue
            assert before.maker is not None, "those are left out"
            before.close()
            pods = OwnedPods(
                f"{name} in {step.namespace}", namespace, before.owners, before.replicas, wants_running=True
            )
            pods.maker, before.maker = before.maker, None
            self.sets.append(pods)
            self._observer.follow_owned(pods)
            updater = OwnerUpdater(self._client, self._settings, pods.maker, step)
            await self._owners(step.namespace, pods, updater, measured=step.collect_metrics, waits=True)

    async def _owners(
        self,
        short: str,
        pods: OwnedPods,
        creator: OwnerCreator | OwnerUpdater,
        *,
        measured: bool,
        waits: bool,
    ) -> None:
        """Create or update owners, and wait for their Pods."""
        if measured:
            await self._measurements.measure(
                short, pods, creator, lambda: creator.create(pods, self._observer.now)
            )
            return
        self._measurements.follow(short, pods)
        await creator.create(pods, self._observer.now)
        if waits:
            await self._waiting.until_settled(pods)
        self._progress.say(f"{pods.name}: {pods.bound_count:,} of {len(pods):,} bound")

    async def _hold(self, number: int, name: str, step: CreatePods) -> None:
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
        made = await self._plan(number, name, step, namespace, len(plan.stays))
        names, make = made.names, self._making.pod_maker(made.make, namespace, made.names)
        first, came = (
            PodSet(f"{name} in {short}", namespace, some, wants_running=settings.wait_running)
            for some in (names[:held], names[held:])
        )
        for pods in (first, came):
            self.sets.append(pods)
            self._observer.follow(pods)
        await Creator(self._client, self._pace(measured=False, count=held), self._observer.now).create(
            first, make
        )
        await self._waiting.until_settled(first)
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
        departing = self._context.spawn(departures.run())
        pace = replace(self._pace(measured=True, count=0), offsets=plan.offsets)
        creator, create = await self._creator(came, pace, lambda index: make(held + index))
        # Nobody comes any more: who went on going would empty the nodes before they are looked at.
        await self._measurements.measure(short, came, creator, create, settled=departing.cancel)
        found = sum_up(plan, first, came, start=creator.start, late=departures.late_seconds)
        self._measurements.add_steady(found)
        if not found.keeps_up:
            self._notes.append(f"{name}: {words(found)}")

    async def create_objects(self, name: str, step: CreateObjects) -> None:
        """Create the objects of a file; where it is measured they are Pods, of which some may stay without a
        node.

        Raises:
            RunError: the file cannot be read, or the cluster is not the run's own.
            ApiError: one was refused.
        """
        if step.collect_metrics:
            self._refuse_machines(name, "its Pods are of a file")
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
        self.sets.append(pods)
        self._observer.follow(pods)
        creator = Creator(self._client, self._pace(measured=True, count=len(pods)), self._observer.now)
        await self._measurements.measure(
            Path(step.path).stem, pods, creator, lambda: creator.create(pods, measured.__getitem__)
        )
        self._notes += self._waiting.notes
