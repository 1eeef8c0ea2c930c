"""Static Pods and their mirrors."""

import pytest

from kubelet.runtime.records import Uid
from kubelet.sources import static_files
from kubelet.sources.static_files import (
    Entry,
    ManifestError,
    MirrorPlan,
    Stamp,
    choose,
    considered,
    looked,
    mirror_of,
    plan_mirrors,
    shown,
    was_read,
)
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.clock import timestamp
from vaina.objects.pods import MIRROR, is_mirror
from vaina.testing.builders import make_node, make_pod

NOW = 1_700_000_000.25
WEB = (
    "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers: [{name: main, image: busybox}]\n"
)
OLD, NEW = Stamp(1, 10, 7), Stamp(2, 10, 7)


def decode(text: str, *, path: str = "/m/web.yaml", node: str = "Node-1") -> pod_pb2.Pod:
    return static_files.decode(text.encode(), path=path, node_name=node, now=NOW)


def pod_with(spec: str, metadata: str = "name: web") -> str:
    return f"apiVersion: v1\nkind: Pod\nmetadata: {{{metadata}}}\nspec: {{{spec}}}\n"


MAIN = "containers: [{name: main, image: busybox}]"


def test_a_manifest_becomes_a_pod_of_this_node() -> None:
    pod = decode(WEB)

    meta, spec = pod.metadata, pod.spec
    assert (meta.name, meta.namespace, spec.node_name) == ("web-node-1", "default", "Node-1")
    assert len(meta.uid) == 32
    assert dict(meta.annotations) == {
        "kubernetes.io/config.source": "file",
        "kubernetes.io/config.hash": meta.uid,
        "kubernetes.io/config.seen": "2023-11-14T22:13:20.250000Z",
    }
    assert [(item.operator, item.effect) for item in spec.tolerations] == [("Exists", "NoExecute")]
    # Defaults as the apiserver has them.
    assert (spec.restart_policy, spec.termination_grace_period_seconds) == ("Always", 30)
    assert spec.containers[0].image_pull_policy == "Always"
    assert static_files.is_static(meta)


@pytest.mark.parametrize(
    ("text", "path", "node", "same"),
    [
        (WEB, "/m/web.yaml", "Node-1", True),
        (WEB + "# a comment\n", "/m/web.yaml", "Node-1", True),
        (WEB.replace("busybox", "busybox:1.37"), "/m/web.yaml", "Node-1", False),
        (WEB, "/m/other.yaml", "Node-1", False),
        (WEB, "/m/web.yaml", "node-2", False),
    ],
)
def test_the_uid_is_that_of_the_content(text: str, path: str, node: str, same: bool) -> None:
    assert (decode(text, path=path, node=node).metadata.uid == decode(WEB).metadata.uid) is same


def test_json_and_a_namespace_of_its_own() -> None:
    pod = decode(
        '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "kube-system"},'
        ' "spec": {"containers": [{"name": "c", "image": "i"}]}}'
    )

    assert (pod.metadata.namespace, pod.metadata.name) == ("kube-system", "a-node-1")


