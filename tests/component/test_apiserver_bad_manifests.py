"""Wrong manifests, applied over gRPC: every violation of a stage, with type, path and words.

Code and reason of the answer.

The cases are those of the design's table of bad input, as far as this version's kinds reach. What is refused
is not stored.
"""

import json
from collections.abc import AsyncIterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from tests.support.apiserver_process import ApiserverProcess
from tests.support.etcd import EtcdServer
from vaina.api.core.v1 import manifest_service_pb2 as manifests
from vaina.client.verbs import MANIFEST_SERVICE
from vaina.errors import ApiError
from vaina.serving import status

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

#: type of a cause -> its word in messages
WORDS = {
    "Required": "Required value",
    "Invalid": "Invalid value",
    "Duplicate": "Duplicate value",
    "NotSupported": "Unsupported value",
    "Forbidden": "Forbidden",
    "NotFound": "Not found",
    "TooLong": "Too long",
}


@dataclass(frozen=True)
class Case:
    name: str
    manifest: dict[str, Any] | str
    #: (type, path, part of the detail) of every violation; empty for what cannot be decoded
    causes: tuple[tuple[str, str, str], ...] = ()
    #: parts of the message, for what cannot be decoded
    words: tuple[str, ...] = ()
    reason: str = "Invalid"
    code: grpc.StatusCode = grpc.StatusCode.INVALID_ARGUMENT


def _meta(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}}


def _pod(name: str = "web", *, container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    base = {"name": "app", "image": "registry.local/app:1", **(container or {})}
    return {**_meta(name), "spec": {"containers": [base], **spec}}


def _with(**container: Any) -> dict[str, Any]:
    return _pod(container=container)


def _rs(**spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "a"}}, "spec": _pod()["spec"]}
    base = {"replicas": 1, "selector": {"matchLabels": {"app": "a"}}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "web"},
        "spec": {**base, **spec},
    }


def _labelled(**labels: str) -> dict[str, Any]:
    pod = _pod()
    pod["metadata"]["labels"] = labels
    return pod


def _probe(**probe: Any) -> dict[str, Any]:
    return _with(livenessProbe=probe)


def _config_map(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, **fields}


def _template_of(**spec: Any) -> dict[str, Any]:
    found = deepcopy(_rs())
    found["spec"]["template"]["spec"].update(spec)
    return found


C = "spec.containers[0]"
TCP = {"tcpSocket": {"port": 80}}
NOT_NEGATIVE = "must be greater than or equal to 0"

