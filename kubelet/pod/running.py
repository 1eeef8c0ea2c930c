"""What goes on beside a Pod's worker: its pulls; hooks, resizes and ends of its running containers. Shell.

Pulls and hooks run in tasks of the worker's group, which wake the worker when they end; nothing here waits
for a container.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from kubelet.containers.cgroups import linux_resources, pod_cgroup, pod_cgroup_limits
from kubelet.decide.actions import (
    KillContainer,
    KillReason,
    PullImage,
    ResizeContainer,
    RunPreStop,
    TermContainer,
)
from kubelet.decide.containers import specs
from kubelet.decide.observation import HookProgress, ImageObservation, ImageProgress, Stopping, resize_key
from kubelet.decide.resize import Sizes, message, sizes_of
from kubelet.images.access import Credential
from kubelet.images.keyring import find_credentials
from kubelet.pod.observe import ImageRecord, PodMemory
from kubelet.pod.pull_secrets import read_pull_secrets
from kubelet.pod.report import StepWaits
from kubelet.pod.tools import PodTools
from kubelet.probes import http
from kubelet.probes.http import PortError
from kubelet.runtime.interface import (
    ImagePullError,
    NotFoundInRuntime,
    Runtime,
    RuntimeFailure,
    RuntimeUnavailable,
)
from kubelet.runtime.records import Uid
from kubelet.tasks import Children
from vaina.api.core.v1 import pod_pb2
from vaina.clock import Clock
from vaina.errors import ApiError
from vaina.objects.meta import key_of
from vaina.quoting import go_quote
from vaina.steps import PodStep

log = structlog.stdlib.get_logger(__name__)

NORMAL, WARNING = "Normal", "Warning"
#: timeout of a postStart hook; upstream has none
POST_START_SECONDS = 3600.0


class HookFailed(Exception):
    """The hook did not succeed; the message is for the event."""


async def run_hook(
    runtime: Runtime,
    clock: Clock,
    handler: pod_pb2.LifecycleHandler,
    container: pod_pb2.Container,
    *,
    container_id: str,
    pod_ip: str,
    timeout_seconds: float,
) -> None:
    """Run a postStart or preStop hook to its end (row B6): exec, http or sleep. Raises HookFailed."""
    try:
        if handler.HasField("exec"):
            argv = tuple(handler.exec.command)
            result = await runtime.exec_sync(container_id, argv, timeout_seconds=timeout_seconds)
            if result.exit_code:
                output = (result.stdout + result.stderr).decode("utf-8", errors="replace")
                raise HookFailed(
                    f"command '{' '.join(argv)}' exited with {result.exit_code}: , message: {go_quote(output)}"
                )
        elif handler.HasField("sleep"):
            await clock.sleep(min(float(handler.sleep.seconds), timeout_seconds))
        else:
            async with asyncio.timeout(timeout_seconds):
                await _request(handler, container, pod_ip)
    except TimeoutError as error:
        raise HookFailed(f"the hook did not end within {timeout_seconds:g}s") from error
    except (RuntimeFailure, PortError) as error:
        raise HookFailed(str(error)) from error


async def _request(handler: pod_pb2.LifecycleHandler, container: pod_pb2.Container, pod_ip: str) -> None:
    if not handler.HasField("http_get"):
        # Upstream takes tcpSocket and does not do it either.
        raise HookFailed("invalid handler: no action is specified")
    # As upstream, every answer is a success (`pkg/kubelet/lifecycle/handlers.go`).
    outcome = await http.probe(http.target_of(handler.http_get, container, pod_ip), any_status=True)
    if not outcome.succeeded:
        raise HookFailed(outcome.message)


class PodTasks:
    """The pulls and the running containers of one Pod. Owned by its worker."""

    def __init__(
        self, tools: PodTools, memory: PodMemory, waits: StepWaits, group: Children, poke: Callable[[], None]
    ) -> None:
        self._tools, self._memory, self._waits = tools, memory, waits
        self._group, self._poke = group, poke

    def post_start(self, pod: pod_pb2.Pod, spec: pod_pb2.Container, container_id: str) -> None:
        self._memory.post_start[container_id] = HookProgress.RUNNING
        words = f"the postStart hook of container {spec.name}"
        self._waits.begin(pod, f"hook/{container_id}", PodStep.REPORTED, words)
        self._group.create_task(self._post_start(pod, spec, container_id))

    async def resize(self, pod: pod_pb2.Pod, action: ResizeContainer) -> None:
        """Tell a container what the Pod's (allocated) spec says. Raises RuntimeFailure."""
        tools, memory = self._tools, self._memory
        spec = next(spec for spec, _ in specs(pod) if spec.name == action.name)
        settings = tools.node.settings
        wanted = linux_resources(pod, spec, memory_capacity_bytes=settings.memory_capacity_bytes)
        sizes = sizes_of(spec.resources)
        try:
            self._check_memory(pod, action, wanted.memory_limit_bytes, sizes)
            # The Pod's cgroup grows before its containers, and shrinks after them.
            self._resize_pod(pod)
            with tools.metrics.operation("update_container"):
                await tools.runtime.update_container_resources(action.container_id, wanted)
            self._resize_pod(pod)
        except NotFoundInRuntime:
            # It has ended meanwhile; the next look sees that.
            return
        except RuntimeUnavailable:
            raise
        except RuntimeFailure as error:
            now, backoff = tools.clock.now(), tools.settings.resize_backoff
            memory.fail(resize_key(action.name), "", str(error), backoff=backoff, now=now)
            tools.event(pod, WARNING, "ResizeError", message("Pod resize error", pod, str(error)))
            raise
        memory.failures.pop(resize_key(action.name), None)
        memory.sizes[action.container_id] = sizes
        log.info("container resized", pod=key_of(pod.metadata), container=action.name, uid=pod.metadata.uid)

    def _resize_pod(self, pod: pod_pb2.Pod) -> None:
        settings = self._tools.node.settings
        path = pod_cgroup(settings.cgroup_parent, pod)
        if path:
            self._tools.cgroups.apply(path, pod_cgroup_limits(pod, pids_limit=settings.pod_pids_limit))

    def _check_memory(self, pod: pod_pb2.Pod, action: ResizeContainer, limit: int, sizes: Sizes) -> None:
        """Refuse to lower a memory limit below what is used: the kernel would kill. Raises RuntimeFailure.

        Follows validateMemoryResizeAction in `pkg/kubelet/kuberuntime/kuberuntime_manager.go`.
        """
        have = self._memory.sizes.get(action.container_id, Sizes())
        settings = self._tools.node.settings
        path = pod_cgroup(settings.cgroup_parent, pod)
        if not path or dict(have.limits).get("memory") == dict(sizes.limits).get("memory"):
            return
        whole = pod_cgroup_limits(pod).memory_bytes
        found = [
            f"attempting to set {what} memory limit ({wanted}) below current usage ({used})"
            for what, cgroup, wanted in (
                ("pod", path, whole),
                (f'container "{action.name}"', f"{path}/{action.container_id}", limit),
            )
            if (used := self._tools.cgroups.used_above(cgroup, wanted))
        ]
        if found:
            words = found[0] if len(found) == 1 else f"[{', '.join(found)}]"
            raise RuntimeFailure(f"cannot decrease memory limits: {words}")

    async def _post_start(self, pod: pod_pb2.Pod, spec: pod_pb2.Container, container_id: str) -> None:
        self._memory.post_start[container_id] = await self._hook(
            pod, spec, "PostStart", spec.lifecycle.post_start, container_id, POST_START_SECONDS
        )
        self._waits.end(pod, f"hook/{container_id}")
        self._poke()

    async def _hook(
        self,
        pod: pod_pb2.Pod,
        spec: pod_pb2.Container,
        name: str,
        handler: pod_pb2.LifecycleHandler,
        container_id: str,
        seconds: float,
    ) -> HookProgress:
        try:
            await run_hook(
                self._tools.runtime, self._tools.clock, handler, spec, container_id=container_id,
                pod_ip=self._tools.node.pod_ip(pod, self._memory.sandbox), timeout_seconds=seconds,
            )  # fmt: skip
        except HookFailed as error:
            # What the hook said may be secret: as upstream, the event does not tell it.
            self._tools.event(pod, WARNING, f"Failed{name}Hook", f"{name}Hook failed", spec.name)
            log.warning(
                "hook failed", hook=name, pod=key_of(pod.metadata), uid=pod.metadata.uid, container=spec.name,
                error=str(error),
            )  # fmt: skip
            return HookProgress.FAILED
        return HookProgress.DONE

    def pre_stop(self, pod: pod_pb2.Pod, action: RunPreStop) -> None:
        self._memory.stopping[action.container_id] = Stopping(
            action.reason, action.deadline, hook=HookProgress.RUNNING
        )
        self._killing(pod, action.name, action.reason)
        spec = next(spec for spec, _ in specs(pod) if spec.name == action.name)
        self._group.create_task(self._pre_stop_to_end(pod, spec, action))

    async def _pre_stop_to_end(self, pod: pod_pb2.Pod, spec: pod_pb2.Container, action: RunPreStop) -> None:
        seconds = max(action.deadline - self._tools.clock.now(), 0.0)
        progress = await self._hook(
            pod, spec, "PreStop", spec.lifecycle.pre_stop, action.container_id, seconds
        )
        self._memory.hook_ended(action.container_id, progress)
        self._poke()

    def _killing(self, pod: pod_pb2.Pod, name: str, reason: KillReason) -> None:
        words = f"Stopping container {name}"
        if reason in {KillReason.LIVENESS, KillReason.STARTUP}:
            words = f"Container {name} failed {reason.value} probe, will be restarted"
        elif reason is KillReason.POST_START:
            words = "FailedPostStartHook"
        elif reason is KillReason.RESIZE:
            words = f"Container {name} resize requires restart"
        elif reason is KillReason.RESTART_ALL:
            words = "killing"
        self._tools.event(pod, NORMAL, "Killing", words, name)

    async def stop(self, pod: pod_pb2.Pod, action: TermContainer | KillContainer) -> None:
        """Send a container its stop signal, or end it at once. Raises RuntimeFailure."""
        now, known = self._tools.clock.now(), self._memory.stopping
        deadline = action.deadline if isinstance(action, TermContainer) else now
        stopping = known.get(action.container_id)
        if stopping is None:
            self._killing(pod, action.name, action.reason)
            stopping = Stopping(action.reason, deadline)
        if isinstance(action, TermContainer):
            known[action.container_id] = replace(stopping, termed_at=now)
            # With 0 it would be killed.
            grace = max(deadline - now, 1.0)
        else:
            termed_at = now if stopping.termed_at is None else stopping.termed_at
            known[action.container_id] = replace(stopping, termed_at=termed_at, killed_at=now)
            grace = 0.0
        with self._tools.metrics.operation("stop_container"):
            await self._tools.runtime.stop_container(action.container_id, grace_seconds=grace)

    def pull(self, pod: pod_pb2.Pod, action: PullImage) -> None:
        failed = self._memory.images.get(action.key)
        observation = ImageObservation(ImageProgress.PULLING)
        if failed is not None and failed.image == action.image and failed.observation.reason:
            # The reason is shown until a pull succeeds (upstream: `pkg/kubelet/reason_cache.go`).
            observation = replace(failed.observation, progress=ImageProgress.PULLING)
        self._memory.images[action.key] = ImageRecord(action.attempt, action.image, observation)
        self._tools.event(pod, NORMAL, "Pulling", f"Pulling image {go_quote(action.image)}", _owner(action))
        before = self._memory.pulls.pop(action.key, None)
        if before is not None:
            before.cancel()
        self._memory.pulls[action.key] = self._group.create_task(self._pull_to_end(pod, action))

    async def _pull_to_end(self, pod: pod_pb2.Pod, action: PullImage) -> None:
        tools, uid = self._tools, Uid(pod.metadata.uid)
        waits, key, words = self._waits, f"pull/{action.key}", f"image {action.image}"

        def begun() -> None:
            waits.begin(pod, key, PodStep.STARTED, words)

        if tools.images.is_full:
            waits.begin(pod, key, PodStep.STARTED, f"a place among the node's pulls, for {words}")
        try:
            credentials = await self._credentials(pod, action.image)
            image, told = await tools.images.pull(uid, action.image, credentials, begun)
        except (RuntimeFailure, ApiError) as error:
            refused = error if isinstance(error, ImagePullError) else ImagePullError(str(error))
            observation = tools.images.failed(uid, action.image, refused)
            words = f"Failed to pull image {go_quote(action.image)}: {error}"
            self._tools.event(pod, WARNING, "Failed", words, _owner(action))
            self._tools.event(pod, WARNING, "Failed", f"Error: {observation.reason}", action.name)
        else:
            observation = ImageObservation(ImageProgress.READY, image_id=image.id)
            self._tools.event(pod, NORMAL, "Pulled", told, _owner(action))
        self._memory.images[action.key] = ImageRecord(action.attempt, action.image, observation, pulled=True)
        waits.end(pod, key)
        self._poke()

    async def _credentials(self, pod: pod_pb2.Pod, image: str) -> Sequence[Credential]:
        found, missing = await read_pull_secrets(self._tools.objects, pod)
        if missing:
            words = f"Unable to retrieve some image pull secrets ({', '.join(missing)}); attempting to pull the image may not succeed."
            self._tools.event(pod, WARNING, "FailedToRetrieveImagePullSecret", words)
        return find_credentials(image, found)

    def cancel_pulls(self) -> None:
        for task in self._memory.pulls.values():
            task.cancel()
        self._memory.pulls.clear()
        self._memory.images.clear()


def _owner(action: PullImage) -> str:
    """Return the container that an event about a pull names; "": the Pod, for the image of a volume."""
    return "" if action.volume else action.name