def test_what_a_manifest_may_not_say_of_itself_is_left_out() -> None:
    metadata = (
        "name: web, uid: mine, resourceVersion: '7', generateName: web-, deletionTimestamp: '2020-01-01T00:00:00Z',"
        " deletionGracePeriodSeconds: 1, finalizers: [a/b], annotations: {kubernetes.io/config.mirror: x, mine: kept},"
        " ownerReferences: [{apiVersion: v1, kind: Node, name: node, uid: u}]"
    )
    pod = decode(pod_with(MAIN, metadata) + "status: {phase: Failed}\n")

    meta = pod.metadata
    assert meta.uid != "mine"
    assert not meta.resource_version
    assert not meta.generate_name
    assert not meta.HasField("deletion_timestamp")
    assert not meta.finalizers
    assert not meta.owner_references
    assert not pod.status.phase
    assert sorted(meta.annotations) == [static_files.HASH, static_files.SEEN, static_files.SOURCE, "mine"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must hold one Pod, and holds 0 documents"),
        ("{", "couldn't parse as pod("),
        ("a: [", "couldn't parse as pod("),
        ("\x00\x01\xff", "couldn't parse as pod("),
        ("just words", "couldn't parse as pod("),
        ("kind: Pod", "Object 'apiVersion' is missing"),
        (f"{WEB}---\n{WEB}", "must hold one Pod, and holds 2 documents"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}", "invalid pod: it is a ConfigMap"),
        ("apiVersion: v1\nkind: Pud\nmetadata: {name: a}", 'no matches for kind "Pud" in version "v1"'),
        (pod_with("containers: 7"), "couldn't parse as pod("),
        (pod_with(""), "invalid pod: [spec.containers: Required value]"),
        (pod_with(f"{MAIN}, serviceAccountName: admin"), "static pods may not reference serviceaccounts"),
        (pod_with(f"{MAIN}, imagePullSecrets: [{{name: s}}]"), "static pods may not reference secrets"),
        (
            pod_with(f"{MAIN}, volumes: [{{name: v, secret: {{secretName: s}}}}]"),
            "static pods may not reference secrets",
        ),
        (
            pod_with(f"{MAIN}, volumes: [{{name: v, configMap: {{name: s}}}}]"),
            "static pods may not reference configmaps",
        ),
        (
            pod_with(f"{MAIN}, volumes: [{{name: v, persistentVolumeClaim: {{claimName: s}}}}]"),
            "static pods may not reference persistentvolumeclaims",
        ),
        (
            pod_with(f"{MAIN}, volumes: [{{name: v, csi: {{driver: a.b}}}}]"),
            "static pods may not reference csidrivers (via CSI volumes)",
        ),
        (
            pod_with(
                f"{MAIN}, volumes: [{{name: v, projected: {{sources: [{{serviceAccountToken: {{path: t}}}}]}}}}]"
            ),
            "static pods may not reference serviceaccounts (via projected volumes)",
        ),
        (
            pod_with(f"{MAIN}, volumes: [{{name: v, projected: {{sources: [{{configMap: {{name: s}}}}]}}}}]"),
            "static pods may not reference configmaps",
        ),
        (
            pod_with("containers: [{name: a, image: i, envFrom: [{secretRef: {name: s}}]}]"),
            "static pods may not reference secrets",
        ),
        (
            pod_with(
                "containers: [{name: a, image: i, env: [{name: E, valueFrom: {configMapKeyRef: {name: s, key: k}}}]}]"
            ),
            "static pods may not reference configmaps",
        ),
    ],
)
def test_what_is_no_static_pod_says_why(text: str, words: str) -> None:
    with pytest.raises(ManifestError) as error:
        decode(text)

    assert words in str(error.value)


def test_a_volume_of_the_node_and_a_downward_api_need_no_apiserver() -> None:
    volumes = "volumes: [{name: h, hostPath: {path: /}}, {name: d, downwardAPI: {items: []}}, {name: e, emptyDir: {}}]"

    assert len(decode(pod_with(f"{MAIN}, {volumes}")).spec.volumes) == 3


def test_dotfiles_are_nobodys_business() -> None:
    assert considered(["web.yaml", ".web.yaml.swp", "..data", "#web#", "db.json"]) == [
        "#web#",
        "db.json",
        "web.yaml",
    ]


@pytest.mark.parametrize(
    ("before", "listing", "first", "due", "missing"),
    [
        pytest.param({}, {"a": OLD}, True, ["a"], [], id="the first look reads at once"),
        pytest.param({}, {"a": OLD}, False, [], [], id="a new file is looked at twice"),
        pytest.param({"a": Entry(OLD)}, {"a": OLD}, False, ["a"], [], id="it is whole"),
        pytest.param({"a": Entry(OLD)}, {"a": NEW}, False, [], [], id="it still changes"),
        pytest.param({"a": Entry(OLD, read=OLD)}, {"a": OLD}, False, [], [], id="it was read"),
        pytest.param({"a": Entry(OLD, read=OLD)}, {"a": NEW}, False, [], [], id="it changes"),
        pytest.param({"a": Entry(NEW, read=OLD)}, {"a": NEW}, False, ["a"], [], id="it has changed"),
        pytest.param({"a": Entry(OLD, read=OLD)}, {}, False, [], ["a"], id="it may be back in a moment"),
        pytest.param({"a": Entry(OLD, read=OLD, missing=True)}, {"a": OLD}, False, [], [], id="it is back"),
        pytest.param({"a": Entry(OLD, read=OLD, missing=True)}, {"a": NEW}, False, [], [], id="another is there"),
    ],
)  # fmt: skip
def test_a_change_counts_when_two_looks_agree(
    before: dict[str, Entry], listing: dict[str, Stamp], first: bool, due: list[str], missing: list[str]
) -> None:
    after, found = looked(before, listing, first=first)

    assert found == due
    assert [name for name, entry in after.items() if entry.missing] == missing
    assert sorted(after) == sorted({*before, *listing})


