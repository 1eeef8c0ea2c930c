"""Queries of streams: what they ask for, and upstream's words for what cannot be read."""

from typing import Any

import pytest

from apiserver.rest.info import read_query
from apiserver.rest.streams.options import MAX_PORTS, attach_options, exec_options, log_options, ports
from vaina.api.core.v1 import pod_pb2
from vaina.errors import BadRequest
from vaina.objects.times import parse_time

LOGS: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    (
        "container=app&follow=true&previous=1&timestamps",
        {"container": "app", "follow": True, "previous": True, "timestamps": True},
    ),
    ("follow=false&previous=0&timestamps=False", {}),
    ("follow=maybe", {"follow": True}),
    ("sinceSeconds=5&tailLines=0&limitBytes=10", {"since_seconds": 5, "tail_lines": 0, "limit_bytes": 10}),
    ("tailLines=-1", {"tail_lines": -1}),
    ("tailLines=%2B7&tailLines=8", {"tail_lines": 7}),
    ("sinceTime=2026-11-25T01:02:03Z", {"since_time": parse_time("2026-11-25T01:02:03Z")}),
    ("sinceTime=", {}),
    ("sinceTime=null", {}),
    ("stream=Stderr", {"stream": "Stderr"}),
    ("stream=", {"stream": ""}),
    ("insecureSkipTLSVerifyBackend=true", {"insecure_skip_tls_verify_backend": True}),
    ("pretty=true&unknown=1", {}),
]


@pytest.mark.parametrize(("query", "want"), LOGS)
def test_options_of_a_log(query: str, want: dict[str, Any]) -> None:
    assert log_options(read_query(query)) == pod_pb2.PodLogOptions(**want)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("tailLines=x", 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("tailLines=", 'strconv.ParseInt: parsing "": invalid syntax'),
        ("tailLines=1.5", 'strconv.ParseInt: parsing "1.5": invalid syntax'),
        ("tailLines=1_000", 'strconv.ParseInt: parsing "1_000": invalid syntax'),
        (
            "limitBytes=9223372036854775808",
            'strconv.ParseInt: parsing "9223372036854775808": value out of range',
        ),
        ("sinceSeconds=" + "9" * 5000, f'strconv.ParseInt: parsing "{"9" * 5000}": value out of range'),
        ("sinceTime=now", 'parsing time "now" as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006"'),
    ],
)
def test_what_is_no_option_of_a_log_is_refused(query: str, words: str) -> None:
    with pytest.raises(BadRequest) as refused:
        log_options(read_query(query))
    assert refused.value.message == words


def test_options_of_an_exec() -> None:
    query = read_query(
        "command=sh&command=-c&command=echo+%24HOME&container=app&stdin=true&stdout=1&stderr&tty=false"
    )
    assert exec_options(query) == pod_pb2.PodExecOptions(
        command=["sh", "-c", "echo $HOME"], container="app", stdin=True, stdout=True, stderr=True
    )


def test_a_terminal_has_one_output() -> None:
    query = read_query("stdin=1&stdout=1&stderr=1&tty=1")
    assert attach_options(query) == pod_pb2.PodAttachOptions(stdin=True, stdout=True, tty=True)
    assert exec_options(query) == pod_pb2.PodExecOptions(stdin=True, stdout=True, tty=True)


@pytest.mark.parametrize("query", ["", "command=ls", "stdin=false&stdout=0", "stderr=1&tty=1"])
def test_a_session_has_a_stream(query: str) -> None:
    for read in (exec_options, attach_options):
        with pytest.raises(BadRequest, match="you must specify at least 1 of stdin, stdout, stderr"):
            read(read_query(query))


@pytest.mark.parametrize(
    ("query", "want"),
    [
        ("ports=80", [80]),
        ("ports=80,443", [80, 443]),
        ("ports=80&ports=443,1", [80, 443, 1]),
        ("ports=080", [80]),
    ],
)
def test_ports_of_a_forward(query: str, want: list[int]) -> None:
    assert ports(read_query(query)) == want


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", 'query parameter "port" is required'),
        ("ports=", 'cannot convert to []int32: strconv.ParseUint: parsing "": invalid syntax'),
        ("ports=80,", 'cannot convert to []int32: strconv.ParseUint: parsing "": invalid syntax'),
        ("ports=http", 'cannot convert to []int32: strconv.ParseUint: parsing "http": invalid syntax'),
        ("ports=-1", 'cannot convert to []int32: strconv.ParseUint: parsing "-1": invalid syntax'),
        ("ports=65536", 'cannot convert to []int32: strconv.ParseUint: parsing "65536": value out of range'),
        ("ports=0", 'port "0" must be > 0'),
        (
            "ports=" + ",".join(["80"] * (MAX_PORTS + 1)),
            "65 ports at once: at most 64 are forwarded over one connection",
        ),
    ],
)
def test_what_are_no_ports_is_refused(query: str, words: str) -> None:
    with pytest.raises(BadRequest) as refused:
        ports(read_query(query))
    assert refused.value.message == words
