"""From what a call carries to what the registry takes. Shared by all services."""

from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.message import DecodeError

from apiserver.context import Context, check_field_manager, check_field_validation, is_dry_run, once
from apiserver.registry.deletion import DeleteOptions
from apiserver.registry.strategy import M
from apiserver.storage.interface import Stored
from apiserver.storage.keys import kind_prefix, split
from vaina.api.meta.v1 import request_pb2
from vaina.errors import ApiError, BadRequest, Invalid
from vaina.kinds import Kind
from vaina.objects import field_path
from vaina.objects.patching import APPLY_PATCH
from vaina.serving.handlers import RequestContext


def context_of(
    rpc: RequestContext,
    verb: str,
    options: Any = None,
    *,
    dry_run: Sequence[str] = (),
    warn: Callable[[str], None] | None = None,
) -> Context:
    """Make the registry's context of a call. Raises Invalid for unknown words in its options.

    `options` are CreateOptions, UpdateOptions or PatchOptions, and None where `dry_run` stands in the request
    itself; `warn` is that of the call's other contexts, so that nothing is said twice.
    """
    wanted, validation = (dry_run, "") if options is None else (options.dry_run, options.field_validation)
    only_try = False
    if wanted or validation:
        kind = "DeleteOptions" if options is None else options.DESCRIPTOR.name
        only_try = rpc.dry_run = is_dry_run(wanted, kind)
        check_field_validation(validation, kind)
    manager = "" if options is None else options.field_manager
    if manager:
        check_field_manager(manager, options.DESCRIPTOR.name)
    return Context(
        verb=verb,
        user=rpc.user.name,
        groups=rpc.user.groups,
        uid=rpc.user.uid,
        extra=rpc.user.extra,
        group=rpc.group,
        peer=rpc.peer,
        field_manager=manager,
        dry_run=only_try,
        deadline=rpc.deadline,
        trace_id=rpc.trace_id,
        field_validation=validation,
        warn=warn or once(rpc.trailing),
        annotate=rpc.annotate,
        agent=rpc.agent,
        on_created=rpc.note_created,
    )


def check_patch_options(request: request_pb2.PatchRequest) -> None:
    """Check what only some patches may say. Raises Invalid.

    Follows apimachinery `meta/v1/validation` (ValidatePatchOptions).
    """
    options = request.options
    if request.patch_type != APPLY_PATCH:
        wrong = options.HasField("force") and field_path.forbidden(
            field_path.Path("force"), "may not be specified for non-apply patch"
        )
    else:
        # kubectl gives its own name; controllers have to.
        wrong = not options.field_manager and field_path.required(
            "fieldManager", "is required for apply patch"
        )
    if wrong:
        raise Invalid.of("PatchOptions", "", [wrong], group="meta.k8s.io")


def object_of(kind: Kind[M], data: bytes) -> M:
    """Parse an object that a client sent, and drop fields that the API does not have. Raises BadRequest."""
    try:
        obj = kind.message.FromString(data)
    except (DecodeError, ValueError) as error:  # ValueError: bad UTF-8
        raise BadRequest(
            f"the object provided is not a valid {kind.kind}: it cannot be read as protobuf"
        ) from error
    obj.DiscardUnknownFields()
    return obj


def delete_options(request: request_pb2.DeleteRequest | request_pb2.DeleteCollectionRequest) -> DeleteOptions:
    """Return how to delete."""
    one = request if isinstance(request, request_pb2.DeleteRequest) else None
    preconditions: Any = None if one is None else one.preconditions
    return DeleteOptions(
        grace_period_seconds=request.grace_period_seconds
        if request.HasField("grace_period_seconds")
        else None,
        uid="" if preconditions is None else preconditions.uid,
        resource_version="" if preconditions is None else preconditions.resource_version,
        propagation_policy=request.propagation_policy,
        ignore_store_read_error=one is not None
        and one.ignore_store_read_error_with_cluster_breaking_potential,
    )


def note(rpc: RequestContext, kind: Kind[Any], results: Sequence[Stored | ApiError]) -> None:
    """Name in the audit log what a batch has written."""
    audited = rpc.audited
    if audited is None:
        return
    prefix, done = kind_prefix(kind), audited.done
    for result in results:
        if isinstance(result, ApiError):
            audited.failed += 1
        else:
            done.append(split(result.key, prefix))
