"""Values that a static Pod may not have: found by the kubelet, in the words that the apiserver has for them."""

import pytest

from apiserver.validation import pods
from kubelet.sources import static_files
from kubelet.sources.static_files import ManifestError
from kubelet.sources.static_values import bad_values
from vaina.objects.defaults.pods import default_pod
from vaina.objects.manifest import read_documents

VOLUME = "volumes: [{name: v, emptyDir: {}}]"


def spec(container: str = "", rest: str = "") -> str:
    return f"containers: [{{name: main, image: busybox{container}}}]{rest}"


BAD = {
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
    assert str(refused.value).startswith(f"{field}: ")
    [found] = read_documents(manifest.encode(), strict=False)
    pod = found.message  # type: ignore[union-attr] # it can be read
    default_pod(pod)
    errors = {(error.field, error.detail) for error in pods.check_create(pod)}
    assert {(error.field, error.detail) for error in bad_values(pod.spec)} <= errors
    assert any(f"{where}: {words}" == str(refused.value) for where, words in errors)
