"""Pods come out smallest first, among equals in the order of their coming, in whatever order they come and
go.
"""

from hypothesis import given
from hypothesis import strategies as st

from scheduler.queue.places import PodHeap, QueuedPod
from tests.unit.scheduler.objects import info, pod

UIDS = "abcdef"
PODS = {uid: QueuedPod(info(pod(uid, uid=uid)), 0.0, 0.0) for uid in UIDS}
#: of another class than all of those
OTHER = info(pod("other", {"cpu": "7"})).pod_class

STEP = st.one_of(
    st.tuples(st.just("push"), st.sampled_from(UIDS), st.integers(-1, 3)),
    st.tuples(st.just("discard"), st.sampled_from(UIDS), st.just(0)),
    st.tuples(st.sampled_from(["pop", "pop_like", "first", "unlike"]), st.just(""), st.just(0)),
)


@given(st.lists(STEP, max_size=150))
def test_the_heap_is_a_sorted_list(steps: list[tuple[str, str, int]]) -> None:
    heap: PodHeap[float] = PodHeap()
    #: uid -> (key, number of its push)
    waiting: dict[str, tuple[float, int]] = {}
    for number, (what, uid, key) in enumerate(steps):
        first = min(waiting, key=waiting.__getitem__, default=None)
        if what == "push":
            # Most come later than those before, as they do to a queue.
            heap.push(key + number / 10, PODS[uid])
            waiting[uid] = (key + number / 10, number)
        elif what == "discard":
            heap.discard(uid)
            waiting.pop(uid, None)
        elif what == "first":
            assert heap.first_key() == (None if first is None else waiting[first][0])
        elif what == "unlike":
            assert heap.pop(OTHER) is None
        else:
            found = heap.pop() if what == "pop" else heap.pop(PODS["a"].info.pod_class)
            assert (found and found.info.uid) == first
            waiting.pop(first or "", None)
        assert len(heap) == len(waiting)
        assert all((uid in heap) == (uid in waiting) for uid in UIDS)


def test_pods_that_have_gone_take_no_room() -> None:
    heap: PodHeap[float] = PodHeap()
    for number in range(1_000):
        heap.push(float(number), PODS["a"])
        heap.push(float(-number), PODS["b"])
    assert len(heap._entries) < 100
