"""MachineryService: what this apiserver knows of the machine: open streams, and its storage."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from apiserver.authorization.checks import Checks
from apiserver.registry.world import SelectingStorage
from apiserver.services.streams import OpenStreams
from apiserver.storage import versions
from apiserver.storage.interface import MemberState
from vaina.api.machinery.v1 import machinery_service_pb2 as pb
from vaina.clock import Clock, micro_timestamp
from vaina.serving.handlers import Method, RequestContext, typed

SERVICE = "vaina.api.machinery.v1.MachineryService"
#: asks the members of the storage how they are
AskMembers: TypeAlias = Callable[[], Awaitable[Sequence[MemberState]]]


def machinery_handlers(
    streams: OpenStreams,
    storage: SelectingStorage,
    members: AskMembers,
    checks: Checks,
    clock: Clock,
    instance: str,
) -> dict[str, Method]:
    """Return the methods by full path."""
    path = f"/{SERVICE}/Get"
    may = checks.of(path)

    async def get(_request: pb.GetMachineryRequest, rpc: RequestContext) -> pb.Machinery:
        may(rpc)
        found = await members()
        return pb.Machinery(
            instance=instance, time=micro_timestamp(clock.now()),
            revision=versions.revision_of(await storage.current_version()),
            storage=[
                pb.StorageMember(
                    endpoint=one.endpoint, error=one.error, version=one.version, size_bytes=one.size_bytes,
                    size_in_use_bytes=one.size_in_use_bytes, leader=one.leader,
                )
                for one in found
            ],
            streams=streams.rows(), open=len(streams),
        )  # fmt: skip

    return {path: typed(get, pb.GetMachineryRequest)}


async def in_memory() -> Sequence[MemberState]:
    """Say that nothing is stored."""
    return (MemberState("memory"),)
