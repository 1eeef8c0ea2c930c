"""CSIDrivers, VolumeAttachments and CSIStorageCapacities: defaults, and what is refused, in which words."""

from typing import Any

import pytest

from apiserver.validation import validate_create, validate_status_update, validate_update
from tests.unit.apiserver.validation.cases import SUBDOMAIN, Case, case, each, read_default, violations
from vaina.kinds import CSI_DRIVER, CSI_STORAGE_CAPACITY, VOLUME_ATTACHMENT, Kind


def make(kind: Kind[Any], rest: str) -> Any:
    meta = "{name: a, namespace: b}" if kind.namespaced else "{name: a}"
    return read_default(kind, f"apiVersion: {kind.api_version}\nkind: {kind.kind}\nmetadata: {meta}\n{rest}")


DRIVERS = (
    case("nothing said", ""),
    case("all said", "attachRequired: false, podInfoOnMount: true, volumeLifecycleModes: [Ephemeral, Persistent], storageCapacity: true, "
         "fsGroupPolicy: File, tokenRequests: [{audience: a, expirationSeconds: 600}, {audience: ''}], requiresRepublish: true, "
         "seLinuxMount: true, nodeAllocatableUpdatePeriodSeconds: 10, preventPodSchedulingIfMissing: true, serviceAccountTokenInSecrets: true"),
    case("tokens that there are none of", "serviceAccountTokenInSecrets: false",
         "spec.serviceAccountTokenInSecrets: Invalid value: false: serviceAccountTokenInSecrets is set but no tokenRequests are specified"),
    case("a policy that there is not", "fsGroupPolicy: Always",
         'spec.fsGroupPolicy: Unsupported value: "Always": supported values: "File", "None", "ReadWriteOnceWithFSType"'),
    case("a mode that there is not", "volumeLifecycleModes: [Persistent, Eternal]",
         'spec.volumeLifecycleModes: Unsupported value: "Eternal": supported values: "Persistent", "Ephemeral"'),
    case("each audience once", "tokenRequests: [{audience: a}, {audience: a}, {audience: ''}, {audience: ''}]",
         'spec.tokenRequests[1].audience: Duplicate value: "a"', 'spec.tokenRequests[3].audience: Duplicate value: ""'),
    case("a token lives ten minutes", "tokenRequests: [{audience: a, expirationSeconds: 599}]",
         "spec.tokenRequests[0].expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes"),
    case("a token does not live for ever", "tokenRequests: [{audience: a, expirationSeconds: 4294967297}]",
         "spec.tokenRequests[0].expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds"),
    case("nobody is asked all the time", "nodeAllocatableUpdatePeriodSeconds: 9",
         "spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or equal to 10 seconds"),
)  # fmt: skip
ONE_OF = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
INLINE = "accessModes: [ReadWriteOnce], csi: {driver: a, volumeHandle: x}"
ELSEWHERE = "may not be specified in the context of inline volumes"
AT = "spec.source.inlineVolumeSpec"
ATTACHMENTS = (
    case("a volume", "attacher: a.example.com, nodeName: n1, source: {persistentVolumeName: v}"),
    case("a volume that is no object", f"attacher: a, nodeName: n1, source: {{inlineVolumeSpec: {{{INLINE}}}}}"),
    case("nothing at all", "",
         "spec.attacher: Required value", f"spec.source: Required value: {ONE_OF}", f'spec.nodeName: Invalid value: "": {SUBDOMAIN}'),
    case("both", f"attacher: a, nodeName: n1, source: {{persistentVolumeName: v, inlineVolumeSpec: {{{INLINE}}}}}",
         f"spec.source: Forbidden: {ONE_OF}"),
    case("a volume without a name", "attacher: a, nodeName: n1, source: {persistentVolumeName: ''}",
         "spec.source.persistentVolumeName: Required value: must specify non empty persistentVolumeName",
         f'spec.source.persistentVolumeName: Invalid value: "": {SUBDOMAIN}'),
    case("a name that none has", "attacher: a, nodeName: n1, source: {persistentVolumeName: V}",
         f'spec.source.persistentVolumeName: Invalid value: "V": {SUBDOMAIN}'),
    case("a driver's name", "attacher: a_b, nodeName: n1, source: {persistentVolumeName: v}",
         f'spec.attacher: Invalid value: "a_b": {SUBDOMAIN}'),
    case("what is as it is by default", f"attacher: a, nodeName: n1, source: {{inlineVolumeSpec: {{{INLINE}, "
         "volumeMode: Filesystem, persistentVolumeReclaimPolicy: Retain, volumeAttributesClassName: g}}"),
    case("what only an object has", f"attacher: a, nodeName: n1, source: {{inlineVolumeSpec: {{{INLINE}, capacity: {{storage: 1Gi}}, "
         "claimRef: {name: c}, storageClassName: s, volumeMode: Block, persistentVolumeReclaimPolicy: Delete}}",
         f"{AT}.claimRef: Forbidden: {ELSEWHERE}", f"{AT}.capacity: Forbidden: {ELSEWHERE}",
         f"{AT}.persistentVolumeReclaimPolicy: Forbidden: may only be Retain in the context of inline volumes",
         f"{AT}.storageClassName: Forbidden: {ELSEWHERE}",
         f"{AT}.volumeMode: Forbidden: may not specify volumeMode other than Filesystem in the context of inline volumes"),
    case("no driver's", "attacher: a, nodeName: n1, source: {inlineVolumeSpec: {accessModes: [], hostPath: {path: /a}}}",
         f"{AT}.csi: Required value: has to be specified in the context of inline volumes", f"{AT}.accessModes: Required value"),
)  # fmt: skip
CAPACITIES = (
    case("nothing known", "storageClassName: fast"),
    case("all known", "storageClassName: fast\nnodeTopology: {matchLabels: {zone: a}}\ncapacity: 1Gi\nmaximumVolumeSize: 1Mi"),
    case("nothing left", "storageClassName: fast\ncapacity: 0"),
    case("no class", "capacity: 1Gi", f'storageClassName: Invalid value: "": {SUBDOMAIN}'),
    case("less than nothing", "storageClassName: fast\ncapacity: -1Gi",
         'capacity: Invalid value: "-1Gi": must be greater than or equal to 0'),
    case("a place", "storageClassName: fast\nnodeTopology: {matchExpressions: [{key: a, operator: Near}]}",
         'nodeTopology.matchExpressions[0].operator: Invalid value: "Near": not a valid selector operator'),
)  # fmt: skip


