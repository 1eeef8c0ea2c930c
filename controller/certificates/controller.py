"""The three controllers of certificate requests: they approve, sign and remove. Shells.

The authority that signs is a folder that only this process reads (`cluster_signing_cert_dir`); without one,
nothing is approved or signed here.
"""

from pathlib import Path

import structlog
from cryptography.x509 import load_pem_x509_certificate

from controller.base import Controller, Tools, delete, find
from controller.certificates.reconcile import APPROVED, FAILED, Csr, approve, seconds_kept, sign
from vaina.cache.informer import InformerFactory
from vaina.clock import seconds_of, timestamp
from vaina.errors import InternalError
from vaina.kinds import CERTIFICATE_SIGNING_REQUEST
from vaina.pki.authority import CERTIFICATE_SECONDS, Profile, certificate_pem, load_authority
from vaina.pki.cluster import hosts_of
from vaina.pki.folder import CERTIFICATE, KEY
from vaina.pki.requests import SERVER_AUTH, CertificateRequest

log = structlog.stdlib.get_logger(__name__)

_LEASES = "kube-node-lease"


class CsrApprover(Controller):
    """Approves the requests of nodes for their own certificates."""

    name = "csrapproving"

    def __init__(self, tools: Tools, factory: InformerFactory, cert_dir: str = "") -> None:
        """Make it. `cert_dir`: the folder of this process's own certificate."""
        super().__init__(tools)
        self._cert_dir = cert_dir
        self._client, self._leases = factory.clientset.certificate_signing_requests, factory.clientset.leases
        self._requests = self.watch(factory.informer(CERTIFICATE_SIGNING_REQUEST))

    async def sync(self, key: str) -> float | None:
        csr = self._requests.get(key)
        approval = None if csr is None else approve(csr, self._servers())
        if csr is None or approval is None:
            return None
        if approval.unless_alive and (left := await self._seconds_alive(approval.unless_alive)) > 0:
            log.warning(
                "a bootstrap token asks for a living node's name", request=key, node=approval.unless_alive
            )
            return left
        wanted = _with_condition(csr, APPROVED, "AutoApproved", approval.message, self.clock.now())
        await self._client.update_approval(wanted)
        log.info("certificate request approved", request=key, requestor=csr.spec.username)
        return None

    def _servers(self) -> frozenset[str]:
        """Return the names that this process's certificate is for: `vaina certs make --host` gives all servers
        the same. Raises InternalError, which is tried again: it cannot be read.
        """
        if not self._cert_dir:
            return frozenset()
        try:
            # Read each time: it may have been replaced, and requests are few.
            certificate = load_pem_x509_certificate((Path(self._cert_dir) / CERTIFICATE).read_bytes())
        except (OSError, ValueError) as error:
            raise InternalError(f"the own certificate cannot be read: {error}") from error
        return frozenset(host.lower() for host in hosts_of(certificate))

    async def _seconds_alive(self, node: str) -> float:
        """Return for how long a kubelet that holds the node's Lease counts as alive; 0 or less: none does."""
        lease = await find(self._leases, node, _LEASES)
        if lease is None:
            return 0.0
        return seconds_of(lease.spec.renew_time) + lease.spec.lease_duration_seconds - self.clock.now()


class CsrSigner(Controller):
    """Signs what is approved."""

    name = "csrsigning"

    def __init__(
        self, tools: Tools, factory: InformerFactory, directory: str, max_seconds: float = CERTIFICATE_SECONDS
    ) -> None:
        super().__init__(tools)
        self._client, self._directory, self._max_seconds = (
            factory.clientset.certificate_signing_requests, Path(directory), max_seconds,
        )  # fmt: skip
        self._requests = self.watch(factory.informer(CERTIFICATE_SIGNING_REQUEST))

    async def sync(self, key: str) -> float | None:
        csr = self._requests.get(key)
        signing = None if csr is None else sign(csr, max_seconds=self._max_seconds)
        if csr is None or signing is None:
            return None
        if signing.request is None:
            wanted = _with_condition(
                csr, FAILED, "SignerValidationFailure", signing.failure, self.clock.now()
            )
        else:
            wanted = Csr()
            wanted.CopyFrom(csr)
            is_server = SERVER_AUTH in csr.spec.usages
            wanted.status.certificate = self._sign(signing.request, signing.seconds, is_server=is_server)
        await self._client.update_status(wanted)
        log.info("certificate request signed", request=key, failure=signing.failure)
        return None

    def _sign(self, request: CertificateRequest, seconds: float, *, is_server: bool) -> bytes:
        """Return the certificate. Raises InternalError, which is tried again: the authority cannot be read."""
        try:
            # Read each time: it may have been replaced, and requests are few.
            authority = load_authority(
                (self._directory / CERTIFICATE).read_bytes(), (self._directory / KEY).read_bytes()
            )
        except (OSError, ValueError) as error:
            raise InternalError(f"the signing authority cannot be read: {error}") from error
        profile = Profile(
            request.name, request.groups, (*request.dns_names, *request.addresses),
            is_server=is_server, is_client=not is_server,
        )  # fmt: skip
        return certificate_pem(authority.sign(profile, request.public_key, self.clock.now(), seconds))


class CsrCleaner(Controller):
    """Removes requests of which nothing is to come any more."""

    name = "csrcleaner"

    def __init__(self, tools: Tools, factory: InformerFactory) -> None:
        super().__init__(Tools(tools.clock, tools.metrics, workers=1))
        self._client = factory.clientset.certificate_signing_requests
        self._requests = self.watch(factory.informer(CERTIFICATE_SIGNING_REQUEST))

    async def sync(self, key: str) -> float | None:
        csr = self._requests.get(key)
        if csr is None:
            return None
        left = seconds_kept(csr, self.clock.now())
        if left > 0:
            return left
        await delete(self._client, csr.metadata, resource_version=csr.metadata.resource_version)
        return None


def _with_condition(csr: Csr, kind: str, reason: str, message: str, now: float) -> Csr:
    changed = Csr()
    changed.CopyFrom(csr)
    changed.status.conditions.add(
        type=kind, status="True", reason=reason, message=message, last_update_time=timestamp(int(now))
    )
    return changed
