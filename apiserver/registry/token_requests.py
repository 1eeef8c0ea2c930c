"""TokenRequest: a token of a ServiceAccount, perhaps bound to a Pod, a Secret or a Node. Nothing is stored.

Follows `pkg/registry/core/serviceaccount/storage/token.go` (TokenREST.Create), ValidateTokenRequest of
`pkg/apis/authentication/validation` and the defaults of `pkg/apis/authentication/v1/defaults.go`.
"""

from collections.abc import Callable
from typing import Any, Final

from apiserver.registry.store import Store
from apiserver.tokens.claims import Bound, Ref
from apiserver.tokens.issuer import TokenIssuer
from vaina.api.authentication.v1 import authentication_pb2
from vaina.clock import Clock, timestamp
from vaina.errors import BadRequest, Conflict, FieldError, Invalid, NotFound
from vaina.objects import field_path
from vaina.quoting import go_quote

TokenRequest = authentication_pb2.TokenRequest

_GROUP: Final = "authentication.k8s.io"
_DEFAULT_SECONDS: Final = 3600
_MIN_SECONDS, _MAX_SECONDS = 600, 1 << 32
#: in the audit log of the request
ISSUED: Final = "authentication.kubernetes.io/issued-credential-id"


class TokenRequests:
    """Answers requests over the stores of what tokens are bound to."""

    def __init__(
        self,
        issuer: TokenIssuer | None,
        accounts: Store[Any],
        pods: Store[Any],
        secrets: Store[Any],
        nodes: Store[Any],
        clock: Clock,
    ) -> None:
        """Make it; without an issuer there are no tokens, as upstream's without keys."""
        self._issuer, self._accounts, self._clock = issuer, accounts, clock
        self._pods, self._secrets, self._nodes = pods, secrets, nodes

    async def create(
        self,
        namespace: str,
        name: str,
        sent: TokenRequest,
        *,
        warn: Callable[[str], None],
        annotate: Callable[[str, str], None],
    ) -> TokenRequest:
        """Return the request with its token. Raises NotFound, Conflict, Invalid, BadRequest."""
        issuer = self._issuer
        if issuer is None:
            raise NotFound("the server could not find the requested resource")
        account = self._accounts.decode(await self._accounts.get(namespace, name))
        uid = account.metadata.uid
        if sent.metadata.uid not in ("", uid):
            raise _conflict(
                f"TokenRequest.{_GROUP}", name,
                f"the UID in the token request ({sent.metadata.uid}) does not match the UID of the service account ({uid})",
            )  # fmt: skip
        now = self._clock.now()
        made = _complete(sent, issuer.audiences)
        made.metadata.name, made.metadata.namespace, made.metadata.uid = name, namespace, uid
        made.metadata.creation_timestamp.CopyFrom(timestamp(int(now)))
        bound = await self._bound(namespace, name, made.spec)
        spec = made.spec
        if 0 < issuer.max_seconds < spec.expiration_seconds:
            warn(
                f"requested expiration of {spec.expiration_seconds} seconds shortened to {issuer.max_seconds} seconds"
            )
            spec.expiration_seconds = issuer.max_seconds
        claims = issuer.claims(namespace, Ref(name, uid), bound, spec.audiences, spec.expiration_seconds, now)
        annotate(ISSUED, claims.credential_id)
        made.status.token = issuer.sign(claims)
        made.status.expiration_timestamp.CopyFrom(timestamp(int(now) + spec.expiration_seconds))
        return made

    async def _bound(self, namespace: str, account: str, spec: authentication_pb2.TokenRequestSpec) -> Bound:
        """Return what the token is to be bound to, as it is now. Raises NotFound, Conflict, BadRequest."""
        if not spec.HasField("bound_object_ref"):
            return Bound()
        ref = spec.bound_object_ref
        group, slash, version = ref.api_version.partition("/")
        if not slash:
            group, version = "", ref.api_version
        match group, ref.kind:
            case "", "Pod":
                pod = self._pods.decode(await self._pods.get(namespace, ref.name))
                if pod.spec.service_account_name != account:
                    raise BadRequest(
                        f"cannot bind token for serviceaccount {go_quote(account)} to pod running with different "
                        "serviceaccount name."
                    )
                found = Ref(ref.name, pod.metadata.uid)
                bound = Bound(pod=found, node=await self._node_of(pod.spec.node_name))
            case "", "Node":
                node = self._nodes.decode(await self._nodes.get("", ref.name))
                found = Ref(ref.name, node.metadata.uid)
                bound = Bound(node=found)
            case "", "Secret":
                secret = self._secrets.decode(await self._secrets.get(namespace, ref.name))
                found = Ref(ref.name, secret.metadata.uid)
                bound = Bound(secret=found)
            case _:
                raise BadRequest(f"cannot bind token to object of type {group}/{version}, Kind={ref.kind}")
        if ref.uid not in ("", found.uid):
            raise _conflict(
                ref.kind, ref.name,
                f"the UID in the bound object reference ({ref.uid}) does not match the UID in record. The object might "
                "have been deleted and then recreated",
            )  # fmt: skip
        return bound

    async def _node_of(self, name: str) -> Ref | None:
        """Return the node of a Pod; one that is not there has no uid, and is named all the same."""
        if not name:
            return None
        try:
            node = self._nodes.decode(await self._nodes.get("", name))
        except NotFound:
            return Ref(name, "")
        return Ref(name, node.metadata.uid)


def _complete(sent: TokenRequest, audiences: tuple[str, ...]) -> TokenRequest:
    """Return a request with its defaults, and without what only a server writes. Raises Invalid."""
    made = TokenRequest()
    made.CopyFrom(sent)
    made.ClearField("status")
    # Part of a feature that is off by default (APIServerWebhookAuthenticationToken).
    made.spec.ClearField("attestations")
    if not made.spec.audiences:
        made.spec.audiences.extend(audiences)
    if not made.spec.HasField("expiration_seconds"):
        made.spec.expiration_seconds = _DEFAULT_SECONDS
    seconds, path = made.spec.expiration_seconds, field_path.Path("spec", "expirationSeconds")
    errors: list[FieldError] = []
    if seconds < _MIN_SECONDS:
        errors.append(field_path.invalid(path, seconds, "may not specify a duration less than 10 minutes"))
    if seconds > _MAX_SECONDS:
        errors.append(
            field_path.invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")
        )
    if errors:
        raise Invalid.of("TokenRequest", "", errors, group=_GROUP)
    return made


def _conflict(kind: str, name: str, why: str) -> Conflict:
    group = kind.partition(".")[2]
    return Conflict(
        f"Operation cannot be fulfilled on {kind} {go_quote(name)}: {why}",
        group=group, kind=kind.partition(".")[0], name=name,
    )  # fmt: skip
