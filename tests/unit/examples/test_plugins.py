"""The plugins of examples/plugins, made by a configuration as if they were installed, and scheduled with."""

import math
from pathlib import Path
from typing import Any

import pytest

from scheduler.configuration.load import ConfigurationError, read_configuration
from scheduler.configuration.profiles import make_profiles
from scheduler.configuration.third_party import PluginError, find_plugins
from scheduler.framework.binding_points import Handle, InQueue
from scheduler.framework.runtime import Profile
from scheduler.queue.scheduling_queue import SchedulingQueue
from tests.unit.scheduler.objects import info, node, pod
from tests.unit.scheduler.test_scheduler import running
from vaina.api.core.v1 import pod_pb2

PLUGINS = Path(__file__).parents[3] / "examples" / "plugins"
HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
INSTALLED = find_plugins(str(PLUGINS))


def profile(plugins: str, handle: Handle | None = None) -> Profile:
    text = f"{HEAD}profiles: [{{plugins: {plugins}}}]"
    [made] = make_profiles(read_configuration(text).profiles, third_party=INSTALLED, handle=handle)
    return made


@pytest.mark.parametrize("path", sorted(PLUGINS.glob("*.py")), ids=lambda path: path.name)
def test_each_has_less_than_eighty_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 80


def member(name: str, *, cpu: str = "1", group: str = "ring", count: str = "3") -> pod_pb2.Pod:
    made = pod(name, {"cpu": cpu})
    made.spec.scheduling_group.pod_group_name = group
    if count:
        made.metadata.annotations["example.com/min-count"] = count
    return made


async def test_a_gang_is_bound_together_when_it_is_complete() -> None:
    handle = Handle()
    made = profile("{multiPoint: {enabled: [{name: Gang}]}}", handle)
    async with running(node("n1"), profiles=[made], handle=handle) as world:
        await world.create(member("a"), member("b"), pod("alone"))
        await world.advance(1)
        assert [await world.node_of(name) for name in ("a", "b", "alone")] == ["", "", "n1"]
        await world.create(member("c"))
        await world.advance(1)
        assert [await world.node_of(name) for name in "abc"] == ["n1"] * 3
        # Another of a gang that is there need not wait.
        await world.create(member("d"))
        await world.advance(1)
        assert await world.node_of("d") == "n1"


async def test_a_gang_without_room_for_all_holds_its_places_no_longer_than_it_may() -> None:
    handle = Handle()
    made = profile("{multiPoint: {enabled: [{name: Gang}]}}", handle)
    async with running(node("n1", cpu="2"), profiles=[made], handle=handle) as world:
        await world.create(*(member(name) for name in "abc"))
        await world.advance(10)
        assert world.requested_cpu("n1") == 2000
        await world.advance(295)
        assert [await world.node_of(name) for name in "abc"] == [""] * 3
        assert any("rejected due to timeout" in message for _, _, message in await world.events())
        await world.add_node(node("n2"))
        await world.advance(15)
        assert all([await world.node_of(name) for name in "abc"])


async def test_a_member_without_a_count_is_told_what_it_lacks() -> None:
    handle = Handle()
    made = profile("{multiPoint: {enabled: [{name: Gang}]}}", handle)
    async with running(node("n1"), profiles=[made], handle=handle) as world:
        await world.create(member("a", count=""))
        assert "has no annotation example.com/min-count" in (await world.events())[0][2]


def test_the_earliest_deadline_goes_first() -> None:
    made = profile("{queueSort: {enabled: [{name: DeadlineSort}], disabled: [{name: PrioritySort}]}}")
    queue = SchedulingQueue(hints={}, sort=made.queue_sort)
    given = {"bad": "soon", "late": "2026-12-02T00:00:00Z", "none": "", "early": "2026-12-01T00:00:00Z"}
    for now, (name, deadline) in enumerate(given.items()):
        one = pod(name, priority=1000 if name == "none" else 0, uid=name)
        one.metadata.annotations["example.com/deadline"] = deadline
        queue.add(info(one), now=float(now))
    popped = [queue.pop(now=9.0) for _ in given]
    assert [found.info.name for found in popped if found] == ["early", "late", "none", "bad"]


def test_a_pod_about_which_the_queue_sort_fails_goes_last() -> None:
    class Odd:
        name = "Odd"

        def sort_key(self, pod: InQueue) -> Any:
            return {"text": ("a",), "nan": (math.nan,), "good": (5,)}[pod.info.name]

    queue = SchedulingQueue(hints={}, sort=Odd())
    for now, name in enumerate(("text", "missing", "nan", "good")):
        queue.add(info(pod(name, uid=name)), now=float(now))
    popped = [queue.pop(now=9.0) for _ in range(4)]
    assert [found.info.name for found in popped if found] == ["good", "text", "missing", "nan"]


def test_there_is_one_queue_sort() -> None:
    with pytest.raises(ConfigurationError) as raised:
        profile("{queueSort: {enabled: [{name: DeadlineSort}]}}")
    assert "only one queue sort plugin required" in str(raised.value)
    sorts = "plugins: {multiPoint: {enabled: [{name: DeadlineSort}], disabled: [{name: PrioritySort}]}}"
    text = f"{HEAD}profiles: [{{schedulerName: a}}, {{schedulerName: b, {sorts}}}]"
    profiles = read_configuration(text).profiles
    with pytest.raises(ConfigurationError) as raised:
        make_profiles(profiles, third_party=INSTALLED)
    assert "must be the same for all profiles" in str(raised.value)


async def test_the_cheapest_node_is_filled_first() -> None:
    made = profile("{multiPoint: {enabled: [{name: CostPacking, weight: 100}]}}")
    nodes = [
        node(name, cpu="2", labels={"example.com/price": price} if price else {})
        for name, price in (("dear", "2.5"), ("unknown", ""), ("cheap", "0.5"), ("odd", "free"))
    ]
    async with running(*nodes, profiles=[made]) as world:
        for name in "abc":
            await world.create(pod(name, {"cpu": "1"}))
            await world.advance(1)
        assert [await world.node_of(name) for name in "ab"] == ["cheap", "cheap"]
        assert await world.node_of("c") != "cheap"


def test_the_folder_is_what_the_scheduler_of_make_up_can_be_given() -> None:
    text = (PLUGINS / "scheduler.yaml").read_text(encoding="utf-8")
    [made] = make_profiles(read_configuration(text).profiles, third_party=INSTALLED)
    assert made.queue_sort is not None
    assert made.queue_sort.name == "DeadlineSort"
    assert [plugin.name for plugin in made.binding.permit] == ["Gang"]


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="is no folder"):
        find_plugins(str(tmp_path / "none"))
    (tmp_path / "broken.py").write_text("class", encoding="utf-8")
    with pytest.raises(PluginError, match=r"broken\.py cannot be read"):
        find_plugins(str(tmp_path))
