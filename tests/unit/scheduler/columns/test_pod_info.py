"""Pods compiled: equal ones share a class, whatever is particular to them."""

import random

import pytest

from scheduler.columns.pod_asks import HostPort
from scheduler.columns.pod_info import PodCompiler
from scheduler.columns.pod_terms import spread_owner
from tests.unit.scheduler.objects import pod
from vaina.objects.quantity import QuantityError
from vaina.testing.builders import make_container, make_pod


def test_what_is_particular_to_a_pod_is_not_in_its_class() -> None:
    compiler = PodCompiler()
    one = compiler.compile(pod("one", {"cpu": "1"}))
    other = compiler.compile(pod("other", {"cpu": "1"}, node="n1"))
    assert one.pod_class is other.pod_class
    assert (one.key, one.node_name, other.node_name) == ("default/one", "", "n1")


def test_specs_that_ask_the_same_in_other_words_share_a_class() -> None:
    compiler = PodCompiler()
    one = make_pod("one", containers=[make_container("a", "x:1", requests={"cpu": "1", "memory": "1Gi"})])
    other = make_pod(
        "two", containers=[make_container("b", "x:1", requests={"cpu": "1000m", "memory": "1024Mi"})]
    )
    assert compiler.compile(one).pod_class is compiler.compile(other).pod_class


def test_another_request_is_another_class() -> None:
    compiler = PodCompiler()
    assert (
        compiler.compile(pod("a", {"cpu": "1"})).pod_class
        is not compiler.compile(pod("b", {"cpu": "2"})).pod_class
    )


def test_another_image_or_scheduler_is_another_class() -> None:
    compiler = PodCompiler()
    plain, other = make_pod("a"), make_pod("b", containers=[make_container("a", "other")])
    mine = make_pod("c")
    mine.spec.scheduler_name = "mine"
    classes = [compiler.compile(made).pod_class for made in (plain, other, mine)]
    assert len(set(classes)) == 3
    assert [made.scheduler_name for made in classes] == ["default-scheduler", "default-scheduler", "mine"]


def test_images_have_their_tags_and_those_of_volumes_and_init_containers_count() -> None:
    made = make_pod(containers=[make_container("a", "host:5000/web"), make_container("b", "db:12")])
    made.spec.init_containers.add(name="init", image="db:12")
    made.spec.volumes.add(name="data").volume_source.image.reference = "data@sha256:00"
    assert PodCompiler().compile(made).pod_class.images == (
        "data@sha256:00", "db:12", "db:12", "host:5000/web:latest",
    )  # fmt: skip


def test_requests_are_thousandths_and_bytes_and_nothing_of_what_is_zero() -> None:
    asked = PodCompiler().compile(pod(requests={"cpu": "250m", "memory": "1Gi", "gpu/x": "0"})).pod_class
    assert asked.requests == (("cpu", 250), ("memory", 2**30))
    assert (asked.request("cpu"), asked.request("gpu/x")) == (250, 0)


def test_scoring_counts_each_container_that_names_nothing() -> None:
    made = make_pod(containers=[make_container("a"), make_container("b", requests={"cpu": "1"})])
    asked = PodCompiler().compile(made).pod_class
    assert (asked.nonzero_cpu, asked.nonzero_memory) == (1100, 2 * 200 * 2**20)


def test_host_ports_of_sidecars_count_and_those_of_other_init_containers_do_not() -> None:
    made = make_pod()
    for name, policy, port in (("side", "Always", 90), ("setup", "", 91)):
        container = made.spec.init_containers.add(name=name)
        if policy:
            container.restart_policy = policy
        container.ports.add(host_port=port, container_port=1)
    made.spec.containers[0].ports.add(host_port=80, container_port=80, protocol="UDP", host_ip="10.0.0.1")
    made.spec.containers[0].ports.add(container_port=8080)
    assert PodCompiler().compile(made).pod_class.host_ports == (
        HostPort("TCP", "0.0.0.0", 90),
        HostPort("UDP", "10.0.0.1", 80),
    )


def test_the_memo_is_bounded() -> None:
    compiler = PodCompiler(memo_size=3)
    for number in range(1, 10):
        compiler.compile(pod(requests={"cpu": str(number)}))
    assert len(compiler._memo) == 3


def test_an_amount_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(QuantityError):
        PodCompiler().compile(pod(requests={"cpu": "much"}))


