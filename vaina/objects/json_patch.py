"""JSON patch (RFC 6902) on plain values. Pure; called by the apiserver's Patch.

A patch is read once and may be applied to several objects (an update runs again on conflict), so nothing of
it is ever shared with a result. Rules and words are those of the library that Kubernetes uses
(evanphx/json-patch v4): negative indices count from the end, and testing for null also holds where there is
nothing. No value of the object is told in an error: it may be a Secret.
"""

import copy
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from vaina.objects.tree import MAX_DEPTH, compact_json
from vaina.quoting import go_quote

#: bytes that copies may add: without a bound sixty operations that double make an exabyte. Upstream's limit,
#: that of a request.
MAX_COPIED: Final = 3 * 1024 * 1024
_MEMBERS: Final = frozenset(("op", "path", "from", "value"))
_INDEX: Final = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)
_MISSING: Final = "missing value"


class PatchError(ValueError):
    """The patch is none, or does not fit. The message says which operation and why."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One step. `source` is the `from` of copy and move; `problem` says why it can never be done, if so."""

    op: str
    path: str
    source: str
    value: Any
    problem: str = ""


def read_operations(tree: Any) -> tuple[list[Operation], list[str]]:
    """Read a patch: its operations, and the members that no operation has (a strict reader refuses them).

    What is wrong with an operation by itself is told when its turn comes, as by upstream's library. Raises
    PatchError: it is no list of operations.
    """
    if not isinstance(tree, list):
        raise PatchError("a list of operations is expected")
    operations, unknown = [], []
    for index, item in enumerate(tree):
        if not isinstance(item, dict):
            raise PatchError(f"[{index}]: an operation is an object")
        for name in ("op", "path", "from"):
            if not isinstance(item.get(name, ""), str):
                raise PatchError(f"[{index}].{name}: a text is expected")
        unknown += [f"unknown field {go_quote(f'[{index}].{name}')}" for name in item if name not in _MEMBERS]
        op, path, source = item.get("op", ""), item.get("path", ""), item.get("from", "")
        operations.append(Operation(op, path, source, item.get("value"), _problem(index, op, item)))
    return operations, unknown


def _problem(index: int, op: str, item: Mapping[str, Any]) -> str:
    """Return what is wrong with an operation, whatever it is applied to; empty: nothing."""
    if op not in _APPLY:
        return f"[{index}].op: Unexpected kind: {op or 'unknown'}"
    needed = ["path"]
    if op in ("copy", "move"):
        needed.append("from")
    if op in ("add", "replace", "test"):
        needed.append("value")
    for name in needed:
        if name not in item:
            return f"[{index}]: {op} operation needs a {name}"
    for name in ("path", "from"):
        if item.get(name) and not item[name].startswith("/"):
            return f"[{index}].{name}: a path begins with /"
    return ""


def apply_operations(operations: Sequence[Operation], document: Any) -> Any:
    """Return what the operations make of a document, which is changed in place. Raises PatchError."""
    run = _Run(document)
    for operation in operations:
        if operation.problem:
            raise PatchError(operation.problem)
        _APPLY[operation.op](run, operation)
    if _is_too_deep(run.document):
        raise PatchError("exceeded max depth")
    return run.document


@dataclass(slots=True)
class _Run:
    document: Any
    copied: int = 0


def _keys(pointer: str) -> list[str]:
    return [key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:]]


def _place(run: _Run, step: Operation, pointer: str, problem: str) -> tuple[Any, str]:
    """Return the container that holds a pointer's last key, and that key. Raises PatchError with the problem."""
    *parents, key = _keys(pointer) or [""]
    found = run.document if pointer else None
    with suppress(PatchError):
        for parent in parents:
            found = _get(found, parent)
        if isinstance(found, dict | list):
            return found, key
    raise PatchError(f"{step.op} operation does not apply: {problem}: {_MISSING}")


def _index(key: str, size: int) -> int:
    if not _INDEX.fullmatch(key):
        raise PatchError(f"value was not a proper array index: '{key}'")
    place = int(key)
    if not -size <= place < size:
        raise PatchError(f"Unable to access invalid index: {place}: invalid index referenced")
    return place % size


