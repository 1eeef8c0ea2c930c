"""NodeResourcesFit, NodePorts and the balance of resources, case by case (upstream's fit_test.go,
node_ports_test.go and
balanced_allocation_test.go, as behaviour)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from scheduler.framework.interface import UNRESOLVABLE, CycleState, decode
from scheduler.plugins.node_filters import NodePorts
from scheduler.plugins.node_resources import BalancedAllocation, NodeResourcesFit
from tests.unit.scheduler.objects import node, pod_class, table
from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_container, make_pod

Amounts = Mapping[str, str]
CPU, MEMORY, GPU = "Insufficient cpu", "Insufficient memory", "Insufficient example.com/gpu"


def asking(
    *containers: Amounts,
    init: Sequence[Amounts] = (),
    sidecars: Sequence[Amounts] = (),
    overhead: Amounts | None = None,
    whole: Amounts | None = None,
) -> pod_pb2.Pod:
    """Make a Pod of containers with requests; init containers first, then sidecars.

    `whole` is what the Pod itself requests.
    """
    made = make_pod(containers=[make_container(f"c{n}", requests=one) for n, one in enumerate(containers)])
    for number, one in enumerate(init):
        made.spec.init_containers.append(make_container(f"i{number}", requests=one))
    for number, one in enumerate(sidecars):
        added = make_container(f"s{number}", requests=one)
        added.restart_policy = "Always"
        made.spec.init_containers.append(added)
    for name, amount in (overhead or {}).items():
        made.spec.overhead[name].string = amount
    for name, amount in (whole or {}).items():
        made.spec.resources.requests[name].string = amount
    return made


@dataclass(frozen=True)
class Room:
    name: str
    asks: pod_pb2.Pod
    want: tuple[str, ...] = ()
    there: Sequence[Amounts] = ()
    #: on a node of 4 CPUs, 4 GiB, 2 of example.com/gpu, 3 Pods
    unresolvable: bool = False


ONE = {"cpu": "1", "memory": "1Gi"}
ROOM = [
    Room("all of an empty node", asking({"cpu": "4", "memory": "4Gi"})),
    Room("a byte more", asking({"memory": "4294967297"}), (MEMORY,), unresolvable=True),
    Room("a thousandth more", asking({"cpu": "4001m"}), (CPU,), unresolvable=True),
    Room("all that is left", asking({"cpu": "3", "memory": "3Gi"}), there=[ONE]),
    Room("more than is left of one", asking({"cpu": "3001m"}), (CPU,), [ONE]),
    Room("more than is left of both", asking({"cpu": "3001m", "memory": "3073Mi"}), (CPU, MEMORY), [ONE]),
    Room("containers add up", asking({"cpu": "2"}, {"cpu": "2"})),
    Room("containers add up to too much", asking({"cpu": "2"}, {"cpu": "2001m"}), (CPU,), unresolvable=True),
    Room("an init container runs alone", asking({"cpu": "1"}, init=[{"cpu": "4"}])),
    Room("an init container that is too large", asking({"cpu": "1"}, init=[{"cpu": "5"}]), (CPU,), unresolvable=True),
    Room("init containers run one after the other", asking({"cpu": "1"}, init=[{"cpu": "4"}, {"cpu": "4"}])),
    Room("the larger of init and main counts", asking({"cpu": "3"}, init=[{"cpu": "2"}]), there=[ONE]),
    Room("by resource", asking({"cpu": "3"}, init=[{"memory": "4Gi"}]), (MEMORY,), [ONE]),
    Room("a sidecar runs beside the others", asking({"cpu": "3"}, sidecars=[{"cpu": "1"}])),
    Room("a sidecar too many", asking({"cpu": "3"}, sidecars=[{"cpu": "1001m"}]), (CPU,), unresolvable=True),
    Room("a sidecar is not yet there for an init container before it",
         asking({"cpu": "1"}, init=[{"cpu": "4"}], sidecars=[{"cpu": "1"}])),
    Room("overhead comes on top", asking({"cpu": "3"}, overhead={"cpu": "1"})),
    Room("overhead is too much", asking({"cpu": "3"}, overhead={"cpu": "1500m"}), (CPU,), unresolvable=True),
    Room("overhead of init containers too", asking({"cpu": "1"}, init=[{"cpu": "4"}], overhead={"cpu": "1m"}), (CPU,),
         unresolvable=True),
    Room("what the Pod requests stands for its containers", asking({"cpu": "5"}, whole={"cpu": "4"})),
    Room("... also when it is more", asking({"cpu": "1"}, whole={"cpu": "5"}), (CPU,), unresolvable=True),
    Room("... for the resources that it names", asking({"cpu": "1", "memory": "5Gi"}, whole={"cpu": "1"}), (MEMORY,),
         unresolvable=True),
    Room("an extended resource", asking({"example.com/gpu": "2"})),
    Room("an extended resource too many", asking({"example.com/gpu": "3"}), (GPU,), unresolvable=True),
    Room("an extended resource that others have", asking({"example.com/gpu": "2"}), (GPU,), [{"example.com/gpu": "1"}]),
    Room("an extended resource that no node has", asking({"example.com/fpga": "1"}), ("Insufficient example.com/fpga",),
         unresolvable=True),
    Room("nothing of an extended resource", asking({"example.com/fpga": "0"})),
    Room("nothing asked on a full node", asking({}), there=[{"cpu": "4", "memory": "4Gi"}]),
    Room("as many Pods as there may be", asking({}), there=[{}, {}]),
    Room("one Pod too many", asking({}), ("Too many pods",), [{}, {}, {}]),
    Room("one Pod too many, and too large", asking({"cpu": "4"}), ("Too many pods", CPU), [ONE, {}, {}]),
    Room("more was promised than there is", asking({"cpu": "1m"}), (CPU,), [{"cpu": "5"}]),
]  # fmt: skip


@pytest.mark.parametrize("case", ROOM, ids=lambda case: case.name)
def test_room(case: Room) -> None:
    on = table(node("a", cpu="4", memory="4Gi", pods="3", extended={"example.com/gpu": "2"}))
    for amounts in case.there:
        on.add_pod(0, pod_class(asking(amounts)))
    plugin, asked, nodes, state = NodeResourcesFit(), pod_class(case.asks), on.snapshot(), CycleState()
    assert not plugin.pre_filter(state, asked, nodes).rejected
    code = plugin.filter_row(state, asked, nodes, 0)
    assert tuple(decode(code, plugin.reasons(asked))) == case.want
    assert bool(code & UNRESOLVABLE) is case.unresolvable
    codes = plugin.filter(state, asked, nodes, nodes.all)
    assert (0 if codes is None else int(codes[0])) == code


Port = tuple[str, int, str]


@dataclass(frozen=True)
class Ports:
    name: str
    asks: Sequence[Port]
    there: Sequence[Sequence[Port]] = field(default=())
    fits: bool = True


def with_ports(ports: Sequence[Port]) -> pod_pb2.Pod:
    """Make a Pod with (protocol, host port, address)."""
    container = make_container()
    for protocol, port, address in ports:
        container.ports.add(container_port=1 + port, host_port=port, protocol=protocol, host_ip=address)
    return make_pod(containers=[container])


PORTS = [
    Ports("none asked", [], [[("TCP", 80, "")]]),
    Ports("none there", [("TCP", 80, "")]),
    Ports("the same", [("TCP", 80, "")], [[("TCP", 80, "")]], fits=False),
    Ports("another", [("TCP", 81, "")], [[("TCP", 80, "")]]),
    Ports("another protocol", [("UDP", 80, "")], [[("TCP", 80, "")]]),
    Ports("a third protocol", [("SCTP", 80, "")], [[("TCP", 80, "")], [("UDP", 80, "")]]),
    Ports("the same of UDP", [("UDP", 80, "")], [[("UDP", 80, "")]], fits=False),
    Ports("no protocol is TCP", [("", 80, "")], [[("TCP", 80, "")]], fits=False),
    Ports("one of two", [("TCP", 81, ""), ("TCP", 80, "")], [[("TCP", 80, "")]], fits=False),
    Ports("none of two", [("TCP", 81, ""), ("TCP", 82, "")], [[("TCP", 80, "")]]),
    Ports("of the second Pod", [("TCP", 80, "")], [[("TCP", 81, "")], [("TCP", 80, "")]], fits=False),
    Ports("one address", [("TCP", 80, "127.0.0.1")], [[("TCP", 80, "127.0.0.1")]], fits=False),
    Ports("two addresses", [("TCP", 80, "127.0.0.1")], [[("TCP", 80, "127.0.0.2")]]),
    Ports("no address is every one", [("TCP", 80, "127.0.0.1")], [[("TCP", 80, "")]], fits=False),
    Ports("every address", [("TCP", 80, "127.0.0.1")], [[("TCP", 80, "0.0.0.0")]], fits=False),
    Ports("every address asked", [("TCP", 80, "0.0.0.0")], [[("TCP", 80, "127.0.0.1")]], fits=False),
    Ports("every address, another protocol", [("UDP", 80, "0.0.0.0")], [[("TCP", 80, "127.0.0.1")]]),
    Ports("every address and every address", [("TCP", 80, "")], [[("TCP", 80, "0.0.0.0")]], fits=False),
    Ports("two addresses there, a third", [("TCP", 80, "10.0.0.3")], [[("TCP", 80, "10.0.0.1")], [("TCP", 80, "10.0.0.2")]]),
    Ports("two addresses there, one of them", [("TCP", 80, "10.0.0.2")],
          [[("TCP", 80, "10.0.0.1")], [("TCP", 80, "10.0.0.2")]], fits=False),
    Ports("no port of the node", [("TCP", 0, "")], [[("TCP", 0, "")]]),
    Ports("protocols of one Pod", [("TCP", 80, ""), ("UDP", 80, "")], [[("UDP", 80, "")]], fits=False),
    Ports("addresses of one Pod", [("TCP", 80, "10.0.0.1"), ("TCP", 80, "10.0.0.2")], [[("TCP", 80, "10.0.0.3")]]),
    Ports("an address of the newer sort", [("TCP", 80, "::1")], [[("TCP", 80, "::1")]], fits=False),
    Ports("many there", [("TCP", 8080, "")], [[("TCP", port, "")] for port in range(8000, 8080)]),
]  # fmt: skip


@pytest.mark.parametrize("case", PORTS, ids=lambda case: case.name)
def test_ports(case: Ports) -> None:
    on = table(node("a"), node("b"))
    for ports in case.there:
        on.add_pod(0, pod_class(with_ports(ports)))
    plugin, asked, nodes, state = NodePorts(), pod_class(with_ports(case.asks)), on.snapshot(), CycleState()
    if plugin.pre_filter(state, asked, nodes).skip:
        codes = [0, 0]
    else:
        codes = [plugin.filter_row(state, asked, nodes, row) for row in (0, 1)]
        found = plugin.filter(state, asked, nodes, nodes.all)
        assert codes == ([0, 0] if found is None else found.tolist())
    words = "node(s) didn't have free ports for the requested pod ports"
    assert [list(decode(code, plugin.reasons(asked))) for code in codes] == [[] if case.fits else [words], []]
    # What is taken is given back when the Pod goes.
    for ports in case.there:
        on.remove_pod(0, pod_class(with_ports(ports)))
    assert not on.snapshot().ports


@dataclass(frozen=True)
class Balance:
    """On a node of 10 CPUs and 10 GiB.

    How even CPU and memory were used before and after, in hundredths less half the difference.
    """

    name: str
    cpu: str
    memory: str
    before: int
    after: int
    there: Sequence[Amounts] = ()


BALANCE = [
    Balance("even stays even", "1", "1Gi", 100, 100),
    Balance("even stays even when full", "10", "10Gi", 100, 100),
    Balance("CPU alone", "2", "0", 100, 90),
    Balance("memory alone", "0", "2Gi", 100, 90),
    Balance("all of the CPU", "10", "0", 100, 50),
    Balance("more CPU than memory", "6", "2Gi", 100, 80),
    Balance("more memory than CPU", "2", "6Gi", 100, 80),
    Balance("what is mended", "1", "5Gi", 80, 100, [{"cpu": "4"}]),
    Balance("what is mended in part", "0", "2Gi", 80, 90, [{"cpu": "4"}]),
    Balance("what is mended too much", "0", "10Gi", 80, 70, [{"cpu": "4"}]),
    Balance("what gets worse", "2", "0", 80, 70, [{"cpu": "4"}]),
    Balance("from one side to the other", "0", "8Gi", 80, 80, [{"cpu": "4"}]),
    Balance("two Pods there", "1", "1Gi", 85, 85, [{"cpu": "4", "memory": "1Gi"}, {"cpu": "2", "memory": "2Gi"}]),
    Balance("no more than all counts", "12", "0", 100, 50),
    Balance("what is full already stays so", "1", "0", 50, 50, [{"cpu": "12"}]),
    Balance("a thousandth is cut off", "30m", "0", 100, 99),
    Balance("small and even", "10m", "10485760", 100, 99),
    Balance("half of the CPU", "5", "0", 100, 75),
    Balance("half of both", "5", "5Gi", 100, 100),
    Balance("two full sides", "10", "10Gi", 80, 100, [{"cpu": "4"}]),
    Balance("memory that is full already", "0", "1Gi", 50, 50, [{"memory": "12Gi"}]),
    Balance("what others leave uneven stays so", "1", "1Gi", 80, 80, [{"cpu": "4"}]),
    Balance("other Pods that ask the same on both sides", "2", "2Gi", 100, 100, [{"cpu": "1", "memory": "1Gi"}] * 3),
]  # fmt: skip


@pytest.mark.parametrize("case", BALANCE, ids=lambda case: case.name)
def test_balance(case: Balance) -> None:
    on = table(node("a", cpu="10", memory="10Gi"))
    for amounts in case.there:
        on.add_pod(0, pod_class(asking(amounts)))
    asked = pod_class(asking({"cpu": case.cpu, "memory": case.memory}))
    plugin, nodes, state = BalancedAllocation(), on.snapshot(), CycleState()
    assert plugin.pre_score(state, asked, nodes)
    want = 50 + int((50 + case.after - case.before) / 2)
    assert plugin.score(state, asked, nodes, nodes.all).tolist() == [want]
    assert plugin.score_row(state, asked, nodes, 0) == want
