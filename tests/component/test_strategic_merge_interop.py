"""Strategic merge patches beside Kubernetes' own code.

Any patch of lists makes the same object of it, in the same order.
"""

import random
from typing import Any, cast

import pytest
from google.protobuf.message import Message

from tests.support.interop import Kubernetes, kubernetes
from vaina.kinds import POD, Kind
from vaina.objects.manifest import decode_dict
from vaina.objects.strategic_merge import strategic_merge

pytestmark = [pytest.mark.component, pytest.mark.timeout(90)]

__all__ = ["kubernetes"]

NAMES = "abcdefg"


def _some(rng: random.Random, most: int = 5) -> list[str]:
    return rng.sample(NAMES, rng.randint(0, most))


def _env(rng: random.Random) -> list[dict[str, str]]:
    return [{"name": name, "value": rng.choice("xyz")} for name in _some(rng, 3)]


def _pod(rng: random.Random) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": "web", "namespace": "default"}
    if finalizers := _some(rng):
        meta["finalizers"] = [f"example.com/{name}" for name in finalizers]
    containers = [{"name": n, "image": rng.choice("xyz"), "env": _env(rng)} for n in _some(rng)]
    tolerations = [{"key": name, "operator": "Exists"} for name in _some(rng, 2)]
    spec = {"containers": containers, "tolerations": tolerations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def _merged(rng: random.Random, items: list[dict[str, Any]], current: list[str]) -> list[dict[str, Any]]:
    """Return a patch of a list: changed and new items, deletions of others, in any order."""
    named = {item["name"] for item in items}
    gone = [name for name in current if name not in named and rng.random() < 0.4]
    patch = [*items, *({"name": name, "$patch": "delete"} for name in gone)]
    rng.shuffle(patch)
    return patch


def _ordered(rng: random.Random, patch: list[str], current: list[str]) -> list[str]:
    """Return an order that names what a patch sets, in the patch's order, and some of the others between."""
    others = [name for name in current if name not in patch and rng.random() < 0.5]
    order = list(patch)
    for name in others:
        order.insert(rng.randint(0, len(order)), name)
    return order


def _patch(rng: random.Random, pod: dict[str, Any]) -> dict[str, Any]:
    patch: dict[str, Any] = {"metadata": {}, "spec": {}}
    there = [item["name"] for item in pod["spec"]["containers"]]
    items: list[dict[str, Any]] = []
    for name in _some(rng):
        item: dict[str, Any] = {"name": name}
        before = next((c["env"] for c in pod["spec"]["containers"] if c["name"] == name), None)
        if before is not None and rng.random() < 0.7:
            item["env"] = _merged(rng, _env(rng), [entry["name"] for entry in before])
        if rng.random() < 0.5:
            item["image"] = rng.choice("xyz")
        items.append(item)
    listed = _merged(rng, items, there)
    if rng.random() < 0.1:
        # Of what deletions stand inside such a list upstream leaves the keys: nobody means that.
        listed = [*({**item, "env": []} for item in items), {"$patch": "replace"}]
    elif rng.random() < 0.5:
        gone = {item["name"] for item in listed if "$patch" in item}
        set_ = [item["name"] for item in listed if "$patch" not in item]
        order = _ordered(rng, set_, [name for name in there if name not in gone])
        patch["spec"]["$setElementOrder/containers"] = [{"name": name} for name in order]
    if listed or rng.random() < 0.5:
        patch["spec"]["containers"] = listed
    finalizers = [f"example.com/{name}" for name in _some(rng)]
    if finalizers:
        patch["metadata"]["finalizers"] = finalizers
        if rng.random() < 0.5:
            order = _ordered(rng, finalizers, pod["metadata"].get("finalizers", []))
            patch["metadata"]["$setElementOrder/finalizers"] = order
    elif rng.random() < 0.5:
        patch["metadata"]["$deleteFromPrimitiveList/finalizers"] = [f"example.com/{n}" for n in _some(rng)]
    if rng.random() < 0.3:
        patch["spec"]["tolerations"] = [{"key": name, "operator": "Exists"} for name in _some(rng, 2)]
    return patch


@pytest.mark.parametrize("seed", range(40))
def test_random_patches_make_the_same_object(seed: int, kubernetes: Kubernetes) -> None:
    rng = random.Random(seed)
    for _ in range(50):
        pod = _pod(rng)
        patch = _patch(rng, pod)
        ours = _read(strategic_merge(POD, pod, patch))
        theirs = _theirs(kubernetes, pod, patch)
        assert theirs is None or ours == theirs, (pod, patch)


def _read(tree: dict[str, Any]) -> Message:
    return decode_dict(tree, kind=cast("Kind[Message]", POD), strict=False).message


def _theirs(kubernetes: Kubernetes, pod: dict[str, Any], patch: dict[str, Any]) -> Message | None:
    """Return what upstream makes of it.

    None where it refuses an order for lists that are both empty, as we do not.
    """
    try:
        return _read(kubernetes.patched(pod, patch))
    except ValueError as error:
        if str(error) != "no elements in any of the given slices":
            raise
        return None
