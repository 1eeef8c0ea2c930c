"""A page that stays open while Pods come and go: neither the browser nor the service takes more and more memory.

PAGE_MINUTES says for how long; `make soak` says an hour.
"""

import os
import sys
from itertools import count

import pytest

from bench.processes import memory_bytes
from tests.support.browser import Tab
from tests.support.shown_page import Shown
from vaina.client.clientset import Clientset
from vaina.clock import SystemClock
from vaina.testing.builders import make_namespace, make_pod

MINUTES = float(os.environ.get("PAGE_MINUTES", "0"))  # noqa: TID251 (where tests begin)
pytestmark = [
    pytest.mark.component,
    pytest.mark.timeout(120 * MINUTES + 300),
    pytest.mark.skipif(not MINUTES, reason="PAGE_MINUTES is not set: run `make soak`"),
]
#: Pods that there are at a time
PODS = 200
_EMPTY = "return document.querySelector('.counts').children[1].innerText === '0 Pods'"
MIB = 1024 * 1024
#: what may be added in the second half, beside a quarter of what there was
SPARE = 8 * MIB


async def come_and_go(admin: Clientset, seconds: float) -> int:
    """Create Pods and delete older ones, until the time is over; return how many there were."""
    clock = SystemClock()
    end = clock.monotonic() + seconds
    for number in count():
        if clock.monotonic() > end:
            return number
        labels = {"app": f"web-{number % 50}", "number": str(number)}
        await admin.pods.create(make_pod(f"web-{number}", "long", labels=labels))
        if number >= PODS:
            await admin.pods.delete(f"web-{number - PODS}", "long", grace_period_seconds=0)
    raise AssertionError


async def heap(tab: Tab) -> int:
    """Return what the page's objects take once the garbage is gone."""
    await tab.devtools("HeapProfiler.collectGarbage", {})
    used: float = (await tab.devtools("Runtime.getHeapUsage", {}))["usedSize"]
    return int(used)


async def test_memory_stays_what_it_was(tab: Tab, shown: Shown, admin: Clientset) -> None:
    await admin.namespaces.create(make_namespace("long"))
    await tab.open(shown.link("/?namespace=long"))
    await tab.until_text("2 Nodes")
    sizes, made = [], 0
    for _ in range(2):
        made += await come_and_go(admin, MINUTES * 30)
        await tab.until_text("live")
        sizes.append((await heap(tab), memory_bytes(shown.page_pid)))
        for pod in (await admin.pods.list("long")).items:
            await admin.pods.delete(pod.metadata.name, "long", grace_period_seconds=0)
        await tab.until(_EMPTY)
    (first_heap, first_service), (last_heap, last_service) = sizes
    sys.stdout.write(
        f"\n{made:,} Pods came and went; heap {first_heap / MIB:.1f}, then {last_heap / MIB:.1f} MiB; "
        f"service {first_service / MIB:.1f}, then {last_service / MIB:.1f} MiB\n"
    )
    assert last_heap < first_heap * 1.25 + SPARE
    assert last_service < first_service * 1.25 + SPARE
