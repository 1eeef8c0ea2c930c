"""What lists, watches and patches may ask for, what a list answers, and where it goes on. Pure.

A continue token has upstream's form (apiserver `storage/continue.go`): base64url of
{"v":"meta.k8s.io/v1","rv":N,"start":"..."}, where start is the last key given, below the prefix of the list.
rv -1 means: at whatever version is current.
"""

import base64
import binascii
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from apiserver.storage import keys
from apiserver.storage.interface import Key, Read, Stored, Version
from apiserver.storage.selection import Selection
from vaina.errors import BadRequest, FieldError, Invalid
from vaina.kinds import Kind
from vaina.objects import field_path
from vaina.objects.field_path import Path
from vaina.objects.fields import selectable_names
from vaina.objects.integers import parse_uint
from vaina.objects.selectors import FieldSelector, SelectorError, parse_field_selector, parse_label_selector
from vaina.quoting import go_quote

#: values of resourceVersionMatch
EXACT, NOT_OLDER_THAN = "Exact", "NotOlderThan"

_MATCH = Path("resourceVersionMatch")


@dataclass(frozen=True, slots=True)
class ListOptions:
    """Of a list. See ListRequest."""

    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""
    limit: int = 0
    continue_token: str = ""
    resource_version: str = ""
    resource_version_match: str = ""


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """Of a watch. See WatchRequest."""

    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""
    resource_version: str = ""
    send_initial_events: bool | None = None
    allow_bookmarks: bool = False
    timeout_seconds: int | None = None
    resource_version_match: str = ""


@dataclass(frozen=True, slots=True)
class ListResult:
    """Objects as of one version."""

    items: Sequence[Stored]
    version: Version
    continue_token: str = ""
    remaining: int | None = None
    #: keys of what is left out, for it cannot be read: in the answer that the list begins with
    unreadable: Sequence[Key] = ()


def parse_version(text: str) -> Version | None:
    """Read a resourceVersion; None when it is empty. Raises Invalid."""
    if not text:
        return None
    number = parse_uint(text)
    if number is None:
        why = "value out of range" if text.isascii() and text.isdigit() else "invalid syntax"
        words = f"strconv.ParseUint: parsing {go_quote(text)}: {why}"
        error = field_path.invalid(Path("resourceVersion"), text, words)
        raise Invalid.of("ListOptions", "", [error], group="meta.k8s.io")
    return Version(number)


def parse_object_version(kind: Kind[Any], meta: Any) -> Version | None:
    """Read the resourceVersion of an object that a client sent; None when it is empty. Raises Invalid."""
    try:
        return parse_version(meta.resource_version)
    except Invalid as error:
        wrong = [FieldError(cause.type, f"metadata.{cause.field}", cause.detail) for cause in error.causes]
        raise Invalid.of(kind.kind, meta.name, wrong, group=kind.group) from None


def read_of(resource_version: str) -> Read:
    """Return how fresh a get must be: "" newest, "0" anything, otherwise not older than that."""
    version = parse_version(resource_version)
    return Read() if version is None else Read(at_least=version)


def read_of_list(options: ListOptions) -> Read:
    """Return how fresh a list must be (API concepts, resource versions). Raises BadRequest, Invalid."""
    wrong = _check_list(options)
    if wrong:
        raise _invalid(wrong)
    version, match = parse_version(options.resource_version), options.resource_version_match
    if options.continue_token and version:
        raise BadRequest("specifying resource version is not allowed when using continue")
    if version is None or options.continue_token:
        return Read()
    if match == EXACT or (not match and options.limit and version):
        return Read(exact=version)
    return Read(at_least=version)


def _invalid(wrong: list[FieldError]) -> Invalid:
    return Invalid.of("ListOptions", "", wrong, group="meta.k8s.io")


def _check_list(options: ListOptions) -> list[FieldError]:
    wrong = []
    if options.limit < 0:
        wrong.append(field_path.invalid(Path("limit"), options.limit, "must be greater than or equal to 0"))
    match = options.resource_version_match
    if not match:
        return wrong
    if not options.resource_version:
        detail = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        wrong.append(field_path.forbidden(_MATCH, detail))
    if options.continue_token:
        detail = "resourceVersionMatch is forbidden when continue is provided"
        wrong.append(field_path.forbidden(_MATCH, detail))
    if match not in (EXACT, NOT_OLDER_THAN):
        wrong.append(field_path.not_supported(_MATCH, match, (EXACT, NOT_OLDER_THAN, "")))
    if match == EXACT and options.resource_version == "0":
        detail = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        wrong.append(field_path.forbidden(_MATCH, detail))
    return wrong


