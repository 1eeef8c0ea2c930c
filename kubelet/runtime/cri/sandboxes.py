"""Sandboxes over CRI, step 4 (SANDBOXED), their network a CNI plugin's. Owned by the CRI runtime.

A list does not have addresses, so these cost a call each, and are kept while a sandbox is ready.
"""

import asyncio
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from kubelet.runtime.cri import convert
from kubelet.runtime.cri import cri_pb2 as cri
from kubelet.runtime.cri.connection import CALL_SECONDS, SANDBOX_SECONDS, Connection, call, translated
from kubelet.runtime.interface import NotFoundInRuntime, RuntimeFailure, SandboxFailed
from kubelet.runtime.records import DnsConfig, SandboxConfig, SandboxState, Uid

#: addresses kept; forgotten all at once, because they cost one call each to ask for again
_ADDRESSES = 4096


class CriSandboxes:
    """The sandboxes of one runtime, for `CriRuntime`. Any task may call it; calls for one Pod come in turn."""

    def __init__(self, connection: Connection, *, node_dns: DnsConfig, log_root: Path) -> None:
        self._cri, self._node_dns, self._log_root = connection, node_dns, log_root
        self._addresses: dict[str, str] = {}

    def _sandbox_message(self, config: SandboxConfig, *, privileged: bool) -> cri.PodSandboxConfig:
        return convert.sandbox_message(
            config, node_dns=self._node_dns, log_root=str(self._log_root), privileged=privileged
        )

    async def run_pod_sandbox(self, config: SandboxConfig) -> SandboxState:
        message = self._sandbox_message(config, privileged=config.privileged)
        await asyncio.to_thread(Path(message.log_directory).mkdir, parents=True, exist_ok=True)
        try:
            request = cri.RunPodSandboxRequest(config=message, runtime_handler=config.runtime_handler)
            made = await call(
                self._cri.runtime.RunPodSandbox, request, refusal=SandboxFailed, seconds=SANDBOX_SECONDS
            )
        except SandboxFailed:
            # An earlier call, whose answer was lost, may have made it.
            for found in await self.list_pod_sandboxes(config.uid):
                if found.attempt == config.attempt and found.ready:
                    return found
            raise
        with translated(SandboxFailed):
            status = await self._sandbox_status(made.pod_sandbox_id)
        if status.state != cri.SANDBOX_READY:
            raise SandboxFailed(
                f"sandbox {status.id} of {config.namespace}/{config.name} ended right after its start"
            )
        return convert.sandbox_state(
            status, message.labels, message.annotations, ip=self._remember_address(status)
        )

    async def _sandbox_status(self, sandbox_id: str) -> cri.PodSandboxStatus:
        request = cri.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id)
        answer = await self._cri.runtime.PodSandboxStatus(request, timeout=CALL_SECONDS)
        return answer.status

    def _remember_address(self, status: cri.PodSandboxStatus) -> str:
        ip = status.network.ip
        if ip and status.state == cri.SANDBOX_READY:
            if len(self._addresses) >= _ADDRESSES:
                self._addresses.clear()
            self._addresses[status.id] = ip
        return ip

    async def stop_pod_sandbox(self, sandbox_id: str) -> None:
        self._addresses.pop(sandbox_id, None)
        try:
            request = cri.StopPodSandboxRequest(pod_sandbox_id=sandbox_id)
            await call(self._cri.runtime.StopPodSandbox, request, seconds=SANDBOX_SECONDS)
        except NotFoundInRuntime:
            return

    async def remove_pod_sandbox(self, sandbox_id: str) -> None:
        listed = await self._listed_sandboxes(cri.PodSandboxFilter(id=sandbox_id))
        await self.stop_pod_sandbox(sandbox_id)
        try:
            request = cri.RemovePodSandboxRequest(pod_sandbox_id=sandbox_id)
            await call(self._cri.runtime.RemovePodSandbox, request, seconds=SANDBOX_SECONDS)
        except NotFoundInRuntime:
            return
        for item in listed:
            await self._remove_log_directory(item)

    async def _remove_log_directory(self, sandbox: cri.PodSandbox) -> None:
        uid = Uid(sandbox.metadata.uid)
        if await self._listed_sandboxes(cri.PodSandboxFilter(label_selector={convert.POD_UID: uid})):
            return
        meta = sandbox.metadata
        config = SandboxConfig(meta.name, meta.namespace, uid, meta.attempt, "")
        path = convert.log_directory(str(self._log_root), config)
        await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)

    async def _listed_sandboxes(self, wanted: cri.PodSandboxFilter) -> Sequence[cri.PodSandbox]:
        answer = await call(self._cri.runtime.ListPodSandbox, cri.ListPodSandboxRequest(filter=wanted))
        # Others may use the socket too (crictl, ctr): what has no label of ours is theirs.
        return [item for item in answer.items if convert.POD_UID in item.labels]

    async def list_pod_sandboxes(self, pod_uid: Uid | None = None) -> Sequence[SandboxState]:
        states = []
        labels = {convert.POD_UID: pod_uid} if pod_uid is not None else {}
        wanted = cri.PodSandboxFilter(label_selector=labels)
        for item in await self._listed_sandboxes(wanted):
            ready = item.state == cri.SANDBOX_READY
            ip = self._addresses.get(item.id, "") if ready else ""
            if not ip:
                try:
                    with translated():
                        ip = self._remember_address(await self._sandbox_status(item.id))
                except NotFoundInRuntime:
                    continue
            states.append(convert.sandbox_state(item, item.labels, item.annotations, ip=ip))
        return states

    async def network_namespace(self, sandbox_id: str) -> str:
        request = cri.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id, verbose=True)
        answer = await call(self._cri.runtime.PodSandboxStatus, request)
        if answer.status.state != cri.SANDBOX_READY:
            raise NotFoundInRuntime(f"sandbox {sandbox_id} is not running")
        # Not part of the interface: containerd and CRI-O both tell the process here.
        pid = int(json.loads(answer.info.get("info", "{}")).get("pid", 0))
        if not pid:
            raise RuntimeFailure(f"the runtime does not say which process sandbox {sandbox_id} has")
        return f"/proc/{pid}/ns/net"
