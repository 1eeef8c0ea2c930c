"""Apps of a load: who they are, whose turn each Pod is, and that their Pods are a ReplicaSet's."""

import random
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from apiserver.storage.memory import MemoryStorage
from bench.load.apps import AppLoad, plan_apps
from bench.load.cluster import RunningCluster
from bench.load.context import RunError
from bench.load.making import HOSTNAME, Making
from bench.load.parse import WORKLOADS, find_workload, read_workloads
from bench.load.progress import Progress
from bench.load.run import Run
from bench.load.settings import RUN_LABEL, Settings
from bench.load.workload import Apps, CreatePods
from tests.support.direct import build_handlers
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.clock import SystemClock

SPEC = msgspec.convert(
    {
        "templates": [
            {"templatePath": "plain.yaml", "share": "2/3"},
            {"templatePath": "spread.yaml", "share": "1/3"},
        ],
        "templateParams": {
            "size": [
                {"params": {"cpu": "1", "memory": "1Gi"}, "share": "1/2"},
                {"params": {"cpu": "2", "memory": "2Gi"}, "share": "1/2"},
            ],
            "image": [{"params": {"image": "web"}}],
        },
    },
    Apps,
)


@pytest.fixture
def client() -> Clientset:
    clock = SystemClock()
    return Clientset(InProcessTransport(build_handlers(MemoryStorage(), clock), clock=clock))


def plan(spec: Apps = SPEC, *, apps: int = 6, pods: int = 60, seed: int = 1) -> AppLoad:
    return plan_apps(spec, 3, apps=apps, pods=pods, rng=random.Random(seed))


def test_each_share_of_the_apps_is_held() -> None:
    load = plan()
    assert Counter(app.template_path for app in load.apps) == {"plain.yaml": 4, "spread.yaml": 2}
    assert Counter((app.params["cpu"], app.params["memory"]) for app in load.apps) == {
        ("1", "1Gi"): 3, ("2", "2Gi"): 3,
    }  # fmt: skip
    assert {app.params["image"] for app in load.apps} == {"web"}


def test_apps_have_names_of_their_own_that_tell_the_step() -> None:
    load = plan()
    assert [app.name for app in load.apps] == [f"app-3-00{number}" for number in range(6)]
    assert all(app.params["app"] == app.name for app in load.apps)


def test_a_scheduler_that_lists_pods_by_name_gets_them_in_their_turn() -> None:
    names = plan(pods=2000).pod_names()
    assert names == sorted(names)
    assert len(set(names)) == 2000


def test_apps_of_equal_weight_have_as_many_pods() -> None:
    load = plan()
    assert Counter(load.turns) == dict.fromkeys(range(6), 10)
    assert [app.replicas for app in load.apps] == [10] * 6


def test_the_second_app_by_zipf_has_half_the_pods_of_the_first() -> None:
    load = plan(msgspec.structs.replace(SPEC, weights="zipf"), apps=4, pods=250)
    assert [app.replicas for app in load.apps] == [120, 60, 40, 30]
    assert Counter(load.turns) == {0: 120, 1: 60, 2: 40, 3: 30}


def test_an_app_may_have_no_pod() -> None:
    load = plan(pods=2)
    assert sorted(app.replicas for app in load.apps) == [0, 0, 0, 0, 1, 1]


def test_the_seed_alone_decides() -> None:
    assert plan() == plan()
    assert plan().turns != plan(seed=2).turns


async def test_pods_are_as_the_controller_of_their_replica_set_makes_them(client: Clientset) -> None:
    workload = find_workload("MixedApps/12Apps", read_workloads())
    step = workload.case.workload_template[1]
    assert isinstance(step, CreatePods)
    assert step.apps is not None
    load = plan(step.apps, apps=12)
    making = Making(client, Settings(run="r"), WORKLOADS)
    namespace = await making.namespace("n")
    make = making.pod_maker(await making.make_apps(load, namespace), namespace, load.pod_names())
    owners = {one.metadata.name: one for one in (await client.replica_sets.list(namespace)).items}
    assert len(owners) == 12
    constraints = Counter[str]()
    for index, turn in enumerate(load.turns):
        pod, owner = make(index), owners[load.apps[turn].name]
        assert owner.spec.replicas == load.apps[turn].replicas == 5
        assert owner.metadata.labels[RUN_LABEL] == "r"
        [reference] = pod.metadata.owner_references
        assert (reference.kind, reference.name, reference.uid) == (
            "ReplicaSet", owner.metadata.name, owner.metadata.uid,
        )  # fmt: skip
        assert reference.controller
        assert pod.metadata.generate_name == f"{owner.metadata.name}-"
        assert dict(pod.metadata.labels) == {"app": owner.metadata.name, RUN_LABEL: "r"}
        assert pod.spec == owner.spec.template.spec
        constraints.update(kind.name for kind, _ in pod.spec.ListFields())
        await client.pods.create(pod)
    asked = ("topology_spread_constraints", "affinity", "node_selector", "tolerations")
    # Two sixths have an affinity, one sixth each the others; the apiserver gives tolerations to nobody here.
    assert [constraints[one] for one in asked] == [10, 20, 10, 10]


async def test_nodes_are_of_several_kinds_by_their_shares(client: Clientset) -> None:
    making = Making(client, Settings(run="r"), WORKLOADS)
    small, dedicated = (f"templates/apps/node-{name}.yaml" for name in ("small", "dedicated"))
    await making.make_nodes([small, dedicated, small], lambda index: {"zone": f"z{index}"})
    nodes = (await client.nodes.list()).items
    assert making.nodes == 3
    assert [node.metadata.name for node in nodes] == ["r-node-00000", "r-node-00001", "r-node-00002"]
    assert [node.metadata.labels["zone"] for node in nodes] == ["z0", "z1", "z2"]
    assert [node.metadata.labels[HOSTNAME] for node in nodes] == [node.metadata.name for node in nodes]
    assert [[taint.key for taint in node.spec.taints] for node in nodes] == [[], ["dedicated"], []]
    assert [node.status.capacity["cpu"].string for node in nodes] == ["4", "8", "4"]


async def test_apps_are_refused_where_controllers_may_run(client: Clientset, tmp_path: Path) -> None:
    workload = find_workload("PlainApps/12Apps", read_workloads())
    settings = Settings(run="r", verify=False, clean_seconds=0.1)
    run = Run(workload, RunningCluster("127.0.0.1:9"), client, settings, Progress(lambda _: None))
    with pytest.raises(RunError, match=r"createPods \[1\]: .* use --local"):
        await run.execute()
    assert not (await client.pods.list()).items
    assert not (await client.nodes.list()).items
