"""Tells a kubelet for whom and for what the apiserver begins a session (decision 260).

A session is one call of KubeletService: Logs, Exec, Attach or PortForward. The apiserver puts it into the
call's metadata. It passes on no metadata of its own callers.
"""

from typing import Final

from vaina.api.kubelet.v1 import kubelet_service_pb2
from vaina.clock import micro_timestamp

SESSION_KEY: Final = "vaina-session-bin"
#: A session may begin this long after the authorization. Upstream gives the URL of a runtime's session the
#: same time (cacheTTL in `pkg/kubelet/cri/streaming/request_cache.go`).
SESSION_SECONDS: Final = 60.0


def session_metadata(
    *, user: str, method: str, uid: str, container: str, now: float
) -> tuple[tuple[str, bytes], ...]:
    """Return the metadata of a call that was authorized `now`. `method` is the last part of its path."""
    session = kubelet_service_pb2.Session(
        user=user, method=method, uid=uid, container=container, expires=micro_timestamp(now + SESSION_SECONDS)
    )
    return ((SESSION_KEY, session.SerializeToString()),)
