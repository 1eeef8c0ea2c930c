"""Server reflection whose descriptors carry JSON names, so that grpcurl prints `resourceVersion` and not
`resource_version`.

protoc leaves out of Python's descriptors every JSON name that follows from the field's name; clients in Go
take what they are given. Called by `vaina.serving.server`.
"""

from collections.abc import Iterable

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha._async import ReflectionServicer


def add_reflection(server: grpc.aio.Server, services: Iterable[str]) -> None:
    """Register the reflection service.

    Args:
        server: where.
        services: full names that it lists, besides health and itself.

    Raises:
        LookupError: a service is not among the descriptors of the process: its module was not imported.
    """
    default, shown = descriptor_pool.Default(), descriptor_pool.DescriptorPool()
    added: set[str] = set()
    for name in services:
        try:
            _add(default.FindServiceByName(name).file, shown, added)
        except KeyError as error:
            raise LookupError(
                f"service {name} is not among the descriptors: import its *_service_pb2 module before serving"
            ) from error
    # The details of errors are no part of any service: without them grpcurl prints their bytes.
    for file in (health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR, error_details_pb2.DESCRIPTOR):
        _add(file, shown, added)
    health = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
    servicer = ReflectionServicer((*services, health, reflection.SERVICE_NAME), pool=_Symbols(shown))
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)


class _Symbols:
    """A pool that also finds the file of a method, which the pool of upb does not.

    `grpcurl describe Service.Method`.
    """

    def __init__(self, pool: descriptor_pool.DescriptorPool) -> None:
        self._pool = pool
        self.FindFileByName = pool.FindFileByName
        self.FindMessageTypeByName = pool.FindMessageTypeByName
        self.FindExtensionByNumber = pool.FindExtensionByNumber
        self.FindAllExtensions = pool.FindAllExtensions

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802 - the pool's name
        """Return the file of a symbol. Raises KeyError."""
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            return self._pool.FindMethodByName(symbol).containing_service.file


def _add(file: FileDescriptor, pool: descriptor_pool.DescriptorPool, added: set[str]) -> None:
    if file.name in added:
        return
    added.add(file.name)
    for dependency in file.dependencies:
        _add(dependency, pool, added)
    copy = FileDescriptorProto()
    file.CopyToProto(copy)
    for message in copy.message_type:
        _name_fields(message)
    pool.AddSerializedFile(copy.SerializeToString())


def _name_fields(message: DescriptorProto) -> None:
    for field in message.field:
        if not field.json_name:
            first, *rest = field.name.split("_")
            field.json_name = first + "".join(part[:1].upper() + part[1:] for part in rest)
    for nested in message.nested_type:
        _name_fields(nested)