CASES = [
    Case("no containers", {**_meta("web"), "spec": {}}, (("Required", "spec.containers", ""),)),
    Case(
        "a name twice, in init and regular containers", _pod(initContainers=[{"name": "app", "image": "i"}]),
        (("Duplicate", "spec.initContainers[0].name", '"app"'),),
    ),
    Case("a container without a name", _with(name=""), (("Required", f"{C}.name", ""),)),
    Case("a container's name that is no label", _with(name="App_1"), (("Invalid", f"{C}.name", "a lowercase RFC 1123 label must consist of"),)),
    Case("a Pod's name with capitals", _pod("Bad_Name"), (("Invalid", "metadata.name", '"Bad_Name": a lowercase RFC 1123 subdomain must consist of'),)),
    Case("no name at all", {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": _pod()["spec"]}, (("Required", "metadata.name", "name or generateName is required"),)),
    Case("a label of 64 characters", _labelled(a="x" * 64), (("Invalid", "metadata.labels", "must be no more than 63 bytes"),)),
    Case("a label that begins with a dash", _labelled(a="-x"), (("Invalid", "metadata.labels", "a valid label must be an empty string or consist of"),)),
    Case("an empty image", _with(image=""), (("Required", f"{C}.image", ""),)),
    Case("an unknown pull policy", _with(imagePullPolicy="Sometimes"), (("NotSupported", f"{C}.imagePullPolicy", '"Sometimes": supported values: "Always", "IfNotPresent", "Never"'),)),
    Case("an unknown restart policy", _pod(restartPolicy="Sometimes"), (("NotSupported", "spec.restartPolicy", '"Sometimes": supported values: "Always", "OnFailure", "Never"'),)),
    Case(
        "an init container with a liveness probe", _pod(initContainers=[{"name": "i", "image": "i", "livenessProbe": TCP}]),
        (("Forbidden", "spec.initContainers[0].livenessProbe", "may not be set for init containers without restartPolicy=Always"),),
    ),
    Case(
        "an init container with a hook", _pod(initContainers=[{"name": "i", "image": "i", "lifecycle": {"preStop": {"exec": {"command": ["x"]}}}}]),
        (("Forbidden", "spec.initContainers[0].lifecycle", "may not be set for init containers without restartPolicy=Always"),),
    ),
    Case("a probe with two handlers", _probe(httpGet={"path": "/", "port": 80}, **TCP), (("Forbidden", f"{C}.livenessProbe.tcpSocket", "may not specify more than 1 handler type"),)),
    Case("a probe without a handler", _probe(periodSeconds=3), (("Required", f"{C}.livenessProbe", "must specify a handler type"),)),
    Case(
        "five negative numbers in a probe",
        _probe(initialDelaySeconds=-1, timeoutSeconds=-1, periodSeconds=-1, successThreshold=-1, failureThreshold=-1, **TCP),
        (
            *(("Invalid", f"{C}.livenessProbe.{field}", f"-1: {NOT_NEGATIVE}") for field in
              ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")),
            ("Invalid", f"{C}.livenessProbe.successThreshold", "-1: must be 1"),
        ),
    ),
    Case("a probe whose grace period is 0", _probe(terminationGracePeriodSeconds=0, **TCP), (("Invalid", f"{C}.livenessProbe.terminationGracePeriodSeconds", "0: must be greater than 0"),)),
    Case("a probe over FTP", _probe(httpGet={"path": "/", "port": 80, "scheme": "FTP"}), (("NotSupported", f"{C}.livenessProbe.httpGet.scheme", '"FTP": supported values: "HTTP", "HTTPS"'),)),
    Case("a probe with a bad header", _probe(httpGet={"path": "/", "port": 80, "httpHeaders": [{"name": "a b", "value": ""}]}), (("Invalid", f"{C}.livenessProbe.httpGet.httpHeaders", "a valid HTTP header must consist of"),)),
    Case("a container port of 0", _with(ports=[{"containerPort": 0}]), (("Required", f"{C}.ports[0].containerPort", ""),)),
    Case("a container port of 70000", _with(ports=[{"containerPort": 70000}]), (("Invalid", f"{C}.ports[0].containerPort", "70000: must be between 1 and 65535, inclusive"),)),
    Case("a host port of 70000", _with(ports=[{"containerPort": 80, "hostPort": 70000}]), (("Invalid", f"{C}.ports[0].hostPort", "70000: must be between 1 and 65535, inclusive"),)),
    Case("a port's name twice", _with(ports=[{"containerPort": 80, "name": "a"}, {"containerPort": 81, "name": "a"}]), (("Duplicate", f"{C}.ports[1].name", '"a"'),)),
    Case("an unknown protocol", _with(ports=[{"containerPort": 80, "protocol": "ICMP"}]), (("NotSupported", f"{C}.ports[0].protocol", '"ICMP": supported values: "SCTP", "TCP", "UDP"'),)),
    Case("a variable whose name has an equals sign", _with(env=[{"name": "1=A"}]), (("Invalid", f"{C}.env[0].name", "a valid environment variable name must consist only of printable ASCII characters other than '='"),)),
    Case("a variable without a name", _with(env=[{"value": "x"}]), (("Required", f"{C}.env[0].name", ""),)),
    Case("a field that cannot be referred to", _with(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.foo"}}}]), (("Invalid", f"{C}.env[0].valueFrom.fieldRef.fieldPath", '"status.foo": error converting fieldPath: field label not supported: status.foo'),)),
    Case("a mount without its volume", _with(volumeMounts=[{"name": "x", "mountPath": "/x"}]), (("NotFound", f"{C}.volumeMounts[0].name", '"x"'),)),
    Case("a volume twice", _pod(volumes=[{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]), (("Duplicate", "spec.volumes[1].name", '"v"'),)),
    Case("a volume of two types", _pod(volumes=[{"name": "v", "emptyDir": {}, "hostPath": {"path": "/x"}}]), (("Forbidden", "spec.volumes[0].hostPath", "may not specify more than 1 volume type"),)),
    Case("a mount path twice", _pod(container={"volumeMounts": [{"name": "v", "mountPath": "/x"}, {"name": "v", "mountPath": "/x"}]}, volumes=[{"name": "v", "emptyDir": {}}]), (("Invalid", f"{C}.volumeMounts[1].mountPath", '"/x": must be unique'),)),
    Case("a negative request", _with(resources={"requests": {"cpu": "-1"}}), (("Invalid", f"{C}.resources.requests[cpu]", f'"-1": {NOT_NEGATIVE}'),)),
    Case("a request above its limit", _with(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}), (("Invalid", f"{C}.resources.requests", '"2": must be less than or equal to cpu limit of 1'),)),
    Case("a resource that is none", _with(resources={"limits": {"foo": "1"}}), (("Invalid", f"{C}.resources.limits[foo]", "must be a standard resource"), ("Invalid", f"{C}.resources.requests[foo]", "must be a standard resource"))),
    Case("a deadline of 0", _pod(activeDeadlineSeconds=0), (("Invalid", "spec.activeDeadlineSeconds", "0: must be between 1 and 2147483647, inclusive"),)),
    Case("a node selector that is no label", _pod(nodeSelector={"a": "b c"}), (("Invalid", "spec.nodeSelector", "a valid label must be"),)),
    Case("an unknown operator of a toleration", _pod(tolerations=[{"key": "a", "operator": "Foo"}]), (("NotSupported", "spec.tolerations[0].operator", '"Foo": supported values: "Equal", "Exists"'),)),
    Case("a user below 0", _pod(securityContext={"runAsUser": -1}), (("Invalid", "spec.securityContext.runAsUser", "-1: must be between 0 and 2147483647, inclusive"),)),
    Case("gates and a node", _pod(schedulingGates=[{"name": "a.b/c"}], nodeName="n"), (("Forbidden", "spec.nodeName", "cannot be set until all schedulingGates have been cleared"),)),
    Case("a sleep longer than the grace", _pod(container={"lifecycle": {"preStop": {"sleep": {"seconds": 60}}}}), (("Invalid", f"{C}.lifecycle.preStop.sleep", "60: must be"),)),
    Case("a hostname that is no label", _pod(hostname="a_b"), (("Invalid", "spec.hostname", "a lowercase RFC 1123 label must consist of"),)),
    Case(
        "a selector that the template does not have", _rs(selector={"matchLabels": {"app": "b"}}),
        (("Invalid", "spec.template.metadata.labels", '{"app":"a"}: `selector` does not match template `labels`'),),
    ),
    Case("a template that must not run for ever", _template_of(restartPolicy="Never"), (("NotSupported", "spec.template.spec.restartPolicy", '"Never": supported values: "Always"'),)),
    Case("an empty selector", _rs(selector={}), (("Invalid", "spec.selector", "empty selector is invalid"),)),
    Case("an operator In without values", _rs(selector={"matchExpressions": [{"key": "app", "operator": "In"}]}), (("Required", "spec.selector.matchExpressions[0].values", "must be specified when `operator` is 'In' or 'NotIn'"), ("Invalid", "spec.selector", "invalid label selector"))),
    Case("a negative number of replicas", _rs(replicas=-1), (("Invalid", "spec.replicas", f"-1: {NOT_NEGATIVE}"),)),
    Case("a key with a slash", _config_map(data={"a/b": "x"}), (("Invalid", "data[a/b]", '"a/b": a valid config key must consist of'),)),
    Case("a key twice", _config_map(data={"k": "x"}, binaryData={"k": "eA=="}), (("Invalid", "data[k]", "duplicate of key present in binaryData"),)),
    Case("data of more than a mebibyte", _config_map(data={"k": "x" * 1_100_000}), (("TooLong", "[]", "may not be more than 1048576 bytes"), ("TooLong", "metadata.annotations", "may not be more than 262144 bytes"))),
    Case(
        "many mistakes in one manifest", {**_pod("A", restartPolicy="No", container={"image": "", "ports": [{"containerPort": 0}]})},
        (("Invalid", "metadata.name", '"A"'), ("Required", f"{C}.image", ""), ("Required", f"{C}.ports[0].containerPort", ""), ("NotSupported", "spec.restartPolicy", '"No"')),
    ),
    Case(
        "two unknown fields", {**_meta("web"), "spec": {"contianers": [], "containers": [{"name": "a", "image": "i", "foo": 1}]}},
        words=('Pod in version "v1" cannot be handled as a Pod: strict decoding error: ', 'unknown field "spec.containers[0].foo"', 'unknown field "spec.contianers"'),
        reason="BadRequest",
    ),
    Case("a field twice", "apiVersion: v1\nkind: Pod\nmetadata: {name: a, name: b}\nspec: {containers: [{name: a, image: i}]}\n", words=('strict decoding error: yaml: unmarshal errors:\n  line 3: key "name" already set in map',), reason="BadRequest"),
    Case("a number as text", _rs(replicas="3"), words=("cannot unmarshal string into Go struct field", "spec.replicas"), reason="BadRequest"),
    Case("an object instead of a list", _with(ports={}), words=("cannot unmarshal object into Go struct field", "ports"), reason="BadRequest"),
    Case("an unknown kind", {"apiVersion": "v1", "kind": "Ship", "metadata": {"name": "a"}}, words=('no matches for kind "Ship"',), reason="BadRequest"),
    Case("a quantity that is none", _with(resources={"requests": {"cpu": "lots"}}), words=("quantities must match the regular expression",), reason="BadRequest"),
    Case("a namespace that is not there", {**_pod(), "metadata": {"name": "a", "namespace": "nowhere"}}, words=('namespaces "nowhere" not found',), reason="NotFound", code=grpc.StatusCode.NOT_FOUND),
]  # fmt: skip


@pytest.fixture
async def server(etcd: EtcdServer) -> AsyncIterator[ApiserverProcess]:
    process = ApiserverProcess(etcd.target)
    try:
        await process.start()
        yield process
    finally:
        process.close()


@pytest.mark.requirement("A1")
async def test_wrong_manifests(server: ApiserverProcess) -> None:
    assert len(CASES) >= 40
    mistakes: list[str] = []
    async with grpc.aio.insecure_channel(server.target) as channel:
        for case in CASES:
            mistakes += [f"{case.name}: {text}" for text in await _check(channel, case)]
    assert not mistakes, "\n".join(mistakes)
    client = server.client()
    left = [
        *(await client.pods.list("default")).items,
        *(await client.replica_sets.list("default")).items,
        *(await client.config_maps.list("default")).items,
    ]
    await client.close()
    assert left == []


async def _check(channel: grpc.aio.Channel, case: Case) -> list[str]:
    """Apply a manifest; return what is otherwise than it should be."""
    text = case.manifest if isinstance(case.manifest, str) else json.dumps(case.manifest)
    request = manifests.ApplyRequest(manifest=text).SerializeToString()
    try:
        await channel.unary_unary(f"/{MANIFEST_SERVICE}/Apply")(request, timeout=60)
    except grpc.aio.AioRpcError as error:
        return _differences(case, error, status.from_aio(error))
    return ["it was accepted"]


def _differences(case: Case, raw: grpc.aio.AioRpcError, error: ApiError) -> list[str]:
    wrong: list[str] = []
    if (raw.code(), error.reason) != (case.code, case.reason):
        wrong.append(f"{raw.code()} {error.reason}: {error.message}")
    wrong += [f"{word!r} is not in {error.message!r}" for word in case.words if word not in error.message]
    want = {(f"FieldValue{kind}", field) for kind, field, _ in case.causes}
    got = {(cause.type, cause.field) for cause in error.causes}
    if want != got and case.reason != "BadRequest":
        wrong.append(f"causes {sorted(got)}")
    for kind, field, detail in case.causes:
        details = [c.detail for c in error.causes if (c.type, c.field) == (f"FieldValue{kind}", field)]
        if not any(text.startswith(WORDS[kind]) and detail in text for text in details):
            wrong.append(f"{field}: no {detail!r} in {details}")
    return wrong
