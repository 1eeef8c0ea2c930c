"""Threat: somebody with rights in one namespace, who wants what is in others, or more rights.

Ana has ClusterRole `admin` in namespace `ours`, Ben has `view` there; `theirs` is somebody else's.
"""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest

from tests.support.fresh import fresh
from tests.support.identities import ADMIN, ANA, BEN, NOBODY
from tests.support.secured import Caller, Plane, apply, refused
from vaina.api.autoscaling.v1 import scale_pb2
from vaina.api.core.v1 import manifest_service_pb2, pod_pb2, pod_stream_pb2
from vaina.api.meta.v1 import request_pb2
from vaina.api.trace.v1 import trace_service_pb2
from vaina.client.clientset import Clientset
from vaina.client.verbs import binding
from vaina.errors import ApiError, Forbidden, from_status
from vaina.kinds import KINDS, POD, POD_TRACE, SECRET
from vaina.pki.authority import Profile
from vaina.testing.builders import make_config_map, make_container, make_pod

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

Attack = Callable[[Clientset], Awaitable[Any]]


def pod(name: str = "evil", namespace: str = "ours", **spec: Any) -> pod_pb2.Pod:
    made = make_pod(name, namespace, containers=[make_container("app")])
    made.spec.MergeFrom(pod_pb2.PodSpec(**spec))
    return made


def secret(namespace: str, name: str = "evil") -> Any:
    made = SECRET.message()
    made.metadata.namespace, made.metadata.name = namespace, name
    return made


def results(of: Callable[[Clientset], Awaitable[Sequence[Any]]]) -> Attack:
    """Return an attack by a batch: it is refused when each of its items is."""

    async def attack(client: Clientset) -> None:
        answers = await of(client)
        assert all(isinstance(item, ApiError) for item in answers), answers
        raise answers[0]

    return attack


def manifest(text: str, namespace: str = "") -> Attack:
    """Return an attack by a manifest."""

    async def attack(client: Clientset) -> None:
        request = manifest_service_pb2.ApplyRequest(manifest=text, namespace=namespace)
        answer = await client.manifests.apply(request)
        assert all(item.error.code for item in answer.results), answer
        raise from_status(answer.results[0].error)

    return attack


def got(resource: str, namespace: str = "", name: str = "") -> Attack:
    """Return an attack that reads as manifests."""
    request = manifest_service_pb2.GetManifestRequest(resource=resource, namespace=namespace, name=name)
    return lambda client: client.manifests.get(request)


async def no_input() -> AsyncIterator[Any]:
    return
    yield


def exec_start(name: str, namespace: str) -> pod_stream_pb2.PodExecStart:
    start = pod_stream_pb2.PodExecStart(namespace=namespace, name=name)
    start.options.MergeFrom(pod_pb2.PodExecOptions(command=["id"], stdout=True))
    return start


def attach_start(name: str, namespace: str) -> pod_stream_pb2.PodAttachStart:
    start = pod_stream_pb2.PodAttachStart(namespace=namespace, name=name)
    start.options.stdout = True
    return start


READING: dict[str, Attack] = {
    "get a Secret": lambda c: c.secrets.get("password", "theirs"),
    "list Secrets": lambda c: c.secrets.list("theirs"),
    "list all Secrets": lambda c: c.secrets.list(),
    "list all Secrets of a name": lambda c: c.secrets.list(field_selector="metadata.name=password"),
    "list all Secrets of a namespace": lambda c: c.secrets.list(field_selector="metadata.namespace=theirs"),
    "list all Secrets of its own namespace": lambda c: c.secrets.list(
        field_selector="metadata.namespace=ours"
    ),
    "watch Secrets": lambda c: anext(c.secrets.watch("theirs")),
    "watch all Secrets": lambda c: anext(c.secrets.watch(send_initial_events=True)),
    "watch a Secret by name": lambda c: anext(
        c.secrets.watch("theirs", field_selector="metadata.name=password")
    ),
    "read a Secret as a manifest": got("secrets", "theirs", "password"),
    "read Secrets as manifests": got("Secret", "theirs"),
    "read all ConfigMaps as manifests": got("cm"),
    "get a Pod": lambda c: c.pods.get("db", "theirs"),
    "get a Pod's sub-resource": lambda c: c.pods.get("db", "theirs", subresource="ephemeralcontainers"),
    "list all Pods": lambda c: c.pods.list(),
    "read a log": lambda c: anext(c.pods.logs("theirs", "db", pod_pb2.PodLogOptions())),
    "read Events": lambda c: c.events.list("theirs"),
    "read traces": lambda c: c.pod_traces.list("theirs"),
    "read what Pods use": lambda c: c.metrics.pods("theirs"),
    "read what nodes use": lambda c: c.metrics.nodes(),
    "list nodes": lambda c: c.nodes.list(),
    "get a node": lambda c: c.nodes.get("node-1"),
    "list namespaces": lambda c: c.namespaces.list(),
    "get another namespace": lambda c: c.namespaces.get("theirs"),
    "get a Deployment's scale": lambda c: c.deployments.get_scale("shop", "theirs"),
    "list ClusterRoleBindings": got("clusterrolebindings"),
    "read another's roles": got("rolebindings", "theirs"),
}


