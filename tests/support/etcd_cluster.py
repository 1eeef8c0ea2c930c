"""An etcd cluster of several members on the loopback, whose members can be killed, stopped, and cut off from
each other.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc.aio
from aetcd.rpc import rpc_pb2

from bench.etcd import EtcdProcess
from tests.support.etcd import FAST, RawEtcd
from tests.support.proxy import Proxy
from vaina.clock import SystemClock

#: etcd's peers say who they are in the first request of each connection
_FROM = re.compile(rb"^X-Server-From: ([0-9a-f]+)\r$", re.MULTILINE | re.IGNORECASE)


class PeerProxy(Proxy):
    """What the other members use to reach one member. Connections can be refused by who opened them."""

    def __init__(self, upstream_port: int) -> None:
        super().__init__(upstream_port)
        #: ids (in hex) of members whose connections are refused; None: everybody's
        self.refused: set[str] | None = set()
        self._openers: dict[asyncio.StreamWriter, str] = {}

    def refuse(self, member: str | None) -> None:
        """Let a member through no more, nor anybody without one; open connections are broken."""
        if member is None:
            self.refused = None
        elif self.refused is not None:
            self.refused.add(member)
        for writer, opener in list(self._openers.items()):
            if self._is_refused(opener):
                writer.transport.abort()

    def heal(self) -> None:
        """Let everybody through again."""
        self.refused = set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.transport.abort()
            return
        found = _FROM.search(head)
        opener = found.group(1).decode() if found else ""
        if self._is_refused(opener):
            writer.transport.abort()
            return
        self._openers[writer] = opener
        try:
            await self._connect(reader, writer, head)
        finally:
            del self._openers[writer]

    def _is_refused(self, opener: str) -> bool:
        return self.refused is None or opener in self.refused


class EtcdCluster:
    """Members by name. Made by `etcd_cluster`."""

    def __init__(self, members: dict[str, EtcdProcess], proxies: dict[str, PeerProxy]) -> None:
        self.members, self._proxies = members, proxies

    @property
    def targets(self) -> tuple[str, ...]:
        """host:port of each member's client port."""
        return tuple(member.target for member in self.members.values())

    async def leader(self) -> EtcdProcess:
        """Return the member that leads, once one of those that answer knows it."""
        clock = SystemClock()
        async with asyncio.timeout(60):
            while True:
                ids: dict[int, EtcdProcess] = {}
                leaders: set[int] = set()
                for member in self.members.values():
                    status = await _status(member)
                    if status is not None:
                        ids[status.header.member_id] = member
                        leaders.add(status.leader)
                if len(leaders) == 1 and (leader := ids.get(leaders.pop())) is not None:
                    return leader
                await clock.sleep(0.02)

    async def first_follower(self) -> EtcdProcess:
        """Return a member that does not lead."""
        leader = await self.leader()
        return next(member for member in self.members.values() if member is not leader)

    def order(self, first: EtcdProcess) -> tuple[str, ...]:
        """Return the targets, a member's own first: an apiserver prefers it."""
        return (first.target, *(target for target in self.targets if target != first.target))

    async def cut_off(self, member: EtcdProcess) -> None:
        """Let a member and the others hear nothing of each other; its clients still reach it."""
        clock = SystemClock()
        async with asyncio.timeout(60):
            while (status := await _status(member)) is None:
                await clock.sleep(0.02)
        for name, proxy in self._proxies.items():
            proxy.refuse(None if name == member.name else f"{status.header.member_id:x}")

    def heal(self) -> None:
        """Let all members hear of each other again."""
        for proxy in self._proxies.values():
            proxy.heal()


@asynccontextmanager
async def etcd_cluster(*arguments: str, size: int = 3) -> AsyncIterator[EtcdCluster]:
    """Run a cluster; it is healthy and has a leader."""
    names = [f"m{number}" for number in range(size)]
    urls: dict[str, str] = {}
    members = {name: EtcdProcess(*FAST, *arguments, name=name, peers=urls) for name in names}
    proxies = {name: PeerProxy(member.peer_port) for name, member in members.items()}
    try:
        for name, proxy in proxies.items():
            await proxy.start()
            urls[name] = f"http://{proxy.target}"
        for member in members.values():
            member.spawn()
        for member in members.values():
            # In a thread: the members reach each other through the proxies of this loop.
            await asyncio.to_thread(member.wait_healthy)
        yield EtcdCluster(members, proxies)
    finally:
        for member in members.values():
            member.close()
        for proxy in proxies.values():
            await proxy.stop()


async def _status(member: EtcdProcess) -> "rpc_pb2.StatusResponse | None":
    """Ask a member what it knows; None when it does not answer."""
    async with RawEtcd(member.target) as raw:
        try:
            return await raw.maintenance.Status(rpc_pb2.StatusRequest(), timeout=0.5)
        except grpc.aio.AioRpcError:
            return None
