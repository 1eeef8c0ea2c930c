"""PURE: what a token of a ServiceAccount says, and which user it makes of its bearer.

Follows `pkg/serviceaccount/claims.go` and apiserver `pkg/authentication/serviceaccount/util.go`
(ServiceAccountInfo). Stricter than upstream, whose tokens from before 1.21 have no end: a token without `exp`,
`iat`, `nbf`, `aud` or `sub` counts for nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vaina.errors import Unauthorized
from vaina.objects import service_accounts
from vaina.serving.handlers import AUTHENTICATED, User

#: clocks of apiservers may differ by so much (go-jose's DefaultLeeway)
LEEWAY_SECONDS: Final = 60
#: a pod-bound token that is asked for so long is extended where that is switched on: for a year, with a warning
#: from the time on that was asked for
EXTENDED_SECONDS: Final = 365 * 24 * 3600
_OURS: Final = "kubernetes.io"
_JTI: Final = "JTI="


@dataclass(frozen=True, slots=True)
class Ref:
    """One object, at one time: another one may have its name later. A Pod's node may have no uid."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Bound:
    """With what a token ends. A Pod's node is told of, and looked at no more."""

    pod: Ref | None = None
    node: Ref | None = None
    secret: Ref | None = None


UNBOUND: Final = Bound()


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. Times are seconds since the epoch."""

    issuer: str
    namespace: str
    account: Ref
    audiences: tuple[str, ...]
    issued_at: int
    not_before: int
    expires_at: int
    jti: str = ""
    bound: Bound = UNBOUND
    #: 0: none
    warn_after: int = 0

    @property
    def subject(self) -> str:
        return service_accounts.user_name(self.namespace, self.account.name)

    @property
    def credential_id(self) -> str:
        """By which the audit log tells one token of an account from others (CredentialIDForJTI)."""
        return f"{_JTI}{self.jti}" if self.jti else ""

    def to_json(self) -> dict[str, Any]:
        """Return the payload of the token, in the order of upstream's encoder."""
        ours: dict[str, Any] = {"namespace": self.namespace}
        for name in ("node", "pod", "secret"):
            ref = getattr(self.bound, name)
            if ref is not None:
                ours[name] = _json(ref)
        ours["serviceaccount"] = _json(self.account)
        if self.warn_after:
            ours["warnafter"] = self.warn_after
        payload: dict[str, Any] = {
            "aud": [*self.audiences], "exp": self.expires_at, "iat": self.issued_at, "iss": self.issuer,
        }  # fmt: skip
        if self.jti:
            payload["jti"] = self.jti
        return payload | {_OURS: ours, "nbf": self.not_before, "sub": self.subject}

    def check_time(self, now: float) -> None:
        """Raise Unauthorized for a token that has ended, or has not begun."""
        if now > self.expires_at + LEEWAY_SECONDS:
            raise Unauthorized("service account token has expired")
        if now < self.not_before - LEEWAY_SECONDS:
            raise Unauthorized("service account token is not valid yet")
        if now < self.issued_at - LEEWAY_SECONDS:
            raise Unauthorized("service account token is issued in the future")

    def user(self) -> User:
        """Return who the bearer is."""
        extra: dict[str, str] = {service_accounts.CREDENTIAL_ID: self.credential_id}
        pod, node = self.bound.pod, self.bound.node
        if pod is not None:
            extra |= {service_accounts.POD_NAME: pod.name, service_accounts.POD_UID: pod.uid}
        if node is not None:
            extra |= {service_accounts.NODE_NAME: node.name, service_accounts.NODE_UID: node.uid}
        return User(
            self.subject,
            (*service_accounts.groups(self.namespace), AUTHENTICATED),
            self.account.uid,
            tuple((name, (value,)) for name, value in sorted(extra.items()) if value),
        )


def _json(ref: Ref) -> dict[str, str]:
    return {"name": ref.name, "uid": ref.uid} if ref.uid else {"name": ref.name}


def read_claims(payload: Mapping[str, Any]) -> Claims:
    """Return what a payload says, whose signature was checked. Raises Unauthorized: it says not enough."""
    ours = _mapping(payload.get(_OURS))
    account = _ref(ours.get("serviceaccount"))
    if account is None:
        raise _wrong()
    claims = Claims(
        _text(payload.get("iss")),
        _text(ours.get("namespace")),
        account,
        _audiences(payload.get("aud")),
        _number(payload.get("iat")),
        _number(payload.get("nbf")),
        _number(payload.get("exp")),
        _text(payload.get("jti", "-"), may_be_empty=True) if "jti" in payload else "",
        Bound(
            _ref(ours.get("pod")),
            _ref(ours.get("node"), needs_uid=ours.get("pod") is None),
            _ref(ours.get("secret")),
        ),
        _number(ours.get("warnafter", 0)),
    )
    if payload.get("sub") != claims.subject:
        raise _wrong()
    return claims


def _wrong() -> Unauthorized:
    return Unauthorized(
        "service account token claims could not be validated due to unexpected validation error"
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _wrong()
    return value


def _ref(value: Any, *, needs_uid: bool = True) -> Ref | None:
    if value is None:
        return None
    found = _mapping(value)
    return Ref(_text(found.get("name")), _text(found.get("uid", ""), may_be_empty=not needs_uid))


def _text(value: Any, *, may_be_empty: bool = False) -> str:
    if not isinstance(value, str) or not (value or may_be_empty):
        raise _wrong()
    return value


def _number(value: Any) -> int:
    # A bool is an int in Python, and a NaN a number.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -(2**53) < value < 2**53:
        raise _wrong()
    return int(value)


def _audiences(value: Any) -> tuple[str, ...]:
    """Read one audience or several: RFC 7519 allows a text alone."""
    texts: Sequence[Any] = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    if not texts:
        raise _wrong()
    return tuple(_text(text) for text in texts)