@each(DRIVERS)
def test_drivers(case: Case) -> None:
    assert validate_create(CSI_DRIVER, make(CSI_DRIVER, f"spec: {{{case.given}}}")) == violations(*case.want)


@each(ATTACHMENTS)
def test_attachments(case: Case) -> None:
    made = make(VOLUME_ATTACHMENT, f"spec: {{{case.given}}}")
    assert validate_create(VOLUME_ATTACHMENT, made) == violations(*case.want)


@each(CAPACITIES)
def test_capacities(case: Case) -> None:
    made = make(CSI_STORAGE_CAPACITY, case.given)
    assert validate_create(CSI_STORAGE_CAPACITY, made) == violations(*case.want)


def test_what_defaulting_did_not_set_is_missing() -> None:
    made = make(CSI_DRIVER, "spec: {}")
    made.spec.ClearField("prevent_pod_scheduling_if_missing")
    missing = ("spec.preventPodSchedulingIfMissing: Required value",)
    assert validate_create(CSI_DRIVER, made) == violations(*missing)


def test_defaults() -> None:
    spec = make(CSI_DRIVER, "spec: {}").spec
    assert (spec.attach_required, spec.pod_info_on_mount, spec.storage_capacity) == (True, False, False)
    assert (spec.requires_republish, spec.se_linux_mount) == (False, False)
    assert (spec.fs_group_policy, list(spec.volume_lifecycle_modes)) == (
        "ReadWriteOnceWithFSType",
        ["Persistent"],
    )
    assert spec.HasField("prevent_pod_scheduling_if_missing")
    assert not spec.prevent_pod_scheduling_if_missing
    kept = make(CSI_DRIVER, "spec: {attachRequired: false, volumeLifecycleModes: [Ephemeral]}").spec
    assert (kept.attach_required, list(kept.volume_lifecycle_modes)) == (False, ["Ephemeral"])


