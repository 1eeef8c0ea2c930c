"""PersistentVolumes, their claims, StorageClasses and CSINodes.

Defaults, and what is refused, in which words.
"""

from typing import Any

import pytest

from apiserver.validation import validate_create, validate_status_update, validate_update
from tests.unit.apiserver.validation.cases import SUBDOMAIN, Case, case, each, read_default, violations
from vaina.kinds import CSI_NODE, PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM, STORAGE_CLASS, Kind


def make(kind: Kind[Any], rest: str) -> Any:
    meta = "{name: a, namespace: b}" if kind.namespaced else "{name: a}"
    return read_default(kind, f"apiVersion: {kind.api_version}\nkind: {kind.kind}\nmetadata: {meta}\n{rest}")


#: all that a volume needs, but for its source
VOLUME = "capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce]"
CLAIM = "accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}"
PLACED = "nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: In, values: [b]}]}]}}"
MANY = "{" + ", ".join(f"a{number}: b" for number in range(513)) + "}"
ONE_TYPE = "may not specify more than 1 volume type"
VOLUMES = (
    case("a path of a node", f"{VOLUME}, hostPath: {{path: /data}}"),
    case("a local disk and where it is", f"{VOLUME}, local: {{path: /data}}, {PLACED}"),
    case("a driver's", f"{VOLUME}, csi: {{driver: a.example.com, volumeHandle: x}}, storageClassName: fast"),
    case("nothing at all", "",
         "spec.accessModes: Required value",
         "spec.capacity: Required value",
         'spec.capacity: Unsupported value: null: supported values: "storage"',
         "spec: Required value: must specify a volume type"),
    case("modes are known", "capacity: {storage: 1Gi}, accessModes: [Sometimes], hostPath: {path: /a}",
         'spec.accessModes: Unsupported value: "Sometimes": supported values: "ReadOnlyMany", "ReadWriteMany", '
         '"ReadWriteOnce", "ReadWriteOncePod"'),
    case("one Pod alone goes with no other mode",
         "capacity: {storage: 1Gi}, accessModes: [ReadWriteOncePod, ReadWriteMany], hostPath: {path: /a}",
         "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"),
    case("only storage has a size", "capacity: {storage: 0, cpu: 1}, accessModes: [ReadWriteOnce], hostPath: {path: /a}",
         'spec.capacity: Unsupported value: {"cpu":"1","storage":"0"}: supported values: "storage"',
         'spec.capacity[storage]: Invalid value: "0": must be greater than zero'),
    case("what becomes of it is known", f"{VOLUME}, hostPath: {{path: /a}}, persistentVolumeReclaimPolicy: Burn",
         'spec.persistentVolumeReclaimPolicy: Unsupported value: "Burn": supported values: "Delete", "Recycle", '
         '"Retain"'),
    case("a node's root is not recycled", f"{VOLUME}, hostPath: {{path: /}}, persistentVolumeReclaimPolicy: Recycle",
         "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"),
    case("one place only", f"{VOLUME}, hostPath: {{path: /a}}, nfs: {{server: a, path: /}}",
         f"spec.nfs: Forbidden: {ONE_TYPE}"),
    case("a local disk is somewhere", f"{VOLUME}, local: {{path: ''}}",
         "spec.local.path: Required value",
         "spec.nodeAffinity: Required value: Local volume requires node affinity"),
    case("a local path stays below", f"{VOLUME}, local: {{path: /a/../b}}, {PLACED}",
         "spec.local.path: Invalid value: \"/a/../b\": must not contain '..'"),
    case("somewhere is a place", f"{VOLUME}, hostPath: {{path: /a}}, nodeAffinity: {{}}",
         "spec.nodeAffinity.required: Required value: must specify required node constraints"),
    case("a place has terms", f"{VOLUME}, hostPath: {{path: /a}}, nodeAffinity: {{required: {{nodeSelectorTerms: []}}}}",
         "spec.nodeAffinity.required.nodeSelectorTerms: Required value: must have at least one node selector term"),
    case("a driver has a name and a volume", f"{VOLUME}, csi: {{driver: '', volumeHandle: ''}}",
         "spec.csi.driver: Required value",
         "spec.csi.volumeHandle: Required value"),
    case("a driver's Secrets are named whole",
         f"{VOLUME}, csi: {{driver: a, volumeHandle: x, nodePublishSecretRef: {{name: A}}}}",
         f'spec.csi.nodePublishSecretRef.name: Invalid value: "A": {SUBDOMAIN}',
         "spec.csi.nodePublishSecretRef.namespace: Required value"),
    # As upstream, which forgets this one (validateCSIPersistentVolumeSource).
    case("but for that of a node's stage", f"{VOLUME}, csi: {{driver: a, volumeHandle: x, nodeStageSecretRef: {{}}}}"),
    case("less than nothing", "capacity: {storage: -1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /a}",
         "spec.capacity[storage]: Invalid value: -1073741824: must be a valid resource quantity",
         'spec.capacity[storage]: Invalid value: "-1Gi": must be greater than zero'),
    case("a disk of Cinder's names its Secret whole", f"{VOLUME}, cinder: {{volumeID: x, secretRef: {{}}}}",
         "spec.cinder.secretRef.name: Required value",
         "spec.cinder.secretRef.namespace: Required value"),
    case("a share of Azure's", f"{VOLUME}, azureFile: {{secretName: a, shareName: b, secretNamespace: ''}}",
         "spec.azureFile.secretNamespace: Required value"),
    case("endpoints elsewhere", f"{VOLUME}, glusterfs: {{endpoints: a, path: b, endpointsNamespace: ''}}",
         'spec.glusterfs.endpointsNamespace: Invalid value: "": if the endpointnamespace is set, it must be a valid '
         "namespace name"),
    case("a class has a name", f"{VOLUME}, hostPath: {{path: /a}}, storageClassName: A",
         f'spec.storageClassName: Invalid value: "A": {SUBDOMAIN}'),
    case("how it is used is known", f"{VOLUME}, hostPath: {{path: /a}}, volumeMode: Tape",
         'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"'),
    case("a class of attributes is for drivers", f"{VOLUME}, hostPath: {{path: /a}}, volumeAttributesClassName: ''",
         "spec.volumeAttributesClassName: Required value: an empty string is disallowed",
         "spec.csi: Required value: has to be specified when using volumeAttributesClassName"),
)  # fmt: skip
CLAIMS = (
    case("a claim", CLAIM),
    case("nothing at all", "",
         "spec.accessModes: Required value: at least 1 access mode is required",
         "spec.resources[storage]: Required value"),
    case("modes, class and mode are known", f"{CLAIM}, storageClassName: A, volumeMode: Tape",
         f'spec.storageClassName: Invalid value: "A": {SUBDOMAIN}',
         'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"'),
    case("nothing is too little", "accessModes: [ReadWriteOnce], resources: {requests: {storage: 0}}",
         'spec.resources[storage]: Invalid value: "0": must be greater than zero'),
    case("a copy of what the older field does not take", f"{CLAIM}, dataSource: {{kind: Pod, name: a}}"),
    case("a copy of something", f"{CLAIM}, dataSourceRef: {{kind: Pod, name: a}}",
         "spec.dataSource: Invalid value: \"Pod\": must be 'PersistentVolumeClaim' when referencing the default apiGroup",
         "spec.dataSourceRef: Invalid value: \"Pod\": must be 'PersistentVolumeClaim' when referencing the default apiGroup"),
)  # fmt: skip
CLASSES = (
    case("a class", "provisioner: example.com/disk"),
    case("somebody makes it", "provisioner: ''", "provisioner: Required value"),
    case("somebody has a name", "provisioner: a/b/c",
         "provisioner: Invalid value: \"a/b/c\": a valid label key must consist of alphanumeric characters, '-', '_' "
         "or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or "
         "'123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS "
         "subdomain prefix and '/' (e.g. 'example.com/MyName')"),
    case("parameters have names", "provisioner: a\nparameters: {'': a}",
         'parameters: Invalid value: "": field can not be empty.'),
    case("parameters are few", f"provisioner: a\nparameters: {MANY}",
         "parameters: Too long: may not be more than 512 bytes"),
    case("parameters are small", f"provisioner: a\nparameters: {{a: {'b' * 262144}}}",
         "parameters: Too long: may not be more than 262144 bytes"),
    case("an empty policy is none", "provisioner: a\nreclaimPolicy: ''"),
    case("policy and mode are known", "provisioner: a\nreclaimPolicy: Recycle\nvolumeBindingMode: Later",
         'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"',
         'volumeBindingMode: Unsupported value: "Later": supported values: "Immediate", "WaitForFirstConsumer"'),
    case("places are named once, with values",
         "provisioner: a\nallowedTopologies: [{matchLabelExpressions: [{key: a, values: [b, b]}, {key: a, values: []}]}]",
         'allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "b"',
         "allowedTopologies[0].matchLabelExpressions[1].values: Required value",
         'allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: "a"'),
    case("a place is somewhere", "provisioner: a\nallowedTopologies: [{}]",
         'allowedTopologies[0].matchLabelExpressions: Duplicate value: ""'),
    case("no place twice",
         "provisioner: a\nallowedTopologies: [{matchLabelExpressions: [{key: a, values: [b]}]}, "
         "{matchLabelExpressions: [{key: a, values: [b]}]}]",
         'allowedTopologies[1].matchLabelExpressions: Duplicate value: ""'),
)  # fmt: skip
DRIVERS = (
    case("a driver", "{name: a.example.com, nodeID: x, topologyKeys: [zone], allocatable: {count: 0}}"),
    case("a driver and its node have names", "{name: '', nodeID: ''}",
         "spec.drivers[0].name: Required value", "spec.drivers[0].nodeID: Required value"),
    case("a node's name is short", "{name: a, nodeID: %s}" % ("x" * 257),
         f'spec.drivers[0].nodeID: Invalid value: "{"x" * 257}": must be 256 characters or less'),
    case("a driver is there once", "{name: a, nodeID: x}, {name: a, nodeID: x}",
         'spec.drivers[1].name: Duplicate value: "a"'),
    case("labels are named once", "{name: a, nodeID: x, topologyKeys: [zone, zone, '']}",
         'spec.drivers[0]: Duplicate value: "zone"',
         "spec.drivers[0]: Required value",
         'spec.drivers[0]: Invalid value: "": name part must be non-empty',
         "spec.drivers[0]: Invalid value: \"\": name part must consist of alphanumeric characters, '-', '_' or '.', and "
         "must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
         "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"),
    case("as many as none", "{name: a, nodeID: x, allocatable: {count: -1}}",
         "spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to 0"),
)  # fmt: skip


