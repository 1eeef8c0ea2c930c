"""Who calls a server over TLS: the user that the certificate of the connection names.

gRPC checks a certificate once, at the handshake, and a connection lives two hours. So whether the certificate
still holds and is not denied is asked for each call, and for open streams again and again. The answer for a
certificate is kept by its bytes, never by the address of the peer: ports are used again.
"""

from collections.abc import Callable
from typing import Any, Final

import grpc
import structlog
from prometheus_client import CollectorRegistry, Counter

from vaina.clock import Clock
from vaina.errors import Unauthorized
from vaina.pki.folder import Folder, FolderError, Material
from vaina.serving.handlers import AUTHENTICATED, RequestContext, User

log = structlog.stdlib.get_logger(__name__)

#: certificates that are known; 5,000 nodes have one each, and one more while they are renewed
MAX_KNOWN: Final = 16_384
#: how often the folder's list of denied certificates is looked at, and open streams with it
LOOK_SECONDS: Final = 10.0


class Caller:
    """The holder of a certificate. Made once for each certificate."""

    __slots__ = ("not_after", "serial", "user")

    def __init__(self, user: User, serial: int, not_after: float) -> None:
        self.user, self.serial, self.not_after = user, serial, not_after


class Authenticator:
    """Tells the callers of one server apart. Owned by its event loop, except for `credentials`' callback."""

    def __init__(self, folder: Folder, clock: Clock, registry: CollectorRegistry) -> None:
        """Make it. Raises FolderError: the server's own certificate cannot be read."""
        # Here, so that a process without certificates does without `cryptography`.
        from vaina.pki.identity import read_identity

        self._folder, self._clock, self._read = folder, clock, read_identity
        self._served = folder.current()
        self._denied = self._served.denied
        self._known: dict[bytes, Caller] = {}
        self._attempts = Counter(
            "authentication_attempts",
            "Calls by whether their caller is known.",
            ["result"],
            registry=registry,
        )
        self._success = self._attempts.labels("success")
        self._failure = self._attempts.labels("failure")
        self._reload_failures = Counter(
            "vaina_certificate_reload_failures",
            "Times that changed files of the server's certificate could not be read; the earlier ones stay.",
            registry=registry,
        )

    def credentials(self, *, of_clients: bool = True) -> grpc.ServerCredentials:
        """Return credentials that follow the folder, and demand certificates of clients.

        gRPC asks at each handshake, on threads of its own. What it is handed holds for later handshakes; open
        connections go on.
        """
        given: list[Material] = [self._served]

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            # If this raised, gRPC would go on with what it has and say nothing.
            material = self._current(given[0])
            if material is given[0]:
                return None
            given[0] = material
            log.info("serving with a new certificate", folder=str(self._folder.path))
            return material.server_configuration()

        return grpc.dynamic_ssl_server_credentials(
            self._served.server_configuration(),
            fetch,  # type: ignore[arg-type]  # the stubs do not know that None means no change
            require_client_authentication=of_clients,
        )

    def identify(self, context: Any, rpc: RequestContext) -> Caller:
        """Return who makes a gRPC call, and say it in the call's context. Raises Unauthorized.

        The context has the user also of a certificate that counts no more: the audit log names it.
        """
        shown = context.auth_context().get("x509_pem_cert")
        if not shown:
            self.refused(rpc.peer, "no certificate")
            raise Unauthorized("Unauthorized")
        return self.identify_certificate(shown[0], rpc)

    def identify_certificate(self, pem: bytes, rpc: RequestContext) -> Caller:
        """Return whose certificate the connection of a call has shown. Raises as `identify` does."""
        try:
            caller = self._known.get(pem) or self._learn(pem)
            rpc.user = caller.user
            self.check(caller)
        except Unauthorized as error:
            self.refused(rpc.peer, str(error))
            raise
        except ValueError as error:
            self.refused(rpc.peer, str(error))
            raise Unauthorized("Unauthorized") from error
        self.succeeded()
        return caller

    def succeeded(self) -> None:
        """Count a call whose caller is known."""
        self._success.inc()

    def check(self, caller: Caller) -> None:
        """Raise Unauthorized when a certificate counts no more."""
        if self._clock.now() >= caller.not_after:
            raise Unauthorized(f"Unauthorized: the certificate of {caller.user.name} has expired")
        if caller.serial in self._denied:
            raise Unauthorized(f"Unauthorized: the certificate of {caller.user.name} is denied")

    async def run(self, look: Callable[[], None]) -> None:
        """Until cancelled, follow the folder's list of denied certificates, and call `look` after each time."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            self._served = self._current(self._served)
            self._denied = self._served.denied
            look()

    def refused(self, peer: str, why: str) -> None:
        """Count a call whose caller is not known, or counts no more."""
        self._failure.inc()
        log.info("caller refused", peer=peer, error=why)

    def _current(self, known: Material) -> Material:
        try:
            return self._folder.current()
        except FolderError as error:
            self._reload_failures.inc()
            log.warning("certificate not read, the earlier one stays", error=str(error))
            return known

    def _learn(self, pem: bytes) -> Caller:
        identity = self._read(pem)
        groups = tuple(dict.fromkeys((*identity.groups, AUTHENTICATED)))
        caller = Caller(User(identity.name, groups), identity.serial, identity.not_after)
        if len(self._known) >= MAX_KNOWN:
            self._known.pop(next(iter(self._known)))
        self._known[pem] = caller
        return caller
