"""Knows callers by bootstrap tokens, with which nodes ask for their first certificate.

A token is a Secret of type bootstrap.kubernetes.io/token in kube-system. Follows
`plugin/pkg/auth/authenticator/token/bootstrap/bootstrap.go` and `cluster-bootstrap/token`.
"""

import hmac
import re
from collections.abc import Collection
from typing import Final

from google.protobuf.message import DecodeError

from apiserver.storage.interface import CachedStorage, Version
from apiserver.storage.keys import object_key
from vaina.api.core.v1 import config_pb2
from vaina.clock import Clock
from vaina.errors import Unauthorized
from vaina.kinds import SECRET
from vaina.objects.bootstrap_tokens import NAMESPACE, SECRET_TYPE, token_seconds_left
from vaina.objects.identities import BOOTSTRAP_USER_PREFIX, BOOTSTRAPPERS_GROUP
from vaina.serving.handlers import AUTHENTICATED, RequestContext, User

_TOKEN: Final = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_GROUP: Final = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")


class BootstrapTokens:
    """Knows callers by their bootstrap tokens, as the watch cache has them."""

    def __init__(self, storage: CachedStorage, clock: Clock) -> None:
        self._storage, self._clock = storage, clock

    def identify(self, rpc: RequestContext) -> User:
        """Return whose token a call carries. Raises Unauthorized, which does not say why."""
        scheme, _, token = str(rpc.get("authorization") or "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized("Unauthorized")
        return self.user_of(token)

    def user_of(self, token: str) -> User:
        """Return whose token it is. Raises Unauthorized, which does not say why."""
        parts = _TOKEN.fullmatch(token)
        if parts is None:
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


def is_bootstrap_token(token: str) -> bool:
    """Say whether a token has the form of a bootstrap token. PURE."""
    return _TOKEN.fullmatch(token) is not None


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
