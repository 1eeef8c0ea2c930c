"""The whole apiserver in process, over storage in memory, under a fake clock.

For unit tests and for other parts' tests.
"""

import random
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

from apiserver.admission.pod_security.levels import PRIVILEGED, Policy
from apiserver.audit.auditing import Auditing
from apiserver.authorization.authorizer import MASTERS, Authorizer, Union
from apiserver.authorization.following import follow_roles
from apiserver.authorization.rbac.roles import Roles
from apiserver.build import App, build
from apiserver.fast_paths import FAST_PATHS
from apiserver.registry.world import SelectingStorage
from apiserver.storage.cacher import Cacher
from apiserver.storage.memory import MemoryStorage
from apiserver.storage.resources import resource_of
from apiserver.tokens.opening import Tokens
from tests.support.direct import Direct
from tests.support.fast_paths import switched_on
from tests.support.tasks import running
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport, Transport
from vaina.clock import Clock, SystemClock
from vaina.kinds import KINDS
from vaina.serving.handlers import ANONYMOUS, User
from vaina.testing.builders import make_node, make_pod
from vaina.testing.clock import FakeClock

#: the apiserver's accelerators in this run of tests
ON = switched_on(FAST_PATHS)


#: makes tokens of ServiceAccounts over a storage
MakeTokens = Callable[[SelectingStorage, Clock], Tokens]
ADMINISTRATOR = User("kubernetes-admin", (MASTERS, "system:authenticated"))


@dataclass(slots=True)
class Harness:
    """An apiserver and a client of it. `warnings` collects what the server warned of."""

    app: App
    storage: MemoryStorage
    clock: FakeClock
    client: Clientset
    warnings: list[str] = field(default_factory=list)

    async def pod(self, name: str = "web", *, node: str = "", **kwargs: object) -> pod_pb2.Pod:
        """Create a Pod, and bind it when a node is given (which is made when it is missing)."""
        made = await self.client.pods.create(make_pod(name, **kwargs))  # type: ignore[arg-type]
        if not node:
            return made
        nodes = {item.metadata.name for item in (await self.client.nodes.list()).items}
        if node not in nodes:
            await self.node(node)
        await self.client.pods.bind(name, namespace=made.metadata.namespace, uid=made.metadata.uid, node=node)
        return await self.client.pods.get(name, made.metadata.namespace)

    async def node(self, name: str = "node-1") -> node_pb2.Node:
        """Create a Node."""
        return await self.client.nodes.create(make_node(name))

    def client_of(self, name: str, *groups: str) -> Clientset:
        """Return a client that calls as another user."""
        user = User(name, (*groups, "system:authenticated"))
        return Clientset(InProcessTransport(self.app.handlers, user=user))

    async def write_traces(self) -> None:
        """Let the trace writer write all that it was told."""
        await self.app.trace_writer.flush(self.app.traces)


def _no_kubelet(address: str) -> Transport:
    raise AssertionError(f"nobody expected a connection to {address}")


def make_apiserver(
    *,
    seed: int = 1,
    connect_kubelet: Callable[[str], Transport] = _no_kubelet,
    clock: FakeClock | None = None,
    ephemeral_containers: bool = True,
    fast_paths: Collection[str] = ON,
    pod_security: Policy = PRIVILEGED,
    exempt: Collection[str] = (),
    authorizer: Authorizer | None = None,
    auditing: Auditing | None = None,
    tokens: MakeTokens | None = None,
) -> Harness:
    """Make an apiserver; uids are uid-1, uid-2, ... and generated names follow the seed."""
    clock = clock or FakeClock()
    storage = MemoryStorage(clock)
    return _harness(
        storage, Direct(storage), clock, seed, connect_kubelet, ephemeral_containers, fast_paths, pod_security, exempt,
        authorizer, auditing=auditing, tokens=tokens,
    )  # fmt: skip


@asynccontextmanager
async def cached_apiserver(
    *,
    seed: int = 1,
    storage: MemoryStorage | None = None,
    roles: bool = False,
    tokens: MakeTokens | None = None,
    authorizer: Authorizer | None = None,
) -> AsyncIterator[Harness]:
    """Run an apiserver with the watch cache before its storage; with `roles` these say who may do what.

    The fake clock is its wall clock alone: caches run in real time.
    """
    storage = storage or MemoryStorage()
    resources = [resource_of(kind) for kind in KINDS]
    cacher = Cacher(storage, resources, clock=SystemClock(), rng=random.Random(seed))
    known = Roles() if roles else None
    if known is not None:
        follow_roles(known, cacher)
    async with running(cacher.run()):
        await cacher.wait_ready()
        yield _harness(
            storage, cacher, FakeClock(), seed, _no_kubelet, roles=known, tokens=tokens, authorizer=authorizer
        )


def _harness(
    storage: MemoryStorage,
    selecting: SelectingStorage,
    clock: FakeClock,
    seed: int,
    connect_kubelet: Callable[[str], Transport],
    ephemeral_containers: bool = True,
    fast_paths: Collection[str] = ON,
    pod_security: Policy = PRIVILEGED,
    exempt: Collection[str] = (),
    authorizer: Authorizer | None = None,
    roles: Roles | None = None,
    auditing: Auditing | None = None,
    tokens: MakeTokens | None = None,
) -> Harness:
    numbers, warnings = count(1), list[str]()
    app = build(
        selecting, clock, rng=random.Random(seed), new_uid=lambda: f"uid-{next(numbers)}",
        connect_kubelet=connect_kubelet, ephemeral_containers=ephemeral_containers, fast_paths=fast_paths,
        pod_security=pod_security, pod_security_exempt=exempt, roles=roles,
        authorizer=authorizer if roles is None else Union((roles,)),
        auditing=auditing, tokens=None if tokens is None else tokens(selecting, clock),
    )  # fmt: skip
    user = ANONYMOUS if roles is None else ADMINISTRATOR
    client = Clientset(InProcessTransport(app.handlers, user=user, on_warning=warnings.append))
    return Harness(app, storage, clock, client, warnings)
