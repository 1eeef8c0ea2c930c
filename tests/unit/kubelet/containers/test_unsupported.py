"""What this node cannot do: said where upstream says it."""

import pytest

from kubelet.admit import admit
from kubelet.containers.unsupported import left_aside, why_no_container, why_no_sandbox
from vaina.api.core.v1 import pod_pb2
from vaina.objects.manifest import decode_documents
from vaina.testing.builders import make_node, make_pod


def pod(spec: str, container: str = "") -> pod_pb2.Pod:
    text = f"{{apiVersion: v1, kind: Pod, metadata: {{name: web}}, spec: {{containers: [{{name: app, image: x{container}}}]{spec}}}}}"
    (made,) = decode_documents(text)
    assert isinstance(made.message, pod_pb2.Pod)
    return made.message


def test_groups_that_have_to_be_the_pods_alone_are_refused():
    found = admit(pod(", securityContext: {supplementalGroupsPolicy: Strict}"), (), make_node())
    assert found is not None
    assert found.reason == "SupplementalGroupsPolicyNotSupported"
    assert found.message == "SupplementalGroupsPolicy=Strict is not supported in this node"


def test_a_node_that_can_takes_them_and_merged_groups_go_everywhere():
    able = make_node()
    able.status.features.supplemental_groups_policy = True
    strict, merged = (
        pod(f", securityContext: {{supplementalGroupsPolicy: {policy}}}") for policy in ("Strict", "Merge")
    )
    assert admit(strict, (), able) is None
    assert admit(merged, (), make_node()) is None


def test_a_pod_of_another_system_is_refused():
    found = admit(pod(", os: {name: windows}"), (), make_node())
    assert found is not None
    assert (found.reason, found.message) == (
        "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS",
    )  # fmt: skip
    assert admit(pod(", os: {name: linux}"), (), make_node()) is None


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("", ""),
        (", hostUsers: false", "user namespaces are not supported by the runtime"),
        (", hostUsers: true", ""),
        (
            ", resourceClaims: [{name: gpu, resourceClaimName: one}]",
            "resource claims are not supported by this node: gpu",
        ),
    ],
)
def test_sandbox(spec, words):
    assert why_no_sandbox(pod(spec)) == words


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ("", ""),
        (
            ", volumeMounts: [{name: v, mountPath: /a, readOnly: true, recursiveReadOnly: Enabled}]",
            'failed to resolve recursive read-only mode: volume "v" requested recursive read-only mode, but it is not '
            "supported by the runtime",
        ),
        (", volumeMounts: [{name: v, mountPath: /a, readOnly: true, recursiveReadOnly: IfPossible}]", ""),
        (
            ", volumeDevices: [{name: v, devicePath: /dev/a}]",
            "volume v has volumeMode Filesystem, but is specified in volumeDevices",
        ),
        (", env: [{name: A, valueFrom: {fileKeyRef: {volumeName: v, path: a, key: b}}}]", ""),
    ],
)
def test_container(container, words):
    assert why_no_container(pod("", container).spec.containers[0]) == words


def test_a_runtime_that_can_is_asked_for_all_that_is_mounted_below():
    asks = pod("", ", volumeMounts: [{name: v, mountPath: /a, readOnly: true, recursiveReadOnly: Enabled}]")
    assert why_no_container(asks.spec.containers[0], recursive_readonly=True) == ""


def test_what_has_no_effect_is_named():
    found = left_aside(
        pod(
            ", securityContext: {seLinuxOptions: {type: t}}, volumes: [{name: v, emptyDir: {mode: 511}}]",
            ", livenessProbe: {httpGet: {port: 80, protocol: HTTP2}}, readinessProbe: {grpc: {port: 1, mode: TLS}}",
        )
    )
    assert found == (
        "spec.securityContext.seLinuxOptions",
        "spec.volumes[0].emptyDir.mode", "spec.containers[0].livenessProbe.httpGet.protocol",
        "spec.containers[0].readinessProbe.grpc.mode",
    )  # fmt: skip


def test_of_an_ordinary_pod_nothing_is_left_aside():
    assert left_aside(make_pod()) == ()
    assert left_aside(pod(", serviceAccountName: robot, automountServiceAccountToken: true")) == ()
