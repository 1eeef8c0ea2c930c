"""The scheduler in a browser: decisions as they fall, and why a Pod is nowhere."""

import pytest

from tests.support.browser import Tab
from tests.support.prometheus import fake_prometheus
from tests.support.secured import apply
from tests.support.shown_page import Shown
from vaina.client.clientset import Clientset

pytestmark = [pytest.mark.component, pytest.mark.timeout(150)]

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: small}
spec:
  containers: [{name: app, image: busybox, resources: {requests: {cpu: 100m}}}]
---
apiVersion: v1
kind: Pod
metadata: {name: huge}
spec:
  nodeSelector: {disk: "ssd"}
  containers: [{name: app, image: busybox, resources: {requests: {cpu: "100000"}}}]
"""
SECOND = """
apiVersion: v1
kind: Pod
metadata: {name: second}
spec: {containers: [{name: app, image: busybox}]}
"""
_HEADS = "return [...document.querySelectorAll('#explain-answer th[scope=col]')].map((one) => one.innerText)"
_CHOOSE = """
const choice = document.getElementById('history-range');
choice.value = arguments[0];
choice.dispatchEvent(new Event('change'));
"""
_WAITING = "return Number(document.querySelectorAll('#scheduler-numbers td.number')[2]?.innerText) > 0"


async def test_decisions_are_seen_as_they_fall_and_a_pod_has_its_table(
    tab: Tab, shown: Shown, admin: Clientset
) -> None:
    await tab.open(shown.link("/scheduler"))
    await tab.until_text("leads and decides")
    await tab.until_text("It knows 2 nodes")
    await apply(admin, PODS)
    await tab.until_text("default/huge")
    await tab.until_text("default/small")
    for word in ("Scheduled", "Unschedulable", "default/small", "default/huge"):
        await tab.until_within("#scheduler-decisions", word)
    # Who reads by keyboard stays at the row while others come.
    await tab.run('document.querySelector("#scheduler-decisions button[aria-label*=small]").focus()')
    await apply(admin, SECOND)
    await tab.until_text("default/second")
    assert "small" in await tab.run("return document.activeElement.getAttribute('aria-label')")
    # The number beside the plot.
    await tab.until(_WAITING)
    await tab.type("#explain-pod", "default/huge", "Enter")
    await tab.until_text("0 of 2 nodes would take it now.")
    assert {"NodeAffinity", "NodeResourcesFit"} <= {*await tab.run(_HEADS)}
    await tab.until_within("#explain-answer", "remove nodeSelector disk=ssd")
    # The view is a link.
    assert await tab.run("return new URLSearchParams(location.search).get('pod')") == "default/huge"
    await tab.reload()
    await tab.until_text("0 of 2 nodes would take it now.")
    await admin.pods.delete("huge", "default", grace_period_seconds=0)


async def test_plots_are_of_hours_where_prometheus_runs(tab: Tab, shown: Shown) -> None:
    await tab.open(shown.link("/scheduler"))
    await tab.until_text("Seen by this page since")
    await tab.until_text("does not run")
    async with fake_prometheus(shown.prometheus_port) as prometheus:
        prometheus.lines = {
            "active": "7",
            "scheduled": "12.34",
            "p99": "0.25",
            "size": "2097152",
            "reads": "NaN",
        }
        await tab.run(_CHOOSE, "6h")
        await tab.until_text("From Prometheus, a point each 1m 30s.")
        assert "does not run" not in await tab.text("main")
        assert (await tab.text("#scheduler-numbers td.number")).strip() == "7"
        assert "12" in await tab.text("#scheduler-pace")
        assert "250 ms" in await tab.text("#scheduler-latency")
        assert await tab.run("return new URLSearchParams(location.search).get('range')") == "6h"
        await tab.run(_CHOOSE, "live")
        await tab.until_text("Seen by this page since")
        assert "From Prometheus" not in await tab.text("main")
        await tab.open(f"{shown.url}/machinery?range=6h")
        await tab.until("return document.getElementById('machinery-size')?.innerText.includes('2 MiB')")
        assert "\N{EN DASH}" in await tab.text("#machinery-requests")
