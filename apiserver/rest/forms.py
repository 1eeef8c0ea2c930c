"""PURE: the form of an answer, by what the client accepts, and the media type of a body.

Follows apiserver `pkg/endpoints/handlers/negotiation/negotiate.go` (NegotiateMediaTypeOptions,
acceptMediaTypeOptions, isPrettyPrint, NegotiateInputSerializer) and `handlers/rest.go`
(AllowsMediaTypeTransform); clauses are read and ordered as github.com/munnerz/goautoneg does it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from apiserver.rest.info import Query
from apiserver.rest.tables import rows_of
from vaina.errors import BadRequest, NotAcceptable, UnsupportedMediaType
from vaina.kinds import Kind
from vaina.quoting import go_quote


class Media(StrEnum):
    """How an answer or a body is written. In the order in which wildcards choose."""

    JSON = "application/json"
    YAML = "application/yaml"
    PROTOBUF = "application/vnd.kubernetes.protobuf"


#: what may be asked for with `as=`
TABLE, PARTIAL, PARTIAL_LIST = "Table", "PartialObjectMetadata", "PartialObjectMetadataList"
#: the group of these three
META_GROUP: Final = "meta.k8s.io"
#: values of the query parameter includeObject
INCLUDE_NONE, INCLUDE_METADATA, INCLUDE_OBJECT = "None", "Metadata", "Object"
#: an answer of a watch in YAML is not offered
STREAMED: Final = (Media.JSON, Media.PROTOBUF)
#: headers that are longer are read anew each time
_CACHED_LENGTH: Final = 1024
#: clauses of a header that are sorted by insertion; 4,500 of them would take 0.7 s
_FEW: Final = 12
#: ParseBool of Go's strconv
_TRUE: Final = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_PEOPLE: Final = ("curl", "Wget", "Mozilla/5.0")


@dataclass(frozen=True, slots=True)
class Form:
    """The form of one answer."""

    media: Media = Media.JSON
    #: Table, PartialObjectMetadata or PartialObjectMetadataList; empty: the object itself
    as_kind: str = ""
    #: of meta.k8s.io: v1 or v1beta1
    as_version: str = "v1"
    #: JSON for people
    pretty: bool = False
    #: of a Table: what of each object comes with its row; empty is Metadata
    include: str = ""

    @property
    def content_type(self) -> str:
        """The header of an answer that is no watch."""
        return self.media.value

    @property
    def stream_type(self) -> str:
        """The header of a watch (`handlers/watch.go`, serveWatchHandler)."""
        return self.media.value if self.media is Media.JSON else f"{self.media.value};stream=watch"


JSON: Final = Form()
#: of a refusal that is given in a form which the client did not ask for (`writers.go`: WriteRawJSON)
RAW_JSON: Final = Form(pretty=True)


@dataclass(frozen=True, slots=True)
class _Clause:
    type: str
    subtype: str
    weight: float
    parameters: Mapping[str, str]

    def comes_before(self, other: "_Clause") -> bool:
        return (
            self.weight > other.weight
            or (self.type != "*" and other.type == "*")
            or (self.subtype != "*" and other.subtype == "*")
        )

    def covers(self, media: str) -> bool:
        main, _, sub = media.partition("/")
        if self.type == "*":
            return self.subtype == "*"
        return self.type == main and self.subtype in (sub, "*")


def _clause(text: str) -> _Clause | None:
    """Read one clause; None: it is left out."""
    name, *rest = text.strip(" ").split(";")
    main, *sub = (part.strip(" ") for part in name.split("/"))
    if len(sub) > 1:
        return None
    if not sub or not sub[0]:
        if main != "*":
            return None
        sub = ["*"]
    weight, parameters = 1.0, dict[str, str]()
    for part in rest:
        key, *value = part.split("=")
        if len(value) != 1 or not value[0]:
            continue
        if key.strip(" ") == "q":
            try:
                weight = float(value[0])
            except ValueError:
                weight = 0.0
        else:
            parameters[key.strip(" ")] = value[0].strip(" ")
    return _Clause(main, sub[0], weight, parameters)


def _clauses(header: str) -> list[_Clause]:
    """Return the clauses of an Accept header in the order in which they are tried.

    The order of goautoneg is not total, so the way of sorting counts: Go sorts up to twelve by insertion. More,
    which no client sends, are sorted by what is compared first.
    """
    found = [clause for clause in map(_clause, header.split(",")) if clause is not None]
    if len(found) > _FEW:
        return sorted(found, key=lambda clause: (-clause.weight, clause.type == "*", clause.subtype == "*"))
    ordered: list[_Clause] = []
    for clause in found:
        place = len(ordered)
        while place and clause.comes_before(ordered[place - 1]):
            place -= 1
        ordered.insert(place, clause)
    return ordered


def _form(media: Media, parameters: Mapping[str, str], *, tables: bool, transforms: bool) -> Form | None:
    """Return the form that a clause asks for with a media type; None: it is not offered."""
    stream, server_version = parameters.get("stream", ""), parameters.get("sv", "")
    if stream and (media not in STREAMED or stream != "watch"):
        return None
    if server_version and server_version != "v1":
        return None
    pretty = media is Media.JSON and parameters.get("pretty") == "1"
    if not {"as", "g", "v"} & parameters.keys():
        return Form(media, pretty=pretty)
    kind, version = parameters.get("as", ""), parameters.get("v", "")
    if not transforms or parameters.get("g", "") != META_GROUP or version not in ("v1", "v1beta1"):
        return None
    if kind == TABLE:
        if not tables or media is Media.PROTOBUF:
            return None
    elif kind not in (PARTIAL, PARTIAL_LIST):
        return None
    return Form(media, kind, version, pretty)


def _find(accept: str, tables: bool, transforms: bool) -> Form | None:
    for clause in _clauses(accept):
        for media in Media:
            if clause.covers(media):
                form = _form(media, clause.parameters, tables=tables, transforms=transforms)
                if form is not None:
                    return form
    return None


_find_again = lru_cache(maxsize=256)(_find)


def _accepted(accept: str, *, tables: bool, transforms: bool) -> Form | None:
    if not accept:
        return JSON
    return (_find_again if len(accept) <= _CACHED_LENGTH else _find)(accept, tables, transforms)


def choose_form(
    accept: str, query: Query, *, verb: str = "get", user_agent: str = "", shape: Kind[Any] | None = None
) -> Form:
    """Return the form of an answer that a client asks for.

    Args:
        accept: the header; empty: JSON.
        query: of the request, of which `pretty` and `includeObject` are read.
        verb: that of the API: an answer of a watch is never YAML.
        user_agent: the header; people get pretty JSON.
        shape: what is answered: whether it can be shown as a Table.

    Raises:
        NotAcceptable: none of what the client accepts is offered.
        BadRequest: includeObject has none of its values.
    """
    tables = shape is None or rows_of(shape) is not None
    form = _accepted(accept, tables=tables, transforms=True)
    if form is None or (verb == "watch" and form.media not in STREAMED):
        offered = [f"{media.value};stream=watch" for media in STREAMED] if verb == "watch" else list(Media)
        raise NotAcceptable(f"only the following media types are accepted: {', '.join(offered)}")
    if form.as_kind == TABLE and (include := query.one("includeObject")):
        if include not in (INCLUDE_NONE, INCLUDE_METADATA, INCLUDE_OBJECT):
            raise BadRequest(
                f"Unable to convert to Table as requested: includeObject: Invalid value: {go_quote(include)}: "
                "must be 'Metadata', 'Object', 'None', or empty"
            )
        form = replace(form, include=include)
    _check_list(form, verb, shape)
    if verb == "watch":
        return replace(form, pretty=False) if form.pretty else form
    return _for_people(form, query, user_agent)


def _check_list(form: Form, verb: str, shape: Kind[Any] | None) -> None:
    """Raise NotAcceptable where an object is asked for and a list is answered, or the other way round.

    Follows `handlers/response.go` (asPartialObjectMetadata, asPartialObjectMetadataList).
    """
    is_list = verb in ("list", "deletecollection")
    if form.as_kind != (PARTIAL if is_list else PARTIAL_LIST) or verb == "watch":
        return
    package = (shape.group.partition(".")[0] or "core") if shape is not None else "v1"
    name = f"*{package}.{shape.kind if shape is not None else 'Object'}{'List' if is_list else ''}"
    what = "a list" if is_list else "not a list"
    raise NotAcceptable(f"you requested {form.as_kind}, but the requested object is {what} ({name})")


def form_of_refusal(accept: str, query: Query, user_agent: str = "") -> Form:
    """Return the form of a Status that refuses; what asks for a form that is not offered gets JSON."""
    form = _accepted(accept, tables=False, transforms=False)
    return RAW_JSON if form is None else _for_people(form, query, user_agent)


def _for_people(form: Form, query: Query, user_agent: str) -> Form:
    """Return the form; pretty where the client asks for it, or looks like a person's."""
    if form.media is not Media.JSON or form.pretty:
        return form
    wished = query.one("pretty")
    wanted = wished in _TRUE if wished else user_agent.startswith(_PEOPLE)
    return replace(form, pretty=True) if wanted else form


