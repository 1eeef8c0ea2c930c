"""LimitRanges: what Pods get that do not say, and what is refused, in upstream's words."""

import pytest

from apiserver.admission.limit_ranger import check_claim, check_pod, set_defaults
from tests.support.apiserver import make_apiserver
from tests.unit.apiserver.validation.cases import Case, case, container, each, pod, read_default
from vaina.api.core.v1 import limit_range_pb2, persistent_volume_pb2, volume_pb2
from vaina.api.storage.v1 import storage_class_pb2
from vaina.errors import Forbidden
from vaina.kinds import LIMIT_RANGE
from vaina.testing.builders import make_namespace, make_pod


def make(limits: str, namespace: str = "default") -> limit_range_pb2.LimitRange:
    text = f"apiVersion: v1\nkind: LimitRange\nmetadata: {{name: limits, namespace: {namespace}}}\nspec: {{limits: [{limits}]}}"
    made: limit_range_pb2.LimitRange = read_default(LIMIT_RANGE, text)
    return made


BOTH = "resources: {requests: {cpu: 200m, memory: 64Mi}, limits: {cpu: 400m, memory: 128Mi}}"
#: given: the limits; spec: the only container
CONTAINERS = (
    case("what is within the bounds is fine", "{type: Container, min: {cpu: 100m}, max: {cpu: 500m}}", spec=BOTH),
    case("below the least", "{type: Container, min: {cpu: 300m}}",
         "minimum cpu usage per Container is 300m, but request is 200m", spec=BOTH),
    case("above the most", "{type: Container, max: {cpu: 300m}}",
         "maximum cpu usage per Container is 300m, but limit is 400m", spec=BOTH),
    case("every resource is told of", "{type: Container, max: {cpu: 300m, memory: 32Mi}}",
         "maximum cpu usage per Container is 300m, but limit is 400m",
         "maximum memory usage per Container is 32Mi, but limit is 128Mi", spec=BOTH),
    case("a limit that is too low for the least", "{type: Container, min: {cpu: 300m}}",
         "minimum cpu usage per Container is 300m, but limit is 250m",
         spec="resources: {requests: {cpu: 300m}, limits: {cpu: 250m}}"),
    case("a ratio is at most so much", "{type: Container, maxLimitRequestRatio: {cpu: 1500m}}",
         "cpu max limit to request ratio per Container is 1500m, but provided ratio is 2.000000", spec=BOTH),
    case("a ratio that is just right", "{type: Container, maxLimitRequestRatio: {cpu: 2}}", spec=BOTH),
    case("a ratio wants a request", "{type: Container, maxLimitRequestRatio: {ephemeral-storage: 2}}",
         "ephemeral-storage max limit to request ratio per Container is 2, but no request is specified or request is 0",
         spec=BOTH),
    case("a ratio wants a limit", "{type: Container, maxLimitRequestRatio: {cpu: 2}}",
         "cpu max limit to request ratio per Container is 2, but no limit is specified or limit is 0",
         spec="resources: {requests: {cpu: 1}}"),
    case("a most for Pods wants limits", "{type: Pod, max: {cpu: 1}}",
         "maximum cpu usage per Pod is 1.  No limit is specified", spec="resources: {requests: {cpu: 200m}}"),
    case("a least for Pods wants requests", "{type: Pod, min: {cpu: 1}}",
         "minimum cpu usage per Pod is 1.  No request is specified", spec="imagePullPolicy: Always"),
    case("other types of limits are nobody's here", "{type: PersistentVolumeClaim, min: {storage: 1Gi}}", spec=BOTH),
)  # fmt: skip


@each(CONTAINERS)
def test_what_a_pod_violates(case: Case) -> None:
    limit_range, made = make(case.given), container(case.spec)
    assert check_pod(limit_range, made) == list(case.want)