@pytest.mark.parametrize("name", READING)
async def test_nothing_of_others_is_read(plane: Plane, calling: Caller, name: str) -> None:
    async with plane.unharmed(ANA, BEN, NOBODY):
        for profile in (ANA, BEN, NOBODY):
            with refused(403, f'User "{profile.name}" cannot '):
                await READING[name](calling(profile))


def token(start: str, version: str) -> str:
    """Forge the token of a page: where it goes on is in it, in clear."""
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": int(version), "start": start})
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


async def test_no_token_of_a_next_page_leads_to_another_namespace(plane: Plane, calling: Caller) -> None:
    ana, admin, paged = calling(ANA), calling(ADMIN), fresh("page")
    for number in range(3):
        await admin.config_maps.create(make_config_map(f"{paged}-{number}", namespace="ours"))
    page = await ana.config_maps.list_page("ours", limit=1)
    version = page.resource_version
    everywhere = await admin.config_maps.list_page("", limit=1)
    forged = [token(start, version) for start in ("../theirs/", "\x00", "theirs/settings", "/", "~", "")]
    async with plane.unharmed(ANA):
        with refused(403):
            await ana.config_maps.list_page("theirs", limit=1, continue_token=page.continue_token)
        with refused(403):
            await ana.config_maps.list_page("", limit=1, continue_token=everywhere.continue_token)
        for each in (everywhere.continue_token, *forged):
            with suppress(ApiError):
                listed = await ana.config_maps.list_page("ours", continue_token=each)
                assert {item.metadata.namespace for item in listed.items} <= {"ours"}
    await admin.config_maps.delete_collection("ours")


STREAMS: dict[str, Attack] = {
    "exec": lambda c: anext(c.pods.exec(exec_start("db", "theirs"), no_input())),
    "attach": lambda c: anext(c.pods.attach(attach_start("db", "theirs"), no_input())),
    "port-forward": lambda c: anext(
        c.pods.port_forward(
            pod_stream_pb2.PodPortForwardStart(namespace="theirs", name="db", port=80), no_input()
        )
    ),
    "follow a log": lambda c: anext(c.pods.logs("theirs", "db", pod_pb2.PodLogOptions(follow=True))),
}


@pytest.mark.parametrize("name", STREAMS)
async def test_nobody_gets_into_others_pods(plane: Plane, calling: Caller, name: str) -> None:
    async with plane.unharmed(ANA, BEN, NOBODY):
        for profile in (ANA, BEN, NOBODY):
            with refused(403, f'User "{profile.name}" cannot '):
                await STREAMS[name](calling(profile))


async def test_who_only_reads_gets_into_no_pod(plane: Plane, calling: Caller) -> None:
    ben = calling(BEN)
    assert (await ben.pods.get("web", "ours")).metadata.name == "web"
    async with plane.nothing_changed():
        with refused(403, 'cannot create resource "pods/exec"'):
            await anext(ben.pods.exec(exec_start("web", "ours"), no_input()))
        with refused(403, 'cannot create resource "pods/attach"'):
            await anext(ben.pods.attach(attach_start("web", "ours"), no_input()))
        start = pod_stream_pb2.PodPortForwardStart(namespace="ours", name="web", port=80)
        with refused(403, 'cannot create resource "pods/portforward"'):
            await anext(ben.pods.port_forward(start, no_input()))
        # Upstream's `view` has no Secrets: they may hold the keys of an administrator of the namespace.
        with refused(403):
            await ben.secrets.get("own", "ours")


