"""matchLabelKeys of affinity terms: fixed when the Pod is made (KEP-3633)."""

from collections.abc import Sequence

import pytest

from tests.support.apiserver import make_apiserver
from vaina.api.core.v1 import pod_pb2
from vaina.errors import Invalid
from vaina.testing.builders import make_pod


def _pod(
    match: Sequence[str] = (), mismatch: Sequence[str] = (), *, where: str = "required", selector: bool = True
) -> pod_pb2.Pod:
    pod = make_pod(labels={"app": "web", "version": "7", "tenant": "a"})
    affinity = pod.spec.affinity
    match where:
        case "required":
            term = affinity.pod_affinity.required_during_scheduling_ignored_during_execution.add()
        case "preferred":
            weighted = affinity.pod_anti_affinity.preferred_during_scheduling_ignored_during_execution.add()
            weighted.weight = 5
            term = weighted.pod_affinity_term
        case _:
            term = affinity.pod_anti_affinity.required_during_scheduling_ignored_during_execution.add()
    term.topology_key = "zone"
    term.match_label_keys.extend(match)
    term.mismatch_label_keys.extend(mismatch)
    if selector:
        term.label_selector.match_labels["app"] = "web"
    return pod


def _conditions(pod: pod_pb2.Pod) -> list[tuple[str, str, list[str]]]:
    affinity = pod.spec.affinity
    terms = [
        *affinity.pod_affinity.required_during_scheduling_ignored_during_execution,
        *affinity.pod_anti_affinity.required_during_scheduling_ignored_during_execution,
        *(
            item.pod_affinity_term
            for item in affinity.pod_anti_affinity.preferred_during_scheduling_ignored_during_execution
        ),
    ]
    return [
        (item.key, item.operator, list(item.values))
        for term in terms
        for item in term.label_selector.match_expressions
    ]


@pytest.mark.parametrize("where", ["required", "preferred", "anti"])
@pytest.mark.parametrize(
    ("match", "mismatch", "want"),
    [
        ([], [], []),
        (["version"], [], [("version", "In", ["7"])]),
        ([], ["tenant"], [("tenant", "NotIn", ["a"])]),
        (["version"], ["tenant"], [("version", "In", ["7"]), ("tenant", "NotIn", ["a"])]),
        (["nobody-has-it"], [], []),
    ],
)
async def test_the_pods_own_values_become_conditions(
    where: str, match: list[str], mismatch: list[str], want: list[tuple[str, str, list[str]]]
) -> None:
    api = make_apiserver()
    made = await api.client.pods.create(_pod(match, mismatch, where=where))
    assert _conditions(made) == want


async def test_pods_of_one_spec_get_what_their_own_labels_say() -> None:
    api = make_apiserver()
    first, second, third = (_pod(["version"]) for _ in range(3))
    second.metadata.name, third.metadata.name = "second", "third"
    third.metadata.labels["version"] = "8"
    values = [_conditions(await api.client.pods.create(pod))[0][2] for pod in (first, second, third)]
    assert values == [["7"], ["7"], ["8"]]


async def test_what_was_applied_can_be_written_again_though_it_lacks_the_conditions() -> None:
    api = make_apiserver()
    sent = _pod(["version"])
    made = await api.client.pods.create(sent)
    again = pod_pb2.Pod()
    again.CopyFrom(made)
    again.spec.affinity.CopyFrom(sent.spec.affinity)
    again.metadata.labels["version"] = "8"
    written = await api.client.pods.update(again)
    # The value of the creation stays.
    assert _conditions(written) == [("version", "In", ["7"])]


async def test_other_changes_of_the_affinity_are_refused_as_ever() -> None:
    api = make_apiserver()
    made = await api.client.pods.create(_pod(["version"]))
    term = made.spec.affinity.pod_affinity.required_during_scheduling_ignored_during_execution[0]
    term.topology_key = "host"
    with pytest.raises(Invalid, match="pod updates may not change fields"):
        await api.client.pods.update(made)
