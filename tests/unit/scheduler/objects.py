"""Pods and nodes as scheduling tests want them, in few words."""

from collections.abc import Mapping, Sequence

from scheduler.columns.node_info import NodeInfo, compile_node
from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass, PodCompiler, PodInfo
from vaina.api.core.v1 import node_pb2, pod_pb2, reference_pb2
from vaina.testing.builders import make_container, make_node, make_pod

compiler = PodCompiler()


def pod(
    name: str = "web",
    requests: Mapping[str, str] | None = None,
    *,
    selector: Mapping[str, str] | None = None,
    required: Sequence[reference_pb2.NodeSelectorTerm] | None = None,
    preferred: Sequence[tuple[int, reference_pb2.NodeSelectorTerm]] = (),
    tolerations: Sequence[tuple[str, str, str, str]] = (),
    ports: Sequence[tuple[int, str]] = (),
    gates: Sequence[str] = (),
    priority: int = 0,
    node: str = "",
    uid: str = "",
    phase: str = "Pending",
    deleted: float | None = None,
    scheduler: str = "default-scheduler",
) -> pod_pb2.Pod:
    """Make a Pod. Tolerations are (key, operator, value, effect), ports (host port, host address)."""
    container = make_container(requests=requests)
    for port, address in ports:
        container.ports.add(host_port=port, container_port=port, protocol="TCP", host_ip=address)
    made = make_pod(name, uid=uid, node=node, phase=phase, containers=[container], deleted=deleted)
    spec = made.spec
    spec.scheduler_name, spec.priority = scheduler, priority
    spec.node_selector.update(selector or {})
    for key, operator, value, effect in tolerations:
        spec.tolerations.add(key=key, operator=operator, value=value, effect=effect)
    for gate in gates:
        spec.scheduling_gates.add(name=gate)
    affinity = spec.affinity.node_affinity if required is not None or preferred else None
    if affinity is not None:
        if required is not None:
            wanted = affinity.required_during_scheduling_ignored_during_execution
            wanted.SetInParent()
            wanted.node_selector_terms.extend(required)
        for weight, preference in preferred:
            affinity.preferred_during_scheduling_ignored_during_execution.add(
                weight=weight, preference=preference
            )
    return made


def term(
    *expressions: tuple[str, str, Sequence[str]], name: Sequence[str] = ()
) -> reference_pb2.NodeSelectorTerm:
    """Make a term of (key, operator, values), and of metadata.name In `name`."""
    made = reference_pb2.NodeSelectorTerm()
    for key, operator, values in expressions:
        made.match_expressions.add(key=key, operator=operator, values=values)
    if name:
        made.match_fields.add(key="metadata.name", operator="In", values=name)
    return made


def info(made: pod_pb2.Pod) -> PodInfo:
    """Compile a Pod; equal Pods of one test run share a class."""
    return compiler.compile(made)


def pod_class(made: pod_pb2.Pod) -> PodClass:
    """Compile a Pod's class."""
    return info(made).pod_class


def node(
    name: str = "node-1",
    *,
    cpu: str = "4",
    memory: str = "8Gi",
    pods: str = "110",
    labels: Mapping[str, str] | None = None,
    taints: Sequence[tuple[str, str, str]] = (),
    unschedulable: bool = False,
    extended: Mapping[str, str] | None = None,
) -> node_pb2.Node:
    """Make a Node. Taints are (key, value, effect)."""
    made = make_node(
        name, cpu=cpu, memory=memory, pods=pods, labels=labels,
        taints=[node_pb2.Taint(key=key, value=value, effect=effect) for key, value, effect in taints],
    )  # fmt: skip
    made.spec.unschedulable = unschedulable
    for resource, amount in (extended or {}).items():
        made.status.allocatable[resource].string = amount
    return made


def node_info(made: node_pb2.Node) -> NodeInfo:
    """Compile a Node."""
    return compile_node(made)


def table(*nodes: node_pb2.Node) -> NodeTable:
    """Make a table of nodes, in rows 0, 1, ..."""
    made = NodeTable(capacity=4)
    for item in nodes:
        made.upsert(compile_node(item))
    return made
