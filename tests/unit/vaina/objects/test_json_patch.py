"""JSON patch: RFC 6902 with the rules and words of the library that Kubernetes uses."""

import copy
from typing import Any

import pytest

from vaina.objects.json_patch import PatchError, apply_operations, read_operations

DOCUMENT: dict[str, Any] = {"a": {"b": 1, "t": True, "n": None}, "l": ["x", "y", "z"], "s/l~h": "v", "m": {}}


def op(name: str, path: str, *value: Any, source: str | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"op": name, "path": path}
    if value:
        made["value"] = value[0]
    if source is not None:
        made["from"] = source
    return made


def run(*operations: dict[str, Any]) -> Any:
    read, _ = read_operations(list(operations))
    return apply_operations(read, copy.deepcopy(DOCUMENT))


@pytest.mark.parametrize(
    ("operation", "where", "wanted"),
    [
        (op("add", "/m/k", 1), "m", {"k": 1}),
        (op("add", "/a", {}), "a", {}),
        (op("add", "/l/0", "n"), "l", ["n", "x", "y", "z"]),
        (op("add", "/l/3", "n"), "l", ["x", "y", "z", "n"]),
        (op("add", "/l/-", "n"), "l", ["x", "y", "z", "n"]),
        (op("add", "/l/-1", "n"), "l", ["x", "y", "z", "n"]),
        (op("add", "/l/-4", "n"), "l", ["n", "x", "y", "z"]),
        (op("add", "/m/", 1), "m", {"": 1}),
        (op("remove", "/l/1"), "l", ["x", "z"]),
        (op("remove", "/l/-1"), "l", ["x", "y"]),
        (op("remove", "/a/b"), "a", {"t": True, "n": None}),
        (op("replace", "/l/2", "n"), "l", ["x", "y", "n"]),
        (op("replace", "/l/-3", "n"), "l", ["n", "y", "z"]),
        (op("replace", "/s~1l~0h", "n"), "s/l~h", "n"),
        (op("replace", "", {"l": 1}), "l", 1),
        (op("move", "/m/k", source="/a/b"), "m", {"k": 1}),
        (op("move", "/l/0", source="/l/2"), "l", ["z", "x", "y"]),
        (op("copy", "/l/-", source="/l/0"), "l", ["x", "y", "z", "x"]),
        (op("copy", "/m/k", source="/l"), "m", {"k": ["x", "y", "z"]}),
        (op("test", "/a/b", 1), "l", ["x", "y", "z"]),
        (op("test", "/a/t", True), "l", ["x", "y", "z"]),
        (op("test", "/a/nothing", None), "l", ["x", "y", "z"]),
        (op("test", "/a/n", None), "l", ["x", "y", "z"]),
        (op("test", "/l", ["x", "y", "z"]), "l", ["x", "y", "z"]),
        (op("test", "", DOCUMENT), "l", ["x", "y", "z"]),
    ],
)
def test_what_an_operation_makes(operation: dict[str, Any], where: str, wanted: Any) -> None:
    assert run(operation)[where] == wanted


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (op("add", "/x/y", 1), 'add operation does not apply: doc is missing path: "/x/y": missing value'),
        (op("add", "/a/b/c", 1), 'add operation does not apply: doc is missing path: "/a/b/c": missing value'),
        (op("add", "", 1), 'add operation does not apply: doc is missing path: "": missing value'),
        (op("add", "/l/4", 1), "error in add for path: '/l/4': Unable to access invalid index: 4: invalid index referenced"),
        (op("add", "/l/-5", 1), "error in add for path: '/l/-5': Unable to access invalid index: -5: invalid index referenced"),
        (op("add", "/l/x", 1), "error in add for path: '/l/x': value was not a proper array index: 'x'"),
        (op("add", "/l/1e0", 1), "error in add for path: '/l/1e0': value was not a proper array index: '1e0'"),
        (op("remove", "/a/x"), "error in remove for path: '/a/x': Unable to remove nonexistent key: x: missing value"),
        (op("remove", "/x/y"), 'remove operation does not apply: doc is missing path: "/x/y": missing value'),
        (op("remove", "/l/3"), "error in remove for path: '/l/3': Unable to access invalid index: 3: invalid index referenced"),
        (op("remove", "/l/-"), "error in remove for path: '/l/-': value was not a proper array index: '-'"),
        (op("remove", ""), 'remove operation does not apply: doc is missing path: "": missing value'),
        (op("replace", "/a/x", 1), "replace operation does not apply: doc is missing key: /a/x: missing value"),
        (op("replace", "/l/3", 1), "replace operation does not apply: doc is missing key: /l/3: missing value"),
        (op("replace", "/x/y", 1), "replace operation does not apply: doc is missing path: /x/y: missing value"),
        (op("move", "/m/k", source="/a/x"), "error in move for path: 'x': unable to get nonexistent key: x: missing value"),
        (op("move", "/m/k", source="/x/y"), "move operation does not apply: doc is missing from path: /x/y: missing value"),
        (op("move", "/x/y", source="/a/b"), "move operation does not apply: doc is missing destination path: /x/y: missing value"),
        (op("move", "/a/b/c", source="/a/b"), "move operation does not apply: doc is missing destination path: /a/b/c: missing value"),
        (op("copy", "/m/k", source="/a/x"), "error in copy for from: '/a/x': unable to get nonexistent key: x: missing value"),
        (op("copy", "/x/y", source="/a/b"), "copy operation does not apply: doc is missing destination path: /x/y: missing value"),
        (op("copy", "/l/9", source="/a/b"), "error while adding value during copy: Unable to access invalid index: 9: invalid index referenced"),
        (op("test", "/a/b", 2), "testing value /a/b failed: test failed"),
        (op("test", "/a/b", "1"), "testing value /a/b failed: test failed"),
        (op("test", "/a/b", True), "testing value /a/b failed: test failed"),
        (op("test", "/a/t", 1), "testing value /a/t failed: test failed"),
        (op("test", "/a/b", None), "testing value /a/b failed: test failed"),
        (op("test", "/l", ["x", "y"]), "testing value /l failed: test failed"),
        (op("test", "/x/y", 1), "test operation does not apply: is missing path: /x/y: missing value"),
        (op("test", "/l/7", 1), "error in test for path: '/l/7': Unable to access invalid index: 7: invalid index referenced"),
    ],
)  # fmt: skip
def test_an_operation_that_does_not_fit(operation: dict[str, Any], words: str) -> None:
    with pytest.raises(PatchError) as caught:
        run(operation)
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({}, "a list of operations is expected"),
        (["x"], "[0]: an operation is an object"),
        ([op("test", "/a/b", 1), None], "[1]: an operation is an object"),
        ([{"op": 1}], "[0].op: a text is expected"),
        ([{"op": "add", "path": 1}], "[0].path: a text is expected"),
        ([{"op": "move", "path": "/a", "from": []}], "[0].from: a text is expected"),
    ],
)
def test_what_is_no_patch(tree: Any, words: str) -> None:
    with pytest.raises(PatchError) as caught:
        read_operations(tree)
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ([{"op": "fly", "path": "/a"}], "[0].op: Unexpected kind: fly"),
        ([{"path": "/a"}], "[0].op: Unexpected kind: unknown"),
        ([{"op": "remove"}], "[0]: remove operation needs a path"),
        ([{"op": "add", "path": "/a"}], "[0]: add operation needs a value"),
        ([{"op": "copy", "path": "/a"}], "[0]: copy operation needs a from"),
        ([op("remove", "a")], "[0].path: a path begins with /"),
        ([op("copy", "/a", source="b")], "[0].from: a path begins with /"),
    ],
)
def test_an_operation_that_fits_nothing_is_refused_when_its_turn_comes(tree: Any, words: str) -> None:
    read, _ = read_operations(tree)
    with pytest.raises(PatchError) as caught:
        apply_operations(read, {"a": 1})
    assert str(caught.value) == words


