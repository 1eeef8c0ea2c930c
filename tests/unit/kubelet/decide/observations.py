"""Builders of observations: one container a line."""

from collections.abc import Mapping
from dataclasses import replace

from kubelet.decide.observation import ImageObservation, ImageProgress, PodObservation
from kubelet.runtime.records import BACKOFF_STEP, ContainerPhase, ContainerState, SandboxState, Uid
from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_container, make_pod

NOW = 1_000_000.0
UID = Uid("uid-default-web")
READY = ImageObservation(ImageProgress.READY, image_id="sha256:app")


def sandbox(attempt: int = 0, *, ready: bool = True, ip: str = "10.244.1.2") -> SandboxState:
    return SandboxState(f"sandbox-{attempt}", "web", "default", UID, attempt, ready, ip, NOW)


def running(name: str = "app", attempt: int = 0, *, in_sandbox: str = "sandbox-0") -> ContainerState:
    return ContainerState(
        f"{name}-{attempt}", in_sandbox, UID, name, attempt, ContainerPhase.RUNNING, "image", "sha256:image",
        created_at=NOW - 100, started_at=NOW - 100,
    )  # fmt: skip


def created(name: str = "app", attempt: int = 0, *, in_sandbox: str = "sandbox-0") -> ContainerState:
    return replace(
        running(name, attempt, in_sandbox=in_sandbox), phase=ContainerPhase.CREATED, started_at=0.0
    )


def exited(
    name: str = "app",
    attempt: int = 0,
    *,
    code: int = 0,
    ago: float = 0.0,
    ran: float = 50.0,
    step: int = 0,
    in_sandbox: str = "sandbox-0",
) -> ContainerState:
    return replace(
        running(name, attempt, in_sandbox=in_sandbox), phase=ContainerPhase.EXITED, exit_code=code,
        started_at=NOW - ago - ran, finished_at=NOW - ago, reason="Error" if code else "Completed",
        annotations={BACKOFF_STEP: str(step)},
    )  # fmt: skip


def seen(
    *containers: ContainerState,
    sandboxes: tuple[SandboxState, ...] = (sandbox(),),
    here: tuple[str, ...] = ("app", "one", "two", "side", "debug"),
    images: Mapping[str, ImageObservation] | None = None,
    **more: object,
) -> PodObservation:
    return replace(
        PodObservation(
            observed_at=NOW, first_seen=NOW, sandboxes=sandboxes, containers=containers,
            images=images if images is not None else dict.fromkeys(here, READY),
        ),
        **more,  # type: ignore[arg-type]  # fields of the observation
    )  # fmt: skip


def pod(
    *names: str,
    init: tuple[str, ...] = (),
    sidecars: tuple[str, ...] = (),
    restart: str = "Always",
    volumes: tuple[str, ...] = (),
    grace: int = 30,
    debug: tuple[str, ...] = (),
) -> pod_pb2.Pod:
    made = make_pod(containers=[make_container(name) for name in names or ("app",)])
    made.spec.restart_policy = restart
    made.spec.termination_grace_period_seconds = grace
    for name in (*init, *sidecars):
        made.spec.init_containers.append(make_container(name))
        if name in sidecars:
            made.spec.init_containers[-1].restart_policy = "Always"
    for name in volumes:
        made.spec.volumes.add(name=name)
    for item in debug:
        # name, or name>target
        name, _, target = item.partition(">")
        ephemeral = made.spec.ephemeral_containers.add(target_container_name=target)
        ephemeral.ephemeral_container_common.MergeFromString(make_container(name).SerializeToString())
    return made
