"""What a static Pod may not be: found by the kubelet, at the place and in the words that the apiserver has
for it.
"""

import pytest

from apiserver.validation import validate_create
from kubelet.sources import static_files
from kubelet.sources.static_checks import field_errors
from kubelet.sources.static_files import ManifestError
from vaina.kinds import POD
from vaina.objects.defaults import default_pod
from vaina.objects.manifest import read_documents

VOLUME = "volumes: [{name: v, emptyDir: {}}]"


def spec(container: str = "", rest: str = "") -> str:
    return f"containers: [{{name: main, image: busybox{container}}}]{rest}"


BAD = {
    "no containers": ("containers: []", "spec.containers"),
    "a container's name": ('containers: [{name: "../\\n", image: i}]', "spec.containers[0].name"),
    "no name": ("containers: [{image: i}]", "spec.containers[0].name"),
    "a name that is too long": (f"containers: [{{name: {'a' * 64}, image: i}}]", "spec.containers[0].name"),
    "a name twice": ("containers: [{name: a, image: i}, {name: a, image: i}]", "spec.containers[1].name"),
    "an init container's name": (
        "containers: [{name: a, image: i}], initContainers: [{name: a, image: i}]",
        "spec.initContainers[0].name",
    ),
    "no image": ("containers: [{name: a}]", "spec.containers[0].image"),
    "an image of spaces": ("containers: [{name: a, image: ' '}]", "spec.containers[0].image"),
    "a port too high": (
        spec(", ports: [{containerPort: 80}, {containerPort: 80, hostPort: 70000}]"),
        "spec.containers[0].ports[1].hostPort",
    ),
    "a port too low": (spec(", ports: [{containerPort: -1}]"), "spec.containers[0].ports[0].containerPort"),
    "no port": (spec(", ports: [{name: a}]"), "spec.containers[0].ports[0].containerPort"),
    "a protocol": (
        spec(", ports: [{containerPort: 80, protocol: 't\"cp'}]"),
        "spec.containers[0].ports[0].protocol",
    ),
    "a policy": (spec(rest=", restartPolicy: Sometimes"), "spec.restartPolicy"),
    "a volume's name": (spec(rest=", volumes: [{name: .., emptyDir: {}}]"), "spec.volumes[0].name"),
    "a volume twice": (
        spec(rest=", volumes: [{name: v, emptyDir: {}}, {name: v, emptyDir: {}}]"),
        "spec.volumes[1].name",
    ),
    "no such volume": (
        spec(", volumeMounts: [{name: v, mountPath: /v}]"),
        "spec.containers[0].volumeMounts[0].name",
    ),
    "ephemeral": (spec(rest=", ephemeralContainers: [{name: e, image: i}]"), "spec.ephemeralContainers"),
    "deadline": (spec(rest=", activeDeadlineSeconds: 0"), "spec.activeDeadlineSeconds"),
    "dns": (spec(rest=", dnsPolicy: Often"), "spec.dnsPolicy"),
    "group": (spec(rest=", securityContext: {fsGroup: -1}"), "spec.securityContext.fsGroup"),
    "user": (spec(", securityContext: {runAsUser: -1}"), "spec.containers[0].securityContext.runAsUser"),
    "pull": (spec(", imagePullPolicy: Often"), "spec.containers[0].imagePullPolicy"),
    "propagation": (
        spec(", volumeMounts: [{name: v, mountPath: /v, mountPropagation: Sideways}]", f", {VOLUME}"),
        "spec.containers[0].volumeMounts.mountPropagation",
    ),
    "propagation without the right": (
        spec(", volumeMounts: [{name: v, mountPath: /v, mountPropagation: Bidirectional}]", f", {VOLUME}"),
        "spec.containers[0].volumeMounts.mountPropagation",
    ),
    "mount": (
        spec(", volumeMounts: [{name: v, mountPath: ''}]", f", {VOLUME}"),
        "spec.containers[0].volumeMounts[0].mountPath",
    ),
    "probe": (
        spec(", livenessProbe: {exec: {command: [a]}, periodSeconds: -1}"),
        "spec.containers[0].livenessProbe.periodSeconds",
    ),
    "probe of nothing": (spec(", startupProbe: {periodSeconds: 1}"), "spec.containers[0].startupProbe"),
    "two volumes in one": (
        spec(rest=", volumes: [{name: v, emptyDir: {}, hostPath: {path: /a}}]"),
        "spec.volumes[0].hostPath",
    ),
    "a path of nothing": (
        spec(rest=", volumes: [{name: v, hostPath: {path: ''}}]"),
        "spec.volumes[0].hostPath.path",
    ),
}


def test_whoever_is_told_to_end_gets_a_second() -> None:
    text = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec: {{{spec()}, terminationGracePeriodSeconds: -5}}\n"
    pod = static_files.decode(text.encode(), path="/m/web.yaml", node_name="node", now=0)
    assert pod.spec.termination_grace_period_seconds == 1


@pytest.mark.parametrize(("text", "field"), BAD.values(), ids=BAD)
def test_a_bad_value_is_refused_in_the_apiservers_words(text: str, field: str) -> None:
    manifest = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: web, namespace: default}}\nspec: {{{text}}}\n"
    with pytest.raises(ManifestError) as refused:
        static_files.decode(manifest.encode(), path="/m/web.yaml", node_name="node", now=0)
    [found] = read_documents(manifest.encode(), strict=False)
    pod = found.message  # type: ignore[union-attr] # it can be read
    default_pod(pod)
    errors = {(error.field, error.detail) for error in validate_create(POD, pod)}
    told = [(error.field, error.detail) for error in field_errors(pod)]
    assert field in {where for where, _ in told}
    assert set(told) <= errors
    assert str(refused.value) == f"invalid pod: [{' '.join(f'{where}: {words}' for where, words in told)}]"


@pytest.mark.parametrize(
    ("metadata", "field"),
    [("{name: ../up}", "metadata.name"), ("{name: web, namespace: ../up}", "metadata.namespace")],
)
def test_a_bad_name_is_refused_in_the_apiservers_words(metadata: str, field: str) -> None:
    text = f"apiVersion: v1\nkind: Pod\nmetadata: {metadata}\nspec: {{{spec()}}}\n"
    with pytest.raises(ManifestError, match="must consist of lower case alphanumeric characters") as refused:
        static_files.decode(text.encode(), path="/m/web.yaml", node_name="Node-1", now=0)
    assert str(refused.value).startswith(f"invalid pod: [{field}: Invalid value: ")


def test_a_pod_needs_a_name() -> None:
    text = f"apiVersion: v1\nkind: Pod\nmetadata: {{}}\nspec: {{{spec()}}}\n"
    with pytest.raises(ManifestError, match="invalid pod: name is needed for the pod"):
        static_files.decode(text.encode(), path="/m/web.yaml", node_name="node", now=0)
