"""The keys of tokens, in files that may change: the one that signs, and all whose signatures count.

Which algorithm a key has is known from the key alone: a token's header chooses among keys, never among
algorithms. Key ids and algorithms are upstream's (`pkg/serviceaccount/jwt.go`: keyIDFromPublicKey;
`openidmetadata.go`: algorithmFromPublicKey). Files may hold several PEM blocks, of public or private keys, with
any text between them, as upstream's (client-go `util/keyutil`). Unlike upstream's they are looked at again:
`vaina certs` puts a new key into them when one is due, and an apiserver need not be started again for that.
"""

import base64
import hashlib
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from joserfc.jwk import ECKey, RSAKey

from vaina.clock import Clock
from vaina.config import ConfigError

log = structlog.stdlib.get_logger(__name__)

#: how often the files are looked at
LOOK_SECONDS: Final = 10.0
_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_CURVES: Final[Mapping[str, str]] = MappingProxyType(
    {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
)

Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Public = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


@dataclass(frozen=True, slots=True)
class Key:
    """One key: it checks signatures, or makes them."""

    id: str
    algorithm: str
    jwk: ECKey | RSAKey


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys as the files have them."""

    signing: Key
    #: by id; the signing key is among them
    trusted: Mapping[str, Key]


def public_key_of(found: Public) -> Key:
    """Return the key that checks signatures. Raises ValueError: it is of no kind that signs tokens."""
    der = found.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key_id = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
    pem = found.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    if isinstance(found, rsa.RSAPublicKey):
        return Key(key_id, "RS256", RSAKey.import_key(pem))
    algorithm = _CURVES.get(found.curve.name)
    if algorithm is None:
        raise ValueError("unknown private key curve, must be 256, 384, or 521")
    return Key(key_id, algorithm, ECKey.import_key(pem))


def keys_of(signing: Private, others: Iterable[Public] = ()) -> Keys:
    """Return the keys of a cluster. Raises ValueError: one is of no kind that signs tokens."""
    public = public_key_of(signing.public_key())
    pem = signing.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key = Key(public.id, public.algorithm, type(public.jwk).import_key(pem))
    trusted = {public.id: public} | {other.id: other for other in map(public_key_of, others)}
    return Keys(key, trusted)


def read_public_keys(data: bytes) -> Iterator[Public]:
    """Yield the public keys of a file, those of its private keys and certificates too.

    Raises ValueError: one cannot be read, or there is none.
    """
    if _BLOCK.search(data) is None:
        raise ValueError("no keys found")
    for block in _BLOCK.finditer(data):
        kind, pem = block[1], block[0]
        if kind.endswith(b"PARAMETERS"):
            continue
        key: Any
        if kind.endswith(b"PRIVATE KEY"):
            key = load_pem_private_key(pem, password=None).public_key()
        elif kind == b"CERTIFICATE":
            key = x509.load_pem_x509_certificate(pem).public_key()
        else:
            key = load_pem_public_key(pem)
        if not isinstance(key, Public):
            raise ValueError("a key that signs tokens is an RSA or an ECDSA key")  # noqa: TRY004 - of the file
        yield key


def read_private_key(data: bytes) -> Private:
    """Return the first private key of a file. Raises ValueError."""
    for block in _BLOCK.finditer(data):
        if block[1].endswith(b"PRIVATE KEY"):
            key = load_pem_private_key(block[0], password=None)
            if not isinstance(key, Private):
                raise ValueError("a key that signs tokens is an RSA or an ECDSA key")
            return key
    raise ValueError("data does not contain a valid RSA or ECDSA private key")


class KeyFiles:
    """Keys that follow their files. Owned by one event loop."""

    def __init__(self, signing: str, trusted: Sequence[str], clock: Clock) -> None:
        """Read the files. Raises ConfigError: one cannot be used."""
        self._signing, self._trusted, self._clock = Path(signing), tuple(map(Path, trusted)), clock
        self._loaded: tuple[bytes, ...] = ()
        self.current = self._load()

    async def run(self) -> None:
        """Until cancelled, read the files again when they change; such as cannot be used change nothing."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            try:
                known, self.current = self.current, self._load()
                if self.current is not known:
                    log.info("keys of tokens read again", keys=sorted(self.current.trusted))
            except ConfigError as error:
                log.warning("keys of tokens not taken, those before hold", error=str(error))

    def _load(self) -> Keys:
        try:
            mode = self._signing.stat().st_mode
            data = tuple(path.read_bytes() for path in (self._signing, *self._trusted))
        except OSError as error:
            raise ConfigError(
                f"service_account_signing_key_file, service_account_key_file: {error}"
            ) from error
        if data == self._loaded:
            return self.current
        if stat.S_IMODE(mode) & 0o077:
            raise ConfigError(
                f"service_account_signing_key_file: {self._signing} has a key that makes tokens, and others may "
                f"read it: chmod 600 {self._signing}"
            )
        at, others = self._signing, list[Public]()
        try:
            signing = read_private_key(data[0])
            for path, text in zip(self._trusted, data[1:], strict=True):
                at = path
                others += read_public_keys(text)
            keys = keys_of(signing, others)
        except (ValueError, TypeError) as error:  # TypeError: it is encrypted
            flag = "service_account_signing_key_file" if at is self._signing else "service_account_key_file"
            raise ConfigError(f"{flag}: {at}: {error}") from error
        self._loaded = data
        return keys
