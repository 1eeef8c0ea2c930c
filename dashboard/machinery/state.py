"""The machine that the cluster is, as values that JSON has. PURE; times are seconds since the epoch.

What is not known, since who knows it does not answer, is null.

components    [{component, identity, error, elects, leader}]   error: why it does not answer
leaders       [{name, holder, renewed, seconds, transitions, expired}]     Leases of kube-system
controllers   [{name, depth, inFlight, syncs, errors, synced, last...}]  each with its work queue
kubelets      {all, ready, unready: [{name, reason, since}], more}
streams       [{user, clients, agent, verb, resource, ..., count, since}]  what is open at the apiserver
storage       {revision, members: [{endpoint, error, version, size, inUse, leader}]}
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from dashboard.texts import cut
from vaina.api.controller.v1 import controller_service_pb2
from vaina.api.coordination.v1 import lease_pb2
from vaina.api.core.v1 import node_pb2
from vaina.api.machinery.v1 import machinery_service_pb2
from vaina.api.scheduler.v1 import scheduler_service_pb2
from vaina.clock import seconds_of
from vaina.objects.conditions import get_condition

#: Leases of kube-system, and nodes that are not ready, that are shown
MAX_LEASES: Final = 50
MAX_UNREADY: Final = 50
#: of a part that was asked and has said nothing yet
SILENT: Final = "no answer yet"


@dataclass(frozen=True, slots=True)
class Look:
    """What was answered at one look; an error in words where a part did not answer."""

    #: seconds since the epoch
    now: float
    apiserver: machinery_service_pb2.Machinery | str = ""
    scheduler: scheduler_service_pb2.OverviewResponse | str = ""
    controller: controller_service_pb2.ListControllersResponse | str = ""
    #: None: nobody has told
    leases: Sequence[lease_pb2.Lease] | None = ()
    nodes: Sequence[node_pb2.Node] | None = field(default=())
    #: there are more nodes
    more_nodes: bool = False


def machinery_of(look: Look) -> dict[str, Any]:
    """Return what is shown of a look."""
    leaders = None if look.leases is None else _leaders(look.leases, look.now)
    apiserver = look.apiserver
    return {
        "components": _components(look, leaders), "leaders": None if leaders is None else leaders[:MAX_LEASES],
        "controllers": None if isinstance(look.controller, str) else [_controller(one) for one in look.controller.controllers],
        "kubelets": None if look.nodes is None else _kubelets(look.nodes, look.more_nodes),
        "streams": None if isinstance(apiserver, str) else [_stream(one) for one in apiserver.streams],
        "open": None if isinstance(apiserver, str) else apiserver.open,
        "storage": None if isinstance(apiserver, str) else _storage(apiserver),
    }  # fmt: skip


def _components(look: Look, leaders: Sequence[dict[str, Any]] | None) -> list[dict[str, Any]]:
    holders = {one["name"]: one for one in leaders or ()}

    def component(name: str, identity: str, error: str, lease: str = "") -> dict[str, Any]:
        holder = holders.get(lease)
        leader = holder["holder"] if holder is not None and not holder["expired"] else ""
        return {
            "component": name, "identity": identity, "error": cut(error),
            "leader": None if lease and leaders is None else leader, "elects": bool(lease),
        }  # fmt: skip

    api, sched, control = look.apiserver, look.scheduler, look.controller
    shown = [
        component("apiserver", "", api) if isinstance(api, str) else component("apiserver", api.instance, ""),
        component("scheduler", "", sched, "kube-scheduler")
        if isinstance(sched, str)
        else component("scheduler", sched.answered_by.identity, "", "kube-scheduler"),
        component("controller", "", control, "kube-controller-manager")
        if isinstance(control, str)
        else component("controller", control.identity, "", "kube-controller-manager"),
    ]
    members = [] if isinstance(api, str) else api.storage
    return [*shown, *(component("etcd", one.endpoint, one.error) for one in members)]


def _leaders(leases: Iterable[lease_pb2.Lease], now: float) -> list[dict[str, Any]]:
    return [_leader(lease, now) for lease in sorted(leases, key=lambda it: it.metadata.name)]


def _leader(lease: lease_pb2.Lease, now: float) -> dict[str, Any]:
    spec = lease.spec
    renewed = seconds_of(spec.renew_time)
    expired = not spec.holder_identity or renewed + spec.lease_duration_seconds < now
    return {
        "name": lease.metadata.name, "holder": cut(spec.holder_identity, 300), "renewed": renewed,
        "seconds": spec.lease_duration_seconds, "transitions": spec.lease_transitions, "expired": expired,
    }  # fmt: skip


def _controller(state: controller_service_pb2.ControllerState) -> dict[str, Any]:
    return {
        "name": state.name, "depth": state.queue_depth, "inFlight": state.in_flight, "syncs": state.syncs,
        "errors": state.errors, "synced": state.synced, "lastKey": cut(state.last_sync_key, 300),
        "lastAt": seconds_of(state.last_sync_time), "lastSeconds": state.last_sync_seconds,
        "lastError": cut(state.last_error), "lastErrorAt": seconds_of(state.last_error_time),
    }  # fmt: skip


def _kubelets(nodes: Iterable[node_pb2.Node], more: bool) -> dict[str, Any]:
    unready: list[dict[str, Any]] = []
    count = ready_count = 0
    for node in nodes:
        count += 1
        ready = get_condition(node.status, "Ready")
        if ready is not None and ready.status == "True":
            ready_count += 1
            continue
        reason = f"{ready.reason}: {ready.message}" if ready is not None else ""
        since = seconds_of(ready.last_transition_time) if ready is not None else 0.0
        unready.append({"name": node.metadata.name, "reason": cut(reason), "since": since})
    return {"all": count, "ready": ready_count, "unready": unready[:MAX_UNREADY], "more": more}


def _stream(one: machinery_service_pb2.Stream) -> dict[str, Any]:
    resource = f"{one.resource}.{one.group}" if one.group else one.resource
    return {
        "user": one.user, "as": one.impersonated_user, "clients": one.clients, "agent": one.user_agent, "verb": one.verb,
        "resource": f"{resource}/{one.subresource}" if one.subresource else resource, "namespace": one.namespace,
        "labels": one.label_selector, "fields": one.field_selector, "rest": one.rest, "count": one.count,
        "since": seconds_of(one.oldest),
    }  # fmt: skip


def _storage(found: machinery_service_pb2.Machinery) -> dict[str, Any]:
    return {
        "revision": found.revision,
        "members": [
            {
                "endpoint": one.endpoint, "error": cut(one.error), "version": one.version, "size": one.size_bytes,
                "inUse": one.size_in_use_bytes, "leader": one.leader,
            }
            for one in found.storage
        ],
    }  # fmt: skip
