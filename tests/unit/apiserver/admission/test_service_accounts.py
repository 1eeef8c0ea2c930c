"""Pods and their accounts: which they get, what is mounted and refused, how a new namespace is waited for."""

import asyncio
from typing import Any

import pytest

from apiserver.admission import service_accounts as plugin
from tests.support.apiserver import Harness, cached_apiserver, make_apiserver
from tests.support.tokens import Signer, account
from vaina.api.core.v1 import pod_pb2
from vaina.errors import Forbidden
from vaina.kinds import POD
from vaina.objects.manifest import to_dict
from vaina.testing.builders import make_namespace, make_pod
from vaina.testing.clock import settle

VOLUME = "kube-api-access-gvhzx"
MOUNT = {"name": VOLUME, "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}


async def world(**fields: Any) -> Harness:
    """An apiserver with the account `default`."""
    api = make_apiserver(tokens=Signer())
    await api.client.service_accounts.create(account("default", **fields))
    return api


def pod(name: str = "web", **spec: Any) -> pod_pb2.Pod:
    made = make_pod(name)
    made.spec.MergeFrom(pod_pb2.PodSpec(**spec))
    return made


def spec_of(made: pod_pb2.Pod) -> dict[str, Any]:
    return dict(to_dict(POD, made)["spec"])


async def test_a_pod_gets_the_default_account_and_its_token() -> None:
    api = await world(image_pull_secrets=[{"name": "ours"}])
    spec = spec_of(await api.client.pods.create(make_pod()))
    [volume] = spec["volumes"]
    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("default", "default")
    assert spec["imagePullSecrets"] == [{"name": "ours"}]
    assert volume["name"].startswith("kube-api-access-")
    assert len(volume["name"]) == len(VOLUME)
    assert volume["projected"] == {
        "defaultMode": 0o644,
        "sources": [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [
                {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
            ]}},
        ],
    }  # fmt: skip
    assert spec["containers"][0]["volumeMounts"] == [{**MOUNT, "name": volume["name"]}]


async def test_pods_of_one_account_are_alike_and_of_another_are_not() -> None:
    api = await world()
    await api.client.service_accounts.create(account("builder"))
    one, two = [spec_of(await api.client.pods.create(make_pod(name))) for name in ("one", "two")]
    assert one == two
    other = spec_of(await api.client.pods.create(pod("other", service_account_name="builder")))
    assert other["volumes"][0]["name"] != one["volumes"][0]["name"]


@pytest.mark.parametrize(
    ("of_account", "of_pod", "is_mounted"),
    [
        (None, None, True), (False, None, False), (True, None, True), (None, False, False), (None, True, True),
        (False, True, True), (True, False, False),
    ],
)  # fmt: skip
async def test_the_pod_says_whether_it_wants_a_token_and_then_its_account(
    of_account: bool | None, of_pod: bool | None, is_mounted: bool
) -> None:
    api = await world(automount_service_account_token=of_account)
    made = await api.client.pods.create(pod(automount_service_account_token=of_pod))
    assert bool(made.spec.volumes) == is_mounted
    assert made.spec.service_account_name == "default"


async def test_what_is_there_already_is_left_alone() -> None:
    api = await world(image_pull_secrets=[{"name": "ours"}])
    own = {"name": "own", "mount_path": plugin.MOUNT_PATH}
    given = pod(
        image_pull_secrets=[{"name": "theirs"}],
        init_containers=[{"name": "first", "image": "i"}],
        volumes=[{"name": "own", "volume_source": {"empty_dir": {}}}],
    )
    given.spec.containers[0].volume_mounts.add(**own)
    spec = spec_of(await api.client.pods.create(given))
    assert spec["imagePullSecrets"] == [{"name": "theirs"}]
    assert [mount["name"] for mount in spec["containers"][0]["volumeMounts"]] == ["own"]
    assert spec["initContainers"][0]["volumeMounts"][0]["mountPath"] == plugin.MOUNT_PATH
    assert len(spec["volumes"]) == 2
    # Where every container has its own, the volume would be nobody's.
    given.spec.init_containers[0].volume_mounts.add(**own)
    given.metadata.name = "other"
    assert len((await api.client.pods.create(given)).spec.volumes) == 1


async def test_a_volume_of_that_name_is_taken() -> None:
    api = await world()
    given = pod(volumes=[{"name": "kube-api-access-mine", "volume_source": {"empty_dir": {}}}])
    spec = spec_of(await api.client.pods.create(given))
    assert spec["containers"][0]["volumeMounts"][0]["name"] == "kube-api-access-mine"
    assert len(spec["volumes"]) == 1


async def test_the_old_name_of_the_field_counts() -> None:
    api = await world()
    await api.client.service_accounts.create(account("builder"))
    made = await api.client.pods.create(pod(service_account="builder"))
    assert made.spec.service_account_name == "builder"