def test_a_file_is_gone_when_it_was_missing_twice() -> None:
    once, _ = looked({"a": Entry(OLD, read=OLD)}, {}, first=False)

    assert looked(once, {}, first=False) == ({}, [])


@pytest.mark.parametrize(
    ("stamp", "words"),
    [
        (Stamp(1, 0, 7, regular=False), "is not a regular file"),
        (Stamp(1, static_files.MAX_BYTES + 1, 7), "the limit is 3145728"),
    ],
)
def test_what_is_no_file_or_too_big_is_not_read(stamp: Stamp, words: str) -> None:
    after, due = looked({}, {"a": stamp}, first=True)

    assert due == []
    assert words in after["a"].problem


def test_garbage_leaves_the_pod_that_the_file_had_until_it_is_right_or_gone() -> None:
    web = decode(WEB)
    before = was_read(Entry(OLD), web)
    broken = was_read(Entry(NEW, read=OLD, pod=web), ManifestError("couldn't parse as pod()"))

    assert choose({"a": before}).problems == {}
    chosen = choose({"a": broken})
    assert chosen.pods == {Uid(web.metadata.uid): web}
    assert chosen.problems == {"a": "couldn't parse as pod()"}
    assert choose({"a": was_read(broken, web)}).problems == {}


def test_of_two_files_with_one_name_the_first_counts() -> None:
    first, copy = decode(WEB, path="/m/web.yaml"), decode(WEB, path="/m/web.yaml~")

    chosen = choose({"web.yaml~": was_read(Entry(OLD), copy), "web.yaml": was_read(Entry(OLD), first)})

    assert chosen.pods == {Uid(first.metadata.uid): first}
    assert chosen.problems == {"web.yaml~": "names the Pod default/web-node-1, as web.yaml does"}


def test_more_files_than_anybody_has_are_told_and_left() -> None:
    entries = {f"{number:04}": Entry(OLD, read=OLD) for number in range(static_files.MAX_FILES + 1)}

    assert choose(entries).problems == {"0500": "is beyond the 500 files that are looked at"}


def test_what_is_no_file_takes_no_place_of_one_that_is() -> None:
    folder = Entry(Stamp(1, 0, 7, regular=False), problem="is not a regular file")
    entries = {f"a{number:04}": folder for number in range(static_files.MAX_FILES + 1)}

    web = decode(WEB)
    chosen = choose(entries | {"web.yaml": was_read(Entry(OLD), web)})

    assert chosen.pods == {Uid(web.metadata.uid): web}
    assert set(chosen.problems.values()) == {"is not a regular file"}


@pytest.mark.parametrize(
    ("uid", "annotations", "static"),
    [
        ("u", {}, False),
        ("u", {static_files.SOURCE: "file"}, False),
        ("u", {static_files.SOURCE: "file", static_files.HASH: "v"}, False),
        ("u", {static_files.SOURCE: "api", static_files.HASH: "u"}, False),
        ("u", {static_files.SOURCE: "file", static_files.HASH: "u"}, True),
    ],
)
def test_who_claims_to_be_static_is_not(uid: str, annotations: dict[str, str], static: bool) -> None:
    pod = pod_pb2.Pod()
    pod.metadata.uid = uid
    pod.metadata.annotations.update(annotations)

    assert static_files.is_static(pod.metadata) is static


def never(static: pod_pb2.Pod, mirror: pod_pb2.Pod) -> bool:
    """Take every mirror for what it says."""
    return False


