"""The composition root: the only place that constructs what the apiserver is made of.

`build` makes the handlers over any storage, `run` is the service: etcd, watch cache, gRPC server, metrics.
"""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from apiserver.admission.chain import Chain
from apiserver.admission.namespace_lifecycle import SYSTEM_NAMESPACES, NamespaceLifecycle
from apiserver.admission.priority import Priority
from apiserver.registry.binding import Binder
from apiserver.registry.context import INTERNAL
from apiserver.registry.direct import Direct
from apiserver.registry.pod_traces import Traces, TraceWriter
from apiserver.registry.streams import Kubelets, PodStreams
from apiserver.registry.table import Stores, make_stores
from apiserver.registry.world import SelectingStorage, World
from apiserver.services.generic import kind_handlers
from apiserver.services.pod_traces import trace_handlers
from apiserver.services.pods import pod_handlers
from apiserver.services.scale import scale_handlers
from apiserver.storage.interface import Storage
from vaina.api.core.v1 import namespace_pb2
from vaina.client.transport import GrpcTransport, Transport
from vaina.clock import Clock
from vaina.errors import AlreadyExists
from vaina.serving.handlers import Handlers, Method


def _new_uid() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class App:
    """The apiserver without its doors."""

    handlers: Handlers
    stores: Stores
    traces: Traces
    trace_writer: TraceWriter
    kubelets: Kubelets

    async def bootstrap(self) -> None:
        """Make the namespaces of the system."""
        for name in SYSTEM_NAMESPACES:
            await create_namespace(self.stores, name)

    async def run(self) -> None:
        """Do what is done beside requests, until cancelled: write traces."""
        await self.trace_writer.run(self.traces)


async def create_namespace(stores: Stores, name: str) -> None:
    """Make a namespace, unless it is there."""
    namespace = namespace_pb2.Namespace()
    namespace.metadata.name = name
    try:
        await stores["Namespace"].create(INTERNAL, namespace)
    except AlreadyExists:
        return


def build(
    storage: SelectingStorage,
    clock: Clock,
    *,
    rng: random.Random | None = None,
    new_uid: Callable[[], str] = _new_uid,
    connect_kubelet: Callable[[str], Transport] = GrpcTransport,
    instance: str = "apiserver",
) -> App:
    """Make the apiserver over a storage.

    Args:
        storage: where objects are.
        clock: the time in objects.
        rng: makes the ends of generated names.
        new_uid: makes uids.
        connect_kubelet: host:port -> a transport to the kubelet there.
        instance: the name of this apiserver in traces.
    """
    stores: dict[str, object] = {}

    async def make_namespace(name: str) -> None:
        await create_namespace(stores, name)  # type: ignore[arg-type]  # filled below

    chain = Chain((NamespaceLifecycle(storage, make_namespace), Priority()))
    world = World(storage, clock, rng or random.SystemRandom(), new_uid, chain)
    writer = TraceWriter(clock, instance)
    made = make_stores(world, {"Pod": writer})
    stores.update(made)
    pods, nodes = made["Pod"], made["Node"]
    traces = Traces(made["PodTrace"], pods, clock, new_uid)
    kubelets = Kubelets(connect_kubelet)
    handlers: dict[str, Method] = {}
    for store in made.values():
        handlers |= kind_handlers(store)
        if store.kind.has_scale:
            handlers |= scale_handlers(store)
    handlers |= pod_handlers(Binder(pods, nodes), PodStreams(pods, nodes, kubelets))
    handlers |= trace_handlers(traces)
    return App(handlers, made, traces, writer, kubelets)


def build_handlers(storage: Storage, clock: Clock, *, rng: random.Random | None = None) -> Handlers:
    """Make the handlers straight over a storage, without a watch cache: the whole apiserver in process, for tests."""
    return build(Direct(storage), clock, rng=rng).handlers