WRITING: dict[str, Attack] = {
    "create": lambda c: c.config_maps.create(make_config_map("evil", namespace="theirs")),
    "create in a batch": results(
        lambda c: c.pods.create_batch([pod(namespace="theirs"), pod("b", "theirs")])
    ),
    "create as a try": lambda c: c.config_maps.create(
        make_config_map("evil", namespace="theirs"), dry_run=True
    ),
    "create in no namespace": lambda c: c.config_maps.create(make_config_map("evil", namespace="")),
    "update": lambda c: c.config_maps.update(
        make_config_map("settings", namespace="theirs", data={"a": "evil"})
    ),
    "patch": lambda c: c.config_maps.patch("settings", '{"data":{"a":"evil"}}', namespace="theirs"),
    "delete": lambda c: c.config_maps.delete("settings", "theirs"),
    "delete in a batch": results(lambda c: c.pods.delete_batch([("theirs", "db", "")])),
    "delete all": lambda c: c.config_maps.delete_collection("theirs"),
    "delete all everywhere": lambda c: c.pods.delete_collection(""),
    "apply": manifest("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: theirs}}"),
    "apply to a namespace of the request": manifest(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: evil}}", "theirs"
    ),
    "apply as a list": manifest(
        "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Secret, metadata: {name: evil, namespace: theirs}}]}"
    ),
    "evict": lambda c: c.pods.evict("db", namespace="theirs"),
    "write a status": lambda c: c.pods.update_status(pod("db", "theirs")),
    "write a status in a batch": results(lambda c: c.pods.update_status_batch([(pod("db", "theirs"), ())])),
    "scale": lambda c: c.deployments.update_scale(scale("shop", "theirs")),
    "patch a scale": lambda c: c.deployments.patch_scale(
        "shop", '{"spec":{"replicas":9}}', namespace="theirs"
    ),
    "add an ephemeral container": lambda c: c.pods.update_ephemeral_containers(pod("db", "theirs")),
    "resize": lambda c: c.pods.patch("db", "{}", namespace="theirs", subresource="resize"),
    "tell of a Pod's steps": lambda c: c.transport.unary(
        POD_TRACE.method("Report"),
        trace_service_pb2.ReportRequest(
            reports=[trace_service_pb2.StepReport(namespace="theirs", pod_name="db", pod_uid="x")]
        ).SerializeToString(),
    ),
    "write Events": lambda c: c.events.patch("x", "{}", namespace="theirs"),
}


def scale(name: str, namespace: str) -> scale_pb2.Scale:
    made = scale_pb2.Scale()
    made.metadata.name, made.metadata.namespace, made.spec.replicas = name, namespace, 9
    return made


@pytest.mark.parametrize("name", WRITING)
async def test_nothing_of_others_is_written(plane: Plane, calling: Caller, name: str) -> None:
    async with plane.unharmed(ANA, BEN, NOBODY):
        for profile in (ANA, BEN, NOBODY):
            with refused(403, f'User "{profile.name}" cannot '):
                await WRITING[name](calling(profile))


async def test_of_a_manifest_only_the_own_documents_are_applied(plane: Plane, calling: Caller) -> None:
    mine = fresh("mine")
    text = (
        f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {mine}, namespace: ours}}}}\n---\n"
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: evil, namespace: theirs}}\n---\n"
        "{apiVersion: v1, kind: Namespace, metadata: {name: evil}}"
    )
    request = manifest_service_pb2.ApplyRequest(manifest=text)
    before = await plane.dump()
    answer = await calling(ANA).manifests.apply(request)
    assert [(item.name, item.action, item.error.code) for item in answer.results] == [
        (mine, "created", 0), ("evil", "", 403), ("evil", "", 403),
    ]  # fmt: skip
    assert set(await plane.dump()) - set(before) == {f"/registry/configmaps/ours/{mine}"}
    await calling(ADMIN).config_maps.delete(mine, "ours")


