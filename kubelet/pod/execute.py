"""Does what a plan says: one `match` over the actions, each a few calls. Shell. Called by the Pod's worker.

A failure is remembered with its back-off and told in an event in upstream's words; the next pass looks again.
"""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import assert_never

import structlog

from kubelet.containers import unsupported
from kubelet.containers.cgroups import pod_cgroup, pod_cgroup_limits
from kubelet.containers.env import ConfigProblem, PodFacts, Sources, make_env, references
from kubelet.decide import actions
from kubelet.decide.actions import Action
from kubelet.decide.containers import WantedImage, specs, target_of, wanted_images
from kubelet.decide.observation import SANDBOX_KEY, VOLUMES_KEY, start_key
from kubelet.decide.resize import sizes_of
from kubelet.metrics import RUN_POD_SANDBOX
from kubelet.pod import config
from kubelet.pod.config import NameTooLong
from kubelet.pod.observe import PodMemory
from kubelet.pod.report import StepWaits
from kubelet.pod.running import NORMAL, WARNING, PodTasks
from kubelet.pod.tools import PodTools
from kubelet.runtime.interface import (
    CreateFailed,
    RuntimeFailure,
    RuntimeUnavailable,
    SandboxFailed,
    StartFailed,
)
from kubelet.runtime.records import ContainerConfig, SandboxConfig, Uid
from kubelet.tasks import Children, unless
from kubelet.volumes.interface import VolumeFailed
from kubelet.volumes.plugins.table import plugin_of
from vaina.api.core.v1 import pod_pb2
from vaina.errors import ApiError
from vaina.objects.meta import key_of
from vaina.quoting import go_quote
from vaina.steps import PodStep

log = structlog.stdlib.get_logger(__name__)


class ActionError(Exception):
    """An action failed. The pass ends, and the next one looks again."""

    def __init__(self, action: Action, message: str) -> None:
        super().__init__(message)
        self.action = action


