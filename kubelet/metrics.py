"""The kubelet's metrics, by upstream's names, labels and buckets."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from vaina.clock import Clock
from vaina.metrics import exponential_buckets

_START_BUCKETS = (
    0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600,
)  # fmt: skip
RUN_POD_SANDBOX = "run_podsandbox"
_SYNC_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 20, 30, 45, 60)


class KubeletMetrics:
    """All of one kubelet. Hollow kubelets of one process share one."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock = clock
        counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        histogram = partial(Histogram, registry=registry)
        self.pod_start = histogram(
            "kubelet_pod_start_duration_seconds",
            "From the Pod being seen to its containers being started.",
            buckets=_START_BUCKETS,
        )
        self.pod_start_sli = histogram(
            "kubelet_pod_start_sli_duration_seconds",
            "From the Pod's creation to its containers being started and seen by the kubelet.",
            buckets=_START_BUCKETS,
        )
        self.worker = histogram(
            "kubelet_pod_worker_duration_seconds", "A pass of a Pod worker.", ["operation_type"]
        )
        self.worker_start = histogram(
            "kubelet_pod_worker_start_duration_seconds", "From the Pod being seen to its worker beginning."
        )
        self.status_sync = histogram(
            "kubelet_pod_status_sync_duration_seconds", "Writing a Pod's status.", buckets=_SYNC_BUCKETS
        )
        self.relist = histogram("kubelet_pleg_relist_duration_seconds", "A relist.")
        self.relist_interval = histogram("kubelet_pleg_relist_interval_seconds", "Between two relists.")
        self.last_relist = gauge(
            "kubelet_pleg_last_seen_seconds", "When the last relist was, since the epoch."
        )
        self.operations = counter("kubelet_runtime_operations", "Runtime operations.", ["operation_type"])
        self.operation_errors = counter(
            "kubelet_runtime_operations_errors", "Runtime operations that failed.", ["operation_type"]
        )
        self.operation_duration = histogram(
            "kubelet_runtime_operations_duration_seconds",
            "Duration of runtime operations.",
            ["operation_type"],
            buckets=exponential_buckets(0.005, 2.5, 14),
        )
        self.running_pods = gauge("kubelet_running_pods", "Pods with a running sandbox.")
        self.running_containers = gauge(
            "kubelet_running_containers", "Containers by state.", ["container_state"]
        )
        self.started_pods = counter("kubelet_started_pods", "Sandboxes made.")
        self.started_pod_errors = counter("kubelet_started_pods_errors", "Sandboxes that could not be made.")
        self.started_containers = counter(
            "kubelet_started_containers", "Containers started.", ["container_type"]
        )
        self.started_container_errors = counter(
            "kubelet_started_containers_errors",
            "Containers that could not be started.",
            ["container_type", "code"],
        )
        self.orphans = counter("kubelet_orphaned_runtime_pods", "Pods found in the runtime and in no source.")
        self.probes = counter(
            "prober_probe",
            "Probes by result.",
            ["probe_type", "result", "container", "pod", "namespace", "pod_uid"],
        )
        self.desired_pods = gauge(
            "kubelet_desired_pods", "Pods that the node is to run, by whether they are static.", ["static"]
        )
        self.mirror_pods = gauge("kubelet_mirror_pods", "Mirror Pods that the API has for the node.")
        self.restarted_pods = counter(
            "kubelet_restarted_pods", "Pods that were made anew with the uid that they had.", ["static"]
        )
        self.manifest_problems = gauge(
            "kubelet_static_pod_manifest_problems", "Files among the static Pods' manifests that are none."
        )
        self.evictions = counter(
            "kubelet_evictions", "Pods evicted, by the signal that led to it.", ["eviction_signal"]
        )
        self.run_podsandbox = histogram(
            "kubelet_run_podsandbox_duration_seconds",
            "Making a sandbox, by runtime handler.",
            ["runtime_handler"],
        )
        self.run_podsandbox_errors = counter(
            "kubelet_run_podsandbox_errors",
            "Sandboxes that could not be made, by runtime handler.",
            ["runtime_handler"],
        )
        self.containers_per_pod = histogram(
            "kubelet_containers_per_pod_count",
            "The number of containers per pod.",
            buckets=exponential_buckets(1, 2, 5),
        )
        self.cgroup_manager = histogram(
            "kubelet_cgroup_manager_duration_seconds",
            "Making and removing cgroups of Pods.",
            ["operation_type"],
        )
        self.images_collected = counter(
            "kubelet_image_garbage_collected", "Images removed to make room, by why.", ["reason"]
        )
        self.pull_checks = counter(
            "kubelet_imagemanager_image_mustpull_checks",
            "Images that are there and were asked for, by whether the Pod may use them without a pull.",
            ["result"],
        )
        self.pull_intents = gauge("kubelet_imagemanager_ondisk_pullintents", "Pulls written down as begun.")
        self.pulled_records = gauge(
            "kubelet_imagemanager_ondisk_pulledrecords",
            "Images of which it is written down who has pulled them.",
        )
        self.node_name = gauge("kubelet_node_name", "The node's name; always 1.", ["node"])

    def forget_probe(self, labels: tuple[str, ...]) -> None:
        """Drop a probe's series: label values that name Pods stay bounded by the Pods there are."""
        with suppress(KeyError):
            self.probes.remove(*labels)

    @contextmanager
    def cgroup_operation(self, operation_type: str) -> Iterator[None]:
        begun = self._clock.monotonic()
        try:
            yield
        finally:
            self.cgroup_manager.labels(operation_type).observe(self._clock.monotonic() - begun)

    @contextmanager
    def operation(self, operation_type: str, runtime_handler: str = "") -> Iterator[None]:
        """Count and time a runtime operation; that of a sandbox by its handler too ("" is the default one)."""
        self.operations.labels(operation_type).inc()
        begun = self._clock.monotonic()
        try:
            yield
        except BaseException:
            self.operation_errors.labels(operation_type).inc()
            if operation_type == RUN_POD_SANDBOX:
                self.run_podsandbox_errors.labels(runtime_handler).inc()
            raise
        finally:
            took = self._clock.monotonic() - begun
            self.operation_duration.labels(operation_type).observe(took)
            if operation_type == RUN_POD_SANDBOX:
                self.run_podsandbox.labels(runtime_handler).observe(took)
