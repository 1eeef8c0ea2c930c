"""Tokens of ServiceAccounts for Pods' volumes: asked for, kept, and asked for again before they expire.

Follows `pkg/kubelet/token/token_manager.go`.
"""

import random
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from kubelet.runtime.records import Uid
from kubelet.volumes.payload import PayloadError
from vaina.api.authentication.v1 import authentication_pb2
from vaina.api.core.v1 import pod_pb2, volume_pb2
from vaina.clock import Clock, seconds_of
from vaina.errors import ApiError

log = structlog.stdlib.get_logger(__name__)

#: a token that is older is replaced, however long it holds
MAX_AGE_SECONDS: Final = 24 * 3600.0
#: share of its time that is left when a token is replaced
LEFT: Final = 0.2
#: so that the tokens of a node are not replaced all at once
_JITTER_SECONDS: Final = 10.0
#: of a projection that names none (`pkg/apis/core/v1/defaults.go`)
_DEFAULT_SECONDS: Final = 3600

TokenRequest = authentication_pb2.TokenRequest
#: account, namespace, what is asked for -> that with its token; raises ApiError
Ask = Callable[[str, str, authentication_pb2.TokenRequestSpec], Awaitable[TokenRequest]]
_Key = tuple[str, str, int]


class Tokens:
    """The tokens of a node's Pods: as many as their volumes name, until `forget`. Owned by one event loop."""

    def __init__(self, ask: Ask, clock: Clock, rng: random.Random) -> None:
        self._ask, self._clock, self._rng = ask, clock, rng
        self._kept: dict[Uid, dict[_Key, TokenRequest]] = {}

    async def token(self, pod: pod_pb2.Pod, wanted: volume_pb2.ServiceAccountTokenProjection) -> bytes:
        """Return a token of the Pod's account, bound to the Pod. Raises PayloadError: none holds."""
        meta, account = pod.metadata, pod.spec.service_account_name
        seconds = wanted.expiration_seconds if wanted.HasField("expiration_seconds") else _DEFAULT_SECONDS
        key = account, wanted.audience, seconds
        kept = self._kept.setdefault(Uid(meta.uid), {})
        known = kept.get(key)
        if known is None or self._is_due(known):
            spec = authentication_pb2.TokenRequestSpec(expiration_seconds=seconds)
            spec.audiences.extend([wanted.audience] if wanted.audience else [])
            bound = spec.bound_object_ref
            bound.api_version, bound.kind, bound.name, bound.uid = "v1", "Pod", meta.name, meta.uid
            try:
                known = kept[key] = await self._ask(account, meta.namespace, spec)
            except ApiError as error:
                known = self._still_good(known, error, account)
        return known.status.token.encode()

    def forget(self, uid: Uid) -> None:
        """Drop the tokens of a Pod that is gone."""
        self._kept.pop(uid, None)

    def _still_good(self, known: TokenRequest | None, error: ApiError, account: str) -> TokenRequest:
        if known is None:
            raise PayloadError(f"failed to fetch token: {error.message}") from error
        if self._clock.now() > seconds_of(known.status.expiration_timestamp):
            raise PayloadError(f"token of {account} expired and refresh failed: {error.message}") from error
        log.warning("token not renewed, the earlier one still holds", account=account, error=error.message)
        return known

    def _is_due(self, known: TokenRequest) -> bool:
        """Say whether a fifth of its time is left, or it is a day old."""
        # What the server granted, which may be shorter than what was asked for.
        seconds = known.spec.expiration_seconds
        expires = seconds_of(known.status.expiration_timestamp)
        now = self._clock.now() + self._rng.random() * _JITTER_SECONDS
        return now > min(expires - seconds * LEFT, expires - seconds + MAX_AGE_SECONDS)


def owner_of(pod: pod_pb2.Pod) -> int | None:
    """Return the user that all containers of a Pod run as; None: they differ, or one does not say.

    The user then owns a token's file, and nobody else reads it (`pkg/volume/util/util.go::FsUserFrom`).
    """
    spec, found = pod.spec, set[int | None]()
    own = [container.security_context for container in (*spec.init_containers, *spec.containers)]
    own += [one.ephemeral_container_common.security_context for one in spec.ephemeral_containers]
    for mine in own:
        for context in (mine, spec.security_context):
            if context.HasField("run_as_user"):
                found.add(context.run_as_user)
                break
        else:
            found.add(None)
    return next(iter(found)) if len(found) == 1 else None
