"""The roles of the page's user: what its views ask for, and nothing else."""

from typing import Any

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import ALLOWED, NO_OPINION, Verdict
from apiserver.authorization.rbac import policy
from dashboard.life.family import READ
from tests.support.apiserver import Harness, cached_apiserver
from tests.support.page import Browser, page
from tests.support.secured import apply
from vaina.api.core.v1 import pod_pb2
from vaina.api.scheduler.v1 import scheduler_service_pb2 as pb
from vaina.client.transport import InProcessTransport
from vaina.clock import timestamp
from vaina.objects.rules import rules_of
from vaina.serving.handlers import UNARY, Method, RequestContext
from vaina.testing.builders import make_node, make_pod, owner_ref
from vaina.testing.clock import EPOCH

#: namespace of the role (empty: all), verb, and group/resource, or the path of what is no resource
Right = tuple[str, str, str]
_META = "metadata: {name: web, namespace: default}"
_LABELS = "{metadata: {labels: {app: web}}, spec: {containers: [{name: app, image: app}]}}"
_ONCE = "{spec: {restartPolicy: Never, containers: [{name: app, image: app}]}}"
_SELECTED = f"selector: {{matchLabels: {{app: web}}}}, template: {_LABELS}"
_OWNERS = f"""
{{apiVersion: apps/v1, kind: Deployment, {_META}, spec: {{{_SELECTED}}}}}
---
{{apiVersion: apps/v1, kind: ReplicaSet, {_META}, spec: {{{_SELECTED}}}}}
---
{{apiVersion: apps/v1, kind: StatefulSet, {_META}, spec: {{serviceName: web, {_SELECTED}}}}}
---
{{apiVersion: apps/v1, kind: DaemonSet, {_META}, spec: {{{_SELECTED}}}}}
---
{{apiVersion: v1, kind: ReplicationController, {_META}, spec: {{selector: {{app: web}}, template: {_LABELS}}}}}
---
{{apiVersion: batch/v1, kind: Job, {_META}, spec: {{template: {_ONCE}}}}}
---
{{apiVersion: batch/v1, kind: CronJob, {_META}, spec: {{schedule: "0 0 * * *", jobTemplate: {{spec: {{template: {_ONCE}}}}}}}}}
"""
_SERVICES = "/vaina.api.scheduler.v1.SchedulerService", "/vaina.api.controller.v1.ControllerService"


def given() -> set[Right]:
    """Return what the roles of the page's user give."""
    found: set[Right] = set()
    roles: list[Any] = [*policy.cluster_roles(), *policy.roles()]
    for role in roles:
        if role.metadata.name != policy.DASHBOARD:
            continue
        for rule in rules_of(role.rules):
            assert not rule.names
            things = [f"{group}/{resource}" for group in rule.groups for resource in rule.resources]
            found |= {
                (role.metadata.namespace, verb, it) for verb in rule.verbs for it in (*things, *rule.urls)
            }
    return found


class Asked:
    """Lets the page's user do what its roles say, and the test everything; notes what the page asked."""

    def __init__(self) -> None:
        self.rights: set[Right] = set()
        self._given = given()

    def authorize(self, attributes: Attributes) -> Verdict:
        if attributes.user.name != policy.DASHBOARD or attributes.path == "/version":
            return ALLOWED
        thing = attributes.path or f"{attributes.group}/{attributes.combined}"
        anywhere = ("", attributes.verb, thing)
        right = anywhere if anywhere in self._given else (attributes.namespace, attributes.verb, thing)
        self.rights.add(right)
        return ALLOWED if right in self._given else NO_OPINION

    def services(self) -> InProcessTransport:
        """Return scheduler and controller, which ask the apiserver whether somebody may call a method."""

        def method(path: str, answer: bytes) -> Method:
            async def call(_request: bytes, _: RequestContext) -> bytes:
                self.rights.add(("", "post", path))
                return answer

            return Method(UNARY, call)

        scheduler, controller = _SERVICES
        answers = {
            # A decision, which is asked for.
            f"{scheduler}/Overview": pb.OverviewResponse(recorded=1).SerializeToString(),
            f"{scheduler}/ListDecisions": b"",
            f"{scheduler}/Explain": b"",
            f"{controller}/ListControllers": b"",
        }
        return InProcessTransport({path: method(path, answer) for path, answer in answers.items()})


async def fill(api: Harness) -> list[str]:
    """Make a Pod for each kind of owner, one of them with a volume of its own; return their names."""
    await api.client.nodes.create(make_node("n1"))
    await apply(api.client, _OWNERS)
    names = []
    for kind in READ.values():
        owner = await api.client.kind(kind).get("web", "default")
        reference = owner_ref(kind.kind, "web", owner.metadata.uid, api_version=kind.api_version)
        pod = make_pod(f"of-{kind.plural}", owner=reference, labels={"app": "web"})
        names.append(pod.metadata.name)
        volume = pod.spec.volumes.add(name="own").volume_source.ephemeral.volume_claim_template
        volume.spec.access_modes.append("ReadWriteOnce")
        volume.spec.resources.requests["storage"].string = "1Gi"
        made = await api.client.pods.create(pod)
        await api.client.pods.bind(made.metadata.name, namespace="default", uid=made.metadata.uid, node="n1")
        failed = await api.client.pods.get(made.metadata.name, "default")
        ended = pod_pb2.ContainerStateTerminated(exit_code=1, finished_at=timestamp(EPOCH))
        failed.status.container_statuses.add(name="app", state=pod_pb2.ContainerState(terminated=ended))
        await api.client.pods.update_status(failed)
    return names


async def look(browser: Browser, pods: list[str]) -> None:
    """Look at everything that the page shows."""
    await browser.login()
    for name in pods:
        topic = f"pod/default/{name}"
        async with browser.live(topic) as socket:
            while True:
                frame = await socket.frame()
                shown = frame.get("snapshot") or frame.get("changes")
                if frame["topic"] == topic and (shown.get("family") or {}).get("owners"):
                    assert shown["family"]["owners"][0]["found"]
                    break
    for topic in ("cluster", "scheduler", "machinery", "loads", "status"):
        async with browser.live(topic) as socket:
            await socket.until(topic, "snapshot")
    for path in ("explain/default/of-jobs", "version"):
        assert (await browser.get(f"/api/{path}"))[0] == 200
    # There is no kubelet; whether it may be asked is answered before.
    await browser.get("/api/pods/default/of-jobs/log?container=app")


async def test_they_give_what_its_views_ask_for_and_no_more() -> None:
    asked = Asked()
    async with cached_apiserver(authorizer=asked) as api:
        pods = await fill(api)
        services = asked.services()
        clients = api.client_of(policy.DASHBOARD)
        async with page(clients, scheduler=services, controller=services) as browser:
            await look(browser, pods)
    assert asked.rights - given() == set()
    # A list is what a watch falls back to.
    fallbacks = {(where, "list", thing) for where, verb, thing in asked.rights if verb == "watch"}
    assert given() - asked.rights - fallbacks == set()
