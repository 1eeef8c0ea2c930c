"""A stand-in for grpcurl where there is no Go to build it: the same flags, calls by server reflection alone.

    python tests/support/grpcurl.py -cacert FILE -cert FILE -key FILE [-d DATA|@] HOST:PORT
        list [SERVICE] | describe MESSAGE | SERVICE/METHOD

It knows nothing of vaina: services and messages come from the server, as they do for grpcurl.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SCALARS = {
    getattr(FieldDescriptor, name): name.removeprefix("TYPE_").lower()
    for name in dir(FieldDescriptor)
    if name.startswith("TYPE_")
}


def described(message: Descriptor) -> str:
    """Write a message roughly as its .proto file does."""
    lines = []
    for field in message.fields:
        kind = f".{field.message_type.full_name}" if field.message_type else SCALARS[field.type]
        lines.append(f"  {'repeated ' if field.is_repeated else ''}{kind} {field.name} = {field.number};")
    return "\n".join([f"{message.full_name} is a message:", f"message {message.name} {{", *lines, "}"])


def requests(data: str, message: Descriptor, pool: DescriptorPool) -> Iterator[Message]:
    """Read one JSON object after the other."""
    decoder, rest = json.JSONDecoder(strict=False), data.strip()
    while rest:
        value, end = decoder.raw_decode(rest)
        rest = rest[end:].strip()
        yield json_format.ParseDict(value, GetMessageClass(message)(), descriptor_pool=pool)


def call(channel: grpc.Channel, method: MethodDescriptor, data: str, pool: DescriptorPool) -> None:
    """Make one call of any shape and print each answer."""
    shape = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
    invoke = getattr(channel, shape)(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    given = list(requests(data, method.input_type, pool)) or [GetMessageClass(method.input_type)()]
    answers = invoke(iter(given) if method.client_streaming else given[0])
    for answer in answers if method.server_streaming else [answers]:
        print(json_format.MessageToJson(answer, descriptor_pool=pool), flush=True)  # noqa: T201


def main(arguments: list[str]) -> int:
    """Do what the command line says; 0, or 64 and more like grpcurl when the call was refused."""
    data, words, given = "", [], dict[str, str]()
    rest = iter(arguments)
    for word in rest:
        if word == "-d":
            data = next(rest)
        elif word.startswith("-"):
            given[word] = next(rest)
        else:
            words.append(word)
    target, verb, *names = words
    data = sys.stdin.read() if data == "@" else data
    shown = (Path(given[name]).read_bytes() for name in ("-cacert", "-key", "-cert"))
    credentials = grpc.ssl_channel_credentials(*shown)
    options = [("grpc.primary_user_agent", "grpcurl")]
    with grpc.secure_channel(target, credentials, options=options) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        pool = DescriptorPool(database)
        try:
            if verb == "list" and names:
                found = pool.FindServiceByName(names[0])
                print("\n".join(f"{found.full_name}.{method.name}" for method in found.methods))  # noqa: T201
            elif verb == "list":
                print("\n".join(sorted(database.get_services())))  # noqa: T201
            elif verb == "describe":
                print(described(pool.FindMessageTypeByName(names[0])))  # noqa: T201
            else:
                service, _, name = verb.rpartition("/")
                call(channel, pool.FindServiceByName(service).methods_by_name[name], data, pool)
        except grpc.RpcError as error:
            code = error.code()
            words = [f"  Code: {code.name.title().replace('_', '')}", f"  Message: {error.details()}"]
            print("\n".join(["ERROR:", *words]), file=sys.stderr)  # noqa: T201
            return 64 + int(code.value[0])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