async def test_a_batch_of_two_namespaces_makes_nothing_of_others(plane: Plane, calling: Caller) -> None:
    ana = calling(ANA)
    async with plane.nothing_changed():
        with refused(403, 'cannot create resource "pods" in API group "" in the namespace "theirs"'):
            for item in await ana.pods.create_batch([pod("x", "theirs"), pod("y", "theirs")]):
                assert isinstance(item, ApiError)
                raise item
    before = await plane.dump()
    with suppress(Forbidden):
        await ana.pods.create_batch([pod("mine", "ours"), pod("evil", "theirs")])
    made = set(await plane.dump()) - set(before)
    assert made <= {"/registry/pods/ours/mine"}
    await calling(ADMIN).pods.delete_collection(
        "ours", field_selector="metadata.name=mine", grace_period_seconds=0
    )


TRAVERSALS = [
    ("ours", "../theirs/password"), ("ours/../theirs", "password"), ("", "../theirs/password"), ("", "theirs/password"),
    ("theirs/password", ""), ("ours/", "../theirs/password"), ("ours\x00", "password"), ("ours", "own/../../theirs/password"),
    ("THEIRS", "password"), (" theirs", "password"), ("theirs/", "password"), ("%74heirs", "password"),
]  # fmt: skip


@pytest.mark.parametrize(("namespace", "name"), TRAVERSALS)
async def test_no_name_leads_out_of_a_namespace(
    plane: Plane, calling: Caller, namespace: str, name: str
) -> None:
    ana = calling(ANA)
    async with plane.nothing_changed():
        for attempt in (
            lambda: ana.secrets.get(name, namespace), lambda: ana.secrets.delete(name, namespace),
            lambda: ana.secrets.patch(name, "{}", namespace=namespace),
            lambda: ana.secrets.create(secret(namespace, name)),
        ):  # fmt: skip
            with pytest.raises(ApiError) as caught:
                await attempt()
            assert caught.value.code in {400, 403, 404, 422}


