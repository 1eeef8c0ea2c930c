"""What the words of `vaina taint` do to the taints of a node. Pure; as `kubectl/pkg/cmd/taint/utils.go`."""

from collections.abc import Sequence
from dataclasses import dataclass

from cli.failures import Failure
from vaina.api.core.v1 import node_pb2
from vaina.objects.selectors import check_label_key, check_label_value

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


@dataclass(frozen=True, slots=True)
class TaintChanges:
    """Taints to put on nodes and to take away; one without an effect stands for all of its key."""

    add: Sequence[node_pb2.Taint]
    remove: Sequence[node_pb2.Taint]


def split_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell objects from changes. Raises Failure: an object follows a change, or one of the two is missing."""
    objects: list[str] = []
    changes: list[str] = []
    for word in words:
        if "=" in word or ":" in word or word.endswith("-"):
            changes.append(word)
        elif changes:
            raise Failure(f"all resources must be specified before taint changes: {word}")
        else:
            objects.append(word)
    if not objects:
        raise Failure("one or more resources must be specified as <resource> <name>")
    if not changes:
        raise Failure("at least one taint update is required")
    return objects, changes


def parse_changes(words: Sequence[str]) -> TaintChanges:
    """Read `key=value:effect` and `key:effect`, which add a taint, `key:effect-` and `key-`, which take away.

    Raises Failure: a word makes no sense, or two of them contradict each other.
    """
    add: list[node_pb2.Taint] = []
    remove: list[node_pb2.Taint] = []
    for word in words:
        if word.endswith("-"):
            remove.append(_parse(word[:-1]))
            continue
        taint = _parse(word)
        if not taint.effect:
            raise Failure(f"invalid taint spec: {word}")
        if any(_same(taint, other) for other in add):
            raise Failure(f"duplicated taints with the same key and effect: {_text(taint)}")
        add.append(taint)
    both = [
        f'{{"{gone.key}":"{gone.effect}"}}'
        for taint in add
        for gone in remove
        if taint.key == gone.key and gone.effect in ("", taint.effect)
    ]
    if both:
        raise Failure(
            f"can not both modify and remove the following taint(s) in the same command: {', '.join(both)}"
        )
    return TaintChanges(add, remove)


def _parse(text: str) -> node_pb2.Taint:
    """Read `key=value:effect`, `key:effect` or `key`."""
    named, colon, effect = text.partition(":")
    key, equals, value = named.partition("=")
    if colon and effect not in _EFFECTS:
        raise Failure(f"invalid taint effect: {effect}, unsupported taint effect")
    if equals and (not colon or "=" in value):
        raise Failure(f"invalid taint spec: {text}")
    wrong = check_label_key(key) or check_label_value(value)
    if wrong:
        raise Failure(f"invalid taint spec: {text}, {'; '.join(wrong)}")
    return node_pb2.Taint(key=key, value=value, effect=effect)


def _same(one: node_pb2.Taint, other: node_pb2.Taint) -> bool:
    return one.key == other.key and one.effect == other.effect


def _text(taint: node_pb2.Taint) -> str:
    value = f"={taint.value}" if taint.value else ""
    return f"{taint.key}{value}{f':{taint.effect}' if taint.effect else ''}"


def change_taints(
    name: str, old: Sequence[node_pb2.Taint], changes: TaintChanges, *, overwrite: bool
) -> tuple[list[node_pb2.Taint], str]:
    """Return the taints as they are afterwards, new ones first, and the word: tainted, untainted or modified.

    Raises Failure: a taint to add is there, and nothing may be overwritten; or one to take away is not there.
    """
    there = [taint.key for taint in changes.add for other in old if _same(taint, other)]
    if there and not overwrite:
        raise Failure(
            f"node {name} already has {','.join(there)} taint(s) with same effect(s) and --overwrite is false"
        )
    new = [*changes.add, *(taint for taint in old if not any(_same(taint, other) for other in changes.add))]
    added, missing = len(new) != len(old), []
    for gone in changes.remove:
        kept = [taint for taint in new if taint.key != gone.key or gone.effect not in ("", taint.effect)]
        if len(kept) == len(new):
            missing.append(f'taint "{_text(gone)}" not found')
        new = kept
    if missing:
        raise Failure(missing[0] if len(missing) == 1 else f"[{', '.join(missing)}]")
    if overwrite or (added and changes.remove):
        return new, "modified"
    return new, "tainted" if added else "untainted"
