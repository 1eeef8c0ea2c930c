"""The binder in any order, with a stale view, ended between any two writes.

A volume never has two claims, and all comes to rest.
"""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.persistent_volume.reconcile import Step, find_match, next_for_claim, next_for_volume
from controller.volumes import BIND_COMPLETED, Claim, Volume, claim_key
from tests.unit.controller.persistent_volume.objects import Few, claim, volume

NAMES = ("a", "b", "c")


@dataclass
class Store:
    """An apiserver: objects with versions, and updates that must know the newest one."""

    objects: dict[tuple[type, str], Claim | Volume] = field(default_factory=dict)
    version: int = 0
    made: int = 0

    def put(self, key: str, obj: Claim | Volume) -> None:
        self.version += 1
        obj.metadata.resource_version = str(self.version)
        self.objects[type(obj), key] = obj

    def write(self, step: Step) -> bool:
        """Carry out a step; False: somebody was faster, or it is gone."""
        assert step.write is not None
        wanted = step.write
        key = claim_key(wanted) if isinstance(wanted, Claim) else wanted.metadata.name
        stored = self.objects.get((type(wanted), key))
        if stored is None or stored.metadata.resource_version != wanted.metadata.resource_version:
            return False
        new: Any = type(wanted)()
        new.CopyFrom(stored if step.is_status else wanted)
        new.status.CopyFrom(wanted.status if step.is_status else stored.status)
        self.put(key, new)
        return True

    def world(self) -> Few:
        found = self.objects.values()
        return Few(
            [item for item in found if isinstance(item, Claim)],
            [item for item in found if isinstance(item, Volume)],
        )

    def check(self) -> None:
        owners: dict[str, str] = {}
        for item in self.world().claims:
            if BIND_COMPLETED not in item.metadata.annotations or item.status.phase == "Lost":
                continue
            name = item.spec.volume_name
            assert name not in owners, f"{name} has two claims"
            owners[name] = item.metadata.uid
            found = self.world().volume(name)
            if found is not None:
                assert found.spec.claim_ref.uid == item.metadata.uid


def step_for(key: tuple[type, str], world: Few) -> Step | None:
    kind, name = key
    if kind is Claim:
        found = world.claim(name)
        return None if found is None else next_for_claim(found, world)
    looked_at = world.volume(name)
    return None if looked_at is None else next_for_volume(looked_at, world)


def come_to_rest(store: Store) -> None:
    for _ in range(200):
        wrote = False
        for key in [*store.objects]:
            step = step_for(key, store.world())
            if step is not None and step.write is not None:
                assert store.write(step), "nobody else writes"
                wrote = True
                store.check()
        if not wrote:
            return
    raise AssertionError("never comes to rest")


SIZES = st.sampled_from(["1Gi", "5Gi", "10Gi"])
ACTIONS = st.one_of(
    st.tuples(st.just("look"), st.integers(0, 20), st.booleans()),
    st.tuples(st.just("see"), st.just(0), st.just(False)),
    st.tuples(st.just("claim"), st.integers(0, 2), st.booleans()),
    st.tuples(st.just("volume"), st.integers(0, 2), st.booleans()),
    st.tuples(st.just("drop claim"), st.integers(0, 2), st.just(False)),
    st.tuples(st.just("free volume"), st.integers(0, 2), st.just(False)),
)


def administer(store: Store, action: str, name: str, size: str, *, flag: bool) -> None:
    """Do what people do."""
    key = f"default/{name}"
    match action:
        case "claim" if (Claim, key) not in store.objects:
            store.made += 1
            made = claim(name, size, names=name if flag else "")
            made.metadata.uid = f"uid-{store.made}"
            store.put(key, made)
        case "volume" if (Volume, name) not in store.objects:
            store.put(name, volume(name, size, phase="Pending", claim=name if flag else ""))
        case "drop claim":
            store.objects.pop((Claim, key), None)
        case "free volume":
            # What an administrator does with a volume whose data were kept.
            kept = store.objects.get((Volume, name))
            if isinstance(kept, Volume) and kept.status.phase == "Released":
                freed = Volume()
                freed.CopyFrom(kept)
                freed.spec.ClearField("claim_ref")
                store.put(name, freed)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(ACTIONS, SIZES), max_size=40))
def test_a_volume_never_has_two_claims(actions: list[tuple[tuple[str, int, bool], str]]) -> None:
    store = Store()
    stale = store.world()
    for (action, number, flag), size in actions:
        match action:
            case "look" if store.objects:
                # One write of one look, on a view that may be old: then the binder is ended, or looks at
                # something else.
                key = [*store.objects][number % len(store.objects)]
                step = step_for(key, stale if flag else store.world())
                if step is not None and step.write is not None:
                    store.write(step)
            case "see":
                stale = store.world()
            case _ if action != "look":
                administer(store, action, NAMES[number], size, flag=flag)
        store.check()
    come_to_rest(store)
    world = store.world()
    for item in world.claims:
        if item.status.phase == "Pending" and not item.spec.volume_name:
            assert find_match(item, world.volumes, waits=False) is None, "a volume is left that would do"
    for item in world.volumes:
        assert item.status.phase in ("Available", "Bound", "Released")