def registered() -> node_pb2.Node:
    node = make_node("node-1")
    node.metadata.uid = "node-uid"
    return node


NODE = registered()
TEXT = "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec: {containers: [{name: main, image: %s}]}\n"


def static(name: str = "web", image: str = "busybox") -> pod_pb2.Pod:
    return static_files.decode(
        (TEXT % (name, image)).encode(), path=f"/m/{name}", node_name="node-1", now=1.0
    )


def mirror(pod: pod_pb2.Pod, uid: str = "m", *, ends: bool = False) -> pod_pb2.Pod:
    made = mirror_of(pod, NODE)
    made.metadata.uid = uid
    if ends:
        made.metadata.deletion_timestamp.CopyFrom(timestamp(2.0))
    return made


STATIC_WEB, CHANGED, OTHER = static(), static(image="busybox:1.37"), static("other")


def test_a_mirror_is_the_pod_with_the_hash_and_the_node_as_owner() -> None:
    made = mirror_of(STATIC_WEB, NODE)

    assert not made.metadata.uid
    assert made.metadata.annotations["kubernetes.io/config.mirror"] == STATIC_WEB.metadata.uid
    [owner] = made.metadata.owner_references
    assert (owner.kind, owner.name, owner.uid, owner.controller) == ("Node", "node-1", "node-uid", True)
    assert made.spec == STATIC_WEB.spec
    assert is_mirror(made)
    assert not static_files.is_static(made.metadata)


@pytest.mark.parametrize(
    ("statics", "mirrors", "create", "delete"),
    [
        pytest.param([], [], [], [], id="nothing"),
        pytest.param([STATIC_WEB], [], ["web-node-1"], [], id="there is none"),
        pytest.param([STATIC_WEB], [mirror(STATIC_WEB)], [], [], id="all is well"),
        pytest.param([], [mirror(STATIC_WEB)], [], ["m"], id="the manifest is gone"),
        pytest.param([CHANGED], [mirror(STATIC_WEB)], [], ["m"], id="the manifest has changed: first the old one goes"),
        pytest.param([STATIC_WEB], [mirror(STATIC_WEB, ends=True)], [], ["m"], id="somebody deletes it"),
        pytest.param([STATIC_WEB, OTHER], [mirror(STATIC_WEB)], ["other-node-1"], [], id="another one is added"),
        pytest.param([STATIC_WEB], [mirror(STATIC_WEB), mirror(OTHER, "o")], [], ["o"], id="one is taken away"),
    ],
)  # fmt: skip
def test_what_is_due(
    statics: list[pod_pb2.Pod], mirrors: list[pod_pb2.Pod], create: list[str], delete: list[str]
) -> None:
    plan = plan_mirrors({Uid(pod.metadata.uid): pod for pod in statics}, mirrors, NODE, never)

    assert [pod.metadata.name for pod in plan.create] == create
    assert [pod.metadata.uid for pod in plan.delete] == delete


def test_a_node_that_is_not_registered_or_goes_gets_none() -> None:
    going, unknown = registered(), registered()
    going.metadata.deletion_timestamp.CopyFrom(timestamp(2.0))
    unknown.metadata.uid = ""

    for node in (going, unknown):
        assert plan_mirrors({Uid(STATIC_WEB.metadata.uid): STATIC_WEB}, [], node, never) == MirrorPlan()


def test_somebody_who_forges_the_annotation_is_taken_away() -> None:
    forged = make_pod("web-node-1", uid="f", annotations={MIRROR: "what"})

    plan = plan_mirrors({Uid(STATIC_WEB.metadata.uid): STATIC_WEB}, [forged], NODE, never)

    assert [pod.metadata.uid for pod in plan.delete] == ["f"]


def test_a_static_pod_is_shown_by_the_mirror_of_what_it_is_now() -> None:
    uid = Uid(STATIC_WEB.metadata.uid)

    assert shown([STATIC_WEB], [mirror(STATIC_WEB)], never)[uid].metadata.uid == "m"
    assert shown([STATIC_WEB], [mirror(CHANGED)], never) == {}
    assert shown([STATIC_WEB], [mirror(STATIC_WEB, ends=True)], never) == {}
    assert shown([STATIC_WEB], [], never) == {}
