"""The nodes and Pods that benchmarks of one service send: of one size, so that their figures can be compared."""

from vaina.api.core.v1 import node_pb2, pod_pb2


def make_node(name: str) -> node_pb2.Node:
    """Return a node: 32 cores, 256 GiB, 110 Pods."""
    node = node_pb2.Node()
    node.metadata.name = name
    node.metadata.labels["kubernetes.io/hostname"] = name
    for amounts in (node.status.capacity, node.status.allocatable):
        amounts["cpu"].string, amounts["memory"].string, amounts["pods"].string = "32", "256Gi", "110"
    node.status.conditions.add(type="Ready", status="True", reason="KubeletReady")
    return node


def make_pod(name: str, cpu: str = "100m") -> pod_pb2.Pod:
    """Return a Pod of about 900 bytes."""
    pod = pod_pb2.Pod()
    pod.metadata.name, pod.metadata.namespace = name, "default"
    pod.metadata.labels.update({"app": "web", "pod-template-hash": "6d4cf56db6"})
    pod.metadata.annotations["bench"] = "." * 400
    container = pod.spec.containers.add(name="main", image="registry.example/web:1.2.3")
    container.env.add(name="A", value="b" * 200)
    container.resources.requests["cpu"].string = cpu
    container.resources.requests["memory"].string = "500Mi"
    return pod
