"""The port on which nodes get their first certificate: server TLS alone, and a bootstrap token with each call.

A caller may make a request for a kubelet's client certificate, and read the requests of its own token; nothing
else is served there (decision 252). A token is a Secret of type bootstrap.kubernetes.io/token in kube-system.
Follows `plugin/pkg/auth/authenticator/token/bootstrap/bootstrap.go` and `cluster-bootstrap/token`.
"""

import hmac
import re
from collections.abc import AsyncIterator, Collection
from contextlib import aclosing
from typing import Any, Final

from google.protobuf.message import DecodeError

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import AlwaysAllow
from apiserver.authorization.checks import Checks, forbidden, selected_name
from apiserver.registry.store import Store
from apiserver.services.generic import kind_handlers
from apiserver.services.requests import object_of
from apiserver.services.version import version_handlers
from apiserver.storage.interface import CachedStorage, Version
from apiserver.storage.keys import object_key
from vaina.api.certificates.v1 import certificate_signing_request_pb2
from vaina.api.core.v1 import config_pb2
from vaina.api.meta.v1 import raw_pb2, request_pb2
from vaina.clock import Clock
from vaina.errors import Unauthorized
from vaina.kinds import CERTIFICATE_SIGNING_REQUEST as CSR
from vaina.kinds import SECRET
from vaina.objects.bootstrap_tokens import NAMESPACE, SECRET_TYPE, token_seconds_left
from vaina.objects.identities import BOOTSTRAP_USER_PREFIX, BOOTSTRAPPERS_GROUP
from vaina.serving.handlers import AUTHENTICATED, STREAM, UNARY, Method, RequestContext, User, decode

Csr = certificate_signing_request_pb2.CertificateSigningRequest

_SIGNER: Final = "kubernetes.io/kube-apiserver-client-kubelet"
_TOKEN: Final = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_GROUP: Final = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")


class BootstrapTokens:
    """Knows callers by their bootstrap tokens, as the watch cache has them."""

    def __init__(self, storage: CachedStorage, clock: Clock) -> None:
        self._storage, self._clock = storage, clock

    def identify(self, rpc: RequestContext) -> User:
        """Return whose token a call carries. Raises Unauthorized, which does not say why."""
        scheme, _, token = str(rpc.get("authorization") or "").partition(" ")
        parts = _TOKEN.fullmatch(token)
        if scheme.lower() != "bearer" or parts is None:
            raise Unauthorized("Unauthorized")
        key = object_key(SECRET, NAMESPACE, f"bootstrap-token-{parts[1]}")  # type: ignore[arg-type]  # a Kind[Secret] is a Kind
        stored = self._storage.peek(key, Version(0))
        try:
            secret = config_pb2.Secret() if stored is None else config_pb2.Secret.FromString(stored.data)
        except DecodeError as error:
            raise Unauthorized("Unauthorized") from error
        groups = groups_of(secret, parts[1], parts[2], self._clock.now())
        if groups is None:
            raise Unauthorized("Unauthorized")
        return User(f"{BOOTSTRAP_USER_PREFIX}{parts[1]}", (*groups, AUTHENTICATED))


def groups_of(
    secret: config_pb2.Secret, token_id: str, token_secret: str, now: float
) -> Collection[str] | None:
    """Return the groups of a token's user; None: the Secret does not know the token. PURE.

    The secrets are compared in a time that tells nothing about them, also where there is no Secret.
    """
    data = secret.data
    same = hmac.compare_digest(data.get("token-secret", b""), token_secret.encode())
    if not same or secret.type != SECRET_TYPE or secret.metadata.HasField("deletion_timestamp"):
        return None
    left = token_seconds_left(secret, now)
    if data.get("token-id", b"") != token_id.encode() or (left is not None and left <= 0):
        return None
    if data.get("usage-bootstrap-authentication", b"") != b"true":
        return None
    more = [
        group for group in data.get("auth-extra-groups", b"").decode("utf-8", "replace").split(",") if group
    ]
    if not all(_GROUP.fullmatch(group) for group in more):
        return None
    return tuple(dict.fromkeys((BOOTSTRAPPERS_GROUP, *sorted(more))))


def token_secret(token: str) -> config_pb2.Secret:
    """Return the Secret of a token without an end, for nodes. PURE. Raises ValueError: it is no token."""
    parts = _TOKEN.fullmatch(token)
    if parts is None:
        raise ValueError(
            "a bootstrap token is six and sixteen characters of a-z and 0-9, with a dot between them"
        )
    secret = config_pb2.Secret(type=SECRET_TYPE)
    secret.metadata.namespace, secret.metadata.name = NAMESPACE, f"bootstrap-token-{parts[1]}"
    secret.data["token-id"], secret.data["token-secret"] = parts[1].encode(), parts[2].encode()
    secret.data["usage-bootstrap-authentication"] = b"true"
    secret.data["description"] = b"By which nodes of this cluster ask for their first certificate."
    return secret


def bootstrap_handlers(requests: Store[Csr]) -> dict[str, Method]:
    """Return the methods by full path."""
    # What a caller may is all that is here; no role adds to it.
    checks = Checks(AlwaysAllow())
    inner = {name: kind_handlers(requests, checks)[CSR.method(name)] for name in ("Create", "Get", "Watch")}

    async def create(data: bytes, rpc: RequestContext) -> bytes:
        made = object_of(CSR, decode(raw_pb2.RawCreateRequest, data).object)
        if made.spec.signer_name != _SIGNER:
            raise _refused(rpc, "create", "", f"a bootstrap token may only ask for certificates of {_SIGNER}")
        answer: bytes = await inner["Create"].fn(data, rpc)
        return answer

    async def get(data: bytes, rpc: RequestContext) -> bytes:
        await check_own(rpc, "get", decode(request_pb2.GetRequest, data).name)
        answer: bytes = await inner["Get"].fn(data, rpc)
        return answer

    async def watch(data: bytes, rpc: RequestContext) -> AsyncIterator[bytes]:
        await check_own(rpc, "watch", selected_name(decode(request_pb2.WatchRequest, data).field_selector))
        async with aclosing(inner["Watch"].fn(data, rpc)) as answers:
            async for answer in answers:
                yield answer

    async def check_own(rpc: RequestContext, verb: str, name: str) -> None:
        """Refuse requests of others, and such as are not there. Raises Forbidden."""
        found: Any = await requests.find("", name) if name else None
        if found is None or found.spec.username != rpc.user.name:
            raise _refused(rpc, verb, name, "a bootstrap token may only read its own requests")

    methods = {"Create": Method(UNARY, create), "Get": Method(UNARY, get), "Watch": Method(STREAM, watch)}
    return {CSR.method(name): method for name, method in methods.items()} | version_handlers(checks)


def _refused(rpc: RequestContext, verb: str, name: str, why: str) -> Exception:
    return forbidden(Attributes(rpc.user, verb, CSR.group, CSR.plural, name=name), why)
