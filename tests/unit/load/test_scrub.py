"""What matched before names and values are replaced still matches, and what did not still does not."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bench.exports import make_export
from bench.load.scrub import Scrubber, is_well_known
from vaina.api.meta.v1 import meta_pb2
from vaina.objects.selectors import from_message

KEYS = ("app", "tier", "acme.example/pool", "kubernetes.io/hostname", "topology.kubernetes.io/zone", "size")
VALUES = ("web", "db", "default", "7", "12", "s000001", "app", "")
LABELS = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES))
REQUIREMENT = st.one_of(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(KEYS),
            "operator": st.sampled_from(("In", "NotIn")),
            "values": st.lists(st.sampled_from(VALUES), min_size=1, max_size=3),
        }
    ),
    st.fixed_dictionaries(
        {"key": st.sampled_from(KEYS), "operator": st.sampled_from(("Exists", "DoesNotExist"))}
    ),
)
SELECTOR = st.fixed_dictionaries(
    {"matchLabels": LABELS, "matchExpressions": st.lists(REQUIREMENT, max_size=3)}
)


def matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    return from_message(
        meta_pb2.LabelSelector(
            match_labels=selector["matchLabels"],
            match_expressions=[
                meta_pb2.LabelSelectorRequirement(**one) for one in selector["matchExpressions"]
            ],
        )
    ).matches(labels)


@given(st.lists(LABELS, max_size=4), st.lists(SELECTOR, max_size=4))
def test_selectors_match_what_they_matched(
    labels: list[dict[str, str]], selectors: list[dict[str, Any]]
) -> None:
    scrubber = Scrubber()
    pods = [scrubber.scrub({"metadata": {"labels": one}}) for one in labels]
    others = [scrubber.scrub({"labelSelector": one}) for one in selectors]
    for own, pod in zip(labels, pods, strict=True):
        assert len(pod["metadata"]["labels"]) == len(own)
        for selector, other in zip(selectors, others, strict=True):
            assert matches(selector, own) == matches(other["labelSelector"], pod["metadata"]["labels"])


@given(st.lists(st.text("abc-.0123456789", max_size=5), unique=True))
def test_no_two_words_become_one(words: list[str]) -> None:
    scrubber = Scrubber()
    found = [scrubber.word(word) for word in words]
    assert len(set(found)) == len(words)
    assert found == [scrubber.word(word) for word in words]


def test_one_word_is_one_word_wherever_it_stands() -> None:
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}
    ]}}}  # fmt: skip
    spread = {
        "topologyKey": "rack",
        "matchLabelKeys": ["app"],
        "labelSelector": {"matchLabels": {"app": "web"}},
    }
    trees = [
        {"kind": "Node", "metadata": {"name": "n1", "labels": {"kubernetes.io/hostname": "n1", "rack": "r1"}},
         "spec": {"taints": [{"key": "team", "value": "a", "effect": "NoSchedule"}]},
         "status": {"images": [{"names": ["acme/web:latest", "acme/web@sha256:12"], "sizeBytes": 1}],
                    "capacity": {"cpu": "1", "acme.example/fpga": "2", "nvidia.com/gpu": "1"}}},
        {"kind": "Pod", "metadata": {"name": "p", "namespace": "shop", "labels": {"app": "web"}},
         "spec": {"nodeName": "n1", "affinity": affinity, "topologySpreadConstraints": [spread], "os": {"name": "linux"},
                  "tolerations": [{"key": "team", "operator": "Equal", "value": "a"}], "schedulerName": "mine",
                  "containers": [{"name": "c0", "image": "acme/web", "resources": {"requests": {"acme.example/fpga": "1"}}}],
                  "volumes": [{"name": "v0", "persistentVolumeClaim": {"claimName": "data"}}]}},
        {"kind": "Namespace", "metadata": {"name": "shop"}},
        {"kind": "PersistentVolume", "metadata": {"name": "pv"}, "spec": {
            "claimRef": {"kind": "PersistentVolumeClaim", "name": "data", "namespace": "shop"}, "csi": {"driver": "d", "volumeHandle": "pv"}}},
        {"kind": "StorageClass", "metadata": {"name": "none"}, "provisioner": "kubernetes.io/no-provisioner"},
        {"kind": "PodAffinityTerm", "namespaces": ["shop"], "namespaceSelector": {"matchExpressions": [
            {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["shop"]}]}},
    ]  # fmt: skip
    scrubber = Scrubber(trees)
    node, pod, space, volume, storage, term = (scrubber.scrub(tree) for tree in trees)
    name = node["metadata"]["name"]
    labels = node["metadata"]["labels"]
    spec = pod["spec"]
    assert name != "n1"
    assert labels["kubernetes.io/hostname"] == spec["nodeName"] == name
    [field] = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert field["matchFields"] == [{"key": "metadata.name", "operator": "In", "values": [name]}]
    [rule] = spec["topologySpreadConstraints"]
    assert rule["topologyKey"] in labels
    assert rule["labelSelector"]["matchLabels"] == pod["metadata"]["labels"]
    assert rule["matchLabelKeys"] == list(pod["metadata"]["labels"])
    [taint], [toleration] = node["spec"]["taints"], spec["tolerations"]
    assert (taint["key"], taint["value"]) == (toleration["key"], toleration["value"])
    assert (taint["effect"], toleration["operator"]) == ("NoSchedule", "Equal")
    [container] = spec["containers"]
    assert container["image"] == node["status"]["images"][0]["names"][0]
    capacity = node["status"]["capacity"]
    assert set(container["resources"]["requests"]) < set(capacity)
    assert {"cpu", "nvidia.com/gpu"} < set(capacity)
    shop = space["metadata"]["name"]
    assert pod["metadata"]["namespace"] == volume["spec"]["claimRef"]["namespace"] == shop
    assert term["namespaces"] == term["namespaceSelector"]["matchExpressions"][0]["values"] == [shop]
    assert spec["volumes"][0]["persistentVolumeClaim"]["claimName"] == volume["spec"]["claimRef"]["name"]
    assert storage["provisioner"] == "kubernetes.io/no-provisioner"
    assert (spec["schedulerName"], spec["os"]) == ("mine", {"name": "linux"})
    text = str((node, pod, space, volume, term))
    assert not [
        word for word in ("acme", "shop", "n1", "web", "rack", "data") if word in text.replace("metadata", "")
    ]


def test_what_is_compared_as_a_number_keeps_its_number() -> None:
    rule = {"matchExpressions": [{"key": "generation", "operator": "Gt", "values": ["3"]}]}
    node = {"metadata": {"labels": {"generation": "4", "rack": "4"}}}
    scrubber = Scrubber([rule, node])
    [requirement] = scrubber.scrub(rule)["matchExpressions"]
    labels = scrubber.scrub(node)["metadata"]["labels"]
    assert requirement["values"] == ["3"]
    assert labels[requirement["key"]] == "4"
    assert sorted(labels.values()) != ["4", "4"]


def test_well_known_keys_are_kept_and_others_are_not() -> None:
    kept = ("kubernetes.io/os", "node.kubernetes.io/instance-type", "app.kubernetes.io/name", "topology.ebs.csi.aws.com/zone", "sigs.k8s.io/a")  # fmt: skip
    assert all(map(is_well_known, kept))
    assert not any(map(is_well_known, ("app", "acme.example/pool", "notkubernetes.io/a", "kubernetes.io")))


def test_nothing_of_a_made_up_cluster_is_left() -> None:
    trees = make_export(5, 60)["items"]
    scrubber = Scrubber(trees)
    labels = [scrubber.scrub(tree)["metadata"].get("labels", {}) for tree in trees]
    assert not [
        value
        for one in labels
        for value in one.values()
        if not value.startswith("s0") and value != "kube-system"
    ]
