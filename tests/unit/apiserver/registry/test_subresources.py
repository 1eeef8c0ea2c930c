"""Reading and patching sub-resources: the Scale of everything that has replicas, and what is read as a whole."""

from typing import Any

import pytest

from tests.support.apiserver import Harness, make_apiserver
from vaina.api.apps.v1 import stateful_set_pb2
from vaina.api.autoscaling.v1 import scale_pb2
from vaina.client.verbs import ScalableClient
from vaina.errors import ApiError, BadRequest, Conflict, Invalid, NotFound
from vaina.kinds import KINDS, Kind
from vaina.objects.patching import JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from vaina.testing.builders import make_deployment, make_replica_set, make_replication_controller


def make_stateful_set(name: str, *, replicas: int) -> stateful_set_pb2.StatefulSet:
    like, made = make_replica_set(name, replicas=replicas), stateful_set_pb2.StatefulSet()
    made.metadata.name, made.metadata.namespace, made.spec.replicas = name, "default", replicas
    made.spec.selector.CopyFrom(like.spec.selector)
    made.spec.template.CopyFrom(like.spec.template)
    return made


MAKERS: dict[str, Any] = {
    "Deployment": make_deployment,
    "ReplicaSet": make_replica_set,
    "StatefulSet": make_stateful_set,
    "ReplicationController": make_replication_controller,
}
SCALABLE = [kind for kind in KINDS if kind.has_scale]


async def _scalable(api: Harness, kind: Kind[Any]) -> ScalableClient[Any]:
    client: ScalableClient[Any] = ScalableClient(api.client.transport, kind)
    await client.create(MAKERS[kind.kind]("web", replicas=2))
    return client


@pytest.mark.parametrize("kind", SCALABLE, ids=lambda kind: kind.kind)
@pytest.mark.parametrize(
    ("patch_type", "patch"),
    [
        (MERGE_PATCH, '{"spec": {"replicas": 5}}'),
        (STRATEGIC_MERGE_PATCH, '{"spec": {"replicas": 5}}'),
        (JSON_PATCH, '[{"op": "replace", "path": "/spec/replicas", "value": 5}]'),
    ],
)
async def test_a_patch_of_the_scale_answers_with_the_scale(
    kind: Kind[Any], patch_type: str, patch: str
) -> None:
    client = await _scalable(make_apiserver(), kind)
    scale = await client.patch_scale("web", patch, namespace="default", patch_type=patch_type)
    assert isinstance(scale, scale_pb2.Scale)
    assert scale == await client.get_scale("web", "default")
    stored = await client.get("web", "default")
    assert (scale.spec.replicas, stored.spec.replicas, stored.metadata.generation) == (5, 5, 2)


@pytest.mark.parametrize(
    ("patch", "error", "words"),
    [
        ('{"spec": {"replicas": -1}}', Invalid,
         'Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'),
        ('{"metadata": {"resourceVersion": "1"}}', Conflict,
         'Operation cannot be fulfilled on deployments.apps "web": the object has been modified; please apply your changes '
         "to the latest version and try again"),
        ('{"metadata": {"uid": "other"}}', Conflict,
         'Operation cannot be fulfilled on deployments/scale.apps "web": Precondition failed: UID in precondition: other, '
         "UID in object meta: uid-2"),
        ("{", BadRequest, "error decoding patch: "),
    ],
)  # fmt: skip
async def test_what_no_scale_can_be_is_refused(patch: str, error: type[ApiError], words: str) -> None:
    client = await _scalable(make_apiserver(), SCALABLE[[kind.kind for kind in SCALABLE].index("Deployment")])
    with pytest.raises(error) as refused:
        await client.patch_scale("web", patch, namespace="default")
    assert refused.value.message.startswith(words)
    assert (await client.get_scale("web", "default")).spec.replicas == 2


async def test_of_a_scale_only_replicas_uid_and_version_are_taken() -> None:
    client = await _scalable(make_apiserver(), SCALABLE[0])
    patch = '{"metadata": {"name": "other", "labels": {"a": "b"}}, "status": {"replicas": 7}}'
    before = await client.get("web", "default")
    assert (await client.patch_scale("web", patch, namespace="default")).metadata.name == "web"
    assert await client.get("web", "default") == before


async def test_the_scale_of_what_is_not_there_cannot_be_patched() -> None:
    client = await _scalable(make_apiserver(), SCALABLE[0])
    with pytest.raises(NotFound, match=r'"nobody" not found$'):
        await client.patch_scale("nobody", "{}", namespace="default")


async def test_a_scale_is_read_and_patched_by_methods_of_its_own() -> None:
    client = await _scalable(make_apiserver(), SCALABLE[0])
    for refused in (
        client.get("web", "default", subresource="scale"),
        client.patch("web", "{}", namespace="default", subresource="scale"),
    ):
        with pytest.raises(BadRequest, match="GetScale, UpdateScale, PatchScale"):
            await refused


async def test_an_unknown_field_of_a_patch_of_the_scale_is_warned_of() -> None:
    api = make_apiserver()
    client = await _scalable(api, SCALABLE[0])
    await client.patch_scale("web", '{"spec": {"replica": 5}}', namespace="default")
    assert api.warnings == ['unknown field "spec.replica"']


@pytest.mark.parametrize("subresource", ["status", "ephemeralcontainers", "resize"])
async def test_a_get_of_a_sub_resource_is_the_whole_object(subresource: str) -> None:
    api = make_apiserver()
    pod = await api.pod()
    assert await api.client.pods.get("web", "default", subresource=subresource) == pod


async def test_a_sub_resource_that_a_kind_does_not_have_cannot_be_read() -> None:
    api = make_apiserver()
    await api.pod()
    with pytest.raises(NotFound, match=r"^the server could not find the requested resource$"):
        await api.client.pods.get("web", "default", subresource="scale")
    with pytest.raises(NotFound, match=r"^the server could not find the requested resource$"):
        await api.client.config_maps.get("web", "default", subresource="status")
