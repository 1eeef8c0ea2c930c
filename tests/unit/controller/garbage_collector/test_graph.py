"""The collector's graph: circles, several owners, owners that never were.

By tables, and in any order of events.
"""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from controller.garbage_collector.reconcile import FOREGROUND, ORPHAN, AbsentOwners, Node, OwnerState
from tests.unit.controller.garbage_collector.world import KINDS, World, reference
from vaina.errors import NotFound
from vaina.kinds import CONFIG_MAP, POD, Kind
from vaina.objects.meta import metadata


def test_what_an_owner_owned_goes_when_it_has_gone() -> None:
    world = World()
    owner = world.create(CONFIG_MAP, "owner")
    child = world.create(POD, "child", reference(CONFIG_MAP, "owner", owner))
    world.create(POD, "grandchild", reference(POD, "child", child))
    world.create(POD, "stranger")
    world.drain()
    assert world.names() == {"owner", "child", "grandchild", "stranger"}
    world.delete(CONFIG_MAP, "owner", "Background")
    assert "owner" not in world.names()
    world.drain()
    assert world.names() == {"stranger"}


def test_owners_that_never_were_or_have_another_uid_are_as_gone_ones() -> None:
    world = World()
    world.create(CONFIG_MAP, "other")
    world.create(POD, "never", reference(CONFIG_MAP, "never", "u"))
    world.create(POD, "wrong", reference(CONFIG_MAP, "other", "u"))
    world.drain()
    assert world.names() == {"other"}


def test_an_owner_that_the_cache_does_not_have_yet_is_looked_for() -> None:
    world = World()
    owner = world.create(CONFIG_MAP, "owner")
    world.create(POD, "child", reference(CONFIG_MAP, "owner", owner))
    world.hear(POD)
    for node in [*world.queue]:
        world.work(node)
    world.drain()
    assert world.names() == {"owner", "child"}


def test_of_several_owners_only_the_gone_ones_are_dropped() -> None:
    world = World()
    first, second = world.create(CONFIG_MAP, "first"), world.create(CONFIG_MAP, "second")
    world.create(POD, "child", reference(CONFIG_MAP, "first", first), reference(CONFIG_MAP, "second", second))
    world.delete(CONFIG_MAP, "first")
    world.drain()
    (child,) = (obj for node, obj in world.objects.items() if node.kind is POD)
    assert [found.name for found in metadata(child).owner_references] == ["second"]
    world.delete(CONFIG_MAP, "second")
    world.drain()
    assert world.names() == set()


def test_in_the_foreground_an_owner_waits_for_what_blocks_and_what_stays_by_another_lets_it_go() -> None:
    world = World()
    owner, other = world.create(CONFIG_MAP, "owner"), world.create(CONFIG_MAP, "other")
    world.create(POD, "child", reference(CONFIG_MAP, "owner", owner))
    world.create(POD, "shared", reference(CONFIG_MAP, "owner", owner), reference(CONFIG_MAP, "other", other))
    world.drain()
    world.delete(CONFIG_MAP, "owner", "Foreground")
    assert "owner" in world.names()
    world.drain()
    assert world.names() == {"other", "shared"}


def test_an_owner_that_is_orphaned_leaves_what_it_owned() -> None:
    world = World()
    owner = world.create(CONFIG_MAP, "owner")
    world.create(POD, "child", reference(CONFIG_MAP, "owner", owner))
    world.delete(CONFIG_MAP, "owner", "Orphan")
    world.drain()
    assert world.names() == {"child"}


def test_who_asks_to_orphan_after_all_is_heard_in_time() -> None:
    world = World()
    owner = world.create(CONFIG_MAP, "owner")
    metadata(world.objects[Node(CONFIG_MAP, "default/owner")]).finalizers.append("example.com/hold")
    world.delete(CONFIG_MAP, "owner", "Foreground")
    world.hear(CONFIG_MAP)
    world.hear(CONFIG_MAP)
    # The caches know of the first wish only when the child is looked at.
    world.delete(CONFIG_MAP, "owner", "Orphan")
    world.create(POD, "child", reference(CONFIG_MAP, "owner", owner))
    world.hear(POD)
    for node in [*world.queue]:
        if node.kind is POD:
            world.work(node)
    assert "child" in world.names()
    world.drain()
    assert world.names() == {"owner", "child"}


def _circle(world: World, length: int) -> list[str]:
    """Make objects each of which owns the next, the last one the first.

    Uids are known only when they are made.
    """
    names = [f"c{number}" for number in range(length)]
    # Uids are given by the world in the order of creation, one a version.
    uids = [f"{name}-{number}" for number, name in enumerate(names)]
    for number, name in enumerate(names):
        before = number - 1
        assert world.create(POD, name, reference(POD, names[before], uids[before])) == uids[number]
    world.drain()
    return names


def test_a_circle_stays_until_one_of_it_is_deleted_and_then_goes_whatever_the_policy() -> None:
    for policy in ("Background", "Foreground"):
        for length in (1, 2, 3, 5):
            world = World()
            names = _circle(world, length)
            assert world.names() == set(names)
            world.delete(POD, "c0", policy)
            world.drain()
            assert world.names() == set(), (policy, length)


def test_a_circle_of_which_several_wait_at_once_goes_too() -> None:
    world = World()
    for name in _circle(world, 3):
        world.delete(POD, name, "Foreground")
    world.drain()
    assert world.names() == set()


