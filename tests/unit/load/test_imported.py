"""What of an exported cluster becomes a workload, and what is told of the rest."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from bench.exports import make_export
from bench.load.exported import ImportFailed, read_all
from bench.load.imported import Imported, Replay, compute_import
from bench.load.imported_files import CLUSTER, files, words
from tests.unit.load.exports import Tree, a_list, node, pod, thing


def imported(*items: Tree, replay: Replay = "pending", scrub: bool = False) -> Imported:
    """Import one file, with a node and a Pod that is pending."""
    given = (node(), pod("waits"), *items)
    return compute_import(read_all([("f", a_list(*given))]), replay=replay, scrub=scrub)


def spec_of(found: Imported, name: str) -> Any:
    """Return the spec of an object by its name."""
    [spec] = [one["spec"] for one in (*found.objects, *found.pods) if one["metadata"]["name"] == name]
    return spec


@dataclass(frozen=True)
class Bad:
    name: str
    data: bytes
    error: str


BAD = [
    Bad("an empty file", b"", "f: no JSON that can be read"),
    Bad("text", b"NAME READY\n", "f: no JSON that can be read"),
    Bad("bytes of no encoding", b'{"kind": "\xff\xfe", "items": []}', "f: no JSON that can be read"),
    Bad("a file that was cut", b'{"kind": "List", "items": [{"kind": "Po', "f: no JSON that can be read"),
    Bad("a list that is no object", b"[]", "f: no JSON that can be read"),
    Bad("one object", json.dumps(pod()).encode(), 'f: kind: "Pod"; a List is expected'),
    Bad("no kind", b'{"items": []}', "f: kind: no kind; a List is expected"),
    Bad("a list without items", b'{"kind": "List"}', "a List is expected"),
    Bad("items of a wrong type", b'{"kind": "List", "items": {}}', "f: no JSON that can be read"),
    Bad("nothing in it", a_list(), "no Node is in it"),
    Bad("an item that is text", b'{"kind": "List", "items": ["x"]}', "f: items[0]: no JSON that can be read"),
    Bad("an item without a kind", b'{"kind": "List", "items": [{"metadata": {"name": "a"}}]}', "f: items[0]: kind: missing"),
    Bad("an item without a name", a_list({"kind": "Pod", "metadata": {}}), "f: items[0]: Pod: metadata.name: a name"),
    Bad("metadata that is text", a_list({"kind": "Pod", "metadata": "x"}), "f: items[0]: Pod: metadata.name: a name"),
    Bad("a kind that is a number", a_list({"kind": 1, "metadata": {"name": "a"}}), "f: items[0]: kind: a string"),
    Bad("labels in a list", a_list(pod(metadata={"labels": [1]})), "f: items[0]: Pod p: Pod in version"),
    Bad("containers that are a number", a_list(pod(spec={"containers": 3})), "spec.containers"),
    Bad("a container that is text", a_list(pod(spec={"containers": ["x"]})), "spec.containers"),
    Bad("volumes that are text", a_list(pod(spec={"volumes": "x"})), "spec.volumes"),
    Bad("a spec that is a list", a_list(pod() | {"spec": []}), "Pod.spec"),
    Bad("a status of a node that is text", a_list(thing("Node", "n", status="x")), "Node.status"),
    Bad("a priority beyond all bounds", a_list(pod(spec={"priority": 10**40})), "spec.priority"),
    Bad("a number beyond all bounds", b'{"kind": "List", "items": [{"kind": "Pod", "metadata": {"name": "a"}, "spec": 1e999}]}', "items[0]"),
    Bad("an amount that is none", a_list(node(status={"capacity": {"cpu": "much"}})), "items[0]: Node n1"),
    Bad("a time that is none", a_list(pod(metadata={"creationTimestamp": "today"})), "items[0]: Pod p"),
    Bad("deep nesting", b'{"kind": "List", "items": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "f: nested too deeply"),
    Bad("an item with deep nesting", a_list(pod()).replace(b'"web"', b'{"a":' * 900 + b"1" + b"}" * 900), "items[0]"),
    Bad("no Pod that is pending", a_list(node(), pod(spec={"nodeName": "n1"})), "--replay all"),
]  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_what_is_no_export_is_refused_by_its_place(case: Bad) -> None:
    with pytest.raises(ImportFailed) as failure:
        compute_import(read_all([("f", case.data)]))
    assert case.error in str(failure.value)


def test_only_what_a_scheduler_looks_at_is_kept() -> None:
    secret = {"name": "main", "image": "web", "command": ["hush"], "args": ["hush"], "env": [{"name": "A", "value": "hush"}],
              "ports": [{"containerPort": 80, "name": "hush"}, {"containerPort": 81, "hostPort": 81}],
              "resources": {"requests": {"cpu": "1"}}, "livenessProbe": {"exec": {"command": ["hush"]}}}  # fmt: skip
    found = imported(
        pod(
            "p",
            metadata={"annotations": {"a": "hush"}, "labels": {"app": "web"}},
            spec={
                "containers": [secret], "initContainers": [{**secret, "restartPolicy": "Always"}], "serviceAccountName": "hush",
                "imagePullSecrets": [{"name": "hush"}], "volumes": [{"name": "hush", "secret": {"secretName": "hush"}}],
                "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["hush"]}], "tolerations": [{"key": "gpu", "operator": "Exists"}],
            },
            status={"message": "hush"},
        ),
        thing("Secret", "hush", data={"a": "hush"}),
        thing("StorageClass", "fast", "storage.k8s.io/v1", provisioner="disk", parameters={"a": "hush"}),
    )  # fmt: skip
    text = b"".join(files(found, "pending", 1.0).values()).decode()
    assert "hush" not in text
    [kept] = spec_of(found, "p")["containers"]
    assert (kept["name"], kept["image"], kept["resources"]) == ("c0", "web", {"requests": {"cpu": "1"}})
    assert [port["hostPort"] for port in kept["ports"]] == [81]
    assert spec_of(found, "p")["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert spec_of(found, "p")["initContainers"][0]["restartPolicy"] == "Always"


@dataclass(frozen=True)
class Told:
    name: str
    item: Tree
    told: str


TOLD = [
    Told("a kind that nobody knows", thing("Gadget", "g", "acme.example/v1"), "Gadget: a kind that is not known here"),
    Told("Services", thing("Service", "web"), "the default spreading of Pods by their Services is lost"),
    Told("a field of Pods that nobody knows", pod(spec={"newRule": 1}), "Pod: spec.newRule is not known here"),
    Told("a field within a field", pod(spec={"tolerations": [{"key": "a", "odd": 1}]}), 'unknown field "spec.tolerations[0].odd"'),
    Told("a field of nodes that nobody knows", node("n2", spec={"newRule": 1}), "Node: spec.newRule is not known here"),
    Told("devices", pod(spec={"resourceClaims": [{"name": "a"}]}), "claims of devices"),
    Told("gangs", pod(spec={"schedulingGroup": {"a": 1}}), "there is no gang scheduling here"),
    Told("disks of a cloud", pod(spec={"volumes": [{"name": "a", "gcePersistentDisk": {}}]}), "gcePersistentDisk is left out"),
    Told("gates", pod(spec={"schedulingGates": [{"name": "a"}]}), "it has scheduling gates"),
    Told("another scheduler", pod(spec={"schedulerName": "mine"}), "it asks for the scheduler mine"),
    Told("a claim that is not there", pod(spec={"volumes": [{"name": "a", "persistentVolumeClaim": {"claimName": "c"}}]}), "a claim of it is not in the export"),
    Told("an owner that is not there", pod(metadata={"ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "u", "controller": True}]}), "ReplicaSet: it owns Pods and is not in the export"),
    Told("namespaces that are asked for", pod(spec={"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "a", "namespaceSelector": {"matchLabels": {"a": "b"}}}]}}}), "none is in the export, and Pods select namespaces"),
    Told("a volume of another kind", thing("PersistentVolume", "v", spec={"capacity": {"storage": "1Gi"}, "nfs": {"server": "s", "path": "/"}}), "what is not CSI becomes a CSI volume"),
]  # fmt: skip


@pytest.mark.parametrize("case", TOLD, ids=lambda case: case.name)
def test_what_may_change_where_a_pod_goes_is_told(case: Told) -> None:
    found = imported(case.item)
    assert any(case.told in line for line in words(found, "x", "pending", 1.0) if line.startswith("differs:"))


def test_of_a_plain_export_there_is_nothing_to_tell() -> None:
    assert not imported().told
    data = json.dumps(make_export(10, 100)).encode()
    assert not compute_import(read_all([("f", data)]), replay="all").told


def test_pods_that_take_no_room_are_counted_and_left_out() -> None:
    found = imported(
        pod("done", spec={"nodeName": "n1"}, status={"phase": "Succeeded"}),
        pod("goes", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}),
        pod("far", spec={"nodeName": "n9"}),
        pod("there", spec={"nodeName": "n1"}),
        thing("Deployment", "d", "apps/v1"),
    )
    assert dict(found.left_out) == {
        "Pod: it has ended and takes no room": 1,
        "Pod: it is being deleted and has no node": 1,
        "Pod: its node is not in the export": 1,
        "Deployment: not looked at": 1,
    }
    assert [one["metadata"]["name"] for one in found.pods] == ["waits"]
    assert spec_of(found, "there")["nodeName"] == "n1"


def test_all_pods_are_scheduled_anew_in_the_order_in_which_they_were_created() -> None:
    mirror = {
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "u", "controller": True}
        ]
    }
    found = imported(
        pod("late", metadata={"creationTimestamp": "2026-01-01T01:00:00Z"}, spec={"nodeName": "n1"}),
        pod("early", metadata={"creationTimestamp": "2025-12-31T23:59:00Z"}, spec={"nodeName": "n1"}),
        pod("static", metadata=mirror, spec={"nodeName": "n1"}),
        replay="all",
    )
    assert [one["metadata"]["name"] for one in found.pods] == ["early", "waits", "late"]
    assert found.arrivals == [0.0, 60.0, 3660.0]
    assert not any("nodeName" in one["spec"] for one in found.pods)
    assert spec_of(found, "static")["nodeName"] == "n1"
    assert files(found, "all", 60.0)["arrivals.txt"] == b"0.000\n1.000\n61.000\n"
    assert any("--trace x/arrivals.txt" in line for line in words(found, "x", "all", 60.0))


def test_pods_of_one_overhead_have_one_runtime_class() -> None:
    found = imported(
        pod("one", spec={"overhead": {"cpu": "250m"}}), pod("two", spec={"overhead": {"cpu": "250m"}}),
        pod("more", spec={"overhead": {"cpu": "1"}}),
    )  # fmt: skip
    classes = {
        one["metadata"]["name"]: one["overhead"]["podFixed"]
        for one in found.objects
        if one["kind"] == "RuntimeClass"
    }
    assert sorted(wanted["cpu"] for wanted in classes.values()) == ["1", "250m"]
    for one in found.pods:
        spec = one["spec"]
        assert classes.get(spec.get("runtimeClassName")) == spec.get("overhead")


def test_every_pod_has_a_class_of_the_priority_that_it_has() -> None:
    found = imported(
        thing("PriorityClass", "high", "scheduling.k8s.io/v1", value=100),
        pod(
            "same",
            spec={"priorityClassName": "high", "priority": 100, "preemptionPolicy": "PreemptLowerPriority"},
        ),
        pod("older", spec={"priorityClassName": "high", "priority": 50}),
        pod("quiet", spec={"priority": -7, "preemptionPolicy": "Never"}),
        pod("own", spec={"priorityClassName": "system-node-critical", "priority": 2_000_001_000}),
    )
    classes = {
        one["metadata"]["name"]: (one["value"], one.get("preemptionPolicy"))
        for one in found.objects
        if one["kind"] == "PriorityClass"
    }
    assert classes["high"][0] == 100
    assert classes["priority-50"] == (50, "PreemptLowerPriority")
    assert classes["priority-minus-7-never"] == (-7, "Never")
    names = {one["metadata"]["name"]: one["spec"].get("priorityClassName", "") for one in found.pods}
    assert names == {
        "waits": "", "same": "high", "older": "priority-50", "quiet": "priority-minus-7-never",
        "own": "system-node-critical",
    }  # fmt: skip
    assert not any("priority" in one["spec"] for one in found.pods)


def test_a_class_that_is_made_takes_no_listed_ones_name() -> None:
    found = imported(
        thing("PriorityClass", "priority-50", "scheduling.k8s.io/v1", value=7),
        thing("PriorityClass", "priority-50-made", "scheduling.k8s.io/v1", value=8),
        pod("older", spec={"priority": 50}),
        pod("other", spec={"priority": 50}),
    )
    values = [
        (one["metadata"]["name"], one["value"]) for one in found.objects if one["kind"] == "PriorityClass"
    ]
    own = "priority-50-made-made"
    assert values == [("priority-50", 7), ("priority-50-made", 8), (own, 50)]
    assert {one["spec"].get("priorityClassName") for one in found.pods} - {None} == {own}


def test_what_owns_no_pod_is_left_out() -> None:
    def replica_set(name: str) -> Tree:
        labels = {"app": name}
        spec = {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}},
        }
        return thing("ReplicaSet", name, "apps/v1", metadata={"namespace": "a"}, spec=spec)

    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "used", "uid": "u", "controller": True}
    found = imported(replica_set("used"), replica_set("old"), pod("p", metadata={"ownerReferences": [owner]}))
    assert [one["metadata"]["name"] for one in found.objects if one["kind"] == "ReplicaSet"] == ["used"]
    assert found.left_out["ReplicaSet: no Pod that is taken belongs to it"] == 1


def test_several_files_are_one_cluster_and_what_is_in_two_is_taken_once() -> None:
    first, second = a_list(node(), pod("p")), a_list(pod("p"), pod("q"))
    typed = json.dumps({"kind": "PodList", "apiVersion": "v1", "items": [{"metadata": {"name": "r", "namespace": "a", "creationTimestamp": "2026-01-02T00:00:00Z"}, "spec": {"containers": []}}]}).encode()  # fmt: skip
    found = compute_import(read_all([("a", first), ("b", second), ("c", typed)]))
    assert [one["metadata"]["name"] for one in found.pods] == ["p", "q", "r"]


def test_the_budget_of_an_export_says_what_preemption_may_take() -> None:
    budget = thing(
        "PodDisruptionBudget", "b", "policy/v1", metadata={"namespace": "a"},
        spec={"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}, status={"disruptionsAllowed": 1, "disruptedPods": {"x": "2026-01-01T00:00:00Z"}},
    )  # fmt: skip
    lines = files(imported(budget), "pending", 1.0)[CLUSTER].decode().splitlines()
    [line] = [json.loads(line) for line in lines if "PodDisruptionBudget" in line]
    assert line["status"]["disruptionsAllowed"] == 1
