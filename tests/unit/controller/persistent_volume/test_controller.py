from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from controller.local_path.controller import LocalPathController
from controller.persistent_volume.controller import BindingCollector
from controller.volumes import Claim, Volume
from tests.support.controlplane import ControlPlane, control_plane
from tests.unit.controller.persistent_volume.objects import claim, volume
from vaina.cache.list_watch import Replace
from vaina.cache.store import Lister, Store
from vaina.errors import NotFound
from vaina.testing.builders import make_pod

SELECTED_NODE = "volume.kubernetes.io/selected-node"
FINALIZER = "external-provisioner.volume.kubernetes.io/finalizer"


@pytest.fixture
async def plane() -> AsyncIterator[ControlPlane]:
    async with control_plane() as made:
        yield made


def new_claim(name: str = "data", *, size: str = "1Gi", storage_class: str | None = None) -> Claim:
    made = Claim()
    made.metadata.name, made.metadata.namespace = name, "default"
    made.spec.access_modes.append("ReadWriteOnce")
    made.spec.resources.requests["storage"].string = size
    if storage_class is not None:
        made.spec.storage_class_name = storage_class
    return made


def new_volume(name: str = "disk", *, size: str = "5Gi", policy: str = "Retain") -> Volume:
    made = Volume()
    made.metadata.name = name
    made.spec.access_modes.append("ReadWriteOnce")
    made.spec.capacity["storage"].string = size
    made.spec.persistent_volume_reclaim_policy = policy
    made.spec.persistent_volume_source.host_path.path = "/data"
    return made


async def claim_of(plane: ControlPlane, name: str = "data") -> Claim:
    return await plane.client.persistent_volume_claims.get(name, "default")


async def volume_of(plane: ControlPlane, name: str = "disk") -> Volume:
    return await plane.client.persistent_volumes.get(name)


async def phase(plane: ControlPlane, name: str, wanted: str) -> bool:
    return (await claim_of(plane, name)).status.phase == wanted


async def volume_phase(plane: ControlPlane, name: str, wanted: str) -> bool:
    return (await volume_of(plane, name)).status.phase == wanted


async def is_gone(plane: ControlPlane, name: str) -> bool:
    try:
        await volume_of(plane, name)
    except NotFound:
        return True
    return False


async def reasons(plane: ControlPlane, reason: str) -> list[str]:
    return [event.message for event in await plane.events() if event.reason == reason]


async def test_a_claim_gets_the_volume_that_is_there(plane: ControlPlane) -> None:
    await plane.client.persistent_volumes.create(new_volume("large", size="50Gi"))
    await plane.client.persistent_volumes.create(new_volume("small", size="2Gi"))
    await plane.client.persistent_volume_claims.create(new_claim(storage_class=""))

    await plane.until(lambda: phase(plane, "data", "Bound"))

    claim, volume = await claim_of(plane), await volume_of(plane, "small")
    assert claim.spec.volume_name == "small"
    assert claim.status.capacity["storage"].string == "2Gi"
    assert dict(claim.metadata.annotations) == {
        "pv.kubernetes.io/bind-completed": "yes",
        "pv.kubernetes.io/bound-by-controller": "yes",
    }
    assert volume.status.phase == "Bound"
    assert volume.spec.claim_ref.uid == claim.metadata.uid
    assert volume.metadata.annotations["pv.kubernetes.io/bound-by-controller"] == "yes"
    assert (await volume_of(plane, "large")).status.phase == "Available"


async def test_a_volume_that_comes_later_is_taken(plane: ControlPlane) -> None:
    await plane.client.persistent_volume_claims.create(new_claim(storage_class=""))
    await plane.until(lambda: reasons(plane, "FailedBinding"))

    await plane.client.persistent_volumes.create(new_volume())

    await plane.until(lambda: phase(plane, "data", "Bound"))


async def test_what_was_kept_is_not_given_to_the_next_claim(plane: ControlPlane) -> None:
    await plane.client.persistent_volumes.create(new_volume())
    await plane.client.persistent_volume_claims.create(new_claim(storage_class=""))
    await plane.until(lambda: phase(plane, "data", "Bound"))

    await plane.client.persistent_volume_claims.delete("data", "default")
    await plane.until(lambda: volume_phase(plane, "disk", "Released"))

    await plane.client.persistent_volume_claims.create(new_claim(storage_class=""))
    await plane.clock.advance(60)
    assert await phase(plane, "data", "Pending")


