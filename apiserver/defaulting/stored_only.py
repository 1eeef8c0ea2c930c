"""Defaults of kinds that nothing in vaina acts on: Services and what belongs to them, policies, devices.

Follows `pkg/apis/core/v1/defaults.go`, and those of `discovery/v1`, `networking/v1` and `resource/v1`. What
upstream's registry allocates for a Service stays empty here: `apiserver/registry/services.py`.
"""

from collections.abc import Iterable

from vaina.api.core.v1 import endpoints_pb2, service_pb2
from vaina.api.discovery.v1 import endpoint_slice_pb2
from vaina.api.networking.v1 import ingress_class_pb2, network_policy_pb2
from vaina.api.resource.v1 import resource_claim_pb2
from vaina.objects.defaults import set_defaults
from vaina.objects.services import CLUSTER_IP, EXTERNAL_NAME, LOAD_BALANCER, NONE, is_externally_accessible

_AFFINITY_SECONDS = 10800


def default_service(service: service_pb2.Service) -> None:
    """Give a Service its type, its policies, and its ports protocols and targets (`SetDefaults_Service`)."""
    spec = service.spec
    set_defaults(spec, session_affinity=NONE, type=CLUSTER_IP)
    if spec.session_affinity == NONE:
        spec.ClearField("session_affinity_config")
    elif spec.session_affinity == "ClientIP":
        set_defaults(spec.session_affinity_config.client_ip, timeout_seconds=_AFFINITY_SECONDS)
    for port in spec.ports:
        set_defaults(port, protocol="TCP")
        target = port.target_port
        if not (target.str_val if target.type else target.int_val):
            target.Clear()
            target.int_val = port.port
    if is_externally_accessible(spec):
        set_defaults(spec, external_traffic_policy="Cluster")
    if spec.type != EXTERNAL_NAME:
        set_defaults(spec, internal_traffic_policy="Cluster")
    if spec.type == LOAD_BALANCER:
        set_defaults(spec, allocate_load_balancer_node_ports=True)
        default_service_status(service)


def default_service_status(service: service_pb2.Service) -> None:
    """Say that the addresses of a load balancer are its own."""
    if service.spec.type == LOAD_BALANCER:
        for each in service.status.load_balancer.ingress:
            if each.ip:
                set_defaults(each, ip_mode="VIP")


def default_endpoints(endpoints: endpoints_pb2.Endpoints) -> None:
    """Give ports their protocol."""
    for subset in endpoints.subsets:
        for port in subset.ports:
            set_defaults(port, protocol="TCP")


def default_endpoint_slice(found: endpoint_slice_pb2.EndpointSlice) -> None:
    """Give ports a name, which is empty, and their protocol."""
    for port in found.ports:
        set_defaults(port, name="", protocol="TCP")


def default_network_policy(policy: network_policy_pb2.NetworkPolicy) -> None:
    """Say which directions a policy is about, and give ports their protocol."""
    spec = policy.spec
    for ports in (*(rule.ports for rule in spec.ingress), *(rule.ports for rule in spec.egress)):
        for port in ports:
            set_defaults(port, protocol="TCP")
    if not spec.policy_types:
        spec.policy_types.extend(("Ingress", "Egress") if spec.egress else ("Ingress",))


def default_ingress_class(found: ingress_class_pb2.IngressClass) -> None:
    """Say that parameters are those of the cluster."""
    if found.spec.HasField("parameters"):
        set_defaults(found.spec.parameters, scope="Cluster")


def default_claim(claim: resource_claim_pb2.ResourceClaim) -> None:
    """Ask for one device where a request does not say how many, and compare where a toleration says not how."""
    _default_wish(claim.spec.devices)
    for found in claim.status.allocation.devices.results:
        _default_tolerations(found.tolerations)


def default_claim_template(template: resource_claim_pb2.ResourceClaimTemplate) -> None:
    """Complete the claim that is made from a template."""
    _default_wish(template.spec.spec.devices)


def _default_wish(wish: resource_claim_pb2.DeviceClaim) -> None:
    for request in wish.requests:
        for alternative in request.first_available:
            _default_count(alternative)
        if request.HasField("exactly"):
            _default_count(request.exactly)


def _default_count(
    asked: resource_claim_pb2.ExactDeviceRequest | resource_claim_pb2.DeviceSubRequest,
) -> None:
    set_defaults(asked, allocation_mode="ExactCount")
    if asked.allocation_mode == "ExactCount":
        set_defaults(asked, count=1)
    _default_tolerations(asked.tolerations)


def _default_tolerations(tolerations: Iterable[resource_claim_pb2.DeviceToleration]) -> None:
    for toleration in tolerations:
        set_defaults(toleration, operator="Equal")
