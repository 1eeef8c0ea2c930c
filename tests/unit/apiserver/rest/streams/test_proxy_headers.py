"""What a proxy passes on: headers both ways, and paths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.rest.streams.proxy_headers import (
    Headers,
    backend_path,
    request_headers,
    response_headers,
    rewrite_location,
)

PREFIX = "/api/v1/namespaces/default/pods/web/proxy"
FORWARDED = [("X-Forwarded-For", "10.0.0.9"), ("X-Forwarded-Uri", f"{PREFIX}/x")]


@pytest.mark.parametrize(
    ("came", "goes"),
    [
        ([("Accept", "text/html"), ("X-Own", "1"), ("X-Own", "2")], [("Accept", "text/html"), ("X-Own", "1"), ("X-Own", "2")]),
        ([("Host", "api:6444"), ("Cookie", "a=b")], [("Host", "api:6444"), ("Cookie", "a=b")]),
        # Who calls the apiserver is told to nobody.
        ([("Authorization", "Bearer secret")], []),
        ([("Impersonate-User", "root"), ("impersonate-extra-scopes", "x")], []),
        # Of this connection alone.
        ([("Connection", "close, X-Mine"), ("X-Mine", "1"), ("Keep-Alive", "5"), ("Transfer-Encoding", "chunked")], []),
        ([("Upgrade", "h2c"), ("Proxy-Authorization", "x"), ("Proxy-Connection", "x"), ("Trailer", "y")], []),
        ([("TE", "gzip")], []),
        ([("TE", "trailers")], [("Te", "trailers")]),
        # The client's library says these anew.
        ([("Content-Length", "5"), ("Expect", "100-continue")], []),
        ([("X-Forwarded-Uri", "/forged")], []),
    ],
)  # fmt: skip
def test_headers_of_a_request(came: Headers, goes: Headers) -> None:
    assert request_headers(came, client="10.0.0.9", uri=f"{PREFIX}/x") == [*goes, *FORWARDED]


def test_a_client_behind_another_proxy_stays_known() -> None:
    headers = request_headers([("x-forwarded-for", "1.2.3.4")], client="10.0.0.9", uri="/")
    assert headers[0] == ("X-Forwarded-For", "1.2.3.4, 10.0.0.9")


def test_headers_of_an_answer() -> None:
    came = [
        ("Content-Type", "text/html"), ("Content-Length", "3"), ("Connection", "X-Hop"), ("X-Hop", "1"),
        ("Access-Control-Allow-Origin", "*"), ("Set-Cookie", "a=b"), ("Set-Cookie", "c=d"), ("Location", "/login"),
        ("Transfer-Encoding", "chunked"),
    ]  # fmt: skip
    assert response_headers(came, host="api:6444", prefix=PREFIX) == [
        ("Content-Type", "text/html"), ("Set-Cookie", "a=b"), ("Set-Cookie", "c=d"), ("Location", f"{PREFIX}/login"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("location", "want"),
    [
        ("/login?next=%2F#a", f"{PREFIX}/login?next=%2F#a"),
        ("http://api:6444/login", f"http://api:6444{PREFIX}/login"),
        (f"{PREFIX}/login", f"{PREFIX}/login"),
        ("login", "login"),
        ("https://elsewhere.example/x", "https://elsewhere.example/x"),
        ("//elsewhere.example/x", "//elsewhere.example/x"),
        ("http://[broken", "http://[broken"),
        ("", ""),
    ],
)
def test_a_redirect_leads_through_the_proxy(location: str, want: str) -> None:
    assert rewrite_location(location, "api:6444", PREFIX) == want


@pytest.mark.parametrize(
    ("rest", "ending", "want"),
    [
        ("", "", ""),
        ("", "/", "/"),
        ("/a/b", "", "/a/b"),
        ("/a/b", "/", "/a/b/"),
        ("/a b/ñ?#%", "", "/a%20b/%C3%B1%3F%23%25"),
        ("/a//b", "", "/a//b"),
    ],
)
def test_a_path_for_the_backend(rest: str, ending: str, want: str) -> None:
    assert backend_path(rest, f"{PREFIX}{rest}{ending}") == want


NAMES = st.sampled_from(
    ["Accept", "Connection", "Authorization", "X-A", "x-a", "Te", "Upgrade", "Host", "Location"]
)
HEADERS = st.lists(
    st.tuples(NAMES, st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)), max_size=8
)


@given(HEADERS)
def test_no_secret_and_nothing_of_the_connection_passes(headers: Headers) -> None:
    named = {
        part.strip().lower()
        for name, value in headers
        if name.lower() == "connection"
        for part in value.split(",")
    }
    for name, _ in request_headers(headers, client="10.0.0.9", uri="/"):
        lower = name.lower()
        assert lower not in {"authorization", "connection", "upgrade"}
        assert lower not in named or lower in {"te", "x-forwarded-for", "x-forwarded-uri", ""}
    for name, _ in response_headers(headers, host="h", prefix="/p"):
        assert name.lower() not in {"connection", "upgrade", "te"} | named
