"""The loads that `vaina load` makes.

Apps, controllers, volumes, Pods that wait for something, Pods that come and go.
"""

from pathlib import Path

import pytest

from bench.load.owners import RESTARTED_AT
from bench.load.parse import WORKLOADS
from tests.support.load import ran_locally, verified

pytestmark = [pytest.mark.component, pytest.mark.timeout(180)]


@pytest.mark.parametrize("case", ["MixedApps", "PlainApps", "UnevenApps"])
async def test_the_pods_of_many_apps_are_bound_as_they_should_be(case: str) -> None:
    # Pods of ReplicaSets are for clusters without controllers: for processes of the run's own.
    async with ran_locally(f"{case}/12Apps") as (report, _):
        [one] = report.measurements
        assert (one.pods, one.bound) == (60, 60)
        verified(report, 60)


@pytest.mark.parametrize("create", ["pending", "batch"])
async def test_apps_may_have_priorities_gates_and_disks_and_fit_nowhere(create: str) -> None:
    async with ran_locally("EverythingApps/12Apps", create=create) as (report, client):
        [one] = report.measurements
        # Five Pods of each app; those of one fit nowhere, and nobody waits for them.
        assert (one.pods, one.bound) == (60, 55)
        assert "createPods [3]: 5 Pods fit nowhere and were not waited for" in report.notes
        verified(report, 55)
        pods = (await client.pods.list()).items
        assert not any(pod.spec.scheduling_gates for pod in pods)
        assert sum(bool(pod.spec.volumes) for pod in pods) == 5
        assert sorted({pod.spec.priority for pod in pods}) == [-10, 0, 10]


@pytest.mark.parametrize("case", ["Deployments", "Jobs", "StatefulSets"])
async def test_the_pods_that_controllers_make_are_found_and_measured(case: str) -> None:
    async with ran_locally(f"{case}/5Nodes", nodes="simulated", wait_running=True) as (report, client):
        pods = (await client.pods.list()).items
        [one] = report.measurements
        assert (one.pods, one.bound, one.running) == (30, 30, 30)
        assert one.latencies["create_to_running"].summary.count == 30
        assert one.processes["controller"].cpu_seconds > 0
        assert len({pod.metadata.owner_references[0].uid for pod in pods}) == 3
        verified(report, 30)


async def test_a_daemon_set_has_a_pod_on_each_node_and_no_count() -> None:
    async with ran_locally("DaemonSets/5Nodes") as (report, _):
        [one] = report.measurements
        assert (one.pods, one.bound) == (5, 5)
        assert (one.balance.nodes, one.balance.least, one.balance.most) == (5, 1, 1)
        verified(report, 5)


@pytest.mark.parametrize(("case", "pods"), [("DaemonSetRoll", 5), ("RollingUpdates", 30)])
async def test_an_update_is_measured_until_all_new_pods_run(case: str, pods: int) -> None:
    async with ran_locally(f"{case}/5Nodes", nodes="simulated", wait_running=True) as (report, client):
        found = [
            pod.spec.containers[0].image
            for pod in (await client.pods.list()).items
            if pod.metadata.owner_references and not pod.metadata.HasField("deletion_timestamp")
        ]
        [one] = report.measurements
        assert (one.pods, one.bound, one.running) == (pods, pods, pods)
        assert found.count("registry.k8s.io/pause:3.10.2") == pods
        assert report.verification is not None
        assert report.verification.violations == []
        # Those that were there before are judged, and so are others that come meanwhile; neither is measured.
        assert report.verification.bindings >= 2 * pods


async def test_stateful_sets_whose_pods_keep_their_names_are_restarted(tmp_path: Path) -> None:
    text = (WORKLOADS / "owners.yaml").read_text()
    (tmp_path / "templates").symlink_to(WORKLOADS / "templates")
    (tmp_path / "w.yaml").write_text(
        text.replace("templates/owners/deployment.yaml", "templates/owners/stateful-set.yaml").replace(
            'namespace: apps, image: "registry.k8s.io/pause:3.10.2"', "namespace: apps"
        )
    )
    async with ran_locally(
        "RollingUpdates/5Nodes", tmp_path / "w.yaml", nodes="simulated", wait_running=True
    ) as (report, client):
        [one] = report.measurements
        assert (one.pods, one.bound, one.running) == (30, 30, 30)
        pods = [pod for pod in (await client.pods.list()).items if pod.metadata.owner_references]
        assert len(pods) == 30
        assert all(pod.metadata.annotations[RESTARTED_AT] for pod in pods)


