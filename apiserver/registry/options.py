"""What lists, watches and patches may ask for, and what a list answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apiserver.storage.interface import Key, Read, Stored, Version
from vaina.errors import BadRequest, FieldError, Invalid
from vaina.kinds import Kind
from vaina.objects import field_path
from vaina.objects.field_path import Path
from vaina.objects.integers import parse_uint
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
