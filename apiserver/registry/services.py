"""What is special about Services, the addresses behind them, and claims to devices.

Follows `pkg/registry/core/service` (`strategy.go`, `storage/storage.go`, `storage/alloc.go`),
`pkg/registry/discovery/endpointslice/strategy.go` and `pkg/registry/resource/*/strategy.go`.

Nothing allocates addresses and ports for a Service: `clusterIP` is empty, or "None", or what the author has
written; `nodePort` and `healthCheckNodePort` are 0, or what is written. `ipFamilies` and `ipFamilyPolicy` are
filled in as on a cluster whose network is IPv4 alone, as vaina's is.
"""

from google.protobuf.message import Message

from apiserver.defaulting.stored_only import default_service_status
from apiserver.registry.strategy import Strategy
from vaina.api.core.v1 import endpoints_pb2, service_pb2
from vaina.api.discovery.v1 import endpoint_slice_pb2
from vaina.api.resource.v1 import device_taint_rule_pb2, resource_claim_pb2, resource_slice_pb2
from vaina.clock import timestamp
from vaina.objects.services import (
    EXTERNAL_NAME,
    LOAD_BALANCER,
    NONE,
    has_node_ports,
    is_externally_accessible,
    needs_health_check,
)

_Spec = service_pb2.ServiceSpec


class ServiceStrategy(Strategy[service_pb2.Service]):
    """Services have no generation; an update creates them."""

    allow_create_on_update = True

    def prepare_for_create(self, obj: service_pb2.Service, now: float) -> None:
        """Write a clusterIP in both fields."""
        super().prepare_for_create(obj, now)
        spec = obj.spec
        if spec.cluster_ip and not spec.cluster_ips:
            spec.cluster_ips.append(spec.cluster_ip)
        _set_families(spec)

    def prepare_for_update(self, new: service_pb2.Service, old: service_pb2.Service, now: float) -> None:
        """Keep what the author did not repeat, and drop what the new type does not have."""
        super().prepare_for_update(new, old, now)
        _keep_allocated(new.spec, old.spec)
        _match_cluster_ips(new.spec, old.spec)
        if (
            new.spec.type != EXTERNAL_NAME
            and not new.spec.HasField("ip_family_policy")
            and old.spec.HasField("ip_family_policy")
        ):
            new.spec.ip_family_policy = old.spec.ip_family_policy
        _release_second(new.spec, old.spec)
        _set_families(new.spec)
        _drop_of_other_types(new.spec, old.spec)
        if new.spec.type != LOAD_BALANCER:
            new.status.ClearField("load_balancer")

    def prepare_for_status_update(
        self, new: service_pb2.Service, old: service_pb2.Service, now: float
    ) -> None:
        """Give a status that is written the defaults of one that comes with the object."""
        default_service_status(new)


def _set_families(spec: _Spec) -> None:
    """Say which families of addresses a Service has (`initIPFamilyFields`)."""
    if spec.type == EXTERNAL_NAME:
        return
    for_anybody = spec.cluster_ip == NONE and not spec.selector
    if not spec.HasField("ip_family_policy"):
        spec.ip_family_policy = "RequireDualStack" if for_anybody else "SingleStack"
    if not spec.ip_families:
        spec.ip_families.append("IPv4")
    if for_anybody and len(spec.ip_families) < 2 and spec.ip_family_policy != "SingleStack":
        spec.ip_families.append("IPv6" if spec.ip_families[0] == "IPv4" else "IPv4")


def _release_second(new: _Spec, old: _Spec) -> None:
    """Let a Service that is to have one family, and says nothing else, have the first of its two."""
    if new.type == EXTERNAL_NAME or new.ip_family_policy != "SingleStack":
        return
    if new.cluster_ip == old.cluster_ip and new.cluster_ips == old.cluster_ips:
        del new.cluster_ips[1:]
    if new.ip_families == old.ip_families:
        del new.ip_families[1:]


def _keep_allocated(new: _Spec, old: _Spec) -> None:
    """Take over what an author need not repeat (`patchAllocatedValues`)."""
    if EXTERNAL_NAME not in {new.type, old.type}:
        new.cluster_ip = new.cluster_ip or old.cluster_ip
        if not new.cluster_ips:
            new.cluster_ips.extend(old.cluster_ips)
    if has_node_ports(new) and has_node_ports(old):
        used = {port.node_port for port in new.ports} & {port.node_port for port in old.ports}
        by_name = {port.name: port.node_port for port in old.ports}
        for port in new.ports:
            known = by_name.get(port.name, 0)
            if not port.node_port and known not in used:
                port.node_port = known
    if needs_health_check(new) and needs_health_check(old):
        new.health_check_node_port = new.health_check_node_port or old.health_check_node_port


def _match_cluster_ips(new: _Spec, old: _Spec) -> None:
    """Let both fields follow the one that was changed (`normalizeClusterIPs`)."""
    if new.cluster_ip == old.cluster_ip:
        if not new.cluster_ips:
            new.cluster_ips.extend(old.cluster_ips)
    elif new.cluster_ips == old.cluster_ips:
        new.ClearField("cluster_ips")
        if new.cluster_ip:
            new.cluster_ips.append(new.cluster_ip)


