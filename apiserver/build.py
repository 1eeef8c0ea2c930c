"""The composition root: the only place that constructs what the apiserver is made of, over any storage.

`process.py` adds etcd, the watch cache and the servers.
"""

import random
import uuid
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from apiserver.admission.certificates import CertificateRequests
from apiserver.admission.chain import Chain
from apiserver.admission.escalation import Escalation
from apiserver.admission.followed import Followed
from apiserver.admission.limit_ranger import LimitRanger
from apiserver.admission.namespace_lifecycle import SYSTEM_NAMESPACES, NamespaceLifecycle
from apiserver.admission.node_restriction import NodeRestriction
from apiserver.admission.pod_security.levels import PRIVILEGED, Policy
from apiserver.admission.pod_security.metrics import PodSecurityMetrics
from apiserver.admission.pod_security.plugin import PodSecurity
from apiserver.admission.priority import Priority
from apiserver.admission.resource_quota import ResourceQuotas
from apiserver.admission.runtime_class import RuntimeClasses
from apiserver.admission.service_accounts import ServiceAccounts
from apiserver.admission.storage_class import ClaimResize, DefaultStorageClass
from apiserver.admission.topology_labels import TopologyLabels
from apiserver.audit.auditing import Auditing, OnTold
from apiserver.authorization.authorizer import AlwaysAllow, Authorizer
from apiserver.authorization.checks import Checks
from apiserver.authorization.rbac.roles import DEFAULTS, Roles
from apiserver.context import INTERNAL
from apiserver.fast_paths import BATCH_TEMPLATES, FAST_PATHS, SPEC_MEMO
from apiserver.flowcontrol.control import FlowControl
from apiserver.large import LargeWork
from apiserver.registry.apply import Applier
from apiserver.registry.binding import Binder
from apiserver.registry.create.spec_memo import PodSpecMemo
from apiserver.registry.create.templates import batch_templates
from apiserver.registry.default_roles import reconcile_default_roles
from apiserver.registry.eviction import Evictor
from apiserver.registry.kubernetes_service import make_kubernetes_service
from apiserver.registry.node_pages import NodePages
from apiserver.registry.pod_traces import Traces, TraceWriter
from apiserver.registry.pods import PodStrategy
from apiserver.registry.resource_metrics import ResourceMetrics
from apiserver.registry.store import Store
from apiserver.registry.streams import Kubelets, PodStreams
from apiserver.registry.table import Stores, make_stores
from apiserver.registry.token_requests import TokenRequests
from apiserver.registry.trace_choice import SAMPLED_PER_SECOND, TraceChoice
from apiserver.registry.world import SelectingStorage, World
from apiserver.services.bootstrap import bootstrap_handlers
from apiserver.services.generic import kind_handlers
from apiserver.services.machinery import AskMembers, in_memory, machinery_handlers
from apiserver.services.manifests import manifest_handlers
from apiserver.services.metrics import RequestMetrics
from apiserver.services.nodes import node_handlers
from apiserver.services.pods import pod_handlers, trace_handlers
from apiserver.services.resource_metrics import resource_metrics_handlers
from apiserver.services.reviews import review_handlers
from apiserver.services.scales import scale_handlers
from apiserver.services.streams import OpenStreams
from apiserver.services.tokens import token_handlers
from apiserver.services.version import version_handlers
from apiserver.tokens.bearers import Bearers
from apiserver.tokens.bootstrap import BootstrapTokens, token_secret
from apiserver.tokens.interface import Pages
from apiserver.tokens.opening import Tokens
from apiserver.validation.classes import SYSTEM_CLASS_DESCRIPTIONS, SYSTEM_CLASSES
from vaina.api.core.v1 import namespace_pb2
from vaina.api.scheduling.v1 import priority_class_pb2
from vaina.client.transport import GrpcTransport, Transport
from vaina.clock import Clock
from vaina.errors import AlreadyExists
from vaina.kinds import (
    LIMIT_RANGE,
    PRIORITY_CLASS,
    RESOURCE_QUOTA,
    RUNTIME_CLASS,
    SERVICE_ACCOUNT,
    STORAGE_CLASS,
)
from vaina.serving.handlers import Handlers, Method, OnUnauthorized

log = structlog.stdlib.get_logger(__name__)