ROLE_TEXT = "{{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {{name: evil, namespace: ours}}, rules: [{rule}]}}"
BINDING = "{{apiVersion: rbac.authorization.k8s.io/v1, kind: {kind}, metadata: {{name: {name}, namespace: {namespace}}}, roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}, subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: ana}}]}}"
CSR = """
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {name: evil}
spec: {signerName: kubernetes.io/kube-apiserver-client, usages: [client auth], request: AAAA}
"""
ESCALATION: dict[str, tuple[Attack, int]] = {
    "bind oneself to cluster-admin": (
        manifest(BINDING.format(kind="ClusterRoleBinding", name="evil", namespace='""', role="cluster-admin")), 403,
    ),
    "bind oneself to cluster-admin in the own namespace": (
        manifest(BINDING.format(kind="RoleBinding", name="evil", namespace="ours", role="cluster-admin")), 403,
    ),
    "bind oneself to admin in another": (
        manifest(BINDING.format(kind="RoleBinding", name="evil", namespace="theirs", role="admin")), 403,
    ),
    "bind oneself in kube-system": (
        manifest(BINDING.format(kind="RoleBinding", name="evil", namespace="kube-system", role="admin")), 403,
    ),
    "bind oneself to system:node": (
        manifest(BINDING.format(kind="RoleBinding", name="evil", namespace="ours", role='"system:node"')), 403,
    ),
    "bind the scheduler's role": (
        manifest(BINDING.format(kind="RoleBinding", name="evil", namespace="ours", role='"system:kube-scheduler"')), 403,
    ),
    "change the role of the own binding": (
        manifest(BINDING.format(kind="RoleBinding", name="ana", namespace="ours", role="cluster-admin")), 403,
    ),
    "a role for everything": (
        manifest(ROLE_TEXT.format(rule='{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}')), 403,
    ),
    "a role for the verb escalate": (
        manifest(ROLE_TEXT.format(
            rule="{apiGroups: [rbac.authorization.k8s.io], resources: [roles], verbs: [escalate]}"
        )), 403,
    ),
    "a role for the verb bind": (
        manifest(ROLE_TEXT.format(
            rule="{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [bind]}"
        )), 403,
    ),
    "a role for statuses": (
        manifest(ROLE_TEXT.format(rule='{apiGroups: [""], resources: [pods/status], verbs: [update]}')), 403,
    ),
    "a role for bindings of Pods": (
        manifest(ROLE_TEXT.format(rule='{apiGroups: [""], resources: [pods/binding], verbs: [create]}')), 403,
    ),
    "a cluster role": (
        manifest("{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: evil}, rules: []}"), 403,
    ),
    "a cluster role that joins `admin`": (
        manifest(
            "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: evil, labels: "
            '{rbac.authorization.k8s.io/aggregate-to-admin: "true"}}, rules: [{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}]}'
        ), 403,
    ),
    "change `admin` itself": (
        manifest(
            "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: admin}, rules: "
            '[{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}]}'
        ), 403,
    ),
    "ask for an administrator's certificate": (manifest(CSR), 403),
    "approve requests": (lambda c: c.certificate_signing_requests.update_approval(csr()), 403),
    "allow privileged Pods in the own namespace": (
        manifest("{apiVersion: v1, kind: Namespace, metadata: {name: ours, labels: {pod-security.kubernetes.io/enforce: privileged}}}"), 403,
    ),
    "the same by a patch": (
        lambda c: c.namespaces.patch("ours", '{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":null}}}'), 403,
    ),
    "delete the own namespace": (lambda c: c.namespaces.delete("ours"), 403),
    "lift the quota": (
        manifest("{apiVersion: v1, kind: ResourceQuota, metadata: {name: evil, namespace: ours}, spec: {hard: {pods: 9999}}}"), 403,
    ),
    "lift the limits": (lambda c: delete_all(c, "LimitRange"), 403),
    "a priority of its own": (
        manifest("{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: evil}, value: 1000000}"), 403,
    ),
    "a volume of a node's files": (
        manifest(
            "{apiVersion: v1, kind: PersistentVolume, metadata: {name: evil}, spec: {capacity: {storage: 1Gi}, "
            "accessModes: [ReadWriteOnce], hostPath: {path: /}}}"
        ), 403,
    ),
    "a storage class": (
        manifest("{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: evil}, provisioner: a/b}"), 403,
    ),
    "a runtime class": (
        manifest("{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: evil}, handler: runc}"), 403,
    ),
    "lead the schedulers": (
        manifest("{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: kube-scheduler, namespace: kube-system}}"), 403,
    ),
    "a node": (manifest("{apiVersion: v1, kind: Node, metadata: {name: evil}}"), 403),
    "taint a node": (lambda c: c.nodes.patch("node-1", '{"spec":{"unschedulable":true}}'), 403),
    "bind a Pod past the scheduler": (
        lambda c: c.pods.bind("web", namespace="ours", uid="", node="node-2"), 403,
    ),
    "bind Pods past the scheduler in a batch": (
        results(lambda c: c.pods.bind_batch([binding("ours", "web", "", "node-2")])), 403,
    ),
    "lie about a Pod": (
        lambda c: c.pods.patch("web", '{"status":{"phase":"Succeeded"}}', namespace="ours", subresource="status"), 403,
    ),
    "a debug container with the rights of a node": (
        lambda c: c.pods.patch("web", "{}", namespace="ours", subresource="ephemeralcontainers"), 403,
    ),
    "read a Secret of kube-system": (lambda c: c.secrets.list("kube-system"), 403),
    "make a bootstrap token": (
        manifest(
            "{apiVersion: v1, kind: Secret, type: bootstrap.kubernetes.io/token, metadata: "
            "{name: bootstrap-token-abcdef, namespace: kube-system}, stringData: {token-id: abcdef, token-secret: 0123456789abcdef}}"
        ), 403,
    ),
}  # fmt: skip


def csr() -> Any:
    made = next(kind for kind in KINDS if kind.kind == "CertificateSigningRequest").message()
    made.metadata.name = "evil"
    made.status.conditions.add(type="Approved", status="True", reason="Evil")
    return made


def delete_all(client: Clientset, kind: str) -> Awaitable[Any]:
    return client.kind(next(item for item in KINDS if item.kind == kind)).delete_collection("ours")


