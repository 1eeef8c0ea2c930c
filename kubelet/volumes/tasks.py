"""What of the volumes runs beside the Pods' workers. Called by `kubelet.build`."""

import random
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from kubelet.runtime.records import Uid
from kubelet.tasks import Job
from kubelet.volumes.following import ObjectFollower
from kubelet.volumes.interface import Volumes
from kubelet.volumes.local_paths import Events, LocalPaths
from kubelet.volumes.manager import VolumeManager
from kubelet.volumes.orphans import OrphanedDirectories
from kubelet.volumes.plugins.claimed import is_taken
from vaina.client.clientset import Clientset
from vaina.clock import Clock


def volume_tasks(  # noqa: PLR0913 - one node's parts
    volumes: Volumes,
    client: Clientset,
    clock: Clock,
    *,
    node: str,
    root: str,
    directory: str,
    events: Events,
    known: Callable[[], Collection[Uid] | None],
    arrived: Callable[[Uid], None],
    rng: random.Random | None = None,
) -> tuple[Job, ...]:
    """Return what is to run for a node's volumes; nothing for a hollow node's.

    `directory` has the volumes of the node-local provisioner. `known` gives the Pods that have a worker, None
    while not all are known. `arrived` is told of a Pod when something has changed that its volumes wait for.
    """
    if not isinstance(volumes, VolumeManager):
        return ()
    follower = ObjectFollower(client, clock, volumes.refresh)
    volumes.follow_with(follower, arrived)
    paths = LocalPaths(
        client,
        clock,
        node=node,
        directory=Path(directory),
        is_used=partial(is_taken, Path(root)),
        events=events,
        rng=rng,
    )
    orphans = OrphanedDirectories(Path(root), clock, known)
    return follower.run, paths.run, orphans.run