@each(VOLUMES)
def test_volumes(case: Case) -> None:
    made = make(PERSISTENT_VOLUME, f"spec: {{{case.given}}}")
    assert validate_create(PERSISTENT_VOLUME, made) == violations(*case.want)


@each(CLAIMS)
def test_claims(case: Case) -> None:
    made = make(PERSISTENT_VOLUME_CLAIM, f"spec: {{{case.given}}}")
    assert validate_create(PERSISTENT_VOLUME_CLAIM, made) == violations(*case.want)


@each(CLASSES)
def test_classes(case: Case) -> None:
    assert validate_create(STORAGE_CLASS, make(STORAGE_CLASS, case.given)) == violations(*case.want)


@each(DRIVERS)
def test_drivers(case: Case) -> None:
    made = make(CSI_NODE, f"spec: {{drivers: [{case.given}]}}")
    assert validate_create(CSI_NODE, made) == violations(*case.want)


def test_defaults() -> None:
    volume = make(PERSISTENT_VOLUME, f"spec: {{{VOLUME}, iscsi: {{targetPortal: a, iqn: b, lun: 0}}}}")
    assert volume.spec.persistent_volume_reclaim_policy == "Retain"
    assert (volume.spec.volume_mode, volume.status.phase) == ("Filesystem", "Pending")
    assert volume.spec.persistent_volume_source.iscsi.iscsi_interface == "default"
    claim = make(PERSISTENT_VOLUME_CLAIM, f"spec: {{{CLAIM}}}")
    assert (claim.spec.volume_mode, claim.status.phase) == ("Filesystem", "Pending")
    found = make(STORAGE_CLASS, "provisioner: a")
    assert (found.reclaim_policy, found.volume_binding_mode) == ("Delete", "Immediate")