@pytest.mark.parametrize("name", ESCALATION)
async def test_nobody_gives_themselves_more(plane: Plane, calling: Caller, name: str) -> None:
    attack, code = ESCALATION[name]
    async with plane.unharmed(ANA):
        with refused(code):
            await attack(calling(ANA))


async def test_a_role_that_was_made_within_the_own_rights_does_not_grow_beyond_them(
    plane: Plane, calling: Caller
) -> None:
    ana = calling(ANA)
    await apply(ana, ROLE_TEXT.format(rule='{apiGroups: [""], resources: [configmaps], verbs: [get]}'))
    evil = '{"rules":[{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}]}'
    roles = ana.kind(next(kind for kind in KINDS if kind.kind == "Role"))
    async with plane.nothing_changed():
        for patch_type in ("application/merge-patch+json", "application/strategic-merge-patch+json"):
            with refused(403, "is attempting to grant RBAC permissions not currently held"):
                await roles.patch("evil", evil, patch_type=patch_type, namespace="ours")
        operations = '[{"op":"replace","path":"/rules/0/verbs/0","value":"escalate"},{"op":"replace","path":"/rules/0/resources/0","value":"nodes"}]'
        with refused(403, "not currently held"):
            await roles.patch("evil", operations, patch_type="application/json-patch+json", namespace="ours")
        role = await roles.get("evil", "ours")
        role.rules[0].verbs.append("*")
        role.rules[0].resources.append("secrets/status")
        with refused(403, "not currently held"):
            await roles.update(role)
    await roles.delete("evil", "ours")


PRIVILEGED = "securityContext: {privileged: true}"
POD_TEXT = "{{apiVersion: v1, kind: Pod, metadata: {{name: evil, namespace: ours{meta}}}, spec: {{{spec}containers: [{{name: app, image: busybox{container}}}]}}}}"


def pod_text(spec: str = "", container: str = "", meta: str = "") -> str:
    return POD_TEXT.format(
        spec=spec and f"{spec}, ", container=container and f", {container}", meta=meta and f", {meta}"
    )


def privileged(name: str = "evil") -> pod_pb2.Pod:
    made = pod(name)
    made.spec.containers[0].security_context.privileged = True
    return made


POD_SECURITY: dict[str, Attack] = {
    "privileged": manifest(pod_text(container=PRIVILEGED)),
    "privileged, by a create": lambda c: c.pods.create(privileged()),
    "privileged, in a batch": results(lambda c: c.pods.create_batch([privileged("a"), privileged("b")])),
    "privileged, as a try": lambda c: c.pods.create(privileged(), dry_run=True),
    "privileged, in an init container": manifest(
        pod_text(f"initContainers: [{{name: i, image: busybox, {PRIVILEGED}}}]")
    ),
    "the node's network": manifest(pod_text("hostNetwork: true")),
    "the node's processes": manifest(pod_text("hostPID: true")),
    "the node's IPC": manifest(pod_text("hostIPC: true")),
    "the node's files": manifest(pod_text("volumes: [{name: root, hostPath: {path: /}}]")),
    "a port of the node": manifest(pod_text(container="ports: [{containerPort: 1, hostPort: 1}]")),
    "more capabilities": manifest(pod_text(container="securityContext: {capabilities: {add: [SYS_ADMIN]}}")),
    "no seccomp": manifest(pod_text("securityContext: {seccompProfile: {type: Unconfined}}")),
    "sysctls": manifest(pod_text("securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}")),
    "privileged, as a mirror of a static Pod": manifest(
        pod_text("nodeName: node-1", PRIVILEGED, "annotations: {kubernetes.io/config.mirror: x}")
    ),
    "privileged, with the labels of a namespace": manifest(
        pod_text(container=PRIVILEGED, meta="labels: {pod-security.kubernetes.io/enforce: privileged}")
    ),
}


@pytest.mark.parametrize("name", POD_SECURITY)
async def test_no_pod_gets_past_the_level_of_its_namespace(plane: Plane, calling: Caller, name: str) -> None:
    # Of a batch the log tells as a whole, and how many of its items failed.
    audited = () if "batch" in name else (ANA,)
    async with plane.unharmed(*audited):
        with refused(403, 'violates PodSecurity "baseline:latest"'):
            await POD_SECURITY[name](calling(ANA))


