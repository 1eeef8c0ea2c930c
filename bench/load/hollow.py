"""Hollow nodes: a process of real kubelets whose runtime runs nothing (`python -m kubelet --hollow-nodes`)."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from bench.load.settings import RUN_LABEL, Settings
from bench.load.templates import Template
from bench.processes import ServiceProcess
from vaina.client.clientset import Clientset

_LABELLERS = 16
_LOOK_SECONDS = 0.3


class HollowError(Exception):
    """Hollow nodes cannot be as the template wants them, or do not come."""


class HollowKubelets:
    """The nodes of one step. Owned by the run."""

    def __init__(self, client: Clientset, apiserver: str, settings: Settings, number: int) -> None:
        self._client, self._apiserver, self._settings = client, apiserver, settings
        self._prefix = f"{settings.run}-hollow{number}"
        self._process: ServiceProcess | None = None

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process is not None
        return self._process.pid

    async def start(
        self, count: int, template: Template, labels: Callable[[int], dict[str, str]], patience_seconds: float
    ) -> None:
        """Start them and return when all are registered, with their labels and taints.

        Raises:
            HollowError: the template names its node, or they do not come.
        """
        tree: Any = template.tree
        if template.name:
            raise HollowError(f"{template.source}: a node with a name of its own needs --nodes objects")
        capacity = tree.get("status", {}).get("capacity", {})
        flags = [
            f"--hollow-nodes={count}", f"--hollow-prefix={self._prefix}", f"--apiserver={self._apiserver}",
            "--log-level=warning", f"--hollow-seed={self._settings.seed}",
            # Heartbeats of thousands of nodes would be a load of their own.
            "--lease-seconds=400", "--lease-renew-seconds=100", "--node-status-seconds=100", "--resync-seconds=600",
        ]  # fmt: skip
        flags += [
            f"--capacity-{name}={capacity[name]}" for name in ("cpu", "memory", "pods") if name in capacity
        ]
        if self._settings.stages:
            flags.append(f"--hollow-stages={self._settings.stages}")
        self._process = ServiceProcess("kubelet", *flags)
        names = [f"{self._prefix}-{index:04d}" for index in range(count)]
        await self._registered(set(names), patience_seconds)
        taints = tree.get("spec", {}).get("taints", [])
        order = iter(enumerate(names))

        async def labeller() -> None:
            for index, name in order:
                own = {
                    RUN_LABEL: self._settings.run,
                    **tree.get("metadata", {}).get("labels", {}),
                    **labels(index),
                }
                patch: dict[str, Any] = {"metadata": {"labels": own}}
                if taints:
                    patch["spec"] = {"taints": taints}
                await self._client.nodes.patch(name, msgspec.json.encode(patch).decode())

        async with asyncio.TaskGroup() as group:
            for _ in range(_LABELLERS):
                group.create_task(labeller())

    async def _registered(self, names: set[str], patience_seconds: float) -> None:
        count, clock = -1, asyncio.get_running_loop().time
        since = clock()
        while True:
            found = await self._client.nodes.list_all()
            here = sum(
                node.metadata.name in names
                and any(one.type == "Ready" and one.status == "True" for one in node.status.conditions)
                for node in found.items
            )
            if here == len(names):
                return
            if here != count:
                count, since = here, clock()
            if clock() - since > patience_seconds:
                assert self._process is not None
                raise HollowError(f"{here} of {len(names)} hollow nodes are Ready\n{self._process.log()}")
            await asyncio.sleep(_LOOK_SECONDS)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.close()
            self._process = None
