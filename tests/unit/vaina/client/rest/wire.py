"""What kube-apiserver sends and takes, for tests: objects, refusals and frames of a watch in their envelopes."""

from typing import Any

from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2, raw_pb2
from vaina.api.runtime.v1 import runtime_pb2
from vaina.kinds import Kind


def pod(name: str = "a", version: str = "") -> pod_pb2.Pod:
    made = pod_pb2.Pod()
    made.metadata.name, made.metadata.namespace, made.metadata.resource_version = name, "ns", version
    return made


def create(obj: object) -> raw_pb2.RawCreateRequest:
    return raw_pb2.RawCreateRequest(object=obj.SerializeToString())  # type: ignore[attr-defined]


def wrap(kind: Kind[Any], content: bytes) -> bytes:
    unknown = runtime_pb2.Unknown(raw=content)
    unknown.type_meta.api_version, unknown.type_meta.kind = kind.api_version, kind.kind
    return b"k8s\0" + unknown.SerializeToString()


def status(reason: str, code: int, message: str = "no") -> bytes:
    made = meta_pb2.Status(status="Failure", reason=reason, code=code, message=message)
    unknown = runtime_pb2.Unknown(raw=made.SerializeToString())
    unknown.type_meta.api_version, unknown.type_meta.kind = "v1", "Status"
    return b"k8s\0" + unknown.SerializeToString()


def frame(type_: str, content: bytes) -> bytes:
    event = raw_pb2.RawWatchEvent(
        type=type_, object=runtime_pb2.RawExtension(raw=content).SerializeToString()
    )
    data = event.SerializeToString()
    return len(data).to_bytes(4, "big") + data