def _new_uid() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class App:
    """The apiserver without the servers that listen for it."""

    handlers: Handlers
    #: of the port for bootstrap tokens
    bootstrap_handlers: Handlers
    stores: Stores
    traces: Traces
    trace_writer: TraceWriter
    kubelets: Kubelets
    roles: Roles | None
    #: who decides what a caller may do
    authorizer: Authorizer
    #: has the turns of what is large
    large: LargeWork
    #: knows callers by bearer tokens, for servers that take such
    bearers: Bearers
    #: what else such a server serves, by path
    pages: Pages
    #: puts what stands for a method under its limits
    limited: Callable[[str, Method], Method]
    #: of which a Secret is made at the start; empty: none
    bootstrap_token: str = ""
    #: address of the Service kubernetes, and the port of the REST API; None: there is no such Service
    service: tuple[str, int] | None = None
    #: writes calls to the audit log that come to no handler
    on_unauthorized: OnUnauthorized | None = None
    #: likewise, of the REST API's own answers
    on_told: OnTold | None = None

    async def bootstrap(self) -> None:
        """Make the namespaces, priority classes and roles of the system, the Secret of the nodes' token, and the
        Service of the apiserver.
        """
        for name in SYSTEM_NAMESPACES:
            await create_namespace(self.stores, name)
        for name, value in SYSTEM_CLASSES.items():
            await create_priority_class(self.stores, name, value)
        if self.roles is not None:
            await reconcile_default_roles(self.stores)
            self.roles.filled(DEFAULTS)
        if self.bootstrap_token:
            with suppress(AlreadyExists):
                await self.stores["Secret"].create(INTERNAL, token_secret(self.bootstrap_token))
        if self.service is not None:
            await make_kubernetes_service(self.stores, *self.service)

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


async def create_priority_class(stores: Stores, name: str, value: int) -> None:
    """Make a priority class of the system, unless it is there."""
    made = priority_class_pb2.PriorityClass(value=value, description=SYSTEM_CLASS_DESCRIPTIONS[name])
    made.metadata.name = name
    try:
        await stores["PriorityClass"].create(INTERNAL, made)
    except AlreadyExists:
        return