@pytest.mark.parametrize("case", ["SteadyState", "SteadyStateNodeChurn"])
async def test_a_steady_state_holds_its_pods_while_some_come_and_some_go(case: str) -> None:
    # Pending Pods have no meaning here: they are created as they come.
    async with ran_locally(f"{case}/10Nodes", nodes="simulated", wait_running=True) as (report, client):
        [one] = report.measurements
        # Those that were there at the beginning are not measured, and are judged.
        assert (one.pods, one.bound) == (60, 60)
        verified(report, 90)
        assert one.steady is not None
        assert (one.steady.wanted, one.steady.rate, one.steady.seconds) == (30, 20, 3)
        assert one.steady.arrivals == 60
        # Some have gone: in these three seconds, or when a machine that stood still for as long goes on.
        assert len((await client.pods.list()).items) < 90
        assert 0 < one.steady.held_least <= one.steady.held_average <= one.steady.held_most <= 90
        assert one.seconds > 2.5
        assert report.how["loop"] == "open, at the workload's rate, constant"
        churned = [note for note in report.notes if note.startswith("churnNodes [1]: ")]
        assert len(churned) == (case == "SteadyStateNodeChurn")
        assert all("Pods were evicted" in note and "refused" not in note for note in churned)


async def test_the_pods_of_deployments_come_back_from_nodes_that_are_drained() -> None:
    async with ran_locally("DrainedNodes/10Nodes", nodes="simulated", wait_running=True) as (report, _):
        [one] = report.measurements
        # Only those of the steady state are measured.
        assert (one.pods, one.bound) == (60, 60)
        [note] = [note for note in report.notes if note.startswith("churnNodes [2]: ")]
        assert "refused" not in note
        assert report.verification is not None
        assert report.verification.violations == []
        # More than there were, and than came: some have come back.
        assert report.verification.bindings > 60 + 30 + 60


async def test_pods_with_disks_are_bound_where_the_driver_takes_them() -> None:
    async with ran_locally("SchedulingCSIPVs/5Nodes") as (report, client):
        [one] = report.measurements
        assert (one.pods, one.bound) == (10, 10)
        verified(report, 15)
        pods = (await client.pods.list()).items
        claims = {
            (claim.metadata.namespace, claim.metadata.name): claim.spec.volume_name
            for claim in (await client.persistent_volume_claims.list()).items
        }
        has = {
            (pod.metadata.namespace, pod.spec.volumes[0].volume_source.persistent_volume_claim.claim_name)
            for pod in pods
        }
        # Each has one of its own.
        assert has == set(claims)
        assert len(set(claims.values())) == len(pods) == 15
        volumes = (await client.persistent_volumes.list()).items
        assert {volume.metadata.name for volume in volumes} == set(claims.values())
        nodes = (await client.csi_nodes.list()).items
        assert [node.spec.drivers[0].allocatable.count for node in nodes] == [39] * 5


@pytest.mark.parametrize(
    ("workload", "pods", "bindings"),
    [("EventHandlingNodeUpdate/2Nodes_20Pods", 120, 120), ("EventHandlingPodAdd/10Pods", 20, 41)],
)
async def test_pods_that_wait_for_something_are_measured_until_it_happens(
    workload: str, pods: int, bindings: int
) -> None:
    async with ran_locally(workload, create="batch") as (report, _):
        [one] = report.measurements
        # Only those that wait count, not those that they wait for.
        assert (one.pods, one.bound) == (pods, pods)
        verified(report, bindings)


async def test_gates_are_lifted_one_after_the_other() -> None:
    async with ran_locally("GatesLifted/1Node_10Pods", create="batch") as (report, client):
        [one] = report.measurements
        assert (one.pods, one.bound) == (10, 10)
        verified(report, 10)
        assert not any(pod.spec.scheduling_gates for pod in (await client.pods.list()).items)
