"""Requests are counted under upstream's names."""

import contextlib
import random

from prometheus_client import CollectorRegistry

from apiserver.build import build
from apiserver.services.metrics import RequestMetrics
from apiserver.storage.memory import MemoryStorage
from tests.support.direct import Direct
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.errors import NotFound
from vaina.testing.builders import make_pod
from vaina.testing.clock import FakeClock

LABELS = {"group": "", "version": "v1", "resource": "pods", "component": "apiserver"}


async def test_requests_are_counted() -> None:
    registry, clock = CollectorRegistry(), FakeClock()
    app = build(
        Direct(MemoryStorage(clock)), clock, rng=random.Random(1), metrics=RequestMetrics(registry, clock)
    )
    client = Clientset(InProcessTransport(app.handlers))
    await client.pods.create(make_pod())
    for _ in range(2):
        with contextlib.suppress(NotFound):
            await client.pods.get("nobody", "default")
    watch = client.pods.watch(allow_bookmarks=False)
    await anext(watch)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {**LABELS, **labels})

    common = {"subresource": "", "scope": "resource"}
    total = "apiserver_request_total"
    assert value(total, verb="POST", dry_run="", code="201", **common) == 1
    assert value(total, verb="GET", dry_run="", code="404", **common) == 2
    assert value("apiserver_request_duration_seconds_count", verb="GET", dry_run="", **common) == 2
    assert value("apiserver_response_sizes_count", verb="POST", **common) == 1
    watching = {"verb": "WATCH", "subresource": "", "scope": "cluster"}
    assert value("apiserver_longrunning_requests", **watching) == 1
    await watch.aclose()
    assert value("apiserver_longrunning_requests", **watching) == 0
    assert value(total, dry_run="", code="200", **watching) == 1
    events = {"group": "", "version": "v1", "resource": "pods"}
    assert registry.get_sample_value("apiserver_watch_events_total", events) == 1
    kind = {"request_kind": "mutating"}
    assert registry.get_sample_value("apiserver_current_inflight_requests", kind) == 0


async def test_dry_runs_and_namespaces_are_told_apart() -> None:
    registry, clock = CollectorRegistry(), FakeClock()
    app = build(
        Direct(MemoryStorage(clock)), clock, rng=random.Random(1), metrics=RequestMetrics(registry, clock)
    )
    pods = Clientset(InProcessTransport(app.handlers)).pods
    await pods.create(make_pod("tried"), dry_run=True)
    await pods.create(make_pod("made"))
    await pods.delete("made", "default", dry_run=True)
    await pods.list()
    await pods.list("default")
    await pods.delete_collection("default")
    await pods.create(make_pod())
    watch = pods.watch("default", allow_bookmarks=False)
    await anext(watch)

    def total(**labels: str) -> float | None:
        return registry.get_sample_value("apiserver_request_total", {**LABELS, "subresource": "", **labels})

    assert total(verb="POST", dry_run="All", scope="resource", code="201") == 1
    assert total(verb="POST", dry_run="", scope="resource", code="201") == 2
    assert total(verb="DELETE", dry_run="All", scope="resource", code="200") == 1
    assert total(verb="LIST", dry_run="", scope="cluster", code="200") == 1
    assert total(verb="LIST", dry_run="", scope="namespace", code="200") == 1
    assert total(verb="DELETECOLLECTION", dry_run="", scope="namespace", code="200") == 1
    running = {**LABELS, "verb": "WATCH", "subresource": "", "scope": "namespace"}
    assert registry.get_sample_value("apiserver_longrunning_requests", running) == 1
    await watch.aclose()
    assert registry.get_sample_value("apiserver_longrunning_requests", running) == 0