def build(  # noqa: PLR0913 - what it is made of, all by keyword
    storage: SelectingStorage,
    clock: Clock,
    *,
    rng: random.Random | None = None,
    new_uid: Callable[[], str] = _new_uid,
    connect_kubelet: Callable[[str], Transport] = GrpcTransport,
    instance: str = "apiserver",
    metrics: RequestMetrics | None = None,
    flow: FlowControl | None = None,
    ephemeral_containers: bool = True,
    traces_per_second: float = SAMPLED_PER_SECOND,
    fast_paths: Collection[str] = frozenset(FAST_PATHS),
    pod_security: Policy = PRIVILEGED,
    pod_security_exempt: Collection[str] = (),
    authorizer: Authorizer | None = None,
    roles: Roles | None = None,
    bootstrap_token: str = "",
    service: tuple[str, int] | None = None,
    auditing: Auditing | None = None,
    tokens: Tokens | None = None,
    members: AskMembers = in_memory,
) -> App:
    """Make the apiserver over a storage.

    Args:
        storage: where objects are.
        clock: the time in objects.
        rng: makes the ends of generated names.
        new_uid: makes uids.
        connect_kubelet: host:port -> a transport to the kubelet there.
        instance: the name of this apiserver in traces.
        metrics: counts requests; None: nobody does.
        flow: the limits of requests; None: the usual ones.
        ephemeral_containers: may be added to running Pods (row B12).
        traces_per_second: Pods that have a trace without asking for one.
        fast_paths: names of the accelerators that are on.
        pod_security: levels of namespaces whose labels name none.
        pod_security_exempt: namespaces whose Pods are held to no level.
        authorizer: says who may do what; None: everybody may do everything.
        bootstrap_token: with which nodes ask for their first certificate; a Secret is made of it.
        service: address of the Service kubernetes, which is made, and the port of the REST API.
        roles: the roles and bindings, where they count: nobody grants what they do not have.
        auditing: writes who did what; None: nobody does. Its `run` must be running.
        tokens: of ServiceAccounts; None: there are none, and Pods get no account.
        members: asks those of the storage how they are.
    """
    authorizer = authorizer or AlwaysAllow()
    checks = Checks(authorizer)
    stores: dict[str, object] = {}

    async def make_namespace(name: str) -> None:
        await create_namespace(stores, name)  # type: ignore[arg-type]  # filled below

    restriction, topology = NodeRestriction(storage, authorizer), TopologyLabels(storage)
    rng = rng or random.SystemRandom()
    accounts = () if tokens is None else (ServiceAccounts(Followed(SERVICE_ACCOUNT, storage), clock, rng),)
    chain = Chain((
        NamespaceLifecycle(storage, make_namespace),
        *accounts,
        Priority(Followed(PRIORITY_CLASS, storage)),
        DefaultStorageClass(Followed(STORAGE_CLASS, storage)),
        ClaimResize(Followed(STORAGE_CLASS, storage)),
        RuntimeClasses(Followed(RUNTIME_CLASS, storage)),
        LimitRanger(Followed(LIMIT_RANGE, storage)),
        restriction,
        PodSecurity(
            storage, clock, defaults=pod_security, exempt=pod_security_exempt,
            metrics=PodSecurityMetrics(metrics.registry if metrics else None),
        ),
        CertificateRequests(authorizer),
        topology,
        *(() if roles is None else (Escalation(authorizer, roles),)),
        ResourceQuotas(Followed(RESOURCE_QUOTA, storage), storage, clock),
    ))  # fmt: skip
    world = World(storage, clock, rng, new_uid, chain)
    choice = TraceChoice(clock, traces_per_second)
    writer = TraceWriter(clock, instance, choice)
    made = make_stores(
        world, {"Pod": writer}, {"Pod": PodStrategy(ephemeral_containers=ephemeral_containers)},
        prepares={"Pod": PodSpecMemo()} if SPEC_MEMO in fast_paths else {},
        preparers=batch_templates() if BATCH_TEMPLATES in fast_paths else {},
    )  # fmt: skip
    stores.update(made)
    pods, nodes = made["Pod"], made["Node"]
    traces = Traces(made["PodTrace"], pods, clock, new_uid, choice)
    kubelets = Kubelets(connect_kubelet)
    handlers: dict[str, Method] = {}
    for store in made.values():
        handlers |= _kind_handlers(store, checks, metrics)
        if store.kind.has_scale:
            handlers |= scale_handlers(store, checks)
    evictor = Evictor(pods, made["PodDisruptionBudget"])
    streams = PodStreams(pods, nodes, made["Service"], kubelets, clock)
    handlers |= pod_handlers(
        Binder(pods, nodes, topology.of), evictor, streams, writer, clock, checks, restriction
    )
    handlers |= node_handlers(NodePages(nodes, kubelets), checks)
    handlers |= resource_metrics_handlers(ResourceMetrics(pods, nodes, kubelets, clock), checks)
    handlers |= trace_handlers(traces, checks)
    handlers |= manifest_handlers(made, Applier(made), checks)
    handlers |= version_handlers(checks)
    handlers |= review_handlers(authorizer, roles, checks, clock)
    bearers = Bearers(BootstrapTokens(storage, clock), tokens)
    requests = TokenRequests(
        None if tokens is None else tokens.issuer, made["ServiceAccount"], pods, made["Secret"], nodes, clock
    )
    handlers |= token_handlers(requests, bearers, restriction, checks)
    streams_open = OpenStreams(clock)
    handlers |= machinery_handlers(streams_open, storage, members, checks, clock, instance)
    flow = flow or FlowControl(clock)
    if metrics is not None:
        metrics.registry.register(flow.metrics)

    def wrapped(methods: Handlers) -> Handlers:
        methods = streams_open.wrap(flow.wrap(methods))
        if auditing is not None:
            methods = auditing.wrap(methods)
        return methods if metrics is None else metrics.wrap(methods)

    first = bootstrap_handlers(made["CertificateSigningRequest"])
    return App(
        wrapped(handlers), wrapped(first), made, traces, writer, kubelets, roles, authorizer, world.large, bearers,
        {} if tokens is None else tokens.pages, flow.limited, bootstrap_token, service,
        None if auditing is None else auditing.unauthorized, None if auditing is None else auditing.told,
    )  # fmt: skip


def _kind_handlers(store: Store[Any], checks: Checks, metrics: RequestMetrics | None) -> dict[str, Method]:
    if metrics is None:
        return kind_handlers(store, checks)
    return kind_handlers(store, checks, metrics.watch_observer(store.kind))
