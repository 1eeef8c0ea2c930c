"""The cluster in a browser: Pods that go their way while somebody looks; by picture, table and keyboard."""

from collections.abc import AsyncIterator

import pytest

from tests.support.browser import Tab
from tests.support.fresh import fresh
from tests.support.shown_page import Shown
from vaina.client.clientset import Clientset
from vaina.testing.builders import make_namespace, make_pod, make_replica_set, owner_ref

pytestmark = [pytest.mark.component, pytest.mark.timeout(150)]

#: what the table of Pods says of one, once it is there
_ROW = "return [...document.querySelectorAll('[data-table=pods] tbody tr')].map((row) => row.innerText).find((text) => text.includes({name!r}){more})"
_OPEN_TABLES = "for (const one of document.querySelectorAll('details')) one.open = true"
_HIT = """
const canvas = document.querySelector('canvas'), picture = canvas.picture, box = canvas.getBoundingClientRect();
for (const pod of picture.model.pods.values()) if (pod.name === arguments[0]) {
  picture.show(pod);
  const { scale, x, y } = picture.view, at = pod.room;
  return [Math.round(box.left + (at.x + pod.x + pod.side / 2) * scale + x), Math.round(box.top + (at.y + pod.y + pod.side / 2) * scale + y)];
}
"""


async def row(tab: Tab, name: str, *words: str) -> str:
    """Wait for a row of the table of Pods that has all words; return it."""
    more = "".join(f" && text.includes({word!r})" for word in words)
    found: str = await tab.until(_ROW.format(name=name, more=more))
    return found


async def gone(tab: Tab, name: str) -> None:
    await tab.until(f"return !document.querySelector('[data-table=pods] tbody').innerText.includes({name!r})")


