"""The answers of Kubernetes' REST API as those to our clients' calls. Pure.

Called by `transport`, which asked what `requests` says. An object travels as the bytes that it is; what is
translated is the envelope around it.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from vaina.api.core.v1 import pod_service_pb2, pod_stream_pb2
from vaina.api.meta.v1 import meta_pb2, raw_pb2, request_pb2
from vaina.api.version.v1 import version_service_pb2
from vaina.client.rest.envelope import object_of, unwrap
from vaina.client.rest.requests import VERSION
from vaina.errors import ApiError, InternalError
from vaina.objects.decode import dict_to_message


def answer_of(method: str, answers: Sequence[bytes | ApiError]) -> bytes:
    """Return the answer to a call.

    Args:
        method: of the call.
        answers: to its requests: bodies, or what was refused.

    Raises:
        ApiError: the call was one request, and that was refused.
    """
    service, _, verb = method.removeprefix("/").partition("/")
    if verb == "BindBatch":
        success = meta_pb2.Status(status="Success")
        statuses = [item.to_status() if isinstance(item, ApiError) else success for item in answers]
        return pod_service_pb2.BindPodBatchResponse(results=statuses).SerializeToString()
    if verb.endswith("Batch"):
        results = raw_pb2.RawBatchResponse()
        for answer in answers:
            if isinstance(answer, ApiError):
                results.results.add().error.CopyFrom(answer.to_status())
            else:
                results.results.add().object = object_of(answer)
        return results.SerializeToString()
    [answer] = answers
    if isinstance(answer, ApiError):
        raise answer
    if service == VERSION:
        return _version(answer)
    if verb == "DeleteCollection":
        return _deleted(answer)
    if verb in ("Bind", "Evict"):
        return meta_pb2.Status(status="Success").SerializeToString()
    return object_of(answer)


def log_piece(data: bytes) -> bytes:
    """Return a piece of a log as our own answer to `Logs`."""
    return pod_stream_pb2.PodLogResponse(data=data).SerializeToString()


def _deleted(body: bytes) -> bytes:
    """Count the objects of the list that a deletion of a collection is answered with."""
    unknown = unwrap(body)
    count = len(raw_pb2.RawList.FromString(unknown.raw).items) if unknown.type_meta.kind != "Status" else 0
    return request_pb2.DeleteCollectionResponse(deleted=count).SerializeToString()


def _version(body: bytes) -> bytes:
    """Read /version, which is JSON however it is asked for (apimachinery `pkg/version/types.go`)."""
    try:
        told = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise InternalError(f"/version is no JSON: {error}") from error
    wanted: dict[str, Any] = {
        name: told[name] for name in ("major", "minor", "gitVersion", "platform") if name in told
    }
    message, mistakes = dict_to_message(version_service_pb2.VersionInfo, wanted)
    if message is None:
        raise InternalError(f"/version: {mistakes.fatal}")
    return message.SerializeToString()
