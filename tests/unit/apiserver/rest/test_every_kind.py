"""Every kind that is served: made, read, patched and deleted in every form, and upstream's golden objects."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from apiserver.defaulting import default
from apiserver.rest.answers import write_object
from apiserver.rest.bodies import read_object
from apiserver.rest.forms import Form, Media
from apiserver.rest.served import Served, make_table
from tests.support.every_kind import sample
from tests.support.golden import DATA, MISSING, needs_data
from tests.support.rest import RestServer, rest_server
from vaina.api.runtime.v1 import runtime_pb2
from vaina.kinds import Kind
from vaina.objects.manifest import to_dict
from vaina.objects.normalise import normalise
from vaina.objects.views import view_of

PROTOBUF = "application/vnd.kubernetes.protobuf"
MEDIA = {"json": "application/json", "yaml": "application/yaml", "protobuf": PROTOBUF}
PATCHES = {
    "application/merge-patch+json": {"metadata": {"labels": {"patched": "merge"}}},
    "application/strategic-merge-patch+json": {"metadata": {"labels": {"patched": "strategic"}}},
    "application/json-patch+json": [{"op": "add", "path": "/metadata/labels/patched", "value": "json"}],
}
TABLE = make_table()
STORED = [row for row in TABLE.values() if row.row is not None]
each_row = pytest.mark.parametrize("row", STORED, ids=lambda row: f"{row.shape.api_version}-{row.shape.kind}")
#: what an Event of this form has to say, and one of core/v1 need not
NEWER_EVENT = {
    "eventTime": "2026-01-01T00:00:00.000000Z", "type": "Normal", "reason": "Made", "action": "Make",
    "reportingController": "tests", "reportingInstance": "here",
}  # fmt: skip
#: kinds of which something holds a deleted object: what protects it, an emptying, Pods that have to be let go
HELD = {"Namespace", "PersistentVolume", "PersistentVolumeClaim", "ReplicationController", "Job"}


def manifest(row: Served, name: str) -> dict[str, Any]:
    """Return the object of a kind under a name, as JSON in the form of the row."""
    assert row.row is not None
    message: Any = sample(row.row)
    default(row.row, message)
    view = view_of(row.row, row.shape.api_version)
    tree = to_dict(row.shape, message if view is None else view.read(message))
    tree["metadata"] |= {"name": name, "labels": {"made": "here"}}
    if row.shape.kind == "PodTrace":
        tree["spec"]["podUID"] = name
    if row.shape.group == "events.k8s.io":
        tree |= NEWER_EVENT
    return tree


def path(row: Served, name: str = "") -> str:
    shape = row.shape
    root = f"/apis/{shape.api_version}" if shape.group else f"/api/{shape.version}"
    within = "/namespaces/default" if shape.namespaced else ""
    return f"{root}{within}/{shape.plural}{f'/{name}' if name else ''}"


def written(row: Served, media: str, tree: dict[str, Any]) -> bytes:
    """Write an object as a body."""
    if media == "json":
        return json.dumps(tree).encode()
    if media == "yaml":
        return yaml.safe_dump(tree).encode()
    body = read_object(row.shape, MEDIA["json"], json.dumps(tree).encode(), "Strict")
    unknown = runtime_pb2.Unknown(raw=body.data)
    unknown.type_meta.api_version, unknown.type_meta.kind = row.shape.api_version, row.shape.kind
    return b"k8s\0" + unknown.SerializeToString()


def read(row: Served, media: str, body: bytes) -> dict[str, Any]:
    """Read an answer."""
    if media != "protobuf":
        found = json.loads(body) if media == "json" else yaml.load(body, yaml.BaseLoader)
        assert isinstance(found, dict)
        return found
    unknown = runtime_pb2.Unknown.FromString(body[4:])
    assert (unknown.type_meta.api_version, unknown.type_meta.kind) == (row.shape.api_version, row.shape.kind)
    return to_dict(row.shape, row.shape.message.FromString(unknown.raw))


def plain(tree: Any) -> Any:
    """Return a tree with texts alone, as YAML is read here."""
    match tree:
        case dict():
            return {name: plain(value) for name, value in tree.items()}
        case list():
            return [plain(value) for value in tree]
        case None:
            return "null"
        case bool():
            return str(tree).lower()
        case _:
            return str(tree)


def without_identity(tree: dict[str, Any], name: str) -> Any:
    """Return an object without what is its own."""
    own = {"name", "uid", "resourceVersion", "creationTimestamp"}
    tree = {**tree, "metadata": {key: value for key, value in tree["metadata"].items() if key not in own}}
    return json.loads(json.dumps(tree).replace(json.dumps(name), '"NAME"').replace(tree_uid(tree), "UID"))


def tree_uid(tree: dict[str, Any]) -> str:
    """Return the uid that a Job's labels and selector have; none of other kinds."""
    selector = tree.get("spec", {}).get("selector") if isinstance(tree.get("spec"), dict) else None
    labels = selector.get("matchLabels", {}) if isinstance(selector, dict) else {}
    return str(labels.get("batch.kubernetes.io/controller-uid", "no such text"))


