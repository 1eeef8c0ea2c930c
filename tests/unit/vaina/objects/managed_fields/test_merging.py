"""What an applied value makes of the live one: lists by keys, sets, and what is one value."""

from typing import Any

import pytest

from vaina.kinds import POD
from vaina.objects.managed_fields.merging import merge
from vaina.objects.managed_fields.types import Type, type_of
from vaina.objects.managed_fields.values import TypedError, check


def _at(*names: str) -> Type:
    found: Type | None = type_of(POD)
    for name in names:
        assert found is not None
        found = found.of(name) if name else found.element
    assert found is not None
    return found


FINALIZERS = _at("metadata", "finalizers")
CONTAINERS = _at("spec", "containers")
PORTS = _at("spec", "containers", "", "ports")


@pytest.mark.parametrize(
    ("live", "applied", "want"),
    [
        ("", "ab", "ab"),
        ("ab", "", "ab"),
        ("ab", "ab", "ab"),
        # What both have comes in the order of what is applied; the others stay where they were.
        ("abc", "cba", "cba"),
        ("abc", "b", "abc"),
        ("abc", "bd", "abcd"),
        ("abc", "db", "adbc"),
        ("ab", "cd", "abcd"),
        ("xay", "za", "xzay"),
        ("abcde", "ec", "abdec"),
        ("aabc", "a", "abc"),
    ],
)
def test_items_of_a_set_keep_an_order(live: str, applied: str, want: str) -> None:
    assert merge(FINALIZERS, list(live), list(applied)) == list(want)


@pytest.mark.parametrize(
    ("of", "live", "applied", "want"),
    [
        # By name, each merged.
        (CONTAINERS, [{"name": "a", "image": "i"}], [{"name": "a", "tty": True}, {"name": "b"}],
         [{"name": "a", "image": "i", "tty": True}, {"name": "b"}]),
        # A key that is left out has its default.
        (PORTS, [{"containerPort": 80, "protocol": "TCP"}], [{"containerPort": 80, "name": "http"}],
         [{"containerPort": 80, "protocol": "TCP", "name": "http"}]),
        (PORTS, [{"containerPort": 80}], [{"containerPort": 80, "protocol": "UDP"}],
         [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]),
        # One value: lists of values, selectors of labels, node selectors.
        (_at("spec", "tolerations"), [{"key": "a"}], [{"key": "b"}], [{"key": "b"}]),
        (_at("spec", "nodeSelector"), {"a": "1"}, {"b": "1"}, {"b": "1"}),
        (_at("spec", "topologySpreadConstraints", "", "labelSelector"), {"matchLabels": {"a": "1"}},
         {"matchLabels": {"b": "1"}}, {"matchLabels": {"b": "1"}}),
        # Maps are merged; null and empty values are values.
        (_at("metadata", "labels"), {"a": "1", "b": "1"}, {"b": "2", "c": "3"}, {"a": "1", "b": "2", "c": "3"}),
        (_at("metadata", "labels"), {"a": "1"}, None, {"a": "1"}),
        (_at("metadata", "labels"), None, {}, {}),
        (_at("spec", "securityContext"), {}, {"runAsUser": None}, {"runAsUser": None}),
    ],
)  # fmt: skip
def test_values_are_merged_by_their_type(of: Type, live: Any, applied: Any, want: Any) -> None:
    assert merge(of, live, applied) == want


@pytest.mark.parametrize(
    ("of", "item", "error"),
    [
        (CONTAINERS, [{"name": "a"}, {"name": "a"}], 'duplicate entries for key [name="a"]'),
        (CONTAINERS, [None], "element 0: associative list with keys may not have a null element"),
        (CONTAINERS, ["a"], "element 0: associative list with keys may not have non-map elements"),
        (CONTAINERS, {}, "expected list, got &{map[]}"),
        (CONTAINERS, [{"name": 5}], '[name=5].name: expected string, got &value.valueUnstructured{Value:5}'),
        (FINALIZERS, ["a", "a"], 'duplicate entries for key [="a"]'),
        (FINALIZERS, [None], "element 0: associative list without keys has an element that's an explicit null"),
        (FINALIZERS, [{}], "element 0: associative list without keys has an element that's a map type"),
        (FINALIZERS, [[]], "element 0: not supported: associative list with lists as elements"),
        (_at("spec"), [], "expected map, got &{[]}"),
        (_at("spec"), {"hostNetwork": "x", "priority": "y"},
         "errors:\n  .hostNetwork: expected boolean, got &{x}\n"
         "  .priority: expected numeric (int or float), got string"),
        (_at("spec"), {"overhead": {"cpu": []}}, ".overhead.cpu: expected any scalar, got &{[]}"),
        (_at("spec"), {"nodeSelector": {"a": {"b": True}}},
         '.nodeSelector.a: expected string, got &value.valueUnstructured{Value:map[string]interface {}{"b":true}}'),
    ],
)  # fmt: skip
def test_what_is_not_of_its_type_is_told(of: Type, item: Any, error: str) -> None:
    with pytest.raises(TypedError) as caught:
        check(of, item)
    assert str(caught.value) == error


def test_what_is_stored_may_have_duplicates() -> None:
    check(FINALIZERS, ["a", "a"], duplicates=True)
    assert merge(FINALIZERS, ["a", "a"], ["a"]) == ["a"]
