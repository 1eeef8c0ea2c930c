"""Requests as clients of any language send them, without what our own client library adds or leaves out."""

from typing import Any, TypeVar

from google.protobuf.message import Message

from tests.support.apiserver import Harness
from vaina.api.meta.v1 import meta_pb2, raw_pb2, request_pb2
from vaina.client.resource import ResourceClient
from vaina.kinds import POD, Kind

A = TypeVar("A", bound=Message)


async def call(api: Harness, verb: str, request: Message, answer: type[A], *, kind: Kind[Any] = POD) -> A:
    """Send a request of a kind's service. Raises the ApiError that it is answered with."""
    return answer.FromString(await api.client.transport.unary(kind.method(verb), request.SerializeToString()))


async def list_pods(api: Harness, **fields: object) -> raw_pb2.RawList:
    """List Pods of all namespaces, with fields of ListRequest."""
    return await call(api, "List", request_pb2.ListRequest(**fields), raw_pb2.RawList)  # type: ignore[arg-type]  # fields of the message, by name


def names_of(answer: raw_pb2.RawList) -> list[str]:
    """Return the names of the listed Pods."""
    return [POD.message.FromString(item).metadata.name for item in answer.items]


async def patch_as(
    client: ResourceClient[Message], patch_type: str, patch: str, *, name: str = "web", **options: object
) -> None:
    """Patch an object of the namespace `default`, with fields of PatchOptions."""
    request = request_pb2.PatchRequest(
        namespace="default", name=name, patch_type=patch_type, patch=patch,
        options=meta_pb2.PatchOptions(**options),  # type: ignore[arg-type]  # fields of the message, by name
    )  # fmt: skip
    await client.transport.unary(client.kind.method("Patch"), request.SerializeToString())
