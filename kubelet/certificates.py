"""The kubelet's certificates: asked for with a bootstrap token at first, renewed with the certificate itself.

A kubelet makes its keys, and asks for a client's and a server's certificate by CertificateSigningRequests.
Killed at any moment, it goes on with the same key and the same request: the key is in the folder `pending`
before it is asked for, and there the pair stays until both files are in their place. Follows
`client-go/util/certificate/certificate_manager.go` and `csr/csr.go`; renewed at 70 to 90 % of a life, as there.
"""

import hashlib
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from vaina.api.certificates.v1 import certificate_signing_request_pb2
from vaina.backoff import Backoff
from vaina.client.clientset import Clientset
from vaina.client.verbs import CertificateRequestClient
from vaina.clock import Clock
from vaina.errors import AlreadyExists, ApiError, Forbidden
from vaina.objects.identities import NODE_USER_PREFIX, NODES_GROUP
from vaina.pki.authority import PrivateKey, Profile, key_pem, load_key, make_key, make_request, subject_of
from vaina.pki.cluster import hosts_of
from vaina.pki.folder import (
    AUTHORITIES,
    CERTIFICATE,
    DENIED,
    KEY,
    FolderError,
    make_folder,
    write_file,
    write_folder,
)
from vaina.pki.requests import CLIENT_AUTH, DIGITAL_SIGNATURE, KUBELET_CLIENT, KUBELET_SERVING, SERVER_AUTH
from vaina.pki.token import KUBELET_CLIENT_AUTHORITIES

log = structlog.stdlib.get_logger(__name__)

