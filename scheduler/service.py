"""SchedulerService: answers questions of people and tests about the scheduler, and changes nothing of it.

Answers come from the columns of this process. A standby's are as true as the leader's, but it decides nothing,
so it records nothing and its queue says nothing of back-offs: `answered_by` says who answered and who leads
(decision 099).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import chain
from typing import Final, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from scheduler.columns.pod_info import PodInfo
from scheduler.columns.readout import Difference
from scheduler.debug import answers, verify
from scheduler.explain.evaluate import evaluate
from scheduler.explain.remedies import Fit, copy, fill, would_decide
from scheduler.scheduler import Scheduler
from vaina.api.core.v1 import pod_pb2
from vaina.api.scheduler.v1 import scheduler_service_pb2 as pb
from vaina.cache.informer import Informer
from vaina.client.clientset import Clientset
from vaina.client.resource import ResourceClient
from vaina.clock import Clock, micro_timestamp
from vaina.errors import BadRequest, NotFound, TooManyRequests, Unavailable
from vaina.objects.conditions import get_condition
from vaina.objects.meta import metadata, object_key
from vaina.serving.handlers import Handlers, RequestContext, typed

M = TypeVar("M", bound=Message)

SERVICE: Final = pb.DESCRIPTOR.services_by_name["SchedulerService"].full_name

#: what an answer holds when nobody says how much, and at most
LIMIT, MAX_LIMIT = 10, 100
DECISIONS, MAX_DECISIONS = 100, 1000
DIFFERENCES, MAX_DIFFERENCES = 100, 1000
COPIES, MAX_COPIES = 1000, 100_000
#: between two looks at what the watches show: a watch shows what was written within milliseconds
PATIENCE_SECONDS: Final = 2.0
#: calls that copy the columns: one at work, so many wait
MAX_WAITING: Final = 8


class SchedulerService:
    """Answers from one scheduler's columns.

    It runs on the scheduler's loop; long work is done in small steps, one at a time.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        clients: Clientset,
        clock: Clock,
        *,
        identity: str,
        leading: Callable[[], bool] = lambda: True,
        leader: Callable[[], str] = lambda: "",
    ) -> None:
        """Make a service; `leader` returns who leads, as far as that is known."""
        self._scheduler, self._clients, self._clock = scheduler, clients, clock
        self._identity, self._leading, self._leader = identity, leading, leader
        self._heavy = asyncio.Lock()
        self._waiting = 0

    def handlers(self) -> Handlers:
        return {
            f"/{SERVICE}/Explain": typed(self.Explain, pb.ExplainRequest),
            f"/{SERVICE}/Fit": typed(self.Fit, pb.FitRequest),
            f"/{SERVICE}/Verify": typed(self.Verify, pb.VerifyRequest),
            f"/{SERVICE}/ListDecisions": typed(self.ListDecisions, pb.ListDecisionsRequest),
            f"/{SERVICE}/Overview": typed(self.Overview, pb.OverviewRequest),
        }

    async def Explain(self, request: pb.ExplainRequest, ctx: RequestContext) -> pb.ExplainResponse:
        """Say why a Pod is where it is, or what would be decided for it. Raises NotFound, BadRequest."""
        self._check_synced()
        limit = _bounded(request.limit, LIMIT, MAX_LIMIT, "limit")
        if request.HasField("pod"):
            if request.name or request.uid:
                raise BadRequest("name or uid, or pod: one of them, not both")
            return self._explain_manifest(request.pod, limit)
        if not request.name and not request.uid:
            raise BadRequest("name, uid or pod: one of them is required")
        namespace = request.namespace or "default"
        pod = self._find(namespace, request.name, request.uid)
        if pod is None:
            return self._explain_gone(namespace, request.name, request.uid, limit)
        return self._explain_pod(pod, limit)

    async def Fit(self, request: pb.FitRequest, ctx: RequestContext) -> pb.FitResponse:
        """Say how many copies of a Pod would fit now, and where. Raises BadRequest, TooManyRequests."""
        self._check_synced()
        most = _bounded(request.max_copies, COPIES, MAX_COPIES, "maxCopies")
        if not request.HasField("pod"):
            raise BadRequest("pod: Required value")
        info = self._compile(request.pod)
        cache, profile = self._scheduler.cache, self._scheduler.frameworks.of(info.pod_class).profile
        async with self._one_at_a_time():
            answerer, fit = self._answerer(), Fit()
            nodes = [node for node in cache.table.infos if node is not None]
            nominated = [(other, node.name) for node in nodes for other in cache.nominations.on(node.name)]
            namespaces = dict(cache.table.topology.namespaces)
            await self._in_steps(copy(nodes, cache.held(), nominated, namespaces, fit.cache))
            await self._in_steps(fill(info, profile, most, fit))
        return answers.fit_message(answerer, fit, evaluate(info.pod_class, fit.cache.table, profile))

    async def Verify(self, request: pb.VerifyRequest, ctx: RequestContext) -> pb.VerifyResponse:
        """Compare the columns with the objects that the watches brought, and those with the apiserver's."""
        self._check_synced()
        most = _bounded(request.max_differences, DIFFERENCES, MAX_DIFFERENCES, "maxDifferences")
        async with self._one_at_a_time():
            answerer, cache, rebuilt = self._answerer(), self._scheduler.cache, verify.Rebuilt()
            captured, storage = self._capture(), self._capture_storage()
            nominations = cache.nominations.all()
            differences = [*verify.verify_nominations(nominations, cache.table, captured.pods, captured.held)]
            await self._in_steps(verify.rebuild(captured, rebuilt))
            found: Difference | None
            for found in chain(verify.compare(captured, rebuilt), verify.verify_storage(storage)):
                if found is None:
                    await self._clock.sleep(0)
                else:
                    differences.append(found)
            if request.against_apiserver:
                differences += await _check_watch(self._clients.nodes, self._scheduler.nodes, self._clock)
                differences += await _check_watch(self._clients.pods, self._scheduler.pods, self._clock)
        answer = answers.verify_message(answerer, captured, rebuilt, differences, most)
        answer.against_apiserver = request.against_apiserver
        return answer

    async def ListDecisions(
        self, request: pb.ListDecisionsRequest, ctx: RequestContext
    ) -> pb.ListDecisionsResponse:
        limit = _bounded(request.limit, DECISIONS, MAX_DECISIONS, "limit")
        log = self._scheduler.decisions
        namespace = request.namespace or ("default" if request.name else "")
        found = log.find(namespace=namespace, name=request.name, uid=request.uid, limit=limit)
        return pb.ListDecisionsResponse(
            answered_by=self._answerer(), recorded=log.recorded, kept=len(log), capacity=log.capacity,
            decisions=[answers.decision_message(number, entry, self._moment()) for number, entry in found],
        )  # fmt: skip

    async def Overview(self, request: pb.OverviewRequest, ctx: RequestContext) -> pb.OverviewResponse:
        self._check_synced()
        scheduler, cache = self._scheduler, self._scheduler.cache.sizes()
        return pb.OverviewResponse(
            answered_by=self._answerer(), queue=pb.QueueSizes(**scheduler.queue.sizes()), nodes=cache["nodes"],
            pods=cache["pods"], assumed=cache["assumed_pods"], recorded=scheduler.decisions.recorded,
            profiles=sorted(scheduler.frameworks.names),
        )  # fmt: skip

    def _explain_manifest(self, pod: pod_pb2.Pod, limit: int) -> pb.ExplainResponse:
        info = self._compile(pod)
        state, words = answers.manifest_state(info.pod, self._scheduler.frameworks.names)
        answer = self._answer(info.pod, state, words)
        answer.evaluation.CopyFrom(self._evaluate(info, limit))
        return answer

    def _explain_pod(self, pod: pod_pb2.Pod, limit: int) -> pb.ExplainResponse:
        scheduler, uid = self._scheduler, pod.metadata.uid
        queued, held = scheduler.queue.get(uid), scheduler.cache.get(uid)
        info, unreadable = None, ""
        try:
            info = scheduler.compiler.compile(pod)
        except ValueError as error:
            unreadable = str(error)
        wall = self._clock.now() - self._clock.monotonic()
        until = scheduler.queue.backoff_until(queued) if queued is not None else 0.0
        nominated = scheduler.cache.nominations.node_of(uid)
        seen = answers.Seen(
            pod, held, queued, backoff_until=until, wall=wall, nominated=nominated,
            following=not self._leading(), unreadable=unreadable,
        )  # fmt: skip
        state, words = answers.state_of(seen, scheduler.frameworks.names)
        answer = self._answer(pod, state, words)
        answer.node = pod.spec.node_name or (held.node_name if held is not None else "")
        if queued is not None:
            answer.attempts = queued.attempts
            answer.queued_since.CopyFrom(self._moment()(queued.added))
            if state is answers.PodState.BACKOFF:
                answer.backoff_until.CopyFrom(self._moment()(until))
        condition = get_condition(pod.status, "PodScheduled")
        if condition is not None and condition.status == "False":
            answer.condition = condition.message
        self._add_decisions(answer, uid=uid, limit=limit)
        if state is answers.PodState.BOUND and not answer.decisions:
            answer.message += f"; {self._not_recorded()}"
        if info is not None and state in answers.EVALUATED:
            answer.evaluation.CopyFrom(self._evaluate(info, limit, nominated=bool(nominated)))
        return answer

    def _explain_gone(self, namespace: str, name: str, uid: str, limit: int) -> pb.ExplainResponse:
        decisions = self._scheduler.decisions
        found = (
            decisions.find(uid=uid, limit=1)
            if uid
            else decisions.find(namespace=namespace, name=name, limit=1)
        )
        if not found:
            raise NotFound(f'pods "{name or uid}" not found', kind="pods", name=name or uid)
        _, last = found[0]
        answer = pb.ExplainResponse(
            answered_by=self._answerer(), namespace=last.namespace, name=last.name, uid=last.uid,
            state=answers.PodState.GONE.value,
            message=f"{last.namespace}/{last.name} is not there any more; this was decided for it",
        )  # fmt: skip
        self._add_decisions(answer, uid=last.uid, limit=limit)
        return answer

    def _answer(self, pod: pod_pb2.Pod, state: answers.PodState, words: str) -> pb.ExplainResponse:
        meta = pod.metadata
        return pb.ExplainResponse(
            answered_by=self._answerer(), namespace=meta.namespace, name=meta.name, uid=meta.uid,
            scheduler_name=pod.spec.scheduler_name or "default-scheduler", state=state.value, message=words,
        )  # fmt: skip

    def _add_decisions(self, answer: pb.ExplainResponse, *, uid: str, limit: int) -> None:
        moment = self._moment()
        for number, entry in self._scheduler.decisions.find(uid=uid, limit=limit):
            answer.decisions.append(answers.decision_message(number, entry, moment))

    def _not_recorded(self) -> str:
        log = self._scheduler.decisions
        if not self._leading():
            leader = self._leader() or "nobody, as far as is known"
            return f"this scheduler stands by and records no decisions (the leader is {leader})"
        if log.recorded > len(log):
            return f"its decision has fallen out of the ring, which keeps the last {log.capacity}"
        return "its decision was made by another process, or before this one began to lead"

    def _evaluate(self, info: PodInfo, limit: int, *, nominated: bool = False) -> pb.Evaluation:
        cache, pod_class = self._scheduler.cache, info.pod_class
        profile = self._scheduler.frameworks.of(pod_class).profile
        seen = evaluate(pod_class, cache.table, profile, but=pod_class if nominated else None)
        asked = not seen.feasible and not nominated
        verdict = would_decide(pod_class, cache.table, profile, cache.on) if asked else None
        return answers.evaluation_message(seen, verdict, limit)

    def _find(self, namespace: str, name: str, uid: str) -> pod_pb2.Pod | None:
        lister = self._scheduler.pods.lister
        if name:
            pod = lister.get(f"{namespace}/{name}")
            return pod if pod is not None and (not uid or pod.metadata.uid == uid) else None
        queued, held = self._scheduler.queue.get(uid), self._scheduler.cache.get(uid)
        known = queued.info if queued is not None else held.info if held is not None else None
        if known is not None:
            return lister.get(known.key)
        return next((pod for pod in lister.captured() if pod.metadata.uid == uid), None)

    def _compile(self, pod: pod_pb2.Pod) -> PodInfo:
        """Compile a Pod that need not exist. spec.nodeName means: on that node alone."""
        made = pod_pb2.Pod()
        made.CopyFrom(pod)
        made.metadata.namespace = made.metadata.namespace or "default"
        if not made.spec.containers:
            raise BadRequest("pod.spec.containers: Required value")
        compiler, node_name = self._scheduler.compiler, made.spec.node_name
        try:
            if not node_name:
                return compiler.compile(made)
            pod_class = compiler.class_of(
                made.spec, wanted_node=node_name, namespace=made.metadata.namespace, labels=made.metadata.labels,
                identity=(made.metadata.name, made.metadata.uid),
            )  # fmt: skip
        except ValueError as error:
            raise BadRequest(f"pod cannot be read: {error}") from error
        return PodInfo(made, pod_class)

    def _capture(self) -> verify.Captured:
        scheduler = self._scheduler
        return verify.capture(
            scheduler.cache, nodes=scheduler.nodes.lister.list(), pods=scheduler.pods.lister.captured(),
            queued=scheduler.queue.uids(), ours=scheduler.frameworks.names,
            namespaces=scheduler.namespaces.lister.list(),
        )  # fmt: skip

    def _capture_storage(self) -> verify.CapturedStorage:
        kinds = ("volumes", "claims", "classes", "nodes", "drivers", "capacities", "attachments")
        objects = {kind: getattr(self._scheduler.storage, kind).lister.list() for kind in kinds}
        return verify.capture_storage(self._scheduler.catalogue, **objects)

    @asynccontextmanager
    async def _one_at_a_time(self) -> AsyncIterator[None]:
        """Let one call copy the columns at a time. Raises TooManyRequests."""
        if self._waiting >= MAX_WAITING:
            raise TooManyRequests("Too many requests, please try again later.", retry_seconds=1)
        self._waiting += 1
        try:
            async with self._heavy:
                yield
        finally:
            self._waiting -= 1

    async def _in_steps(self, steps: Iterable[None]) -> None:
        for _ in steps:
            await self._clock.sleep(0)

    def _check_synced(self) -> None:
        if not self._scheduler.synced:
            words = "the scheduler's caches are not filled yet, please try again later"
            raise Unavailable(words, retry_seconds=1)

    def _moment(self) -> Callable[[float], Timestamp]:
        wall = self._clock.now() - self._clock.monotonic()
        return lambda monotonic: micro_timestamp(monotonic + wall)

    def _answerer(self) -> pb.Answerer:
        scheduler, leading = self._scheduler, self._leading()
        return pb.Answerer(
            identity=self._identity, leading=leading, leader=self._identity if leading else self._leader(),
            pods_version=scheduler.pods.resource_version, nodes_version=scheduler.nodes.resource_version,
            time=micro_timestamp(self._clock.now()),
        )  # fmt: skip