CLAIM_STAYS = (
    "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for "
    "bound claims"
)
PHASE = "\nstatus: {phase: Bound, capacity: {storage: 1Gi}}"


@pytest.mark.parametrize(
    ("old", "new", "want"),
    [
        (CLAIM, f"{CLAIM}, volumeName: disk", []),
        (f"{CLAIM}, volumeName: disk", f"{CLAIM}, volumeName: other", [CLAIM_STAYS]),
        (CLAIM, f"{CLAIM}, storageClassName: default", []),
        (f"{CLAIM}, storageClassName: a", f"{CLAIM}, storageClassName: b", [CLAIM_STAYS]),
        (CLAIM, CLAIM.replace("1Gi", "2Gi"), []),
        (CLAIM.replace("1Gi", "3Gi"), CLAIM.replace("1Gi", "2Gi"), []),
        (CLAIM.replace("1Gi", "3Gi"), CLAIM,
         ["spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"]),
        (CLAIM, f"{CLAIM}, volumeAttributesClassName: a", []),
        (f"{CLAIM}, volumeAttributesClassName: a", CLAIM, []),
    ],
)  # fmt: skip
def test_a_bound_claim_may_ask_for_more_and_nothing_else(old: str, new: str, want: list[str]) -> None:
    before, after = (make(PERSISTENT_VOLUME_CLAIM, f"spec: {{{text}}}{PHASE}") for text in (old, new))
    after.metadata.resource_version = before.metadata.resource_version = "1"
    assert [str(error) for error in validate_update(PERSISTENT_VOLUME_CLAIM, after, before)] == want


