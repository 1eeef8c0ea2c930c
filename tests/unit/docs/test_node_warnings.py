"""docs/node.md and the apiserver's warnings say the same of each field.

What is not done is warned of, and what is done never.
"""

from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from apiserver.validation import warnings_for
from kubelet.containers.unsupported import left_aside
from tests.unit.docs.test_node_fields import MESSAGES, verdicts
from vaina.api.core.v1 import pod_pb2, reference_pb2, volume_pb2
from vaina.kinds import POD
from vaina.objects.manifest import decode_documents

NOT_YET = "accepted, but vaina does not act on it yet"
#: fields that are neither: nothing is to be done, or it fails as upstream's does
ELSE = {
    "PodSpec.overhead", "PodSpec.enableServiceLinks", "PodSpec.serviceAccount", "LifecycleHandler.tcpSocket",
}  # fmt: skip
#: volumes of which upstream has words of its own, which the warning gives instead
UPSTREAM_WORDS = {
    "gitRepo", "glusterfs", "rbd", "cephfs", "flocker", "quobyte", "photonPersistentDisk", "scaleIO", "storageos",
}  # fmt: skip
_POD = "spec: {{ {} }}"
_CONTAINER = "spec: {{containers: [{{ {} }}]}}"
_VOLUME = "spec: {{volumes: [{{name: v, {}}}]}}"
#: fields that are not done: a manifest with one, and where the warning stands
NOT_DONE = {
    "PodSpec.hostUsers": (_POD.format("hostUsers: false"), "spec.hostUsers"),
    "PodSpec.resourceClaims": (_POD.format("resourceClaims: [{name: a}]"), "spec.resourceClaims"),
    "PodSpec.os": (_POD.format("os: {name: windows}"), "spec.os"),
    "PodSpec.schedulingGroup": (_POD.format("schedulingGroup: {podGroupName: g}"), "spec.schedulingGroup"),
    "PodSpec.evictionResponders": (_POD.format("evictionResponders: [{name: a}]"), "spec.evictionResponders"),
    "Container.volumeDevices": (
        _CONTAINER.format("volumeDevices: [{name: a}]"), "spec.containers[0].volumeDevices"
    ),
    "PodSecurityContext.supplementalGroupsPolicy": (
        _POD.format("securityContext: {supplementalGroupsPolicy: Strict}"),
        "spec.securityContext.supplementalGroupsPolicy",
    ),
    "PodSecurityContext.seLinuxOptions": (
        _POD.format("securityContext: {seLinuxOptions: {level: a}}"), "spec.securityContext.seLinuxOptions"
    ),
    "PodSecurityContext.seLinuxChangePolicy": (
        _POD.format("securityContext: {seLinuxChangePolicy: MountOption}"),
        "spec.securityContext.seLinuxChangePolicy",
    ),
    "PodSecurityContext.windowsOptions": (
        _POD.format("securityContext: {windowsOptions: {}}"), "spec.securityContext.windowsOptions"
    ),
    "SecurityContext.seLinuxOptions": (
        _CONTAINER.format("securityContext: {seLinuxOptions: {level: a}}"),
        "spec.containers[0].securityContext.seLinuxOptions",
    ),
    "SecurityContext.windowsOptions": (
        _CONTAINER.format("securityContext: {windowsOptions: {}}"),
        "spec.containers[0].securityContext.windowsOptions",
    ),
    "VolumeMount.bindMountOptions": (
        _CONTAINER.format("volumeMounts: [{bindMountOptions: [noexec]}]"),
        "spec.containers[0].volumeMounts[0].bindMountOptions",
    ),
    "EmptyDirVolumeSource.mode": (_VOLUME.format("emptyDir: {mode: 448}"), "spec.volumes[0].emptyDir.mode"),
    **{
        f"VolumeSource.{field}": (_VOLUME.format(f"{field}: {{}}"), f"spec.volumes[0].{field}")
        for field in (
            "gcePersistentDisk", "awsElasticBlockStore", "gitRepo", "nfs", "iscsi", "glusterfs", "rbd", "flexVolume",
            "cinder", "cephfs", "flocker", "fc", "azureFile", "vsphereVolume", "quobyte", "azureDisk",
            "photonPersistentDisk", "portworxVolume", "scaleIO", "storageos", "csi",
        )
    },
    **{
        f"VolumeProjection.{field}": (
            _VOLUME.format(f"projected: {{sources: [{{ {field}: {{}} }}]}}"),
            f"spec.volumes[0].projected.sources[0].{field}",
        )
        for field in ("clusterTrustBundle", "podCertificate")
    },
    "HTTPGetAction.protocol": (
        _CONTAINER.format("livenessProbe: {httpGet: {protocol: HTTP1}}"),
        "spec.containers[0].livenessProbe.httpGet.protocol",
    ),
    "GRPCAction.mode": (
        _CONTAINER.format("startupProbe: {grpc: {port: 1, mode: TLS}}"),
        "spec.containers[0].startupProbe.grpc.mode",
    ),
    "ResourceRequirements.claims": (
        _CONTAINER.format("resources: {claims: [{name: d}]}"), "spec.containers[0].resources.claims"
    ),
    "KeyToPath.user": (
        _VOLUME.format("configMap: {items: [{key: k, path: p, user: 1}]}"),
        "spec.volumes[0].configMap.items[0].user",
    ),
    "DownwardAPIVolumeFile.user": (
        _VOLUME.format("downwardAPI: {items: [{path: p, user: 1}]}"),
        "spec.volumes[0].downwardAPI.items[0].user",
    ),
    **{
        f"{message}.defaultUser": (
            _VOLUME.format(f"{field}: {{defaultUser: 1}}"), f"spec.volumes[0].{field}.defaultUser"
        )
        for message, field in (
            ("SecretVolumeSource", "secret"), ("ConfigMapVolumeSource", "configMap"),
            ("DownwardAPIVolumeSource", "downwardAPI"), ("ProjectedVolumeSource", "projected"),
        )
    },
}  # fmt: skip
#: values that say more than any value would
VALUES = {"medium": "Memory", "recursive_read_only": "Enabled", "service_account_name": "default"}


