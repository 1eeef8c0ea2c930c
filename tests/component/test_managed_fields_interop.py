"""Server-side apply beside Kubernetes' own field manager: any row of applies and updates makes the same
object of it, with the same managedFields, and refuses with the same words.
"""

import json
import random
from typing import Any, cast

import pytest

from tests.support.applied_objects import KINDS, Tree, mixed, part, pod
from tests.support.golden import golden_kinds
from tests.support.interop import TESTDATA, Kubernetes, kubernetes
from vaina.errors import ApiError
from vaina.kinds import KINDS_BY_GVK, POD, Kind
from vaina.objects.managed_fields.entries import Managed, read_entries, write_entries
from vaina.objects.managed_fields.field_set import FieldSet, field
from vaina.objects.managed_fields.manager import FieldManager
from vaina.objects.manifest import decode_dict, to_dict

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

__all__ = ["kubernetes"]

#: when everything before a write happened, and when the write does: upstream's is now
BEFORE, NOW = 1_600_000_000, 1_900_000_000
MANAGERS = ("kubectl", "hpa", "operator", "")
RESETS: dict[str, list[list[str]]] = {"": [["status"]], "status": [["spec"], ["metadata", "labels"]]}


def _message(kind: Kind[Any], tree: Tree) -> Any:
    return decode_dict(tree, kind=kind, strict=False).message


def _stored(tree: Tree) -> Tree:
    """Return an object as it comes out of the store: an empty list is none, which JSON tells apart."""
    kind = KINDS_BY_GVK[tree["apiVersion"], tree["kind"]]
    return to_dict(kind, _message(kind, tree))


def _aged(message: Any) -> Any:
    """Return an object whose entries changed long ago."""
    for entry in message.metadata.managed_fields:
        if entry.HasField("time"):
            entry.time.seconds = BEFORE
    return message


def _without_entries(kind: Kind[Any], message: Any) -> tuple[Tree, Managed]:
    managed = read_entries(message.metadata.managed_fields)
    plain = kind.message()
    plain.CopyFrom(message)
    plain.metadata.ClearField("managed_fields")
    return to_dict(kind, plain), managed


def _filter(paths: list[list[str]]) -> Any:
    reset = FieldSet.of(*(tuple(map(field, path)) for path in paths))
    return lambda fields: fields.without(reset)


def _ours(asked: Tree) -> Tree:
    """Answer what the Go program is asked."""
    live = asked["live"]
    kind = KINDS_BY_GVK[live["apiVersion"], live["kind"]]
    tree, managed = _without_entries(kind, _message(kind, live))
    manager = FieldManager(kind, asked["subresource"], _filter(asked["reset"]))
    try:
        if asked["apply"]:
            made, after = manager.apply(
                tree, asked["object"], managed, asked["manager"], force=asked["force"], now=NOW
            )
        else:
            new = _message(kind, asked["object"])
            new.metadata.ClearField("managed_fields")
            made = to_dict(kind, new)
            after = manager.update(tree, made, managed, asked["manager"], NOW)
    except ApiError as error:
        causes = [{"reason": c.type, "message": c.detail, "field": c.field} for c in error.causes]
        return {"refused": {"message": error.message, "causes": causes}}
    message = _message(kind, made)
    message.metadata.managed_fields.extend(write_entries(after))
    return {"object": to_dict(kind, message)}


def _sorted(cause: Tree) -> Tree:
    return dict(sorted(cause.items()))


def _comparable(answer: Tree, kind: Kind[Any]) -> Any:
    """Return an answer with the order of its entries' fields, and times as whether they are new."""
    if "refused" in answer:
        # Upstream's causes come in the order of a map of Go: in any.
        causes = answer["refused"].get("causes") or []
        return answer["refused"]["message"], sorted(map(json.dumps, map(_sorted, causes)))
    message = _message(kind, answer["object"])
    entries = [
        (e.manager, e.operation, e.api_version, e.subresource, e.fields_v1.raw, e.HasField("time") and e.time.seconds != BEFORE, e.HasField("time"))
        for e in message.metadata.managed_fields
    ]  # fmt: skip
    message.metadata.ClearField("managed_fields")
    return message, entries


def _asked(rng: random.Random, make: Any, live: Tree) -> Tree:
    apply = rng.random() < 0.6
    wanted = make(rng)
    last = live["metadata"].get("uid")
    if apply:
        wanted = part(rng, wanted, 0.9)
    elif last:
        wanted = mixed(rng, live, wanted)
    wanted["metadata"].pop("managedFields", None)
    if not apply:
        wanted["metadata"]["uid"] = last or ""
        wanted = _stored(wanted)
    return {
        "live": live, "object": wanted, "apply": apply, "manager": rng.choice(MANAGERS) or "unknown",
        "subresource": rng.choice(("", "", "status")), "force": rng.random() < 0.4, "reset": [],
    }  # fmt: skip


