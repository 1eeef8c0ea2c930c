"""Pods that controllers make: how they are found, and what is created for them."""

import math
from pathlib import Path

import pytest

from apiserver.storage.memory import MemoryStorage
from bench.load.making import Making
from bench.load.observe import Observer
from bench.load.owners import OwnedPods, OwnerCreator
from bench.load.parse import WORKLOADS, WorkloadError, parse_cases
from bench.load.settings import RUN_LABEL, Settings
from tests.support.direct import build_handlers
from tests.support.tasks import running
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.clock import SystemClock
from vaina.testing.builders import make_node, make_pod


def owned(replicas: int = 2) -> OwnedPods:
    return OwnedPods("step", "default", ["web-000000", "web-000001"], replicas, wants_running=False)


@pytest.mark.parametrize(
    ("seen", "places"),
    [
        (["web-000000-5d4f-abcde", "web-000001-x", "web-000000-0"], [0, 2, 1]),
        # Another comes for one that was there: the third Pod of two.
        (["web-000001-a", "web-000001-b", "web-000001-c"], [2, 3, None]),
        (["db-000000-a", "web", "", "web-000002-a"], [None, None, None, None]),
    ],
    ids=["each has a place with its owner", "who comes instead has none", "others have none"],
)
def test_a_pod_is_found_by_what_its_name_begins_with(seen: list[str], places: list[int | None]) -> None:
    pods = owned()
    assert [pods.place(name) for name in seen] == places
    for name, place in zip(seen, places, strict=True):
        assert place is None or pods.names[place] == name


def test_pods_are_due_when_their_owner_is() -> None:
    pods = owned()
    pods.due(1, 5.0)
    assert (math.isnan(pods.intended[0]), pods.intended[2:]) == (True, [5.0, 5.0])
    assert pods.asked_count == 2
    # Nobody knows yet what they are called.
    assert pods.unbound() == []


@pytest.mark.parametrize("kind", ["deployment", "stateful-set", "job", "daemon-set"])
@pytest.mark.parametrize("rate", [0.0, 1000.0], ids=["closed loop", "open loop"])
async def test_owners_are_created_each_for_as_many_pods(kind: str, rate: float) -> None:
    clock = SystemClock()
    client = Clientset(InProcessTransport(build_handlers(MemoryStorage(), clock), clock=clock))
    settings = Settings(run="r", rate=rate, image="web:2", command=("serve",))
    making = Making(client, settings, WORKLOADS / "templates/owners")
    maker = making.maker(f"{kind}.yaml")
    names = [maker.name(f"{number:06}") for number in (3, 4)]
    pods = OwnedPods("step", "default", names, 5, wants_running=False)
    await OwnerCreator(client, making, settings, maker, (3, 4)).create(pods, Observer.now)
    found = (await client.kind(maker.template.kind).list("default")).items
    assert sorted(one.metadata.name for one in found) == names
    for one in found:
        counts = (one.spec.parallelism, one.spec.completions) if kind == "job" else (5,)
        if kind in ("deployment", "stateful-set"):
            counts = (one.spec.replicas,)
        assert set(counts) == {5}
        assert one.metadata.labels[RUN_LABEL] == one.spec.template.metadata.labels[RUN_LABEL] == "r"
        assert one.spec.template.spec.containers[0].image == "web:2"
    if kind != "job":
        assert {one.spec.template.metadata.labels["made-by"] for one in found} == set(names)
    assert not any(math.isnan(at) for at in pods.intended)
    if rate:
        # A thousand Pods a second are two hundred owners.
        assert pods.intended[5] - pods.intended[0] == pytest.approx(0.005)


async def test_the_observer_gives_pods_of_owners_their_places_and_leaves_others() -> None:
    clock = SystemClock()
    client = Clientset(InProcessTransport(build_handlers(MemoryStorage(), clock), clock=clock))
    await client.nodes.create(make_node("n0"))
    pods, observer = owned(), Observer(client, "")
    observer.follow_owned(pods)
    async with running(observer.run()):
        await observer.ready.wait()
        for name in ("web-000001-a", "other", "web-000000-b"):
            await client.pods.create(make_pod(name))
            await client.pods.bind(name, namespace="default", uid="", node="n0")
        end = clock.monotonic() + 60
        while pods.bound_count < 2:
            assert clock.monotonic() < end
            await clock.sleep(0.005)
    assert pods.names == ["web-000000-b", "", "web-000001-a", ""]
    assert pods.nodes == ["n0", "", "n0", ""]


