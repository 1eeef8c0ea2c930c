"""Plugins that answer what they may not answer: the attempt fails and names them; nothing is guessed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from scheduler.configuration.third_party import PluginError, factory_of
from scheduler.decide.cycle import schedule_pod
from scheduler.framework.binding_points import Handle
from scheduler.framework.checked import WrongAnswer
from scheduler.framework.interface import CycleState, PostFilterResult, PreFilterResult, Reach
from scheduler.framework.plugin import Filter, Score
from scheduler.framework.runtime import Framework, Profile, Weighted
from scheduler.framework.status import Scheduled
from scheduler.preemption.dry_run import DryRun
from tests.unit.scheduler.objects import info, node, pod, pod_class, table

#: as many as there are places in a table of three nodes
ROWS = 3


def decide(profile: Profile) -> Scheduled:
    on = table(node("n1"), node("n2"), node("n3"))
    found = schedule_pod(pod_class(pod()), on, Framework(profile), tie_break=lambda _: 0)
    assert isinstance(found, Scheduled)
    return found


def scoring(answer: Callable[[int], Any], how_far: Reach, *, scaled: bool = False) -> Profile:
    class Odd(Score):
        reach = how_far
        scales = scaled

        def score(self, state, pod, nodes, rows):
            return answer(len(nodes.valid[rows]))

        def scale(self, raw, low, high):
            return raw

    return Profile("odd", scores=(Weighted(Odd(), 1),))


@pytest.mark.parametrize("reach", [Reach.NONE, Reach.ROW, Reach.GLOBAL])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda n: np.full(n, 10**6), "returns an invalid score 1000000, it should in the range of [0, 100] after normalizing"),
        (lambda n: np.full(n, -1), "returns an invalid score -1, it should in the range of [0, 100] after normalizing"),
        (lambda n: np.full(1, 5), "answers score with the shape (1,), it should be ("),
        (lambda n: np.full((n, 1), 5), "answers score with the shape ("),
        (lambda n: np.full(n, 0.5), "answers score with float64, it should be int64"),
        (lambda n: [5] * n, "answers score with list, it should be a numpy array"),
    ],
)  # fmt: skip
def test_wrong_scores_name_their_plugin(
    answer: Callable[[int], Any], words: str, reach: Reach, *, scaled: bool
) -> None:
    with pytest.raises(WrongAnswer) as raised:
        decide(scoring(answer, reach, scaled=scaled))
    assert str(raised.value).startswith(f'plugin "Odd" {words}')


@pytest.mark.parametrize("reach", [Reach.NONE, Reach.ROW, Reach.GLOBAL])
def test_what_a_node_that_is_refused_scores_is_nobodys_business(reach: Reach) -> None:
    class Second(Filter):
        def filter(self, state, pod, nodes, rows):
            return np.array([name != "n2" for name in nodes.names])[rows]

    def answer(count: int) -> Any:
        return np.where(np.arange(count) == 1, 100, -7)

    made = scoring(answer, reach)
    assert decide(Profile("odd", filters=(Second(),), scores=made.scores)).node_name == "n2"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda n: np.zeros(1, np.int64), "answers filter with the shape (1,), it should be ("),
        (np.zeros, "answers filter with float64, it should be bool or whole numbers"),
        (lambda n: 0, "answers filter with int, it should be a numpy array"),
    ],
)
def test_wrong_codes_name_their_plugin(answer: Callable[[int], Any], words: str) -> None:
    class Odd(Filter):
        def filter(self, state, pod, nodes, rows):
            return answer(len(nodes.valid[rows]))

    with pytest.raises(WrongAnswer) as raised:
        decide(Profile("odd", filters=(Odd(),)))
    assert str(raised.value).startswith(f'plugin "Odd" {words}')


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "answers pre_filter with NoneType, it should be a PreFilterResult"),
        (True, "answers pre_filter with bool, it should be a PreFilterResult"),
        (PreFilterResult(skip="no"), "answers skip of pre_filter with str, it should be a bool"),
        (PreFilterResult(rejected=1), "answers rejected of pre_filter with int, it should be a text"),
        (PreFilterResult(names="n1"), "answers names of pre_filter with str, it should be a frozenset or None"),
        (PreFilterResult(names=frozenset({1})), "answers names of pre_filter with int, it should be texts"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("reads", [True, False])
def test_wrong_pre_filters_name_their_plugin(answer: Any, words: str, *, reads: bool) -> None:
    class Odd(Filter):
        reach = Reach.ROW
        reads_requests = reads

        def pre_filter(self, state, pod, nodes):
            return answer

        def filter(self, state, pod, nodes, rows):
            return None

    profile = Profile("odd", filters=(Odd(),))
    with pytest.raises(WrongAnswer) as raised:
        decide(profile)
    assert str(raised.value) == f'plugin "Odd" {words}'


@pytest.mark.parametrize("answer", [None, 1, "yes"])
def test_wrong_pre_scores_name_their_plugin(answer: Any) -> None:
    class Odd(Score):
        reach = Reach.ROW

        def pre_score(self, state, pod, nodes):
            return answer

        def score(self, state, pod, nodes, rows):
            return np.zeros(len(nodes.valid[rows]), np.int64)

    with pytest.raises(WrongAnswer) as raised:
        decide(Profile("odd", scores=(Weighted(Odd(), 1),)))
    kind = type(answer).__name__
    assert str(raised.value) == f'plugin "Odd" answers pre_score with {kind}, it should be a bool'


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (0, "answers room with int, it should be a sequence or None"),
        ([("cpu", 0)], "answers room with ('cpu', 0), it should be (resource, index, amount)"),
        ([("cpu", 99, 1)], "answers room with the index 99, there are "),
        ([("cpu", -1, 1)], "answers room with the index -1, there are "),
        ([("cpu", 0, 0.5)], "answers the amount of room with float, it should be a whole number"),
        ([("cpu", "0", 1)], "answers the index of room with str, it should be a whole number"),
    ],
)
def test_wrong_needs_of_room_name_their_plugin(answer: Any, words: str) -> None:
    class Odd(Filter):
        reach = Reach.ROW

        def filter(self, state, pod, nodes, rows):
            return None

        def room(self, state, pod, nodes):
            return answer

    on, asked = table(node("n1"), node("n2"), node("n3")), pod_class(pod(requests={"cpu": "2"}))
    with pytest.raises(WrongAnswer) as raised:
        DryRun(asked, on, on.snapshot(), CycleState(), [Odd()], residents=lambda _name: (), far=False)
    assert str(raised.value).startswith(f'plugin "Odd" {words}')


@pytest.mark.parametrize("answer", [0, ("zone",), "zone"])
def test_wrong_groups_name_their_plugin(answer: Any) -> None:
    class OddFilter(Filter):
        reach = Reach.DOMAIN

        def filter(self, state, pod, nodes, rows):
            return None

        def filter_groups(self, state):
            return answer

    class OddScore(Score):
        reach = Reach.DOMAIN
        scales = True

        def score(self, state, pod, nodes, rows):
            return np.zeros(len(nodes.valid[rows]), np.int64)

        def score_groups(self, state):
            return answer

    for profile, what in (
        (Profile("odd", filters=(OddFilter(),)), 'plugin "OddFilter" answers filter_groups'),
        (Profile("odd", scores=(Weighted(OddScore(), 1),)), 'plugin "OddScore" answers score_groups'),
    ):
        with pytest.raises(WrongAnswer) as raised:
            decide(profile)
        kind = type(answer).__name__
        assert str(raised.value) == f"{what} with {kind}, it should be Groups or None"


@pytest.mark.parametrize(
    ("changed", "ignored", "words"),
    [
        (None, None, "answers feasible_changed with NoneType, it should be a bool"),
        (True, np.zeros(ROWS), "answers ignored with float64, it should be bool"),
        (True, np.zeros(1, np.bool_), "answers ignored with the shape (1,), it should be (3,)"),
    ],
)
def test_wrong_words_about_feasible_rows_name_their_plugin(changed: Any, ignored: Any, words: str) -> None:
    class Odd(Score):
        reach = Reach.GLOBAL
        scales = True

        def score(self, state, pod, nodes, rows):
            return np.zeros(len(nodes.valid[rows]), np.int64)

        def feasible_changed(self, state, pod, nodes, feasible):
            return changed

        def ignored(self, state):
            return ignored

    with pytest.raises(WrongAnswer) as raised:
        decide(Profile("odd", scores=(Weighted(Odd(), 1),)))
    assert str(raised.value) == f'plugin "Odd" {words}'


CALLED = (
    "plugins are called at preEnqueue, queueSort, preFilter, filter, postFilter, preScore, score, reserve, permit, "
    "preBind, bind, postBind"
)


class Plain(Filter):
    def filter(self, state, pod, nodes, rows):
        return None


class Permits(Plain):
    points = ("filter", "permit")


class Misspelt(Plain):
    points = ("filters",)


class Reserves(Plain):
    def reserve(self) -> None: ...


class Lesser(Plain):
    def less(self) -> None: ...


class Promises(Plain):
    points = ("score",)


class Half:
    name = "Half"

    def score(self) -> None: ...


class Nothing:
    name = "Nothing"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Permits, 'plugin "Permits" declares the extension point "permit", and has no method for it'),
        (Misspelt, f'plugin "Misspelt" declares the extension point "filters": {CALLED}'),
        (Reserves, 'plugin "Reserves" has a method reserve, and not what else reserve needs: unreserve'),
        (Lesser, f'plugin "Lesser" has a method less, for queueSort (its method is sort_key): {CALLED}'),
        (Promises, 'plugin "Promises" declares the extension point "score", and has no method for it'),
        (Half, 'plugin "Half" has a method score, and not what else score needs: '
               "pre_score, reach, scale, scales, score_row"),
        (Nothing, f'plugin "Nothing" has no extension point: {CALLED}'),
    ],
)  # fmt: skip
def test_a_plugin_that_would_never_be_called_is_refused(kind: type, words: str) -> None:
    with pytest.raises(PluginError) as raised:
        factory_of(kind.__name__, kind).build(None, Handle())
    assert str(raised.value) == words


VICTIM = info(pod("victim", node="n1"))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "answers post_filter with NoneType, it should be a PostFilterResult"),
        (PostFilterResult(message=1), "answers message of post_filter with int, it should be a text"),
        (PostFilterResult(nominated=None), "answers nominated of post_filter with NoneType, it should be a text"),
        (PostFilterResult(nominated="n9"), 'answers nominated of post_filter with "n9", there is no such node'),
        (PostFilterResult(victims=[VICTIM]), "answers victims of post_filter with list, it should be a tuple"),
        (PostFilterResult(victims=("p",)), "answers victims of post_filter with str, it should be Pods"),
        (PostFilterResult(waits=1), "answers waits of post_filter with int, it should be a bool"),
    ],
)  # fmt: skip
def test_wrong_post_filters_name_their_plugin(answer: Any, words: str) -> None:
    class Odd:
        name = "Odd"

        def post_filter(self, state, pod, nodes, refusals):
            return answer

    class Never(Filter):
        def filter(self, state, pod, nodes, rows):
            return nodes.valid[rows]

    with pytest.raises(WrongAnswer) as raised:
        decide(Profile("odd", filters=(Never(),), post_filters=(Odd(),)))
    assert str(raised.value) == f'plugin "Odd" {words}'


@pytest.mark.parametrize("answer", [None, True, ["gate"]])
def test_a_wrong_gate_names_its_plugin(answer: Any) -> None:
    class Odd:
        name = "Odd"

        def pre_enqueue(self, pod):
            return answer

    with pytest.raises(WrongAnswer) as raised:
        Framework(Profile("odd", pre_enqueue=(Odd(),))).gate(pod_class(pod()))
    kind = type(answer).__name__
    assert str(raised.value) == f'plugin "Odd" answers pre_enqueue with {kind}, it should be a text'
