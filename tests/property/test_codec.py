"""The codec over random objects of every kind: nothing is lost or changed on the way to text and back."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.messages import JSON_VALUES, STRINGS, messages
from vaina.errors import ApiError
from vaina.kinds import KINDS, POD, Kind
from vaina.objects.manifest import (
    decode_documents,
    decode_json,
    encode_json,
    encode_yaml,
    to_dict,
    write_json,
)
from vaina.objects.normalise import normalise
from vaina.objects.strategic_merge import json_merge, strategic_merge, three_way_patch
from vaina.objects.tree import parse_json
from vaina.objects.yaml_text import parse_yaml, write_yaml

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
quick = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def refusal(read: Callable[..., Any], *arguments: Any, **options: Any) -> ApiError | None:
    """Return the error with which something was refused, if it was."""
    try:
        read(*arguments, **options)
    except ApiError as error:
        return error
    return None


def stored(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


@every_kind
@quick
@given(data=st.data())
def test_json_and_yaml_come_back_as_the_same_bytes(kind: Kind[Message], data: st.DataObject) -> None:
    message = data.draw(messages(kind))
    assert stored(decode_json(encode_json(kind, message)).message) == stored(message)
    (from_yaml,) = decode_documents(encode_yaml(kind, message))
    assert stored(from_yaml.message) == stored(message)


@every_kind
@quick
@given(data=st.data())
def test_the_normal_form_is_the_same_from_both_apis(kind: Kind[Message], data: st.DataObject) -> None:
    message = data.draw(messages(kind, normal=False))
    through_text = decode_json(encode_json(kind, message)).message
    normalise(message)
    assert stored(through_text) == stored(message)
    normalise(message)
    assert stored(through_text) == stored(message)


@every_kind
@quick
@given(data=st.data())
def test_the_wire_carries_all(kind: Kind[Message], data: st.DataObject) -> None:
    message = data.draw(messages(kind))
    assert kind.message.FromString(stored(message)) == message


@quick
@given(old=messages(POD), new=messages(POD), base=messages(POD))
def test_an_applied_patch_leaves_nothing_to_do(old: Message, new: Message, base: Message) -> None:
    original, modified, current = to_dict(POD, base), to_dict(POD, new), to_dict(POD, old)
    try:
        patched = strategic_merge(POD, current, three_way_patch(original, modified, current, POD))
    except ApiError:
        # Random lists have items without their merge key.
        return
    again = three_way_patch(modified, modified, patched, POD)
    assert again == {}


@quick
@given(tree=st.dictionaries(STRINGS, JSON_VALUES, max_size=4))
def test_any_json_is_read_and_written_as_it_is(tree: dict[str, Any]) -> None:
    text = json.dumps(tree)
    assert parse_json(text)[0][0] == tree
    assert json.loads(write_json(tree)) == tree
    assert parse_yaml(write_yaml(tree))[0][0] == tree


@quick
@given(target=JSON_VALUES, patch=JSON_VALUES)
def test_a_merge_patch_settles_at_once(target: Any, patch: Any) -> None:
    once = json_merge(target, patch)
    assert json_merge(once, patch) == once


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=60) | st.text(alphabet="{}[]:,- \n\"'&*!|>#?%@`ab1.~<", max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    error = refusal(decode_documents, text)
    assert error is None or error.code in (400, 413)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=60))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    for read in (decode_documents, decode_json):
        error = refusal(read, data)
        assert error is None or error.code in (400, 413)


@quick
@given(data=st.data())
def test_no_json_value_breaks_the_decoder(data: st.DataObject) -> None:
    """Random values in place of random fields: read, or refused with a word about where."""
    tree = to_dict(POD, data.draw(messages(POD)))
    at: Any = tree
    while isinstance(at, dict | list) and at and data.draw(st.booleans()):
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(at[key], dict | list) and data.draw(st.booleans()):
            at = at[key]
        else:
            at[key] = data.draw(JSON_VALUES)
            break
    error = refusal(decode_json, json.dumps(tree), kind=POD)
    assert error is None or (error.code == 400 and error.message)
