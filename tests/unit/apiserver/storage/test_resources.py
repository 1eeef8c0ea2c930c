"""What is read off encoded objects without parsing all of them is what parsing all of them gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.storage.resources import resource_of
from vaina.api.core.v1 import pod_pb2
from vaina.kinds import POD
from vaina.testing.builders import make_pod

LABELS = st.dictionaries(st.sampled_from(["app", "tier", "a/b", ""]), st.sampled_from(["", "web", "é"]))


def _labelled(labels: dict[str, str], note: str = "") -> bytes:
    pod = make_pod("web", labels=labels)
    pod.metadata.annotations["note"] = note
    return pod.SerializeToString()


@given(st.lists(st.tuples(LABELS, st.sampled_from(["", "n" * 20_000])), max_size=3))
def test_labels_are_those_of_the_whole_object_however_it_is_put_together(
    parts: list[tuple[dict[str, str], str]],
) -> None:
    data = b"".join(_labelled(labels, note) for labels, note in parts)
    expected = dict(pod_pb2.Pod.FromString(data).metadata.labels)
    # A second time from what is remembered.
    assert [dict(resource_of(POD).labels(data)) for _ in range(2)] == [expected, expected]


@pytest.mark.parametrize(
    ("data", "labels"),
    [
        (b"\x0a\x07\x5a\x05\x0a\x03app", {"app": ""}),
        (b"\x0a\x07\x5a\x05\x12\x03web", {"": "web"}),
        # one entry that says its value twice, and the same bytes as two entries
        (b"\x0a\x0a\x5a\x08\x0a\x01a\x12\x00\x12\x01b", {"a": "b"}),
        (b"\x0a\x0c\x5a\x05\x0a\x01a\x12\x00\x5a\x03\x12\x01b", {"a": "", "": "b"}),
        (b"\x0a\x05\x5a\x03\x0a\x01\xff", {}),
        (b"\x0a\xff", {}),
        (b"\x0a\x02\x58\x01", {}),
    ],
)
def test_labels_of_odd_bytes(data: bytes, labels: dict[str, str]) -> None:
    assert resource_of(POD).labels(data) == labels


@pytest.mark.parametrize("data", [b"\x0a\xff", b"\x12\x03\x52\x01\xff"])
def test_indexed_fields_of_what_cannot_be_parsed_are_empty(data: bytes) -> None:
    assert resource_of(POD).index_values(data) == ("",)
