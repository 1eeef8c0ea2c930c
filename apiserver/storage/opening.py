"""Opens the storage that a configuration names: etcd or memory, the watch cache before it, and the keys.

Called by `build.run`.
"""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from prometheus_client import CollectorRegistry

from apiserver.config import ApiserverConfig
from apiserver.storage.cacher import Cacher
from apiserver.storage.etcd.client import EtcdClient
from apiserver.storage.etcd.compactor import Compactor
from apiserver.storage.etcd.store import EtcdStorage
from apiserver.storage.interface import MemberState
from apiserver.storage.memory import MemoryStorage
from apiserver.storage.metrics import STORAGE_SIZE, StorageMetrics
from apiserver.storage.resources import Resource, resource_of
from apiserver.storage.values import Values
from vaina.clock import Clock
from vaina.config import ConfigError
from vaina.kinds import KINDS
from vaina.pki.folder import client_folder, is_loopback

Job: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
AskMembers: TypeAlias = Callable[[], Awaitable[Sequence[MemberState]]]
#: for the members to say how large the store is; upstream's
_SIZE_TIMEOUT_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Opened:
    """A storage that is open."""

    storage: Cacher
    #: what storage does beside requests, until cancelled
    jobs: Sequence[Job]
    #: asks its members how they are; None: it has none
    members: AskMembers | None = None
    #: by the name of a metric, what asks for its value before it is shown
    asked: Mapping[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)


@asynccontextmanager
async def open_storage(
    config: ApiserverConfig,
    clock: Clock,
    registry: CollectorRegistry,
    instance: str,
) -> AsyncIterator[Opened]:
    """Open it while the context lasts; `instance` is the name of this process among its replicas."""
    metrics, rng = StorageMetrics(registry), random.SystemRandom()
    if config.storage == "memory":
        memory = MemoryStorage(clock)
        cacher = Cacher(memory, _resources(), clock=clock, rng=rng, metrics=metrics)
        yield Opened(cacher, (memory.run, cacher.run))
        return
    if config.storage != "etcd":
        raise ConfigError(f'storage: "{config.storage}" is neither etcd nor memory')
    async with EtcdClient(
        etcd_targets(config.etcd_endpoints, config.etcd_cert_dir), clock=clock, metrics=metrics,
        credentials=client_folder(config.etcd_cert_dir),
    ) as client:  # fmt: skip
        # Replicas may share a host name: the writer's name must be one process's own.
        writer = f"{instance}-{uuid.uuid4().hex[:8]}"
        values = Values(registry=registry)
        storage = EtcdStorage(client, writer, clock=clock, rng=rng, metrics=metrics, values=values)
        cacher = Cacher(storage, _resources(), clock=clock, rng=rng, metrics=metrics)
        jobs: list[Job] = [storage.run, cacher.run]
        if config.encryption_provider_config:
            # It imports cryptography, which costs 9 MB of memory.
            from apiserver.storage.encryption.file import KeyFile

            jobs.append(KeyFile(Path(config.encryption_provider_config), values, clock, registry).run)
        if config.compaction_seconds:
            jobs.append(Compactor(client, clock=clock, interval_seconds=config.compaction_seconds).run)
        asked = {STORAGE_SIZE: partial(ask_size, client.members, metrics)}
        yield Opened(cacher, jobs, client.members, asked)


async def ask_size(members: AskMembers, metrics: StorageMetrics) -> None:
    """Ask the members how large the store is, for who reads metrics.

    As upstream's (apiserver `pkg/storage/etcd3/metrics/metrics.go`, monitorCollector); of several members the
    largest counts, where upstream asks any.
    """
    sizes: list[int] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(_SIZE_TIMEOUT_SECONDS):
            sizes = [one.size_bytes for one in await members() if not one.error]
    metrics.set_size(max(sizes, default=None))


def _resources() -> list[Resource]:
    return [resource_of(kind) for kind in KINDS]


def etcd_targets(endpoints: Sequence[str], cert_dir: str) -> tuple[str, ...]:
    """Return host:port of each member of an etcd cluster.

    Raises ConfigError: none is named, one is no host:port, or is beyond loopback in the clear.
    """
    plain = tuple(endpoint.removeprefix("http://").rstrip("/") for endpoint in endpoints)
    if not plain:
        raise ConfigError("etcd_endpoints: at least one is needed")
    for endpoint in plain:
        if "://" in endpoint:
            raise ConfigError(
                f'etcd_endpoints: "{endpoint}" is not host:port; etcd_cert_dir says whether TLS is used'
            )
        if not cert_dir and not is_loopback(endpoint):
            raise ConfigError(
                f"etcd_endpoints: {endpoint} is on another machine, and is not spoken to in the clear: "
                "name a folder with a certificate (etcd_cert_dir)"
            )
    return plain
