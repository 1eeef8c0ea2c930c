"""Bootstrap tokens as Secrets (`cluster-bootstrap/token` and `cluster-bootstrap/util/secrets`)."""

from typing import Final

from vaina.api.core.v1 import config_pb2
from vaina.clock import seconds_of
from vaina.objects.times import parse_time

NAMESPACE: Final = "kube-system"
SECRET_TYPE: Final = "bootstrap.kubernetes.io/token"  # noqa: S105 - a type


def token_seconds_left(secret: config_pb2.Secret, now: float) -> float | None:
    """Return how long a token's Secret still counts, 0 or less: no more; None: without an end. PURE."""
    text = secret.data.get("expiration", b"")
    if not text:
        return None
    try:
        return seconds_of(parse_time(text.decode())) - now
    except ValueError:  # TimeError, UnicodeDecodeError: what cannot be read has ended
        return 0.0