def of_pod(manifest: str) -> pod_pb2.Pod:
    text = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\n{manifest}"
    made: Any = next(iter(decode_documents(text, strict=True))).message
    return made


def test_what_the_page_calls_not_done_is_all_in_the_table_of_this_test():
    told = {name for name, words in verdicts().items() if not words.startswith("done")}
    assert told - ELSE == NOT_DONE.keys()


@pytest.mark.parametrize("name", NOT_DONE)
def test_what_is_not_done_is_warned_of(name):
    manifest, path = NOT_DONE[name]
    warnings = [text for text in warnings_for(POD, of_pod(manifest)) if text.startswith(f"{path}: ")]
    words = "deprecated in v1" if name.removeprefix("VolumeSource.") in UPSTREAM_WORDS else NOT_YET
    assert len(warnings) == 1
    assert words in warnings[0]


NO_EFFECT = [name for name, words in verdicts().items() if "no effect" in words and name in NOT_DONE]


@pytest.mark.parametrize("name", NO_EFFECT)
def test_what_has_no_effect_is_named_by_the_event_of_the_node(name):
    manifest, path = NOT_DONE[name]
    assert path in left_aside(of_pod(manifest))


def places(message: type[Message]) -> list[tuple[pod_pb2.Pod, Message]]:
    """Make Pods, each with one empty message of the type in it, and return both."""
    pod = pod_pb2.Pod()
    container = pod.spec.containers.add()
    handlers = (container.lifecycle.post_start, container.lifecycle.pre_stop)
    probes = (container.liveness_probe, container.readiness_probe, container.startup_probe)
    source = pod.spec.volumes.add().volume_source
    found: dict[type[Message], tuple[Message, ...]] = {
        pod_pb2.PodSpec: (pod.spec,), pod_pb2.Container: (container,),
        pod_pb2.EphemeralContainer: (pod.spec.ephemeral_containers.add(),),
        pod_pb2.PodSecurityContext: (pod.spec.security_context,), pod_pb2.SecurityContext: (container.security_context,),
        pod_pb2.VolumeMount: (container.volume_mounts.add(),), pod_pb2.EnvVarSource: (container.env.add().value_from,),
        pod_pb2.Lifecycle: (container.lifecycle,), pod_pb2.LifecycleHandler: handlers,
        pod_pb2.Probe: probes, pod_pb2.ProbeHandler: tuple(probe.handler for probe in probes),
        pod_pb2.HTTPGetAction: tuple(probe.handler.http_get for probe in probes),
        pod_pb2.GRPCAction: tuple(probe.handler.grpc for probe in probes),
        pod_pb2.ContainerPort: (container.ports.add(),), reference_pb2.ResourceRequirements: (container.resources,),
        volume_pb2.VolumeSource: (source,), volume_pb2.EmptyDirVolumeSource: (source.empty_dir,),
        volume_pb2.SecretVolumeSource: (source.secret,), volume_pb2.ConfigMapVolumeSource: (source.config_map,),
        volume_pb2.DownwardAPIVolumeSource: (source.downward_api,), volume_pb2.ProjectedVolumeSource: (source.projected,),
        volume_pb2.VolumeProjection: (source.projected.sources.add(),),
        volume_pb2.KeyToPath: (source.config_map.items.add(),),
        volume_pb2.DownwardAPIVolumeFile: (source.downward_api.items.add(),),
    }  # fmt: skip
    pods = []
    for place in found[message]:
        place.SetInParent()
        pods.append((pod, place))
    return pods


def fill(message: Message, field: FieldDescriptor) -> None:
    value: Any = VALUES.get(field.name, "x" if field.type == FieldDescriptor.TYPE_STRING else 1)
    slot = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        values = field.message_type.fields_by_name["value"]
        slot["x"].SetInParent() if values.message_type is not None else slot.__setitem__("x", "1")
    elif field.is_repeated:
        slot.add() if field.message_type is not None else slot.append(value)
    elif field.message_type is not None:
        slot.SetInParent()
    else:
        setattr(message, field.name, value)


DONE = [
    (message, field) for message in MESSAGES for field in message.DESCRIPTOR.fields
    if verdicts()[f"{message.DESCRIPTOR.name}.{field.json_name}"].startswith("done")
]  # fmt: skip


@pytest.mark.parametrize(("message", "field"), DONE, ids=lambda each: getattr(each, "DESCRIPTOR", each).name)
def test_what_is_done_is_not_warned_of(message, field):
    for pod, place in places(message):
        fill(place, field)
        assert [text for text in warnings_for(POD, pod) if text.endswith(NOT_YET)] == []