def resized(
    asked: str, given: str = "", allocated: str = "", *, infeasible: bool = False, init: bool = False
) -> tuple[tuple[str, int], ...]:
    """Compile a bound Pod whose container asks for some CPU, while its status tells of other amounts."""
    made = make_pod(node="n1", containers=[make_container("a", requests={"cpu": asked, "memory": "1Gi"})])
    if init:
        sidecar = made.spec.init_containers.add(name="side", image="x", restart_policy="Always")
        sidecar.resources.requests["cpu"].string = "1"
        status = made.status.init_container_statuses.add(name="side")
    else:
        status = made.status.container_statuses.add(name="a")
    if given:
        status.resources.requests["cpu"].string = given
    if allocated:
        status.allocated_resources["cpu"].string = allocated
    if infeasible:
        made.status.conditions.add(type="PodResizePending", status="True", reason="Infeasible")
    return PodCompiler().compile(made).pod_class.requests


@pytest.mark.parametrize(
    ("asked", "given", "allocated", "want"),
    [
        ("1", "", "", 1000),
        ("1", "1", "1", 1000),
        ("2", "1", "1", 2000),
        ("1", "2", "2", 2000),
        ("1", "2", "1", 2000),
        ("1", "1", "3", 3000),
        ("1500m", "1", "1200m", 1500),
    ],
)
def test_while_a_pod_is_resized_the_most_counts(asked: str, given: str, allocated: str, want: int) -> None:
    assert dict(resized(asked, given, allocated))["cpu"] == want


def test_what_the_node_can_never_give_does_not_count() -> None:
    assert dict(resized("9", "1", "1", infeasible=True))["cpu"] == 1000
    assert dict(resized("9", infeasible=True))["cpu"] == 9000


def test_sidecars_are_resized_too() -> None:
    assert dict(resized("1", "3", "3", init=True))["cpu"] == 4000


def test_requests_of_the_whole_pod_stand_instead_and_the_overhead_comes_on_top() -> None:
    made = make_pod(containers=[make_container("a", requests={"cpu": "1", "memory": "1Gi", "gpu/x": "1"})])
    made.spec.resources.requests["cpu"].string = "5"
    made.spec.resources.requests["gpu/x"].string = "9"
    made.spec.overhead["cpu"].string = "250m"
    made.spec.overhead["memory"].string = "1Mi"
    asked = PodCompiler().compile(made).pod_class
    assert dict(asked.requests) == {"cpu": 5250, "memory": 2**30 + 2**20, "gpu/x": 1}
    assert (asked.nonzero_cpu, asked.nonzero_memory) == (5250, 2**30 + 2**20)


def test_init_containers_count_with_the_sidecars_before_them() -> None:
    made = make_pod(containers=[make_container("a", requests={"cpu": "1"})])
    for name, cpu, policy in (("first", "4", ""), ("side", "2", "Always"), ("second", "3", "")):
        container = made.spec.init_containers.add(name=name, image="x")
        container.resources.requests["cpu"].string = cpu
        if policy:
            container.restart_policy = policy
    # While the second runs beside the sidecar: 3 + 2; later 1 + 2; the first alone: 4.
    assert dict(PodCompiler().compile(made).pod_class.requests)["cpu"] == 5000
    made.spec.init_containers[0].resources.requests["cpu"].string = "6"
    assert dict(PodCompiler().compile(made).pod_class.requests)["cpu"] == 6000


@pytest.mark.parametrize("seed", range(10))
def test_a_class_is_found_again_whatever_pod_came_before(seed: int) -> None:
    rng, compiler = random.Random(seed), PodCompiler()
    for number in range(200):
        made = pod("web", {"cpu": rng.choice("12")}, uid=f"u{number}", deleted=rng.choice([None, None, 1.0]))
        meta = made.metadata
        meta.namespace = rng.choice(["default", "other"])
        meta.labels.update({key: rng.choice("xy") for key in ("app", "tier") if rng.random() < 0.5})
        if rng.random() < 0.3:
            meta.owner_references.add(
                api_version="apps/v1", kind="ReplicaSet", uid=rng.choice("ab"), controller=rng.random() < 0.7
            )
        if rng.random() < 0.3:
            constraint = made.spec.topology_spread_constraints.add(max_skew=1, topology_key="zone")
            constraint.label_selector.match_labels["app"] = "x"
            constraint.match_label_keys.append("tier")
        found = compiler.compile(made).pod_class
        assert found is compiler.class_of(
            made.spec, namespace=meta.namespace, labels=meta.labels, owner=spread_owner(meta),
            terminating=meta.HasField("deletion_timestamp"),
        )  # fmt: skip
        assert found.group.is_of(meta)
