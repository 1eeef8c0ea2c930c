"""Eviction: a Pod is deleted if its PodDisruptionBudget allows it. Called by the Pod service.

Follows `pkg/registry/core/pod/storage/eviction.go` and
https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/. What is allowed is counted down in the
budget's status by compare-and-swap before the Pod is marked: of two evictions that want the last one, one
gets it. The disruption controller counts it up again.
"""

from dataclasses import replace
from typing import Final

from apiserver.context import Context
from apiserver.registry.changing import Edit
from apiserver.registry.deletion import DeleteOptions
from apiserver.registry.metadata import DEFAULT_NAMESPACE
from apiserver.registry.options import ListOptions, parse_version
from apiserver.registry.store import Store
from apiserver.storage.interface import Stored
from vaina.api.core.v1 import pod_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.clock import timestamp
from vaina.errors import (
    ApiError,
    Conflict,
    FieldError,
    Forbidden,
    InternalError,
    Invalid,
    Timeout,
    TooManyRequests,
)
from vaina.objects import field_path
from vaina.objects.conditions import set_condition
from vaina.objects.disruption_budgets import DISRUPTION_TARGET, covers, set_disruption_allowed, sync_failure
from vaina.objects.pods import is_ready, is_terminal

Budget = pod_disruption_budget_pb2.PodDisruptionBudget

_IGNORE: Final = field_path.Path("deleteOptions").child("ignoreStoreReadErrorWithClusterBreakingPotential")
EVICTION_BY_API: Final = "EvictionByEvictionAPI"
#: names of Pods in a budget's status; more evictions are refused until the controller has seen them go
MAX_DISRUPTED_PODS: Final = 2000
#: tries with a Pod that changes meanwhile
_ROUNDS: Final = 20
_RETRY_SECONDS: Final = 10.0
_REFUSED: Final = "Cannot evict pod as it would violate the pod's disruption budget."
_SEVERAL: Final = (
    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
)


class Evictor:
    """Evicts Pods. Holds no state."""

    def __init__(self, pods: Store[pod_pb2.Pod], budgets: Store[Budget]) -> None:
        self._pods, self._budgets = pods, budgets

    async def evict(self, ctx: Context, namespace: str, name: str, options: DeleteOptions) -> None:
        """Delete a Pod, if its budget allows it.

        Raises TooManyRequests when its budget does not allow it, or not yet; NotFound, Conflict, Forbidden;
        InternalError for two budgets; Invalid for a Pod that cannot be read (`ignore_store_read_error`),
        because its budget is unknown.
        """
        if options.ignore_store_read_error:
            words = "can not be set for pod eviction, try after removing the option"
            raise Invalid.of("Eviction", name, [field_path.invalid(_IGNORE, True, words)], group="policy")
        namespace = namespace or DEFAULT_NAMESPACE
        for _ in range(_ROUNDS):
            pod = self._pods.decode(await self._pods.get(namespace, name))
            try:
                await self._evict(ctx, pod, options)
            except Conflict:
                # The conflict is the answer when the caller set a precondition. Otherwise another writer was
                # faster: try again.
                if options.resource_version or options.uid not in ("", pod.metadata.uid):
                    raise
            else:
                return
        raise Timeout(f'pod "{name}" changes too often to be evicted', retry_seconds=_RETRY_SECONDS)

    async def _evict(self, ctx: Context, pod: pod_pb2.Pod, options: DeleteOptions) -> None:
        if is_beyond_budgets(pod):
            # Ready by the time it is deleted, a Pod would count; ended, it does not.
            pending = not is_terminal(pod) and not pod.metadata.HasField("deletion_timestamp")
            await self._delete(ctx, pod, _at(pod, options) if pending else options)
            return
        budget = await self._budget_of(pod)
        unhealthy = budget is not None and not is_ready(pod) and may_go_unready(budget)
        if budget is not None and not unhealthy:
            await self._take_one(ctx, pod, budget)
        try:
            await self._delete(ctx, pod, _at(pod, options) if unhealthy else options)
        except Conflict:
            if unhealthy and budget is not None and not options.resource_version:
                raise _in_work(budget) from None
            raise

    async def _budget_of(self, pod: pod_pb2.Pod) -> Budget | None:
        """Return the budget of a Pod. Raises InternalError when there are several."""
        budgets = await self._budgets.list_all(ListOptions(namespace=pod.metadata.namespace))
        found = [budget for budget in budgets if covers(budget, pod.metadata.labels)]
        if len(found) > 1:
            raise InternalError(_SEVERAL)
        return found[0] if found else None

    async def _take_one(self, ctx: Context, pod: pod_pb2.Pod, budget: Budget) -> None:
        """Count down the allowed disruptions by one. Raises TooManyRequests, Forbidden."""
        name = pod.metadata.name

        def build(stored: Budget) -> Budget:
            return take_one(stored, name, self._budgets.now())

        meta = budget.metadata
        await self._budgets.change(Edit(ctx, meta.namespace, meta.name, build, meta.uid))

    async def _delete(self, ctx: Context, pod: pod_pb2.Pod, options: DeleteOptions) -> Stored:
        """Say on the Pod what ends it, and delete it: this Pod alone, not another one of the same name."""
        meta, version = pod.metadata, options.resource_version
        uid = options.uid or meta.uid
        if not ctx.dry_run and not meta.HasField("deletion_timestamp"):
            wanted = parse_version(version) if version else None
            marked = await self._pods.change(Edit(ctx, meta.namespace, meta.name, self._mark, uid, wanted))
            version = str(marked.version) if version else ""
        exact = replace(options, uid=uid, resource_version=version)
        return await self._pods.delete(ctx, meta.namespace, meta.name, exact)

    def _mark(self, pod: pod_pb2.Pod) -> pod_pb2.Pod:
        now = self._pods.now()
        set_condition(
            pod.status,
            pod_pb2.PodCondition(
                type=DISRUPTION_TARGET, status="True", reason=EVICTION_BY_API, message="Eviction API: evicting",
                last_transition_time=timestamp(now),
            ),
            now,
        )  # fmt: skip
        return pod


