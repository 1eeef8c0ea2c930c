"""Fields taken out of a value. Follows structured-merge-diff `typed/remove.go`."""

from vaina.objects.managed_fields import field_set
from vaina.objects.managed_fields.field_set import FieldSet
from vaina.objects.managed_fields.types import Form, Type
from vaina.objects.managed_fields.values import Value, item_step


def remove(of: Type, item: Value, fields: FieldSet) -> Value:
    """Return a checked value without some fields; null when nothing is left. It is not changed itself."""
    if of.form in (Form.SCALAR, Form.ANY):
        return item
    if of.atomic or not item:
        # What is one value goes as a whole when something inside is to go.
        return None
    if of.form is Form.LIST:
        return _without_items(of, item, fields)
    left = {}
    for name, inner in item.items():
        step, below = field_set.field(name), of.of(name)
        assert below is not None, "it was checked"
        if step in fields.members:
            continue
        inside = fields.below(step)
        left[name] = remove(below, inner, inside) if inside else inner
    return left or None


def _without_items(of: Type, listed: list[Value], fields: FieldSet) -> list[Value] | None:
    assert of.element is not None
    left = []
    for item in listed:
        step = item_step(of, item)
        if step in fields.members:
            continue
        inside = fields.below(step)
        left.append(remove(of.element, item, inside) if inside else item)
    return left or None
