"""ManifestService: manifests as text, for any gRPC client."""

import asyncio
from dataclasses import replace
from typing import Any

from apiserver.authorization.checks import Checks
from apiserver.context import Context, check_field_validation, once
from apiserver.registry.apply import Applier, May
from apiserver.registry.options import ListOptions
from apiserver.registry.store import Store
from apiserver.registry.table import Stores
from apiserver.services.requests import context_of
from vaina.api.core.v1 import manifest_service_pb2 as pb
from vaina.errors import ApiError, BadRequest, NotFound, TooLarge
from vaina.kinds import KINDS, KINDS_BY_NAME, Kind
from vaina.objects.manifest import (
    Decoded,
    encode_json,
    encode_yaml,
    list_to_dict,
    read_documents,
    write_json,
)
from vaina.objects.yaml_text import write_yaml
from vaina.quoting import go_quote
from vaina.serving.handlers import Method, RequestContext, typed

SERVICE = "vaina.api.core.v1.ManifestService"
#: objects read at once for a list as text
_PAGE = 500
#: encoded objects of a list as text together: as text they are two to three times as long
_MAX_LIST_BYTES = 6 * 1024 * 1024
#: characters of an answer: clients take messages of 16 MiB
_MAX_TEXT = 15 * 1024 * 1024
#: what is shorter is read and written at once; what is longer, in a thread: 3 MiB of YAML take seconds
_QUICK_BYTES = 64 * 1024


def manifest_handlers(stores: Stores, applier: Applier, checks: Checks) -> dict[str, Method]:
    """Return the methods by full path."""
    service = _Service(stores, applier, checks)
    return {
        f"/{SERVICE}/Apply": typed(service.apply, pb.ApplyRequest),
        f"/{SERVICE}/Get": typed(service.get, pb.GetManifestRequest),
    }


class _Service:
    def __init__(self, stores: Stores, applier: Applier, checks: Checks) -> None:
        self._stores, self._applier = stores, applier
        self._may = {
            (kind.kind, verb): checks.of_kind(kind, verb)
            for kind in KINDS
            for verb in ("get", "list", "create", "patch")
        }

    async def apply(self, request: pb.ApplyRequest, rpc: RequestContext) -> pb.ApplyResponse:
        check_field_validation(request.field_validation, "PatchOptions")
        strict = request.field_validation in ("", "Strict")
        if len(request.manifest) < _QUICK_BYTES:
            documents = read_documents(request.manifest, strict=strict)
        else:
            documents = await asyncio.to_thread(read_documents, request.manifest, strict=strict)
        if not documents:
            raise BadRequest("no objects passed to apply")
        ctx = context_of(rpc, "apply", request)
        response = pb.ApplyResponse()

        def may(kind: Kind[Any], verb: str, namespace: str, name: str) -> None:
            self._may[kind.kind, verb](rpc, namespace, name)

        for document in documents:
            # One after the other: a namespace may stand before what is in it.
            asked = len(rpc.authorized)
            result = await _apply_one(self._applier, ctx, request, document, may)
            if rpc.audited is not None and len(rpc.authorized) > asked and isinstance(document, Decoded):
                name = document.message.metadata.name  # type: ignore[attr-defined]  # every kind has metadata
                error = result if isinstance(result, ApiError) else None
                rpc.audited.documents[len(rpc.authorized) - 1] = (name, error)
            if isinstance(result, ApiError):
                if len(documents) == 1:
                    raise result
                result = _refused(document, result)
            response.results.append(result)
        return response

    async def get(self, request: pb.GetManifestRequest, rpc: RequestContext) -> pb.GetManifestResponse:
        kind = KINDS_BY_NAME.get(request.resource.lower())
        if kind is None:
            raise NotFound(f'the server doesn\'t have a resource type "{request.resource}"')
        if request.output not in ("", "json", "yaml"):
            raise BadRequest(
                f'output: Unsupported value: {go_quote(request.output)}: supported values: "json", "yaml"'
            )
        verb = "get" if request.name else "list"
        self._may[kind.kind, verb](rpc, request.namespace, request.name)
        store, as_yaml = self._stores[kind.kind], request.output == "yaml"
        if request.name:
            obj = store.decode(await store.get(request.namespace, request.name))
            text = encode_yaml(kind, obj) if as_yaml else encode_json(kind, obj, indent=4)
            return pb.GetManifestResponse(manifest=text)
        text = await self._list(store, request, as_yaml=as_yaml)
        return pb.GetManifestResponse(manifest=text)

    async def _list(self, store: Store[Any], request: pb.GetManifestRequest, *, as_yaml: bool) -> str:
        """Return all that is selected as one List, as of one version. Raises TooLarge."""
        options = ListOptions(namespace=request.namespace, label_selector=request.label_selector, limit=_PAGE)
        items: list[Any] = []
        size = 0
        while True:
            page = await store.list(options)
            size += sum(len(item.data) for item in page.items)
            if size > _MAX_LIST_BYTES:
                raise _list_too_large(store.kind.plural)
            items += [store.decode(item) for item in page.items]
            if not page.continue_token:
                break
            options = replace(options, continue_token=page.continue_token)
        version = str(page.version)

        def write() -> str:
            tree = list_to_dict(store.kind, items, version, "")
            return write_yaml(tree) if as_yaml else write_json(tree, indent=4)

        # Many objects take seconds to write: others have their turn meanwhile.
        text = write() if size < _QUICK_BYTES else await asyncio.to_thread(write)
        if len(text) > _MAX_TEXT:
            raise _list_too_large(store.kind.plural)
        return text


def _list_too_large(plural: str) -> TooLarge:
    return TooLarge(
        f"the list of {plural} is too large for one answer; name a namespace or a label selector, or list page by page"
    )


async def _apply_one(
    applier: Applier, ctx: Context, request: pb.ApplyRequest, document: Decoded | ApiError, may: May
) -> pb.ApplyResult | ApiError:
    if isinstance(document, ApiError):
        return document
    warnings: list[str] = []
    if request.field_validation != "Ignore":
        warnings.extend(document.warnings)
    try:
        applied = await applier.apply(_with_warnings(ctx, warnings), document, request.namespace, may)
    except ApiError as error:
        return error
    kind = document.kind
    obj: Any = kind.message.FromString(applied.stored.data)
    if applied.stored.version:
        obj.metadata.resource_version = str(applied.stored.version)
    return pb.ApplyResult(
        api_version=kind.api_version,
        kind=kind.kind,
        namespace=obj.metadata.namespace,
        name=obj.metadata.name,
        action=applied.action,
        manifest=encode_json(kind, obj),
        warnings=warnings,
    )


def _with_warnings(ctx: Context, warnings: list[str]) -> Context:
    return replace(ctx, warn=once(warnings))


def _refused(document: Decoded | ApiError, error: ApiError) -> pb.ApplyResult:
    result = pb.ApplyResult(error=error.to_status())
    if isinstance(document, Decoded):
        meta: Any = document.message.metadata  # type: ignore[attr-defined]  # every kind has metadata
        result.api_version, result.kind = document.kind.api_version, document.kind.kind
        result.namespace, result.name = meta.namespace, meta.name
    return result