async def given_to_the_claim(plane: ControlPlane, name: str, *, size: str) -> None:
    """Make a volume that names the claim by its uid, as a provisioner does."""
    volume = new_volume(name, size=size)
    reference = volume.spec.claim_ref
    reference.kind, reference.api_version = "PersistentVolumeClaim", "v1"
    reference.namespace, reference.name = "default", "data"
    reference.uid = (await claim_of(plane)).metadata.uid
    await plane.client.persistent_volumes.create(volume)


async def test_a_volume_is_released_when_its_claim_goes_before_it_names_the_volume(
    plane: ControlPlane,
) -> None:
    await plane.client.persistent_volume_claims.create(new_claim(size="5Gi", storage_class=""))
    # It is too small, so that the claim never takes it.
    await given_to_the_claim(plane, "disk", size="1Gi")
    await plane.until(lambda: reasons(plane, "FailedBinding"))
    assert not (await claim_of(plane)).spec.volume_name

    await plane.client.persistent_volume_claims.delete("data", "default")

    await plane.until(lambda: volume_phase(plane, "disk", "Released"))


async def test_a_volume_is_free_again_when_its_claim_takes_another(plane: ControlPlane) -> None:
    await plane.client.persistent_volume_claims.create(new_claim(size="5Gi", storage_class=""))
    await given_to_the_claim(plane, "small", size="1Gi")
    await plane.until(lambda: reasons(plane, "FailedBinding"))

    await plane.client.persistent_volumes.create(new_volume("large", size="5Gi"))
    await plane.until(lambda: phase(plane, "data", "Bound"))

    await plane.until(lambda: volume_phase(plane, "small", "Available"))
    reference = (await volume_of(plane, "small")).spec.claim_ref
    assert (reference.name, reference.uid) == ("data", "")


async def test_a_lost_claim_is_bound_again_when_its_volume_is_made_again(plane: ControlPlane) -> None:
    await plane.client.persistent_volumes.create(new_volume())
    await plane.client.persistent_volume_claims.create(new_claim(storage_class=""))
    await plane.until(lambda: phase(plane, "data", "Bound"))
    await plane.client.persistent_volumes.delete("disk")
    ending = await volume_of(plane)
    ending.metadata.ClearField("finalizers")
    await plane.client.persistent_volumes.update(ending)
    await plane.until(lambda: phase(plane, "data", "Lost"))

    await plane.client.persistent_volumes.create(new_volume())

    await plane.until(lambda: phase(plane, "data", "Bound"))
    assert await volume_phase(plane, "disk", "Bound")


async def test_a_claim_is_told_that_the_volume_it_asks_for_comes_and_is_of_another_class(
    plane: ControlPlane,
) -> None:
    claim = new_claim(storage_class="")
    claim.spec.volume_name = "disk"
    await plane.client.persistent_volume_claims.create(claim)
    await plane.until(lambda: phase(plane, "data", "Pending"))

    volume = new_volume()
    volume.spec.storage_class_name = "fast"
    await plane.client.persistent_volumes.create(volume)

    words = 'Cannot bind to requested volume "disk": storageClassName does not match'
    assert await plane.until(lambda: reasons(plane, "VolumeMismatch")) == [words]


async def test_the_default_class_is_made_and_waits_for_a_consumer(plane: ControlPlane) -> None:
    made = await plane.client.storage_classes.get("standard")
    assert made.provisioner == "vaina.dev/local-path"
    assert made.metadata.annotations["storageclass.kubernetes.io/is-default-class"] == "true"

    await plane.client.persistent_volume_claims.create(new_claim())

    words = "waiting for first consumer to be created before binding"
    await plane.until(lambda: reasons(plane, "WaitForFirstConsumer"))
    assert await reasons(plane, "WaitForFirstConsumer") == [words]
    assert (await claim_of(plane)).spec.storage_class_name == "standard"