def _bounded(asked: int, usual: int, most: int, name: str) -> int:
    """Return how many are meant. Raises BadRequest when it is below nothing."""
    if asked < 0:
        raise BadRequest(f"{name}: Invalid value: {asked}: must be greater than or equal to 0")
    return min(asked or usual, most)


async def _check_watch(client: ResourceClient[M], informer: Informer[M], clock: Clock) -> list[Difference]:
    """Return what the watch does not show, or shows though it is gone. Raises ApiError when a list fails.

    The watch goes on meanwhile, so one look proves nothing: what differs is looked at again after a while, and
    counts when the same object differs in the same way both times.
    """
    first = await _look(client, informer)
    if not first:
        return []
    await clock.sleep(PATIENCE_SECONDS)
    second = await _look(client, informer)
    return sorted(first & second)


async def _look(client: ResourceClient[M], informer: Informer[M]) -> set[Difference]:
    listed = {object_key(item): metadata(item) for item in (await client.list()).items}
    found: set[Difference] = set()
    shown: set[str] = set()
    for item in informer.lister.captured():
        key, known = object_key(item), metadata(item)
        shown.add(key)
        meta = listed.get(key)
        if meta is None:
            found.add(Difference(key, "watch", f"uid {known.uid}", "no such object"))
        elif known.uid != meta.uid:
            found.add(Difference(key, "watch", f"uid {known.uid}", f"uid {meta.uid}"))
        elif int(known.resource_version) < int(meta.resource_version):
            found.add(
                Difference(
                    key, "watch", f"version {known.resource_version}", f"version {meta.resource_version}"
                )
            )
    for key in listed.keys() - shown:
        found.add(Difference(key, "watch", "not shown", f"uid {listed[key].uid}"))
    return found