def check_watch(options: WatchOptions) -> None:
    """Check what a watch asks for (apimachinery `meta/internalversion/validation`). Raises Invalid.

    Upstream wants resourceVersionMatch with sendInitialEvents; here it may be left out, because there is only
    one.
    """
    match, wrong = options.resource_version_match, []
    if match and options.send_initial_events is None:
        detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        wrong.append(field_path.forbidden(_MATCH, detail))
    elif match not in ("", NOT_OLDER_THAN):
        detail = f"sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER_THAN}"
        wrong.append(field_path.forbidden(_MATCH, detail))
    if match not in ("", NOT_OLDER_THAN):
        wrong.append(field_path.not_supported(_MATCH, match, (NOT_OLDER_THAN,)))
    if options.timeout_seconds is not None and options.timeout_seconds < 0:
        wrong.append(
            field_path.invalid(
                Path("timeoutSeconds"), options.timeout_seconds, "must be greater than or equal to 0"
            )
        )
    if wrong:
        raise _invalid(wrong)


_NAME, _NAMESPACE = "metadata.name", "metadata.namespace"


def make_selection(kind: Kind[Any], namespace: str, labels: str, fields: str) -> Selection:
    """Return what a list or watch selects, in all namespaces when none is named. Raises BadRequest."""
    try:
        label_selector = parse_label_selector(labels)
        field_selector = parse_field_selector(fields)
    except SelectorError as error:
        raise BadRequest(str(error)) from error
    _check_fields(kind, field_selector)
    if kind.namespaced and not namespace:
        namespace = field_selector.exact(_NAMESPACE) or ""
    name = field_selector.exact(_NAME)
    key = keys.object_key(kind, namespace, name) if name and (namespace or not kind.namespaced) else None
    return Selection(
        prefix=keys.namespace_prefix(kind, namespace),
        key=key,
        labels=None if label_selector.is_everything else label_selector,
        fields=None if field_selector.is_everything else field_selector,
        index=_index(kind, field_selector),
    )


def _check_fields(kind: Kind[Any], selector: FieldSelector) -> None:
    """Refuse fields that the kind cannot be selected by, in the words of its group
    (`pkg/apis/*/v1/conversion.go`).

    Kinds that say nothing of their own upstream have other words (apimachinery `runtime/conversion.go`).
    """
    known = selectable_names(kind)
    for field, _, _ in selector.requirements:
        if field in known:
            continue
        if not {_NAME, _NAMESPACE}.issuperset(known):
            raise BadRequest(f"field label not supported: {field}")
        raise BadRequest(
            f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"'
        )


def _index(kind: Kind[Any], selector: FieldSelector) -> tuple[str, str] | None:
    for field in kind.indexed_fields:
        value = selector.exact(field)
        if value is not None:
            return field, value
    return None


_TOKEN_VERSION = "meta.k8s.io/v1"  # noqa: S105 - not a password
#: a token holds a key of at most 253 + 63 characters and a number
_MAX_TOKEN = 4096


class _Token(msgspec.Struct):
    v: str
    rv: int
    start: str


def encode_token(prefix: Key, last: Key, version: Version | int) -> str:
    """Return the token to go on after `last` at a version (-1: the current one)."""
    start = last[len(prefix) :] + "\0"
    raw = msgspec.json.encode(_Token(_TOKEN_VERSION, int(version), start))
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_token(prefix: Key, token: str) -> tuple[Key, Version | None]:
    """Return the key to go on after, and the list's version (None: the current one). Raises BadRequest."""
    if len(token) > _MAX_TOKEN:
        raise BadRequest("continue key is not valid: it is too long")
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        found = msgspec.json.decode(raw, type=_Token)
    except (ValueError, binascii.Error, msgspec.DecodeError) as error:
        raise BadRequest(f"continue key is not valid: {error}") from error
    if found.v != _TOKEN_VERSION:
        raise BadRequest(
            f"continue key is not valid: server does not recognize this encoded version {found.v}"
        )
    if found.rv == 0 or found.rv < -1:
        raise BadRequest(
            f"continue key is not valid: incorrect encoded start resourceVersion (version {_TOKEN_VERSION})"
        )
    start = found.start.removesuffix("\0")
    if not start:
        raise BadRequest(f"continue key is not valid: encoded start key empty (version {_TOKEN_VERSION})")
    if start.startswith("/") or posixpath.normpath(f"/{start}") != f"/{start}":
        raise BadRequest(f"continue key is not valid: {start}")
    return Key(prefix + start), Version(found.rv) if found.rv > 0 else None
