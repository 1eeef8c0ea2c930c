"""Field paths and violations in upstream's words."""

import pytest

from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.errors import FieldError
from vaina.objects import field_path
from vaina.objects.field_path import Path, show_value
from vaina.quoting import go_quote

SPEC = Path("spec")


def test_a_path_grows_by_fields_indexes_and_keys() -> None:
    path = SPEC.child("containers").index(0).child("resources", "requests").key("cpu")
    assert str(path) == "spec.containers[0].resources.requests[cpu]"
    assert str(Path()) == "<nil>"
    assert Path().child("metadata") == Path("metadata")
    assert len({Path("a"), Path("a")}) == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (field_path.required(SPEC), "spec: Required value"),
        (field_path.required(SPEC, "name it"), "spec: Required value: name it"),
        (field_path.invalid(SPEC, -1, "must be more"), "spec: Invalid value: -1: must be more"),
        (field_path.invalid(SPEC, 'a"b\n', "no"), 'spec: Invalid value: "a\\"b\\n": no'),
        (field_path.invalid(SPEC, True, "no"), "spec: Invalid value: true: no"),
        (field_path.invalid(SPEC, None, "no"), "spec: Invalid value: null: no"),
        (
            field_path.invalid(SPEC, {"b": 1, "a": "<"}, "no"),
            'spec: Invalid value: {"a":"\\u003c","b":1}: no',
        ),
        (field_path.invalid(SPEC, ["a", "b"], "no"), 'spec: Invalid value: ["a","b"]: no'),
        (field_path.invalid(SPEC, pod_pb2.PodIP(ip="::1"), "no"), 'spec: Invalid value: {"ip":"::1"}: no'),
        (field_path.duplicate(SPEC, "a"), 'spec: Duplicate value: "a"'),
        (field_path.not_found(SPEC, "x"), 'spec: Not found: "x"'),
        (
            field_path.not_supported(SPEC, "x", ["A", "B"]),
            'spec: Unsupported value: "x": supported values: "A", "B"',
        ),
        (field_path.not_supported(SPEC, "x", []), 'spec: Unsupported value: "x"'),
        (field_path.forbidden(SPEC, "may not be set"), "spec: Forbidden: may not be set"),
        (field_path.too_long(SPEC, 63), "spec: Too long: may not be more than 63 bytes"),
        (field_path.too_many(SPEC, 3, 2), "spec: Too many: 3: must have at most 2 items"),
        (field_path.too_many(SPEC, 2, 1), "spec: Too many: 2: must have at most 1 item"),
        (field_path.too_many(SPEC, -1, 1), "spec: Too many: must have at most 1 item"),
        (field_path.internal(SPEC, "oh"), "spec: Internal error: oh"),
    ],
)
def test_a_violation_reads_as_upstreams(error: FieldError, words: str) -> None:
    assert str(error) == words


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("é", '"é"'),
        ("\x00", '"\\x00"'),
        ("\u200b", '"\\u200b"'),
        ("\U000e0001", '"\\U000e0001"'),
        ("a\\b", '"a\\\\b"'),
    ],
)
def test_strings_are_quoted_as_go_does(text: str, quoted: str) -> None:
    assert go_quote(text) == quoted


def test_a_violation_carries_its_reason() -> None:
    assert field_path.required(SPEC).type == "FieldValueRequired"


def test_maps_in_messages_are_shown_in_the_order_of_their_keys() -> None:
    """Whatever order they have in memory: it changes from process to process, and with what was there before."""
    selector = meta_pb2.LabelSelector()
    for number in range(40):
        selector.match_labels[f"key-{number:02}"] = "x"
    words = show_value(selector)
    assert words.startswith('{"matchLabels":{"key-00":"x","key-01":"x",')
    places = [words.index(f"key-{number:02}") for number in range(40)]
    assert places == sorted(places)
