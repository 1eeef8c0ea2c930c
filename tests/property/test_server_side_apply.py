"""Server-side apply beside a plain model: fields with a value each, and who owns them.

Leaves of maps and items of a set are drawn; any managers apply and update them, with and without force.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaina.errors import Conflict
from vaina.kinds import CONFIG_MAP
from vaina.objects.managed_fields.entries import Managed, read_entries, write_entries
from vaina.objects.managed_fields.manager import FieldManager
from vaina.objects.manifest import decode_dict, to_dict

#: where a leaf is, and its name
Leaf = tuple[str, str]
Leaves = dict[Leaf, str]
Owner = tuple[str, str]

MANAGER = FieldManager(CONFIG_MAP, "", lambda fields: fields)
#: applies a label that nobody else touches: the object always has an owner
BASE: Leaves = {("labels", "base"): "x"}
PLACES = ("data", "labels", "finalizers")

leaves = st.dictionaries(
    st.tuples(st.sampled_from(PLACES), st.sampled_from("abc")), st.sampled_from("xy"), max_size=6
).map(lambda found: {leaf: "" if leaf[0] == "finalizers" else value for leaf, value in found.items()})
steps = st.lists(
    st.tuples(st.sampled_from(("Apply", "Update")), st.sampled_from(("one", "two", "three")), leaves, st.booleans()),
    max_size=12,
)  # fmt: skip


@dataclass
class Model:
    """What is there, and who owns what."""

    there: Leaves
    owners: dict[Owner, set[Leaf]] = field(default_factory=dict)

    def apply(self, manager: str, wanted: Leaves, *, force: bool) -> set[tuple[Owner, Leaf]]:
        """Apply; return the conflicts, with which nothing changes."""
        me = (manager, "Apply")
        changed = {leaf for leaf, value in wanted.items() if self.there.get(leaf) != value}
        conflicts = {(o, leaf) for o, owned in self.owners.items() if o != me for leaf in owned & changed}
        if conflicts and not force:
            return conflicts
        left = self.owners.get(me, set()) - wanted.keys()
        self._take(me, changed)
        self.owners[me] = set(wanted)
        owned = set[Leaf]().union(*self.owners.values())
        self.there = {leaf: v for leaf, v in self.there.items() if leaf in owned or leaf not in left} | wanted
        return set()

    def update(self, manager: str, new: Leaves) -> None:
        me = (manager, "Update")
        changed = {leaf for leaf, value in new.items() if self.there.get(leaf) != value}
        removed = self.there.keys() - new.keys()
        self._take(me, changed)
        for owned in self.owners.values():
            owned.difference_update(removed)
        if changed:
            self.owners.setdefault(me, set()).update(changed)
        self.there = new

    def _take(self, me: Owner, changed: set[Leaf]) -> None:
        for other, owned in self.owners.items():
            if other != me:
                owned.difference_update(changed)

    def shown(self) -> dict[Owner, set[Leaf]]:
        return {owner: owned for owner, owned in self.owners.items() if owned}


def _tree(found: Leaves) -> dict[str, Any]:
    tree: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}}
    for (place, name), value in sorted(found.items()):
        holder = tree if place == "data" else tree["metadata"]
        if place == "finalizers":
            holder.setdefault(place, []).append(f"x/{name}")
        else:
            holder.setdefault(place, {})[name] = value
    return tree


def _leaves(tree: dict[str, Any]) -> Leaves:
    found = {("data", name): value for name, value in tree.get("data", {}).items()}
    found |= {("labels", name): value for name, value in tree["metadata"].get("labels", {}).items()}
    return found | {("finalizers", f[2:]): "" for f in tree["metadata"].get("finalizers", ())}


def _owned(managed: Managed) -> dict[Owner, set[Leaf]]:
    owners: dict[Owner, set[Leaf]] = {}
    for manager, owned in managed.owners.items():
        found = set()
        for path in owned.fields.paths():
            place, leaf = path[-2:] if len(path) > 1 else ("", "")
            if place[2:] in PLACES and leaf:
                found.add((place[2:], leaf[5:-1] if leaf.startswith("v:") else leaf[2:]))
        if found:
            owners[manager.name, manager.operation] = found
    return owners


def _stored(tree: dict[str, Any]) -> dict[str, Any]:
    return to_dict(CONFIG_MAP, decode_dict(tree, kind=CONFIG_MAP).message)


@given(steps)
@settings(deadline=None)
def test_any_row_of_writes_leaves_what_a_plain_model_says(row: list[tuple[str, str, Leaves, bool]]) -> None:
    model = Model({})
    tree, managed = MANAGER.apply(_stored(_tree({})), _tree(BASE), Managed(), "base", force=False, now=1)
    model.apply("base", BASE, force=False)
    for now, (operation, manager, wanted, force) in enumerate(row, 2):
        if operation == "Update":
            new = _stored(_tree(wanted | BASE))
            managed = MANAGER.update(tree, new, managed, manager, now)
            tree = new
            model.update(manager, wanted | BASE)
        else:
            conflicts = model.apply(manager, wanted, force=force)
            if conflicts:
                with pytest.raises(Conflict) as caught:
                    MANAGER.apply(tree, _tree(wanted), managed, manager, force=force, now=now)
                assert len(caught.value.causes) == len(conflicts)
                continue
            made, managed = MANAGER.apply(tree, _tree(wanted), managed, manager, force=force, now=now)
            tree = _stored(made)
        # What is written and read again says the same.
        managed = read_entries(write_entries(managed))
        assert _leaves(tree) == model.there
        assert _owned(managed) == model.shown()
