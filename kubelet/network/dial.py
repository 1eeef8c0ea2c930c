"""Connections into a Pod's network namespace, for port-forward. Called by the kubelet's server.

A socket belongs to the namespace in which it was made. So a thread of its own enters the namespace, makes the
socket and ends: no other thread ever leaves the node's namespace. Follows containerd
(internal/cri/server/sandbox_portforward_linux.go), which connects to localhost there, over IPv4 first.
"""

import asyncio
import ctypes
import os
import socket
import threading
from concurrent.futures import Future
from typing import Final

#: of setns(2): a network namespace
_CLONE_NEWNET: Final = 0x40000000
_OWN: Final = "/proc/thread-self/ns/net"
#: loopback answers at once or is not listening; a queue that is full makes the kernel try for minutes
_CONNECT_SECONDS: Final = 10.0
_LOOPBACK: Final = ((socket.AF_INET, "127.0.0.1", "IPv4"), (socket.AF_INET6, "::1", "IPv6"))


class DialFailed(Exception):
    """Nothing listens, or the namespace is gone; the message says which."""


def _enter(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _socket_inside(namespace: str, family: int, made: "Future[socket.socket]") -> None:
    try:
        descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # Pods of the host's network are where we are, and need no right to enter.
            if os.fstat(descriptor).st_ino != os.stat(_OWN).st_ino:
                _enter(descriptor)
        finally:
            os.close(descriptor)
        made.set_result(socket.socket(family, socket.SOCK_STREAM))
    except OSError as error:
        made.set_exception(error)


async def _make_socket(namespace: str, family: int) -> socket.socket:
    made: Future[socket.socket] = Future()
    threading.Thread(target=_socket_inside, args=(namespace, family, made), name="dial", daemon=True).start()
    try:
        found = await asyncio.shield(asyncio.wrap_future(made))
    except asyncio.CancelledError:
        made.add_done_callback(lambda done: None if done.exception() else done.result().close())
        raise
    found.setblocking(False)
    return found


async def _connect(namespace: str, family: int, address: str, port: int) -> socket.socket:
    connection = await _make_socket(namespace, family)
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            await asyncio.get_running_loop().sock_connect(connection, (address, port))
    except BaseException:
        connection.close()
        raise
    return connection


def _words(error: OSError) -> str:
    # asyncio puts words of its own in the place of the system's.
    return os.strerror(error.errno).lower() if error.errno else str(error)


async def dial(namespace: str, port: int) -> socket.socket:
    """Connect to a TCP port of a network namespace's own loopback. Raises DialFailed: nothing answers there."""
    said: list[str] = []
    for family, address, name in _LOOPBACK:
        where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        try:
            return await _connect(namespace, family, address, port)
        except TimeoutError:
            said.append(f"{name}: dial tcp {where}: i/o timeout")
        except OSError as error:
            said.append(f"{name}: dial tcp {where}: {_words(error)}")
    raise DialFailed(
        f'failed to connect to localhost:{port} inside namespace "{namespace}", {", ".join(said)}'
    )
