"""Preemption in random clusters: the Pod fits afterwards, nobody more important goes, nobody goes in vain,
budgets hold where they can.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.scheduler.objects import pod
from tests.unit.scheduler.preemption.worlds import Cluster, There, nodes

NAMES = ("a", "b", "c", "d")
APPS = ("", "db", "web")

there = st.builds(
    lambda cpu, priority, start, app: (cpu, priority, start, app),
    st.integers(1, 4).map(lambda quarters: quarters * 500),
    st.integers(-2, 6),
    st.none() | st.integers(0, 5),
    st.sampled_from(APPS),
)
clusters = st.lists(st.lists(there, max_size=5), min_size=1, max_size=len(NAMES))
coming = st.tuples(st.integers(1, 4).map(lambda cores: cores * 1000), st.integers(0, 8))


def build(pods: list[list[tuple[int, int, int | None, str]]], allowed: dict[str, int]) -> Cluster:
    cluster = Cluster(*nodes(*NAMES[: len(pods)]))
    for name, items in zip(NAMES, pods, strict=False):
        for number, (cpu, priority, start, app) in enumerate(items):
            labels = {"app": app} if app else {}
            cluster.put(name, There(f"{name}{number}", cpu, priority, start, labels))
    for app, count in allowed.items():
        cluster.budget(count, name=app, app=app)
    return cluster


def broken(cluster: Cluster, victims: tuple[str, ...]) -> bool:
    infos = [cluster.cache.get(name) for name in victims]
    return any(cluster.context.budgets.violating([held.info for held in infos if held is not None]))


@settings(max_examples=80, deadline=None)
@given(clusters, coming, st.fixed_dictionaries({"db": st.integers(0, 2), "web": st.integers(0, 2)}))
def test_what_preemption_promises(
    pods: list[list[tuple[int, int, int | None, str]]], wants: tuple[int, int], allowed: dict[str, int]
) -> None:
    cluster = build(pods, allowed)
    new = pod("new", {"cpu": f"{wants[0]}m"}, priority=wants[1])
    found = cluster.decide(new)
    if not found.victims:
        if not found.node:
            # Not even without all who are less important would a node do.
            for name, items in zip(NAMES, pods, strict=False):
                cluster.remove(
                    *(f"{name}{number}" for number, item in enumerate(items) if item[1] < wants[1])
                )
            assert not cluster.decide(new).node
        return
    held = {name: cluster.cache.get(name) for name in found.victims}
    for victim in held.values():
        assert victim is not None
        assert victim.node_name == found.node
        assert victim.info.pod_class.priority < wants[1]
    breaks = broken(cluster, found.victims)
    # Nobody could have stayed: with any one of them back it does not fit.
    for spared in found.victims:
        without = build(pods, allowed)
        without.remove(*(name for name in found.victims if name != spared))
        assert without.decide(new).node != found.node or without.decide(new).victims
    after = build(pods, allowed)
    after.remove(*found.victims)
    fits = after.decide(new)
    assert fits.node
    assert not fits.victims
    if breaks:
        # Then every node that would do by evictions breaks one: seen by asking each of them alone.
        for name, items in zip(NAMES, pods, strict=False):
            alone = build([items if other == name else [] for other in NAMES[: len(pods)]], allowed)
            for other in NAMES[: len(pods)]:
                if other != name:
                    alone.cache.remove_node(other)
            only = alone.decide(new)
            assert not only.victims or broken(alone, only.victims)


@settings(max_examples=40, deadline=None)
@given(clusters, coming, st.fixed_dictionaries({"db": st.integers(0, 2)}))
def test_sums_say_what_the_filters_say(
    pods: list[list[tuple[int, int, int | None, str]]], wants: tuple[int, int], allowed: dict[str, int]
) -> None:
    """A Pod with a port is tried on the table, since a port is more than room; nobody uses this one."""
    plain = pod("new", {"cpu": f"{wants[0]}m"}, priority=wants[1])
    with_port = pod("new", {"cpu": f"{wants[0]}m"}, priority=wants[1], ports=[(9999, "")])
    kept = pod("kept", {"cpu": "1"}, priority=4, uid="kept")
    by_sums, by_filters = build(pods, allowed), build(pods, allowed)
    for cluster in (by_sums, by_filters):
        cluster.cache.nominations.put(cluster.info(kept), "a")
    assert by_sums.decide(plain) == by_filters.decide(with_port)


@settings(max_examples=40, deadline=None)
@given(clusters, coming, st.lists(st.integers(0, 3), max_size=6))
def test_equal_pods_that_share_a_search_decide_as_one_that_searches_afresh(
    pods: list[list[tuple[int, int, int | None, str]]], wants: tuple[int, int], gone: list[int]
) -> None:
    shared = build(pods, {})
    happened = []
    for turn, place in enumerate([*gone, 0, 0]):
        new = pod("new", {"cpu": f"{wants[0]}m"}, priority=wants[1], uid=f"u{turn}")
        fresh = build(pods, {})
        for step in happened:
            step(fresh)
        found = shared.decide(new)
        assert found == fresh.decide(new)
        if found.victims:
            node, info = found.node, shared.info(new)

            def nominate(cluster: Cluster, info=info, node=node) -> None:  # type: ignore[no-untyped-def, misc]  # binds the turn
                cluster.cache.nominations.put(info, node)

            happened.append(nominate)
            nominate(shared)
        victim = f"{NAMES[place]}{turn % 3}"

        def leave(cluster: Cluster, victim=victim) -> None:  # type: ignore[no-untyped-def, misc]  # binds the turn
            cluster.remove(victim)

        happened.append(leave)
        leave(shared)
