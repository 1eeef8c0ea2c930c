"""How a Pod, or one container, is ended: kill order, grace periods, preStop; and whether a Pod has ended. PURE.

Termination is preStop, TERM, a wake-up at the deadline, KILL. Each pass says what is due now, so a shorter
grace period that comes later takes effect at once. Follows
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination (row B6).
"""

from dataclasses import dataclass
from enum import StrEnum

from kubelet.decide.actions import (
    Action,
    CancelPulls,
    ContainerKind,
    KillContainer,
    KillReason,
    PodPlan,
    RemoveContainer,
    RemoveSandbox,
    RunPreStop,
    StopSandbox,
    TermContainer,
    UnmountVolumes,
    earliest,
)
from kubelet.decide.containers import (
    ContainerView,
    current_sandbox,
    is_initialized,
    restart_wanted,
    rule_action,
    specs,
    view_containers,
)
from kubelet.decide.observation import VOLUMES_KEY, HookProgress, ImageProgress, PodObservation
from kubelet.runtime.records import ContainerPhase, ContainerState
from vaina.api.core.v1 import pod_pb2
from vaina.clock import seconds_of
from vaina.objects.pods import is_terminal

#: from TERM to KILL after a preStop hook that used up the grace period (as upstream)
MINIMUM_TERM_SECONDS = 2.0
#: how long until a KILL that had no effect is sent again
KILL_AGAIN_SECONDS = 1.0
DEFAULT_GRACE_SECONDS = 30


class EndReason(StrEnum):
    """Why a Pod ends on this node."""

    #: the object has a deletionTimestamp: it goes when the containers are gone
    DELETED = "deleted"
    #: no source has it any more: nothing of it may stay
    GONE = "gone"
    #: its phase is final: it keeps its ended containers (for their logs), nothing else
    FINISHED = "finished"
    DEADLINE_EXCEEDED = "deadline exceeded"
    #: the node is short of something, or the Pod is above a limit of its own: it fails
    EVICTED = "evicted"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The node's decision against a Pod: it fails, whatever its containers' exit codes."""

    #: reason and message are the status's
    reason: str
    message: str
    #: the Pod's own grace period may be shorter
    grace_seconds: float
    #: since when it has the condition DisruptionTarget; None: it has not
    disrupted_at: float | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """That a Pod ends, and when its containers are killed at the latest."""

    reason: EndReason
    deadline: float
    #: of an evicted Pod; kept when the Pod is deleted meanwhile
    verdict: Verdict | None = None


def grace_seconds(pod: pod_pb2.Pod) -> float:
    """Return the grace period of the Pod's containers: the deletion's, else the spec's."""
    if pod.metadata.HasField("deletion_grace_period_seconds"):
        return float(pod.metadata.deletion_grace_period_seconds)
    if pod.spec.HasField("termination_grace_period_seconds"):
        return float(pod.spec.termination_grace_period_seconds)
    return float(DEFAULT_GRACE_SECONDS)


def active_deadline(pod: pod_pb2.Pod, before: pod_pb2.PodStatus | None = None) -> float | None:
    """Return when the Pod's activeDeadlineSeconds are over, once it has a startTime.

    `before` is the status that was said last: a static Pod has none (`pkg/kubelet/active_deadline.go`).
    """
    status = pod.status if before is None else before
    if not pod.spec.HasField("active_deadline_seconds") or not status.HasField("start_time"):
        return None
    return seconds_of(status.start_time) + pod.spec.active_deadline_seconds


def next_ending(
    before: Ending | None,
    pod: pod_pb2.Pod,
    *,
    gone: bool,
    now: float,
    adopted: bool = False,
    verdict: Verdict | None = None,
    said: pod_pb2.PodStatus | None = None,
) -> Ending | None:
    """Return how the Pod ends, given how it ended so far; None while it shall run.

    An ending is never taken back, and its deadline never put off. `adopted`: this is the first look of a
    restarted kubelet, so a grace period that began before goes on. `said` is the status reported last.
    """
    exceeded = active_deadline(pod, said)
    if gone:
        reason = EndReason.GONE
    elif pod.metadata.HasField("deletion_timestamp"):
        reason = EndReason.DELETED
    elif before is not None:
        return before
    elif is_terminal(pod):
        reason = EndReason.FINISHED
    elif exceeded is not None and now >= exceeded:
        reason = EndReason.DEADLINE_EXCEEDED
    elif verdict is not None:
        reason = EndReason.EVICTED
    else:
        return None
    deadline = now + grace_seconds(pod)
    if reason is EndReason.EVICTED and verdict is not None:
        deadline = min(deadline, now + verdict.grace_seconds)
    if reason is EndReason.DELETED and adopted:
        deadline = min(deadline, max(now, seconds_of(pod.metadata.deletion_timestamp)))
    if before is not None:
        deadline = min(deadline, before.deadline)
        verdict = before.verdict
    return Ending(reason, deadline, verdict if reason is not EndReason.FINISHED else None)


