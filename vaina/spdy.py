"""PURE: the frames of SPDY/3.1, as far as Kubernetes' streams need them.

The kubelet speaks it to runtimes that serve CRI (`kubelet.runtime.cri.sessions`), and kubectl speaks it through
a WebSocket to the apiserver to forward ports (`apiserver.rest.streams.tunnel`). Frames:
https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/. Both sides of Kubernetes are made of
moby/spdystream, which keeps no flow-control windows.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

VERSION: Final = 3
SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY, HEADERS = 1, 2, 3, 6, 7, 8
#: of a control frame of a stream, and of a data frame: its sender sends no more on the stream
FIN: Final = 0x01
#: reasons of RST_STREAM
PROTOCOL_ERROR, REFUSED_STREAM, CANCEL = 1, 3, 5
#: a control frame that is longer is none that a peer of ours sends
MAX_CONTROL: Final = 64 * 1024
#: headers of one frame, inflated
MAX_HEADERS: Final = 64 * 1024
_CONTROL: Final = 0x8000
_HEADER: Final = 8

# What both sides of a connection expect in headers: words, each after its length, and a text (chapter 2.6.10.1).
_WORDS: Final = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age"
    " allow authorization cache-control connection content-base content-encoding content-language content-length"
    " content-location content-md5 content-range content-type date etag expect expires from host if-match"
    " if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma"
    " proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade"
    " user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie"
    " keep-alive origin"
)
_TEXT: Final = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _dictionary() -> bytes:
    words = [word.replace("_", " ").encode() for word in _WORDS.split(" ")]
    return b"".join(struct.pack(">I", len(word)) + word for word in words) + _TEXT.encode()


DICTIONARY: Final = _dictionary()


class SpdyError(Exception):
    """The peer does not speak SPDY/3.1, or says more at once than it may."""


@dataclass(frozen=True, slots=True)
class Data:
    """A piece of what came on a stream; `last`: nothing more comes on it."""

    stream: int
    data: bytes
    last: bool


@dataclass(frozen=True, slots=True)
class Control:
    """A control frame."""

    kind: int
    flags: int
    payload: bytes

    @property
    def stream(self) -> int:
        """The stream that it is about; of a PING the id. 0 where there is none."""
        return int.from_bytes(self.payload[:4], "big") & 0x7FFFFFFF if len(self.payload) >= 4 else 0


Frame: TypeAlias = Data | Control


def control_frame(kind: int, flags: int, payload: bytes) -> bytes:
    """Return a control frame."""
    return struct.pack(">HHI", _CONTROL | VERSION, kind, flags << 24 | len(payload)) + payload


def data_frame(stream: int, data: bytes, *, last: bool = False) -> bytes:
    """Return a data frame (at most 16 MiB)."""
    return struct.pack(">II", stream, (FIN if last else 0) << 24 | len(data)) + data


def reset_frame(stream: int, reason: int) -> bytes:
    """Return the frame that ends both directions of a stream."""
    return control_frame(RST_STREAM, 0, struct.pack(">II", stream, reason))


def header_block(headers: Mapping[str, str]) -> bytes:
    """Return headers before compression; names are sent in lower case."""
    texts = [text.encode() for name, value in headers.items() for text in (name.lower(), value)]
    return struct.pack(">I", len(headers)) + b"".join(struct.pack(">I", len(text)) + text for text in texts)


def read_header_block(block: bytes) -> dict[str, str]:
    """Return the headers of a block, names in lower case. Raises SpdyError."""
    texts: list[str] = []
    try:
        [pairs] = struct.unpack_from(">I", block)
        at = 4
        for _ in range(min(2 * pairs, MAX_HEADERS)):
            [size] = struct.unpack_from(">I", block, at)
            if at + 4 + size > len(block):
                raise SpdyError("headers end in the middle of a value")
            texts.append(block[at + 4 : at + 4 + size].decode("latin-1"))
            at += 4 + size
    except struct.error as error:
        raise SpdyError("headers end in the middle of a length") from error
    return {name.lower(): value for name, value in zip(texts[::2], texts[1::2], strict=True)}


class HeaderWriter:
    """Compresses headers of one direction of a connection, without the protocol's dictionary."""

    def __init__(self) -> None:
        self._compress = zlib.compressobj()

    def compressed(self, headers: Mapping[str, str]) -> bytes:
        return self._compress.compress(header_block(headers)) + self._compress.flush(zlib.Z_SYNC_FLUSH)


class HeaderReader:
    """Reads headers of one direction of a connection: all of them, in the order in which they come."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)

    def read(self, compressed: bytes) -> dict[str, str]:
        """Return headers, names in lower case. Raises SpdyError."""
        try:
            block = self._inflate.decompress(compressed, MAX_HEADERS)
        except zlib.error as error:
            raise SpdyError(f"headers cannot be inflated: {error}") from error
        if self._inflate.unconsumed_tail:
            raise SpdyError(f"headers of more than {MAX_HEADERS} bytes")
        return read_header_block(block)


class FrameReader:
    """Cuts what comes on a connection into frames; data is handed on as it comes, not gathered."""

    def __init__(self) -> None:
        self._held = b""
        #: the data frame that has begun: its stream, how much of it is missing, whether it is the last
        self._stream, self._missing, self._last = 0, 0, False

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames, and pieces of data frames, that more bytes complete. Raises SpdyError."""
        held = self._held + data
        at = 0
        while at < len(held):
            if self._missing:
                piece = held[at : at + self._missing]
                at += len(piece)
                self._missing -= len(piece)
                yield Data(self._stream, piece, self._last and not self._missing)
                continue
            if len(held) - at < _HEADER:
                break
            first, second = struct.unpack_from(">II", held, at)
            flags, size = second >> 24, second & 0xFFFFFF
            if first >> 31:
                _check_control(first, size)
                if len(held) - at < _HEADER + size:
                    break
                payload = held[at + _HEADER : at + _HEADER + size]
                at += _HEADER + size
                yield Control(first & 0xFFFF, flags, payload)
                continue
            at += _HEADER
            self._stream, self._missing, self._last = first & 0x7FFFFFFF, size, bool(flags & FIN)
            if not size:
                yield Data(self._stream, b"", self._last)
        self._held = held[at:]


def _check_control(first: int, size: int) -> None:
    version = first >> 16 & 0x7FFF
    if version != VERSION:
        raise SpdyError(f"a frame of version {version}, not {VERSION}")
    if size > MAX_CONTROL:
        raise SpdyError(f"a control frame of {size} bytes, more than {MAX_CONTROL}")
