"""Whether a selection has an object, asked of each event: what it asks is made ready once. Pure.

A selector that asks for nothing but indexed fields (`spec.nodeName!=`, a kubelet's `spec.nodeName=node-1`) is
answered from the values that the index has anyway; only what other selectors ask for is read off the whole
object (10 µs of a Pod).
"""

from collections.abc import Callable, Mapping

from apiserver.storage.cached import Entry
from apiserver.storage.resources import Resource
from apiserver.storage.selection import Matcher, Selection

#: says whether an object is selected
Judge = Callable[[Entry], bool]


def judge_of(resource: Resource, selection: Selection) -> Judge:
    """Return what says whether a selection of a kind has an object."""
    key, labels, fields = selection.key, selection.labels, selection.fields
    prefix = "" if selection.prefix == resource.prefix else selection.prefix
    if key is None and not prefix and labels is None and fields is None:
        return _everything
    wanted = _of_index(resource, fields)
    if key is None and not prefix and labels is None and wanted is not None and len(wanted) == 1:
        return _by_one_field(*wanted[0])

    has_labels = None if labels is None else _with_labels(labels)

    def selects(entry: Entry) -> bool:
        if key is not None and entry.stored.key != key:
            return False
        if prefix and not entry.stored.key.startswith(prefix):
            return False
        if wanted is not None:
            values = entry.values
            for place, value, is_equal in wanted:
                if (values[place] == value) is not is_equal:
                    return False
        if has_labels is not None and not has_labels(entry.labels()):
            return False
        return wanted is not None or fields is None or fields.matches(entry.fields())

    return selects


def _with_labels(selector: Matcher) -> Callable[[Mapping[str, str]], bool]:
    """Return what says whether a selector has labels; it remembers the last, which many objects share."""
    last: Mapping[str, str] | None = None
    answer = False

    def matches(labels: Mapping[str, str]) -> bool:
        nonlocal last, answer
        if labels is not last:
            last, answer = labels, selector.matches(labels)
        return answer

    return matches


def _everything(_entry: Entry) -> bool:
    return True


def _by_one_field(place: int, value: str, is_equal: bool) -> Judge:
    def selects(entry: Entry) -> bool:
        return (entry.values[place] == value) is is_equal

    return selects


def _of_index(resource: Resource, fields: Matcher | None) -> list[tuple[int, str, bool]] | None:
    """Return what a selector asks of indexed fields: place, value, equal or not. None: of others, too."""
    requirements = getattr(fields, "requirements", None)
    if not requirements:
        return None
    places = {name: place for place, name in enumerate(resource.index_fields)}
    if any(name not in places for name, _, _ in requirements):
        return None
    return [(places[name], value, operator == "=") for name, operator, value in requirements]
