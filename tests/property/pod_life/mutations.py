"""Decisions of `kubelet/decide` broken on purpose, each in one place, as a plausible mistake would have it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from kubelet.decide import compute, containers, phase, status, termination
from kubelet.decide.actions import (
    ContainerKind,
    PrepareVolumes,
    RemoveContainer,
    StopSandbox,
    TermContainer,
    UnmountVolumes,
)
from kubelet.decide.compute import _Planner
from kubelet.decide.termination import Ending, EndReason
from kubelet.runtime.records import ContainerPhase

Patch = pytest.MonkeyPatch
Mutation = Callable[[Patch], None]
#: every mistake of this file -> a story that is known to show it; when stories are drawn in another way,
#: another will
MUTATIONS: dict[Mutation, int] = {}


def mistake(shown_by: int) -> Callable[[Mutation], Mutation]:
    """Have a function listed."""

    def listed(function: Mutation) -> Mutation:
        MUTATIONS[function] = shown_by
        return function

    return listed


def everywhere(patch: Patch, name: str, make: Callable[[Any], Any]) -> None:
    """Put another function in the place of one, wherever it was imported."""
    found = next(
        getattr(module, name) for module in (containers, compute, termination, phase) if hasattr(module, name)
    )
    for module in (containers, compute, termination, phase, status):
        if getattr(module, name, None) is found:
            patch.setattr(module, name, make(found))


@mistake(shown_by=10)
def sidecars_end_in_order(patch: Patch) -> None:
    """The first sidecar is ended first."""
    before = termination.view_containers
    patch.setattr(termination, "view_containers", lambda pod, seen: tuple(reversed(before(pod, seen))))


@mistake(shown_by=2)
def sidecars_end_with_the_rest(patch: Patch) -> None:
    """A Pod that ends ends its sidecars together with the main containers."""
    before = termination.view_containers
    patch.setattr(
        termination, "view_containers",
        lambda pod, seen: tuple(replace(view, kind=ContainerKind.MAIN) for view in before(pod, seen)),
    )  # fmt: skip


@mistake(shown_by=0)
def always_again(patch: Patch) -> None:
    """Every policy is Always."""
    everywhere(
        patch,
        "restart_wanted",
        lambda _: (
            lambda view, pod, seen: view.kind is not ContainerKind.EPHEMERAL and view.exited is not None
        ),
    )


@mistake(shown_by=2)
def failures_alone(patch: Patch) -> None:
    """Always is taken for OnFailure."""
    everywhere(
        patch, "restart_wanted",
        lambda found: lambda view, pod, seen: found(view, pod, seen) and not (view.kind is ContainerKind.MAIN and view.succeeded),
    )  # fmt: skip


@mistake(shown_by=0)
def own_policy_ignored(patch: Patch) -> None:
    """A container's own restart policy is not looked at."""

    def make(found: Any) -> Any:
        def wanted(view: Any, pod: Any, seen: Any) -> bool:
            if view.kind is not ContainerKind.MAIN or view.exited is None:
                return bool(found(view, pod, seen))
            policy = pod.spec.restart_policy
            return policy == "Always" or (policy == "OnFailure" and view.exited.exit_code != 0)

        return wanted

    everywhere(patch, "restart_wanted", make)


@mistake(shown_by=68)
def rules_ignored(patch: Patch) -> None:
    """restartPolicyRules are not looked at."""
    patch.setattr(containers, "rule_action", lambda spec, ended: "")


@mistake(shown_by=203)
def kills_are_no_failures(patch: Patch) -> None:
    """A container that was ended by its probe and left well is done, where failures alone are restarted."""
    everywhere(
        patch, "restart_wanted",
        lambda found: lambda view, pod, seen: found(view, pod, replace(seen, stopping={})),
    )  # fmt: skip


@mistake(shown_by=18)
def init_runs_again(patch: Patch) -> None:
    """An init container that was done runs again when its kubelet or the one after it was restarted."""
    everywhere(
        patch, "init_done", lambda found: lambda pod, view: found(pod, view) and view.current.attempt == 0
    )


@mistake(shown_by=18)
def init_is_done_for_ever(patch: Patch) -> None:
    """Init containers do not run again in a new sandbox."""
    everywhere(patch, "init_done", lambda _: lambda pod, view: view.succeeded)


@mistake(shown_by=2)
def init_beside_main(patch: Patch) -> None:
    """A container that fails has the init containers looked at again."""
    everywhere(
        patch, "is_initialized",
        lambda found: lambda pod, views, seen: (
            all(view.running for view in views if view.kind is ContainerKind.SIDECAR) and found(pod, views, seen)
        ),
    )  # fmt: skip


@mistake(shown_by=2)
def no_startup_gate(patch: Patch) -> None:
    """A container that runs has started, whatever its startup probe says."""
    everywhere(patch, "is_started", lambda _: lambda view, seen: view.running is not None)


@mistake(shown_by=2)
def nobody_waits_for_hooks(patch: Patch) -> None:
    """A postStart hook under way holds nothing up."""
    everywhere(
        patch, "is_started", lambda found: lambda view, seen: found(view, replace(seen, post_start={}))
    )