@each_row
async def test_an_object_is_the_same_in_whatever_form_it_was_made_and_is_read(row: Served) -> None:
    async with rest_server() as server:
        seen = []
        for media, content_type in MEDIA.items():
            name = f"from-{media}"
            headers = {"Accept": content_type}
            body = written(row, media, manifest(row, name))
            made = await server.post(path(row), body, content_type=content_type, headers=headers)
            assert made.code == 201, made.body
            forms = {
                each: read(
                    row, each, (await server.get(path(row, name), headers={"Accept": MEDIA[each]})).body
                )
                for each in MEDIA
            }
            assert forms["json"] == forms["protobuf"]
            assert forms["yaml"] == plain(forms["json"])
            assert read(row, media, made.body) == forms[media]
            seen.append(without_identity(forms["json"], name))
        assert seen[0] == seen[1] == seen[2]
        listed = (await server.get(path(row))).json
        assert {f"from-{media}" for media in MEDIA} <= {item["metadata"]["name"] for item in listed["items"]}
        assert listed["kind"] == f"{row.shape.kind}List"


@each_row
async def test_an_object_is_patched_and_replaced_and_its_status_too_and_deleted(row: Served) -> None:
    async with rest_server() as server:
        made = await server.post(path(row), manifest(row, "one"))
        assert made.code == 201, made.text
        for content_type, patch in PATCHES.items():
            patched = await server.patch(path(row, "one"), patch, content_type=content_type)
            assert patched.code == 200, patched.text
            words = content_type.removeprefix("application/").partition("-")[0]
            assert patched.json["metadata"]["labels"]["patched"] == words
            assert patched.json["metadata"]["labels"]["made"] == "here"
        current = (await server.get(path(row, "one"))).json
        replaced = await server.put(path(row, "one"), current)
        assert (replaced.code, replaced.json) == (200, current), replaced.text
        if "status" in row.subresources:
            await _status_is_its_own(server, row)
        gone = await server.delete(path(row, "one"))
        assert gone.code == 200, gone.text
        after = await server.get(path(row, "one"))
        if row.shape.kind in HELD:
            assert after.json["metadata"]["deletionTimestamp"]
        else:
            assert after.code == 404


async def _status_is_its_own(server: RestServer, row: Served) -> None:
    found = await server.get(path(row, "one/status"))
    assert found.json == (await server.get(path(row, "one"))).json
    kept = await server.put(path(row, "one/status"), found.json)
    assert (kept.code, kept.json) == (200, found.json), kept.text
    patched = await server.patch(path(row, "one/status"), {"metadata": {"resourceVersion": "1"}})
    assert patched.code == 409, patched.text


def _shapes() -> Iterator[Kind[Any]]:
    for row in TABLE.values():
        yield row.shape
        for part in row.subresources.values():
            if not part.is_stream:
                yield part.shape


def golden_shapes() -> list[Kind[Any]]:
    """Return every shape that travels and of which there is a golden object."""
    found = {(shape.api_version, shape.kind): shape for shape in _shapes()}
    return [shape for shape in found.values() if not DATA.is_dir() or _golden(shape, "pb").exists()]


def _golden(shape: Kind[Any], suffix: str) -> Any:
    return DATA / "golden" / f"{shape.group or 'core'}.{shape.version}.{shape.kind}.{suffix}"


@needs_data
@pytest.mark.parametrize("shape", golden_shapes(), ids=lambda shape: f"{shape.api_version}-{shape.kind}")
def test_golden_objects_are_read_and_written_as_upstream_writes_them(shape: Kind[Any]) -> None:
    stored, text = _golden(shape, "pb").read_bytes(), _golden(shape, "json").read_bytes()
    by_text = read_object(shape, MEDIA["json"], text, "Strict").data
    by_bytes = read_object(shape, PROTOBUF, stored).data
    wanted = json.loads(text)
    assert json.loads(write_object(Form(Media.JSON), shape, by_bytes, 0)) == wanted
    assert json.loads(write_object(Form(Media.JSON), shape, by_text, 0)) == wanted
    by_yaml = read_object(shape, MEDIA["yaml"], write_object(Form(Media.YAML), shape, by_bytes, 0), "Strict")
    assert json.loads(write_object(Form(Media.JSON), shape, by_yaml.data, 0)) == wanted
    # Upstream's encoder writes zeros that nobody needs: the messages are equal.
    ours = shape.message.FromString(by_text)
    theirs = shape.message.FromString(runtime_pb2.Unknown.FromString(stored[4:]).raw)
    normalise(theirs)
    assert ours == theirs


@needs_data
def test_enough_golden_objects_are_there_to_compare() -> None:
    assert len(golden_shapes()) > 45, MISSING