def is_beyond_budgets(pod: pod_pb2.Pod) -> bool:
    """Say whether a Pod is of no account to a budget: it has ended, has not begun, or is ending already."""
    return pod.status.phase in ("Succeeded", "Failed", "Pending") or pod.metadata.HasField(
        "deletion_timestamp"
    )


def may_go_unready(budget: Budget) -> bool:
    """Say whether Pods that are not ready may go uncounted: `spec.unhealthyPodEvictionPolicy` (KEP-3017)."""
    status = budget.status
    if budget.spec.unhealthy_pod_eviction_policy == "AlwaysAllow":
        return True
    return 0 < status.desired_healthy <= status.current_healthy


def take_one(budget: Budget, pod_name: str, now: float) -> Budget:
    """Return the budget with one disruption less to give; `now` in seconds since the epoch.

    Raises TooManyRequests when there is none, or nobody knows yet; Forbidden when its status makes no sense.
    """
    status, name = budget.status, budget.metadata.name
    if status.observed_generation < budget.metadata.generation:
        raise _in_work(budget)
    if status.disruptions_allowed < 0:
        raise _forbidden(name, "pdb disruptions allowed is negative")
    if len(status.disrupted_pods) > MAX_DISRUPTED_PODS:
        raise _forbidden(
            name, "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        )
    if not status.disruptions_allowed:
        failure = sync_failure(budget)
        why = (
            f"The disruption budget {name} needs {status.desired_healthy} healthy pods and has "
            f"{status.current_healthy} currently"
            if failure is None
            else f"The disruption budget {name} does not allow evicting pods currently because it failed sync: {failure}"
        )
        raise _refusal(why, 0.0)
    status.disruptions_allowed -= 1
    if not status.disruptions_allowed:
        set_disruption_allowed(budget, now)
    status.disrupted_pods[pod_name].CopyFrom(timestamp(now))
    return budget


def _at(pod: pod_pb2.Pod, options: DeleteOptions) -> DeleteOptions:
    """Return options that hold for the version that was looked at, unless the caller named one."""
    return (
        options
        if options.resource_version
        else replace(options, resource_version=pod.metadata.resource_version)
    )


def _in_work(budget: Budget) -> ApiError:
    return _refusal(
        f"The disruption budget {budget.metadata.name} is still being processed by the server.",
        _RETRY_SECONDS,
    )


def _refusal(why: str, retry_seconds: float) -> ApiError:
    cause = FieldError(type="DisruptionBudget", field="", detail=why)
    return TooManyRequests(_REFUSED, causes=[cause], retry_seconds=retry_seconds)


def _forbidden(name: str, why: str) -> ApiError:
    return Forbidden(
        f'poddisruptionbudget.policy "{name}" is forbidden: {why}',
        group="policy",
        kind="poddisruptionbudget",
        name=name,
    )
