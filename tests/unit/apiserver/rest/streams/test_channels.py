"""Channels of exec and attach: which subprotocol is spoken, and what its messages say."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from apiserver.rest.streams.channels import (
    PORTS,
    READER,
    REMOTE_COMMAND,
    STDIN,
    STDOUT,
    V4,
    V5,
    ChannelError,
    Ended,
    Input,
    Message,
    Protocol,
    Resized,
    choose_protocol,
    read_message,
    refusal_words,
    split_message,
    write_message,
)
from apiserver.rest.upgrades import offered_protocols

TEXT = REMOTE_COMMAND["v4.base64.channel.k8s.io"]


@pytest.mark.parametrize(
    ("header", "known", "want"),
    [
        ("v5.channel.k8s.io", REMOTE_COMMAND, "v5.channel.k8s.io"),
        # The Python client, before and after it knew v5.
        ("v4.channel.k8s.io", REMOTE_COMMAND, "v4.channel.k8s.io"),
        ("v5.channel.k8s.io,v4.channel.k8s.io", REMOTE_COMMAND, "v5.channel.k8s.io"),
        ("v4.channel.k8s.io, v5.channel.k8s.io", REMOTE_COMMAND, "v5.channel.k8s.io"),
        ("v5.channel.k8s.io,v4.channel.k8s.io", PORTS, "v4.channel.k8s.io"),
        # Dashboards of before.
        ("base64.channel.k8s.io", REMOTE_COMMAND, "base64.channel.k8s.io"),
        ("channel.k8s.io, v4.channel.k8s.io", REMOTE_COMMAND, "channel.k8s.io"),
        ("", REMOTE_COMMAND, ""),
        ("", PORTS, ""),
        ("binary.k8s.io", READER, "binary.k8s.io"),
        ("base64.binary.k8s.io", READER, "base64.binary.k8s.io"),
        ("v6.channel.k8s.io", REMOTE_COMMAND, None),
        ("v2.channel.k8s.io,v3.channel.k8s.io", REMOTE_COMMAND, None),
        ("V5.CHANNEL.K8S.IO", REMOTE_COMMAND, None),
        ("channel.k8s.io", READER, None),
    ],
)
def test_a_protocol_is_chosen(header: str, known: dict[str, Protocol], want: str | None) -> None:
    chosen = choose_protocol(offered([header]), known)
    assert (None if chosen is None else chosen.name) == want


def offered(values: Sequence[str]) -> list[str]:
    return offered_protocols(
        CIMultiDictProxy(CIMultiDict(("Sec-WebSocket-Protocol", value) for value in values))
    )


def test_protocols_may_come_in_several_headers() -> None:
    assert offered(["a, b", " ,c"]) == ["a", "b", "c"]


def test_a_token_among_protocols_is_none_of_them() -> None:
    assert offered(["base64url.bearer.authorization.k8s.io.c2VjcmV0, v5"]) == ["v5"]


def test_the_refusal_names_what_is_served() -> None:
    assert refusal_words(["v9"], READER) == (
        "requested protocol(s) are not supported: [v9]; supports [binary.k8s.io base64.binary.k8s.io]"
    )


@dataclass(frozen=True)
class Case:
    name: str
    raw: bytes
    want: Message | None
    protocol: Protocol = V5


CASES = (
    Case("input comes on channel 0", b"\x00ls\n", Input(STDIN, b"ls\n")),
    Case("no input is input as well", b"\x00", Input(STDIN, b"")),
    Case("the end of input is told by v5", b"\xff\x00", Ended(STDIN)),
    Case("another channel may end too", b"\xff\x04", Ended(4)),
    Case("in v4 255 is a channel that nobody has", b"\xff\x00", None, V4),
    Case("a size comes on channel 4", b'\x04{"Width":80,"Height":24}', Resized(80, 24)),
    Case("names of a size are read as Go reads them", b'\x04{"width":1,"HEIGHT":2}\n', Resized(1, 2)),
    Case("a size may name one side alone", b'\x04{"Width":80}', Resized(80, 0)),
    Case("a size that no reader can read is none", b"\x04" + b"[" * 100_000, None),
    Case("a size that is too large is none", b'\x04{"Width":65536,"Height":1}', None),
    Case("a size below nothing is none", b'\x04{"Width":-1,"Height":1}', None),
    Case("a size is a number", b'\x04{"Width":"80","Height":24}', None),
    Case("a size is no boolean", b'\x04{"Width":true,"Height":24}', None),
    Case("a size is an object", b"\x04[80,24]", None),
    Case("a size is JSON", b"\x04{", None),
    Case("a size is text", b"\x04\xff\xfe", None),
    Case("nobody reads what comes on output", b"\x01x", None),
    Case("nobody reads errors", b"\x03x", None),
    Case("there are five channels", b"\x05x", None),
    Case("an empty message says nothing", b"", None),
    Case("text has digits for channels", b"0" + base64.b64encode(b"ls\n"), Input(STDIN, b"ls\n"), TEXT),
    Case("text that is not base64 says nothing", b"0???", None, TEXT),
    Case("text below the digits says nothing", b"\x00AAAA", None, TEXT),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_message_is_read(case: Case) -> None:
    assert read_message(case.protocol, case.raw) == case.want


@pytest.mark.parametrize("raw", [b"\xff", b"\xff\x00\x00", b"\xff\x05", b"\xff\xff"])
def test_an_end_that_is_none_ends_the_session(raw: bytes) -> None:
    with pytest.raises(ChannelError):
        read_message(V5, raw)


@given(st.sampled_from(list(REMOTE_COMMAND.values())), st.integers(0, 9), st.binary(max_size=100))
def test_what_is_written_is_read(protocol: Protocol, channel: int, data: bytes) -> None:
    assert split_message(protocol, write_message(protocol, channel, data)) == Input(channel, data)


@given(st.sampled_from(list(REMOTE_COMMAND.values())), st.binary(max_size=100))
def test_whatever_comes_is_read_or_ends_the_session(protocol: Protocol, raw: bytes) -> None:
    try:
        told = read_message(protocol, raw)
    except ChannelError:
        assert protocol.has_close
        return
    assert told is None or isinstance(told, (Input, Ended, Resized))


def test_output_stands_behind_its_channel() -> None:
    assert write_message(V5, STDOUT, b"hola") == b"\x01hola"
    assert write_message(TEXT, STDOUT, b"\n") == b"1Cg=="