async def test_a_pod_that_comes_after_an_update_is_another_steps_though_it_has_the_name_of_one_that_went() -> (
    None
):
    clock = SystemClock()
    client = Clientset(InProcessTransport(build_handlers(MemoryStorage(), clock), clock=clock))
    await client.nodes.create(make_node("n0"))
    before, after, observer = owned(1), owned(1), Observer(client, "")
    observer.follow_owned(before)

    async def until(pods: OwnedPods, count: int) -> None:
        end = clock.monotonic() + 60
        while pods.bound_count < count:
            assert clock.monotonic() < end
            await clock.sleep(0.005)

    async with running(observer.run()):
        await observer.ready.wait()
        for pods in (before, after):
            await client.pods.create(make_pod("web-000000-0"))
            await client.pods.bind("web-000000-0", namespace="default", uid="", node="n0")
            await until(pods, 1)
            if pods is before:
                before.close()
                observer.follow_owned(after)
                await client.pods.delete("web-000000-0", "default", grace_period_seconds=0)
    assert (before.names, after.names) == (["web-000000-0", ""], ["web-000000-0", ""])


GOOD = """
- name: Case
  workloadTemplate:
  - {opcode: createNodes, count: 5}
  - opcode: createPods
    countParam: $pods
    collectMetrics: true
    owners: {templatePath: templates/owners/deployment.yaml, countParam: $owners}
  workloads:
  - {name: Small, params: {pods: 30, owners: 3}}
"""


def test_owners_are_read() -> None:
    parse_cases(GOOD, source="w.yaml", folder=WORKLOADS)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (("owners: 3}", "owners: 4}"), "[1].owners: workloads Small: 30 Pods are not as many for each of 4 owners"),
        (("pods: 30", "pods: 0"), "[1].owners: workloads Small: 0 Pods are not as many for each of 3 owners"),
        (("owners: 3}", "owners: 0}"), "[1].owners: workloads Small: 0 owners are not 1 to 10000"),
        ((", countParam: $owners}", "}"), "[1].owners: one of count and countParam is needed"),
        (("countParam: $owners", "countParam: $sets"), "[1].owners.countParam: workloads Small has no params.sets"),
        (("countParam: $owners", "replicas: 3"), "[1].owners: Object contains unknown field `replicas`"),
        (("templatePath: templates/owners/deployment.yaml, ", ""), "[1].owners: Object missing required field `templatePath`"),
        (("owners/deployment", "owners/no"), "[1].owners.templatePath: no.yaml: No such file or directory"),
        (("owners/deployment", "pod-default"), "[1].owners.templatePath: templates/pod-default.yaml is a Pod, none of Deployment, ReplicaSet, StatefulSet, Job, DaemonSet"),
        (("countParam: $pods", "namespace: apps"), "[1]: one of count and countParam is needed"),
        (("owners/deployment", "owners/daemon-set"), "[1]: count: DaemonSets have a Pod on each node: leave it out"),
        (("  workloads:", "  - {opcode: updateOwners, image: a}\n  workloads:"), "[2]: Object missing required field `namespace`"),
        (("  workloads:", "  - {opcode: updateOwners, namespace: apps}\n  workloads:"), "[2].namespace: no createPods with owners in apps comes before"),
        (("  workloads:", "  - {opcode: updateOwners, namespace: namespace-1, ownersPerSecond: -1}\n  workloads:"), "[2].ownersPerSecond: Expected `int` >= 0"),
        (("  workloads:", "  - {opcode: createPods, count: 9, apps: {count: 3, templates: [{templatePath: templates/owners/no.yaml}]}}\n  workloads:"), "[1]: owners: controllers would act on apps"),
        (("collectMetrics: true", "podTemplatePath: templates/pod-default.yaml"), "[1]: podTemplatePath and owners exclude one another"),
        (("collectMetrics: true", "collectMetrics: true\n    steadyState: true\n    podsPerSecond: 5\n    duration: 5s"), "[1]: steadyState and owners exclude one another"),
    ],
)  # fmt: skip
def test_mistakes_in_owners(change: tuple[str, str], error: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(WorkloadError) as caught:
        parse_cases(GOOD.replace(*change), source="w.yaml", folder=WORKLOADS)
    assert str(caught.value).startswith("w.yaml: [0] Case")
    assert error in str(caught.value)


def test_owners_whose_update_does_nothing_are_not_updated() -> None:
    text = GOOD.replace("owners/deployment", "owners/job").replace(
        "  workloads:", "  - {opcode: updateOwners, namespace: namespace-1}\n  workloads:"
    )
    with pytest.raises(WorkloadError) as caught:
        parse_cases(text, source="w.yaml", folder=WORKLOADS)
    assert str(caught.value).endswith(
        "[2].namespace: in namespace-1 is a Job, none of Deployment, StatefulSet, DaemonSet"
    )


def test_owners_that_would_all_have_one_name_are_refused(tmp_path: Path) -> None:
    text = (WORKLOADS / "templates/owners/deployment.yaml").read_text()
    (tmp_path / "one.yaml").write_text(text.replace("generateName: deployment-", "name: web"))
    with pytest.raises(WorkloadError, match=r"one\.yaml: metadata\.generateName is needed, and no name"):
        parse_cases(
            GOOD.replace("templates/owners/deployment.yaml", str(tmp_path / "one.yaml")),
            source="w.yaml",
            folder=WORKLOADS,
        )