ATTACHED = "spec: {attacher: a, nodeName: n1, source: {persistentVolumeName: v}}"


@pytest.mark.parametrize(
    ("kind", "before", "after", "want"),
    [
        (CSI_DRIVER, "spec: {}", "spec: {storageCapacity: true, podInfoOnMount: true, fsGroupPolicy: None}", []),
        (CSI_DRIVER, "spec: {}", "spec: {attachRequired: false}",
         ["spec.attachedRequired: Invalid value: false: field is immutable"]),
        (CSI_DRIVER, "spec: {}", "spec: {volumeLifecycleModes: [Ephemeral]}",
         ['spec.volumeLifecycleModes: Invalid value: ["Ephemeral"]: field is immutable']),
        (CSI_DRIVER, "spec: {}", "spec: {preventPodSchedulingIfMissing: true}", []),
        (CSI_DRIVER, "spec: {tokenRequests: [{audience: a}], serviceAccountTokenInSecrets: true}",
         "spec: {serviceAccountTokenInSecrets: true}",
         ["spec.serviceAccountTokenInSecrets: Invalid value: true: serviceAccountTokenInSecrets is set but no tokenRequests are specified"]),
        (CSI_STORAGE_CAPACITY, "storageClassName: a", "storageClassName: a\ncapacity: 5Gi\nmaximumVolumeSize: 1Gi", []),
        (CSI_STORAGE_CAPACITY, "storageClassName: a", "storageClassName: b",
         ['storageClassName: Invalid value: "b": field is immutable']),
        (CSI_STORAGE_CAPACITY, "storageClassName: a", "storageClassName: a\nnodeTopology: {}",
         ["nodeTopology: Invalid value: {}: field is immutable"]),
        (CSI_STORAGE_CAPACITY, "storageClassName: a", "storageClassName: a\ncapacity: -1",
         ['capacity: Invalid value: "-1": must be greater than or equal to 0']),
        (VOLUME_ATTACHMENT, ATTACHED, ATTACHED, []),
    ],
)  # fmt: skip
def test_what_may_change(kind: Kind[Any], before: str, after: str, want: list[str]) -> None:
    found = validate_update(kind, make(kind, after), make(kind, before))
    assert [str(error) for error in found] == want


def test_an_attachment_stays_what_it_is() -> None:
    before = make(VOLUME_ATTACHMENT, ATTACHED)
    after = make(VOLUME_ATTACHMENT, ATTACHED.replace("nodeName: n1", "nodeName: m1"))
    found = validate_update(VOLUME_ATTACHMENT, after, before)
    assert [str(error) for error in found] == ["spec: Invalid value: null: field is immutable"]


def test_what_became_of_an_attachment_is_told_in_few_words() -> None:
    before = make(VOLUME_ATTACHMENT, ATTACHED)
    after = make(VOLUME_ATTACHMENT, f"{ATTACHED}\nstatus: {{attached: true, attachmentMetadata: {{a: b}}}}")
    assert validate_status_update(VOLUME_ATTACHMENT, after, before) == []
    after.status.attach_error.message = "x" * 1025
    after.status.detach_error.error_code = -1
    after.status.attachment_metadata["a"] = "x" * 262144
    assert [str(error) for error in validate_status_update(VOLUME_ATTACHMENT, after, before)] == [
        "status.attachmentMetadata: Too long: may not be more than 262144 bytes",
        "status.attachError.message: Too long: may not be more than 1024 bytes",
        "status.detachError.errorCode: Invalid value: -1: must be between 0 and 2147483647, inclusive",
    ]
