"""What befalls a hollow node from outside: its machine is switched off, a process ends by itself."""

from kubelet.runtime.hollow.runtime import HollowRuntime


def lose(runtime: HollowRuntime, *, sandboxes: bool = False, containers: bool = False) -> None:
    """Forget everything at once, as a machine that was switched off."""
    if containers:
        runtime._containers.clear()
    if sandboxes:
        runtime._sandboxes.clear()


def end(runtime: HollowRuntime, container_id: str, exit_code: int) -> None:
    """Have a container's process end now."""
    container, now = runtime._find(container_id), runtime._clock.now()
    if container.is_running(now):
        container.ends_at, container.exit_code = now, exit_code
        runtime._ring()
