"""What the apiserver tells a kubelet about each session: for whom it asks, and what for (decision 260).

A session is one call of KubeletService: Logs, Exec, Attach or PortForward. It travels in the call's metadata,
which the apiserver makes itself: what its own callers send as metadata goes no further.
"""

from typing import Final

from vaina.api.kubelet.v1 import kubelet_service_pb2
from vaina.clock import micro_timestamp

SESSION_KEY: Final = "vaina-session-bin"
#: How long after the authorization a session may begin. Upstream gives as long to the URL by which a session
#: of a runtime begins (cacheTTL in `pkg/kubelet/cri/streaming/request_cache.go`).
SESSION_SECONDS: Final = 60.0


def session_metadata(
    *, user: str, method: str, uid: str, container: str, now: float
) -> tuple[tuple[str, bytes], ...]:
    """Return the metadata of a call that was authorized `now`. `method` is the last part of its path."""
    session = kubelet_service_pb2.Session(
        user=user, method=method, uid=uid, container=container, expires=micro_timestamp(now + SESSION_SECONDS)
    )
    return ((SESSION_KEY, session.SerializeToString()),)
