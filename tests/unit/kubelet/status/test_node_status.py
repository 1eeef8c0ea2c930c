"""What is said about a node."""

from collections.abc import Mapping

from kubelet.machine.capacity import Resources, allocatable, configured
from kubelet.machine.machine import Machine
from kubelet.runtime.records import RuntimeStatus, RuntimeVersion
from kubelet.status.node_status import NodeFacts, compute_node_status, says_nothing_new, without_extended
from vaina.api.core.v1 import node_pb2
from vaina.api.meta.v1 import meta_pb2

GIB = 1024**3
HERE = Resources(4000, 16 * GIB, 110, 100 * GIB)
MACHINE = Machine("id", "uuid", "boot", "6.1", "Debian", "amd64", HERE)
FACTS = NodeFacts("node-1", "192.0.2.1", 10250, MACHINE, RuntimeVersion("docker", "26.1"), HERE, HERE)
NOW = 1_000_000.0
GOOD = RuntimeStatus(True, True)


def ready_of(status: node_pb2.NodeStatus) -> node_pb2.NodeCondition:
    [ready] = [item for item in status.conditions if item.type == "Ready"]
    return ready


def test_capacity_is_what_is_configured_and_the_machines_where_nothing_is() -> None:
    assert configured(HERE, cpu="1500m", memory="", pods=0) == Resources(1500, 16 * GIB, 110, 100 * GIB)
    assert configured(HERE, cpu="", memory="4Gi", pods=20) == Resources(4000, 4 * GIB, 20, 100 * GIB)


def test_pods_get_what_the_system_does_not_keep() -> None:
    room = allocatable(HERE, reserved_cpu="500m", reserved_memory="1Gi")

    assert room == Resources(3500, 15 * GIB, 110, 100 * GIB)
    assert allocatable(HERE, reserved_cpu="64", reserved_memory="").cpu_millis == 0


def test_a_node_says_what_it_has_and_is() -> None:
    status = compute_node_status(FACTS, GOOD, node_pb2.NodeStatus(), now=NOW)

    capacity = {name: status.capacity[name].string for name in status.capacity}
    assert capacity == {"cpu": "4", "memory": "16Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    assert {item.type: item.address for item in status.addresses} == {
        "InternalIP": "192.0.2.1", "Hostname": "node-1",
    }  # fmt: skip
    assert status.daemon_endpoints.kubelet_endpoint.port == 10250
    assert status.node_info.container_runtime_version == "docker://26.1"
    assert status.node_info.kubelet_version.startswith("v1.37.2+vaina.")
    assert status.declared_features == ["RestartAllContainersOnContainerExits"]
    assert {item.type: item.status for item in status.conditions} == {
        "MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False", "Ready": "True",
    }  # fmt: skip


def test_a_node_whose_runtime_or_network_is_not_there_is_not_ready() -> None:
    down = compute_node_status(FACTS, RuntimeStatus(False, True, "no socket"), node_pb2.NodeStatus(), now=NOW)
    assert (ready_of(down).status, ready_of(down).reason) == ("False", "KubeletNotReady")
    assert ready_of(down).message == "container runtime is down: no socket"

    bare = compute_node_status(FACTS, RuntimeStatus(True, False, "no CIDR"), node_pb2.NodeStatus(), now=NOW)
    assert ready_of(bare).message == (
        "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:no CIDR"
    )


def test_heartbeats_move_on_and_transitions_stay() -> None:
    first = compute_node_status(FACTS, GOOD, node_pb2.NodeStatus(), now=NOW)
    second = compute_node_status(FACTS, GOOD, first, now=NOW + 10)
    third = compute_node_status(FACTS, RuntimeStatus(False, True), second, now=NOW + 20)

    assert ready_of(second).last_heartbeat_time.seconds == NOW + 10
    assert ready_of(second).last_transition_time.seconds == NOW
    assert ready_of(third).last_transition_time.seconds == NOW + 20
    assert says_nothing_new(second, first)
    assert not says_nothing_new(third, second)


def amounts(given: Mapping[str, meta_pb2.Quantity]) -> dict[str, str]:
    return {name: given[name].string for name in given}


def known(capacity: dict[str, str], allocatable: dict[str, str]) -> node_pb2.NodeStatus:
    """Return a Node's status with resources that somebody else added."""
    status = compute_node_status(FACTS, GOOD, node_pb2.NodeStatus(), now=NOW)
    for name, amount in capacity.items():
        status.capacity[name].string = amount
    for name, amount in allocatable.items():
        status.allocatable[name].string = amount
    return status


def test_what_others_added_to_the_capacity_is_theirs_and_all_of_it_for_pods() -> None:
    before = known({"example.com/gpu": "5"}, {})

    told = compute_node_status(FACTS, GOOD, before, now=NOW)

    assert amounts(told.capacity) == {
        "cpu": "4",
        "memory": "16Gi",
        "pods": "110",
        "ephemeral-storage": "100Gi",
    }
    assert amounts(told.allocatable)["example.com/gpu"] == "5"
    assert not says_nothing_new(told, before)
    assert says_nothing_new(told, known({"example.com/gpu": "5"}, {"example.com/gpu": "5"}))


def test_what_is_gone_from_the_capacity_is_taken_from_what_pods_get() -> None:
    before = known({}, {"example.com/gpu": "5", "hugepages-2Mi": "0"})

    told = compute_node_status(FACTS, GOOD, before, now=NOW)

    assert amounts(told.allocatable)["example.com/gpu"] == ""
    # One of Kubernetes' own is left, as upstream leaves it.
    assert "hugepages-2Mi" not in told.allocatable
    assert not says_nothing_new(told, before)


def test_another_machine_has_nothing_of_what_was_added_to_the_one_before() -> None:
    before = known({"example.com/gpu": "5", "hugepages-2Mi": "0"}, {"example.com/gpu": "5"})

    told = without_extended(before)

    assert amounts(told.capacity) == amounts(told.allocatable) == {"example.com/gpu": "0"}


def test_a_resource_that_is_gone_from_the_node_is_taken_away_once() -> None:
    told = node_pb2.NodeStatus()
    told.allocatable["example.com/gpu"].string = ""
    assert says_nothing_new(told, node_pb2.NodeStatus())
