"""Whether an update of a Pod asks for anything. PURE."""

from kubelet.decide.phase import TERMINAL
from vaina.api.core.v1 import pod_pb2


def is_same_wish(before: pod_pb2.Pod, after: pod_pb2.Pod, reported: pod_pb2.PodStatus | None) -> bool:
    """Say whether an update of a Pod changes nothing that its worker acts on.

    Only its version, and its status to what was reported.
    """
    if reported is None:
        return False
    if after.status.phase in TERMINAL and after.status.phase != reported.phase:
        # Somebody else has ended it.
        return False
    if after.spec.readiness_gates or after.spec.HasField("active_deadline_seconds"):
        return False
    old, new = before.metadata, after.metadata
    return (
        old.deletion_timestamp == new.deletion_timestamp
        and old.deletion_grace_period_seconds == new.deletion_grace_period_seconds
        and old.labels == new.labels
        and old.annotations == new.annotations
        and before.spec == after.spec
    )
