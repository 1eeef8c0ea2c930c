from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from controller.resource_quota.reconcile import GIVE_UP_SECONDS, MAX_ENTRIES, Charges, bounded
from vaina.objects.quantity import Amount

ONE = 10**9


def pods(number: int) -> dict[str, Amount]:
    return {"pods": Amount(number * ONE, "DecimalSI")}


def test_a_charge_counts_until_its_object_comes() -> None:
    charges = Charges.begin("u", 1, pods(0), pods(0), 0.0)
    charges.on_quota(2, pods(3), 0.0)
    assert charges.outstanding(0.0) == {"pods": 3 * ONE}
    assert charges.on_object(3, pods(1), 0.0)
    assert charges.outstanding(0.0) == {"pods": 2 * ONE}


def test_an_object_that_comes_before_the_event_of_its_charge_crosses_it_out_all_the_same() -> None:
    charges = Charges.begin("u", 1, pods(0), pods(0), 0.0)
    assert not charges.on_object(3, pods(1), 0.0)
    charges.on_quota(2, pods(1), 0.0)
    assert charges.outstanding(0.0) == {}


def test_an_object_crosses_out_no_charge_that_came_after_it() -> None:
    charges = Charges.begin("u", 5, pods(0), pods(0), 0.0)
    charges.on_quota(9, pods(1), 0.0)
    assert not charges.on_object(4, pods(1), 0.0)
    assert charges.outstanding(0.0) == {"pods": ONE}


def test_several_charges_that_are_heard_of_at_once_are_crossed_out_one_by_one() -> None:
    charges = Charges.begin("u", 1, pods(0), pods(0), 0.0)
    # Charged at 2, stored at 3; charged at 4, stored at 5.
    assert not charges.on_object(3, pods(1), 0.0)
    charges.on_quota(4, pods(2), 0.0)
    assert charges.outstanding(0.0) == {"pods": ONE}
    assert charges.on_object(5, pods(1), 0.0)
    assert charges.outstanding(0.0) == {}


def test_a_charge_whose_object_never_comes_is_given_up_after_a_minute() -> None:
    charges = Charges.begin("u", 1, pods(0), pods(0), 0.0)
    charges.on_quota(2, pods(1), 10.0)
    assert charges.next_change(20.0) == GIVE_UP_SECONDS - 10
    assert charges.outstanding(10.0 + GIVE_UP_SECONDS - 1) == {"pods": ONE}
    assert charges.outstanding(10.0 + GIVE_UP_SECONDS) == {}
    assert charges.next_change(100.0) is None


def test_what_was_charged_beyond_what_is_there_when_the_controller_starts_may_be_on_its_way() -> None:
    charges = Charges.begin("u", 1, pods(5), pods(3), 0.0)
    assert charges.outstanding(0.0) == {"pods": 2 * ONE}


def test_what_the_controller_writes_itself_is_no_charge() -> None:
    charges = Charges.begin("u", 1, pods(0), pods(0), 0.0)
    charges.on_written(2, pods(4))
    charges.on_quota(2, pods(4), 0.0)
    assert charges.outstanding(0.0) == {}
    charges.on_quota(3, pods(5), 0.0)
    assert charges.outstanding(0.0) == {"pods": ONE}


def test_charges_without_end_are_kept_as_a_sum() -> None:
    charges = Charges.begin("u", 1, pods(0), pods(0), 0.0)
    for number in range(1, 2 * MAX_ENTRIES):
        charges.on_quota(number + 1, pods(number), float(number) / MAX_ENTRIES)
    assert charges.outstanding(2.0) == {"pods": (2 * MAX_ENTRIES - 1) * ONE}
    assert charges.entries == MAX_ENTRIES


