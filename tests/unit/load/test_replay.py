"""Files of objects that a run creates: what is read, and what is refused by its line."""

import json
from pathlib import Path

import pytest

from bench.load.replay import ObjectsError, pods_of, read_objects
from tests.unit.load.exports import node, pod


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("{", "o.jsonl: line 2: "),
        ("[]", "o.jsonl: line 2: "),
        ('{"apiVersion": "v1", "kind": "Gadget", "metadata": {"name": "g"}}', "o.jsonl: line 2: "),
        (json.dumps(pod(spec={"odd": 1})), 'unknown field "spec.odd"'),
        ('{"a":' * 5000, "o.jsonl: line 2: "),
    ],
    ids=["cut off", "a list", "an unknown kind", "an unknown field", "deep nesting"],
)
def test_a_line_that_is_no_object_is_refused_by_its_number(line: str, error: str, tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl"
    path.write_text(f"{json.dumps(node())}\n{line}\n")
    with pytest.raises(ObjectsError) as failure:
        read_objects(path)
    assert error in str(failure.value)


def test_objects_come_in_their_order_and_empty_lines_are_nothing(tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl"
    path.write_text(f"{json.dumps(node())}\n\n{json.dumps(pod())}\n")
    assert [kind.kind for kind, _ in read_objects(path)] == ["Node", "Pod"]
    with pytest.raises(ObjectsError, match=r"none\.jsonl: No such file"):
        read_objects(tmp_path / "none.jsonl")


def test_what_is_measured_are_pods_without_nodes(tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl"
    for item, error in ((node(), "it has a Node"), (pod(spec={"nodeName": "n1"}), "the Pod p has a node")):
        path.write_text(json.dumps(item))
        with pytest.raises(ObjectsError, match=error):
            pods_of(read_objects(path), "o.jsonl")
    path.write_text(json.dumps(pod()))
    assert [one.metadata.name for one in pods_of(read_objects(path), "o.jsonl")] == ["p"]
