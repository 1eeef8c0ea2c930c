"""From the selectors of a request to what storage is asked for. Pure."""

from typing import Any

from apiserver.storage import keys
from apiserver.storage.selection import Selection
from vaina.errors import BadRequest
from vaina.kinds import Kind
from vaina.objects.selectors import FieldSelector, SelectorError, parse_field_selector, parse_label_selector

_NAME, _NAMESPACE = "metadata.name", "metadata.namespace"


def make_selection(kind: Kind[Any], namespace: str, labels: str, fields: str) -> Selection:
    """Return the selection that a list or a watch asks for; an empty namespace means all.

    Raises BadRequest when a selector cannot be read, or names a field that cannot be selected by.
    """
    try:
        label_selector = parse_label_selector(labels)
        field_selector = parse_field_selector(fields)
    except SelectorError as error:
        raise BadRequest(str(error)) from error
    _check_fields(kind, field_selector)
    if kind.namespaced and not namespace:
        namespace = field_selector.exact(_NAMESPACE) or ""
    name = field_selector.exact(_NAME)
    key = keys.object_key(kind, namespace, name) if name and (namespace or not kind.namespaced) else None
    return Selection(
        prefix=keys.namespace_prefix(kind, namespace),
        key=key,
        labels=None if label_selector.is_everything else label_selector,
        fields=None if field_selector.is_everything else field_selector,
        index=_index(kind, field_selector),
    )


def _check_fields(kind: Kind[Any], selector: FieldSelector) -> None:
    """Refuse fields that the kind cannot be selected by, in the words of its group
    (`pkg/apis/*/v1/conversion.go`).

    Kinds that say nothing of their own upstream have other words (apimachinery `runtime/conversion.go`).
    """
    known = {_NAME, *kind.field_selectors}
    if kind.namespaced:
        known.add(_NAMESPACE)
    for field, _, _ in selector.requirements:
        if field in known:
            continue
        if kind.field_selectors:
            raise BadRequest(f"field label not supported: {field}")
        raise BadRequest(
            f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"'
        )


def _index(kind: Kind[Any], selector: FieldSelector) -> tuple[str, str] | None:
    for field in kind.indexed_fields:
        value = selector.exact(field)
        if value is not None:
            return field, value
    return None
