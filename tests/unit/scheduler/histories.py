"""Histories of a load, as the judge is handed them, in few words."""

from collections.abc import Sequence

from bench.judge.happened import Happened
from bench.judge.history import violations
from bench.judge.reference.storage import StorageObject
from vaina.api.core.v1 import node_pb2, pod_pb2

Made = pod_pb2.Pod | node_pb2.Node | StorageObject


class Story:
    """Events with versions."""

    def __init__(self, *nodes: node_pb2.Node) -> None:
        self.happened: list[Happened] = []
        for made in nodes:
            self.add("ADDED", made)

    def add(self, what: str, made: Made) -> None:
        after = type(made)()
        after.CopyFrom(made)
        after.metadata.resource_version = str(len(self.happened) + 1)
        self.happened.append(Happened(what, after))

    def pod(self, made: pod_pb2.Pod, on: str = "") -> pod_pb2.Pod:
        """A Pod comes, and is bound."""
        made.metadata.uid = made.metadata.name
        self.add("ADDED", made)
        if on:
            self.bind(made, on)
        return made

    def bind(self, made: pod_pb2.Pod, on: str) -> None:
        made.spec.node_name = on
        self.add("MODIFIED", made)

    def gone(self, made: Made) -> None:
        self.add("DELETED", made)

    def found(self) -> Sequence[str]:
        return violations(self.happened)
