"""Restarts all containers of a Pod in place, when one has ended with a code for which a rule asks that. PURE.

Follows KEP-5532, ShouldAllContainersRestart (`pkg/kubelet/container/helpers.go`) and getContainersToReset
(`kuberuntime_manager.go`). All but ephemeral containers are killed without grace and their records removed,
the ones that asked last: while such a record is there, the restart goes on. Sandbox, address and volumes
stay. The status remembers what was removed, and everything starts again from the first init container on.
"""

from kubelet.decide.actions import ContainerKind, KillReason, PodPlan, RemoveContainer, earliest
from kubelet.decide.containers import ContainerView, rule_action, specs, view_containers
from kubelet.decide.observation import PodObservation
from kubelet.decide.termination import stop_container
from kubelet.runtime.records import ContainerPhase
from vaina.api.core.v1 import pod_pb2

ACTION = "RestartAllContainers"


def may_restart_all(pod: pod_pb2.Pod) -> bool:
    """Say whether a rule of some container may ask for it."""
    return any(rule.action == ACTION for spec, _ in specs(pod) for rule in spec.restart_policy_rules)


def _asks(view: ContainerView, observed: PodObservation) -> bool:
    """Say whether a container's end asks for it; the runtime must still have the record."""
    ended = view.exited
    return ended is not None and ended in observed.containers and rule_action(view.spec, ended) == ACTION


def restarts_all(pod: pod_pb2.Pod, observed: PodObservation) -> bool:
    """Say whether the restart is under way: containers are still to be killed or removed."""
    return may_restart_all(pod) and any(_asks(view, observed) for view in view_containers(pod, observed))


def compute_restart_all(pod: pod_pb2.Pod, observed: PodObservation, now: float) -> PodPlan:
    """Return what is due now: kills, then removals."""
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
