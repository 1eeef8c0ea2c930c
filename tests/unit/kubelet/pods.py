"""Pods of a few lines, for the tests of the whole kubelet."""

from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_container, make_pod


def shell(name: str, script: str, image: str = "busybox") -> pod_pb2.Container:
    container = make_container(name, image)
    container.command.extend(["sh", "-c", script])
    return container


def pod_of(*containers: pod_pb2.Container, restart: str = "Always", grace: int = 30) -> pod_pb2.Pod:
    pod = make_pod(containers=containers)
    pod.spec.restart_policy = restart
    pod.spec.termination_grace_period_seconds = grace
    return pod


def is_running(pod: pod_pb2.Pod) -> bool:
    return pod.status.phase == "Running"
