"""Names of objects from the apiserver, within a time. Imports gRPC and three messages: half the command's time.

What cannot be had in time, or at all, is not offered: a Tab has nobody to tell an error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

#: objects of a page, and of all pages
_PAGE: Final = 500
_MOST: Final = 5000


@dataclass(frozen=True, slots=True)
class Server:
    """Which server is asked, as whom, and how long it may take."""

    address: str
    #: has the user's certificate; empty: calls go in the clear
    folder: str
    #: of objects, when the line names none
    namespace: str
    #: seconds for all calls together
    patience: float


class ServerNames:
    """Asks one apiserver, for one Tab."""

    def __init__(self, kinds: Mapping[str, Any], server: Server) -> None:
        """Make it; nothing is connected yet."""
        self._kinds, self._server = kinds, server
        #: when the server's time is over; None: nothing was asked yet
        self._end: float | None = None
        #: lasts as long as the process
        self._channel: Any = None

    def of_kind(self, plural: str, namespace: str) -> list[str]:
        """Return names of objects of a kind."""
        from vaina.api.meta.v1 import meta_pb2, request_pb2

        kind = self._kinds[plural]
        asked = request_pb2.ListRequest(limit=_PAGE, resource_version="0")
        asked.namespace = (namespace or self._server.namespace) if kind["namespaced"] else ""
        found: list[str] = []
        while len(found) < _MOST:
            answer = self._call(kind["method"], asked.SerializeToString())
            if answer is None:
                break
            # The name is read, and nothing else of the objects.
            page = meta_pb2.PartialObjectMetadataList.FromString(answer)
            found += [item.metadata.name for item in page.items]
            asked.continue_token, asked.resource_version = page.metadata.continue_token, ""
            if not asked.continue_token:
                break
        return found

    def of_containers(self, pod: str, namespace: str) -> list[str]:
        """Return names of a Pod's containers, the usual ones first."""
        from vaina.api.core.v1 import pod_pb2
        from vaina.api.meta.v1 import request_pb2

        asked = request_pb2.GetRequest(namespace=namespace or self._server.namespace, name=pod)
        method = self._kinds["pods"]["method"].replace("/List", "/Get")
        answer = self._call(method, asked.SerializeToString())
        if answer is None:
            return []
        spec = pod_pb2.Pod.FromString(answer).spec
        found: list[Any] = [*spec.containers, *spec.init_containers]
        found += [item.ephemeral_container_common for item in spec.ephemeral_containers]
        return [item.name for item in found]

    def _call(self, method: str, request: bytes) -> bytes | None:
        import grpc

        from vaina.clock import SystemClock

        now = SystemClock().monotonic()
        if self._end is None:
            self._end = now + self._server.patience
        left = self._end - now
        if left <= 0:
            return None
        try:
            self._channel = self._channel or self._open()
            answer: bytes = self._channel.unary_unary(method)(request, timeout=left)
        except (grpc.RpcError, OSError):
            return None
        return answer

    def _open(self) -> Any:
        import grpc

        options = [("grpc.primary_user_agent", "vaina-completion")]
        if not self._server.folder:
            return grpc.insecure_channel(self._server.address, options)
        authorities, key, certificate = (
            (Path(self._server.folder) / name).read_bytes() for name in ("ca.crt", "tls.key", "tls.crt")
        )
        return grpc.secure_channel(
            self._server.address, grpc.ssl_channel_credentials(authorities, key, certificate), options
        )
