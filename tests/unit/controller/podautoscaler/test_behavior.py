"""How fast the number of replicas may change, and what recent recommendations say against it."""

from dataclasses import dataclass

import pytest

from apiserver.defaulting.workloads import default_autoscaler
from controller.podautoscaler.behavior import History, Samples, Wish, changed, normalise, start
from vaina.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2 as v2
from vaina.objects.manifest import decode_documents

NOW = 10_000.0
WINDOW = 300.0


def behavior(text: str) -> v2.HorizontalPodAutoscalerBehavior | None:
    """Read a behavior, with the defaults that the apiserver gives; none of an empty text."""
    if not text:
        return None
    [read] = decode_documents(
        f"{{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, spec: {{behavior: {text}}}}}"
    )
    found = read.message
    assert isinstance(found, v2.HorizontalPodAutoscaler)
    default_autoscaler(found)
    return found.spec.behavior


@dataclass(frozen=True)
class Case:
    name: str
    #: (there are, called for)
    change: tuple[int, int]
    want: int
    able: str = "ReadyForNewScale"
    limit: str = "DesiredWithinRange"
    behavior: str = ""
    bounds: tuple[int, int] = (1, 100)
    #: (seconds ago, number)
    before: Samples = ()
    ups: Samples = ()
    downs: Samples = ()


UP_POLICY = "{scaleUp: {policies: [{type: Pods, value: 3, periodSeconds: 60}]}}"
DOWN_POLICY = (
    "{scaleDown: {stabilizationWindowSeconds: 0, policies: [{type: Percent, value: 50, periodSeconds: 60}]}}"
)
BOTH = "policies: [{type: Pods, value: 2, periodSeconds: 60}, {type: Percent, value: 50, periodSeconds: 60}]"
CASES = (
    Case("as many", (5, 5), 5),
    Case("more", (5, 8), 8),
    Case("twice as many at most", (5, 50), 10, limit="ScaleUpLimit"),
    Case("four at least may be had", (1, 50), 4, limit="ScaleUpLimit"),
    Case("no more than the bound", (5, 9), 7, limit="TooManyReplicas", bounds=(1, 7)),
    Case("no fewer than the bound", (5, 1), 3, limit="TooFewReplicas", bounds=(3, 7)),
    Case("fewer at once when nothing was higher", (5, 2), 2),
    Case("what was higher lately holds", (5, 2), 5, "ScaleDownStabilized", before=((299, 5), (60, 3))),
    Case("what was higher long ago does not", (5, 2), 3, "ScaleDownStabilized", before=((301, 5), (60, 3))),
    Case("what was lower lately holds nothing back", (5, 8), 8, before=((10, 2),)),
    Case("a behavior without words: more", (5, 8), 8, behavior="{}"),
    Case("a behavior without words: twice as many", (5, 50), 10, limit="ScaleUpLimit", behavior="{}"),
    Case("a behavior without words: four more", (1, 50), 5, limit="ScaleUpLimit", behavior="{}"),
    Case("a behavior without words: fewer", (9, 1), 1, behavior="{}"),
    Case("a behavior without words: its window is the cluster's", (9, 1), 9, "ScaleDownStabilized",
         behavior="{}", before=((290, 9),)),
    Case("a window of nothing", (9, 1), 1, behavior="{scaleDown: {stabilizationWindowSeconds: 0}}", before=((1, 9),)),
    Case("a window of its own", (9, 1), 6, "ScaleDownStabilized",
         behavior="{scaleDown: {stabilizationWindowSeconds: 60}}", before=((61, 9), (59, 6))),
    Case("a window for more", (2, 9), 4, "ScaleUpStabilized",
         behavior="{scaleUp: {stabilizationWindowSeconds: 60}}", before=((61, 2), (59, 4), (30, 6))),
    Case("a window for more never means fewer", (4, 9), 4, "ScaleUpStabilized",
         behavior="{scaleUp: {stabilizationWindowSeconds: 60}, scaleDown: {stabilizationWindowSeconds: 0}}", before=((30, 2),)),
    Case("so many in a period", (5, 20), 8, limit="ScaleUpLimit", behavior=UP_POLICY),
    Case("less what came in the period", (5, 20), 6, limit="ScaleUpLimit", behavior=UP_POLICY, ups=((59, 2),)),
    Case("not what came before it", (5, 20), 8, limit="ScaleUpLimit", behavior=UP_POLICY, ups=((61, 2),)),
    Case("more came in the period than may", (5, 20), 5, limit="ScaleUpLimit", behavior=UP_POLICY, ups=((10, 9),)),
    Case("what went in the period may come back", (5, 20), 10, limit="ScaleUpLimit", behavior=UP_POLICY, downs=((10, 2),)),
    Case("the bound is nearer than the policy", (5, 20), 6, limit="TooManyReplicas", behavior=UP_POLICY, bounds=(1, 6)),
    Case("half of them in a period", (8, 1), 4, limit="ScaleDownLimit", behavior=DOWN_POLICY),
    Case("half of those that were there", (6, 1), 4, limit="ScaleDownLimit", behavior=DOWN_POLICY, downs=((30, 2),)),
    Case("half of them have gone already", (4, 1), 4, limit="ScaleDownLimit", behavior=DOWN_POLICY, downs=((30, 4),)),
    Case("the lower bound is nearer than the policy", (8, 1), 6, limit="TooFewReplicas", behavior=DOWN_POLICY, bounds=(6, 9)),
    Case("shares are rounded down when there are fewer", (5, 1), 2, limit="ScaleDownLimit", behavior=DOWN_POLICY),
    Case("and up when there are more", (3, 50), 5, limit="ScaleUpLimit",
         behavior="{scaleUp: {policies: [{type: Percent, value: 50, periodSeconds: 60}]}}"),
    Case("the policy that allows most", (10, 50), 15, limit="ScaleUpLimit", behavior=f"{{scaleUp: {{{BOTH}}}}}"),
    Case("the policy that allows least", (10, 50), 12, limit="ScaleUpLimit", behavior=f"{{scaleUp: {{selectPolicy: Min, {BOTH}}}}}"),
    Case("fewer by the policy that allows most", (10, 1), 5, limit="ScaleDownLimit", behavior=f"{{scaleDown: {{{BOTH}}}}}"),
    Case("fewer by the policy that allows least", (10, 1), 8, limit="ScaleDownLimit",
         behavior=f"{{scaleDown: {{selectPolicy: Min, {BOTH}}}}}"),
    Case("never more", (5, 9), 5, limit="ScaleUpLimit", behavior="{scaleUp: {selectPolicy: Disabled}}"),
    Case("never fewer", (5, 1), 5, limit="ScaleDownLimit", behavior="{scaleDown: {selectPolicy: Disabled}}"),
    Case("never fewer, yet more", (5, 6), 6, behavior="{scaleDown: {selectPolicy: Disabled}}"),
)  # fmt: skip