@pytest.mark.parametrize("name", ["nobody", "No/Name", "a" * 300])
async def test_an_account_that_is_not_there_is_refused(name: str) -> None:
    api = await world()
    with pytest.raises(Forbidden) as caught:
        await api.client.pods.create(pod(service_account_name=name))
    assert caught.value.message == (
        f'pods "web" is forbidden: error looking up service account default/{name}: serviceaccount "{name}" not found'
    )


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"service_account_name": "default"}, "a mirror pod may not reference service accounts"),
        ({"volumes": [{"name": "s", "volume_source": {"secret": {"secret_name": "s"}}}]},
         "a mirror pod may not reference secrets"),
        ({"volumes": [{"name": "t", "volume_source": {"projected": {"sources": [{"service_account_token": {"path": "t"}}]}}}]},
         "a mirror pod may not use ServiceAccountToken volume projections"),
        ({}, ""),
    ],
)  # fmt: skip
async def test_a_mirror_pod_gets_nothing(spec: dict[str, Any], words: str) -> None:
    api = await world()
    given = pod(**spec)
    given.metadata.annotations["kubernetes.io/config.mirror"], given.spec.node_name = "x", "node-1"
    if not words:
        made = await api.client.pods.create(given)
        assert (made.spec.service_account_name, len(made.spec.volumes)) == ("", 0)
        return
    with pytest.raises(Forbidden, match=words):
        await api.client.pods.create(given)


LIMITED = [
    ({"volumes": [{"name": "s", "volume_source": {"secret": {"secret_name": "s"}}}]},
     'volume with secret.secretName="s" is not allowed because service account default does not reference that secret'),
    ({"init_containers": [{"name": "i", "image": "i", "env": [
        {"name": "A", "value_from": {"secret_key_ref": {"local_object_reference": {"name": "s"}, "key": "k"}}}]}]},
     'init container i with envVar A referencing secret.secretName="s" is not allowed because service account default'),
    ({"containers": [{"name": "c", "image": "i", "env_from": [
        {"secret_ref": {"local_object_reference": {"name": "s"}}}]}]},
     'container c with envFrom referencing secret.secretName="s" is not allowed because service account default'),
    ({"image_pull_secrets": [{"name": "mine"}, {"name": "s"}]},
     'imagePullSecrets[1].name="s" is not allowed because service account default does not reference that imagePullSecret'),
    ({"volumes": [{"name": "s", "volume_source": {"secret": {"secret_name": "mine"}}}]}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "words"), LIMITED)
@pytest.mark.parametrize("is_limited", [True, False])
async def test_an_account_may_limit_the_secrets_of_its_pods(
    spec: dict[str, Any], words: str, is_limited: bool
) -> None:
    api = make_apiserver(tokens=Signer())
    limited = account("default", secrets=[{"name": "mine"}], image_pull_secrets=[{"name": "mine"}])
    if is_limited:
        limited.metadata.annotations["kubernetes.io/enforce-mountable-secrets"] = "true"
    await api.client.service_accounts.create(limited)
    assert bool(api.warnings) == is_limited
    if not (words and is_limited):
        await api.client.pods.create(pod(**spec))
        return
    with pytest.raises(Forbidden) as caught:
        await api.client.pods.create(pod(**spec))
    assert words in caught.value.message


async def test_ephemeral_containers_are_limited_too() -> None:
    async with cached_apiserver(tokens=Signer()) as api:
        limited = account("default")
        limited.metadata.annotations["kubernetes.io/enforce-mountable-secrets"] = "true"
        await api.client.service_accounts.create(limited)
        made = await api.client.pods.create(make_pod())
        common = made.spec.ephemeral_containers.add().ephemeral_container_common
        common.name, common.image = "debug", "i"
        common.env_from.add().secret_ref.local_object_reference.name = "s"
        await api.client.service_accounts.list()
        with pytest.raises(Forbidden, match="ephemeral container debug with envFrom referencing"):
            await api.client.pods.update_ephemeral_containers(made)


async def test_the_account_of_a_new_namespace_is_waited_for() -> None:
    api = make_apiserver(tokens=Signer())
    await api.client.namespaces.create(make_namespace("new"))
    async with asyncio.TaskGroup() as group:
        made = group.create_task(api.client.pods.create(make_pod(namespace="new")))
        await settle()
        assert not made.done()
        default = account("default")
        default.metadata.namespace = "new"
        await api.client.service_accounts.create(default)
        await api.clock.advance(0.2)
    assert made.result().spec.service_account_name == "default"


async def test_it_is_not_waited_for_long_and_not_once_for_each_pod() -> None:
    api = make_apiserver(tokens=Signer())

    async def refused(name: str) -> None:
        with pytest.raises(Forbidden, match='serviceaccount "default" not found'):
            await api.client.pods.create(make_pod(name))

    async with asyncio.TaskGroup() as group:
        first = group.create_task(refused("first"))
        await settle()
        await api.clock.advance(0.8)
        assert not first.done()
        for _ in range(9):
            await api.clock.advance(0.2)
        assert first.done()
    await refused("second")
    await api.client.service_accounts.create(account("default"))
    await api.client.pods.create(make_pod("third"))


async def test_an_account_of_another_apiserver_is_found_at_once() -> None:
    async with (
        cached_apiserver(tokens=Signer()) as one,
        cached_apiserver(tokens=Signer(), storage=one.storage) as two,
    ):
        await one.client.service_accounts.create(account("builder"))
        made = await two.client.pods.create(pod(service_account_name="builder"))
        assert made.spec.service_account_name == "builder"


async def test_without_tokens_pods_are_as_they_were() -> None:
    made = await make_apiserver().client.pods.create(make_pod())
    assert (made.spec.service_account_name, len(made.spec.volumes)) == ("", 0)
