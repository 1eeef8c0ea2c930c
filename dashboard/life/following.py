"""Shell: follows one Pod for all who look at it.

topic "pod/NAMESPACE/NAME", with "?uid=UID" one of several that have had the name, with "&lang=es" in Spanish:
the whole of it (dashboard.life.model), whenever something of it has changed.

Three watches, of the Pod, the traces and the Events of its name, last as long as somebody looks. Its node, its
owners and the ends of failed containers' logs are asked for now and then.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import parse_qs

from dashboard.life.family import Family
from dashboard.life.model import Chosen, choose, life_of
from dashboard.life.relatives import find_family
from dashboard.view import Context, WholeTopic
from vaina.api.core.v1 import event_pb2, node_pb2, pod_pb2
from vaina.cache.informer import Informer
from vaina.client.evidence import ends_of_logs, find_node
from vaina.errors import ApiError, BadRequest, Forbidden, NotFound, Unauthorized, Unavailable
from vaina.objects.names import dns_1123_subdomain
from vaina.tasks import first_error, first_of
from vaina.texts import language_of
from vaina.why.evidence import Evidence, event_time

#: between two looks at what is not watched: the node, owners, and words that tell how long ago something was
LOOK_SECONDS: Final = 5.0
#: between two times that it is put together
SHOW_SECONDS: Final = 0.2
#: a Pod that is not there, and has no trace, is waited for so long: a link may be followed before it is made
PATIENCE_SECONDS: Final = 2.0


class PodTopic(WholeTopic):
    """One Pod, as it goes. Owned by the event loop."""

    def __init__(self, context: Context, name: str) -> None:
        """Make the topic of a name. Raises BadRequest: it names no Pod."""
        super().__init__()
        path, _, query = name.partition("?")
        parts = path.split("/")
        if len(parts) != 3 or any(dns_1123_subdomain(part) for part in parts[1:]):
            raise BadRequest("the topic of a Pod is pod/NAMESPACE/NAME")
        asked = parse_qs(query)
        self.namespace, self.name = parts[1:]
        self._uid = asked.get("uid", [""])[0]
        self._say = language_of(asked.get("lang", ["en"])[0]).say
        self._context, clients = context, context.clients
        self._again = asyncio.Event()
        about = f"involvedObject.kind=Pod,involvedObject.name={self.name}"
        self._pods = self._follow(clients.pods, f"metadata.name={self.name}")
        self._traces = self._follow(clients.pod_traces, f"spec.podName={self.name}")
        self._events: Informer[event_pb2.Event] = self._follow(clients.events, about)
        self._node: node_pb2.Node | None = None
        #: whose node that is, by name: a node that nobody has asked for is not gone
        self._node_of = ""
        #: owners, and ends of logs, each with the uid of their Pod: another one of the name has its own
        self._family: tuple[str, Family | None] = ("", None)
        self._logs: tuple[str, dict[str, Sequence[str]]] = ("", {})
        #: the lives of containers that the logs are of
        self._logs_of: object = None
        #: the Pod as it was there last
        self._last: pod_pb2.Pod | None = None

    def _follow(self, client: Any, fields: str) -> Informer[Any]:
        informer = Informer(
            client,
            self._context.clock,
            namespace=self.namespace,
            field_selector=fields,
            ends_when_refused=True,
        )
        informer.add_batch_handler(lambda _: self._again.set())
        return informer

    async def run(self, changed: Callable[[], None]) -> None:
        """Follow it until cancelled. Raises NotFound: there is no such Pod, and no trace of one; Forbidden."""
        informers = (self._pods, self._traces, self._events)
        try:
            await first_of(*(informer.run() for informer in informers), self._tell(informers, changed))
        except* ApiError as errors:
            raise first_error(errors) from errors

    async def _tell(self, informers: Sequence[Informer[Any]], changed: Callable[[], None]) -> None:
        await self._wait_synced(informers)
        await self._wait_found()
        # A node that is slow to give logs holds back nothing else.
        await first_of(self._look(self._ask), self._look(self._ask_logs), self._watch(changed))

    async def _watch(self, changed: Callable[[], None]) -> None:
        while True:
            self._again.clear()
            if await self._has_node() and self._show():
                changed()
            # What changes a hundred times a second is told as often as frames are sent.
            await self._context.clock.sleep(SHOW_SECONDS)
            await self._again.wait()

    async def _has_node(self) -> bool:
        """Ask for the node of the Pod where it has got one; say whether what is known of it is known."""
        chosen = self._choose()
        pod = chosen.pod if chosen is not None else None
        if pod is None or pod.spec.node_name == self._node_of:
            return True
        try:
            await self._ask_node(pod)
        except ApiError:
            # It is asked for again at the next look.
            return False
        return True

    async def _wait_synced(self, informers: Sequence[Informer[Any]]) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                for informer in informers:
                    await informer.wait_synced()
        except TimeoutError as error:
            raise Unavailable("the apiserver does not answer") from error

    async def _wait_found(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while self._choose() is None:
                    self._again.clear()
                    await self._again.wait()
        except TimeoutError as error:
            words = f'pods "{self.name}" not found, and no trace of one'
            raise NotFound(words, kind="pods", name=self.name) from error

    def _choose(self) -> Chosen | None:
        pod, traces, last = next(iter(self._pods.lister.list()), None), self._traces.lister.list(), self._last
        if pod is None and last is not None and not self._uid:
            # It has gone while somebody looked; of it, and not of one before it, is told.
            return choose(None, traces, last.metadata.uid) or Chosen(last.metadata.uid, None, None, traces)
        return choose(pod, traces, self._uid)

    def _show(self) -> bool:
        """Take what is known; say whether that is news."""
        chosen = self._choose()
        if chosen is None:
            # Its trace has been collected while somebody looked: what was shown last stays.
            return False
        self._last = chosen.pod or self._last
        before = self._last if self._last is not None and self._last.metadata.uid == chosen.uid else None
        family = self._family[1] if chosen.uid == self._family[0] else None
        return self.set(life_of(self._evidence(chosen), chosen, family, before=before, say=self._say))

    def _evidence(self, chosen: Chosen) -> Evidence:
        events = [one for one in self._events.lister.list() if one.involved_object.uid in ("", chosen.uid)]
        return Evidence(
            name=self.name, namespace=self.namespace, now=self._context.clock.now(), pod=chosen.pod,
            events=sorted(events, key=event_time), trace=chosen.trace, node=self._node,
            logs=self._logs[1] if chosen.uid == self._logs[0] else {},
        )  # fmt: skip

    async def _look(self, ask: Callable[[pod_pb2.Pod], Awaitable[None]]) -> None:
        """Ask for something that is not watched, again and again."""
        while True:
            chosen = self._choose()
            if chosen is not None and chosen.pod is not None:
                # What an error leaves unknown is asked for again. Who looks is told what is not shown, and why.
                with _outages_passed_over():
                    await ask(chosen.pod)
            # Words that tell how long ago something was become old by themselves.
            self._again.set()
            await self._context.clock.sleep(LOOK_SECONDS)

    async def _ask(self, pod: pod_pb2.Pod) -> None:
        await self._ask_node(pod)
        self._family = pod.metadata.uid, await find_family(self._context.clients, pod)

    async def _ask_logs(self, pod: pod_pb2.Pod) -> None:
        lives = [(one.name, one.container_id, one.restart_count, one.ready) for one in _statuses(pod)]
        if (pod.metadata.uid, lives) != self._logs_of:
            self._logs = pod.metadata.uid, await ends_of_logs(self._context.clients, pod)
            self._logs_of = pod.metadata.uid, lives

    async def _ask_node(self, pod: pod_pb2.Pod) -> None:
        self._node = await find_node(self._context.clients, pod)
        self._node_of = pod.spec.node_name


@contextmanager
def _outages_passed_over() -> Iterator[None]:
    """Go on after an error, unless it says that something may not be read."""
    try:
        yield
    except (Forbidden, Unauthorized):
        raise
    except ApiError:
        pass


def _statuses(pod: pod_pb2.Pod) -> Sequence[pod_pb2.ContainerStatus]:
    return [*pod.status.init_container_statuses, *pod.status.container_statuses]
