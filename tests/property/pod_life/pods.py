"""Pods that a seed draws, and what the processes of their containers do.

Everything that a kubelet has no say in.
"""

import math
import random
from dataclasses import dataclass

from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_container, make_pod

NEVER = math.inf
UID = "uid-default-web"
GATE = "example.com/gate"
#: exit codes that the rule of a container restarts for (KEP-5307)
RULED = (42,)


@dataclass(frozen=True, slots=True)
class Run:
    """What one attempt of a container does, and what its probes and hooks will find.

    Seconds count from its start.
    """

    #: until it ends by itself
    seconds: float
    code: int
    #: from TERM to its end
    heeds: float
    term_code: int
    #: the runtime can start it
    starts: bool
    #: from when on the startup probe says so, and what
    up: float
    comes_up: bool
    #: until the liveness probe has failed
    lives: float
    #: until the readiness probe has succeeded
    ready: float
    post_start: float
    post_start_works: bool
    pre_stop: float


def draw_run(seed: str, spec: pod_pb2.Container, kind: str, *, calm: bool) -> Run:
    """Return what an attempt does: the same for the same seed.

    Args:
        seed: of the story, with the container's name and attempt.
        spec: of the container.
        kind: "init", "sidecar", "main" or "ephemeral".
        calm: nothing goes wrong any more.
    """
    rng = random.Random(seed)
    pick = rng.choice
    seconds, code = {
        "init": (pick([0.5, 3.0]), pick([0, 0, 0, 1, 42])),
        "sidecar": (pick([NEVER, NEVER, 1.0, 40.0]), pick([0, 1])),
        "main": (pick([NEVER, NEVER, 0.2, 5.0, 700.0]), pick([0, 0, 1, 42, 42])),
        "ephemeral": (pick([NEVER, 5.0]), pick([0, 1])),
    }[kind]
    run = Run(
        seconds=seconds, code=code, heeds=pick([0.0, 0.5, 4.0, NEVER, NEVER]), term_code=pick([0, 0, 143]),
        starts=rng.random() > 0.05, up=pick([0.1, 2.0]), comes_up=rng.random() > 0.2,
        lives=pick([NEVER, NEVER, 6.0]), ready=pick([0.1, 2.0]), post_start=pick([0.5, 2.0]),
        post_start_works=rng.random() > 0.15, pre_stop=pick([0.5, 3.0, NEVER]),
    )  # fmt: skip
    if not calm:
        return run
    return Run(
        seconds=NEVER if kind in {"sidecar", "main"} else seconds, code=0, heeds=run.heeds,
        term_code=run.term_code, starts=True, up=run.up, comes_up=True, lives=NEVER, ready=run.ready,
        post_start=run.post_start, post_start_works=True, pre_stop=run.pre_stop,
    )  # fmt: skip


def draw_pod(rng: random.Random) -> pod_pb2.Pod:
    """Return a Pod with all that a plan looks at."""
    pod = make_pod(containers=[make_container(f"main{index}") for index in range(rng.choice([1, 1, 2]))])
    spec = pod.spec
    spec.restart_policy = rng.choice(["Always", "Always", "OnFailure", "Never", "Never"])
    spec.termination_grace_period_seconds = rng.choice([1, 5, 30])
    for kind in rng.choice(["", "", "i", "s", "ii", "si", "is", "sis", "ss"]):
        spec.init_containers.append(
            make_container(f"{'init' if kind == 'i' else 'side'}{len(spec.init_containers)}")
        )
        if kind == "s":
            spec.init_containers[-1].restart_policy = "Always"
    for index in range(rng.choice([0, 0, 1])):
        spec.volumes.add(name=f"volume{index}")
    if rng.random() < 0.15:
        spec.readiness_gates.add(condition_type=GATE)
    if rng.random() < 0.12:
        spec.active_deadline_seconds = rng.choice([3, 20, 400])
    for container in (*spec.containers, *spec.init_containers):
        _dress(rng, container, plain=container.name.startswith("init"))
    return pod


def _dress(rng: random.Random, container: pod_pb2.Container, *, plain: bool) -> None:
    container.image = f"registry.local/{container.name}:1"
    container.image_pull_policy = rng.choice(["IfNotPresent", "IfNotPresent", "Always"])
    if not container.restart_policy and rng.random() < 0.4:
        container.restart_policy = rng.choice(
            ["Never", "OnFailure"] if plain else ["Always", "Never", "OnFailure"]
        )
        if rng.random() < 0.7:
            rule = container.restart_policy_rules.add(action="Restart")
            rule.exit_codes.operator = "In"
            rule.exit_codes.values.extend(RULED)
    if plain:
        return
    for name in ("startup_probe", "liveness_probe", "readiness_probe"):
        if rng.random() < 0.35:
            getattr(container, name).period_seconds = 1
            if name != "readiness_probe" and rng.random() < 0.6:
                getattr(container, name).termination_grace_period_seconds = 2
    if rng.random() < 0.3:
        container.lifecycle.pre_stop.sleep.seconds = 1
    if rng.random() < 0.2:
        container.lifecycle.post_start.sleep.seconds = 1
    container.resources.requests["cpu"].string = "1"
    if rng.random() < 0.4:
        container.resize_policy.add(resource_name="cpu", restart_policy="RestartContainer")


def kind_of(pod: pod_pb2.Pod, name: str) -> str:
    """Return "init", "sidecar", "main" or "ephemeral"."""
    for spec in pod.spec.init_containers:
        if spec.name == name:
            return "sidecar" if spec.restart_policy == "Always" else "init"
    return "main" if any(spec.name == name for spec in pod.spec.containers) else "ephemeral"


def spec_of(pod: pod_pb2.Pod, name: str) -> pod_pb2.Container:
    """Return a container of the spec; of an ephemeral one, what it has of one."""
    for spec in (*pod.spec.init_containers, *pod.spec.containers):
        if spec.name == name:
            return spec
    return pod_pb2.Container(name=name)
