"""What lists, watches and patches may ask for, and what a list answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apiserver.storage.interface import Read, Stored, Version
from vaina.errors import BadRequest, FieldError, Invalid
from vaina.kinds import Kind
from vaina.objects import field_path
from vaina.objects.field_path import Path
from vaina.objects.quoting import go_quote

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


@dataclass(frozen=True, slots=True)
class ListResult:
    """Objects as of one version."""

    items: Sequence[Stored]
    version: Version
    continue_token: str = ""
    remaining: int | None = None


def parse_version(text: str) -> Version | None:
    """Read a resourceVersion; None when it is empty. Raises Invalid."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 19:
        error = field_path.invalid(
            Path("resourceVersion"),
            text,
            f"strconv.ParseUint: parsing {go_quote(text)}: invalid syntax",
        )
        raise Invalid.of("ListOptions", "", [error], group="meta.k8s.io")
    return Version(int(text))


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
    """Return how fresh a list must be (docs: API concepts, "The resourceVersion parameter").

    Raises:
        BadRequest, Invalid: the combination means nothing.
    """
    version, match = parse_version(options.resource_version), options.resource_version_match
    if options.limit < 0:
        raise Invalid.of(
            "ListOptions", "",
            [field_path.invalid(Path("limit"), options.limit, "must be greater than or equal to 0")],
            group="meta.k8s.io",
        )  # fmt: skip
    wrong = _check_match(options, version, match)
    if wrong is not None:
        raise Invalid.of("ListOptions", "", [wrong], group="meta.k8s.io")
    if options.continue_token and version:
        raise BadRequest("specifying resource version is not allowed when using continue")
    if version is None or options.continue_token:
        return Read()
    if match == "Exact" or (not match and options.limit and version):
        return Read(exact=version)
    return Read(at_least=version)


def _check_match(options: ListOptions, version: Version | None, match: str) -> FieldError | None:
    if not match:
        return None
    if options.continue_token:
        return field_path.forbidden(_MATCH, "resourceVersionMatch is forbidden when continue is provided")
    if version is None:
        return field_path.forbidden(
            _MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided"
        )
    if match not in ("Exact", "NotOlderThan"):
        return field_path.not_supported(_MATCH, match, ("Exact", "NotOlderThan", ""))
    if match == "Exact" and version == 0:
        return field_path.forbidden(
            _MATCH, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        )
    return None