@pytest.fixture
async def space(admin: Clientset, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A namespace of the test's own."""
    name = fresh(request.node.name.replace("_", "-")[-50:].strip("-"))
    await admin.namespaces.create(make_namespace(name))
    yield name
    for pod in (await admin.pods.list(name)).items:
        await admin.pods.delete(pod.metadata.name, name, grace_period_seconds=0)


async def look(tab: Tab, shown: Shown, space: str) -> None:
    """Open the cluster with one namespace, and its tables."""
    await tab.open(shown.link(f"/?namespace={space}"))
    await tab.until_text("2 Nodes")
    await tab.run(_OPEN_TABLES)


async def test_a_pod_goes_its_way_while_somebody_looks(
    tab: Tab, shown: Shown, admin: Clientset, space: str
) -> None:
    await look(tab, shown, space)
    waiting = make_pod("web", space, requests={"cpu": "100m"})
    waiting.spec.node_selector["kubernetes.io/hostname"] = "nowhere"
    await admin.pods.create(waiting)
    await row(tab, "web", "Unschedulable")
    await tab.until("return document.getElementById('unhealthy').innerText.includes('Unschedulable')")
    await admin.pods.delete("web", space, grace_period_seconds=0)
    await gone(tab, "web")
    await tab.until_text("Nothing is in trouble.")
    await admin.pods.create(make_pod("web", space, requests={"cpu": "100m"}))
    await row(tab, "web", "Running", "node-", "100m")
    await tab.until_text("1 well")
    await admin.pods.delete("web", space)
    await gone(tab, "web")


async def test_the_apiserver_dies_and_comes_back_under_an_open_page(
    tab: Tab, shown: Shown, admin: Clientset, space: str
) -> None:
    await look(tab, shown, space)
    await admin.pods.create(make_pod("before", space))
    await row(tab, "before", "Running")
    shown.plane.apiserver.kill()
    try:
        await tab.until_text("the apiserver is away")
        # What was known stays.
        await row(tab, "before", "Running")
        # Nothing is said of what the apiserver would have to tell.
        await tab.click("nav a[href='/machinery']")
        await tab.until_within("#machinery-components", "the apiserver does not say whether the caller may")
        assert await tab.run("return document.getElementById('machinery-streams').hidden")
        await tab.click("nav a[href='/scheduler']")
        await tab.until_text("The scheduler does not answer: the apiserver does not say")
    finally:
        await shown.plane.apiserver.start()
    await tab.until_text("leads and decides")
    await look(tab, shown, space)
    await tab.until("return document.getElementById('connection').innerText.includes('live')")
    # Who reads a table by keyboard stays at their row while others come.
    await tab.run("document.querySelector('[data-table=pods] tbody a').focus()")
    await admin.pods.create(make_pod("after", space))
    await row(tab, "after", "Running")
    assert await tab.run("return document.activeElement.innerText") == "before"


async def test_filters_are_part_of_the_address(tab: Tab, shown: Shown, admin: Clientset, space: str) -> None:
    labels = {"app": "x", "pod-template-hash": "7d9f"}
    await admin.replica_sets.create(make_replica_set("web-7d9f", space, labels=labels))
    await admin.pods.create(make_pod("b", space, labels={"app": "y"}))
    await look(tab, shown, space)
    await tab.until_text("2 Pods")
    await tab.type("#filter-selector", "app in (x,z)", "Enter")
    await tab.until_text("1 Pod")
    await tab.reload()
    await tab.until_text("1 Pod")
    assert await tab.run("return document.getElementById('filter-selector').value") == "app in (x,z)"
    await tab.open(f"{shown.url}/?namespace={space}&owner=Deployment/web")
    await tab.until_text("1 Pod")
    await tab.open(f"{shown.url}/?namespace={space}&selector=app===x")
    await tab.until_text("unable to parse requirement")
    await tab.click("button[type=reset]")
    await tab.until("return !document.querySelector('[role=alert]:not([hidden])')")
    assert await tab.run("return location.search") == ""


async def test_by_keyboard_one_comes_from_the_nodes_to_a_pod(
    tab: Tab, shown: Shown, admin: Clientset, space: str
) -> None:
    await admin.pods.create(make_pod("web", space))
    await look(tab, shown, space)
    await row(tab, "web", "Running")
    await tab.type("canvas", "Right")
    await tab.until("return document.querySelector('.selected').innerText.includes('no node yet')")
    await tab.type("canvas", "Right")
    node = (await tab.text(".selected")).split(" ")[0]
    assert node == "node-1"
    if (await admin.pods.get("web", space)).spec.node_name == "node-2":
        await tab.type("canvas", "Right")
    await tab.type("canvas", "Enter")
    await tab.until(f"return document.querySelector('.selected').innerText.includes({space + '/web'!r})")
    await tab.type("canvas", "Enter")
    await tab.until(f"return location.pathname === '/pod/{space}/web'")
    # Their focus was on what is gone: they go on at the beginning of the view.
    await tab.until("return document.activeElement.id === 'view'")


async def test_a_click_on_a_cell_leads_to_the_pod_and_back_leads_back(
    tab: Tab, shown: Shown, admin: Clientset, space: str
) -> None:
    await admin.pods.create(make_pod("web", space, requests={"cpu": "1"}))
    await look(tab, shown, space)
    await row(tab, "web", "Running")
    x, y = await tab.run(_HIT, "web")
    await tab.point(x, y)
    await tab.until(f"return document.querySelector('.tip').innerText.includes({space + '/web'!r})")
    await tab.click_at(x, y)
    await tab.until(f"return location.pathname === '/pod/{space}/web'")
    await tab.run("history.back()")
    await tab.until_text("1 Pod")


async def test_what_somebody_hostile_wrote_is_text(
    tab: Tab, shown: Shown, admin: Clientset, space: str
) -> None:
    bad = "<img src=x onerror='window.ran=1'>\u202e\x1b[31m"
    pod = make_pod("web", space, annotations={"note": bad * 1000}, owner=owner_ref("Evil", bad, "u"))
    pod.metadata.owner_references[0].block_owner_deletion = False
    pod.spec.node_selector["kubernetes.io/hostname"] = "nowhere"
    made = await admin.pods.create(pod)
    made.status.phase, made.status.reason, made.status.message = "Failed", bad, bad
    # The scheduler may have written the status at this moment too: whatever it said is overwritten.
    made.metadata.resource_version = ""
    await admin.pods.update_status(made)
    await look(tab, shown, space)
    found = await row(tab, "web", "<img src=x", "Evil/<img")
    assert "\u202e" not in found
    assert "\x1b" not in found
    assert "<img src=x" in await tab.text("#unhealthy")
    assert await tab.run("return [window.ran, document.images.length]") == [None, 0]
    await tab.open(
        f"{shown.url}/?owner=%3Cimg%20src%3Dx%20onerror%3D%22window.ran%3D1%22%3E&selector=%3Cscript%3E"
    )
    await tab.until_text("found '<', expected")
    assert await tab.run("return [window.ran, document.images.length]") == [None, 0]
