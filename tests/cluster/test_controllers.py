"""Replication: a controller keeps N Pods of a template, makes new ones for those that die, and is how one
scales.
"""

import json

import pytest

from tests.support.cluster import CommandError, wait_until
from tests.support.manifests import as_text, container, names, replica_set
from tests.support.workspace import Workspace, ready
from vaina.api.core.v1 import pod_pb2
from vaina.kinds import REPLICA_SET, REPLICATION_CONTROLLER

pytestmark = pytest.mark.beside_others


def replicas(space: Workspace, app: str, count: int, timeout: float = 60) -> list[pod_pb2.Pod]:
    """Wait until exactly so many Pods of an app are there, all ready and none of them going."""

    def look() -> list[pod_pb2.Pod]:
        pods = list(space.pods(f"app={app}"))
        settled = all(ready(p) and not p.metadata.HasField("deletion_timestamp") for p in pods)
        return [*pods, pod_pb2.Pod()] if len(pods) == count and settled else []

    return wait_until(look, timeout, f"{count} replicas of {app} are ready", every=0.5)[:-1]


@pytest.mark.requirement("D1")
def test_replica_set_keeps_its_number_through_deaths_and_scaling(space: Workspace) -> None:
    space.apply(replica_set("web", 3))
    first = replicas(space, "web", 3)
    assert len({p.metadata.name for p in first}) == 3
    assert all(p.metadata.name.startswith("web-") and len(p.metadata.name) == len("web-") + 5 for p in first)
    owner = space.api.find(REPLICA_SET, "web", space.namespace)
    assert owner is not None
    for one in first:
        [reference] = one.metadata.owner_references
        assert (reference.kind, reference.uid, reference.controller) == (
            "ReplicaSet",
            owner.metadata.uid,
            True,
        )

    space.delete(first[0].metadata.name, grace=1)
    space.gone(first[0].metadata.name)
    second = replicas(space, "web", 3)
    assert len(set(names(second)) & set(names(first))) == 2

    assert space.cli("scale", "rs/web", "--replicas=5") == "replicaset.apps/web scaled\n"
    five = names(replicas(space, "web", 5))
    assert set(names(second)) < set(five)
    space.cli("scale", "rs/web", "--replicas=1")
    assert set(names(replicas(space, "web", 1))) < set(five)
    status = space.api.wait(
        REPLICA_SET, "web", lambda rs: rs.status.ready_replicas == 1 == rs.status.replicas, "says so",
        namespace=space.namespace,
    ).status  # fmt: skip
    assert (status.available_replicas, status.fully_labeled_replicas) == (1, 1)
    table = space.cli("get", "rs", "web").splitlines()
    assert table[0].split() == ["NAME", "DESIRED", "CURRENT", "READY", "AGE"]
    assert table[1].split()[:4] == ["web", "1", "1", "1"]


@pytest.mark.requirement("D1")
def test_replication_controller_does_the_same_and_its_pods_go_with_it(space: Workspace) -> None:
    template = {
        "metadata": {"labels": {"app": "old"}},
        "spec": replica_set("old", 0)["spec"]["template"]["spec"],
    }
    space.apply(
        {
            "apiVersion": "v1",
            "kind": "ReplicationController",
            "metadata": {"name": "old"},
            "spec": {"replicas": 2, "selector": {"app": "old"}, "template": template},
        }
    )
    assert len(replicas(space, "old", 2)) == 2
    assert space.cli("delete", "rc", "old").startswith('replicationcontroller "old" deleted')
    assert space.api.find(REPLICATION_CONTROLLER, "old", space.namespace) is None
    replicas(space, "old", 0)