def test_the_status_is_kept_between_what_is_there_and_what_may_come() -> None:
    for says, there, coming, want in ((5, 3, 0, 3), (5, 3, 1, 4), (4, 3, 2, 4), (2, 3, 0, 3), (3, 3, 0, 3)):
        assert bounded(pods(says), pods(there), {"pods": coming * ONE}, ["pods"]) == pods(want)
    assert bounded({}, pods(3), {}, ["pods"]) == pods(3)
    assert bounded(pods(3), {}, {}, []) == pods(3)


@dataclass
class World:
    """A quota, Pods, and what the controller knows of them: each kind by a watch of its own, in order, late."""

    hard: int = 6
    version: int = 1
    used: int = 0
    quota_version: int = 1
    coming: int = 0
    #: uid -> version of its creation
    there: dict[int, int] = field(default_factory=dict)
    quota_events: list[tuple[int, int]] = field(default_factory=list)
    pod_events: list[tuple[int, int, bool]] = field(default_factory=list)

    def next(self) -> int:
        self.version += 1
        return self.version


class Machine(RuleBasedStateMachine):
    """Apiservers charge, store and fail; Pods go; the controller hears of it late, and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.world, self.uids, self.now = World(), 0, 0.0
        self.seen: set[int] = set()
        self.cached = (1, 0)
        self.charges = Charges.begin("u", 1, pods(0), pods(0), 0.0)

    def write_quota(self, used: int) -> None:
        world = self.world
        world.used, world.quota_version = used, world.next()
        world.quota_events.append((world.quota_version, used))

    @rule(number=st.integers(1, 3))
    def charge(self, number: int) -> None:
        if self.world.used + number <= self.world.hard:
            self.write_quota(self.world.used + number)
            self.world.coming += number

    @precondition(lambda self: self.world.coming)
    @rule()
    def store(self) -> None:
        self.world.coming -= 1
        self.uids += 1
        version = self.world.there[self.uids] = self.world.next()
        self.world.pod_events.append((self.uids, version, True))

    @precondition(lambda self: self.world.coming)
    @rule()
    def fail(self) -> None:
        self.world.coming -= 1

    @precondition(lambda self: self.world.there)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        uid = data.draw(st.sampled_from(sorted(self.world.there)))
        del self.world.there[uid]
        self.world.pod_events.append((uid, self.world.next(), False))

    @precondition(lambda self: self.world.quota_events)
    @rule(together=st.integers(1, 3))
    def hear_of_the_quota(self, together: int = 1) -> None:
        # A watch may leave states out that others have followed already.
        for _ in range(min(together, len(self.world.quota_events))):
            self.cached = self.world.quota_events.pop(0)
        self.charges.on_quota(self.cached[0], pods(self.cached[1]), self.now)

    @precondition(lambda self: self.world.pod_events)
    @rule()
    def hear_of_a_pod(self) -> None:
        uid, version, came = self.world.pod_events.pop(0)
        if came:
            self.seen.add(uid)
            self.charges.on_object(version, pods(1), self.now)
        else:
            self.seen.discard(uid)

    @rule()
    def count(self) -> None:
        version, used = self.cached
        wanted = bounded(pods(used), pods(len(self.seen)), self.charges.outstanding(self.now), ["pods"])
        if wanted == pods(used) or version != self.world.quota_version:
            return  # nothing to write, or a conflict
        self.write_quota(wanted["pods"].value())
        self.charges.on_written(self.world.quota_version, wanted)

    @invariant()
    def never_more_than_allowed(self) -> None:
        world = self.world
        assert len(world.there) + world.coming <= world.used <= world.hard

    def teardown(self) -> None:
        """In the end, when all was heard and a minute is over, the status is what is there."""
        while self.world.coming:
            self.fail()
        for _ in range(2):
            while self.world.quota_events:
                self.hear_of_the_quota()
            while self.world.pod_events:
                self.hear_of_a_pod()
            self.now += GIVE_UP_SECONDS
            self.count()
        assert self.world.used == len(self.world.there)


TestCharges = Machine.TestCase
TestCharges.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
