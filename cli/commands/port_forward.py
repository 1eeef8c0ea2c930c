"""`vaina port-forward`: local ports that lead to ports of a Pod. Words as kubectl port-forward has them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from typing import Final

import click

from cli import flags
from cli.app import cli
from cli.commands.logs import resolve_pod
from cli.failures import Failure
from cli.following import wait_over
from cli.shell import Shell
from vaina.api.core.v1 import pod_pb2, pod_stream_pb2
from vaina.client.clientset import Clientset
from vaina.errors import ApiError

#: connections at once; further ones wait to be accepted
_CONNECTIONS: Final = 256
#: bytes of one message
_PIECE: Final = 8_000
#: bytes read ahead of a Pod that does not take them
_READ_AHEAD: Final = 64 * 1024
_BACKLOG: Final = 128
_MAX_PORT: Final = 65_535
_FAMILIES: Final = {"127.0.0.1": socket.AF_INET, "::1": socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class PortPair:
    """A local port (0: any that is free) and the Pod's."""

    local: int
    remote: int


def parse_ports(words: Sequence[str], pod: pod_pb2.Pod) -> list[PortPair]:
    """Read 8080, 8080:80, :80, 8080:http. Raises Failure: one makes no sense, or the Pod has no such port."""
    pairs: list[PortPair] = []
    for word in words:
        local, colon, remote = word.partition(":")
        if not word or ":" in remote:
            raise Failure(f"invalid port format '{word}'")
        wanted = _remote_port(remote if colon else local, pod)
        if colon:
            pairs.append(PortPair(_number(local or "0", "local"), wanted))
        else:
            pairs.append(PortPair(wanted, wanted))
    return pairs


def _number(text: str, which: str) -> int:
    if not text.isdecimal() or int(text) > _MAX_PORT:
        raise Failure(f"error parsing {which} port '{text}': invalid port")
    return int(text)


def _remote_port(text: str, pod: pod_pb2.Pod) -> int:
    if text and not text.isdecimal():
        for container in (*pod.spec.containers, *pod.spec.init_containers):
            for port in container.ports:
                if port.name == text:
                    return port.container_port
        raise Failure(f"Pod '{pod.metadata.name}' does not have a named port '{text}'")
    number = _number(text, "remote")
    if number == 0:
        raise Failure("remote port must be > 0")
    return number


@flags.verb(cli, "port-forward")
@click.argument("word", metavar="TYPE/NAME")
@click.argument("ports", nargs=-1, required=True, metavar="[LOCAL_PORT:]REMOTE_PORT...")
@flags.namespace
@flags.text("--address addresses", "Addresses to listen on, separated by commas.", default="localhost")
async def port_forward(
    shell: Shell, clients: Clientset, *, word: str, ports: Sequence[str], addresses: str
) -> None:
    """Forward one or more local ports to a Pod."""
    pod = await resolve_pod(shell, clients, word)
    if pod.status.phase != "Running":
        raise Failure(f"unable to forward port because pod is not running. Current status={pod.status.phase}")
    pairs = parse_ports(ports, pod)
    with ExitStack() as stack:
        listening: list[tuple[socket.socket, PortPair]] = []
        for pair in pairs:
            for listener, found in _listen(shell, pair, addresses.split(",")):
                listening.append((stack.enter_context(listener), found))
        slots = asyncio.Semaphore(_CONNECTIONS)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_accept(shell, clients, pod, listener, pair, slots, group))
                for listener, pair in listening
            ]
            await wait_over(shell, clients, pod)
            for task in tasks:
                task.cancel()
    raise Failure("lost connection to pod")


def _listen(shell: Shell, pair: PortPair, addresses: Sequence[str]) -> list[tuple[socket.socket, PortPair]]:
    """Listen at every address that can be had; a free port that was found for one is taken for all."""
    found: list[tuple[socket.socket, PortPair]] = []
    refused: list[str] = []
    for address in [host for name in addresses for host in (_FAMILIES if name == "localhost" else (name,))]:
        family = _FAMILIES.get(address, socket.AF_INET6 if ":" in address else socket.AF_INET)
        where = f"[{address}]" if ":" in address else address
        try:
            listener = socket.create_server(
                (address, pair.local), family=family, backlog=_BACKLOG, reuse_port=False
            )
        except OSError as error:
            refused.append(
                f"unable to create listener: Error listen tcp {where}:{pair.local}: {error.strerror or error}"
            )
            continue
        listener.setblocking(False)
        pair = PortPair(int(listener.getsockname()[1]), pair.remote)
        shell.out(f"Forwarding from {where}:{pair.local} -> {pair.remote}\n")
        found.append((listener, pair))
    if not found:
        raise Failure(
            f"unable to listen on port {pair.local}: Listeners failed to create with the following errors: [{' '.join(refused)}]"
        )
    return found


async def _accept(
    shell: Shell,
    clients: Clientset,
    pod: pod_pb2.Pod,
    listener: socket.socket,
    pair: PortPair,
    slots: asyncio.Semaphore,
    group: asyncio.TaskGroup,
) -> None:
    loop = asyncio.get_running_loop()
    served: set[asyncio.Task[None]] = set()
    try:
        while True:
            await slots.acquire()
            connection, _ = await loop.sock_accept(listener)
            task = group.create_task(_forward(shell, clients, pod, connection, pair, slots))
            served.add(task)
            task.add_done_callback(served.discard)
    finally:
        for task in served:
            task.cancel()


async def _forward(
    shell: Shell,
    clients: Clientset,
    pod: pod_pb2.Pod,
    connection: socket.socket,
    pair: PortPair,
    slots: asyncio.Semaphore,
) -> None:
    """Carry one connection; whichever side breaks, the other is ended too."""
    shell.out(f"Handling connection for {pair.local}\n")
    reader, writer = await asyncio.open_connection(sock=connection, limit=_READ_AHEAD)
    start = pod_stream_pb2.PodPortForwardStart(
        namespace=pod.metadata.namespace, name=pod.metadata.name, uid=pod.metadata.uid, port=pair.remote
    )
    me = asyncio.current_task()
    assert me is not None
    stream = clients.pods.port_forward(start, _read(reader, me))
    try:
        async with aclosing(stream) as answers:
            async for data in answers:
                writer.write(data)
                await writer.drain()
        writer.close()
        await writer.wait_closed()
    except ApiError as error:
        shell.err(f"an error occurred forwarding {pair.local} -> {pair.remote}: {error.message}")
    except OSError:
        # The local side has gone: leaving the stream tells the Pod's.
        pass
    finally:
        writer.transport.abort()
        slots.release()


async def _read(reader: asyncio.StreamReader, carrier: "asyncio.Task[None]") -> AsyncIterator[bytes]:
    """Give what the local side sends, until it has no more; when it breaks, end the task that carries it."""
    try:
        while data := await reader.read(_PIECE):
            yield data
    except OSError:
        carrier.cancel()
