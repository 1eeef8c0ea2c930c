"""How many volumes and claims there are, counted at each scrape.

Names are of `pkg/controller/volume/persistentvolume/metrics/metrics.go`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from controller.volumes import BOUND, FILESYSTEM, Claim, Volume, claim_class, volume_class
from vaina.cache.lister import Lister


class BindingCollector(Collector):
    """Reads the binder's caches."""

    def __init__(self, registry: CollectorRegistry, claims: Lister[Claim], volumes: Lister[Volume]) -> None:
        self._claims, self._volumes = claims, volumes
        registry.register(self)

    def describe(self) -> Sequence[GaugeMetricFamily]:
        return ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        volumes, claims = self._volumes.list(), self._claims.list()
        plugins = Counter((_plugin(item), item.spec.volume_mode or FILESYSTEM) for item in volumes)
        yield _family(
            "pv_collector_total_pv_count", "Gauge measuring total number of persistent volumes",
            ("plugin_name", "volume_mode"), plugins,
        )  # fmt: skip
        for bound, word in ((True, "bound"), (False, "unbound")):
            chosen = [item for item in volumes if (item.status.phase == BOUND) is bound]
            yield _family(
                f"pv_collector_{word}_pv_count", f"Gauge measuring number of persistent volume currently {word}",
                ("storage_class",), Counter((volume_class(item),) for item in chosen),
            )  # fmt: skip
            wanted = [item for item in claims if (item.status.phase == BOUND) is bound]
            yield _family(
                f"pv_collector_{word}_pvc_count",
                f"Gauge measuring number of persistent volume claim currently {word}",
                ("namespace", "storage_class", "volume_attributes_class"),
                Counter(
                    (item.metadata.namespace, claim_class(item), item.spec.volume_attributes_class_name)
                    for item in wanted
                ),
            )


def _family(name: str, words: str, labels: Sequence[str], counted: Mapping[Any, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, words, labels=labels)
    for values, number in sorted(counted.items()):
        family.add_metric(values, number)
    return family


def _plugin(volume: Volume) -> str:
    fields = volume.spec.persistent_volume_source.ListFields()
    kind = fields[0][0].json_name if fields else "none"
    words = {"local": "kubernetes.io/local-volume", "hostPath": "kubernetes.io/host-path"}
    return words.get(kind, f"kubernetes.io/{kind}")
