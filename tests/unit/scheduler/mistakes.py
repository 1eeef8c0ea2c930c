"""The scheduler broken on purpose, each time in one place, as a plausible mistake would have it.

Volumes, budgets, preemption, features of nodes.

The judge must find each (`tests/property/test_scheduler_judge_mistakes.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scheduler.columns import pod_asks
from scheduler.framework.interface import UNRESOLVABLE
from scheduler.plugins import volume_places, volume_use
from scheduler.plugins.default_preemption import DefaultPreemption
from scheduler.plugins.node_filters import NodeDeclaredFeatures
from scheduler.plugins.volume_use import NodeVolumeLimits, VolumeRestrictions
from scheduler.preemption import search
from scheduler.preemption.dry_run import DryRun
from scheduler.volumes import matching, objects, scoring
from scheduler.volumes.catalogue import Catalogue
from vaina.api.core.v1 import pod_pb2

Patch = pytest.MonkeyPatch
Mistake = Callable[[Patch], None]
#: what is wrong -> how it is made so
MISTAKES: dict[str, Mistake] = {}

_EVERY_MODE = frozenset(["ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"])


def mistake(function: Mistake) -> Mistake:
    """Have a function listed."""
    MISTAKES[function.__name__] = function
    return function


def read_as(kind: str, name: str, **fields: Any) -> None:
    """List a mistake: objects of a kind are read with other fields."""

    def make(patch: Patch) -> None:
        compiler = getattr(objects, f"compile_{kind}")

        def misread(made: Any) -> Any:
            found = compiler(made)
            return replace(found, **{key: to(found) if callable(to) else to for key, to in fields.items()})

        patch.setattr(objects, f"compile_{kind}", misread)

    MISTAKES[name] = make


read_as("volume", "a_volume_is_everywhere", terms=None)
read_as("volume", "any_access_mode_will_do", access_modes=_EVERY_MODE)
read_as("volume", "a_released_volume_is_free", phase="Available")
read_as("volume", "a_volume_that_goes_is_given_away", deleting=False)
read_as("volume", "a_reserved_volume_is_anybodys", claim=None)
read_as("volume", "a_claim_of_the_same_name_is_the_same", claim=lambda it: it.claim and (it.claim[0], ""))
read_as("volume", "a_device_is_a_file_system", volume_mode="Filesystem")
read_as(
    "volume", "a_node_has_one_volume_however_many",
    attachable=lambda it: it.attachable and replace(it.attachable, handle=""),
)  # fmt: skip
read_as("claim", "the_size_does_not_matter", requested=0)
read_as("claim", "the_selector_does_not_matter", selector=None)
read_as("claim", "a_volume_is_made_anywhere_else", selected_node="")
read_as("claim", "a_claim_that_goes_will_do", deleting=False)
read_as("claim", "a_claim_that_lost_its_volume_will_do", lost=False)
read_as("claim", "a_claim_that_is_not_bound_yet_counts_as_bound", bound=lambda it: bool(it.volume_name))
read_as("class", "every_class_waits", waits=True)
read_as("class", "volumes_are_made_everywhere", topologies=())
read_as("class", "volumes_are_made_in_the_first_place_alone", topologies=lambda it: it.topologies[:1])


@mistake
def a_claim_of_another_pod_will_do(patch: Patch) -> None:
    before = pod_asks.claims_of
    patch.setattr(pod_asks, "claims_of", lambda spec, *_identity: before(spec, _identity[0]))


@mistake
def the_largest_volume_first(patch: Patch) -> None:
    before = matching._candidates
    patch.setattr(matching, "_candidates", lambda *args: [*reversed(before(*args))])


@mistake
def the_largest_claim_first(patch: Patch) -> None:
    before = matching.needs

    def other(*args: Any) -> Any:
        need = before(*args)
        need.waiting.sort(key=lambda claim: -claim.requested)
        return need

    patch.setattr(volume_places, "needs", other)


@mistake
def one_volume_for_two_claims(patch: Patch) -> None:
    before = matching._give

    def give(storage: Any, claim: Any, nodes: Any, found: Any) -> Any:
        alone = matching.Found(found.need, found.codes, [], [])
        fits = before(storage, claim, nodes, alone)
        [chosen] = alone.chosen
        found.chosen.append(np.where(chosen >= 0, chosen + len(found.volumes), chosen))
        found.volumes.extend(alone.volumes)
        return fits

    patch.setattr(matching, "_give", give)


@mistake
def promises_are_not_kept(patch: Patch) -> None:
    patch.setattr(Catalogue, "promise", lambda *_: None)


@mistake
def promises_are_for_ever(patch: Patch) -> None:
    patch.setattr(Catalogue, "forget", lambda *_: None)


@mistake
def a_promise_to_two_pods_ends_with_the_first(patch: Patch) -> None:
    patch.setattr(Catalogue, "_release", lambda *_: True)


@mistake
def a_pod_elsewhere_does_not_have_the_claim(patch: Patch) -> None:
    patch.setattr(
        VolumeRestrictions, "filter_row",
        lambda self, state, _pod, nodes, row: int(any(nodes.claims.on(row).get(key) for key in state.read(self.name, tuple))),
    )  # fmt: skip
    patch.setattr(
        VolumeRestrictions, "filter",
        lambda self, state, pod, nodes, rows: np.array(
            [self.filter_row(state, pod, nodes, row) for row in (range(nodes.size)[rows] if isinstance(rows, slice) else rows)]
        ),
    )  # fmt: skip


@mistake
def nobody_can_be_made_to_give_the_claim_back(patch: Patch) -> None:
    before = VolumeRestrictions.filter_row
    patch.setattr(
        VolumeRestrictions,
        "filter_row",
        lambda *args: before(*args) and before(*args) | UNRESOLVABLE,
    )


@mistake
def one_volume_more_than_the_limit(patch: Patch) -> None:
    before = objects.compile_limits
    patch.setattr(
        objects, "compile_limits", lambda made: {name: count + 1 for name, count in before(made).items()}
    )


@mistake
def volumes_that_are_to_be_made_do_not_count(patch: Patch) -> None:
    before = NodeVolumeLimits._of_claims

    def of_claims(self: Any, claims: Any) -> Any:
        found = before(self, claims)
        return {driver: {one for one in volumes if "/" not in one} for driver, volumes in found.items()}

    patch.setattr(NodeVolumeLimits, "_of_claims", of_claims)


@mistake
def what_is_attached_without_a_pod_does_not_count(patch: Patch) -> None:
    patch.setattr(Catalogue, "attached", lambda *_: set())


@mistake
def whoever_attaches_counts(patch: Patch) -> None:
    before = objects.compile_attachment

    def compiled(made: Any) -> Any:
        found = before(made)
        return found and replace(found, attacher="disk.example.com")

    patch.setattr(objects, "compile_attachment", compiled)


@mistake
def disks_in_the_tree_do_not_count(patch: Patch) -> None:
    before = objects.compile_volume
    patch.setattr(
        objects, "compile_volume",
        lambda made: replace(found, attachable=None) if not (found := before(made)).handle else found,
    )  # fmt: skip


@mistake
def disks_that_pods_name_do_not_count(patch: Patch) -> None:
    patch.setattr(volume_use, "read_key", lambda _: None)


@mistake
def every_node_has_given_up_what_is_in_the_tree(patch: Patch) -> None:
    patch.setattr(Catalogue, "has_migrated", lambda *_: True)


@mistake
def a_driver_need_not_be_there(patch: Patch) -> None:
    patch.setattr(Catalogue, "must_be_there", lambda *_: False)


@mistake
def every_driver_must_be_there(patch: Patch) -> None:
    patch.setattr(Catalogue, "must_be_there", lambda *_: True)
    patch.setattr(Catalogue, "has_exclusive", True)


@mistake
def a_driver_is_there_where_it_says_a_number(patch: Patch) -> None:
    patch.setattr(objects, "compile_drivers", lambda made: frozenset(objects.compile_limits(made)))


@mistake
def no_pods_going_helps_where_a_driver_is_not_there(patch: Patch) -> None:
    before = volume_use._bit
    patch.setattr(volume_use, "_bit", lambda number: before(number) | UNRESOLVABLE)


read_as("capacity", "what_is_left_does_not_score", amount=1 << 60)


@mistake
def fuller_is_better(patch: Patch) -> None:
    before = volume_places.capacity_scores
    patch.setattr(
        volume_places,
        "capacity_scores",
        lambda storage, found, nodes, line: before(storage, found, nodes, line[::-1]),
    )


@mistake
def what_would_be_made_does_not_score(patch: Patch) -> None:
    before = scoring._by_class
    patch.setattr(
        scoring, "_by_class", lambda storage, found, nodes: before(storage, replace(found, left={}), nodes)
    )


@mistake
def the_last_claim_of_a_class_alone_scores(patch: Patch) -> None:
    before = scoring._by_class

    def by_class(storage: Any, found: Any, nodes: Any) -> Any:
        last = {claim.class_name: index for index, claim in enumerate(found.need.waiting)}
        some = sorted(last.values())
        need = replace(found.need, waiting=[found.need.waiting[index] for index in some])
        return before(
            storage, replace(found, need=need, chosen=[found.chosen[index] for index in some]), nodes
        )

    patch.setattr(scoring, "_by_class", by_class)


@mistake
def the_first_class_alone_scores(patch: Patch) -> None:
    before = scoring._by_class
    patch.setattr(scoring, "_by_class", lambda *asked: dict([*before(*asked).items()][:1]))


@mistake
def what_a_driver_has_left_does_not_matter(patch: Patch) -> None:
    patch.setattr(Catalogue, "says_capacity", lambda *_: False)


@mistake
def every_driver_says_what_it_has_left(patch: Patch) -> None:
    patch.setattr(Catalogue, "says_capacity", lambda *_: True)


@mistake
def what_is_left_is_left_everywhere(patch: Patch) -> None:
    before = objects.compile_capacity
    patch.setattr(objects, "compile_capacity", lambda made: replace(before(made), topology=()))


@mistake
def the_largest_volume_does_not_matter(patch: Patch) -> None:
    before = objects.compile_capacity

    def compiled(made: Any) -> Any:
        other = type(made)()
        other.CopyFrom(made)
        other.ClearField("maximum_volume_size")
        return before(other)

    patch.setattr(objects, "compile_capacity", compiled)


@mistake
def zones_are_compared_as_one_text(patch: Patch) -> None:
    patch.setattr(
        volume_places,
        "_zones",
        lambda volume: [(key, (volume.labels[key],)) for key in volume_places.LABELS if key in volume.labels],
    )


@mistake
def regions_do_not_matter(patch: Patch) -> None:
    before = volume_places._zones
    patch.setattr(
        volume_places, "_zones", lambda volume: [item for item in before(volume) if "region" not in item[0]]
    )


@mistake
def budgets_do_not_matter(patch: Patch) -> None:
    patch.setattr(search.Budgets, "violating", lambda _self, pods: [False] * len(pods))


@mistake
def what_a_budget_allows_is_not_used_up(patch: Patch) -> None:
    def violating(self: search.Budgets, pods: Sequence[Any]) -> list[bool]:
        some = [*self._budgets.values()]
        return [
            any(one.covers(pod, pod.pod.metadata.labels) and one.allowed <= 0 for one in some) for pod in pods
        ]

    patch.setattr(search.Budgets, "violating", violating)


@mistake
def an_eviction_is_counted_twice(patch: Patch) -> None:
    before = search.compile_budget
    patch.setattr(search, "compile_budget", lambda made: replace(before(made), disrupted=frozenset()))


@mistake
def a_budget_is_for_all_namespaces(patch: Patch) -> None:
    before = search.Budget.covers
    patch.setattr(
        search.Budget,
        "covers",
        lambda self, pod, labels: before(replace(self, namespace=pod.namespace), pod, labels),
    )


@mistake
def an_empty_selector_is_for_everybody(patch: Patch) -> None:
    before, from_message = search.compile_budget, search.from_message
    patch.setattr(
        search,
        "compile_budget",
        lambda made: replace(before(made), selector=from_message(made.spec.selector)),
    )


@mistake
def broken_budgets_do_not_hurt(patch: Patch) -> None:
    before = search.order_of
    patch.setattr(search, "order_of", lambda left, _broken: before(left, 0))


@mistake
def the_youngest_stays(patch: Patch) -> None:
    patch.setattr(search, "importance", lambda pod: (-pod.pod_class.priority, -pod.started))


@mistake
def the_least_important_comes_back_first(patch: Patch) -> None:
    before = search.importance
    patch.setattr(search, "importance", lambda pod: tuple(-item for item in before(pod)))


@mistake
def the_number_of_victims_does_not_matter(patch: Patch) -> None:
    before = search.order_of

    def order(left: Any, broken: int) -> Any:
        found = before(left, broken)
        return (found[0], found[1], 0, 0, found[4])

    patch.setattr(search, "order_of", order)


@mistake
def nobody_waits_for_victims(patch: Patch) -> None:
    patch.setattr(DefaultPreemption, "_is_being_made", lambda *_: False)


@mistake
def room_is_kept_for_nobody(patch: Patch) -> None:
    patch.setattr(DryRun, "_coming", lambda *_: [])


@mistake
def room_is_kept_against_everybody(patch: Patch) -> None:
    patch.setattr(DryRun, "_coming", lambda self, row: [*self._table.nominated.get(row, ())])


@mistake
def victims_are_looked_for_with_old_budgets(patch: Patch) -> None:
    before = search.Search._forget

    def forget(self: Any, what_if: Any) -> None:
        self._version = self._budgets.version
        before(self, what_if)

    patch.setattr(search.Search, "_forget", forget)


@mistake
def features_do_not_matter(patch: Patch) -> None:
    patch.setattr(pod_asks, "features_of", lambda _spec: frozenset())


@mistake
def one_of_the_features_is_enough(patch: Patch) -> None:
    patch.setattr(
        NodeDeclaredFeatures, "filter",
        lambda _self, _state, pod, nodes, rows: np.array(
            [0 if node is not None and pod.features & node.features else UNRESOLVABLE | 1 for node in nodes.infos], np.int64
        )[rows],
    )  # fmt: skip


@mistake
def init_containers_need_no_features(patch: Patch) -> None:
    before = pod_asks.features_of

    def without(spec: Any) -> Any:
        fewer = pod_pb2.PodSpec()
        fewer.CopyFrom(spec)
        fewer.ClearField("init_containers")
        return before(fewer)

    patch.setattr(pod_asks, "features_of", without)


#: a story that is known to show each
SHOWN_BY: dict[str, int] = {
    "a_volume_is_everywhere": 37,
    "any_access_mode_will_do": 192,
    "a_released_volume_is_free": 195,
    "a_volume_that_goes_is_given_away": 195,
    "a_reserved_volume_is_anybodys": 22,
    "a_claim_of_the_same_name_is_the_same": 511,
    "a_device_is_a_file_system": 195,
    "a_node_has_one_volume_however_many": 87,
    "the_size_does_not_matter": 52,
    "the_selector_does_not_matter": 70,
    "a_volume_is_made_anywhere_else": 393,
    "a_claim_that_goes_will_do": 117,
    "a_claim_that_lost_its_volume_will_do": 48,
    "a_claim_that_is_not_bound_yet_counts_as_bound": 134,
    "every_class_waits": 4,
    "volumes_are_made_everywhere": 70,
    "volumes_are_made_in_the_first_place_alone": 140,
    "a_claim_of_another_pod_will_do": 22,
    "the_largest_volume_first": 22,
    "the_largest_claim_first": 22,
    "one_volume_for_two_claims": 22,
    "promises_are_not_kept": 70,
    "promises_are_for_ever": 69,
    "a_promise_to_two_pods_ends_with_the_first": 70,
    "a_pod_elsewhere_does_not_have_the_claim": 22,
    "nobody_can_be_made_to_give_the_claim_back": 22,
    "one_volume_more_than_the_limit": 22,
    "volumes_that_are_to_be_made_do_not_count": 41,
    "what_is_attached_without_a_pod_does_not_count": 41,
    "whoever_attaches_counts": 182,
    "disks_in_the_tree_do_not_count": 735,
    "disks_that_pods_name_do_not_count": 344,
    "every_node_has_given_up_what_is_in_the_tree": 54,
    "a_driver_need_not_be_there": 4,
    "every_driver_must_be_there": 15,
    "a_driver_is_there_where_it_says_a_number": 4,
    "no_pods_going_helps_where_a_driver_is_not_there": 125,
    "what_is_left_does_not_score": 52,
    "fuller_is_better": 52,
    "what_would_be_made_does_not_score": 52,
    "the_last_claim_of_a_class_alone_scores": 400,
    "the_first_class_alone_scores": 293,
    "what_a_driver_has_left_does_not_matter": 52,
    "every_driver_says_what_it_has_left": 37,
    "what_is_left_is_left_everywhere": 52,
    "the_largest_volume_does_not_matter": 668,
    "zones_are_compared_as_one_text": 175,
    "regions_do_not_matter": 37,
    "budgets_do_not_matter": 1,
    "what_a_budget_allows_is_not_used_up": 55,
    "an_eviction_is_counted_twice": 55,
    "a_budget_is_for_all_namespaces": 1,
    "an_empty_selector_is_for_everybody": 1,
    "broken_budgets_do_not_hurt": 1,
    "the_youngest_stays": 14,
    "the_least_important_comes_back_first": 14,
    "the_number_of_victims_does_not_matter": 39,
    "nobody_waits_for_victims": 79,
    "room_is_kept_for_nobody": 1,
    "room_is_kept_against_everybody": 49,
    "victims_are_looked_for_with_old_budgets": 410,
    "features_do_not_matter": 5,
    "one_of_the_features_is_enough": 60,
    "init_containers_need_no_features": 5,
}