BETA = "volume.beta.kubernetes.io/storage-class"
OTHER_CLASS = (
    'metadata.annotations.volume.beta.kubernetes.io/storage-class: Invalid value: "{}": field is immutable'
)


@pytest.mark.parametrize(
    ("old", "new", "want"),
    [
        ((None, None), (None, "fast"), []),
        (("fast", None), ("fast", "fast"), []),
        (("fast", None), (None, "fast"), []),
        (("fast", None), ("fast", "slow"), [CLAIM_STAYS]),
        (("fast", None), ("slow", None), [OTHER_CLASS.format("slow")]),
        (("fast", None), (None, None), [OTHER_CLASS.format("")]),
        ((None, None), ("fast", None), [OTHER_CLASS.format("fast")]),
        ((None, "fast"), (None, "slow"), [CLAIM_STAYS]),
        ((None, "fast"), (None, None), [CLAIM_STAYS]),
    ],
)
def test_a_claim_keeps_its_class_and_may_say_it_in_the_newer_way(
    old: tuple[str | None, str | None], new: tuple[str | None, str | None], want: list[str]
) -> None:
    claims = []
    for annotation, name in (old, new):
        claim = make(PERSISTENT_VOLUME_CLAIM, f"spec: {{{CLAIM}}}")
        claim.metadata.resource_version = "1"
        if annotation is not None:
            claim.metadata.annotations[BETA] = annotation
        if name is not None:
            claim.spec.storage_class_name = name
        claims.append(claim)
    assert [str(error) for error in validate_update(PERSISTENT_VOLUME_CLAIM, claims[1], claims[0])] == want


@pytest.mark.parametrize("asked", [CLAIM.replace("1Gi", "2Gi"), f"{CLAIM}, volumeAttributesClassName: a"])
def test_a_claim_that_is_not_bound_asks_for_what_it_asked(asked: str) -> None:
    before = make(PERSISTENT_VOLUME_CLAIM, f"spec: {{{CLAIM}}}")
    after = make(PERSISTENT_VOLUME_CLAIM, f"spec: {{{asked}}}")
    assert [str(error) for error in validate_update(PERSISTENT_VOLUME_CLAIM, after, before)] == [CLAIM_STAYS]


@pytest.mark.parametrize(
    ("after", "want"),
    [("a", []), ("b", []),
     (None, ["spec.volumeAttributesClassName: Forbidden: update to nil is forbidden when status.currentVolumeAttributesClassName "
             "is not nil"]),
     ("", ["spec.volumeAttributesClassName: Forbidden: update to empty string is forbidden when "
           "status.currentVolumeAttributesClassName is not nil"])],
)  # fmt: skip
def test_a_claim_whose_volume_has_attributes_of_a_class_names_one(after: str | None, want: list[str]) -> None:
    told = "\nstatus: {phase: Bound, currentVolumeAttributesClassName: a}"
    before = make(PERSISTENT_VOLUME_CLAIM, f"spec: {{{CLAIM}, volumeAttributesClassName: a}}{told}")
    said = "" if after is None else f", volumeAttributesClassName: '{after}'"
    changed = make(PERSISTENT_VOLUME_CLAIM, f"spec: {{{CLAIM}{said}}}{told}")
    assert [str(error) for error in validate_update(PERSISTENT_VOLUME_CLAIM, changed, before)] == want


def test_mount_options_are_for_what_is_mounted_with_them() -> None:
    for source, want in (
        ("nfs: {server: a, path: /}", []),
        ("hostPath: {path: /a}",
         ["metadata.annotations.volume.beta.kubernetes.io/mount-options: Forbidden: may not specify mount options for this "
          "volume type"]),
    ):  # fmt: skip
        made = make(PERSISTENT_VOLUME, f"spec: {{{VOLUME}, {source}}}")
        made.metadata.annotations["volume.beta.kubernetes.io/mount-options"] = "hard"
        assert [str(error) for error in validate_create(PERSISTENT_VOLUME, made)] == want


