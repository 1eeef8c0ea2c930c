"""Connections of gRPC: their options, the methods called on one, and the certificate that a client shows.

Made by the transport of clients and by the apiserver's client of etcd.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
import structlog

from vaina.pki.folder import Folder, FolderError, Material

log = structlog.stdlib.get_logger(__name__)

#: lists are paged by bytes well below this
MAX_ANSWER_BYTES = 16 * 1024 * 1024

#: ten connections of 100 calls (below), less some that have ended and are not freed yet
STREAMS_A_CHANNEL = 900
#: a transport that has calls looks for a new certificate in its folder this often
LOOK_SECONDS = 10.0

OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.keepalive_time_ms", 30_000),
    # How long the answer to a keepalive may take: keepalive_timeout_ms alone leaves the minute that pings
    # have by default (measured).
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
    ("grpc.max_send_message_length", -1),
    # Channels with equal options would otherwise share one connection, and its limit of streams.
    ("grpc.use_local_subchannel_pool", 1),
    # The server takes 100 calls of a connection; beyond that another one is opened, up to ten, instead of
    # waiting in silence (gRFC A105).
    ("grpc.service_config", '{"connectionScaling": {"maxConnectionsPerSubchannel": 10}}'),
    # gRPC's own reconnecting: quick, because heartbeats and workers wait for it (I17). Its default goes up to
    # 120 s.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_500),
    # The client finds a server that came back under another address within seconds (default 30 s).
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
)


class Channel:
    """A gRPC channel with the methods called on it, and the number of its calls and streams under way."""

    __slots__ = ("calls", "channel", "is_retired", "methods", "streams")

    def __init__(
        self, target: str, options: Sequence[tuple[str, int | str]], material: Material | None
    ) -> None:
        if material is None:
            self.channel = grpc.aio.insecure_channel(target, options=options)
        else:
            credentials = material.channel_credentials()
            self.channel = grpc.aio.secure_channel(target, credentials, options=options)
        self.methods: dict[tuple[str, str], Any] = {}
        #: unary calls, and streams, under way
        self.calls = self.streams = 0
        #: another channel has replaced it: it closes with its last call
        self.is_retired = False

    def method(self, kind: str, name: str) -> Any:
        """Return gRPC's callable of a method; `kind` is unary_unary, unary_stream or stream_stream."""
        found = self.methods.get((kind, name))
        if found is None:
            found = self.methods[(kind, name)] = getattr(self.channel, kind)(name)
        return found

    async def retire(self) -> None:
        """Take no more calls, and close with the last one."""
        self.is_retired = True
        await self.ended()

    async def ended(self) -> None:
        """Close a retired channel when no call is under way; called after each call."""
        if self.is_retired and not self.calls and not self.streams:
            await self.channel.close(None)


class Followed:
    """Looks for a new certificate in a folder every `LOOK_SECONDS`. Owned by one event loop."""

    def __init__(self, folder: Folder) -> None:
        """Make it. Raises FolderError."""
        self._folder, self._look_at = folder, 0.0
        self.material = folder.current()

    def has_changed(self) -> bool:
        """Say whether the certificate has changed since the last call."""
        now = asyncio.get_running_loop().time()
        if now < self._look_at:
            return False
        self._look_at = now + LOOK_SECONDS
        try:
            material = self._folder.current()
        except FolderError as error:
            log.warning("certificate not read, the earlier one stays", error=str(error))
            return False
        if material is self.material:
            return False
        log.info("calling with a new certificate", folder=str(self._folder.path))
        self.material = material
        return True
