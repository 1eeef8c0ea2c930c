"""Calls of the engine that mean the same however often they are made. Sandboxes are containers too."""

from collections.abc import Callable
from typing import Any

from docker import APIClient
from docker.errors import APIError

from kubelet.runtime.docker import convert
from kubelet.runtime.docker.engine import Engine
from kubelet.runtime.records import Uid

NOT_FOUND, CONFLICT = 404, 409


def filters_of(kind: str, pod_uid: Uid | None) -> dict[str, Any]:
    """Return the filters that list a kind (`convert.SANDBOX`, `convert.CONTAINER`), of one Pod or of all."""
    labels = [f"{convert.TYPE}={kind}"]
    if pod_uid is not None:
        labels.append(f"{convert.POD_UID}={pod_uid}")
    return {"label": labels}


async def list_all(engine: Engine, filters: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the containers that pass the filters, in whatever state. Raises RuntimeFailure."""
    listed: list[dict[str, Any]] = await engine.ask(
        lambda client: client.containers(all=True, filters=filters)
    )
    return listed


async def create(engine: Engine, body: dict[str, Any], name: str) -> str:
    """Create a container, return its id. Raises docker.errors.APIError: 409 for a name that is taken."""

    def call(client: APIClient) -> str:
        made: dict[str, Any] = client.create_container_from_config(body, name)  # type: ignore[no-untyped-call]
        return str(made["Id"])

    if convert.is_recursive(body):
        return await engine.call_as_of(convert.RECURSIVE_API, call)
    return await engine.call(call)


async def kill(engine: Engine, container_id: str, signal: str) -> None:
    """Send a signal; it is no error if the container is gone or does not run. Raises RuntimeFailure."""
    await _even_if_gone(engine, lambda client: client.kill(container_id, signal))


async def remove(engine: Engine, container_id: str) -> None:
    """Remove a container with its anonymous volumes; it may run, or be gone. Raises RuntimeFailure."""
    await _even_if_gone(engine, lambda client: client.remove_container(container_id, v=True, force=True))


async def _even_if_gone(engine: Engine, operation: Callable[[APIClient], object]) -> None:
    def call(client: APIClient) -> None:
        try:
            operation(client)
        except APIError as error:
            # Gone, not running, or being removed: what was wanted.
            if error.status_code not in {NOT_FOUND, CONFLICT}:
                raise

    await engine.ask(call)
