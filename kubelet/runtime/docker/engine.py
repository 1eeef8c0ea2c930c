"""The only module that calls the Docker SDK: its blocking calls in a bounded pool of threads.

The SDK's session is not made for several threads, so each thread of the pool has a client of its own. Streams
(events, logs, pulls) have threads of their own, so that they never use up the pool; a bounded queue carries
what they read, and leaving the iterator closes the connection, which ends the thread.
"""

import asyncio
import http.client
import select
import socket
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from typing import Any, Protocol, TypeVar
from urllib.parse import urlencode, urlsplit

import requests
from docker import APIClient
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from kubelet.runtime.docker import convert
from kubelet.runtime.interface import NotFoundInRuntime, RuntimeFailure, RuntimeUnavailable


class _UnixConnection(http.client.HTTPConnection):
    """HTTP/1.1 on a unix socket, kept open between calls."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(self.timeout)
            self.sock.connect(self._path)
        except BaseException:
            self.close()
            raise

    def prepare(self, seconds: float | None) -> None:
        """Get ready for the next call: the engine may have gone since the last one, and closed."""
        self.timeout = seconds
        if self.sock is None:
            return
        self.sock.settimeout(seconds)
        # Nothing was asked, so what can be read is the end.
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        if poll.poll(0):
            self.close()


class QuickClient(APIClient):
    """The SDK's client for one thread, with a lighter way to send ordinary calls; others go the SDK's own.

    `requests` has proxies, .netrc, cookies, redirects, hooks and a pool, none of which an engine's socket has:
    2 ms of CPU a call, four times what the same call takes without (decision 154).
    """

    def __init__(self, socket_path: str, *, version: str, timeout: int) -> None:
        super().__init__(f"unix://{socket_path}", version=version, timeout=timeout)
        # Nor does the SDK's own way need the proxies of the environment.
        self.trust_env = False
        self._connection = _UnixConnection(socket_path)
        # The client ends with its thread, without a call of `close`.
        weakref.finalize(self, self._connection.close)

    def request(self, method: Any, url: Any, *args: Any, **options: Any) -> requests.Response:
        """Send a call, never twice. Raises requests.ConnectionError, requests.ReadTimeout."""
        if args or options.get("stream") or not _is_ordinary(options):
            return super().request(method, url, *args, **options)
        parts = urlsplit(url)
        pairs = [(key, value) for key, value in (options.get("params") or {}).items() if value is not None]
        query = urlencode(pairs, doseq=True)
        headers = {"User-Agent": self.headers["User-Agent"], **(options.get("headers") or {})}
        connection = self._connection
        try:
            connection.prepare(options.get("timeout"))
            connection.request(
                method,
                f"{parts.path}?{query}" if query else parts.path,
                body=options.get("data"),
                headers=headers,
            )
            answer = connection.getresponse()
            content = answer.read()
        except TimeoutError as error:
            connection.close()
            raise requests.ReadTimeout(f"no answer within {options.get('timeout')} s") from error
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise requests.ConnectionError(str(error) or type(error).__name__) from error
        except BaseException:
            connection.close()
            raise
        return _response(url, answer, content)

    def close(self) -> None:
        self._connection.close()
        super().close()


_ORDINARY = frozenset({"params", "data", "headers", "timeout", "stream", "allow_redirects", "json"})


def _is_ordinary(options: Mapping[str, Any]) -> bool:
    body = options.get("data")
    return (
        options.keys() <= _ORDINARY
        and options.get("json") is None
        and (body is None or isinstance(body, str | bytes))
        and isinstance(options.get("params") or {}, dict)
    )


def _response(url: str, answer: http.client.HTTPResponse, content: bytes) -> requests.Response:
    response = requests.Response()
    response.status_code, response.reason, response.url = answer.status, answer.reason, url
    response.headers.update(answer.headers.items())
    response.encoding = "utf-8"
    response._content = content
    response._content_consumed = True  # type: ignore[attr-defined]
    return response


T = TypeVar("T")

BAD_REQUEST, NOT_FOUND, CONFLICT = 400, 404, 409

#: of the Engine API: Docker 20.10 to 28 serve it; newer engines are asked by the oldest that they know (1.44)
API_VERSION = "1.41"
#: what an engine says of an older one (moby, `daemon/server/middleware/version.go`)
_TOO_OLD = "is too old"
#: what the engine may take for one ordinary call; starting a container on a loaded node takes seconds
CALL_SECONDS = 120
#: items of a stream between its thread and the loop; a reader that is slower holds the engine back
STREAM_CAPACITY = 256


class ClosableIterator(Protocol):
    """What the SDK gives for a stream."""

    def __iter__(self) -> Iterator[Any]: ...
    def close(self) -> None: ...


class _StreamReader:
    """A thread that reads one SDK stream into a bounded queue of the event loop."""

    def __init__(
        self,
        client: APIClient,
        open_stream: Callable[[APIClient], ClosableIterator],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        #: (more, item); at the end (False, what the stream raised)
        self.queue: asyncio.Queue[tuple[bool, Any]] = asyncio.Queue(STREAM_CAPACITY)
        self.thread = threading.Thread(target=self._read, name="docker-stream", daemon=True)
        self._client, self._open, self._loop = client, open_stream, loop
        self._left = threading.Event()
        self._source: ClosableIterator | None = None

    def _put(self, more: bool, item: Any) -> None:
        # Waits while the queue is full. A loop that has closed meanwhile wants nothing more.
        with suppress(RuntimeError):
            asyncio.run_coroutine_threadsafe(self.queue.put((more, item)), self._loop).result()

    def _read(self) -> None:
        failed: Exception | None = None
        try:
            self._source = self._open(self._client)
            for item in self._source:
                if self._left.is_set():
                    return
                self._put(True, item)
        except Exception as error:  # noqa: BLE001 - handed to the loop, which raises it
            failed = error
        finally:
            if not self._left.is_set():
                self._put(False, failed)
            self._client.close()

    def leave(self) -> None:
        """Stop reading: close the connection, and make room for a thread that waits for it."""
        self._left.set()
        while not self.queue.empty():
            self.queue.get_nowait()
        if self._source is not None:
            with suppress(Exception):
                self._source.close()


class Engine:
    """Calls of one Docker engine. Owned by the docker runtime; safe to be used by any task."""

    def __init__(self, socket_path: str, *, threads: int = 16) -> None:
        self.socket_path = socket_path
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="docker")
        self._local = threading.local()
        self._version = API_VERSION

    def _client(self) -> APIClient:
        client = getattr(self._local, "client", None)
        if client is None or client.api_version != self._version:
            client = self._local.client = self._new_client()
        return client

    def _new_client(self, version: str = "") -> APIClient:
        return QuickClient(self.socket_path, version=version or self._version, timeout=CALL_SECONDS)

    def _run(self, operation: Callable[[APIClient], T]) -> T:
        client = self._client()
        try:
            return operation(client)
        except APIError as error:
            if error.status_code != BAD_REQUEST or _TOO_OLD not in str(error.explanation):
                raise
            # Refused before anything was done: the engine is newer than the version.
            self._version = client.version(api_version=False)["MinAPIVersion"]
        return operation(self._client())

    async def call(
        self, operation: Callable[[APIClient], T], *, give_up: Callable[[], None] | None = None
    ) -> T:
        """Run an SDK call in the pool. Raises docker.errors.DockerException, requests.RequestException.

        `give_up` has the operation end: who is cancelled goes when it has. None: it goes on by itself then.
        """
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._pool, lambda: self._run(operation))
        if give_up is None:
            return await work
        try:
            await asyncio.wait((work,))
        except asyncio.CancelledError:
            give_up()
            await asyncio.wait((work,))
            # What became of it is nobody's any more.
            work.exception()
            raise
        return work.result()

    async def ask(
        self,
        operation: Callable[[APIClient], T],
        *,
        refusal: type[RuntimeFailure] = RuntimeFailure,
        give_up: Callable[[], None] | None = None,
    ) -> T:
        """Run an SDK call in the pool, as `call`. Raises as `translated`."""
        with translated(refusal):
            return await self.call(operation, give_up=give_up)

    async def call_as_of(self, version: str, operation: Callable[[APIClient], T]) -> T:
        """Run an SDK call with another version of the API, on a connection of its own. Raises as `call`."""

        def run() -> T:
            with closing(self._new_client(version)) as client:
                return operation(client)

        return await asyncio.get_running_loop().run_in_executor(self._pool, run)

    async def stream(self, open_stream: Callable[[APIClient], ClosableIterator]) -> AsyncIterator[Any]:
        """Yield what an SDK stream yields, until it ends or the caller leaves. Raises as `call`."""
        reader = _StreamReader(self._new_client(), open_stream, asyncio.get_running_loop())
        reader.thread.start()
        try:
            while True:
                more, item = await reader.queue.get()
                if more:
                    yield item
                elif item is not None:
                    raise item
                else:
                    return
        finally:
            reader.leave()

    async def list_containers(self, filters: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the containers that pass the filters, sandboxes too, in whatever state. Raises as `ask`."""
        listed: list[dict[str, Any]] = await self.ask(
            lambda client: client.containers(all=True, filters=filters)
        )
        return listed

    async def create_container(self, body: dict[str, Any], name: str) -> str:
        """Create a container, return its id. Raises docker.errors.APIError: 409 for a name that is taken."""

        def call(client: APIClient) -> str:
            made: dict[str, Any] = client.create_container_from_config(body, name)  # type: ignore[no-untyped-call]
            return str(made["Id"])

        if convert.is_recursive(body):
            return await self.call_as_of(convert.RECURSIVE_API, call)
        return await self.call(call)

    async def kill_container(self, container_id: str, signal: str) -> None:
        await self._even_if_gone(lambda client: client.kill(container_id, signal))

    async def remove_container(self, container_id: str) -> None:
        """Remove a container with its anonymous volumes; it may run, or be gone. Raises RuntimeFailure."""
        await self._even_if_gone(lambda client: client.remove_container(container_id, v=True, force=True))

    async def _even_if_gone(self, operation: Callable[[APIClient], object]) -> None:
        def call(client: APIClient) -> None:
            try:
                operation(client)
            except APIError as error:
                # Gone, not running, or being removed: what was wanted.
                if error.status_code not in {NOT_FOUND, CONFLICT}:
                    raise

        await self.ask(call)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def translated(refusal: type[RuntimeFailure] = RuntimeFailure) -> Iterator[None]:
    """Raise the interface's errors in place of the SDK's; an answer that refuses becomes `refusal`."""
    try:
        yield
    except APIError as error:
        text = error.explanation or str(error)
        if error.status_code == NOT_FOUND and "container" in text.lower():
            raise NotFoundInRuntime(text) from error
        if error.status_code is None or error.status_code in {502, 503, 504}:
            raise RuntimeUnavailable(text) from error
        raise refusal(text) from error
    except (DockerException, RequestException, OSError) as error:
        raise RuntimeUnavailable(f"the Docker engine does not answer: {error}") from error
