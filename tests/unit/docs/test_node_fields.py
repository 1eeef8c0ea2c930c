"""The table of fields in docs/node.md names each field of a Pod's spec once, and none that there is not."""

import re
from pathlib import Path

import pytest

from vaina.api.core.v1 import pod_pb2, reference_pb2, volume_pb2

PAGE = (Path(__file__).parents[3] / "docs" / "node.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("## What becomes of each field")[2]
MESSAGES = (
    pod_pb2.PodSpec, pod_pb2.Container, pod_pb2.EphemeralContainer, pod_pb2.PodSecurityContext, pod_pb2.SecurityContext,
    pod_pb2.VolumeMount, pod_pb2.EnvVarSource, pod_pb2.Lifecycle, pod_pb2.LifecycleHandler, pod_pb2.Probe,
    pod_pb2.ProbeHandler, pod_pb2.HTTPGetAction, pod_pb2.GRPCAction, pod_pb2.ContainerPort, volume_pb2.VolumeSource,
    volume_pb2.EmptyDirVolumeSource, volume_pb2.VolumeProjection, volume_pb2.SecretVolumeSource,
    volume_pb2.ConfigMapVolumeSource, volume_pb2.DownwardAPIVolumeSource, volume_pb2.ProjectedVolumeSource,
    volume_pb2.KeyToPath, volume_pb2.DownwardAPIVolumeFile, reference_pb2.ResourceRequirements,
)  # fmt: skip


def said(name: str) -> list[str]:
    rows = re.findall(rf"^\| {name} \| (.*?) \|", TABLE, re.MULTILINE)
    return [field for row in rows for field in re.findall(r"`(\w+)`", row)]


def verdicts() -> dict[str, str]:
    """Return what becomes of each field, by message and field: `PodSpec.volumes`."""
    rows = re.findall(r"^\| (\w+) \| (.*?) \| (.*?) \|$", TABLE, re.MULTILINE)
    return {
        f"{name}.{field}": words for name, fields, words in rows for field in re.findall(r"`(\w+)`", fields)
    }


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.DESCRIPTOR.name)
def test_each_field_is_in_the_table_once(message):
    names = [field.json_name for field in message.DESCRIPTOR.fields]
    assert sorted(said(message.DESCRIPTOR.name)) == sorted(names)


def test_no_row_is_of_something_else():
    rows = set(re.findall(r"^\| (\w+) \|", TABLE, re.MULTILINE)) - {"of"}
    assert rows == {message.DESCRIPTOR.name for message in MESSAGES}