@pytest.mark.requirement("D1")
def test_replica_set_adopts_pods_that_match_and_lets_those_go_that_do_not(space: Workspace) -> None:
    lonely = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "lonely", "labels": {"app": "home"}},
        "spec": replica_set("home", 0)["spec"]["template"]["spec"],
    }
    space.start(lonely)
    space.apply(replica_set("home", 2))
    family = replicas(space, "home", 2)
    assert "lonely" in names(family)
    patch = json.dumps({"metadata": {"labels": {"app": "away"}}})
    space.api.call(space.api.clients.pods.patch("lonely", patch, namespace=space.namespace))
    assert "lonely" not in names(replicas(space, "home", 2))
    gone = space.wait("lonely", lambda p: not p.metadata.owner_references, "has no owner any more")
    assert ready(gone)


@pytest.mark.requirement("D3")
def test_changed_template_leaves_running_pods_and_is_used_for_new_ones(space: Workspace) -> None:
    def version(number: str) -> dict[str, object]:
        return replica_set("app", 2, container(env=[{"name": "VERSION", "value": number}]))

    def versions() -> list[str]:
        return sorted(p.spec.containers[0].env[0].value for p in replicas(space, "app", 2))

    space.cli("apply", "-f", "-", stdin=as_text(version("1")))
    old = replicas(space, "app", 2)
    assert space.cli("apply", "-f", "-", stdin=as_text(version("2"))) == "replicaset.apps/app configured\n"
    observed = space.api.wait(
        REPLICA_SET, "app", lambda rs: rs.status.observed_generation == rs.metadata.generation == 2, "was seen",
        namespace=space.namespace,
    )  # fmt: skip
    assert observed.spec.template.spec.containers[0].env[0].value == "2"
    assert {p.metadata.uid for p in replicas(space, "app", 2)} == {p.metadata.uid for p in old}
    assert versions() == ["1", "1"]
    space.delete(old[0].metadata.name, grace=1)
    space.gone(old[0].metadata.name)
    assert versions() == ["1", "2"]
    other = json.dumps(version("2")).replace('"app": "app"', '"app": "other"')
    with pytest.raises(CommandError, match=r"spec\.selector: Invalid value: .*field is immutable"):
        space.cli("apply", "-f", "-", stdin=other)


@pytest.mark.requirement("D5")
def test_objects_are_given_imperatively(space: Workspace) -> None:
    ran = space.cli("run", "quick", "--image=busybox:1.37", "--", "sleep", "3600")
    assert ran == "pod/quick created\n"
    assert list(space.ready("quick").spec.containers[0].args) == ["sleep", "3600"]
    created = space.cli("create", "-f", "-", stdin=as_text(replica_set("set", 1)))
    assert created == "replicaset.apps/set created\n"
    with pytest.raises(CommandError, match="already exists"):
        space.cli("create", "-f", "-", stdin=as_text(replica_set("set", 1)))
    space.cli("scale", "replicaset", "set", "--replicas=2")
    replicas(space, "set", 2)
    assert space.cli("delete", "pod", "quick", "--grace-period=1").startswith('pod "quick" deleted')
    space.gone("quick")


@pytest.mark.requirement("D5")
def test_the_same_file_is_applied_again_and_again(space: Workspace) -> None:
    def apply(replicas_wanted: int, **labels: str) -> str:
        manifest = replica_set("file", replicas_wanted)
        manifest["metadata"]["labels"] = labels
        return space.cli("apply", "-f", "-", stdin=as_text(manifest))

    assert apply(1, tier="a", old="yes") == "replicaset.apps/file created\n"
    assert apply(1, tier="a", old="yes") == "replicaset.apps/file unchanged\n"
    version = space.api.find(REPLICA_SET, "file", space.namespace)
    assert version is not None
    assert version.metadata.generation == 1
    # What somebody else set in between stays; what the file no longer has goes.
    patch = json.dumps({"metadata": {"labels": {"foreign": "kept"}}})
    space.api.call(space.api.clients.replica_sets.patch("file", patch, namespace=space.namespace))
    assert apply(2, tier="b") == "replicaset.apps/file configured\n"
    applied = space.api.find(REPLICA_SET, "file", space.namespace)
    assert applied is not None
    assert dict(applied.metadata.labels) == {"tier": "b", "foreign": "kept"}
    assert applied.spec.replicas == 2
    replicas(space, "file", 2)