CSI = "csi: {driver: a, volumeHandle: x}"


@pytest.mark.parametrize(
    ("old", "new", "want"),
    [
        (CSI, f"{CSI}, claimRef: {{name: a, namespace: b}}, persistentVolumeReclaimPolicy: Delete", []),
        (CSI, "csi: {driver: a, volumeHandle: z}",
         ["spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation"]),
        (CSI, "csi: {driver: a, volumeHandle: x, controllerExpandSecretRef: {name: a, namespace: b}}", []),
        (CSI, f"{CSI}, volumeMode: Block", ['volumeMode: Invalid value: "Block": field is immutable']),
        (CSI, f"{CSI}, {PLACED}", []),
        (f"{CSI}, {PLACED}", CSI, ['nodeAffinity: Invalid value: {}: field is immutable']),
    ],
)  # fmt: skip
def test_a_volume_stays_where_it_is(old: str, new: str, want: list[str]) -> None:
    before, after = (make(PERSISTENT_VOLUME, f"spec: {{{VOLUME}, {text}}}") for text in (old, new))
    assert [str(error) for error in validate_update(PERSISTENT_VOLUME, after, before)] == want


def test_a_class_stays_as_it_was_when_it_made_storage() -> None:
    before = make(STORAGE_CLASS, "provisioner: a\nparameters: {a: b}")
    after = make(
        STORAGE_CLASS, "provisioner: b\nreclaimPolicy: Retain\nvolumeBindingMode: WaitForFirstConsumer"
    )
    assert [str(error) for error in validate_update(STORAGE_CLASS, after, before)] == [
        f"{field}: Invalid value: null: field is immutable"
        for field in ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode")
    ]
    after = make(STORAGE_CLASS, "provisioner: ''\nparameters: {a: b}\nallowedTopologies: [{}]")
    assert [str(error) for error in validate_update(STORAGE_CLASS, after, before)] == [
        "provisioner: Required value",
        'allowedTopologies[0].matchLabelExpressions: Duplicate value: ""',
        "provisioner: Invalid value: null: field is immutable",
    ]
    after = make(STORAGE_CLASS, "provisioner: a\nparameters: {a: b}\nallowVolumeExpansion: true")
    assert validate_update(STORAGE_CLASS, after, before) == []


def test_a_driver_that_is_there_stays_and_may_take_more() -> None:
    before = make(CSI_NODE, "spec: {drivers: [{name: a, nodeID: x, allocatable: {count: 1}}]}")
    more = make(
        CSI_NODE, "spec: {drivers: [{name: a, nodeID: x, allocatable: {count: 2}}, {name: b, nodeID: z}]}"
    )
    assert validate_update(CSI_NODE, more, before) == []
    other = make(CSI_NODE, "spec: {drivers: [{name: a, nodeID: z}]}")
    [error] = validate_update(CSI_NODE, other, before)
    assert str(error).startswith("spec.drivers: Invalid value: ")
    assert str(error).endswith(": field is immutable")


RESIZE = (
    '"ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible", '
    '"NodeResizePending"'
)
TOLD = (
    case("sizes", "capacity: {storage: 1Gi}, allocatedResources: {storage: 2Gi, example.com/a: 1}, "
         "allocatedResourceStatuses: {storage: NodeResizePending}"),
    case("less than nothing", "capacity: {storage: -1Gi}, allocatedResources: {storage: -1}",
         "status.capacity[storage]: Invalid value: -1073741824: must be a valid resource quantity",
         "status.allocatedResources[storage]: Invalid value: -1: must be a valid resource quantity"),
    case("what no volume has", "allocatedResources: {cpu: 1}, allocatedResourceStatuses: {cpu: NodeResizePending}",
         'status.allocatedResourceStatuses: Unsupported value: "cpu": supported values: "storage"',
         'status.allocatedResources: Unsupported value: "cpu": supported values: "storage"'),
    case("a state that there is not", "allocatedResourceStatuses: {storage: Growing}",
         f'status.allocatedResourceStatuses: Unsupported value: "storage": supported values: {RESIZE}'),
)  # fmt: skip


@each(TOLD)
def test_a_claims_status(case: Case) -> None:
    before = make(PERSISTENT_VOLUME_CLAIM, f"spec: {{{CLAIM}}}")
    after = make(PERSISTENT_VOLUME_CLAIM, f"spec: {{{CLAIM}}}\nstatus: {{{case.given}}}")
    assert validate_status_update(PERSISTENT_VOLUME_CLAIM, after, before) == violations(*case.want)
