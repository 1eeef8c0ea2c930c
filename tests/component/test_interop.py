"""Both ways with Kubernetes' own types.

What we store and encode they read, and what they encode we read, nothing lost.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from aetcd.rpc import rpc_pb2
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiserver.storage import codec
from apiserver.storage.interface import Key
from tests.support.apiserver_process import ApiserverProcess
from tests.support.etcd import EtcdServer, RawEtcd
from tests.support.golden import golden_kinds
from tests.support.interop import TESTDATA, Kubernetes, kubernetes
from tests.support.messages import messages
from vaina.api.core.v1 import manifest_service_pb2 as manifests
from vaina.api.runtime.v1 import runtime_pb2
from vaina.api.scheduling.v1 import priority_class_pb2
from vaina.errors import ApiError
from vaina.kinds import KINDS_BY_GVK, POD, Kind
from vaina.objects.manifest import decode_json, to_dict
from vaina.objects.normalise import normalise
from vaina.testing.builders import make_pod

pytestmark = [pytest.mark.component, pytest.mark.timeout(90)]
every_kind = pytest.mark.parametrize("kind", golden_kinds(), ids=lambda kind: kind.kind)
MANIFESTS = sorted((Path(__file__).parents[1] / "data" / "manifests").iterdir())
#: versions that came after a release
YOUNGER = {("resource.k8s.io/v1", "v1.33.0")}
#: kinds that came after a release that had their version
YOUNGER_KINDS = {("DeviceTaintRule", release) for release in ("v1.36.0", "v1.35.0", "v1.34.0")}
RELEASES = ("HEAD", "v1.36.0", "v1.35.0", "v1.34.0", "v1.33.0")

__all__ = ["kubernetes"]


def envelope(kind: Kind[Any], message: Message) -> bytes:
    """Encode an object as we put it into etcd."""
    return codec.encode_value(message.SerializeToString(deterministic=True), (kind.api_version, kind.kind), 0)


def opened(kind: Kind[Any], stored: bytes) -> Message:
    """Read an object out of the envelope; every byte of it must be a field that we know."""
    assert stored[:4] == b"k8s\0"
    unknown = runtime_pb2.Unknown.FromString(stored[4:])
    assert (unknown.type_meta.api_version, unknown.type_meta.kind) == (kind.api_version, kind.kind)
    message = kind.message.FromString(unknown.raw)
    size = message.ByteSize()
    message.DiscardUnknownFields()
    assert message.ByteSize() == size, "a field that we do not know"
    normalise(message)
    return message


def golden(release: str, kind: Kind[Any], suffix: str) -> Path:
    return TESTDATA / release / f"{kind.group or 'core'}.{kind.version}.{kind.kind}.{suffix}"


@every_kind
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
@given(data=st.data())
def test_random_objects_are_the_same_to_both(
    kind: Kind[Message], kubernetes: Kubernetes, data: st.DataObject
) -> None:
    message = data.draw(messages(kind))
    shown = to_dict(kind, message)
    by_bytes = kubernetes.decode(envelope(kind, message))
    assert by_bytes.json == shown
    assert opened(kind, by_bytes.data) == message
    by_text = kubernetes.encode(shown)
    assert by_text.json == shown
    assert opened(kind, by_text.data) == decode_json(json.dumps(shown)).message


@every_kind
@pytest.mark.parametrize("release", RELEASES)
def test_their_golden_objects_of_each_release_are_ours(
    kind: Kind[Message], release: str, kubernetes: Kubernetes
) -> None:
    if (kind.api_version, release) in YOUNGER or (kind.kind, release) in YOUNGER_KINDS:
        pytest.skip(f"{release} had no {kind.kind} of {kind.api_version}")
    if not golden(release, kind, "pb").exists():
        pytest.fail(f"{release} has no golden {kind.kind}")
    stored = golden(release, kind, "pb").read_bytes()
    # Where a release had a field that is gone since, the module says what remains of the object.
    remaining = golden(release, kind, "after_roundtrip.json")
    shown = json.loads((remaining if remaining.exists() else golden(release, kind, "json")).read_text())
    message = opened(kind, stored) if not remaining.exists() else opened(kind, kubernetes.decode(stored).data)
    assert to_dict(kind, message) == shown
    again = kubernetes.decode(envelope(kind, message))
    assert again.json == shown
    assert opened(kind, again.data) == message


async def test_what_lies_in_etcd_is_theirs(
    server: ApiserverProcess, etcd: EtcdServer, kubernetes: Kubernetes
) -> None:
    """Every object after defaulting, admission and storage, those of the system included."""
    async with server.client() as client:
        high = priority_class_pb2.PriorityClass(value=1000)
        high.metadata.name = "high"
        await client.priority_classes.create(high)
        for path in MANIFESTS:
            # Some are for the reader of manifests alone, and the apiserver refuses them.
            with contextlib.suppress(ApiError):
                await client.manifests.apply(manifests.ApplyRequest(manifest=path.read_text()))
    async with RawEtcd(etcd.target) as raw:
        found = await raw.kv.Range(rpc_pb2.RangeRequest(key=b"/registry/", range_end=b"/registry0"))
    seen: list[str] = []
    for pair in found.kvs:
        stored = codec.decode_value(Key(pair.key.decode()), pair.value, pair.mod_revision)
        kind = KINDS_BY_GVK[stored.type_meta]
        if kind.group.endswith("vaina.dev"):
            continue
        seen.append(kind.kind)
        message = opened(kind, pair.value)
        theirs = kubernetes.decode(pair.value)
        assert theirs.json == to_dict(kind, message), pair.key
        assert opened(kind, theirs.data) == message, pair.key
    assert {"Pod", "Node", "Namespace", "ConfigMap", "Secret", "ReplicaSet", "PriorityClass"} <= set(seen)
    assert len(seen) > 20


async def test_what_they_put_into_etcd_is_served(
    server: ApiserverProcess, etcd: EtcdServer, kubernetes: Kubernetes
) -> None:
    async with RawEtcd(etcd.target) as raw, server.client() as client:
        ours = await client.pods.create(make_pod("ours", labels={"app": "theirs"}, node="node-1"))
        tree = to_dict(POD, ours)
        tree["metadata"] |= {"name": "theirs", "uid": "u-1", "resourceVersion": ""}
        stored = kubernetes.encode(tree).data
        await raw.kv.Put(rpc_pb2.PutRequest(key=b"/registry/pods/default/theirs", value=stored))
        got = await client.pods.get("theirs", "default")
        assert (got.metadata.uid, to_dict(POD, got)["spec"]) == ("u-1", tree["spec"])
        selected = await client.pods.list(
            "default", label_selector="app=theirs", field_selector="spec.nodeName=node-1"
        )
        assert [pod.metadata.name for pod in selected.items] == ["ours", "theirs"]
        got.metadata.labels["seen"] = "yes"
        await client.pods.update(got)
        again = kubernetes.decode(await raw.value("/registry/pods/default/theirs"))
        assert again.json["metadata"]["labels"] == {"app": "theirs", "seen": "yes"}