async def select(plane: ControlPlane, node: str, name: str = "data") -> None:
    """Choose a node for a claim, as the scheduler does."""
    claim = await claim_of(plane, name)
    claim.metadata.annotations[SELECTED_NODE] = node
    await plane.client.persistent_volume_claims.update(claim)


async def test_a_volume_is_made_on_the_node_that_was_chosen(plane: ControlPlane) -> None:
    await plane.add_node("node-1")
    await plane.add_node("node-2")
    await plane.client.persistent_volume_claims.create(new_claim())
    await plane.until(lambda: reasons(plane, "WaitForFirstConsumer"))

    await select(plane, "node-2")
    await plane.until(lambda: phase(plane, "data", "Bound"))

    claim = await claim_of(plane)
    volume = await volume_of(plane, claim.spec.volume_name)
    assert volume.metadata.name == f"pvc-{claim.metadata.uid}"
    assert (
        volume.spec.persistent_volume_source.local.path
        == f"/var/lib/vaina/local-path/pvc-{claim.metadata.uid}"
    )
    [term] = volume.spec.node_affinity.required.node_selector_terms
    assert [*term.match_expressions[0].values] == ["node-2"]
    assert volume.spec.persistent_volume_reclaim_policy == "Delete"
    assert await plane.until(lambda: reasons(plane, "ProvisioningSucceeded")) == [
        f"Successfully provisioned volume {volume.metadata.name}"
    ]
    assert set(claim.metadata.finalizers) == {"kubernetes.io/pvc-protection"}
    assert set(volume.metadata.finalizers) == {"kubernetes.io/pv-protection", FINALIZER}


async def test_a_node_that_is_no_more_is_chosen_again(plane: ControlPlane) -> None:
    await plane.add_node("node-1")
    await plane.client.persistent_volume_claims.create(new_claim())
    await select(plane, "node-9")

    async def is_free() -> bool:
        return SELECTED_NODE not in (await claim_of(plane)).metadata.annotations

    await plane.until(is_free)


async def test_a_made_volume_waits_for_its_kubelet_and_goes_with_its_node(plane: ControlPlane) -> None:
    await plane.add_node("node-1")
    await plane.client.persistent_volume_claims.create(new_claim())
    await select(plane, "node-1")
    await plane.until(lambda: phase(plane, "data", "Bound"))
    name = (await claim_of(plane)).spec.volume_name

    await plane.client.persistent_volume_claims.delete("data", "default")
    await plane.until(lambda: volume_phase(plane, name, "Released"))
    await plane.clock.advance(30)
    assert not await is_gone(plane, name)

    await plane.client.nodes.delete("node-1")
    (provisioner,) = [item for item in plane.manager.controllers if isinstance(item, LocalPathController)]
    await plane.until(lambda: _is(provisioner.missing_nodes == {"node-1"}))
    await plane.until(lambda: is_gone(plane, name), seconds=120)
    # Nodes come and go for years: what needs them no more is not remembered.
    await plane.until(lambda: _is(not provisioner.missing_nodes))


async def _is(state: bool) -> bool:
    return state


async def test_a_claim_that_a_pod_uses_stays_until_the_pod_is_gone(plane: ControlPlane) -> None:
    await plane.add_node("node-1")
    await plane.client.persistent_volume_claims.create(new_claim())
    pod = make_pod()
    pod.metadata.uid = ""
    pod.spec.volumes.add(name="data").volume_source.persistent_volume_claim.claim_name = "data"
    made = await plane.client.pods.create(pod)
    await plane.start(made, "node-1")
    await plane.settle()

    await plane.client.persistent_volume_claims.delete("data", "default")
    await plane.clock.advance(30)
    assert (await claim_of(plane)).metadata.HasField("deletion_timestamp")

    await plane.end(made)

    async def claim_gone() -> bool:
        try:
            await claim_of(plane)
        except NotFound:
            return True
        return False

    await plane.until(claim_gone)


