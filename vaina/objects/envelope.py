r"""PURE: the envelope in which Kubernetes stores and sends protobuf: `k8s\0` and a `runtime.Unknown`.

Follows apimachinery `pkg/runtime/serializer/protobuf/protobuf.go`.
"""

from functools import lru_cache
from typing import Final

from vaina.api.runtime.v1 import runtime_pb2

#: what every envelope begins with
MAGIC: Final = b"k8s\0"
#: tag of `raw`, the last field of an envelope that we write
_RAW: Final = b"\x12"


@lru_cache(maxsize=512)
def envelope_head(api_version: str, kind: str) -> bytes:
    """Return what stands before the length and the bytes of an object in its envelope."""
    unknown = runtime_pb2.Unknown(type_meta=runtime_pb2.TypeMeta(api_version=api_version, kind=kind))
    return MAGIC + unknown.SerializeToString() + _RAW
