"""Lifecycle hooks: postStart and preStop by exec, http and sleep (row B6).

Called by the executor in a task of its own: nothing waits for a hook but the plan, which sees its progress.
"""

import asyncio

from kubelet.probes import http
from kubelet.probes.handlers import Executor
from kubelet.probes.ports import PortError
from kubelet.runtime.interface import RuntimeFailure
from vaina.api.core.v1 import pod_pb2
from vaina.clock import Clock
from vaina.quoting import go_quote


class HookFailed(Exception):
    """The hook did not succeed; the message is for the event."""


async def run_hook(
    runtime: Executor,
    clock: Clock,
    handler: pod_pb2.LifecycleHandler,
    container: pod_pb2.Container,
    *,
    container_id: str,
    pod_ip: str,
    timeout_seconds: float,
) -> None:
    """Run a hook to its end.

    Args:
        runtime: runs commands.
        clock: for sleep.
        handler: of the hook.
        container: whose ports may be named.
        container_id: where a command runs.
        pod_ip: where a request goes.
        timeout_seconds: when the hook is given up.

    Raises:
        HookFailed: it failed, or took too long.
    """
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
    # A hook has done its work when it was heard: upstream does not look at the status
    # (pkg/kubelet/lifecycle/handlers.go).
    outcome = await http.probe(http.target_of(handler.http_get, container, pod_ip), any_status=True)
    if not outcome.succeeded:
        raise HookFailed(outcome.message)
