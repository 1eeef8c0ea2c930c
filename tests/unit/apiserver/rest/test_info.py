"""What a request is about, hostile paths included (requestinfo_test.go of upstream has the usual ones)."""

from dataclasses import dataclass

import pytest

from apiserver.rest.info import Query, read_info, read_query
from vaina.errors import BadRequest


@dataclass(frozen=True)
class Case:
    method: str
    target: str
    verb: str
    #: group, version, namespace, resource, subresource, name; None: no resource
    about: tuple[str, str, str, str, str, str] | None = None


CASES = (
    Case("GET", "/api/v1/namespaces", "list", ("", "v1", "", "namespaces", "", "")),
    Case("GET", "/api/v1/namespaces/other", "get", ("", "v1", "other", "namespaces", "", "other")),
    Case("GET", "/api/v1/namespaces/other/pods", "list", ("", "v1", "other", "pods", "", "")),
    Case("GET", "/api/v1/namespaces/other/pods/foo", "get", ("", "v1", "other", "pods", "", "foo")),
    Case("HEAD", "/api/v1/namespaces/other/pods/foo", "get", ("", "v1", "other", "pods", "", "foo")),
    Case("GET", "/api/v1/pods", "list", ("", "v1", "", "pods", "", "")),
    Case("HEAD", "/api/v1/pods", "list", ("", "v1", "", "pods", "", "")),
    Case("GET", "/api/v1/namespaces/other/pods?watch=true", "watch", ("", "v1", "other", "pods", "", "")),
    Case("GET", "/api/v1/namespaces/other/pods?watch", "watch", ("", "v1", "other", "pods", "", "")),
    Case("GET", "/api/v1/namespaces/other/pods?watch=False", "list", ("", "v1", "other", "pods", "", "")),
    Case("GET", "/api/v1/namespaces/other/pods?watch=0&watch=1", "list", ("", "v1", "other", "pods", "", "")),
    Case("GET", "/api/v1/namespaces/other/pods/a?watch=1", "get", ("", "v1", "other", "pods", "", "a")),
    Case("GET", "/api/v1/watch/pods", "watch", ("", "v1", "", "pods", "", "")),
    Case("GET", "/api/v1/watch/namespaces/other/pods/a", "watch", ("", "v1", "other", "pods", "", "a")),
    Case("GET", "/api/v1/proxy/namespaces/other/pods/a/b", "proxy", ("", "v1", "other", "pods", "", "a")),
    Case("GET", "/api/v1/namespaces/other/pods/foo/status", "get", ("", "v1", "other", "pods", "status", "foo")),
    Case("GET", "/api/v1/namespaces/other/pods/foo/proxy/a/b", "get", ("", "v1", "other", "pods", "proxy", "foo")),
    Case("PUT", "/api/v1/namespaces/other/finalize", "update", ("", "v1", "other", "namespaces", "finalize", "other")),
    Case("PATCH", "/api/v1/namespaces/other/status", "patch", ("", "v1", "other", "namespaces", "status", "other")),
    Case("PATCH", "/api/v1/namespaces/other/pods/foo", "patch", ("", "v1", "other", "pods", "", "foo")),
    Case("DELETE", "/api/v1/namespaces/other/pods/foo", "delete", ("", "v1", "other", "pods", "", "foo")),
    Case("POST", "/api/v1/namespaces/other/pods", "create", ("", "v1", "other", "pods", "", "")),
    Case("DELETE", "/api/v1/namespaces/other/pods", "deletecollection", ("", "v1", "other", "pods", "", "")),
    Case("OPTIONS", "/api/v1/namespaces/other/pods", "", ("", "v1", "other", "pods", "", "")),
    Case("GET", "/apis/apps/v1/deployments", "list", ("apps", "v1", "", "deployments", "", "")),
    Case("POST", "/apis/a/v1/namespaces/n/b/c/d", "create", ("a", "v1", "n", "b", "d", "c")),
    Case("GET", "/apis/apps/v1", "get"),
    Case("GET", "/apis/apps", "get"),
    Case("GET", "/apis", "get"),
    Case("GET", "/api/v1", "get"),
    Case("GET", "/", "get"),
    Case("GET", "/healthz", "get"),
    Case("POST", "/API/v1/pods", "post"),
    # Hostile ones.
    Case("GET", "/api/v1/namespaces/a/pods/b%2fb", "get", ("", "v1", "a", "pods", "b", "b")),
    Case("GET", "/api/v1/namespaces/a%2Fsecrets/pods", "get", ("", "v1", "a", "secrets", "", "pods")),
    Case("GET", "/api/v1/namespaces/a/pods/..", "get", ("", "v1", "a", "pods", "", "..")),
    Case("GET", "/api/v1/namespaces/a/pods/%2e%2e/secrets", "get", ("", "v1", "a", "pods", "secrets", "..")),
    Case("GET", "/api/v1/namespaces//pods", "list", ("", "v1", "", "pods", "", "")),
    Case("GET", "/api/v1//pods", "get", ("", "v1", "", "", "", "pods")),
    Case("GET", "/api/v1/namespaces/a/pods/b/", "get", ("", "v1", "a", "pods", "", "b")),
    Case("GET", "http://other/api/v1/pods", "list", ("", "v1", "", "pods", "", "")),
    Case("GET", "/api/v1/pods/%ff", "get", ("", "v1", "", "pods", "", "\ufffd")),
    Case("GET", "/api/v1/pods/\udcff", "get", ("", "v1", "", "pods", "", "\ufffd")),
    Case("GET", "/api/v1/pods/a%00b", "get", ("", "v1", "", "pods", "", "a\0b")),
    Case("GET", "http://other", "get"),
    Case("OPTIONS", "*", "options"),
    Case("CONNECT", "other:22", "connect"),
)  # fmt: skip


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.method} {case.target}".encode("ascii", "replace").decode()
)
def test_a_request_is_read(case: Case) -> None:
    info = read_info(case.method, case.target)
    about = (info.group, info.version, info.namespace, info.resource, info.subresource, info.name)
    assert (info.verb, about if info.is_resource else None) == (case.verb, case.about)
    assert info.uri == case.target


def test_what_follows_a_sub_resource_is_kept() -> None:
    info = read_info("GET", "/api/v1/namespaces/a/pods/b/proxy/c%20d//e/?f=g")
    assert (info.rest, info.query) == ("/c d//e", {"f": ["g"]})


@pytest.mark.parametrize(
    "target", ["/api/v1/pods/%zz", "/api/v1/pods/%", "/api/v1/watch", "/apis/a/v1/proxy"]
)
def test_what_cannot_be_read_is_refused(target: str) -> None:
    with pytest.raises(BadRequest):
        read_info("GET", target)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("a=b&a=c&d", {"a": ["b", "c"], "d": [""]}),
        ("a=b+c%20d&%61=e", {"a": ["b c d", "e"]}),
        ("a;b=c&d=e", {"d": ["e"]}),
        ("a=%zz&b=%&c=%4", {}),
        ("a=%ff", {"a": ["\ufffd"]}),
        ("a=\udcff", {"a": ["\ufffd"]}),
        ("=a&&b==c", {"": ["a"], "b": ["=c"]}),
    ],
)  # fmt: skip
def test_a_query_is_read_as_gos(text: str, found: dict[str, list[str]]) -> None:
    assert read_query(text) == found


def test_a_flag_is_anything_but_false() -> None:
    query = read_query("a=&b=0&c=FALSE&d=no&e")
    assert [query.flag(name) for name in "abcdef"] == [True, False, False, True, True, False]
    assert Query().one("a") == ""
