"""PURE: the form of an answer: which one the client asked for, and objects written in it.

Follows apiserver `pkg/endpoints/handlers/negotiation` and `pkg/endpoints/handlers/responsewriters`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from apiserver.rest.info import Query
from apiserver.rest.served import STATUS
from vaina.api.meta.v1 import meta_pb2
from vaina.kinds import Kind
from vaina.objects.manifest import encode_json


class Media(StrEnum):
    """In which bytes an answer is written; the value is its content type."""

    JSON = "application/json"
    YAML = "application/yaml"
    PROTOBUF = "application/vnd.kubernetes.protobuf"


@dataclass(frozen=True, slots=True)
class Form:
    """How an answer is written."""

    media: Media = Media.JSON
    #: empty: as it is; or Table, PartialObjectMetadata, PartialObjectMetadataList
    as_kind: str = ""
    pretty: bool = False
    #: of a Table: None, Metadata, Object; empty: the default
    include_object: str = ""

    @property
    def content_type(self) -> str:
        """What the answer's Content-Type says."""
        return self.media.value


def choose_form(accept: str, query: Query, *, verb: str = "get") -> Form:
    """Return the form that a client asks for; `verb` is that of the API. Raises NotAcceptable."""
    return Form(pretty=query.flag("pretty"))


def write_object(form: Form, shape: Kind[Any], data: bytes) -> bytes:
    """Return an encoded object in a form."""
    return encode_json(shape, shape.message.FromString(data)).encode()


def write_status(form: Form, status: meta_pb2.Status) -> bytes:
    """Return a Status in a form; one that is a Table or metadata alone is as it is."""
    return encode_json(STATUS, status).encode()