def stop_container(
    container: ContainerState,
    spec: pod_pb2.Container | None,
    observed: PodObservation,
    reason: KillReason,
    *,
    deadline: float,
    now: float,
) -> tuple[Action | None, float]:
    """Return what is due now to end a running container, and when to look again.

    KILL is due at `deadline`, or at an earlier one that was given before.
    """
    stopping = observed.stopping.get(container.id)
    if stopping is None:
        if deadline <= now:
            return KillContainer(container.id, container.name, reason), now + KILL_AGAIN_SECONDS
        if spec is not None and spec.lifecycle.HasField("pre_stop"):
            return RunPreStop(container.id, container.name, reason, deadline), deadline
        return TermContainer(container.id, container.name, reason, deadline), deadline
    deadline = min(deadline, stopping.deadline)
    if stopping.termed_at is None:
        if stopping.hook is HookProgress.RUNNING and now < deadline:
            return None, deadline
        return TermContainer(container.id, container.name, stopping.reason, deadline), max(
            deadline, now + MINIMUM_TERM_SECONDS
        )
    kill_at = deadline
    if stopping.hook is not None:
        kill_at = max(deadline, stopping.termed_at + MINIMUM_TERM_SECONDS)
    if stopping.killed_at is not None:
        kill_at = max(kill_at, stopping.killed_at + KILL_AGAIN_SECONDS)
    if now < kill_at:
        return None, kill_at
    return KillContainer(container.id, container.name, stopping.reason), now + KILL_AGAIN_SECONDS


def compute_termination(pod: pod_pb2.Pod, observed: PodObservation, ending: Ending, now: float) -> PodPlan:
    """Return what is due to end the Pod: containers, volumes, sandbox, and when it is gone, records.

    Sidecars end after the main containers, the last first (KEP-753), all within one deadline.
    """
    actions: list[Action] = []
    if any(image.progress is ImageProgress.PULLING for image in observed.images.values()):
        actions.append(CancelPulls())
    running = [item for item in observed.containers if item.phase is ContainerPhase.RUNNING]
    if running:
        due, wake_at = _stop_all(pod, observed, running, ending, now)
        return PodPlan((*actions, *due), wake_at)
    # Volumes that failed may be mounted in part, or their objects watched.
    if observed.mounted or VOLUMES_KEY in observed.failures:
        actions.append(UnmountVolumes(tuple(sorted(observed.mounted))))
    actions.extend(StopSandbox(sandbox.id) for sandbox in observed.sandboxes if observed.holds(sandbox))
    if actions:
        return PodPlan(tuple(actions))
    if ending.reason is EndReason.GONE and (observed.sandboxes or observed.containers):
        listed = {sandbox.id for sandbox in observed.sandboxes}
        alone = [item.id for item in observed.containers if item.sandbox_id not in listed]
        actions.extend(RemoveSandbox(sandbox_id) for sandbox_id in sorted(listed))
        actions.extend(RemoveContainer(container_id) for container_id in alone)
        return PodPlan(tuple(actions), stopped=True)
    return PodPlan(stopped=True, terminal=ending.reason is EndReason.GONE)


def _stop_all(
    pod: pod_pb2.Pod, observed: PodObservation, running: list[ContainerState], ending: Ending, now: float
) -> tuple[tuple[Action, ...], float | None]:
    views = {view.name: view for view in view_containers(pod, observed)}
    sidecars = [name for name, view in views.items() if view.kind is ContainerKind.SIDECAR]
    now_due = [item for item in running if item.name not in sidecars]
    if not now_due:
        last = max(running, key=lambda item: sidecars.index(item.name))
        now_due = [item for item in running if item.name == last.name]
    if now >= ending.deadline:
        now_due = running
    actions: list[Action] = []
    wake_at: float | None = ending.deadline if len(now_due) < len(running) else None
    for item in now_due:
        view = views.get(item.name)
        action, again = stop_container(
            item,
            view.spec if view else None,
            observed,
            KillReason.POD_ENDS,
            deadline=ending.deadline,
            now=now,
        )
        if action is not None:
            actions.append(action)
        wake_at = earliest(wake_at, again)
    return tuple(actions), wake_at


