"""Maps etcd's refusals to errors.

Pure. The texts are those of etcd's `api/v3rpc/rpctypes/error.go`; codes alone do not distinguish refusals.
"""

import grpc

from vaina.errors import ApiError, InternalError, StorageFull, Timeout, TooLarge, TooManyRequests, Unavailable


class Compacted(Exception):
    """The revision was compacted; callers raise Expired instead, with the message of their request."""


class FutureRevision(Exception):
    """The revision does not exist yet."""


class LeaseMissing(Exception):
    """A put named a lease that has ended; the whole transaction was refused."""


class TooManyOperations(Exception):
    """A transaction has more operations than this etcd takes (its flag --max-txn-ops); nothing was written."""


class LeaseExists(Exception):
    """The id of a new lease is taken."""


#: after these refusals it is certain that nothing was written, and another try does not help
Refused = (StorageFull, TooLarge, TooManyRequests, InternalError, LeaseMissing)

#: (part of etcd's text, error)
_TEXTS: tuple[tuple[str, type[Exception]], ...] = (
    ("required revision has been compacted", Compacted),
    ("required revision is a future revision", FutureRevision),
    ("requested lease not found", LeaseMissing),
    ("lease already exists", LeaseExists),
    ("too many operations in txn request", TooManyOperations),
    ("database space exceeded", StorageFull),
    ("request is too large", TooLarge),
    ("message larger than max", TooLarge),
    ("too many requests", TooManyRequests),
)

_WORDS: dict[type[ApiError], str] = {
    StorageFull: "etcdserver: mvcc: database space exceeded",
    TooLarge: "etcdserver: request is too large",
    TooManyRequests: "etcdserver: too many requests",
}


def meaning(code: grpc.StatusCode, details: str) -> Exception:
    """Return the error that a failed call means. After any but `Refused` the outcome of a write is unknown."""
    for text, cls in _TEXTS:
        if text in details:
            if issubclass(cls, ApiError):
                return cls(_WORDS[cls], retry_seconds=1.0 if cls is TooManyRequests else 0.0)
            return cls(details)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Timeout("etcd did not answer in time")
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return InternalError(f"etcd refused the request: {details}")
    return Unavailable("etcd is not available", retry_seconds=1)
