"""Makes a run's nodes, namespaces and other objects: all of them carry the label of the run."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from bench.load import allocatable
from bench.load.apps import AppLoad, pod_of
from bench.load.settings import RUN_LABEL, Settings
from bench.load.templates import NAMESPACE_DEFAULT, NODE_DEFAULT, POD_DEFAULT, Maker, Template
from bench.load.workload import AllocatableStrategy
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.client.clientset import Clientset
from vaina.errors import ApiError
from vaina.kinds import NODE, POD, REPLICA_SET, Kind

HOSTNAME = "kubernetes.io/hostname"
#: nodes in a call, and calls in flight
_BATCH, _IN_FLIGHT = 100, 4
_BUILT_IN = {"Node": NODE_DEFAULT, "Pod": POD_DEFAULT, "Namespace": NAMESPACE_DEFAULT}


class Making:
    """Owned by the run."""

    def __init__(self, client: Clientset, settings: Settings, folder: Path) -> None:
        self._client, self._settings, self._folder = client, settings, folder
        self._namespaces: set[str] = set()
        self._numbers: dict[str, int] = {}
        #: on which Pods are kept, where there are other nodes
        self.node_selector: dict[str, str] = {}
        self.nodes = 0

    def template(self, path: str, kind: str = "") -> Template:
        """Return a template; the built-in one of a kind for an empty path."""
        return Template.read(self._folder / path) if path else Template(_BUILT_IN[kind])

    def maker(self, path: str, kind: str = "") -> Maker:
        """Return what makes the objects of a template."""
        return self.template(path, kind).maker(self._settings.run)

    def full_namespace(self, name: str) -> str:
        """Return what a namespace of the workload is called in the cluster: RUN-NAME."""
        return f"{self._settings.run}-{name}"

    def label(self, obj: Any) -> None:
        """Mark an object as the run's."""
        obj.metadata.labels[RUN_LABEL] = self._settings.run

    async def namespace(self, name: str, path: str = "") -> str:
        """Make a namespace unless the run has it; return what it is called."""
        full = self.full_namespace(name)
        if full not in self._namespaces:
            made = self.maker(path, "Namespace").make(0, "")
            made.metadata.name = full
            self.label(made)
            await self._client.namespaces.create(made)
            self._namespaces.add(full)
        return full

    @property
    def namespaces(self) -> Sequence[str]:
        """What was made so far, by its name in the cluster."""
        return sorted(self._namespaces)

    def numbers(self, prefix: str, count: int) -> range:
        """Return numbers that no other object with this prefix has."""
        first = self._numbers.get(prefix, 0)
        self._numbers[prefix] = first + count
        return range(first, first + count)

    async def make_nodes(
        self,
        paths: Sequence[str],
        labels: Callable[[int], dict[str, str]],
        strategy: AllocatableStrategy | None = None,
    ) -> None:
        """Make Node objects, one after each template: no kubelet stands behind them."""
        count = len(paths)
        makers = {path: self.maker(path, "Node") for path in set(paths)}
        numbers = [self.numbers(makers[path].name(""), 1)[0] for path in paths]
        starts = iter(range(0, count, _BATCH))

        async def caller() -> None:
            for start in starts:
                indexes = range(start, min(start + _BATCH, count))
                nodes = [
                    self._node(makers[paths[index]], index, numbers[index], labels(index))
                    for index in indexes
                ]
                if strategy is not None:
                    for node in nodes:
                        csi_node = allocatable.prepare(node, strategy)
                        self.label(csi_node)
                        await self._client.csi_nodes.create(csi_node)
                for result in await self._client.nodes.create_batch(nodes):
                    if isinstance(result, ApiError):
                        raise result

        async with asyncio.TaskGroup() as group:
            for _ in range(_IN_FLIGHT):
                group.create_task(caller())
        self.nodes += count

    def _node(self, maker: Maker, index: int, number: int, labels: dict[str, str]) -> node_pb2.Node:
        node: node_pb2.Node = maker.make(index, f"{number:05}")
        node.metadata.labels.update(labels)
        self.finish(NODE, node)
        return node

    async def make_apps(self, load: AppLoad, namespace: str) -> Callable[[int], pod_pb2.Pod]:
        """Make the ReplicaSets of a step; return what makes its Pod `index`, but for its name."""
        some = {app.template_path: app.params for app in load.apps}
        templates = {path: Template.read(self._folder / path, [params]) for path, params in some.items()}
        models: list[pod_pb2.Pod] = [pod_pb2.Pod()] * len(load.apps)
        order = iter(enumerate(load.apps))

        async def caller() -> None:
            for number, app in order:
                owner = templates[app.template_path].maker(self._settings.run, app.params).make(0, "")
                owner.metadata.namespace, owner.spec.replicas = namespace, app.replicas
                self.label(owner)
                models[number] = pod_of(await self._client.kind(REPLICA_SET).create(owner))

        async with asyncio.TaskGroup() as group:
            for _ in range(_IN_FLIGHT):
                group.create_task(caller())

        def make(index: int) -> pod_pb2.Pod:
            pod = pod_pb2.Pod()
            pod.CopyFrom(models[load.turns[index]])
            return pod

        return make

    def pod_maker(
        self, make_plain: Callable[[int], pod_pb2.Pod], namespace: str, names: Sequence[str]
    ) -> Callable[[int], pod_pb2.Pod]:
        """Return what makes Pod `index` of a step, with its name and as the settings want it."""

        def make(index: int) -> pod_pb2.Pod:
            pod = make_plain(index)
            pod.metadata.name, pod.metadata.namespace = names[index], namespace
            self.finish(POD, pod)
            return pod

        return make

    def finish(self, kind: Kind[Any], obj: Any) -> None:
        """Give an object what all of its kind have in a run.

        The run's label, a Pod what the settings want, a node its hostname.
        """
        self.label(obj)
        if kind is POD:
            self.fit(obj)
        elif kind is NODE:
            if HOSTNAME not in obj.metadata.labels:
                obj.metadata.labels[HOSTNAME] = obj.metadata.name
            if not obj.status.allocatable:
                # As the apiserver has it of a new node; of one whose status is put it would take nothing.
                obj.status.allocatable.MergeFrom(obj.status.capacity)

    def fit(self, pod: Any) -> None:
        """Change a Pod, or the template of Pods, as the settings want it."""
        if self.node_selector:
            pod.spec.node_selector.update(self.node_selector)
        for container in pod.spec.containers if self._settings.image else ():
            container.image = self._settings.image
            del container.command[:]
            container.command.extend(self._settings.command)

    async def make_any(self, maker: Maker, namespace: str, index: int) -> tuple[Template, Message]:
        """Make one object of any kind; return what it was made of and how it was stored."""
        template = maker.template
        [number] = self.numbers(template.generate_name, 1)
        made = maker.make(index, f"{number:06}")
        if template.kind.namespaced:
            made.metadata.namespace = await self.namespace(namespace)
        self.finish(template.kind, made)
        return template, await self._client.kind(template.kind).create(made)
