"""Patches: strategic merge with its directives, JSON merge, and the three-way patch of apply."""

from typing import Any

import pytest

from vaina.errors import BadRequest
from vaina.kinds import POD, REPLICA_SET
from vaina.objects.strategic_merge import json_merge, strategic_merge, three_way_patch

Json = dict[str, Any]


def pod(*containers: Json, **spec: Any) -> Json:
    return {"spec": {"containers": list(containers), **spec}}


def c(name: str, **more: Any) -> Json:
    return {"name": name, **more}


MERGES: list[tuple[str, Json, Json, Json]] = [
    ("a value is replaced", {"spec": {"nodeName": "a"}}, {"spec": {"nodeName": "b"}}, {"spec": {"nodeName": "b"}}),
    ("null removes", {"spec": {"nodeName": "a", "hostname": "h"}}, {"spec": {"nodeName": None}}, {"spec": {"hostname": "h"}}),
    ("null removes nothing that is not there", {}, {"metadata": {"labels": {"a": None, "b": "1"}}}, {"metadata": {"labels": {"b": "1"}}}),
    ("maps merge", {"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"b": "2"}}}, {"metadata": {"labels": {"a": "1", "b": "2"}}}),
    ("containers merge by name", pod(c("a", image="1"), c("b")), pod(c("a", tty=True)), pod(c("a", image="1", tty=True), c("b"))),
    ("a new container comes first", pod(c("a")), pod(c("b")), pod(c("b"), c("a"))),
    ("$patch delete takes one out", pod(c("a"), c("b")), pod({"name": "a", "$patch": "delete"}), pod(c("b"))),
    ("$patch replace replaces a list", pod(c("a"), c("b")), pod(c("x"), {"$patch": "replace"}), pod(c("x"))),
    ("$patch replace replaces a map", {"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"$patch": "replace", "b": "2"}}}, {"metadata": {"labels": {"b": "2"}}}),
    ("$patch delete empties a map", {"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"$patch": "delete"}}}, {"metadata": {"labels": {}}}),
    ("$patch merge is the default", pod(c("a", tty=True)), pod({"name": "a", "$patch": "merge", "stdin": True}), pod(c("a", tty=True, stdin=True))),
    ("atomic lists are replaced", pod(c("a", args=["x", "y"])), pod(c("a", args=["z"])), pod(c("a", args=["z"]))),
    ("primitive lists merge", {"metadata": {"finalizers": ["a", "b"]}}, {"metadata": {"finalizers": ["b", "c"]}}, {"metadata": {"finalizers": ["a", "b", "c"]}}),
    (
        "$deleteFromPrimitiveList takes values out",
        {"metadata": {"finalizers": ["a", "b"]}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}},
        {"metadata": {"finalizers": ["b"]}},
    ),
    (
        "$retainKeys keeps only those named",
        pod(volumes=[{"name": "v", "emptyDir": {}}]),
        {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "m"}}]}},
        pod(volumes=[{"name": "v", "configMap": {"name": "m"}}]),
    ),
    (
        "$setElementOrder orders what it names, and others stay before what they stood before",
        pod(c("a"), c("extra"), c("b")),
        {"spec": {"containers": [c("n")], "$setElementOrder/containers": [c("b"), c("n"), c("a")]}},
        pod(c("extra"), c("b"), c("n"), c("a")),
    ),
    (
        "$setElementOrder orders primitives",
        {"metadata": {"finalizers": ["a", "b"]}},
        {"metadata": {"finalizers": ["c"], "$setElementOrder/finalizers": ["c", "b", "a"]}},
        {"metadata": {"finalizers": ["c", "b", "a"]}},
    ),
    ("directives do not stay in what is new", {}, pod(c("a", ports=[{"containerPort": 1, "$patch": "merge"}])), pod(c("a", ports=[{"containerPort": 1}]))),
    ("a list of another type is replaced", {"spec": {"containers": "x"}}, pod(c("a")), pod(c("a"))),
]  # fmt: skip


@pytest.mark.parametrize(
    ("current", "patch", "wanted"), [case[1:] for case in MERGES], ids=[case[0] for case in MERGES]
)
def test_strategic_merge(current: Json, patch: Json, wanted: Json) -> None:
    before = repr(current)
    assert strategic_merge(POD, current, patch) == wanted
    assert repr(current) == before


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        ({"spec": {"$patch": "nonsense"}}, "Unknown patch type found: nonsense"),
        (
            {"spec": {"containers": [{"image": "x"}]}},
            r"map: map\[image:x\] does not contain declared merge key: name",
        ),
        ({"spec": {"containers": ["x"]}}, "expected an object in the list containers"),
        ({"spec": {"$retainKeys": "x"}}, "must be a list"),
        ({"spec": {"$retainKeys": ["nodeName"], "hostname": "h"}}, "invalid patch format of retainKeys"),
    ],
)
def test_a_patch_that_makes_no_sense_is_refused(patch: Json, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        strategic_merge(POD, pod(c("a")), patch)


def test_json_merge() -> None:
    assert json_merge({"a": 1, "b": {"c": 2, "d": 3}, "l": [1]}, {"a": None, "b": {"c": 4}, "l": [2], "n": {"x": None}}) == {
        "b": {"c": 4, "d": 3}, "l": [2], "n": {},
    }  # fmt: skip
    assert json_merge({"a": 1}, [1]) == [1]
    assert json_merge([1], {"a": 1}) == {"a": 1}


APPLIES: list[tuple[str, Json | None, Json, Json, Json]] = [
    ("nothing to do", pod(c("a")), pod(c("a")), pod(c("a", imagePullPolicy="Always"), dnsPolicy="x"), {}),
    ("nothing to do the first time", None, pod(c("a")), pod(c("a", imagePullPolicy="Always")), {}),
    (
        "a change goes to its container",
        pod(c("a", image="1")), pod(c("a", image="2")), pod(c("a", image="1", imagePullPolicy="Always")),
        {"spec": {"containers": [{"name": "a", "image": "2"}], "$setElementOrder/containers": [{"name": "a"}]}},
    ),
    ("what others set stays", {}, {"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"a": "1", "b": "2"}}}, {}),
    (
        "what is not said any more is removed",
        {"metadata": {"labels": {"a": "1", "b": "2"}}}, {"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"a": "1", "b": "2", "c": "3"}}},
        {"metadata": {"labels": {"b": None}}},
    ),
    (
        "what is gone already needs no removal",
        {"metadata": {"labels": {"a": "1", "b": "2"}}}, {"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"a": "1"}}},
        {},
    ),
    (
        "a container that is not said any more is deleted, one of others stays",
        pod(c("a"), c("b")), pod(c("a")), pod(c("a"), c("b"), c("injected")),
        {"spec": {"containers": [{"name": "b", "$patch": "delete"}], "$setElementOrder/containers": [{"name": "a"}]}},
    ),
    (
        "an added container",
        pod(c("a")), pod(c("b"), c("a")), pod(c("a")),
        {"spec": {"containers": [{"name": "b"}], "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}},
    ),
    (
        "another order alone",
        pod(c("a"), c("b")), pod(c("b"), c("a")), pod(c("a"), c("b")),
        {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}},
    ),
    ("an explicit null removes", {}, {"spec": {"nodeName": None}}, {"spec": {"nodeName": "n"}}, {"spec": {"nodeName": None}}),
    (
        "another kind of volume keeps no trace of the old one",
        pod(volumes=[{"name": "v", "emptyDir": {}}]),
        pod(volumes=[{"name": "v", "configMap": {"name": "m"}}]),
        pod(volumes=[{"name": "v", "emptyDir": {}}]),
        {"spec": {
            "volumes": [{"name": "v", "configMap": {"name": "m"}, "emptyDir": None, "$retainKeys": ["configMap", "name"]}],
            "$setElementOrder/volumes": [{"name": "v"}],
        }},
    ),
    (
        "values in a set",
        {"metadata": {"finalizers": ["a", "b"]}}, {"metadata": {"finalizers": ["b", "c"]}}, {"metadata": {"finalizers": ["a", "b", "x"]}},
        {"metadata": {"finalizers": ["c"], "$deleteFromPrimitiveList/finalizers": ["a"], "$setElementOrder/finalizers": ["b", "c"]}},
    ),
    (
        "a list whose merge key is not unique is replaced",
        None,
        pod(c("a", ports=[{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "protocol": "TCP"}])),
        pod(c("a", ports=[{"containerPort": 53, "protocol": "UDP"}])),
        {"spec": {
            "containers": [{
                "ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "protocol": "TCP"}, {"$patch": "replace"}],
                "name": "a",
            }],
            "$setElementOrder/containers": [{"name": "a"}],
        }},
    ),
    ("an atomic list", pod(c("a", args=["x"])), pod(c("a", args=["y"])), pod(c("a", args=["x"])), {
        "spec": {"containers": [{"name": "a", "args": ["y"]}], "$setElementOrder/containers": [{"name": "a"}]}}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("original", "modified", "current", "wanted"),
    [case[1:] for case in APPLIES],
    ids=[case[0] for case in APPLIES],
)
def test_three_way_patch(original: Json | None, modified: Json, current: Json, wanted: Json) -> None:
    assert three_way_patch(original, modified, current, POD) == wanted


@pytest.mark.parametrize(
    ("original", "modified", "current"), [case[1:4] for case in APPLIES], ids=[case[0] for case in APPLIES]
)
def test_applying_the_patch_leaves_nothing_to_do(
    original: Json | None, modified: Json, current: Json
) -> None:
    patched = strategic_merge(POD, current, three_way_patch(original, modified, current, POD))
    assert three_way_patch(modified, modified, patched, POD) == {}


def test_a_template_is_merged_by_its_own_keys() -> None:
    def template(*containers: Json) -> Json:
        return {"spec": {"template": {"spec": {"containers": list(containers)}}}}

    patch = three_way_patch(
        template(c("a")), template(c("a", image="2")), template(c("a", image="1")), REPLICA_SET
    )
    merged = strategic_merge(REPLICA_SET, template(c("a", image="1"), c("b")), patch)
    assert merged == template(c("a", image="2"), c("b"))


def test_a_primitive_list_takes_what_is_no_text_and_leaves_it_to_the_decoder_to_refuse() -> None:
    merged = strategic_merge(
        POD, {"metadata": {"finalizers": ["a"]}}, {"metadata": {"finalizers": [{"b": 1}, {"b": 1}]}}
    )
    assert merged == {"metadata": {"finalizers": [{"b": 1}, "a"]}}


def test_retained_keys_that_are_no_text_retain_nothing() -> None:
    assert strategic_merge(POD, {"spec": {"hostname": "h"}}, {"spec": {"$retainKeys": [{}]}}) == {"spec": {}}


def test_a_patch_as_large_as_a_request_may_be_is_merged_in_time_that_grows_with_it() -> None:
    """I19: merging each item by looking through all others would hold up the apiserver for minutes."""
    many = [c(str(number)) for number in range(60_000)]
    labels = [str(number) for number in range(60_000)]
    current = {"metadata": {"finalizers": labels[::2]}, "spec": {"containers": many[::2]}}
    patch = {
        "metadata": {"finalizers": labels, "$deleteFromPrimitiveList/finalizers": labels[1:]},
        "spec": {"containers": [*many, *({**item, "$patch": "delete"} for item in many[1:])]},
    }
    merged = strategic_merge(POD, current, patch)
    assert merged == {"metadata": {"finalizers": ["0"]}, "spec": {"containers": many}}
    wanted = {"metadata": {"finalizers": labels[1::2]}, "spec": {"containers": many}}
    patched = three_way_patch(current, wanted, current, POD)
    assert patched["metadata"]["$deleteFromPrimitiveList/finalizers"] == labels[::2]
    assert patched["spec"]["containers"] == many[1::2]
