"""What comments in .proto files say becomes descriptions of the API."""

from google.protobuf import descriptor_pb2

from tools.gen_protos import descriptions_module


def test_comments_of_messages_and_fields_are_kept() -> None:
    location = descriptor_pb2.SourceCodeInfo.Location
    file = descriptor_pb2.FileDescriptorProto(
        name="vaina/api/core/v1/pod.proto",
        package="vaina.api.core.v1",
        message_type=[
            {
                "name": "Pod",
                "field": [{"name": "host_ip", "json_name": "hostIP"}, {"name": "spec", "json_name": "spec"}],
            },
            {"name": "Silent"},
        ],
        source_code_info={
            "location": [
                location(path=[4, 0], leading_comments=" The smallest\n unit.\n\n Not this.\n"),
                location(path=[4, 0, 2, 0], trailing_comments=" Where it is.\n"),
            ]
        },
    )
    service = descriptor_pb2.FileDescriptorProto(
        name="vaina/api/core/v1/pod_service.proto", package="vaina.api.core.v1"
    )
    made: dict[str, dict[str, dict[str, str]]] = {}
    exec(descriptions_module(descriptor_pb2.FileDescriptorSet(file=[file, service])), made)
    assert made["DESCRIPTIONS"] == {
        "vaina.api.core.v1.Pod": {"": "The smallest unit.", "hostIP": "Where it is."}
    }
