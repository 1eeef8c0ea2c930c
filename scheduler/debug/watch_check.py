"""Do the watches show what the apiserver has? Lists afresh, and compares with what an informer holds.

The watch goes on meanwhile, so one look proves nothing: what differs is looked at again after a while, and
counts when the same object differs in the same way both times.
"""

from typing import Final, TypeVar

from google.protobuf.message import Message

from scheduler.columns.readout import Difference
from vaina.cache.informer import Informer
from vaina.client.resource import ResourceClient
from vaina.clock import Clock
from vaina.objects.meta import metadata, object_key

M = TypeVar("M", bound=Message)

#: between the two looks: a watch shows what was written within milliseconds
PATIENCE_SECONDS: Final = 2.0


async def check_watch(client: ResourceClient[M], informer: Informer[M], clock: Clock) -> list[Difference]:
    """Return what the watch does not show, or shows though it is gone. Raises ApiError when a list fails."""
    first = await _look(client, informer)
    if not first:
        return []
    await clock.sleep(PATIENCE_SECONDS)
    second = await _look(client, informer)
    return sorted(first & second)


async def _look(client: ResourceClient[M], informer: Informer[M]) -> set[Difference]:
    listed = {object_key(item): metadata(item) for item in (await client.list()).items}
    found: set[Difference] = set()
    held = {object_key(item): metadata(item) for item in informer.lister.list()}
    for key, meta in listed.items():
        known = held.get(key)
        if known is None or known.uid != meta.uid:
            have = "not shown" if known is None else f"uid {known.uid}"
            found.add(Difference(key, "watch", have, f"uid {meta.uid}"))
        elif int(known.resource_version) < int(meta.resource_version):
            found.add(
                Difference(
                    key, "watch", f"version {known.resource_version}", f"version {meta.resource_version}"
                )
            )
    for key, known in held.items():
        if key not in listed:
            found.add(Difference(key, "watch", f"uid {known.uid}", "no such object"))
    return found
