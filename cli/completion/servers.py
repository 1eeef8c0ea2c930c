"""The two ways to an apiserver, for one Tab: by gRPC, and by the REST API that a kubeconfig names."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from cli.completion.messages import get_request, list_request, unwrapped
from cli.completion.names import PAGE

_PROTOBUF: Final = "application/vnd.kubernetes.protobuf"
#: names alone, where the server knows how; else all of the objects
_NAMES: Final = f"{_PROTOBUF};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1, {_PROTOBUF}"
#: of an answer: as much as gRPC takes of our apiserver
_MOST_BYTES: Final = 16 * 1024 * 1024
_OK: Final = 200


class Time:
    """Seconds that all calls of a Tab have together, from the first one on."""

    def __init__(self, seconds: float, now: Callable[[], float]) -> None:
        self._seconds, self._now, self._end = seconds, now, 0.0

    def left(self) -> float:
        """Return what is left. Raises OSError: nothing."""
        now = self._now()
        self._end = self._end or now + self._seconds
        if now >= self._end:
            raise TimeoutError
        return self._end - now


class GrpcServer:
    """Our apiserver, as most users ask it."""

    def __init__(
        self, kinds: Mapping[str, Any], address: str, folder: str, *, namespace: str, time: Time
    ) -> None:
        """Make it; nothing is connected yet.

        Args:
            kinds: of the grammar.
            address: host:port.
            folder: has the user's certificate; empty: calls go in the clear.
            namespace: of objects, when the line names none.
            time: that all calls have together.
        """
        self.namespace = namespace
        self._kinds, self._address, self._folder, self._time = kinds, address, folder, time
        #: lasts as long as the process
        self._channel: Any = None

    def page(self, plural: str, namespace: str, more: str) -> bytes:
        return self._call(self._kinds[plural]["method"], list_request(namespace, PAGE, more))

    def pod(self, namespace: str, name: str) -> bytes:
        method = self._kinds["pods"]["method"].replace("/List", "/Get")
        return self._call(method, get_request(namespace, name))

    def _call(self, method: str, request: bytes) -> bytes:
        import grpc

        try:
            self._channel = self._channel or self._open()
            answer: bytes = self._channel.unary_unary(method)(request, timeout=self._time.left())
        except grpc.RpcError as error:
            raise OSError(str(error)) from error
        return answer

    def _open(self) -> Any:
        import grpc

        options = [("grpc.primary_user_agent", "vaina-completion")]
        if not self._folder:
            return grpc.insecure_channel(self._address, options)
        authorities, key, certificate = (
            (Path(self._folder) / name).read_bytes() for name in ("ca.crt", "tls.key", "tls.crt")
        )
        return grpc.secure_channel(
            self._address, grpc.ssl_channel_credentials(authorities, key, certificate), options
        )


class RestServer:
    """An apiserver of any Kubernetes."""

    def __init__(self, kinds: Mapping[str, Any], kubeconfig: str, context: str, *, time: Time) -> None:
        """Read the kubeconfig; nothing is connected yet. Raises OSError: it cannot be read."""
        from urllib.parse import urlsplit

        from vaina.client.rest.kubeconfig import read_kubeconfig
        from vaina.client.rest.shown import read_shown
        from vaina.config import ConfigError

        try:
            self._connection = read_kubeconfig(Path(kubeconfig).expanduser(), context)
            self._shown = read_shown(self._connection)
        except ConfigError as error:
            raise OSError(str(error)) from error
        self.namespace = self._connection.namespace
        self._kinds, self._time = kinds, time
        self._url = urlsplit(self._connection.server)
        #: lasts as long as the process
        self._http: Any = None

    def page(self, plural: str, namespace: str, more: str) -> bytes:
        from urllib.parse import urlencode

        query = {"limit": str(PAGE)} | ({"continue": more} if more else {"resourceVersion": "0"})
        return self._call(f"{self._path(plural, namespace)}?{urlencode(query)}", _NAMES)

    def pod(self, namespace: str, name: str) -> bytes:
        from urllib.parse import quote

        return self._call(f"{self._path('pods', namespace)}/{quote(name, safe='')}", _PROTOBUF)

    def _path(self, plural: str, namespace: str) -> str:
        from urllib.parse import quote

        place = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
        return f"{self._url.path}{self._kinds[plural]['path']}{place}/{plural}"

    def _call(self, target: str, accept: str) -> bytes:
        from http.client import HTTPException

        headers = {"Accept": accept, "User-Agent": "vaina-completion"}
        if self._shown.token:
            headers["Authorization"] = f"Bearer {self._shown.token}"
        try:
            self._http = self._http or self._open()
            self._http.sock.settimeout(self._time.left())
            self._http.putrequest("GET", target)
            for name, value in (*headers.items(), *self._connection.acts_as):
                self._http.putheader(name, value)
            self._http.endheaders()
            answer = self._http.getresponse()
            body: bytes = answer.read(_MOST_BYTES)
        except HTTPException as error:
            raise OSError(str(error)) from error
        if answer.status != _OK:
            raise OSError(answer.reason)
        return unwrapped(body)

    def _open(self) -> Any:
        from http.client import HTTPConnection
        from socket import create_connection
        from ssl import SSLContext

        host, context = self._url.hostname or "", self._shown.context
        secure = isinstance(context, SSLContext)
        connection = HTTPConnection(host, self._url.port or (443 if secure else 80))
        connection.sock = create_connection((host, connection.port), self._time.left())
        if isinstance(context, SSLContext):
            name = self._connection.server_name or host
            connection.sock = context.wrap_socket(connection.sock, server_hostname=name)
        return connection
