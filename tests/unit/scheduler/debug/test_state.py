"""Where a Pod is on its way to a node, in words."""

import pytest

from scheduler.cache.cache import HeldPod
from scheduler.debug.answers import Seen, manifest_state, state_of
from scheduler.queue.places import Place, QueuedPod
from tests.unit.scheduler.objects import info, pod
from vaina.api.core.v1 import pod_pb2
from vaina.testing.clock import EPOCH

OURS = frozenset({"default-scheduler"})
KEY = "default/web"


def queued(
    place: Place, *, attempts: int = 2, rejected_by: frozenset[str] = frozenset(), gated_by: str = ""
) -> QueuedPod:
    return QueuedPod(
        info(pod("web")), added=0.0, since=0.0, place=place, attempts=attempts, rejected_by=rejected_by,
        gated_by=gated_by, failed_at=5.0,
    )  # fmt: skip


GATED = pod("web", gates=["a", "b"])


@pytest.mark.parametrize(
    ("seen", "state", "words"),
    [
        (Seen(pod("web", node="n1"), None, None), "Bound", f"{KEY} is on node n1"),
        (Seen(pod("web", node="n1", scheduler="other"), None, None), "Bound", f"{KEY} is on node n1, by scheduler other"),
        (Seen(pod("web", node="n1", phase="Succeeded"), None, None), "Terminated", f"{KEY} has ended on node n1: its phase is Succeeded"),
        (Seen(pod("web", phase="Failed"), None, None), "Terminated", f"{KEY} has ended: its phase is Failed"),
        (Seen(pod("web"), HeldPod(info(pod("web")), "n1", assumed=True), None), "Assumed", f"{KEY} goes to node n1: the binding is on its way"),
        (Seen(pod("web", deleted=EPOCH), None, None), "Deleting", f"{KEY} has no node and is being deleted: nothing will be decided for it"),
        (Seen(pod("web", scheduler="other"), None, None), "OtherScheduler", f"{KEY} waits for scheduler other; this is default-scheduler"),
        (Seen(pod("web"), None, None, unreadable="quantities must match"), "Unreadable", f"{KEY} cannot be read: quantities must match"),
        (Seen(pod("web"), None, None), "Unqueued", f"{KEY} has no node and is not in the queue yet"),
        (Seen(GATED, None, queued(Place.GATED)), "Gated", f"{KEY} is not scheduled: waiting for scheduling gates: [a b]"),
        (Seen(pod("web"), None, queued(Place.GATED, gated_by="Quota")), "Gated", f"{KEY} is not scheduled: plugin Quota keeps it out of the queue"),
        (Seen(pod("web"), None, queued(Place.ACTIVE, attempts=0)), "Active", f"{KEY} is in the queue and will be tried next (0 attempts so far)"),
        (Seen(pod("web"), None, queued(Place.ACTIVE, attempts=0), following=True), "Active", f"{KEY} has no node; the leader decides for it, and how far it is only the leader knows"),
        (Seen(pod("web"), None, queued(Place.IN_FLIGHT)), "InFlight", f"{KEY} is being decided now (attempt 2)"),
        (Seen(pod("web"), None, queued(Place.BACKOFF), backoff_until=7.0, wall=EPOCH), "Backoff", f"{KEY} is in back-off until 2026-01-01T00:00:07Z after 2 attempts"),
        (
            Seen(pod("web"), None, queued(Place.UNSCHEDULABLE, attempts=1, rejected_by=frozenset({"B", "A"})), wall=EPOCH), "Unschedulable",
            f"{KEY} fits nowhere (1 attempt): it waits for a change that could help A, B, and is tried again at 2026-01-01T00:05:05Z at the latest",
        ),
        (
            Seen(pod("web"), None, queued(Place.UNSCHEDULABLE), wall=EPOCH), "Unschedulable",
            f"{KEY} fits nowhere (2 attempts): it waits for a change that could help any plugin, and is tried again at 2026-01-01T00:05:05Z at the latest",
        ),
        (
            Seen(pod("web"), None, queued(Place.ACTIVE, attempts=1), nominated="n7"), "Active",
            f"{KEY} is in the queue and will be tried next (1 attempt so far); room is being made for it on node n7",
        ),
    ],
)  # fmt: skip
def test_where_a_pod_is(seen: Seen, state: str, words: str) -> None:
    assert state_of(seen, OURS) == (state, words)


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (pod("web"), f"{KEY} was not created: this is what would be decided now"),
        (pod("web", scheduler="other"), f"{KEY} was not created: this is what would be decided now by default-scheduler, though it asks for scheduler other"),
        (GATED, f"{KEY} was not created: this is what would be decided now, once its scheduling gates are gone: [a b]"),
        (pod_pb2.Pod(metadata={"namespace": "x"}), "x/(no name) was not created: this is what would be decided now"),
    ],
)  # fmt: skip
def test_what_a_manifest_is_told(manifest: pod_pb2.Pod, words: str) -> None:
    assert manifest_state(manifest, OURS) == ("Manifest", words)
