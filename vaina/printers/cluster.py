"""Columns of nodes, namespaces, configuration, events, rights, certificates, quotas, leases and traces."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from vaina.clock import seconds_of
from vaina.objects import nodes
from vaina.objects.conditions import get_condition
from vaina.printers.cells import (
    NONE,
    UNKNOWN,
    Cell,
    at,
    count,
    event_count,
    event_source,
    event_times,
    human_duration,
    precise,
    show_amount,
)
from vaina.printers.columns import AGE, NAME, Column, Columns, boolean, integer, named, wide


def _node_status(node: Any, _: float) -> str:
    ready = get_condition(node.status, "Ready")
    word = "Unknown" if ready is None else "Ready" if ready.status == "True" else "NotReady"
    return f"{word},SchedulingDisabled" if node.spec.unschedulable else word


def _kernel(node: Any, _: float) -> str:
    info = node.status.node_info
    version = info.kernel_version or UNKNOWN
    return f"{version} ({info.architecture})" if info.architecture else version


def _requested_duration(csr: Any, _: float) -> str:
    return human_duration(csr.spec.expiration_seconds) if csr.spec.HasField("expiration_seconds") else NONE


def _decision(csr: Any, _: float) -> str:
    """Show what became of a certificate request: Pending, Approved,Issued and so on (extractCSRStatus)."""
    types = {condition.type for condition in csr.status.conditions}
    word = next((word for word in ("Denied", "Approved") if word in types), "Pending")
    return f"{word}{',Failed' * ('Failed' in types)}{',Issued' * bool(csr.status.certificate)}"


def _quota(*, limits: bool) -> Cell:
    def cell(quota: Any, _: float) -> str:
        used, hard = quota.status.used, quota.status.hard
        names = (name for name in sorted(hard) if name.startswith("limits") == limits)
        return ", ".join(f"{name}: {show_amount(used, name)}/{show_amount(hard, name)}" for name in names)

    return cell


def _took(trace: Any, _: float) -> str:
    steps = trace.status.steps
    if not steps:
        return ""
    starts = [seconds_of(s.start_time if s.start_time.seconds else s.end_time) for s in steps]
    ends = [seconds_of(s.end_time if s.end_time.seconds else s.start_time) for s in steps]
    return precise(max(ends) - min(starts))


def _event_since(which: int) -> Cell:
    def cell(event: Any, now: float) -> str:
        seconds = event_times(event)[which]
        return UNKNOWN if seconds is None else human_duration(now - seconds)

    return cell


def _involved(event: Any, _: float) -> str:
    about = event.involved_object
    return f"{about.kind.lower()}/{about.name}" if about.name else str(about.kind.lower())


def _role_ref(binding: Any, _: float) -> str:
    return f"{binding.role_ref.kind}/{binding.role_ref.name}"


def _subjects(kind: str) -> Cell:
    def cell(binding: Any, _: float) -> str:
        found = [subject for subject in binding.subjects if subject.kind == kind]
        return ", ".join(f"{s.namespace}/{s.name}" if kind == "ServiceAccount" else s.name for s in found)

    return cell


_BOUND: Final = named(
    Column("Role", "The role whose rights are given.", _role_ref),
    wide=(
        wide("Users", "The users who get the rights.", _subjects("User")),
        wide("Groups", "The groups whose members get the rights.", _subjects("Group")),
        wide("ServiceAccounts", "The ServiceAccounts that get the rights.", _subjects("ServiceAccount")),
    ),
)

COLUMNS: Final[Mapping[str, Columns]] = {
    "Node": (
        NAME,
        Column("Status", "Whether the node is ready, and whether it takes Pods.", _node_status),
        Column("Roles", "What the node is for, by its labels.", lambda it, _: ",".join(nodes.roles(it)) or NONE),
        AGE,
        Column("Version", "The version of its kubelet.", at("status.node_info.kubelet_version")),
        wide("Internal-IP", "Its address within the cluster.", lambda node, _: nodes.address(node) or NONE),
        wide("External-IP", "Its address outside.", lambda node, _: nodes.address(node, "ExternalIP") or NONE),
        wide("OS-Image", "Its operating system.", at("status.node_info.os_image", UNKNOWN)),
        wide("Kernel-Version", "Its kernel, and the kind of its processor.", _kernel),
        wide(
            "Container-Runtime", "What runs its containers.",
            at("status.node_info.container_runtime_version", UNKNOWN),
        ),
    ),
    "Namespace": named(Column("Status", "Whether the namespace is in use or ends.", at("status.phase"))),
    "ConfigMap": named(
        Column(
            "Data", "How many entries it has, text and bytes.",
            lambda config, _: len(config.data) + len(config.binary_data),
        )
    ),
    "Secret": named(
        Column("Type", "What the secret is for.", at("type")),
        Column("Data", "How many entries it has.", count("data")),
    ),
    "ServiceAccount": named(),
    "Event": (
        Column("Last Seen", "How long ago it last happened.", _event_since(1)),
        Column("Type", "Normal or Warning.", at("type")),
        Column("Reason", "Why it happened, in one word.", at("reason")),
        Column("Object", "What it happened to.", _involved),
        wide("Subobject", "To which part of the object.", at("involved_object.field_path")),
        wide("Source", "Who tells of it.", lambda event, _: event_source(event)),
        Column("Message", "What happened.", lambda event, _: event.message.strip()),
        wide("First Seen", "How long ago it first happened.", _event_since(0)),
        wide("Count", "How often it happened.", lambda event, _: event_count(event)),
        replace(NAME, wide=True),
    ),
    "RoleBinding": _BOUND,
    "ClusterRoleBinding": _BOUND,
    "ResourceQuota": named(
        Column("Request", "Of each resource that Pods request, what is used and what may be.", _quota(limits=False)),
        Column("Limit", "Of each resource's limits, what is used and what may be.", _quota(limits=True)),
    ),
    "PriorityClass": (
        NAME,
        integer("Value", "The priority of Pods of the class.", at("value")),
        boolean("Global-Default", "Whether Pods without a class are of this one.", at("global_default")),
        AGE,
        Column(
            "PreemptionPolicy", "Whether its Pods may take the place of others.", at("preemption_policy")
        ),
    ),
    "RuntimeClass": named(Column("Handler", "What the node's runtime calls it.", at("handler"))),
    "Lease": named(Column("Holder", "Who has the lease.", at("spec.holder_identity"))),
    "CertificateSigningRequest": (
        NAME,
        AGE,
        Column("SignerName", "Who is to sign.", at("spec.signer_name", NONE)),
        Column("Requestor", "Who asks for the certificate.", at("spec.username")),
        Column("RequestedDuration", "For how long the certificate is to be good.", _requested_duration),
        Column("Condition", "What became of the request.", _decision),
    ),
    "PodTrace": named(
        Column("Pod", "The Pod whose steps these are.", at("spec.pod_name")),
        Column("Steps", "How many of the seven steps are done.", lambda trace, _: f"{len(trace.status.steps)}/7"),
        Column("Took", "The time from the first step to the last.", _took),
        wide=(wide("Node", "The node that the Pod is on.", at("status.node_name", NONE)),),
    ),
    "Status": (
        Column("Status", "Success or Failure.", at("status")),
        Column("Reason", "Why, in one word.", at("reason")),
        Column("Message", "What happened.", at("message")),
    ),
}  # fmt: skip
