"""Takes away what a run has made, by its label. Also what a run left that was killed (`vaina load clean`)."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from bench.load.settings import RUN_LABEL
from vaina.api.core.v1.namespace_pb2 import Namespace
from vaina.client.clientset import Clientset
from vaina.errors import NotFound
from vaina.kinds import (
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    KINDS,
    LEASE,
    NAMESPACE,
    POD,
    REPLICA_SET,
    STATEFUL_SET,
    Kind,
)

_NODE_LEASES = "kube-node-lease"
_CLUSTER_WIDE = tuple(kind for kind in KINDS if not kind.namespaced and kind is not NAMESPACE)
#: whose controllers would make Pods anew
_OWNERS: tuple[Kind[Any], ...] = (DEPLOYMENT, REPLICA_SET, STATEFUL_SET, JOB, DAEMON_SET)
#: everything together
CLEAN_SECONDS = 120.0
#: ... and then until the last namespace is gone
WAIT_SECONDS = 30.0
_LOOK_SECONDS = 0.2


async def clean(
    client: Clientset,
    run: str = "",
    *,
    grace_seconds: int = 0,
    wait_seconds: float = WAIT_SECONDS,
    say: Callable[[str], None],
) -> None:
    """Delete everything of a run (none: of every run), Pods first, and wait until it is gone.

    Args:
        client: of the cluster.
        run: its name.
        grace_seconds: that Pods have to end; 0 takes them away whatever their node does.
        wait_seconds: for namespaces to end, which is a controller's work.
        say: is told what stays.

    Raises:
        ApiError: the cluster refuses, or does not answer.
    """
    selector = f"{RUN_LABEL}={run}" if run else RUN_LABEL
    async with asyncio.timeout(CLEAN_SECONDS):
        namespaces = await client.namespaces.list(label_selector=selector)
        await _delete_things(client, selector, namespaces.items, grace_seconds)
        for namespace in namespaces.items:
            await _delete(client, NAMESPACE, namespace.metadata.name)
        # A run that was interrupted has given up calls that the apiserver may carry out all the same.
        while await _is_anything_left(client, selector):
            await _delete_things(client, selector, namespaces.items, grace_seconds)
    try:
        async with asyncio.timeout(wait_seconds):
            while (await client.namespaces.list_page(label_selector=selector, limit=1)).items:  # noqa: ASYNC110 - in another process
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        left = [item.metadata.name for item in (await client.namespaces.list(label_selector=selector)).items]
        say(f"namespaces that are still ending: {', '.join(left)} (is a controller running?)")


async def _delete_things(
    client: Clientset, selector: str, namespaces: Iterable[Namespace], grace_seconds: int
) -> None:
    """Delete what makes Pods, and Pods, and when they are gone what is in no namespace, but for namespaces."""
    for namespace in namespaces:
        for owners in _OWNERS:
            await client.kind(owners).delete_collection(namespace.metadata.name, label_selector=selector)
        await client.pods.delete_collection(
            namespace.metadata.name, label_selector=selector, grace_period_seconds=grace_seconds
        )
    while grace_seconds and (await client.pods.list_page(label_selector=selector, limit=1)).items:  # noqa: ASYNC110 - in another process
        await asyncio.sleep(_LOOK_SECONDS)
    nodes = await client.nodes.list(label_selector=selector)
    for kind in _CLUSTER_WIDE:
        await client.kind(kind).delete_collection(label_selector=selector)
    for node in nodes.items:
        await _delete(client, LEASE, node.metadata.name, _NODE_LEASES)


async def _is_anything_left(client: Clientset, selector: str) -> bool:
    """Say whether there is anything that nobody has deleted; what only ends, ends by itself."""
    kinds: tuple[Kind[Any], ...] = (POD, *_CLUSTER_WIDE)
    for kind in kinds:
        found = await client.kind(kind).list(label_selector=selector)
        if not all(item.metadata.HasField("deletion_timestamp") for item in found.items):
            return True
    return False


async def _delete(client: Clientset, kind: Kind[Any], name: str, namespace: str = "") -> None:
    try:
        await client.kind(kind).delete(name, namespace)
    except NotFound:
        return
