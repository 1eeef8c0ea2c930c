"""What the kubelet may ask of a container runtime: CRI's verbs (`kubelet.runtime.records` has the values).

`docker`, `cri` and `hollow` pass `tests/conformance/runtime_spec.py`. What they all keep:

* **What is true is in the runtime's labels.** Every record that `list_*` returns carries the Pod's name,
  namespace and uid, the attempt, and `labels` and `annotations` exactly as given (I11).
* **Creating twice is creating once**: a sandbox's name derives from (uid, attempt), a container's from (uid,
  name, attempt). A second call with the same ones returns what is there.
* **No verb waits for a grace period.** `stop_container` with a grace returns once the stop signal is on its
  way; the kubelet comes back with grace 0. Stopping and removing what is not there is a success.
* **A start that is cut off has not been**: engines cancel it when its caller (a kubelet that is killed) goes
  away. Where nothing of the container ran, `list_containers` has it as CREATED, or not at all; creating and
  starting it again runs it once.

Follows the Container Runtime Interface (https://kubernetes.io/docs/concepts/architecture/cri/), `runtime.v1`.
"""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Protocol

from kubelet.runtime import records


class RuntimeFailure(Exception):
    """The runtime refused or could not; the message is for the user, in an event or a waiting message."""


class RuntimeUnavailable(RuntimeFailure):
    """The engine does not answer; everything may be tried again."""


class NotFoundInRuntime(RuntimeFailure):
    """There is no such sandbox or container (any more)."""


class SandboxFailed(RuntimeFailure):
    """The sandbox or its network could not be made; nothing of it is left, or it is listed as not ready."""


class CreateFailed(RuntimeFailure):
    """The container could not be created (reason CreateContainerError)."""


class StartFailed(RuntimeFailure):
    """The container could not be started (RunContainerError); it is listed as EXITED, StartError."""


class ImagePullError(RuntimeFailure):
    """The image could not be pulled. `reason` is a waiting reason (ErrImagePull, InvalidImageName)."""

    def __init__(self, message: str, *, reason: str = "ErrImagePull") -> None:
        super().__init__(message)
        self.reason = reason


class ExecSession(Protocol):
    """A process with its streams connected. The caller must `close` it, on every way out."""

    async def write(self, data: bytes) -> None:
        """Send standard input; waits while the process does not read."""

    async def close_stdin(self) -> None:
        """Say that standard input has ended; output goes on."""

    async def resize(self, width: int, height: int) -> None:
        """Tell the terminal its size; nothing without a terminal."""

    def output(self) -> AsyncIterator[records.Output]:
        """Yield what the process writes until it ends. With a terminal everything is STDOUT."""

    async def exit_code(self) -> int:
        """Return the code, once `output` is exhausted."""

    async def close(self) -> None:
        """Drop the connection; the process gets a hang-up where the engine can do that. Idempotent."""


class Runtime(Protocol):
    """Sandboxes and containers. Any verb may raise RuntimeUnavailable; cancelling only stops the waiting."""

    async def version(self) -> records.RuntimeVersion:
        """Return the engine's name and version."""

    async def status(self) -> records.RuntimeStatus:
        """Return whether it can run Pods; never raises."""

    async def run_pod_sandbox(self, config: records.SandboxConfig) -> records.SandboxState:
        """Make and start a sandbox with its network namespace and address. Raises SandboxFailed."""

    async def stop_pod_sandbox(self, sandbox_id: str) -> None:
        """Kill what runs in it, end it and give its address back; it is not ready then, or not listed at all."""

    async def remove_pod_sandbox(self, sandbox_id: str) -> None:
        """Remove a sandbox and the containers that are still in it (stopping it first when needed)."""

    async def list_pod_sandboxes(self, pod_uid: records.Uid | None = None) -> Sequence[records.SandboxState]:
        """Return all sandboxes, or those of one Pod, ready or not. As of the call, never cached."""

    async def create_container(
        self, sandbox_id: str, config: records.ContainerConfig, sandbox: records.SandboxConfig
    ) -> str:
        """Make a container in a sandbox; return its id. Raises CreateFailed, NotFoundInRuntime."""

    async def start_container(self, container_id: str) -> None:
        """Start it; starting a running one is a success. Raises StartFailed, NotFoundInRuntime."""

    async def stop_container(self, container_id: str, *, grace_seconds: float) -> None:
        """Ask the container to end, and return without waiting; success when it is gone or has ended.

        With a grace above 0 its stop signal is sent, with 0 it is killed.
        """

    async def remove_container(self, container_id: str) -> None:
        """Remove an ended container with its log and its file system (a running one is killed first)."""

    async def list_containers(self, pod_uid: records.Uid | None = None) -> Sequence[records.ContainerState]:
        """Return all containers, or those of one Pod, in every phase; as of the call, never cached."""

    async def update_container_resources(self, container_id: str, resources: records.LinuxResources) -> None:
        """Change the limits of a running container."""

    async def container_stats(self, container_id: str) -> records.ContainerStats:
        """Return what a running container uses. Raises NotFoundInRuntime."""

    async def container_disk_usage(self, container_id: str) -> records.DiskUsage:
        """Return what a container has on disk; it may take a walk over its files. Raises NotFoundInRuntime."""

    async def exec_sync(
        self, container_id: str, argv: Sequence[str], *, timeout_seconds: float
    ) -> records.ExecResult:
        """Run a command to its end. Raises TimeoutError, NotFoundInRuntime, RuntimeFailure."""

    async def exec(self, container_id: str, config: records.ExecConfig) -> ExecSession:
        """Start a command with its streams connected. Raises NotFoundInRuntime, RuntimeFailure."""

    async def end_command(self, container_id: str, argv: Sequence[str]) -> None:
        """End a command that an earlier process started by `exec`, if it is known which one that is.

        Raises RuntimeFailure.
        """

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> ExecSession:
        """Connect to the streams of the container's own process. Raises NotFoundInRuntime."""

    async def network_namespace(self, sandbox_id: str) -> str:
        """Return the path of a ready sandbox's network namespace. Raises NotFoundInRuntime, RuntimeFailure."""

    def container_logs(self, container_id: str, options: records.LogOptions) -> AsyncIterator[bytes]:
        """Yield a container's log in pieces, with `follow` until it ends. Raises NotFoundInRuntime."""

    def events(self) -> AsyncIterator[records.RuntimeEvent]:
        """Yield hints until the connection ends (RuntimeUnavailable); the caller lists again and calls anew."""

    async def close(self) -> None:
        """Let go of connections and threads."""


class ImageService(Protocol):
    """Images on the node. Any verb may raise RuntimeUnavailable."""

    async def image_status(self, reference: str) -> records.ImageState | None:
        """Return the image that a reference (tag, digest or id) names here, or None."""

    async def pull_image(
        self, reference: str, *, auth: records.RegistryAuth | None = None
    ) -> records.ImageState:
        """Pull an image, by default its tag latest; cancelling abandons that. Raises ImagePullError."""

    async def unpack_image(self, image_id: str, directory: Path) -> bool:
        """Put an image's files into a directory; False: the runtime mounts images. Raises OSError too.

        Who cancels it goes when nothing more comes into the directory: all of it is there, or nothing.
        """

    async def list_images(self) -> Sequence[records.ImageState]:
        """Return every image."""

    async def remove_image(self, image_id: str) -> None:
        """Remove an image that no container uses, with all its names. Raises RuntimeFailure when one uses it."""

    async def image_filesystem(self) -> str:
        """Return a path on the file system of the images (CRI: ImageFsInfo); "" where there is none."""