def test_a_pod_is_judged_by_the_sum_of_its_containers_or_its_greediest_init_container() -> None:
    made = pod(
        """
        overhead: {cpu: 5}
        containers:
        - {name: a, image: a, resources: {requests: {cpu: 1}, limits: {cpu: 1}}}
        - {name: b, image: b, resources: {requests: {cpu: 1}, limits: {cpu: 1}}}
        initContainers:
        - {name: c, image: c, resources: {requests: {cpu: 4}, limits: {cpu: 4}}}
        """
    )
    assert check_pod(make("{type: Pod, max: {cpu: 3}}"), made) == [
        "maximum cpu usage per Pod is 3, but limit is 4"
    ]
    assert check_pod(make("{type: Pod, min: {cpu: 4}, max: {cpu: 4}}"), made) == []


def test_init_containers_are_held_to_the_bounds_of_containers() -> None:
    made = pod("initContainers: [{name: c, image: c, resources: {limits: {cpu: 4}}}]")
    found = check_pod(make("{type: Container, max: {cpu: 3}}"), made)
    assert found == [
        "maximum cpu usage per Container is 3.  No limit is specified",
        "maximum cpu usage per Container is 3, but limit is 4",
    ]


def test_defaults_are_given_where_nothing_is_said_and_told_in_an_annotation() -> None:
    made = pod(
        """
        containers:
        - {name: main, image: a, resources: {requests: {cpu: 1}}}
        initContainers:
        - {name: first, image: a}
        """
    )
    set_defaults(make("{type: Container, default: {cpu: 2, memory: 1Gi}, defaultRequest: {cpu: 500m}}"), made)
    main, first = made.spec.containers[0].resources, made.spec.init_containers[0].resources
    assert {name: main.limits[name].string for name in main.limits} == {"cpu": "2", "memory": "1Gi"}
    assert {name: main.requests[name].string for name in main.requests} == {"cpu": "1", "memory": "1Gi"}
    assert {name: first.requests[name].string for name in first.requests} == {"cpu": "500m", "memory": "1Gi"}
    assert made.metadata.annotations["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: memory request for container main; cpu, memory limit for container main; "
        "cpu, memory request for init container first; cpu, memory limit for init container first"
    )


def test_a_claim_is_held_by_what_it_requests() -> None:
    limits = make("{type: PersistentVolumeClaim, min: {storage: 1Gi}, max: {storage: 5Gi}}")

    def claim(storage: str) -> volume_pb2.PersistentVolumeClaimSpec:
        spec = volume_pb2.PersistentVolumeClaimSpec()
        spec.resources.requests["storage"].string = storage
        return spec

    assert check_claim(limits, claim("2Gi")) == []
    assert check_claim(limits, claim("512Mi")) == [
        "minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 512Mi"
    ]
    assert check_claim(limits, claim("6Gi")) == [
        "maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 6Gi"
    ]


async def test_a_new_claim_is_held() -> None:
    api = make_apiserver()
    await api.client.limit_ranges.create(make("{type: PersistentVolumeClaim, max: {storage: 5Gi}}"))

    def claim(name: str, storage: str) -> persistent_volume_pb2.PersistentVolumeClaim:
        made = persistent_volume_pb2.PersistentVolumeClaim()
        made.metadata.name, made.metadata.namespace = name, "default"
        made.spec.access_modes.append("ReadWriteOnce")
        made.spec.resources.requests["storage"].string = storage
        return made

    with pytest.raises(Forbidden) as refused:
        await api.client.persistent_volume_claims.create(claim("large", "6Gi"))
    assert refused.value.message == (
        'persistentvolumeclaims "large" is forbidden: '
        "maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 6Gi"
    )
    created = await api.client.persistent_volume_claims.create(claim("small", "5Gi"))
    assert created.spec.resources.requests["storage"].string == "5Gi"