_PENDING: Final = "pending"
#: how often is asked whether a request was signed
_POLL: Final = Backoff(0.2, 5.0, jitter=0.2)
#: a request that nobody has decided for so long is made anew
_WAIT_SECONDS: Final = 900.0
_RETRY: Final = Backoff(0.5, 30.0, jitter=0.2)
#: how often certificates are looked at, and who is trusted: as often as a server looks at what is denied
LOOK_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A certificate that the kubelet wants to have."""

    folder: Path
    signer: str
    profile: Profile
    #: file with the authorities of the other side
    authorities: Path
    #: file with the serial numbers that count no more; may be missing
    denied: Path


def client_certificate(node: str, folder: Path, bootstrap: Path) -> Wanted:
    """Return what a kubelet shows to the apiserver."""
    profile = Profile(f"{NODE_USER_PREFIX}{node}", (NODES_GROUP,))
    return Wanted(folder, KUBELET_CLIENT, profile, bootstrap / AUTHORITIES, bootstrap / DENIED)


def serving_certificate(node: str, address: str, folder: Path, bootstrap: Path) -> Wanted:
    """Return what a kubelet shows to apiservers that call it."""
    hosts = (node, address)
    profile = Profile(f"{NODE_USER_PREFIX}{node}", (NODES_GROUP,), hosts, is_server=True, is_client=False)
    return Wanted(
        folder, KUBELET_SERVING, profile, bootstrap / KUBELET_CLIENT_AUTHORITIES, bootstrap / DENIED
    )


class Rejected(Exception):
    """A request was denied, has failed, nobody decided about it, or what was issued does not hold."""


class CertificateKeeper:
    """Keeps one certificate. Owned by the task that uses it."""

    def __init__(self, wanted: Wanted, clock: Clock, rng: random.Random) -> None:
        self._wanted, self._clock, self._rng = wanted, clock, rng
        self._pending = wanted.folder / _PENDING
        #: by serial number: when that certificate is renewed
        self._due: dict[int, float] = {}

    def holds(self) -> bool:
        """Say whether there is a certificate that says what it should, and has not expired."""
        certificate = self._current()
        return certificate is not None and self._clock.now() < certificate.not_valid_after_utc.timestamp()

    def seconds_left(self) -> float:
        """Return in how many seconds it is time for another certificate; 0 or less: now."""
        certificate = self._current()
        if certificate is None:
            return 0.0
        serial = certificate.serial_number
        if serial not in self._due:
            self._due = {serial: renewal_at(certificate, self._rng)}
        return self._due[serial] - self._clock.now()

    def settle(self) -> None:
        """Put a pair that was pending when the kubelet was killed in its place, and who is trusted now."""
        make_folder(self._wanted.folder)
        if self._wanted.denied.exists():
            write_file(self._wanted.folder / DENIED, self._wanted.denied.read_bytes())
        certificate, key = self._pending / CERTIFICATE, self._pending / KEY
        if certificate.exists():
            self._put(certificate.read_bytes(), key.read_bytes())
        elif self._wanted.authorities.exists():
            write_file(self._wanted.folder / AUTHORITIES, self._wanted.authorities.read_bytes())

    async def obtain(self, client: CertificateRequestClient) -> None:
        """Ask for a certificate, wait for it, and put it in its place. Raises ApiError, Rejected."""
        make_folder(self._pending)
        key = self._pending_key()
        pem = await self._ask(client, key)
        write_file(self._pending / CERTIFICATE, pem)
        self._put(pem, key_pem(key))
        if not self.holds():
            # As a failure, so that a node whose clock is wrong does not ask again and again at once.
            raise Rejected("the certificate that was issued does not hold by the clock of this node")
        log.info("certificate obtained", folder=str(self._wanted.folder), signer=self._wanted.signer)

    def _pending_key(self) -> PrivateKey:
        path = self._pending / KEY
        if path.exists():
            return load_key(path.read_bytes())
        key = make_key()
        write_file(path, key_pem(key))
        return key

    async def _ask(self, client: CertificateRequestClient, key: PrivateKey) -> bytes:
        wanted, name = self._wanted, request_name(self._wanted, key)
        csr = certificate_signing_request_pb2.CertificateSigningRequest()
        csr.metadata.name, csr.spec.signer_name = name, wanted.signer
        csr.spec.request = make_request(wanted.profile, key)
        usage = SERVER_AUTH if wanted.profile.is_server else CLIENT_AUTH
        csr.spec.usages.extend((DIGITAL_SIGNATURE, usage))
        try:
            await client.create(csr)
        except AlreadyExists:
            log.info("certificate request found again", request=name)
        end, attempt = self._clock.monotonic() + _WAIT_SECONDS, 0
        while self._clock.monotonic() < end:
            try:
                found = await client.get(name)
            except Forbidden:
                # It was made with another token.
                self._forget()
                raise
            if found.status.certificate:
                return bytes(found.status.certificate)
            for condition in found.status.conditions:
                if condition.type in ("Denied", "Failed"):
                    self._forget()
                    raise Rejected(f"{condition.type}: {condition.reason} {condition.message}")
            await self._clock.sleep(_POLL.delay(attempt, self._rng))
            attempt += 1
        self._forget()
        raise Rejected("nobody has decided about the request")

    def _put(self, certificate: bytes, key: bytes) -> None:
        """Put a pair in its place. Until that is done it stays among what is pending."""
        write_folder(self._wanted.folder, certificate, key, self._wanted.authorities.read_bytes())
        self._forget()

    def _forget(self) -> None:
        # The certificate first: without its key it would be taken for a whole pair.
        (self._pending / CERTIFICATE).unlink(missing_ok=True)
        shutil.rmtree(self._pending, ignore_errors=True)

    def _current(self) -> x509.Certificate | None:
        """Return the certificate that is in its place; None when it is not one of those wanted."""
        try:
            certificate = x509.load_pem_x509_certificate((self._wanted.folder / CERTIFICATE).read_bytes())
            key = load_key((self._wanted.folder / KEY).read_bytes())
        except (OSError, ValueError):
            return None
        profile = self._wanted.profile
        is_ours = certificate.subject == subject_of(profile) and hosts_of(certificate) == set(profile.hosts)
        return certificate if is_ours and certificate.public_key() == key.public_key() else None


def renewal_at(certificate: x509.Certificate, rng: random.Random) -> float:
    """Return when a certificate is to be renewed (Unix time): at 70 to 90 % of its life. PURE.

    Kubelets that began together do not all ask at once.
    """
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return (start + (end - start) * (0.7 + 0.2 * rng.random())).timestamp()


def request_name(wanted: Wanted, key: PrivateKey) -> str:
    """Return the name of a request: the same for the same key and the same wish. PURE."""
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    words = "\0".join((wanted.signer, wanted.profile.name, *wanted.profile.hosts))
    return f"node-csr-{hashlib.sha256(public + words.encode()).hexdigest()[:43]}"


class NodeCertificates:
    """Keeps the certificates of one node's kubelet: the first with a token, later ones with what it has."""

    def __init__(
        self,
        client: CertificateKeeper,
        others: Sequence[CertificateKeeper],
        clock: Clock,
        rng: random.Random,
        *,
        with_token: Callable[[], Clientset],
        with_certificate: Callable[[], Clientset],
    ) -> None:
        """Make it; the last two make clients, which are closed after use."""
        self._client, self._others, self._clock, self._rng = client, others, clock, rng
        self._with_token, self._with_certificate = with_token, with_certificate

    async def ensure(self) -> None:
        """Return when there are certificates that hold, however long that takes."""
        failures = 0
        while not await self._look(only_missing=True):
            await self._clock.sleep(_RETRY.delay(failures, self._rng))
            failures += 1

    async def run(self) -> None:
        """Renew until cancelled."""
        failures = 0
        while True:
            next_due = min(keeper.seconds_left() for keeper in (self._client, *self._others))
            seconds = min(max(next_due, _RETRY.delay(0, self._rng)), LOOK_SECONDS)
            await self._clock.sleep(seconds if not failures else _RETRY.delay(failures, self._rng))
            failures = 0 if await self._look(only_missing=False) else failures + 1

    async def _look(self, *, only_missing: bool) -> bool:
        """Bring what is missing, or due; say whether all is there."""
        try:
            for keeper in (self._client, *self._others):
                keeper.settle()
                if keeper.holds() and (only_missing or keeper.seconds_left() > 0):
                    continue
                make = self._with_certificate if self._client.holds() else self._with_token
                async with make() as clients:
                    await keeper.obtain(clients.certificate_signing_requests)
        except (ApiError, FolderError, Rejected, OSError, ValueError) as error:
            log.warning("certificate not obtained", error=str(error))
            return False
        return True