def test_members_that_no_operation_has_are_named() -> None:
    operations, unknown = read_operations(
        [{**op("test", "/a/b", 1), "foo": 1}, {**op("test", "/a/b", 1), "Op": 1}]
    )
    assert (len(operations), unknown) == (2, ['unknown field "[0].foo"', 'unknown field "[1].Op"'])


def test_a_patch_can_be_applied_again_and_shares_nothing_with_its_results() -> None:
    operations, _ = read_operations(
        [
            op("add", "/k", []),
            op("add", "/k/-", {"x": []}),
            op("add", "/k/0/x/-", 1),
            op("copy", "/c", source="/k"),
        ]
    )
    first = apply_operations(operations, {})
    first["k"].append("spoilt")
    second = apply_operations(operations, {})
    assert second == {"k": [{"x": [1]}], "c": [{"x": [1]}]}


def test_copies_that_double_end_at_three_megabytes() -> None:
    operations, _ = read_operations([op("copy", f"/k{n}", source="/d") for n in range(4)])
    words = "the accumulated size increase of copy is 4000008, exceeding the limit 3145728"
    with pytest.raises(PatchError, match=words):
        apply_operations(operations, {"d": "x" * 1_000_000})


@pytest.mark.parametrize(
    "operations",
    [
        [op("copy", "/a" * (2**n + 1), source="/a") for n in range(9)],
        [op("add", "/a" * n, {}) for n in range(1, 200)],
    ],
    ids=["copies that nest", "adds that nest"],
)
def test_what_is_nested_too_deeply_is_refused(operations: list[dict[str, Any]]) -> None:
    read, _ = read_operations(operations)
    with pytest.raises(PatchError, match="exceeded max depth"):
        apply_operations(read, {"a": {}})