async def test_a_pods_ephemeral_volume_is_a_claim_that_goes_with_it(plane: ControlPlane) -> None:
    await plane.add_node("node-1")
    pod = make_pod()
    pod.metadata.uid = ""
    template = pod.spec.volumes.add(name="scratch").volume_source.ephemeral.volume_claim_template
    template.spec.CopyFrom(new_claim().spec)
    template.metadata.labels["for"] = "scratch"
    made = await plane.client.pods.create(pod)

    async def its_claim() -> Claim | None:
        try:
            return await claim_of(plane, "web-scratch")
        except NotFound:
            return None

    claim = await plane.until(its_claim)
    assert claim.metadata.labels["for"] == "scratch"
    [owner] = claim.metadata.owner_references
    assert (owner.kind, owner.name, owner.uid, owner.controller) == ("Pod", "web", made.metadata.uid, True)

    await plane.end(made)

    async def gone() -> bool:
        return await its_claim() is None

    await plane.until(gone)


async def test_a_claim_of_the_right_name_that_is_somebody_elses_is_told(plane: ControlPlane) -> None:
    await plane.client.persistent_volume_claims.create(new_claim("web-scratch"))
    pod = make_pod()
    pod.metadata.uid = ""
    template = pod.spec.volumes.add(name="scratch").volume_source.ephemeral.volume_claim_template
    template.spec.CopyFrom(new_claim().spec)
    await plane.client.pods.create(pod)

    await plane.until(lambda: reasons(plane, "FailedBinding"))

    assert await reasons(plane, "FailedBinding") == [
        "ephemeral volume: PVC default/web-scratch was not created for pod default/web (pod is not owner)"
    ]


async def test_a_pods_ephemeral_volume_is_made_when_somebody_elses_claim_of_its_name_is_gone(
    plane: ControlPlane,
) -> None:
    await plane.add_node("node-1")
    foreign = await plane.client.persistent_volume_claims.create(new_claim("web-scratch"))
    pod = make_pod()
    pod.metadata.uid = ""
    pod.spec.node_name = "node-1"
    template = pod.spec.volumes.add(name="scratch").volume_source.ephemeral.volume_claim_template
    template.spec.CopyFrom(new_claim().spec)
    made = await plane.client.pods.create(pod)
    await plane.until(lambda: reasons(plane, "FailedBinding"))

    # The Pod does not hold a claim that was not made for it.
    await plane.client.persistent_volume_claims.delete("web-scratch", "default")

    async def its_claim() -> Claim | None:
        try:
            found = await claim_of(plane, "web-scratch")
        except NotFound:
            return None
        return None if found.metadata.uid == foreign.metadata.uid else found

    claim = await plane.until(its_claim)
    assert [owner.uid for owner in claim.metadata.owner_references] == [made.metadata.uid]


async def test_a_claim_may_grow(plane: ControlPlane) -> None:
    await plane.add_node("node-1")
    await plane.client.persistent_volume_claims.create(new_claim())
    await select(plane, "node-1")
    await plane.until(lambda: phase(plane, "data", "Bound"))
    claim = await claim_of(plane)

    claim.spec.resources.requests["storage"].string = "3Gi"
    await plane.client.persistent_volume_claims.update(claim)

    async def has_grown() -> bool:
        return (await claim_of(plane)).status.capacity["storage"].string == "3Gi"

    await plane.until(has_grown)
    assert (await volume_of(plane, claim.spec.volume_name)).spec.capacity["storage"].string == "3Gi"


def test_volumes_and_claims_are_counted_by_what_they_are() -> None:
    registry, claims, volumes = CollectorRegistry(), Store[Claim](), Store[Volume]()
    BindingCollector(registry, Lister(claims), Lister(volumes))
    bound = volume("b", phase="Bound")
    bound.spec.persistent_volume_source.local.path = "/x"
    volumes.replace(Replace({"a": volume("a"), "b": bound}))
    claims.replace(Replace({"x": claim("x", phase="Bound"), "y": claim("y"), "z": claim("z")}))

    where = {"namespace": "default", "storage_class": "fast", "volume_attributes_class": ""}
    value = registry.get_sample_value
    assert value("pv_collector_bound_pv_count", {"storage_class": "fast"}) == 1
    assert value("pv_collector_unbound_pv_count", {"storage_class": "fast"}) == 1
    assert value("pv_collector_bound_pvc_count", where) == 1
    assert value("pv_collector_unbound_pvc_count", where) == 2
    kind = {"plugin_name": "kubernetes.io/local-volume", "volume_mode": "Filesystem"}
    assert value("pv_collector_total_pv_count", kind) == 1
