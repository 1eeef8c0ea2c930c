"""Who goes first, what is said, and a Pod's own limits on its disk."""

from typing import Any

import pytest

from kubelet.eviction.ranking import (
    ContainerUse,
    PodUse,
    eviction_message,
    exceeded,
    is_critical,
    is_limited,
    pressure_message,
    rank,
)
from kubelet.eviction.signals import Amount, Observation, Signal, Threshold
from vaina.api.core.v1 import pod_pb2

MI = 1024**2


def pod(
    name: str,
    *,
    memory: str = "",
    priority: int = 0,
    storage: str = "",
    annotations: dict[str, str] | None = None,
) -> pod_pb2.Pod:
    made = pod_pb2.Pod()
    made.metadata.name = made.metadata.uid = name
    made.metadata.annotations.update(annotations or {})
    made.spec.priority = priority
    container = made.spec.containers.add(name="main")
    if memory:
        container.resources.requests["memory"].string = memory
    if storage:
        container.resources.limits["ephemeral-storage"].string = storage
    return made


def using(**megabytes: int) -> dict[str, PodUse]:
    return {
        name: PodUse(memory_bytes=amount * MI, disk_bytes=amount * MI) for name, amount in megabytes.items()
    }


def order(signal: Signal, pods: list[pod_pb2.Pod], uses: dict[str, PodUse]) -> list[str]:
    return [item.metadata.name for item in rank(signal, pods, uses)]


def test_pods_above_their_request_go_before_those_below_whatever_their_priority() -> None:
    pods = [pod("modest", memory="500Mi", priority=-5), pod("greedy", memory="100Mi", priority=1000)]

    assert order(Signal.MEMORY, pods, using(modest=400, greedy=101)) == ["greedy", "modest"]


def test_among_those_above_priority_counts_and_then_how_far_above() -> None:
    pods = [
        pod("dear", priority=10),
        pod("a-little", memory="300Mi"),
        pod("far", memory="100Mi"),
        pod("cheap", priority=-1),
    ]
    uses = using(dear=900, far=300, cheap=1, **{"a-little": 310})

    assert order(Signal.MEMORY, pods, uses) == ["cheap", "far", "a-little", "dear"]


def test_a_pod_that_nothing_is_known_of_goes_first_of_its_priority() -> None:
    pods = [pod("big"), pod("unknown"), pod("dear", priority=1)]

    assert order(Signal.MEMORY, pods, using(big=500, dear=900)) == ["unknown", "big", "dear"]


def test_process_ids_are_ranked_by_priority_and_number() -> None:
    pods = [pod("many", priority=1), pod("few"), pod("some")]
    uses = {"many": PodUse(processes=900), "few": PodUse(processes=1), "some": PodUse(processes=5)}

    assert order(Signal.PIDS, pods, uses) == ["some", "few", "many"]


@pytest.mark.parametrize(
    ("made", "critical"),
    [
        (pod("a"), False),
        (pod("a", priority=1_999_999_999), False),
        (pod("a", priority=2_000_000_000), True),
        (pod("a", annotations={"kubernetes.io/config.source": "file"}), True),
        (pod("a", annotations={"kubernetes.io/config.source": "api"}), False),
        (pod("a", annotations={"kubernetes.io/config.mirror": "x"}), True),
    ],
)
def test_which_pods_the_node_cannot_be_without(made: pod_pb2.Pod, critical: bool) -> None:
    assert is_critical(made) is critical


def test_the_message_says_what_was_short_and_who_used_too_much_of_it() -> None:
    use = PodUse(containers={"main": ContainerUse(memory_bytes=300 * MI)})
    threshold = Threshold(Signal.MEMORY, Amount(100 * MI))

    assert eviction_message(pod("a", memory="200Mi"), threshold, Observation(50 * MI, 1, 1.0), use) == (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "
        "Container main was using 300Mi, request is 200Mi, has larger consumption of memory. "
    )
    assert eviction_message(pod("a", memory="400Mi"), threshold, None, use) == (
        "The node was low on resource: memory. "
    )
    assert pressure_message({"MemoryPressure", "DiskPressure"}) == (
        "The node had condition: [DiskPressure MemoryPressure]. "
    )


def with_volume(limit: str) -> pod_pb2.Pod:
    made = pod("a")
    volume: Any = made.spec.volumes.add(name="scratch")
    volume.volume_source.empty_dir.size_limit.string = limit
    return made


def test_an_empty_dir_may_take_its_limit_and_not_more() -> None:
    assert exceeded(with_volume("10Mi"), PodUse(), {"scratch": 10 * MI}) is None
    assert exceeded(with_volume("10Mi"), PodUse(), {"scratch": 10 * MI + 1}) == (
        "emptydirfs.limit", 'Usage of EmptyDir volume "scratch" exceeds the limit "10Mi". ',
    )  # fmt: skip


def test_limits_of_the_pod_and_of_a_container_hold() -> None:
    made = pod("a", storage="10Mi")
    whole = exceeded(made, PodUse(disk_bytes=11 * MI), {})
    one = exceeded(made, PodUse(disk_bytes=9 * MI, containers={"main": ContainerUse(disk_bytes=11 * MI)}), {})

    assert whole is not None
    assert whole[1] == "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. "
    assert one is not None
    assert one[1] == 'Container main exceeded its local ephemeral storage limit "10Mi". '


def test_only_pods_with_limits_are_measured() -> None:
    assert is_limited(with_volume("1Gi"))
    assert is_limited(pod("a", storage="1Gi"))
    assert not is_limited(pod("a", memory="1Gi"))