@mistake(shown_by=1)
def grace_ignored(patch: Patch) -> None:
    """Everything that ends is killed at once."""
    everywhere(patch, "grace_seconds", lambda _: lambda pod: 0.0)


@mistake(shown_by=17)
def spec_grace_alone(patch: Patch) -> None:
    """The grace of a delete is not looked at."""
    everywhere(patch, "grace_seconds", lambda _: lambda pod: float(pod.spec.termination_grace_period_seconds))


@mistake(shown_by=10)
def probe_grace_ignored(patch: Patch) -> None:
    """A probe's own grace is not looked at."""
    patch.setattr(_Planner, "_kill_grace", lambda self, view, reason: termination.grace_seconds(self.pod))


@mistake(shown_by=95)
def grace_begins_anew(patch: Patch) -> None:
    """Each look gives those that end by themselves the whole grace again."""
    found = compute.natural_ending
    patch.setattr(compute, "natural_ending", lambda pod, seen, now, before=None: found(pod, seen, now))


@mistake(shown_by=15)
def hook_left_out(patch: Patch) -> None:
    """preStop hooks are not run."""
    found = termination.stop_container

    def stop(item: Any, spec: Any, *rest: Any, **more: Any) -> Any:
        return found(item, None, *rest, **more)

    patch.setattr(termination, "stop_container", stop)
    patch.setattr(compute, "stop_container", stop)


@mistake(shown_by=15)
def hook_not_waited_for(patch: Patch) -> None:
    """TERM is sent with the preStop hook."""
    found = termination.stop_container

    def stop(item: Any, spec: Any, seen: Any, reason: Any, **more: Any) -> Any:
        stopping = {key: replace(value, hook=None) for key, value in seen.stopping.items()}
        return found(item, spec, replace(seen, stopping=stopping), reason, **more)

    patch.setattr(termination, "stop_container", stop)
    patch.setattr(compute, "stop_container", stop)


@mistake(shown_by=0)
def backoff_forgotten(patch: Patch) -> None:
    """A restarted kubelet begins with a clean record: what is kept with the container is not read."""
    everywhere(patch, "backoff_step", lambda _: lambda ended, policy: 0)


@mistake(shown_by=58)
def backoff_never_reset(patch: Patch) -> None:
    """A long good run changes nothing."""
    found = containers.backoff_step
    patch.setattr(
        containers, "backoff_step", lambda ended, policy: found(ended, replace(policy, reset_seconds=1e9))
    )


@mistake(shown_by=0)
def restart_count_begins_anew(patch: Patch) -> None:
    """In a new sandbox attempts are counted from 0."""
    patch.setattr(
        containers.ContainerView, "next_attempt",
        property(lambda self: self.current.attempt + 1 if self.current is not None and self.in_sandbox else 0),
    )  # fmt: skip


@mistake(shown_by=0)
def forgets_removed_records(patch: Patch) -> None:
    """What the runtime has no record of never ran."""
    patch.setattr(containers, "_remembered", lambda pod, seen: {})


def _unfinished_beside(patch: Patch, kind: ContainerKind) -> None:
    found = termination.is_finished
    patch.setattr(
        termination, "is_finished",
        lambda pod, views, seen: (
            found(pod, views, seen) and not any(view.running and view.kind is kind for view in views)
        ),
    )  # fmt: skip


@mistake(shown_by=15)
def sidecars_hold_the_pod(patch: Patch) -> None:
    """A Pod whose main containers are done goes on as long as a sidecar runs."""
    _unfinished_beside(patch, ContainerKind.SIDECAR)


@mistake(shown_by=31)
def debug_containers_hold_the_pod(patch: Patch) -> None:
    """A Pod whose main containers are done goes on as long as somebody debugs it."""
    _unfinished_beside(patch, ContainerKind.EPHEMERAL)


@mistake(shown_by=2)
def strays_are_left(patch: Patch) -> None:
    """What runs in a sandbox that died is not ended before the next is made."""
    found = _Planner._sandbox

    def sandbox(self: Any) -> bool:
        newest = containers.current_sandbox(self.observed)
        if newest is None:
            self.observed = replace(
                self.observed,
                containers=tuple(
                    item for item in self.observed.containers if item.phase is not ContainerPhase.RUNNING
                ),
            )
        return found(self)

    patch.setattr(_Planner, "_sandbox", sandbox)


@mistake(shown_by=42)
def sandbox_made_while_it_ends(patch: Patch) -> None:
    """A Pod that may start nothing twice gets another sandbox."""
    patch.setattr(termination, "_has_run_and_may_not_again", lambda pod, views, seen: False)


@mistake(shown_by=0)
def volumes_go_first(patch: Patch) -> None:
    """Volumes are unmounted while containers end."""
    found = termination._stop_all

    def stop(pod: Any, seen: Any, *rest: Any) -> Any:
        actions, wake = found(pod, seen, *rest)
        return ((UnmountVolumes(tuple(seen.mounted)), *actions) if seen.mounted else actions), wake

    patch.setattr(termination, "_stop_all", stop)


