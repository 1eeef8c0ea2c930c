import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from vaina.api.core.v1 import pod_service_pb2
from vaina.serving.reflection import add_reflection

SERVICE = pod_service_pb2.DESCRIPTOR.services_by_name["PodService"].full_name


async def ask(symbol: str) -> list[FileDescriptorProto]:
    """Return the files in which a real server's reflection says that a symbol stands."""
    server = grpc.aio.server()
    add_reflection(server, [SERVICE])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)
        answers = [answer async for answer in stub.ServerReflectionInfo(iter([request]))]
    await server.stop(None)
    return [
        FileDescriptorProto.FromString(file)
        for file in answers[0].file_descriptor_response.file_descriptor_proto
    ]


async def test_fields_carry_the_json_names_that_manifests_use() -> None:
    files = await ask("vaina.api.core.v1.PodStatus")
    status = next(message for file in files for message in file.message_type if message.name == "PodStatus")
    names = {field.name: field.json_name for field in status.field}
    assert names["pod_ip"] == "podIP"
    assert names["container_statuses"] == "containerStatuses"


async def test_a_service_is_found_by_name() -> None:
    assert any(service.name == "PodService" for file in await ask(SERVICE) for service in file.service)


async def test_a_method_is_found_in_the_file_of_its_service() -> None:
    assert pod_service_pb2.DESCRIPTOR.name in {file.name for file in await ask(f"{SERVICE}.Patch")}
    assert await ask(f"{SERVICE}.Frobnicate") == []


async def test_the_details_of_errors_are_known() -> None:
    files = await ask("google.rpc.ErrorInfo")
    assert any(message.name == "ErrorInfo" for file in files for message in file.message_type)
