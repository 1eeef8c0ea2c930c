"""Whether a Pod has come to its end by itself: nothing of it runs, or will run again. PURE."""

from kubelet.decide.actions import ContainerKind
from kubelet.decide.containers import (
    ContainerView,
    current_sandbox,
    is_initialized,
    restart_wanted,
    view_containers,
)
from kubelet.decide.observation import PodObservation
from kubelet.decide.restart_all import restarts_all
from kubelet.decide.termination import Ending, EndReason, grace_seconds
from vaina.api.core.v1 import pod_pb2


def is_finished(pod: pod_pb2.Pod, views: tuple[ContainerView, ...], observed: PodObservation) -> bool:
    """Say whether no main container runs or will run again, or an init container has failed for good."""
    if not is_initialized(pod, views, observed) and any(
        view.kind is ContainerKind.INIT and _failed_for_good(view, pod, observed) for view in views
    ):
        return True
    return all(
        view.exited is not None and not restart_wanted(view, pod, observed)
        for view in views
        if view.kind is ContainerKind.MAIN
    )


def _failed_for_good(view: ContainerView, pod: pod_pb2.Pod, observed: PodObservation) -> bool:
    return view.exited is not None and not view.succeeded and not restart_wanted(view, pod, observed)


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
    """Say whether a Pod has begun in which no main container may start again (KEP-5307: some may)."""
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