def media_of_body(content_type: str) -> Media:
    """Return how a body is written, by its header; none is JSON. Raises UnsupportedMediaType."""
    if not content_type:
        return Media.JSON
    name = content_type.partition(";")[0].strip().lower()
    try:
        return Media(name)
    except ValueError:
        raise UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join(Media)
        ) from None


#: what aggregated discovery is asked for with: `as`, `g` and the values of `v`
DISCOVERY_LIST, DISCOVERY_GROUP, DISCOVERY_VERSIONS = (
    "APIGroupDiscoveryList", "apidiscovery.k8s.io", ("v2", "v2beta1"),
)  # fmt: skip


def choose_discovery_form(accept: str, query: Query, user_agent: str = "", *, aggregates: bool) -> Form:
    """Return the form of an answer of discovery.

    The first clause that is offered tells whether the client takes aggregated discovery (apiserver
    `pkg/endpoints/discovery/aggregated/wrapper.go`); it is then that kind in its version. Raises NotAcceptable.
    """
    for clause in _clauses(accept) if aggregates else ():
        wished = {name: clause.parameters[name] for name in ("as", "g", "v") if name in clause.parameters}
        is_aggregated = wished.get("as") == DISCOVERY_LIST and wished.get("g") == DISCOVERY_GROUP
        if wished and not (is_aggregated and wished.get("v") in DISCOVERY_VERSIONS):
            continue
        media = next((one for one in Media if clause.covers(one)), None)
        if media is not None and wished:
            return _for_people(Form(media, DISCOVERY_LIST, wished["v"]), query, user_agent)
        if media is not None:
            break
    form = _accepted(accept, tables=False, transforms=False)
    if form is None:
        raise NotAcceptable(f"only the following media types are accepted: {', '.join(Media)}")
    return _for_people(form, query, user_agent)


def choose_media(accept: str, offered: Sequence[str]) -> str:
    """Return which of some media types a client takes first; empty: none. Without a header it takes all."""
    for clause in _clauses(accept or "*/*"):
        for media in offered:
            if clause.covers(media):
                return media
    return ""