def _drop_of_other_types(new: _Spec, old: _Spec) -> None:
    """Drop what belongs to the old type, unless it was changed too (`dropTypeDependentFields`)."""
    if new.type == EXTERNAL_NAME != old.type:
        if new.cluster_ip == old.cluster_ip and new.cluster_ips == old.cluster_ips:
            new.ClearField("cluster_ip")
            new.ClearField("cluster_ips")
        for field in ("ip_families", "ip_family_policy"):
            _drop_if_same(new, old, field)
    ports = {port.node_port for port in new.ports if port.node_port}
    if has_node_ports(old) and not has_node_ports(new) and ports <= {port.node_port for port in old.ports}:
        for port in new.ports:
            port.ClearField("node_port")
    if needs_health_check(old) and not needs_health_check(new):
        _drop_if_same(new, old, "health_check_node_port")
    if old.type == LOAD_BALANCER != new.type:
        for field in ("allocate_load_balancer_node_ports", "load_balancer_class"):
            _drop_if_same(new, old, field)
    if is_externally_accessible(old) and not is_externally_accessible(new):
        _drop_if_same(new, old, "external_traffic_policy")


def _drop_if_same(new: _Spec, old: _Spec, field: str) -> None:
    if getattr(new, field) == getattr(old, field):
        new.ClearField(field)


class EndpointsStrategy(Strategy[endpoints_pb2.Endpoints]):
    """An update creates Endpoints."""

    allow_create_on_update = True


class EndpointSliceStrategy(Strategy[endpoint_slice_pb2.EndpointSlice]):
    """Labels raise the generation of an EndpointSlice too; `deprecatedTopology` cannot be written in v1."""

    has_generation = True

    def prepare_for_create(self, obj: endpoint_slice_pb2.EndpointSlice, now: float) -> None:
        for endpoint in obj.endpoints:
            endpoint.ClearField("deprecated_topology")

    def prepare_for_update(
        self, new: endpoint_slice_pb2.EndpointSlice, old: endpoint_slice_pb2.EndpointSlice, now: float
    ) -> None:
        if new.endpoints != old.endpoints:
            for endpoint in new.endpoints:
                endpoint.ClearField("deprecated_topology")

    def raises_generation(
        self, new: endpoint_slice_pb2.EndpointSlice, old: endpoint_slice_pb2.EndpointSlice
    ) -> bool:
        return new.metadata.labels != old.metadata.labels or _without_metadata(new) != _without_metadata(old)


def _without_metadata(obj: endpoint_slice_pb2.EndpointSlice) -> Message:
    copied = endpoint_slice_pb2.EndpointSlice()
    copied.CopyFrom(obj)
    copied.ClearField("metadata")
    return copied


class ResourceClaimStrategy(Strategy[resource_claim_pb2.ResourceClaim]):
    """A write of a claim's status changes nothing else.

    It drops what drivers said of devices that are given back (dropDeallocatedStatusDevices).
    """

    kept_by_status: tuple[str, ...] = (
        "deletion_timestamp", "labels", "annotations", "finalizers", "owner_references",
    )  # fmt: skip

    def prepare_for_status_update(
        self, new: resource_claim_pb2.ResourceClaim, old: resource_claim_pb2.ResourceClaim, now: float
    ) -> None:
        kept = {_device(each) for each in new.status.allocation.devices.results}
        gone = {_device(each) for each in old.status.allocation.devices.results} - kept
        left = [each for each in new.status.devices if _device(each) not in gone]
        # A status that is not there is not to be made.
        if len(left) < len(new.status.devices):
            new.status.ClearField("devices")
            new.status.devices.extend(left)


def _device(
    found: resource_claim_pb2.DeviceRequestAllocationResult | resource_claim_pb2.AllocatedDeviceStatus,
) -> tuple[str, str, str, str]:
    return found.driver, found.pool, found.device, found.share_id


class ResourceSliceStrategy(Strategy[resource_slice_pb2.ResourceSlice]):
    """A ResourceSlice has a generation. Taints that say no time were added when the slice was created.

    Upstream sets the time whenever it reads an object without it; an update that leaves it out keeps the
    stored one here.
    """

    has_generation = True

    def prepare_for_create(self, obj: resource_slice_pb2.ResourceSlice, now: float) -> None:
        for device in obj.spec.devices:
            for taint in device.taints:
                _date(taint, now)

    def prepare_for_update(
        self, new: resource_slice_pb2.ResourceSlice, old: resource_slice_pb2.ResourceSlice, now: float
    ) -> None:
        since = {
            (device.name, taint.key, taint.value, taint.effect): taint.time_added
            for device in old.spec.devices
            for taint in device.taints
            if taint.HasField("time_added")
        }
        for device in new.spec.devices:
            for taint in device.taints:
                known = since.get((device.name, taint.key, taint.value, taint.effect))
                if known is not None and not taint.HasField("time_added"):
                    taint.time_added.CopyFrom(known)


class DeviceTaintRuleStrategy(Strategy[device_taint_rule_pb2.DeviceTaintRule]):
    """A rule says since when its effect holds; an update names the version that it changes."""

    allow_unconditional_update = False
    has_generation = True
    kept_by_status: tuple[str, ...] = (
        "deletion_timestamp", "labels", "annotations", "finalizers", "owner_references",
    )  # fmt: skip

    def prepare_for_create(self, obj: device_taint_rule_pb2.DeviceTaintRule, now: float) -> None:
        super().prepare_for_create(obj, now)
        _date(obj.spec.taint, now)

    def prepare_for_update(
        self,
        new: device_taint_rule_pb2.DeviceTaintRule,
        old: device_taint_rule_pb2.DeviceTaintRule,
        now: float,
    ) -> None:
        """Date the taint anew when its effect changes and its time does not."""
        super().prepare_for_update(new, old, now)
        taint, before = new.spec.taint, old.spec.taint
        if taint.effect != before.effect and taint.time_added == before.time_added:
            taint.ClearField("time_added")
        _date(taint, now)


def _date(taint: resource_slice_pb2.DeviceTaint, now: float) -> None:
    """Give a taint that says no time the present one, in whole seconds (`SetDefaults_DeviceTaint`)."""
    if not taint.HasField("time_added"):
        taint.time_added.CopyFrom(timestamp(int(now)))