@pytest.mark.requirement("A1")
@pytest.mark.parametrize("make", KINDS, ids=[make.__name__ for make in KINDS])
@pytest.mark.parametrize("seed", range(8))
def test_any_row_of_writes_leaves_the_object_and_the_owners_that_upstream_has(
    kubernetes: Kubernetes, make: Any, seed: int
) -> None:
    rng = random.Random(f"{make.__name__}{seed}")
    first = make(rng)
    kind = KINDS_BY_GVK[first["apiVersion"], first["kind"]]
    for _ in range(12):
        live = first if rng.random() < 0.5 else {k: first[k] for k in ("apiVersion", "kind", "metadata")}
        live["metadata"]["uid"] = "u"
        live = _stored(live)
        for _ in range(12):
            asked = _asked(rng, make, live)
            asked["reset"] = RESETS[asked["subresource"]]
            theirs, ours = kubernetes.managed(asked), _ours(asked)
            assert _comparable(ours, kind) == _comparable(theirs, kind), json.dumps(asked)
            if "object" in theirs:
                live = to_dict(kind, _aged(_message(kind, theirs["object"])))
                live["metadata"]["uid"] = "u"
        first = make(rng)


def _whole(kind: Kind[Any]) -> Tree:
    """Return upstream's golden object, in which every field is set."""
    path = TESTDATA / "HEAD" / f"{kind.group or 'core'}.{kind.version}.{kind.kind}.json"
    if not path.exists():
        pytest.skip("no golden object")
    tree = json.loads(path.read_text())
    for name in ("managedFields", "uid", "resourceVersion", "selfLink"):
        tree["metadata"].pop(name, None)
    return cast("Tree", tree)


@pytest.mark.parametrize("kind", golden_kinds(), ids=lambda kind: kind.kind)
def test_every_field_of_every_kind_is_merged_and_owned_as_upstream_does(
    kubernetes: Kubernetes, kind: Kind[Any]
) -> None:
    whole, rng = _whole(kind), random.Random(kind.kind)
    live = _stored({**whole, "metadata": {**whole["metadata"], "uid": "u"}})
    for manager in ("one", "two", "one", "two", "one"):
        asked = {
            "live": live, "object": part(rng, whole, 0.85), "apply": True, "manager": manager, "force": True,
            "subresource": "", "reset": [],
        }  # fmt: skip
        theirs = kubernetes.managed(asked)
        ours = _ours(asked)
        assert _comparable(ours, kind) == _comparable(theirs, kind), json.dumps(asked)
        live = to_dict(kind, _aged(_message(kind, theirs["object"])))
        live["metadata"]["uid"] = "u"


def _granular(rng: random.Random) -> Tree:
    """Return FieldsV1 of a Pod as of a schema in which more is merged."""
    items = {f'k:{{"key":"{name}"}}': {".": {}, "f:operator": {}} for name in rng.sample("abc", 2)}
    spec: Tree = {"f:nodeName": {}, "f:unknown": {"f:inside": {}}}
    for name, fields in (("f:nodeSelector", {"f:a": {}}), ("f:tolerations", items), ("f:securityContext", {"f:runAsUser": {}})):  # fmt: skip
        if rng.random() < 0.8:
            spec[name] = {**({".": {}} if rng.random() < 0.5 else {}), **fields}
    return {"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": spec}


@pytest.mark.parametrize("seed", range(20))
def test_sets_of_another_schema_are_brought_to_this_one(kubernetes: Kubernetes, seed: int) -> None:
    rng = random.Random(seed)
    live = _stored(pod(rng))
    entries = [
        {"manager": name, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1",
         "fieldsV1": _granular(rng)}
        for name, operation in (("one", "Apply"), ("two", "Update"))
    ]  # fmt: skip
    live["metadata"] |= {"uid": "u", "managedFields": entries}
    for manager in ("one", "three"):
        asked = {
            "live": live, "object": pod(rng), "apply": True, "manager": manager, "force": rng.random() < 0.5,
            "subresource": "", "reset": [["status"]],
        }  # fmt: skip
        theirs, ours = kubernetes.managed(asked), _ours(asked)
        assert _comparable(ours, POD) == _comparable(theirs, POD), json.dumps(asked)