@mistake(shown_by=0)
def sandbox_goes_first(patch: Patch) -> None:
    """The sandbox is stopped while containers end."""
    found = termination._stop_all

    def stop(pod: Any, seen: Any, *rest: Any) -> Any:
        actions, wake = found(pod, seen, *rest)
        ready = tuple(StopSandbox(item.id) for item in seen.sandboxes if item.ready)
        return (*ready, *actions), wake

    patch.setattr(termination, "_stop_all", stop)


@mistake(shown_by=85)
def later_delete_wins(patch: Patch) -> None:
    """A deadline that was given may be put off: by a look, by another delete."""
    found = termination.next_ending
    patch.setattr(
        termination,
        "next_ending",
        lambda before, pod, **more: found(
            before if before and before.reason is not EndReason.DELETED else None, pod, **more
        ),
    )


@mistake(shown_by=17)
def first_delete_wins(patch: Patch) -> None:
    """A second delete with a shorter grace changes nothing."""
    found = termination.next_ending

    def ending(before: Ending | None, pod: Any, **more: Any) -> Ending | None:
        if before is not None and before.reason is EndReason.DELETED and not more["gone"]:
            return before
        return found(before, pod, **more)

    patch.setattr(termination, "next_ending", ending)


@mistake(shown_by=8)
def deadline_ignored(patch: Patch) -> None:
    """activeDeadlineSeconds are not looked at."""
    patch.setattr(termination, "active_deadline", lambda pod, said: None)


@mistake(shown_by=0)
def wakes_for_nothing(patch: Patch) -> None:
    """Nobody looks again when back-off is over."""
    patch.setattr(_Planner, "_wake", lambda self, at: None)


@mistake(shown_by=0)
def newest_record_removed(patch: Patch) -> None:
    """An ended container is removed as soon as another attempt is due."""
    found = _Planner._collect_garbage

    def collect(self: Any) -> None:
        found(self)
        known = {action.container_id for action in self.due if isinstance(action, RemoveContainer)}
        for view in self.views:
            if (
                view.exited is not None
                and view.in_sandbox
                and view.exited.id not in known
                and view.kind is ContainerKind.MAIN
            ):
                self.due.append(RemoveContainer(view.exited.id))

    patch.setattr(_Planner, "_collect_garbage", collect)


@mistake(shown_by=1)
def term_without_end(patch: Patch) -> None:
    """A container that has got its TERM gets it again with each look."""
    found = termination.stop_container

    def stop(item: Any, spec: Any, seen: Any, reason: Any, **more: Any) -> Any:
        action, wake = found(item, spec, seen, reason, **more)
        if action is None and item.id in seen.stopping and seen.stopping[item.id].termed_at is not None:
            return TermContainer(item.id, item.name, reason, more["deadline"]), wake
        return action, wake

    patch.setattr(termination, "stop_container", stop)


@mistake(shown_by=4)
def final_phase_changes(patch: Patch) -> None:
    """A final phase is computed anew with each status."""
    found = phase.compute_phase

    def compute_phase(pod: Any, said: Any, **more: Any) -> str:
        other = type(pod).FromString(pod.SerializeToString())
        other.status.phase = ""
        return found(other, said, **{**more, "ended": False})

    patch.setattr(status, "compute_phase", compute_phase)


@mistake(shown_by=0)
def ends_are_final(patch: Patch) -> None:
    """A container that shows its end is taken for done, though it will run again."""
    found = phase.compute_phase
    patch.setattr(
        status, "compute_phase", lambda pod, said, **more: found(pod, said, **{**more, "again": frozenset()})
    )


@mistake(shown_by=0)
def ends_are_not_told(patch: Patch) -> None:
    """A container that has ended and will run again is told as one that is being made."""
    found = status._Writer._why_waiting
    patch.setattr(
        status._Writer, "_why_waiting", lambda self, view: found(self, view) or ("ContainerCreating", "")
    )


@mistake(shown_by=2)
def sidecars_are_not_ready(patch: Patch) -> None:
    """ContainersReady does not count sidecars."""
    patch.setattr(phase, "kind_of_init", lambda spec: ContainerKind.INIT)


@mistake(shown_by=2)
def gates_ignored(patch: Patch) -> None:
    """Readiness gates are not looked at."""

    def ready(pod: Any, containers_ready: Any, before: Any) -> Any:
        return type(containers_ready)(
            type="Ready", status=containers_ready.status, reason=containers_ready.reason
        )

    patch.setattr(phase, "_ready", ready)


@mistake(shown_by=23)
def resize_policy_ignored(patch: Patch) -> None:
    """A resize that wants a new start is done in place, and never seen to be done."""
    patch.setattr(compute, "needs_restart", lambda spec, have, want: True)


@mistake(shown_by=0)
def the_sandbox_waits_for_nothing(patch: Patch) -> None:
    """A sandbox is made although something is missing that a volume needs."""
    found = _Planner._for_volumes
    patch.setattr(
        _Planner, "_for_volumes", lambda self, action: action is PrepareVolumes or found(self, action)
    )
