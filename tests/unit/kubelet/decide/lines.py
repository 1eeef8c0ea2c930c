"""Pods, what is known of them, and plans, each as a line of text.

For tables in which many cases stand below one another.

A Pod: its restart policy, then its containers: `Always i:one s:side app`. `i:` is an init container, `s:` a
sidecar, `d:` a debug container. Behind a name: `=Never` its own policy, `[42]` a rule that restarts it for
this code, `?` a startup, `~` a readiness and `+` a liveness probe, `<` a preStop hook, `>` a postStart hook.

What is known: `app:run` (runs), `app:up` (its startup probe has succeeded too), `app:ok` (its readiness probe
too), `app:sick` (liveness failed), `app:late` (startup failed), `app:hooking`, `app:unhooked` (its postStart
hook runs, has failed), `app:made` (created, never started), `app:x3` (ended with 3). Behind a state: `/2` the
attempt, `@4` restarts in a row, `-7` seconds ago, `*900` ran so long, `!` in the sandbox before. Words of
their own: `lost` (the sandbox is dead), `bare` (there is none), `second` (a second sandbox; the first is
gone).

A plan: `make s0`, `stop s0`, `drop s0`, `start app/1@2` (attempt, restarts in a row), `term app liveness`,
`hook app`, `kill app`, `pull app`, `wait 7`; `rest`: nothing is to be done.
"""

import re
from dataclasses import replace

from kubelet.decide.actions import (
    Action,
    CreateSandbox,
    KillContainer,
    PodPlan,
    PullImage,
    RemoveContainer,
    RemoveSandbox,
    RunPreStop,
    StartContainer,
    StopSandbox,
    TermContainer,
)
from kubelet.decide.observation import HookProgress, PodObservation, ProbeKind, ProbeResult
from kubelet.runtime.records import BACKOFF_STEP, ContainerState
from tests.unit.kubelet.decide.observations import NOW, READY, created, exited, running, sandbox, seen
from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_container, make_pod

_CONTAINER = re.compile(r"(?:([isd]):)?([a-z]+)([?~+<>]*)(?:=([A-Za-z]+))?(?:\[(\d+)\])?")
_STATE = re.compile(r"([a-z]+):([a-z]+)(\d*)(?:/(\d+))?(?:@(\d+))?(?:-(\d+))?(?:\*(\d+))?(!?)")
_PROBES = {"?": "startup_probe", "~": "readiness_probe", "+": "liveness_probe"}


def pod_of(line: str, grace: int = 30) -> pod_pb2.Pod:
    """Make the Pod of a line."""
    policy, *words = line.split()
    made = make_pod(containers=[])
    del made.spec.containers[:]
    made.spec.restart_policy, made.spec.termination_grace_period_seconds = policy, grace
    for word in words:
        found = _CONTAINER.fullmatch(word)
        assert found, word
        kind, name, marks, own, code = found.groups()
        container = make_container(name)
        for mark in marks:
            if mark in _PROBES:
                getattr(container, _PROBES[mark]).period_seconds = 1
            elif mark == "<":
                container.lifecycle.pre_stop.sleep.seconds = 5
            else:
                container.lifecycle.post_start.sleep.seconds = 5
        if kind == "s":
            own = "Always"
        if own:
            container.restart_policy = own
        if code:
            rule = container.restart_policy_rules.add(action="Restart")
            rule.exit_codes.operator = "In"
            rule.exit_codes.values.append(int(code))
        if kind == "d":
            ephemeral = made.spec.ephemeral_containers.add().ephemeral_container_common
            ephemeral.MergeFromString(container.SerializeToString())
        elif kind:
            made.spec.init_containers.append(container)
        else:
            made.spec.containers.append(container)
    return made


def known_of(line: str) -> PodObservation:
    """Make what is known of a line."""
    words = line.split()
    second = "second" in words
    sandboxes = (sandbox(1 if second else 0, ready="lost" not in words),)
    if "bare" in words:
        sandboxes = ()
    containers: list[ContainerState] = []
    probes: dict[tuple[str, ProbeKind], ProbeResult] = {}
    hooks: dict[str, HookProgress] = {}
    for word in words:
        if ":" not in word:
            continue
        state = _state(word, "sandbox-1" if second else "sandbox-0")
        containers.append(state)
        what = word.partition(":")[2]
        if what.startswith(("up", "ok")):
            probes[state.id, ProbeKind.STARTUP] = ProbeResult.SUCCESS
        if what.startswith("ok"):
            probes[state.id, ProbeKind.READINESS] = ProbeResult.SUCCESS
        if what.startswith("sick"):
            probes[state.id, ProbeKind.LIVENESS] = ProbeResult.FAILURE
        if what.startswith("late"):
            probes[state.id, ProbeKind.STARTUP] = ProbeResult.FAILURE
        if what.startswith("hooking"):
            hooks[state.id] = HookProgress.RUNNING
        if what.startswith("unhooked"):
            hooks[state.id] = HookProgress.FAILED
    names = {state.name for state in containers} | {"app", "two", "one", "other", "side", "last", "debug"}
    return seen(
        *containers, sandboxes=sandboxes, images=dict.fromkeys(names, READY), probes=probes, post_start=hooks
    )


def _state(word: str, place: str) -> ContainerState:
    found = _STATE.fullmatch(word)
    assert found, word
    name, what, code, attempt, step, ago, ran, old = found.groups()
    where = "sandbox-0" if old else place
    number = int(attempt or 0)
    if what == "made":
        return created(name, number, in_sandbox=where)
    if what == "x":
        return exited(
            name, number, code=int(code), step=int(step or 0), ago=float(ago or 0), ran=float(ran or 50), in_sandbox=where
        )  # fmt: skip
    return replace(running(name, number, in_sandbox=where), annotations={BACKOFF_STEP: step or "0"})


def plan_line(plan: PodPlan) -> str:
    """Return a plan as a line."""
    words = [_action(action) for action in plan.actions]
    if plan.wake_at is not None:
        words.append(f"wait {plan.wake_at - NOW:g}")
    return ", ".join(words) or "rest"


def _action(action: Action) -> str:
    match action:
        case CreateSandbox(attempt):
            return f"make s{attempt}"
        case StopSandbox(key):
            return f"stop {key.replace('sandbox-', 's')}"
        case RemoveSandbox(key):
            return f"drop {key.replace('sandbox-', 's')}"
        case StartContainer():
            return f"start {action.name}/{action.attempt}@{action.backoff_step}"
        case TermContainer():
            return f"term {action.name} {action.reason.value}"
        case RunPreStop():
            return f"hook {action.name} {action.reason.value}"
        case KillContainer():
            return f"kill {action.name} {action.reason.value}"
        case RemoveContainer(key):
            return f"remove {key}"
        case PullImage():
            return f"pull {action.name}"
        case _:
            return type(action).__name__


def status_line(status: pod_pb2.PodStatus) -> str:
    """Return a status as a line: the phase, then each container's state: run, x3 or why it waits.

    `+` behind it: started, `*`: ready.
    """
    words = [status.phase]
    for item in (
        *status.init_container_statuses,
        *status.container_statuses,
        *status.ephemeral_container_statuses,
    ):
        state = item.state.waiting.reason or "run"
        if item.state.HasField("terminated"):
            state = f"x{item.state.terminated.exit_code}"
        marks = ("+" if item.started else "") + ("*" if item.ready else "")
        words.append(f"{item.name}:{state}{marks}")
    return " ".join(words)
