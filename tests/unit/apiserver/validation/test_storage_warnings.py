"""What authors of volumes, claims, StorageClasses and CSI drivers are warned of, in upstream's words."""

from typing import Any

import pytest

from apiserver.validation import warnings_for
from tests.unit.apiserver.validation.cases import read_default
from vaina.kinds import (
    CSI_DRIVER,
    CSI_STORAGE_CAPACITY,
    PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    STATEFUL_SET,
    STORAGE_CLASS,
    Kind,
)

OLD_CLASS = "volume.beta.kubernetes.io/storage-class"
OLD_OPTIONS = "volume.beta.kubernetes.io/mount-options"
CLASS_WORDS = (
    f'metadata.annotations[{OLD_CLASS}]: deprecated since v1.8; use "storageClassName" attribute instead'
)
OLD_ZONE = "failure-domain.beta.kubernetes.io/zone"
ZONE_WORDS = 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead'
IN_ZONE = f"matchExpressions: [{{key: {OLD_ZONE}, operator: In, values: [a]}}]"
TOKENS = (
    "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of "
    "tokens in volume attributes"
)
HALF = "resources: {requests: {storage: 1500m}}"


def fraction(path: str) -> str:
    return f'{path}resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer'


def make(kind: Kind[Any], rest: str, annotations: str = "") -> Any:
    head = f"apiVersion: {kind.api_version}\nkind: {kind.kind}\n"
    return read_default(kind, f"{head}metadata: {{name: a, annotations: {{{annotations}}}}}\n{rest}")


CASES: list[tuple[Kind[Any], str, str, list[str]]] = [
    (PERSISTENT_VOLUME, "spec: {hostPath: {path: /a}}", "", []),
    (PERSISTENT_VOLUME, "spec: {nfs: {server: a, path: /}}", f"{OLD_CLASS}: fast, {OLD_OPTIONS}: hard",
     [CLASS_WORDS, f'metadata.annotations[{OLD_OPTIONS}]: deprecated since v1.31; use "mountOptions" attribute instead']),
    (PERSISTENT_VOLUME, "spec: {hostPath: {path: /a}, persistentVolumeReclaimPolicy: Recycle}", "",
     ["spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to "
      "use dynamic provisioning."]),
    (PERSISTENT_VOLUME, f"spec: {{local: {{path: /a}}, nodeAffinity: {{required: {{nodeSelectorTerms: [{{{IN_ZONE}}}]}}}}}}", "",
     [f"spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key: {OLD_ZONE} is {ZONE_WORDS}"]),
    (PERSISTENT_VOLUME, "spec: {cephfs: {monitors: [a]}}", "", ["spec.cephfs: deprecated in v1.28, non-functional in v1.31+"]),
    (PERSISTENT_VOLUME, "spec: {storageos: {volumeName: a}}", "",
     ["spec.storageOS: deprecated in v1.22, non-functional in v1.25+"]),
    (PERSISTENT_VOLUME_CLAIM, f"spec: {{{HALF}}}", f"{OLD_CLASS}: fast", [CLASS_WORDS, fraction("spec.")]),
    (PERSISTENT_VOLUME_CLAIM, "spec: {resources: {requests: {storage: 1Gi}}}", "", []),
    (STATEFUL_SET, f"spec: {{template: {{}}, volumeClaimTemplates: [{{spec: {{{HALF}}}}}]}}", "",
     [fraction("spec.volumeClaimTemplates[0].")]),
    (POD, f"spec: {{volumes: [{{name: v, ephemeral: {{volumeClaimTemplate: {{spec: {{{HALF}}}}}}}}}]}}", "",
     [fraction("spec.volumes[0].ephemeral.volumeClaimTemplate.spec.")]),
    (STORAGE_CLASS, f"provisioner: a\nallowedTopologies: [{{matchLabelExpressions: [{{key: {OLD_ZONE}, values: [a]}}]}}]", "",
     [f"allowedTopologies[0].matchLabelExpressions[0].key: {ZONE_WORDS}"]),
    (CSI_STORAGE_CAPACITY, f"nodeTopology: {{matchLabels: {{{OLD_ZONE}: a}}, {IN_ZONE}}}", "",
     [f"nodeTopology.matchExpressions[0].key: {OLD_ZONE} is {ZONE_WORDS}", f"nodeTopology.matchLabels.{OLD_ZONE}: {ZONE_WORDS}"]),
    (CSI_DRIVER, "spec: {tokenRequests: [{audience: a}]}", "", [TOKENS]),
    (CSI_DRIVER, "spec: {tokenRequests: [{audience: a}], serviceAccountTokenInSecrets: false}", "", []),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "given", "annotations", "want"), CASES)
def test_warnings(kind: Kind[Any], given: str, annotations: str, want: list[str]) -> None:
    assert warnings_for(kind, make(kind, given, annotations)) == want


def test_of_a_drivers_tokens_is_warned_when_they_change() -> None:
    before = make(CSI_DRIVER, "spec: {tokenRequests: [{audience: a}]}")
    assert warnings_for(CSI_DRIVER, before, before) == []
    assert warnings_for(CSI_DRIVER, make(CSI_DRIVER, "spec: {tokenRequests: [{audience: b}]}"), before) == [
        TOKENS
    ]
