"""How many volumes and claims there are."""

from prometheus_client import CollectorRegistry

from controller.persistent_volume.controller import BindingCollector
from controller.volumes import Claim, Volume
from tests.unit.controller.persistent_volume.objects import claim, volume
from vaina.cache.list_watch import Replace
from vaina.cache.store import Lister, Store


def test_volumes_and_claims_are_counted_by_what_they_are() -> None:
    registry, claims, volumes = CollectorRegistry(), Store[Claim](), Store[Volume]()
    BindingCollector(registry, Lister(claims), Lister(volumes))
    bound = volume("b", phase="Bound")
    bound.spec.persistent_volume_source.local.path = "/x"
    volumes.replace(Replace({"a": volume("a"), "b": bound}))
    claims.replace(Replace({"x": claim("x", phase="Bound"), "y": claim("y"), "z": claim("z")}))

    where = {"namespace": "default", "storage_class": "fast", "volume_attributes_class": ""}
    value = registry.get_sample_value
    assert value("pv_collector_bound_pv_count", {"storage_class": "fast"}) == 1
    assert value("pv_collector_unbound_pv_count", {"storage_class": "fast"}) == 1
    assert value("pv_collector_bound_pvc_count", where) == 1
    assert value("pv_collector_unbound_pvc_count", where) == 2
    kind = {"plugin_name": "kubernetes.io/local-volume", "volume_mode": "Filesystem"}
    assert value("pv_collector_total_pv_count", kind) == 1