def ago(samples: Samples) -> Samples:
    return tuple((NOW - seconds, number) for seconds, number in samples)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_wish_is_held_to_limits(case: Case) -> None:
    history = History(ago(case.before), ago(case.ups), ago(case.downs))
    wish = Wish(*case.change, *case.bounds, NOW)
    verdict = normalise(behavior(case.behavior), wish, history, WINDOW)
    got = (verdict.replicas, verdict.able[0], verdict.limit[0])
    assert got == (case.want, case.able, case.limit)
    assert verdict.limited == (case.limit != "DesiredWithinRange")
    assert verdict.history.recommendations[-1] == (NOW, case.change[1])


def test_what_is_there_at_the_start_counts_as_the_last_recommendation() -> None:
    history = start(History(), 7, NOW)
    assert normalise(None, Wish(7, 1, 1, 9, NOW + 15), history, WINDOW).replicas == 7
    assert normalise(None, Wish(7, 1, 1, 9, NOW + 301), history, WINDOW).replicas == 1
    assert start(history, 3, NOW + 15) is history


@pytest.mark.parametrize("text", ["", "{}", "{scaleDown: {stabilizationWindowSeconds: 3600}}"])
def test_memory_is_bounded(text: str) -> None:
    rules, history = behavior(text), History()
    for step in range(1000):
        now = NOW + 15 * step
        history = normalise(rules, Wish(3, 3 + step % 5, 1, 9, now), history, WINDOW).history
        history = changed(history, rules, 3, 3 + (-1) ** step, now)
    assert len(history.recommendations) <= 3600 / 15 + 2
    assert len(history.ups) + len(history.downs) <= 4