async def test_a_pod_does_not_become_privileged(plane: Plane, calling: Caller) -> None:
    """Not by a change: what it asks for stays as it was."""
    ana = calling(ANA)
    changes = '{"spec":{"containers":[{"name":"app","securityContext":{"privileged":true}}]}}'
    async with plane.nothing_changed():
        for patch in (changes, '{"spec":{"hostNetwork":true}}'):
            with pytest.raises(ApiError) as caught:
                await ana.pods.patch("web", patch, namespace="ours")
            assert caught.value.code in {403, 422}
        changed = await ana.pods.get("web", "ours")
        changed.spec.containers[0].security_context.privileged = True
        with pytest.raises(ApiError) as caught:
            await ana.pods.update(changed)
        assert caught.value.code in {403, 422}


FORGED = (
    ("impersonate-user", "kubernetes-admin"), ("impersonate-group", "system:masters"), ("x-remote-user", "kubernetes-admin"),
    ("x-remote-group", "system:masters"), ("x-remote-extra-scopes", "all"), ("authorization", "Bearer system:masters"),
    ("x-forwarded-client-cert", "Subject=\"O=system:masters,CN=kubernetes-admin\""), ("user", "kubernetes-admin"),
    ("x-vaina-user", "kubernetes-admin"), ("x509-subject", "O=system:masters"), ("user-agent", "vaina-scheduler"),
    ("x-forwarded-for", "127.0.0.1"), ("vaina-session-bin", b"\n\x10kubernetes-admin"),
)  # fmt: skip


@pytest.mark.parametrize("key", [key for key, _ in FORGED])
async def test_no_metadata_makes_a_caller_somebody_else(plane: Plane, calling: Caller, key: str) -> None:
    transport = calling(ANA).transport
    request = request_pb2.ListRequest(namespace="theirs").SerializeToString()
    metadata = [(name, value) for name, value in FORGED if name == key]
    async with plane.nothing_changed():
        with refused(403, 'User "ana" cannot list resource "secrets"'):
            await transport.unary(SECRET.method("List"), request, metadata=metadata)
        with refused(403, 'User "ana" cannot '):
            await transport.unary(SECRET.method("List"), request, metadata=(*metadata, *metadata))
        with refused(403, 'User "ana" cannot '):
            await anext(transport.stream(POD.method("Watch"), b"", metadata=metadata))


LOOKALIKES = (
    Profile("kubernetes-admin"), Profile("system:masters"), Profile("ana", ("system:masters ",)),
    Profile("ana", ("System:Masters",)), Profile("ana,O=system:masters"), Profile("ana/O=system:masters"),
    Profile("CN=kubernetes-admin,O=system:masters"), Profile("ana", ("system:masters,x",)), Profile("ana\nO=system:masters"),
    Profile("system:unsecured"), Profile("system:apiserver"), Profile("kube-apiserver"), Profile("system:node:node-1"),
    Profile("kube-apiserver-kubelet-client"), Profile("system:serviceaccount:kube-system:x"),
)  # fmt: skip


@pytest.mark.parametrize("profile", LOOKALIKES, ids=lambda profile: repr((profile.name, profile.groups)))
async def test_a_name_that_looks_like_an_administrators_is_none(
    plane: Plane, calling: Caller, profile: Profile
) -> None:
    client = calling(profile)
    async with plane.nothing_changed():
        with refused(403):
            await client.secrets.list("theirs")
        with refused(403):
            await client.secrets.create(secret("theirs"))


async def test_who_has_no_right_may_ask_for_the_version_and_nothing_else(
    plane: Plane, calling: Caller
) -> None:
    nobody = calling(NOBODY)
    assert (await nobody.version()).git_version
    async with plane.nothing_changed():
        for kind in KINDS:
            client = nobody.kind(kind)
            with refused(403, 'User "nobody" cannot list resource'):
                await client.list()
            with refused(403, 'User "nobody" cannot get resource'):
                await client.get("x", "theirs" if kind.namespaced else "")
            with refused(403, 'User "nobody" cannot watch resource'):
                await anext(client.watch())
            with refused(403, 'User "nobody" cannot delete resource'):
                await client.delete("x", "theirs" if kind.namespaced else "")
