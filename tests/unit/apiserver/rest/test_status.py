"""Warnings and refusals as headers, and whose pages are let in."""

import pytest

from apiserver.rest.status import headers_of, warning_headers
from vaina.errors import BadRequest, Forbidden, TooManyRequests
from vaina.serving.origins import check_origin


def test_warnings_are_quoted_once_each_and_without_control_characters() -> None:
    texts = ["plain", "plain", 'a "quoted" \\ one', "two\r\nlines: \x00", "\x00", "größer"]
    assert [value for _, value in warning_headers(texts)] == [
        '299 - "plain"', '299 - "a \\"quoted\\" \\\\ one"', '299 - "twolines: "', '299 - "größer"',
    ]  # fmt: skip


def test_warnings_are_bounded() -> None:
    headers = warning_headers(f"{number} " + "x" * 1000 for number in range(100))
    assert len(headers) == 4096 // 256
    assert all(len(value) < 300 for _, value in headers)


def test_a_refusal_says_when_to_come_back() -> None:
    assert headers_of(TooManyRequests("later", retry_seconds=0.2)) == {"Retry-After": "1"}
    assert headers_of(BadRequest("no")) == {}


@pytest.mark.parametrize(
    ("host", "origin", "in_the_clear", "served"),
    [
        ("localhost:8001", None, True, True),
        ("127.0.0.1:8001", None, True, True),
        ("127.1.2.3", None, True, True),
        ("[::1]:8001", None, True, True),
        ("a.localhost", None, True, True),
        ("evil.example:8001", None, True, False),
        ("localhost.evil.example", None, True, False),
        ("127.0.0.1.evil.example", None, True, False),
        ("10.0.0.1", None, True, False),
        ("", None, True, False),
        ("apiserver:6443", None, False, True),
        ("localhost:8001", "http://localhost:8001", True, True),
        ("localhost:8001", "http://LOCALHOST:8001", True, True),
        ("localhost:8001", "http://localhost", True, False),
        ("localhost:8001", "http://localhost:9", True, False),
        ("localhost:8001", "http://evil.example", True, False),
        ("localhost:8001", "null", True, False),
        ("localhost:8001", "", True, False),
        ("localhost:8001", "file://", True, False),
        ("apiserver", "https://apiserver", False, True),
        ("apiserver", "https://apiserver:443", False, True),
        ("apiserver:443", "https://apiserver", False, True),
        ("apiserver:6443", "https://apiserver:6443", False, True),
        ("apiserver:6443", "https://apiserver.evil.example:6443", False, False),
        ("apiserver:6443", "https://apiserver@evil.example:6443", False, False),
        ("[::1]", "https://[::1]", False, True),
        ("[::1]", "https://[::1", False, False),
        ("localhost", "http://a]b", True, False),
    ],
)
def test_pages_of_others_are_refused(host: str, origin: str | None, in_the_clear: bool, served: bool) -> None:
    headers = {"Host": host} | ({} if origin is None else {"Origin": origin})
    if served:
        check_origin(headers, in_the_clear=in_the_clear)
    else:
        with pytest.raises(Forbidden):
            check_origin(headers, in_the_clear=in_the_clear)