def test_a_circle_waits_for_what_one_of_it_owns_besides() -> None:
    world = World()
    _circle(world, 2)
    pod = next(obj for obj in world.objects.values() if metadata(obj).name == "c1")
    world.create(CONFIG_MAP, "held", reference(POD, "c1", metadata(pod).uid))
    held = next(obj for obj in world.objects.values() if metadata(obj).name == "held")
    metadata(held).finalizers.append("example.com/hold")
    world.drain()
    for name in ("c0", "c1"):
        world.delete(POD, name, "Foreground")
    world.drain()
    assert world.names() == {"c0", "c1", "held"}
    (node,) = (node for node in world.objects if node.kind is CONFIG_MAP)
    metadata(world.objects[node]).finalizers.remove("example.com/hold")
    world.delete(CONFIG_MAP, "held")
    world.drain()
    assert world.names() == set()


def test_an_owner_goes_on_when_what_blocked_it_is_given_to_another() -> None:
    world = World()
    owner, other = world.create(CONFIG_MAP, "owner"), world.create(CONFIG_MAP, "other")
    world.create(POD, "child", reference(CONFIG_MAP, "owner", owner), reference(CONFIG_MAP, "other", other))
    world.delete(CONFIG_MAP, "owner", "Foreground")
    world.drain()
    assert world.names() == {"other", "child"}


def test_absent_owners_are_remembered_by_all_that_a_reference_says_and_not_for_ever() -> None:
    absent = AbsentOwners(capacity=2)
    first = reference(POD, "a", "u")
    assert absent.get(first, "x") is None
    absent.add(first, "x", elsewhere=True)
    absent.add(reference(POD, "b", "v"), "x", elsewhere=False)
    assert absent.get(first, "x") is True
    assert absent.get(first, "y") is None
    assert absent.get(reference(POD, "a", "w"), "x") is None
    absent.add(reference(POD, "c", "w"), "x", elsewhere=False)
    assert absent.get(reference(POD, "b", "v"), "x") is None
    assert absent.get(first, "x") is True


NAMES = st.sampled_from(["a", "b", "c", "d"])


class Machine(RuleBasedStateMachine):
    """Objects come with any owners, are deleted in any way; events and work come in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        #: every uid there ever was, and one that never was
        self.owners: list[tuple[Kind[Any], str, str]] = [(POD, "a", "never")]
        self.judged = 0

    @rule(kind=st.sampled_from(KINDS), name=NAMES, data=st.data())
    def create(self, kind: Kind[Any], name: str, data: st.DataObject) -> None:
        if any(node.kind is kind and node.key == f"default/{name}" for node in self.world.objects):
            return
        chosen = data.draw(st.lists(st.sampled_from(self.owners), max_size=2, unique=True))
        block = data.draw(st.booleans())
        made = self.world.create(kind, name, *(reference(*owner, block=block) for owner in chosen))
        self.owners.append((kind, name, made))

    @precondition(lambda self: len(self.owners) > 1)
    @rule(data=st.data())
    def own(self, data: st.DataObject) -> None:
        """Let somebody take an object over, as controllers do: circles come from this."""
        if not self.world.objects:
            return
        node = data.draw(st.sampled_from(sorted(self.world.objects, key=str)))
        copy = self.world.copy(node)
        owner = data.draw(st.sampled_from(self.owners[1:]))
        if owner[2] not in {found.uid for found in metadata(copy).owner_references}:
            metadata(copy).owner_references.append(reference(*owner))
            self.world.update(node, copy)

    @precondition(lambda self: self.world.objects)
    @rule(policy=st.sampled_from(["", "Background", "Foreground", "Orphan"]), data=st.data())
    def delete(self, policy: str, data: st.DataObject) -> None:
        node = data.draw(st.sampled_from(sorted(self.world.objects, key=str)))
        try:
            self.world.delete(node.kind, node.key.partition("/")[2], policy)
        except NotFound:
            raise AssertionError("it was there") from None

    @precondition(lambda self: any(cache.behind for cache in self.world.caches.values()))
    @rule(data=st.data())
    def hear(self, data: st.DataObject) -> None:
        behind = [cache.kind for cache in self.world.caches.values() if cache.behind]
        self.world.hear(data.draw(st.sampled_from(behind)))

    @precondition(lambda self: self.world.queue)
    @rule(data=st.data())
    def work(self, data: st.DataObject) -> None:
        self.world.work(data.draw(st.sampled_from(sorted(self.world.queue, key=str))))

    @invariant()
    def nothing_with_a_living_owner_is_deleted(self) -> None:
        for node, states in self.world.deleted[self.judged :]:
            assert states, node
            assert OwnerState.SOLID not in states, node
        self.judged = len(self.world.deleted)

    def teardown(self) -> None:
        """In the end nothing is left that has owners and no living one, and no deletion is left unfinished."""
        self.world.drain()
        self.nothing_with_a_living_owner_is_deleted()
        for node, obj in self.world.objects.items():
            meta = metadata(obj)
            assert not {ORPHAN, FOREGROUND} & set(meta.finalizers) or not meta.HasField(
                "deletion_timestamp"
            ), node
            states = [self.world.true_state(found, meta.namespace) for found in meta.owner_references]
            assert not states or OwnerState.SOLID in states, node


TestCollector = Machine.TestCase
TestCollector.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
