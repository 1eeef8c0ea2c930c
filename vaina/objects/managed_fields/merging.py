"""An applied value merged into the live one. Follows structured-merge-diff `typed/merge.go`.

Nothing is removed by it. Of a list with keys, or a set, the items that both have come in the order of what is
applied; those that only the live one has stay where they stand between them.
"""

from collections import Counter

from vaina.objects.managed_fields.field_set import Step
from vaina.objects.managed_fields.types import Form, Type
from vaina.objects.managed_fields.values import ABSENT, TypedError, Value, entries, item_step, items


def merge(of: Type, live: Value, applied: Value) -> Value:
    """Return the live value with what is applied; neither is changed. Raises TypedError."""
    if of.is_leaf:
        return live if applied is ABSENT else applied
    if of.form is Form.LIST:
        if not items(live) and not items(applied):
            return live if applied is ABSENT else applied
        return _merge_items(of, items(live), items(applied)) or ABSENT
    if not entries(live) and not entries(applied):
        return live if applied is ABSENT else applied
    merged = {}
    before, after = entries(live), entries(applied)
    for name in {**before, **after}:
        inner = of.of(name)
        assert inner is not None, "it was checked"
        if name not in after:
            # Nothing is applied inside.
            merged[name] = before[name]
            continue
        made = merge(inner, before.get(name, ABSENT), after[name])
        if made is not ABSENT:
            merged[name] = made
    return merged or ABSENT


def _merge_items(of: Type, live: list[Value], applied: list[Value]) -> list[Value]:
    assert of.element is not None
    ours = [item_step(of, item) for item in live]
    theirs = {item_step(of, item): item for item in applied}
    if len(theirs) != len(applied):
        raise TypedError(["duplicate entries for key"])
    counts, first = Counter(ours), dict(zip(ours, live, strict=True))
    merged: list[Value] = []

    def take(step: Step, mine: Value) -> None:
        made = merge(of.element, mine, theirs.get(step, ABSENT))  # type: ignore[arg-type]  # a list has an element
        if made is not ABSENT:
            merged.append(made)

    def mine_of(step: Step) -> Value:
        # Items that stand twice are not merged with.
        return (first[step] if counts[step] == 1 else None) if step in first else ABSENT

    for step, at in _order(ours, list(theirs)):
        take(step, live[at] if at is not None else mine_of(step))
    return merged


def _order(ours: list[Step], theirs: list[Step]) -> list[tuple[Step, int | None]]:
    """Return the steps of the merged list, with the index of an item that the live list alone has.

    Both lists are walked at once. An item of both comes when the applied list is there; until then those of
    the live list alone come first.
    """
    mine, wanted = set(ours), set(theirs)
    shared = (step for step in theirs if step in mine)
    awaited = next(shared, None)
    out: list[tuple[Step, int | None]] = []
    taken: set[Step] = set()
    left, right = 0, 0
    while left < len(ours) or right < len(theirs):
        if left < len(ours) and right < len(theirs):
            step = ours[left]
            if step == theirs[right]:
                taken.add(step)
                out.append((step, None))
                left, right = left + 1, right + 1
                awaited = next(shared, None)
                continue
            if step in wanted and awaited is not None and awaited != step:
                left += 1
                continue
        if left < len(ours):
            step = ours[left]
            if step not in wanted:
                out.append((step, left))
                left += 1
                continue
            if step in taken:
                left += 1
        if right < len(theirs):
            step = theirs[right]
            taken.add(step)
            out.append((step, None))
            right += 1
            if awaited == step:
                awaited = next(shared, None)
    return out
