"""Step 1, ADMITTED: a manifest is applied; the apiserver validates it and stores it in etcd."""

import pytest

from tests.support.cluster import CommandError
from tests.support.manifests import as_text, container, pod
from tests.support.workspace import Workspace
from vaina.api.core.v1 import pod_pb2
from vaina.api.runtime.v1 import runtime_pb2
from vaina.kinds import POD

pytestmark = [pytest.mark.step(1), pytest.mark.beside_others]

MAGIC = b"k8s\0"


@pytest.mark.requirement("A1")
def test_bad_manifest_is_refused_with_every_path_and_nothing_is_stored(space: Workspace) -> None:
    bad = pod("bad", container("Main", ports=[{"containerPort": 70000}]), restartPolicy="Sometimes")
    with pytest.raises(CommandError) as refused:
        space.cli("apply", "-f", "-", stdin=as_text(bad))
    words = str(refused.value)
    assert (
        "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"
        in words
    )
    assert 'spec.containers[0].name: Invalid value: "Main"' in words
    assert 'spec.restartPolicy: Unsupported value: "Sometimes"' in words
    assert "Traceback" not in words
    assert space.cluster.etcd_get(f"/registry/pods/{space.namespace}/bad") is None
    assert space.api.find(POD, "bad", space.namespace) is None


@pytest.mark.requirement("A1")
def test_unknown_field_is_refused_by_its_path(space: Workspace) -> None:
    misspelt = {**pod("bad"), "spec": {"contianers": []}}
    with pytest.raises(CommandError, match=r'strict decoding error: unknown field "spec\.contianers"'):
        space.cli("apply", "-f", "-", stdin=as_text(misspelt))
    assert space.cluster.etcd_get(f"/registry/pods/{space.namespace}/bad") is None


@pytest.mark.requirement("A1")
def test_good_manifest_is_in_etcd_under_its_key_as_kubernetes_stores_it(space: Workspace) -> None:
    good = pod("good", container("main", env=[{"name": "GREETING", "value": "hello"}]))
    assert space.cli("apply", "-f", "-", stdin=as_text(good)) == "pod/good created\n"
    value = space.cluster.etcd_get(f"/registry/pods/{space.namespace}/good")
    assert value is not None
    assert value.startswith(MAGIC)
    envelope = runtime_pb2.Unknown.FromString(value[len(MAGIC) :])
    stored = pod_pb2.Pod.FromString(envelope.raw)
    assert (envelope.type_meta.api_version, envelope.type_meta.kind) == ("v1", "Pod")
    assert (stored.metadata.name, stored.metadata.namespace) == ("good", space.namespace)
    assert stored.metadata.resource_version == ""
    assert stored.spec.containers[0].env[0].value == "hello"
    # What the manifest left out was filled in before it was stored.
    assert (stored.spec.restart_policy, stored.spec.scheduler_name) == ("Always", "default-scheduler")
    assert stored.metadata.uid == space.pod("good").metadata.uid != ""
