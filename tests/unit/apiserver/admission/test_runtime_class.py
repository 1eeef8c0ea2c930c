"""What a RuntimeClass gives to its Pods, and which Pods are refused, in upstream's words."""

from collections.abc import Sequence
from typing import NamedTuple

import pytest

from apiserver.admission.runtime_class import merge
from tests.support.apiserver import Harness, make_apiserver
from tests.unit.apiserver.validation.cases import read
from vaina.api.core.v1 import pod_pb2
from vaina.errors import Forbidden
from vaina.kinds import RUNTIME_CLASS
from vaina.testing.builders import make_pod

CLASS = """
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: sandboxed}
handler: runsc
overhead: {podFixed: {cpu: 250m, memory: 64Mi}}
scheduling: {nodeSelector: {sandbox: runsc}, tolerations: [{key: sandbox, operator: Exists}]}
"""


async def _api() -> Harness:
    api = make_apiserver()
    await api.client.kind(RUNTIME_CLASS).create(read(CLASS))
    return api


def _pod(name: str = "web") -> pod_pb2.Pod:
    pod = make_pod(name)
    pod.spec.runtime_class_name = "sandboxed"
    return pod


async def test_a_pod_has_the_overhead_the_selector_and_the_tolerations_of_its_class() -> None:
    api = await _api()
    pod = _pod()
    pod.spec.node_selector["disk"] = "fast"
    for name in ("web", "again"):
        pod.metadata.name = name
        made = await api.client.pods.create(pod)
        assert {name: quantity.string for name, quantity in made.spec.overhead.items()} == {
            "cpu": "250m", "memory": "64Mi",
        }  # fmt: skip
        assert dict(made.spec.node_selector) == {"disk": "fast", "sandbox": "runsc"}
        keys = [toleration.key for toleration in made.spec.tolerations]
        assert keys == ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable", "sandbox"]


async def test_an_overhead_of_the_pods_own_must_be_that_of_the_class() -> None:
    api = await _api()
    pod = _pod()
    pod.spec.overhead["cpu"].string, pod.spec.overhead["memory"].string = "0.25", "65536Ki"
    await api.client.pods.create(pod)
    pod.metadata.name = "other"
    pod.spec.overhead["cpu"].string = "1"
    with pytest.raises(Forbidden) as refused:
        await api.client.pods.create(pod)
    words = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
    assert refused.value.message == f'pods "other" is forbidden: {words}'


async def test_an_overhead_without_a_class_is_refused() -> None:
    pod = make_pod("web")
    pod.spec.overhead["cpu"].string = "1"
    with pytest.raises(Forbidden) as refused:
        await make_apiserver().client.pods.create(pod)
    words = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
    assert refused.value.message == f'pods "web" is forbidden: {words}'


async def test_an_unknown_class_is_refused() -> None:
    with pytest.raises(Forbidden) as refused:
        await make_apiserver().client.pods.create(_pod())
    words = 'pod rejected: RuntimeClass "sandboxed" not found'
    assert refused.value.message == f'pods "web" is forbidden: {words}'


async def test_a_selector_that_contradicts_the_class_is_refused() -> None:
    pod = _pod()
    pod.spec.node_selector["sandbox"] = "none"
    with pytest.raises(Forbidden) as refused:
        await (await _api()).client.pods.create(pod)
    words = "conflict: runtimeClass.scheduling.nodeSelector[sandbox] = runsc; pod.spec.nodeSelector[sandbox] = none"
    assert refused.value.message == f'pods "web" is forbidden: {words}'


async def test_a_class_that_comes_or_changes_holds_for_the_next_pod() -> None:
    """The spec of both is the same as it was sent: what is remembered of it must not have the old class."""
    api = await _api()
    await api.client.pods.create(_pod("before"))
    found = await api.client.kind(RUNTIME_CLASS).get("sandboxed")
    found.overhead.pod_fixed["cpu"].string = "1"
    await api.client.kind(RUNTIME_CLASS).update(found)
    assert (await api.client.pods.create(_pod("after"))).spec.overhead["cpu"].string == "1"


def t(
    key: str = "", operator: str = "", value: str = "", effect: str = "", seconds: int | None = None
) -> pod_pb2.Toleration:
    return pod_pb2.Toleration(
        key=key, operator=operator, value=value, effect=effect, toleration_seconds=seconds
    )


ANY, A, A_ONE = t(operator="Exists"), t("a", "Exists"), t("a", "Equal", "1")


class Merged(NamedTuple):
    name: str
    first: Sequence[pod_pb2.Toleration]
    second: Sequence[pod_pb2.Toleration]
    want: Sequence[pod_pb2.Toleration]


MERGED = [
    Merged("others are added", [A_ONE], [t("b", "Exists")], [A_ONE, t("b", "Exists")]),
    Merged("equal ones are there once", [A], [A], [A]),
    Merged("a wider one comes first", [A], [A_ONE], [A]),
    Merged("a wider one comes later", [A_ONE], [A], [A]),
    Merged("one for all", [A, A_ONE], [ANY], [ANY]),
    Merged("an effect is narrower than all", [t("a", "Exists", effect="NoExecute")], [A], [A]),
    Merged("another effect", [t("a", "Exists", effect="NoExecute")], [t("a", "Exists", effect="NoSchedule")],
           [t("a", "Exists", effect="NoExecute"), t("a", "Exists", effect="NoSchedule")]),
    Merged("longer is wider", [t("a", "Exists", effect="NoExecute", seconds=1)], [t("a", "Exists", effect="NoExecute", seconds=2)],
           [t("a", "Exists", effect="NoExecute", seconds=2)]),
    Merged("for ever is wider than some time", [t("a", "Exists", effect="NoExecute", seconds=1)],
           [t("a", "Exists", effect="NoExecute")], [t("a", "Exists", effect="NoExecute")]),
    Merged("another value", [A_ONE], [t("a", "Equal", "2")], [A_ONE, t("a", "Equal", "2")]),
]  # fmt: skip


@pytest.mark.parametrize("case", MERGED, ids=lambda case: case.name)
def test_tolerations_are_merged(case: Merged) -> None:
    assert merge(case.first, case.second) == [*case.want]
