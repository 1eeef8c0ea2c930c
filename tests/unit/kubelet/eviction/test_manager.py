"""What is done about pressure: clearing up before evicting, one Pod at a time, critical ones never."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kubelet.eviction.manager import Eviction, EvictionManager, EvictionSettings
from kubelet.eviction.ranking import PodUse
from kubelet.eviction.signals import Observation, Signal, parse_thresholds
from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_pod
from vaina.testing.clock import FakeClock

MI = 1024**2


@dataclass
class World:
    """A node that the test fills and empties."""

    clock: FakeClock = field(default_factory=FakeClock)
    left: dict[Signal, int] = field(default_factory=dict)
    pods: list[pod_pb2.Pod] = field(default_factory=list)
    uses: dict[str, PodUse] = field(default_factory=dict)
    volumes: dict[str, Mapping[str, int]] = field(default_factory=dict)
    #: what clearing up gives back
    rubbish: int = 0
    evicted: list[tuple[str, Eviction]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    changes: int = 0
    measured_on_disk: list[str] = field(default_factory=list)

    def manager(self, hard: str = "memory.available<100Mi,nodefs.available<100Mi") -> EvictionManager:
        settings = EvictionSettings(parse_thresholds(hard))
        return EvictionManager(
            settings, self.clock, observe=self.observe, pod_use=self.pod_use, pods=lambda: self.pods, evict=self.evict,
            clear_up=self.clear_up, tell=lambda reason, message: self.told.append(f"{reason}: {message}"),
            changed=self.change,
        )  # fmt: skip

    async def observe(self) -> Mapping[Signal, Observation]:
        now = self.clock.now()
        return {signal: Observation(amount, 1000 * MI, now) for signal, amount in self.left.items()}

    async def pod_use(self, pod: pod_pb2.Pod, *, disk: bool) -> tuple[PodUse, Mapping[str, int]]:
        if disk:
            self.measured_on_disk.append(pod.metadata.name)
        return self.uses.get(pod.metadata.uid, PodUse()), self.volumes.get(pod.metadata.uid, {})

    def evict(self, pod: pod_pb2.Pod, eviction: Eviction) -> bool:
        self.evicted.append((pod.metadata.name, eviction))
        return True

    async def clear_up(self) -> int:
        freed, self.rubbish = self.rubbish, 0
        for signal in self.left:
            self.left[signal] += freed
        return freed

    def change(self) -> None:
        self.changes += 1

    def add(self, name: str, megabytes: int, *, priority: int = 0) -> pod_pb2.Pod:
        pod = make_pod(name)
        pod.metadata.uid = name
        pod.spec.priority = priority
        self.pods.append(pod)
        self.uses[name] = PodUse(memory_bytes=megabytes * MI, disk_bytes=megabytes * MI)
        return pod

    @property
    def gone(self) -> list[str]:
        return [name for name, _ in self.evicted]


async def test_the_one_that_uses_most_goes_and_the_next_only_when_it_has_ended() -> None:
    world = World(left={Signal.MEMORY: 50 * MI})
    small, big = world.add("small", 10), world.add("big", 300)
    manager = world.manager()

    await manager.look()
    await world.clock.advance(10.0)
    await manager.look()

    assert world.gone == ["big"]
    [(_, eviction)] = world.evicted
    assert (eviction.grace_seconds, eviction.disruption) == (1.0, True)
    assert eviction.message == (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "
    )
    assert manager.conditions == {"MemoryPressure"}
    assert world.changes == 1
    assert eviction.signal == "memory.available"
    assert world.told == ["EvictionThresholdMet: Attempting to reclaim memory"]

    world.pods.remove(big)
    await world.clock.advance(10.0)
    await manager.look()
    assert world.gone == ["big", "small"]
    assert small.metadata.name == "small"


async def test_an_end_that_takes_too_long_holds_up_nobody_for_ever() -> None:
    world = World(left={Signal.MEMORY: 50 * MI})
    world.add("stuck", 300)
    world.add("next", 10)
    manager = world.manager()
    await manager.look()
    await world.clock.advance(30.0)
    await manager.look()
    assert world.gone == ["stuck", "stuck"]


async def test_what_nobody_needs_goes_before_any_pod() -> None:
    world = World(left={Signal.NODEFS: 50 * MI}, rubbish=60 * MI)
    world.add("web", 300)
    manager = world.manager()

    await manager.look()

    assert (world.gone, manager.conditions) == ([], {"DiskPressure"})
    # It was not enough the next time.
    world.left[Signal.NODEFS] = 10 * MI
    await world.clock.advance(10.0)
    await manager.look()
    assert world.gone == ["web"]


async def test_images_are_not_removed_for_memory() -> None:
    world = World(left={Signal.MEMORY: 50 * MI}, rubbish=60 * MI)
    world.add("web", 300)
    await world.manager().look()
    assert (world.gone, world.rubbish, world.measured_on_disk) == (["web"], 60 * MI, [])


async def test_critical_pods_stay_whatever_they_use() -> None:
    world = World(left={Signal.MEMORY: 50 * MI})
    world.add("critical", 900, priority=2_000_000_000)
    world.add("web", 1)
    await world.manager().look()
    assert world.gone == ["web"]


async def test_a_pod_above_its_own_limit_goes_though_the_node_has_plenty() -> None:
    world = World(left={Signal.MEMORY: 900 * MI})
    limited, _ = world.add("limited", 1), world.add("free", 1)
    volume = limited.spec.volumes.add(name="scratch")
    volume.volume_source.empty_dir.size_limit.string = "1Mi"
    manager = world.manager()
    await manager.look()
    assert world.gone == []

    world.volumes["limited"] = {"scratch": 2 * MI}
    await manager.look()

    [(name, eviction)] = world.evicted
    assert (name, eviction.disruption) == ("limited", False)
    assert eviction.signal == "emptydirfs.limit"
    # Nobody walks over the files of Pods without limits.
    assert set(world.measured_on_disk) == {"limited"}


async def test_ended_pods_are_no_candidates() -> None:
    world = World(left={Signal.MEMORY: 50 * MI})
    world.add("done", 900).status.phase = "Succeeded"
    await world.manager().look()
    assert world.gone == []