async def test_a_claim_that_grows_is_held() -> None:
    api = make_apiserver()
    claims = api.client.persistent_volume_claims
    grows = storage_class_pb2.StorageClass(provisioner="example.com/disk", allow_volume_expansion=True)
    grows.metadata.name = "grows"
    await api.client.storage_classes.create(grows)
    made = persistent_volume_pb2.PersistentVolumeClaim()
    made.metadata.name, made.metadata.namespace = "disk", "default"
    made.spec.access_modes.append("ReadWriteOnce")
    made.spec.storage_class_name = "grows"
    made.spec.resources.requests["storage"].string = "4Gi"
    made = await claims.create(made)
    made.status.phase = "Bound"
    made = await claims.update_status(made)
    await api.client.limit_ranges.create(make("{type: PersistentVolumeClaim, max: {storage: 5Gi}}"))
    made.spec.resources.requests["storage"].string = "5Gi"
    made = await claims.update(made)
    made.spec.resources.requests["storage"].string = "6Gi"
    words = "maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 6Gi"
    with pytest.raises(Forbidden, match=words):
        await claims.update(made)
    patch = '{"spec": {"resources": {"requests": {"storage": "6Gi"}}}}'
    with pytest.raises(Forbidden, match=words):
        await claims.patch("disk", patch, namespace="default")
    assert (await claims.get("disk", "default")).spec.resources.requests["storage"].string == "5Gi"


async def test_what_a_claim_has_requested_already_is_not_held_again() -> None:
    api = make_apiserver()
    claims = api.client.persistent_volume_claims
    made = persistent_volume_pb2.PersistentVolumeClaim()
    made.metadata.name, made.metadata.namespace = "disk", "default"
    made.metadata.finalizers.append("example.com/held")
    made.spec.access_modes.append("ReadWriteOnce")
    made.spec.resources.requests["storage"].string = "6Gi"
    made = await claims.create(made)
    await api.client.limit_ranges.create(make("{type: PersistentVolumeClaim, max: {storage: 5Gi}}"))
    made.metadata.labels["app"] = "web"
    made.spec.volume_name = "volume"
    await claims.update(made)
    made = await claims.delete("disk", "default")
    made.metadata.finalizers[:] = []
    await claims.update(made)
    assert not (await claims.list("default")).items


async def test_a_pod_of_the_namespace_is_completed_and_held_and_others_are_not() -> None:
    api = make_apiserver()
    await api.client.namespaces.create(make_namespace("other"))
    await api.pod("before")
    await api.client.limit_ranges.create(make("{type: Container, default: {cpu: 2}, max: {cpu: 2}}"))
    limited = await api.pod("limited")
    assert limited.spec.containers[0].resources.limits["cpu"].string == "2"
    # The same spec, remembered: in the other namespace nothing of it remains.
    free = await api.client.pods.create(make_pod("free", namespace="other"))
    assert not free.spec.containers[0].resources.limits
    assert "kubernetes.io/limit-ranger" not in free.metadata.annotations
    greedy = make_pod("greedy")
    greedy.spec.containers[0].resources.limits["cpu"].string = "3"
    greedy.spec.containers[0].resources.limits["memory"].string = "3Gi"
    with pytest.raises(Forbidden) as refused:
        await api.client.pods.create(greedy)
    assert refused.value.message == (
        'pods "greedy" is forbidden: maximum cpu usage per Container is 2, but limit is 3'
    )
    await api.client.limit_ranges.delete("limits", "default")
    assert not (await api.pod("after")).spec.containers[0].resources.limits


async def test_what_a_limit_range_makes_of_a_pod_is_checked_like_what_a_user_sends() -> None:
    api = make_apiserver()
    await api.client.limit_ranges.create(
        make("{type: Container, default: {cpu: 1}, defaultRequest: {cpu: 1}}")
    )
    greedy = make_pod("greedy")
    greedy.spec.containers[0].resources.requests["cpu"].string = "2"
    for _ in range(2):
        with pytest.raises(Exception, match="must be less than or equal to cpu limit of 1"):
            await api.client.pods.create(greedy)