def _get(container: Any, key: str) -> Any:
    if isinstance(container, list):
        return container[_index(key, len(container))]
    if not isinstance(container, dict) or key not in container:
        raise PatchError(f"unable to get nonexistent key: {key}: {_MISSING}")
    return container[key]


def _insert(container: Any, key: str, value: Any) -> None:
    if isinstance(container, dict):
        container[key] = value
    elif key == "-":
        container.append(value)
    else:
        container.insert(_index(key, len(container) + 1), value)


def _take_out(container: Any, key: str) -> None:
    if isinstance(container, list):
        del container[_index(key, len(container))]
    elif key in container:
        del container[key]
    else:
        raise PatchError(f"Unable to remove nonexistent key: {key}: {_MISSING}")


def _add(run: _Run, step: Operation) -> None:
    container, key = _place(run, step, step.path, f'doc is missing path: "{step.path}"')
    with _told(f"error in add for path: '{step.path}'"):
        _insert(container, key, copy.deepcopy(step.value))


def _remove(run: _Run, step: Operation) -> None:
    container, key = _place(run, step, step.path, f'doc is missing path: "{step.path}"')
    with _told(f"error in remove for path: '{step.path}'"):
        _take_out(container, key)


def _replace(run: _Run, step: Operation) -> None:
    if not step.path:
        run.document = copy.deepcopy(step.value)
        return
    container, key = _place(run, step, step.path, f"doc is missing path: {step.path}")
    try:
        _get(container, key)
    except PatchError:
        raise PatchError(
            f"replace operation does not apply: doc is missing key: {step.path}: {_MISSING}"
        ) from None
    place: Any = _index(key, len(container)) if isinstance(container, list) else key
    container[place] = copy.deepcopy(step.value)


def _move(run: _Run, step: Operation) -> None:
    container, key = _place(run, step, step.source, f"doc is missing from path: {step.source}")
    with _told(f"error in move for path: '{key}'"):
        value = _get(container, key)
        _take_out(container, key)
    container, key = _place(run, step, step.path, f"doc is missing destination path: {step.path}")
    with _told(f"error in move for path: '{step.path}'"):
        _insert(container, key, value)


def _copy(run: _Run, step: Operation) -> None:
    container, key = _place(run, step, step.source, f"doc is missing from path: {step.source}")
    with _told(f"error in copy for from: '{step.source}'"):
        value = _get(container, key)
    container, key = _place(run, step, step.path, f"doc is missing destination path: {step.path}")
    if _is_too_deep(value):
        raise PatchError("exceeded max depth")
    run.copied += len(compact_json(value))
    if run.copied > MAX_COPIED:
        raise PatchError(
            f"Unable to complete the copy, the accumulated size increase of copy is {run.copied}, "
            f"exceeding the limit {MAX_COPIED}"
        )
    with _told("error while adding value during copy"):
        _insert(container, key, copy.deepcopy(value))


def _test(run: _Run, step: Operation) -> None:
    if not step.path:
        found = run.document
    else:
        container, key = _place(run, step, step.path, f"is missing path: {step.path}")
        if isinstance(container, list):
            with _told(f"error in test for path: '{step.path}'"):
                found = _get(container, key)
        else:
            found = container.get(key)
    if not _is_equal(found, step.value):
        raise PatchError(f"testing value {step.path} failed: test failed")


def _is_equal(left: Any, right: Any) -> bool:
    """Compare as JSON does: true is no 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_is_equal(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_is_equal, left, right))
    return bool(left == right)


def _is_too_deep(value: Any) -> bool:
    """Say whether a value is nested more deeply than a text may be; without recursion."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True


@contextmanager
def _told(words: str) -> Iterator[None]:
    """Put words before those of a PatchError of the block."""
    try:
        yield
    except PatchError as error:
        raise PatchError(f"{words}: {error}") from None


_APPLY: Final[Mapping[str, Callable[[_Run, Operation], None]]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}
