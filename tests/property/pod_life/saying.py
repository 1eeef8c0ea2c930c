"""What a Pod's status may say, given what is true of it."""

from typing import TYPE_CHECKING

from apiserver.validation.pod_status import may_restart
from kubelet.decide.observation import ProbeKind, ProbeResult
from tests.property.pod_life.pods import GATE, kind_of, spec_of
from vaina.api.core.v1 import pod_pb2

if TYPE_CHECKING:
    from tests.property.pod_life.judge import Judge

_FINAL = {"Succeeded", "Failed"}
_ORDER = {"": 0, "Pending": 0, "Running": 1, "Succeeded": 2, "Failed": 2}


def check_status(judge: "Judge", before: pod_pb2.PodStatus, after: pod_pb2.PodStatus) -> None:
    """Hold a status against the truth, and against the one before it."""
    _phase(judge, before, after)
    statuses = (
        *after.init_container_statuses,
        *after.container_statuses,
        *after.ephemeral_container_statuses,
    )
    old = {item.name: item for item in (*before.init_container_statuses, *before.container_statuses)}
    for item in statuses:
        _container(judge, item)
        if item.name in old:
            assert item.restart_count >= old[item.name].restart_count, (
                f"restartCount of {item.name} goes back"
            )
            _transition(judge, old[item.name], item)
    _conditions(judge, before, after)


def _transition(judge: "Judge", before: pod_pb2.ContainerStatus, after: pod_pb2.ContainerStatus) -> None:
    """The API takes no status by which what has ended goes on against its policy.

    An init container in a new sandbox is upstream's own trouble.
    """
    if not before.state.HasField("terminated") or after.state.HasField("terminated"):
        return
    spec, code = spec_of(judge.pod, before.name), before.state.terminated.exit_code
    anew = kind_of(judge.pod, before.name) == "init" and code == 0
    assert anew or may_restart(spec, judge.pod.spec.restart_policy, code), (
        f"{before.name} ended with {code}, and goes on: the API would refuse it"
    )


def _phase(judge: "Judge", before: pod_pb2.PodStatus, after: pod_pb2.PodStatus) -> None:
    if before.phase in _FINAL and judge.pod.status.phase in _FINAL:
        assert after.phase == before.phase, "a final phase stays"
        return
    back = _ORDER[after.phase] < _ORDER[before.phase]
    assert not back or not judge.has_begun() or judge.hooks(), f"{before.phase} becomes {after.phase}"
    mains = [judge.newest(name) for name in judge.mains()]
    live = bool(judge.node.live())
    if after.phase in _FINAL:
        assert judge.must_end(), f"{after.phase}, but nothing ends it"
        deadline = judge.kubelet.ending is not None and judge.kubelet.ending.reason == "deadline exceeded"
        names = {item.name for item in judge.node.live()}
        assert deadline or not names & {*judge.mains()}, f"{after.phase} while {names} run"
        good = all(item is not None and item.code == 0 for item in mains)
        ended = not deadline and judge.kubelet.verdict is None
        assert (after.phase == "Succeeded") <= (good and ended), "Succeeded, and not all is well"
    elif all(item is not None for item in mains) and judge.has_begun() and not judge.hooks():
        assert after.phase == "Running", f"{after.phase} after all have begun"
        assert live or not judge.must_end(), "nothing runs, and the phase is not final"
    if after.phase == "Running":
        assert any(mains), "Running before a main container was"


def _container(judge: "Judge", item: pod_pb2.ContainerStatus) -> None:
    newest = judge.newest(item.name)
    number = -1 if newest is None else newest.number
    # One that was created and not started yet has its number already.
    assert item.restart_count - max(number, 0) in {0, 1}, (
        f"restartCount {item.restart_count} of {item.name}, whose attempt is {number}"
    )
    here = judge.here(item.name)
    lives = newest is not None and newest.lives
    if item.state.HasField("running"):
        assert lives, f"{item.name} is said to run"
    if item.state.HasField("terminated"):
        assert newest is not None
        assert not lives, f"{item.name} is said to have ended"
        assert item.state.terminated.exit_code == newest.code, f"{item.name} ended with another code"
    if item.state.waiting.reason in {"ContainerCreating", "PodInitializing"}:
        made = newest is not None and item.restart_count > newest.number
        by_code = newest is not None and may_restart(
            spec_of(judge.pod, item.name), judge.pod.spec.restart_policy, newest.code
        )
        assert newest is None or lives or made or not by_code, (
            f"{item.name} has ended, and is said to be on its way"
        )
    if item.state.waiting.reason == "CrashLoopBackOff":
        assert newest is not None
        assert not lives
        assert judge.again(newest) is not False or here is None, f"{item.name} is not to start again"
    kind = kind_of(judge.pod, item.name)
    if kind in {"main", "sidecar"} and (here is not None or newest is None):
        up = judge.is_up(item.name)
        probe = spec_of(judge.pod, item.name).HasField("readiness_probe")
        answer = judge.kubelet.probes.get((here.id, ProbeKind.READINESS)) if here is not None else None
        ready = up and (not probe or answer is ProbeResult.SUCCESS)
        assert item.started == up, f"{item.name}: started is {item.started}"
        assert item.ready == ready, f"{item.name}: ready is {item.ready}"


def _conditions(judge: "Judge", before: pod_pb2.PodStatus, after: pod_pb2.PodStatus) -> None:
    now = {item.type: item for item in after.conditions}
    old = {item.type: item for item in before.conditions}
    for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready", "PodReadyToStartContainers"):
        assert kind in now, f"no condition {kind}"
        if kind in old:
            same = old[kind].status == now[kind].status
            kept = old[kind].last_transition_time == now[kind].last_transition_time
            assert kept or not same, f"{kind} is {now[kind].status} as before, since another time"
    truth = {item.type: item.status == "True" for item in after.conditions}
    assert truth["PodReadyToStartContainers"] == (judge.node.sandbox() is not None)
    sidecars = {spec.name for spec in judge.pod.spec.init_containers if spec.restart_policy == "Always"}
    relevant = [
        *after.container_statuses,
        *(item for item in after.init_container_statuses if item.name in sidecars),
    ]
    all_ready = after.phase not in _FINAL and all(item.ready for item in relevant)
    assert truth["ContainersReady"] == all_ready, "ContainersReady"
    gate = any(item.type == GATE and item.status == "True" for item in judge.pod.status.conditions)
    assert truth["Ready"] == (all_ready and (gate or not judge.pod.spec.readiness_gates)), "Ready"
    if not truth["Initialized"] and after.phase not in _FINAL:
        # As long as its postStart hook is under way, a container does not count as begun.
        assert not judge.has_begun() or judge.hooks(), "not Initialized, and the main containers run"
    if (
        truth["Initialized"]
        and after.phase != "Succeeded"
        and judge.node.sandbox() is not None
        and not any(judge.newest(name) for name in judge.mains())
    ):
        assert not judge.missing_before(judge.mains()[0]), "Initialized before the init containers are done"
