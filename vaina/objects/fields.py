"""The fields by which objects of a kind can be selected, for field selectors and the watch cache; upstream's."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf.message import Message

from vaina.kinds import Kind

_Getter = Callable[[Any], str]


def _bool(value: bool) -> str:
    return "true" if value else "false"


_COMMON: Final[Mapping[str, _Getter]] = {
    "metadata.name": lambda o: o.metadata.name,
    "metadata.namespace": lambda o: o.metadata.namespace,
}
_BY_KIND: Final[Mapping[str, Mapping[str, _Getter]]] = {
    "Pod": {
        "spec.nodeName": lambda o: o.spec.node_name,
        "spec.restartPolicy": lambda o: o.spec.restart_policy,
        "spec.schedulerName": lambda o: o.spec.scheduler_name,
        "spec.serviceAccountName": lambda o: o.spec.service_account_name,
        "spec.hostNetwork": lambda o: _bool(o.spec.host_network),
        "status.phase": lambda o: o.status.phase,
        "status.podIP": lambda o: o.status.pod_ip,
        # Taken by upstream's conversion, and not among what its strategy selects by: as if every Pod had none.
        "status.podIPs": lambda o: "",
        "status.nominatedNodeName": lambda o: o.status.nominated_node_name,
    },
    "Node": {"spec.unschedulable": lambda o: _bool(o.spec.unschedulable)},
    "Namespace": {"status.phase": lambda o: o.status.phase},
    "Secret": {"type": lambda o: o.type},
    "Event": {
        "involvedObject.kind": lambda o: o.involved_object.kind,
        "involvedObject.namespace": lambda o: o.involved_object.namespace,
        "involvedObject.name": lambda o: o.involved_object.name,
        "involvedObject.uid": lambda o: o.involved_object.uid,
        "involvedObject.apiVersion": lambda o: o.involved_object.api_version,
        "involvedObject.resourceVersion": lambda o: o.involved_object.resource_version,
        "involvedObject.fieldPath": lambda o: o.involved_object.field_path,
        "reason": lambda o: o.reason,
        "reportingComponent": lambda o: o.reporting_component,
        "source": lambda o: o.source.component or o.reporting_component,
        "type": lambda o: o.type,
    },
    "ReplicationController": {"status.replicas": lambda o: str(o.status.replicas)},
    "Job": {"status.successful": lambda o: str(o.status.succeeded)},
    "ReplicaSet": {"status.replicas": lambda o: str(o.status.replicas)},
    "Service": {"spec.clusterIP": lambda o: o.spec.cluster_ip, "spec.type": lambda o: o.spec.type},
    "ResourceSlice": {
        "spec.nodeName": lambda o: o.spec.node_name,
        "spec.driver": lambda o: o.spec.driver,
        "spec.pool.name": lambda o: o.spec.pool.name,
    },
    "CertificateSigningRequest": {"spec.signerName": lambda o: o.spec.signer_name},
    "PodTrace": {"spec.podName": lambda o: o.spec.pod_name, "spec.podUID": lambda o: o.spec.pod_uid},
}


def selectable_names(kind: Kind[Any]) -> tuple[str, ...]:
    """Return the names of the fields by which objects of the kind can be selected."""
    common = ("metadata.name", "metadata.namespace") if kind.namespaced else ("metadata.name",)
    return (*common, *_BY_KIND.get(kind.kind, {}))


def field_getter(kind: Kind[Any], name: str) -> Callable[[Any], str] | None:
    """Return what reads one selectable field of an object of the kind; None when it has no such field."""
    if name == "metadata.namespace" and not kind.namespaced:
        return None
    return _COMMON.get(name) or _BY_KIND.get(kind.kind, {}).get(name)


def selectable_fields(kind: Kind[Any], message: Message) -> dict[str, str]:
    """Return the selectable fields of an object with their values."""
    found: dict[str, str] = {}
    for name in selectable_names(kind):
        getter = field_getter(kind, name)
        if getter is not None:
            found[name] = getter(message)
    return found