class PodExecutor:
    """Carries out the actions of one Pod. Owned by its worker."""

    def __init__(
        self,
        tools: PodTools,
        memory: PodMemory,
        waits: StepWaits,
        group: Children,
        poke: Callable[[], None],
        ends: asyncio.Event,
    ) -> None:
        """Make it. `ends` is set once the Pod is to end: what takes long is given up then."""
        self._tools, self._memory, self._waits, self._ends = tools, memory, waits, ends
        self._tasks = PodTasks(tools, memory, waits, group, poke)

    async def execute(self, pod: pod_pb2.Pod, action: Action) -> None:  # noqa: C901, PLR0912 - one match
        runtime, metrics = self._tools.runtime, self._tools.metrics
        try:
            match action:
                case actions.CreateSandbox():
                    await self._create_sandbox(pod, action)
                case actions.StopSandbox(sandbox_id):
                    with metrics.operation("stop_podsandbox"):
                        await runtime.stop_pod_sandbox(sandbox_id)
                    self._memory.stopped.add(sandbox_id)
                case actions.RemoveSandbox(sandbox_id):
                    with metrics.operation("remove_podsandbox"):
                        await runtime.remove_pod_sandbox(sandbox_id)
                case actions.PrepareVolumes() | actions.MountVolumes():
                    await self._for_volumes(pod, action)
                case actions.UnmountVolumes():
                    await self._tools.volumes.unmount(Uid(pod.metadata.uid))
                    self._memory.mounted = frozenset()
                    self._memory.failures.pop(VOLUMES_KEY, None)
                case actions.PullImage():
                    self._tasks.pull(pod, action)
                case actions.CancelPulls():
                    self._tasks.cancel_pulls()
                case actions.StartContainer():
                    await self._start(pod, action)
                case actions.ResizeContainer():
                    await self._tasks.resize(pod, action)
                case actions.RunPreStop():
                    self._tasks.pre_stop(pod, action)
                case actions.TermContainer() | actions.KillContainer():
                    await self._tasks.stop(pod, action)
                case actions.RemoveContainer(container_id):
                    with metrics.operation("remove_container"):
                        await runtime.remove_container(container_id)
                case _:
                    assert_never(action)
        except (RuntimeFailure, VolumeFailed) as error:
            raise ActionError(action, str(error)) from error

    async def _create_sandbox(self, pod: pod_pb2.Pod, action: actions.CreateSandbox) -> None:
        tools, memory, metrics = self._tools, self._memory, self._tools.metrics
        begun = tools.clock.now()
        if memory.sandbox is not None and memory.first_start is not None:
            self._tools.event(
                pod, NORMAL, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created."
            )
        memory.runtime_handler = None
        try:
            wanted = await self._sandbox_config(pod, action.attempt)
            with metrics.operation(RUN_POD_SANDBOX, wanted.runtime_handler):
                memory.sandbox = await tools.runtime.run_pod_sandbox(wanted)
        except RuntimeUnavailable:
            raise
        except RuntimeFailure as error:
            metrics.started_pod_errors.inc()
            message = f"Failed to create pod sandbox: {error}"
            self._tools.event(pod, WARNING, "FailedCreatePodSandBox", message)
            now = tools.clock.now()
            memory.fail(SANDBOX_KEY, "", message, backoff=tools.settings.sandbox_backoff, now=now)
            self._waits.begin(pod, SANDBOX_KEY, PodStep.SANDBOXED, f"another try: {message}")
            raise
        memory.failures.pop(SANDBOX_KEY, None)
        self._waits.end(pod, SANDBOX_KEY)
        if action.attempt == 0 and (fields := unsupported.left_aside(pod)):
            words = f"Fields that have no effect on this node: {', '.join(fields)}"
            self._tools.event(pod, WARNING, "FieldsIgnored", words)
        metrics.started_pods.inc()
        address = self._tools.node.pod_ip(pod, self._memory.sandbox)
        self._step(pod, PodStep.SANDBOXED, begun, f"address {address}" if address else "")

    async def _sandbox_config(self, pod: pod_pb2.Pod, attempt: int) -> SandboxConfig:
        """Return the sandbox's config, and make the Pod's cgroup. Raises SandboxFailed."""
        tools, memory = self._tools, self._memory
        if problem := unsupported.why_no_sandbox(pod):
            raise SandboxFailed(problem)
        try:
            handler = memory.runtime_handler
            if handler is None:
                handler = memory.runtime_handler = await self._runtime_handler(pod.spec.runtime_class_name)
            wanted = config.sandbox_config(pod, attempt, tools.node.settings, handler)
        except NameTooLong as error:
            raise SandboxFailed(str(error)) from error
        if wanted.cgroup_parent:
            limits = pod_cgroup_limits(pod, pids_limit=tools.node.settings.pod_pids_limit)
            tools.cgroups.apply(wanted.cgroup_parent, limits)
        return wanted

    async def _runtime_handler(self, class_name: str) -> str:
        """Return a RuntimeClass's handler (upstream: LookupRuntimeHandler). Raises SandboxFailed."""
        if not class_name:
            return ""
        try:
            found = await self._tools.objects.runtime_class(class_name)
        except ApiError as error:
            raise SandboxFailed(f"failed to get sandbox runtime: {error}") from error
        if found is None:
            raise SandboxFailed(
                f"failed to get sandbox runtime: RuntimeClass {go_quote(class_name)} not found"
            )
        return found.handler

    def _facts(self, pod: pod_pb2.Pod) -> PodFacts:
        node = self._tools.node
        return node.facts(node.pod_ip(pod, self._memory.sandbox))

    def _step(self, pod: pod_pb2.Pod, step: PodStep, begun: float, message: str) -> None:
        tools = self._tools
        tools.steps.report(pod.metadata, step, begun, tools.clock.now(), message, tools.node.name)

    async def refresh_volumes(self, pod: pod_pb2.Pod) -> None:
        mounted = self._memory.mounted or frozenset()
        names = [
            volume.name
            for volume in pod.spec.volumes
            if volume.name in mounted and plugin_of(volume).requires_remount
        ]
        if not names:
            return
        try:
            await self._tools.volumes.mount(pod, names, self._facts(pod))
        except VolumeFailed as error:
            log.warning("volumes not refreshed", pod=pod.metadata.name, error=str(error))

    async def _for_volumes(
        self, pod: pod_pb2.Pod, action: actions.PrepareVolumes | actions.MountVolumes
    ) -> None:
        tools, memory, mounts = self._tools, self._memory, isinstance(action, actions.MountVolumes)
        begun = tools.clock.now()
        work = tools.volumes.mount if mounts else tools.volumes.prepare
        try:
            await work(pod, action.names, self._facts(pod))
        except VolumeFailed as error:
            words, backoff = str(error), tools.settings.volume_backoff
            tools.event(pod, WARNING, "FailedMount", words)
            step = PodStep.SANDBOXED if memory.sandbox is None else PodStep.MOUNTED
            self._waits.begin(pod, VOLUMES_KEY, step, words)
            memory.fail(VOLUMES_KEY, "", words, backoff=backoff, now=tools.clock.now())
            # Some of them may be mounted: the next look asks which.
            memory.mounted = None if mounts else memory.mounted
            raise
        memory.failures.pop(VOLUMES_KEY, None)
        self._waits.end(pod, VOLUMES_KEY)
        if mounts:
            memory.mounted = (memory.mounted or frozenset()) | frozenset(action.names)
            self._step(pod, PodStep.MOUNTED, begun, ", ".join(action.names))

    async def _start(self, pod: pod_pb2.Pod, action: actions.StartContainer) -> None:
        tools, memory, clock = self._tools, self._memory, self._tools.clock
        spec = next(spec for spec, _ in specs(pod) if spec.name == action.name)
        sandbox = memory.sandbox
        assert sandbox is not None, "the plan makes a sandbox before it starts containers"
        if memory.first_start is None:
            memory.first_start = clock.now()
            if not pod.spec.volumes:
                self._step(pod, PodStep.MOUNTED, memory.first_start, "no volumes")
        images = tuple(wanted_images(pod, spec, action.attempt))
        self._say_present(pod, action.name, images)
        try:
            made = await self._config(pod, spec, action)
            with tools.metrics.operation("create_container"):
                # A restarted container may have been given more, which the Pod's cgroup gets first.
                container_id = await tools.runtime.create_container(
                    sandbox.id, made, await self._sandbox_config(pod, sandbox.attempt)
                )
        except (ConfigProblem, ApiError, OSError) as error:
            self._start_failed(pod, action, "CreateContainerConfigError", str(error))
            raise ActionError(action, str(error)) from error
        except CreateFailed as error:
            # The image may have gone meanwhile: look for it again.
            for image in images:
                memory.images.pop(image.key, None)
            self._start_failed(pod, action, "CreateContainerError", str(error))
            raise
        self._tools.event(pod, NORMAL, "Created", f"Created container: {action.name}", action.name)
        if self._ends.is_set():
            # Upstream cancels the call that makes it too (`pkg/kubelet/pod_workers.go`, UpdatePod). Here that is
            # waited for: Docker would go on with it, and have a container when the Pod has ended.
            raise ActionError(action, f"container {action.name} is not started any more: the Pod ends")
        try:
            with tools.metrics.operation("start_container"):
                await tools.runtime.start_container(container_id)
        except StartFailed as error:
            # It is listed as ended with reason StartError: the restart policy decides what follows.
            tools.metrics.started_container_errors.labels(action.kind.value, "RunContainerError").inc()
            self._tools.event(pod, WARNING, "Failed", f"Error: {error}", action.name)
            raise
        if path := pod_cgroup(tools.node.settings.cgroup_parent, pod):
            tools.cgroups.contain(path)
        memory.failures.pop(start_key(action.name), None)
        memory.sizes[container_id] = sizes_of(spec.resources)
        tools.metrics.started_containers.labels(action.kind.value).inc()
        self._tools.event(pod, NORMAL, "Started", f"Started container {action.name}", action.name)
        log.info(
            "container started", pod=key_of(pod.metadata), container=action.name, attempt=action.attempt,
            step=PodStep.STARTED,
        )  # fmt: skip
        if spec.lifecycle.HasField("post_start"):
            self._tasks.post_start(pod, spec, container_id)

    def _say_present(self, pod: pod_pb2.Pod, container: str, images: Iterable[WantedImage]) -> None:
        for image in images:
            record = self._memory.images.get(image.key)
            if record is None or not record.pulled:
                quoted = go_quote(image.reference)
                words = f"Container image {quoted} already present on machine and can be accessed by the pod"
                self._tools.event(pod, NORMAL, "Pulled", words, "" if image.volume else container)

    def _start_failed(
        self, pod: pod_pb2.Pod, action: actions.StartContainer, reason: str, message: str
    ) -> None:
        tools = self._tools
        tools.metrics.started_container_errors.labels(action.kind.value, reason).inc()
        self._tools.event(pod, WARNING, "Failed", f"Error: {message}", action.name)
        backoff = tools.settings.create_backoff
        self._memory.fail(start_key(action.name), reason, message, backoff=backoff, now=tools.clock.now())

    async def _config(
        self, pod: pod_pb2.Pod, spec: pod_pb2.Container, action: actions.StartContainer
    ) -> ContainerConfig:
        tools, namespace, facts = self._tools, pod.metadata.namespace, self._facts(pod)
        if action.target_id == "":
            raise ConfigProblem(f"unable to find target container {target_of(pod, action.name)}")
        if problem := unsupported.why_no_container(
            spec, recursive_readonly=tools.node.settings.recursive_readonly
        ):
            raise ConfigProblem(problem)
        wanted = references(spec)
        sources = Sources(
            {name: await tools.objects.config_map(namespace, name) for name in wanted.config_maps},
            {name: await tools.objects.secret(namespace, name) for name in wanted.secrets},
            {place: await tools.files.env_file(pod, *place) for place in wanted.files},
        )
        env = make_env(pod, spec, sources, facts)
        mounts = await tools.files.mounts(
            pod, spec, attempt=action.attempt, pod_ip=facts.pod_ip, env=dict(env),
            images=await self._images_to_mount(pod, action),
        )  # fmt: skip
        user = ""
        if config.needs_image_user(pod, spec):
            user = await tools.images.user_of(action.image_id)
        return config.container_config(
            pod, spec, action, env=env, mounts=mounts, settings=tools.node.settings, image_user=user
        )

    async def _images_to_mount(self, pod: pod_pb2.Pod, action: actions.StartContainer) -> dict[str, str]:
        """Return the images that the runtime mounts, by volume; others are unpacked.

        Raises CreateFailed. Raises ActionError: the Pod is to end before that is done. Upstream cancels what a
        Pod's worker does when its end is asked for (`pkg/kubelet/pod_workers.go`, UpdatePod: cancelFn), a pull
        of an image volume too.
        """
        found, volumes = dict(action.images), {volume.name: volume for volume in pod.spec.volumes}
        for name, image_id in action.images:
            path = Path(self._tools.volumes.host_path(Uid(pod.metadata.uid), volumes[name]))
            unpacked = await unless(self._ends, self._tools.images.unpack(image_id, path))
            if unpacked is None:
                raise ActionError(action, f"image {image_id} is not unpacked any more: the Pod ends")
            if unpacked:
                del found[name]
        return found
