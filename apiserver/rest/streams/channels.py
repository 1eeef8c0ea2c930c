"""PURE: the subprotocols by which exec and attach travel over a WebSocket: a channel's number, then its bytes.

Follows apiserver `pkg/util/proxy/websocket.go` and kubelet `pkg/cri/streaming/remotecommand/websocket.go`, over
`k8s.io/streaming/pkg/httpstream/wsstream/conn.go`. v5 adds that a client says which of its channels has ended.
"""

import base64
import binascii
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
#: of v5: the other byte of the message is the channel that has ended
CLOSE: Final = 255
_CHANNELS: Final = 5
_MAX_SIZE: Final = 65_535


@dataclass(frozen=True, slots=True)
class Protocol:
    """One subprotocol."""

    name: str
    #: messages are text: the channel as a digit, then base64
    is_text: bool = False
    #: the error channel gives a Status at the end; otherwise the words of an error, or nothing
    has_status: bool = True
    #: clients say when a channel has ended
    has_close: bool = False


V5: Final = Protocol("v5.channel.k8s.io", has_close=True)
V4: Final = Protocol("v4.channel.k8s.io")
#: of exec and attach. Without any, the first version is meant
REMOTE_COMMAND: Final[Mapping[str, Protocol]] = {
    each.name: each
    for each in (
        V5,
        V4,
        Protocol("v4.base64.channel.k8s.io", is_text=True),
        Protocol("channel.k8s.io", has_status=False),
        Protocol("base64.channel.k8s.io", is_text=True, has_status=False),
        Protocol("", has_status=False),
    )
}
#: of port-forward, where channels are ports
PORTS: Final[Mapping[str, Protocol]] = {
    each.name: each for each in (V4, Protocol("v4.base64.channel.k8s.io", is_text=True), Protocol(""))
}
#: of logs, which have no channels
READER: Final[Mapping[str, Protocol]] = {
    each.name: each
    for each in (Protocol("binary.k8s.io"), Protocol("base64.binary.k8s.io", is_text=True), Protocol(""))
}


@dataclass(frozen=True, slots=True)
class Input:
    """Bytes that came on a channel."""

    channel: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing more comes on a channel."""

    channel: int


@dataclass(frozen=True, slots=True)
class Resized:
    """The client's terminal has another size."""

    width: int
    height: int


Message: TypeAlias = Input | Ended | Resized


class ChannelError(Exception):
    """A message that ends the session."""


def choose_protocol(offered: Sequence[str], known: Mapping[str, Protocol]) -> Protocol | None:
    """Return the protocol to speak: v5 where it is offered, else the first that is known; None: there is none.

    Upstream's apiserver speaks v5 itself and hands all others on (apiserver `pkg/util/proxy`, kubernetes
    `pkg/registry/core/pod/rest/subresources.go`).
    """
    if V5.name in offered and V5.name in known:
        return known[V5.name]
    names = offered or [""]
    return next((known[name] for name in names if name in known), None)


def refusal_words(offered: Sequence[str], known: Collection[str]) -> str:
    """Return upstream's words for protocols of which none is known (`wsstream/conn.go`, handshake)."""
    served = " ".join(name for name in known if name)
    return f"requested protocol(s) are not supported: [{' '.join(offered)}]; supports [{served}]"


def write_message(protocol: Protocol, channel: int, data: bytes) -> bytes:
    """Return the message that carries bytes on a channel (a text message where the protocol is text)."""
    if protocol.is_text:
        return bytes((ord("0") + channel,)) + base64.b64encode(data)
    return bytes((channel,)) + data


def split_message(protocol: Protocol, message: bytes) -> Input | None:
    """Return channel and bytes of a message; None: it says nothing that can be read."""
    if not message:
        return None
    if not protocol.is_text:
        return Input(message[0], message[1:])
    try:
        return Input(message[0] - ord("0"), base64.b64decode(message[1:], validate=True))
    except binascii.Error:
        return None


def read_message(protocol: Protocol, message: bytes) -> Message | None:
    """Return what a client of exec or attach says; None: nothing that counts.

    Raises ChannelError where it breaks the protocol, as upstream ends such a session.
    """
    if protocol.has_close and message[:1] == bytes((CLOSE,)):
        if len(message) != 2:
            raise ChannelError("Single channel byte should follow stream close signal")
        if message[1] >= _CHANNELS:
            raise ChannelError("Close is targeted for a channel that is not valid")
        return Ended(message[1])
    found = split_message(protocol, message)
    if found is None or found.channel not in (STDIN, RESIZE):
        return None
    return found if found.channel == STDIN else read_size(found.data)


def read_size(data: bytes) -> Resized | None:
    """Return the size of a terminal: {"Width":80,"Height":24}; None: it is none."""
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    # Go reads names without regard to their case.
    sizes = {str(name).lower(): value for name, value in told.items()}
    width, height = sizes.get("width", 0), sizes.get("height", 0)
    if type(width) is not int or type(height) is not int:
        return None
    if not 0 <= width <= _MAX_SIZE or not 0 <= height <= _MAX_SIZE:
        return None
    return Resized(width, height)
