"""A Pod in a browser: while it goes through its steps, with hostile texts, gone; in Spanish on a phone."""

import pytest

from tests.support.browser import Tab
from tests.support.fresh import fresh
from tests.support.secured import apply
from tests.support.shown_page import Shown
from vaina.api.core.v1 import event_pb2
from vaina.client.clientset import Clientset

pytestmark = [pytest.mark.component, pytest.mark.timeout(150)]

HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\u202e\u001b[31m"
)
POD = """
apiVersion: v1
kind: Pod
metadata:
  name: %(name)s
  annotations: {vaina.dev/trace: "true", note: "<script>document.title='owned'</script>"}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: app
    image: busybox
    command: ["sh", "-c", "echo '<script>document.title=1</script>'; sleep infinity"]
    readinessProbe: {tcpSocket: {port: 1}, initialDelaySeconds: 300}
"""
_DONE = "return [...document.querySelectorAll('tr[data-done=true]')].map((row) => row.dataset.step)"
_ALL_DONE = "return document.querySelectorAll('tr[data-done=true]').length === 7"
SEVEN = ["ADMITTED", "SCHEDULED", "OBSERVED", "SANDBOXED", "MOUNTED", "STARTED", "REPORTED"]


@pytest.mark.requirement("A8")
async def test_a_pod_goes_through_its_steps_while_the_page_is_open(
    tab: Tab, shown: Shown, admin: Clientset
) -> None:
    name = fresh("seen")
    # The link may be followed before the Pod is made.
    await tab.open(shown.link(f"/pod/default/{name}"))
    await tab.until_text("There is no such Pod")
    await apply(admin, POD % {"name": name})
    # Some of the steps first, then all of them. (A later one may be heard of before an earlier.)
    few = await tab.until(f"const done = (() => {{ {_DONE} }})(); return done.length && done;")
    await tab.until(_ALL_DONE)
    # Components report for themselves: one may be told of before what was done before it.
    assert {*few} <= {*SEVEN}
    assert await tab.run(_DONE) == SEVEN
    assert "All seven steps took" in await tab.text("#pod-total")
    await tab.until("return document.getElementById('pod-state').innerText === 'Running'")
    await tab.until_within("#pod-why", "has not passed its readiness probe yet")
    await tab.until_within("#pod-why", "No controller owns it")
    await tab.until_within("#pod-containers", "tcp-socket :1")
    # It goes while it is looked at, and its trace outlives it.
    await admin.pods.delete(name, "default", grace_period_seconds=0)
    await tab.until("return document.getElementById('pod-state').innerText === 'gone'")
    await tab.reload()
    await tab.until(_ALL_DONE)
    await tab.until("return document.getElementById('pod-state').innerText === 'gone'")
    # There is no heading over what nobody knows any more.
    unknown = ["pod-containers", "pod-family", "pod-log"]
    assert await tab.run("return arguments[0].map((id) => document.getElementById(id).hidden)", unknown) == [
        True,
        True,
        True,
    ]


async def test_what_a_pod_says_and_what_is_said_of_it_is_text(
    tab: Tab, shown: Shown, admin: Clientset
) -> None:
    name = fresh("loud")
    await apply(admin, POD % {"name": name})
    await tab.open(shown.link(f"/pod/default/{name}"))
    await tab.until(_ALL_DONE)
    # By keyboard: what is above may still grow, and a click would fall beside the button.
    await tab.type("#log-follow", "Enter")
    await tab.until("return document.getElementById('log-output').innerText.includes('<script>')")
    pod = await admin.pods.get(name, "default")
    event = event_pb2.Event(reason="Loud", message=HOSTILE, type="Warning")
    event.metadata.name, event.metadata.namespace = f"{name}.event", "default"
    about = event.involved_object
    about.kind, about.namespace, about.name, about.uid = "Pod", "default", name, pod.metadata.uid
    await admin.events.create(event)
    await tab.until("return document.getElementById('pod-events').innerText.includes('onerror=')")
    # Nothing turns the direction of writing, or is part of a terminal's language.
    assert not {"\u202e", "\x1b"} & {*await tab.text("#pod-events")}
    assert "loud" in await tab.run("return document.title")
    assert await tab.run("return document.querySelectorAll('main script, main img').length") == 0


async def test_a_pod_is_read_in_spanish_on_a_phone(tab: Tab, shown: Shown, admin: Clientset) -> None:
    name = fresh("movil")
    await apply(admin, POD % {"name": name})
    await tab.resize(360, 740)
    await tab.open(shown.link(f"/pod/default/{name}?lang=es"))
    await tab.until_text("Los siete pasos")
    await tab.until(_ALL_DONE)
    # What is said of the Pod too, not the page's own words alone.
    assert "aplicado, validado" in (await tab.text("#pod-steps")).lower()
    # The page itself does not scroll sideways; its tables do within themselves.
    assert await tab.run("return document.documentElement.scrollWidth") <= 360