RESTART_ALL = "RestartAllContainers"


def may_restart_all(pod: pod_pb2.Pod) -> bool:
    """Say whether a rule of some container may ask for it."""
    return any(rule.action == RESTART_ALL for spec, _ in specs(pod) for rule in spec.restart_policy_rules)


def _asks(view: ContainerView, observed: PodObservation) -> bool:
    ended = view.exited
    return ended is not None and ended in observed.containers and rule_action(view.spec, ended) == RESTART_ALL


def restarts_all(pod: pod_pb2.Pod, observed: PodObservation) -> bool:
    """Say whether the restart is under way: containers are still to be killed or removed."""
    return may_restart_all(pod) and any(_asks(view, observed) for view in view_containers(pod, observed))


def compute_restart_all(pod: pod_pb2.Pod, observed: PodObservation, now: float) -> PodPlan:
    """Return what is due now to restart all containers in place (KEP-5532): kills, then removals.

    All but ephemeral containers are killed without grace and their records removed, the ones that asked last:
    while such a record is there, the restart goes on. The status remembers what was removed. Follows
    getContainersToReset (`kuberuntime_manager.go`) and ShouldAllContainersRestart.
    """
    views = {
        view.name: view for view in view_containers(pod, observed) if view.kind is not ContainerKind.EPHEMERAL
    }
    affected = [state for state in observed.containers if state.name in views]
    due = [
        stop_container(state, views[state.name].spec, observed, KillReason.RESTART_ALL, deadline=now, now=now)
        for state in affected
        if state.phase is ContainerPhase.RUNNING
    ]
    if due:
        kills = tuple(action for action, _ in due if action is not None)
        return PodPlan(kills, earliest(*(again for _, again in due)))
    asking = [view.current for view in views.values() if _asks(view, observed)]
    affected.sort(key=lambda state: state in asking)
    return PodPlan(tuple(RemoveContainer(state.id) for state in affected))


def is_finished(pod: pod_pb2.Pod, views: tuple[ContainerView, ...], observed: PodObservation) -> bool:
    """Say whether no main container runs or will run again, or an init container has failed for good."""
    over = [view for view in views if view.exited is not None and not restart_wanted(view, pod, observed)]
    if not is_initialized(pod, views, observed) and any(
        view.kind is ContainerKind.INIT and not view.succeeded for view in over
    ):
        return True
    return all(view in over for view in views if view.kind is ContainerKind.MAIN)


def natural_ending(
    pod: pod_pb2.Pod, observed: PodObservation, now: float, *, before: Ending | None = None
) -> Ending | None:
    """Return the ending of a Pod that has come to its end by itself; None: it has not.

    The deadline of `before`, the answer of the last pass, holds: sidecars end one after the other within one
    grace period (`pkg/kubelet/kuberuntime/kuberuntime_termination_order.go`).
    """
    if restarts_all(pod, observed):
        return None
    views = view_containers(pod, observed)
    lost = current_sandbox(observed) is None and _has_run_and_may_not_again(pod, views, observed)
    # A Pod that may not start twice (Never) fails when its sandbox is lost.
    if lost or is_finished(pod, views, observed):
        return before or Ending(EndReason.FINISHED, now + grace_seconds(pod))
    return None


def _has_run_and_may_not_again(
    pod: pod_pb2.Pod, views: tuple[ContainerView, ...], observed: PodObservation
) -> bool:
    """Say whether a Pod has begun in which no main container may start again (KEP-5307)."""
    if pod.spec.restart_policy != "Never":
        return False
    again = any(_may_again(view, pod, observed) for view in views if view.kind is ContainerKind.MAIN)
    return not again and any(
        view.current is not None for view in views if view.kind is not ContainerKind.EPHEMERAL
    )


def _may_again(view: ContainerView, pod: pod_pb2.Pod, observed: PodObservation) -> bool:
    """Say whether a container may have another attempt; the exit code of one that has not ended is not known."""
    if view.running or view.current is None:
        own = view.spec.restart_policy or pod.spec.restart_policy
        return own in {"Always", "OnFailure"} or bool(view.spec.restart_policy_rules)
    return view.exited is not None and restart_wanted(view, pod, observed)
