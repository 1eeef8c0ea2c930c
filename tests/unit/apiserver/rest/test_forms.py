"""Which form an answer has, by what the client accepts."""

import time
from dataclasses import dataclass

import pytest

from apiserver.rest.forms import Form, Media, choose_form, form_of_refusal, media_of_body
from apiserver.rest.info import read_query
from apiserver.rest.served import EVICTION
from vaina.errors import BadRequest, NotAcceptable, UnsupportedMediaType
from vaina.kinds import DEPLOYMENT, POD

_TABLE_1 = "application/json;as=Table;v=v1;g=meta.k8s.io"
_TABLE_1B = "application/json;as=Table;v=v1beta1;g=meta.k8s.io"
_PROTOBUF = "application/vnd.kubernetes.protobuf"
_OFFERED = "only the following media types are accepted: application/json, application/yaml, " + _PROTOBUF


@dataclass(frozen=True)
class Case:
    name: str
    accept: str
    want: Form
    query: str = ""
    verb: str = "list"
    user_agent: str = "kubectl/v1.32.0"


CASES = [
    Case("no header is JSON", "", Form()),
    Case("anything is JSON", "*/*", Form()),
    Case("a lone star is anything", "*", Form()),
    Case("any application is JSON", "application/*", Form()),
    Case("JSON", "application/json", Form()),
    Case("a charset counts for nothing", "application/json; charset=utf-8", Form()),
    Case("YAML", "application/yaml", Form(Media.YAML)),
    Case("protobuf", _PROTOBUF, Form(Media.PROTOBUF)),
    Case("the first that is offered", "text/html, application/yaml, application/json", Form(Media.YAML)),
    Case("kubectl's typed commands", f"{_PROTOBUF},application/json", Form(Media.PROTOBUF)),
    Case("kubectl top", f"{_PROTOBUF}, */*", Form(Media.PROTOBUF)),
    Case("weights", "application/json;q=0.5, application/yaml;q=0.9", Form(Media.YAML)),
    Case("a star comes last", "*/*, application/yaml", Form(Media.YAML)),
    Case("a weight that is no number is 0", "application/json;q=x, application/yaml;q=0.1", Form(Media.YAML)),
    Case("a browser", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Form()),
    Case("what is no media type is left out", "a/b/c, nonsense, /, application/yaml", Form(Media.YAML)),
    Case("kubectl get", f"{_TABLE_1},{_TABLE_1B},application/json", Form(as_kind="Table")),
    Case("an older Table", _TABLE_1B, Form(as_kind="Table", as_version="v1beta1")),
    Case("a Table of whole objects", _TABLE_1, Form(as_kind="Table", include="Object"), "includeObject=Object"),
    Case("a Table in YAML", _TABLE_1.replace("json", "yaml"), Form(Media.YAML, "Table")),
    Case(
        "a Table is never protobuf",
        f"{_PROTOBUF};as=Table;v=v1;g=meta.k8s.io,{_TABLE_1}", Form(as_kind="Table"),
    ),
    Case(
        "the metadata client's list",
        f"{_PROTOBUF};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        Form(Media.PROTOBUF, "PartialObjectMetadataList"),
    ),
    Case(
        "the metadata client's watch",
        f"{_PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1", Form(Media.PROTOBUF, "PartialObjectMetadata"),
        verb="watch",
    ),
    Case("an unknown transformation is left out", f"{_TABLE_1.replace('Table', 'Pie')},application/yaml", Form(Media.YAML)),
    Case("a transformation of another group is left out", "application/json;as=Table;v=v1;g=x,*/*", Form()),
    Case("a server version is left alone", "application/json;sv=v1", Form()),
    Case("a stream of a watch", "application/json;stream=watch", Form(), verb="watch"),
    Case("pretty by the header", "application/json;pretty=1", Form(pretty=True)),
    Case("pretty by the query", "", Form(pretty=True), "pretty=true"),
    Case("not pretty by the query", "", Form(), "pretty=no", user_agent="curl/8.1"),
    Case("pretty for people", "*/*", Form(pretty=True), user_agent="curl/8.1"),
    Case("pretty protobuf is protobuf", _PROTOBUF, Form(Media.PROTOBUF), "pretty=1"),
    Case("a watch is never pretty", "application/json;pretty=1", Form(), "pretty=1&watch=1", "watch", "curl/8"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_form_of_an_answer(case):
    query = read_query(case.query)
    got = choose_form(case.accept, query, verb=case.verb, user_agent=case.user_agent, shape=POD)
    assert got == case.want


REFUSED = [
    ("text/html", "get", _OFFERED),
    ("nonsense", "get", _OFFERED),
    ("application/json;stream=logs", "get", _OFFERED),
    ("application/json;sv=v2", "get", _OFFERED),
    ("application/json;as=Table;v=v2;g=meta.k8s.io", "get", _OFFERED),
    (
        "application/yaml", "watch",
        f"only the following media types are accepted: application/json;stream=watch, {_PROTOBUF};stream=watch",
    ),
    (
        "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", "list",
        "you requested PartialObjectMetadata, but the requested object is a list (*apps.DeploymentList)",
    ),
    (
        "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", "get",
        "you requested PartialObjectMetadataList, but the requested object is not a list (*apps.Deployment)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("accept", "verb", "words"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_not_offered_is_refused(accept, verb, words):
    with pytest.raises(NotAcceptable) as caught:
        choose_form(accept, read_query(""), verb=verb, shape=DEPLOYMENT)
    assert caught.value.message == words


def test_what_has_no_rows_is_never_a_table():
    with pytest.raises(NotAcceptable):
        choose_form(_TABLE_1, read_query(""), verb="create", shape=EVICTION)
    assert (
        choose_form(f"{_TABLE_1},application/json", read_query(""), verb="create", shape=EVICTION) == Form()
    )


def test_a_part_of_the_object_that_is_none_is_refused():
    with pytest.raises(
        BadRequest, match="Unable to convert to Table as requested: includeObject: Invalid value"
    ):
        choose_form(_TABLE_1, read_query("includeObject=Half"), verb="list", shape=POD)


def test_a_refusal_is_never_a_table_and_json_where_nothing_is_offered():
    query = read_query("")
    assert form_of_refusal(f"{_TABLE_1},application/yaml", query) == Form(Media.YAML)
    assert form_of_refusal(_TABLE_1, query) == Form(pretty=True)
    assert form_of_refusal("text/html", query) == Form(pretty=True)
    assert form_of_refusal(_PROTOBUF, query) == Form(Media.PROTOBUF)


def test_a_header_that_is_too_long_to_keep_is_read():
    assert choose_form("a/b," * 400 + "application/yaml", read_query("")) == Form(Media.YAML)


def test_an_accept_header_of_many_clauses_is_read_fast() -> None:
    # Moved to its place one by one, each of the latter passes all of the former: 0.7 s.
    accept = "*," * 3000 + "a/b," * 1500 + "application/yaml;q=0.9"
    start = time.process_time()
    assert choose_form(accept, read_query("")) == Form()
    assert time.process_time() - start < 0.3


@pytest.mark.parametrize(
    ("header", "want"),
    [
        ("", Media.JSON),
        ("application/json", Media.JSON),
        ("Application/JSON; charset=UTF-8", Media.JSON),
        ("application/yaml", Media.YAML),
        (_PROTOBUF, Media.PROTOBUF),
    ],
)
def test_how_a_body_is_written(header, want):
    assert media_of_body(header) is want


@pytest.mark.parametrize(
    "header", ["text/plain", "application/json-patch+json", "json", ";", "application/cbor"]
)
def test_a_body_of_another_type_is_refused(header):
    with pytest.raises(UnsupportedMediaType) as caught:
        media_of_body(header)
    assert caught.value.message == (
        "the body of the request was in an unknown format - accepted media types include: "
        f"application/json, application/yaml, {_PROTOBUF}"
    )
