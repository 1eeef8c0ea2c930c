"""Mistakes made on purpose in the controllers of Pods and in evictions.

One at least for each, and for each bound. For `mutations.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from apiserver.admission import node_restriction
from apiserver.authorization.authorizer import ALLOWED
from apiserver.authorization.node.authorizer import NodeAuthorizer
from apiserver.registry import eviction
from controller.cronjob.controller import CronJobController
from controller.daemonset import controller as daemon_set_shell
from controller.daemonset import reconcile as daemon_sets
from controller.deployment import rollout
from controller.disruption import reconcile as disruption
from controller.job import controller as job_shell
from controller.job import reconcile as jobs
from controller.job import tracking
from controller.job.tracking import Counting
from controller.local_path import reconcile as local_path
from controller.local_path.reconcile import HOSTNAME, without_node
from controller.persistent_volume import reconcile as persistent_volumes
from controller.statefulset import reconcile as stateful_sets
from controller.statefulset.controller import StatefulSetController
from controller.volume_protection import ClaimProtectionController
from vaina.errors import Conflict, NotFound
from vaina.objects.rollouts import Deployment, fenceposts, replicas_of

Patch = pytest.MonkeyPatch


def surges_too_far(patch: Patch) -> None:
    """surge: a rollout takes room for two more than it may."""

    def more(deployment: Deployment) -> tuple[int, int]:
        surge, away = fenceposts(deployment)
        return surge + 2, away

    patch.setattr(rollout, "fenceposts", more)


def takes_all_old_ones(patch: Patch) -> None:
    """unavailable: a rollout takes the old Pods before the new ones serve."""
    patch.setattr(
        rollout, "fenceposts", lambda deployment: (fenceposts(deployment)[0], replicas_of(deployment))
    )


def rolls_without_waiting(patch: Patch) -> None:
    """unavailable: a StatefulSet takes the next Pod before the last one is back."""
    patch.setattr(stateful_sets._Step, "_is_available", lambda self, pod: True)


def rolls_all_nodes_at_once(patch: Patch) -> None:
    """unavailable: a DaemonSet takes the Pods of all nodes."""
    made = daemon_sets._Step.__init__

    def init(self: Any, *args: Any) -> None:
        made(self, *args)
        self.away = 100

    patch.setattr(daemon_sets._Step, "__init__", init)


def forgets_a_node(patch: Patch) -> None:
    """I15: a DaemonSet does not look when a node changes."""
    patch.setattr(daemon_set_shell.DaemonSetController, "_on_node", lambda self, old, new: None)


def runs_one_more(patch: Patch) -> None:
    """I10: a Job has one Pod more than its parallelism."""
    wanted = jobs._wanted
    patch.setattr(jobs, "_wanted", lambda view: wanted(view) + 1 if wanted(view) else 0)


def tries_an_index_twice(patch: Patch) -> None:
    """counted: an index that a Pod is at gets another one."""

    def pending(view: Any, count: int) -> Sequence[int]:
        return view.indexes.missing(count, view.spec.completions)

    patch.setattr(jobs, "_pending", pending)


def counts_again(patch: Patch) -> None:
    """counted: a Pod that is counted stays among those that are to be."""

    def drop(status: Any, held: Any) -> None:
        uncounted = status.uncounted_terminated_pods
        for name in ("succeeded", "failed"):
            gone = [uid for uid in getattr(uncounted, name) if uid not in held]
            setattr(status, name, getattr(status, name) + len(gone))

    patch.setattr(tracking, "drop_released", drop)


def lets_go_before_it_notes(patch: Patch) -> None:
    """counted: Pods are let go, and what they were is not written before."""
    before = tracking.before_release

    def hasty(view: Any, plan: Any, done: Any, now: float) -> Counting:
        counting = before(view, plan, done, now)
        return Counting(view.job.status, counting.release, counting.more, counting.actions)

    patch.setattr(job_shell, "before_release", hasty)


def forces_its_pods(patch: Patch) -> None:
    """identity: a StatefulSet does not wait until a kubelet has ended a Pod, and makes the next of its name."""

    async def delete(self: StatefulSetController, key: str, pod: Any) -> None:
        meta = pod.metadata
        try:
            await self._client.pods.delete(meta.name, meta.namespace, uid=meta.uid, grace_period_seconds=0)
        except (NotFound, Conflict):
            return
        self._writes.deleted(key, meta.uid, self.clock.monotonic())

    patch.setattr(StatefulSetController, "_delete", delete)


def makes_all_in_a_row(patch: Patch) -> None:
    """identity: an ordered StatefulSet makes its Pods at once."""
    made = stateful_sets._Step.__init__

    def init(self: Any, *args: Any) -> None:
        made(self, *args)
        self.ordered = False

    patch.setattr(stateful_sets._Step, "__init__", init)


def makes_one_beside_the_ending(patch: Patch) -> None:
    """one-a-node: a DaemonSet does not wait until the Pod that it took has ended."""
    reconcile = daemon_set_shell.reconcile

    def hasty(daemon_set: Any, nodes: Any, pods: Any, *rest: Any) -> Any:
        staying = [pod for pod in pods if not pod.metadata.HasField("deletion_timestamp")]
        return reconcile(daemon_set, nodes, staying, *rest)

    patch.setattr(daemon_set_shell, "reconcile", hasty)


def grants_without_counting(patch: Patch) -> None:
    """budget: an eviction does not look at what is left of its budget."""
    patch.setattr(eviction, "take_one", lambda budget, pod_name, now: budget)


def counts_the_unready(patch: Patch) -> None:
    """budget: a budget takes every Pod for one that serves."""
    patch.setattr(disruption, "is_ready", lambda pod: True)


def lets_used_claims_go(patch: Patch) -> None:
    """volume: a claim that ends is not held for the Pods that use it."""

    async def unused(self: ClaimProtectionController, key: str, obj: Any) -> bool:
        return False

    patch.setattr(ClaimProtectionController, "_is_used", unused)


def forgets_which_node(patch: Patch) -> None:
    """volume: a volume is made on the first node there is, whichever the scheduler chose, and said to be on
    any; and nodes are not held to their own volumes, which alone keeps the others from making it.
    """
    patch.setattr(NodeAuthorizer, "_authorize_volume", lambda _self, _node, _asked: ALLOWED)
    patch.setattr(node_restriction, "_problem_of_volume", lambda _node, _new, _old: "")
    made = local_path.provision

    def anywhere(claim: Any, found: Any, nodes: Any, directory: str) -> Any:
        volume = made(without_node(claim), found, nodes[:1], directory)
        (term,) = volume.spec.node_affinity.required.node_selector_terms
        del term.match_expressions[:]
        term.match_expressions.add(key=HOSTNAME, operator="Exists")
        return volume

    patch.setattr(local_path, "provision", anywhere)


def keeps_what_nobody_has(patch: Patch) -> None:
    """I15: a volume stays Bound when its claim is gone."""
    patch.setattr(persistent_volumes, "_reclaim", lambda volume: persistent_volumes.Step())


def sleeps_through(patch: Patch) -> None:
    """I15: a CronJob is looked at when it changes, and not when it is time."""
    sync = CronJobController.sync

    async def once(self: CronJobController, key: str) -> float | None:
        await sync(self, key)
        return None

    patch.setattr(CronJobController, "sync", once)


Mutation = Callable[[Patch], None]
#: what is broken, and which invariants may tell
CONTROLLER_MUTATIONS: Mapping[Mutation, tuple[str, ...]] = {
    surges_too_far: ("surge",),
    takes_all_old_ones: ("unavailable",),
    rolls_without_waiting: ("unavailable", "identity"),
    rolls_all_nodes_at_once: ("unavailable",),
    forgets_a_node: ("I15",),
    runs_one_more: ("I10",),
    tries_an_index_twice: ("counted",),
    counts_again: ("counted",),
    lets_go_before_it_notes: ("counted",),
    forces_its_pods: ("identity",),
    makes_all_in_a_row: ("identity",),
    makes_one_beside_the_ending: ("one-a-node",),
    grants_without_counting: ("budget",),
    counts_the_unready: ("budget", "I15"),
    sleeps_through: ("I15",),
    lets_used_claims_go: ("volume",),
    forgets_which_node: ("volume",),
    keeps_what_nobody_has: ("I15",),
}
#: a step without which a mistake cannot show: stories that have none are not told
NEEDED: Mapping[Mutation, str] = {
    surges_too_far: "create-deployment",
    takes_all_old_ones: "create-deployment",
    rolls_without_waiting: "create-stateful-set",
    rolls_all_nodes_at_once: "create-daemon-set",
    forgets_a_node: "label-node",
    runs_one_more: "create-job",
    tries_an_index_twice: "create-job",
    counts_again: "create-job",
    lets_go_before_it_notes: "create-job",
    forces_its_pods: "create-stateful-set",
    makes_all_in_a_row: "create-stateful-set",
    makes_one_beside_the_ending: "create-daemon-set",
    grants_without_counting: "create-budget",
    counts_the_unready: "create-budget",
    sleeps_through: "create-cron-job",
    lets_used_claims_go: "delete-claim",
    forgets_which_node: "use-claim",
    keeps_what_nobody_has: "delete-claim",
}
