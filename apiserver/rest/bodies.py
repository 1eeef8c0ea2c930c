"""PURE: the bodies of requests as encoded messages.

Follows apiserver `pkg/endpoints/handlers/negotiation` (NegotiateInputSerializer) and apimachinery
`pkg/runtime/serializer`.
"""

from dataclasses import dataclass
from typing import Any

from vaina.kinds import Kind
from vaina.objects.manifest import decode_json


@dataclass(frozen=True, slots=True)
class Body:
    """A body that was read."""

    #: the encoded message of the kind that was expected
    data: bytes
    #: what its sender should know
    warnings: tuple[str, ...] = ()


def read_object(shape: Kind[Any], content_type: str, data: bytes, validation: str = "") -> Body:
    """Read an object of a kind, which the body may name or leave out.

    `validation` is the fieldValidation of the request: Strict, Warn, Ignore; empty: Warn. Raises
    UnsupportedMediaType, BadRequest, TooLarge.
    """
    decoded = decode_json(data, kind=shape, strict=validation == "Strict")
    return Body(decoded.message.SerializeToString(), decoded.warnings)
