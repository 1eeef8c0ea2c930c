"""ResourceClaims, their templates, DeviceClasses and ResourceSlices: what is refused, in which words."""

from typing import Any

from apiserver.validation import validate_create, validate_status_update, validate_update
from tests.unit.apiserver.validation.cases import (
    LABEL,
    QUALIFIED,
    SUBDOMAIN,
    VALUE,
    Case,
    case,
    each,
    read_default,
    violations,
)
from vaina.kinds import (
    DEVICE_CLASS,
    DEVICE_TAINT_RULE,
    RESOURCE_CLAIM,
    RESOURCE_CLAIM_TEMPLATE,
    RESOURCE_SLICE,
    Kind,
)

ONE_OF = "exactly one of `exactly` or `firstAvailable` is required"
NO_REQUEST = (
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
)
IDENTIFIER = (
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters "
    "or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')"
)
WHERE = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
GPU = "{name: gpu, exactly: {deviceClassName: gpu}}"


def make(kind: Kind[Any], rest: str) -> Any:
    namespace = ", namespace: b" if kind.namespaced else ""
    return read_default(
        kind, f"apiVersion: {kind.api_version}\nkind: {kind.kind}\nmetadata: {{name: a{namespace}}}\n{rest}"
    )


CLAIMS = (
    case("nothing at all", "{}"),
    case("a device", f"{{requests: [{GPU}], constraints: [{{requests: [gpu], matchAttribute: a.b/c}}]}}"),
    case("one of several", "{requests: [{name: a, firstAvailable: [{name: b, deviceClassName: c}]}], "
         "config: [{requests: [a/b], opaque: {driver: d, parameters: {x: 1}}}]}"),
    case("neither one nor several", "{requests: [{name: a}]}", f"spec.devices.requests[0]: Required value: {ONE_OF}"),
    case("one and several", "{requests: [{name: a, exactly: {deviceClassName: c}, firstAvailable: [{name: b}]}]}",
         f"spec.devices.requests[0]: Invalid value: null: {ONE_OF}, but multiple fields are set"),
    case("a request that is none", "{requests: [{name: A, exactly: {deviceClassName: _, allocationMode: Some, selectors: [{}]}}]}",
         f'spec.devices.requests[0].name: Invalid value: "A": {LABEL}',
         f'spec.devices.requests[0].exactly.deviceClassName: Invalid value: "_": {SUBDOMAIN}',
         "spec.devices.requests[0].exactly.selectors[0].cel: Required value",
         'spec.devices.requests[0].exactly.allocationMode: Unsupported value: "Some": supported values: "All", "ExactCount"'),
    case("all of so many", "{requests: [{name: a, exactly: {deviceClassName: c, allocationMode: All, count: 2}}]}",
         "spec.devices.requests[0].exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'"),
    case("less than one", "{requests: [{name: a, exactly: {deviceClassName: c, count: -1}}]}",
         "spec.devices.requests[0].exactly.count: Invalid value: -1: must be greater than zero"),
    case("a request twice", f"{{requests: [{GPU}, {GPU}]}}", 'spec.devices.requests[1]: Duplicate value: "gpu"'),
    case("tolerations that are none",
         "{requests: [{name: a, exactly: {deviceClassName: c, tolerations: [{operator: Exists, value: x, effect: Nope}, {operator: In}]}}]}",
         'spec.devices.requests[0].exactly.tolerations[0].value: Invalid value: "x": must be empty for operator `Exists`',
         'spec.devices.requests[0].exactly.tolerations[0].effect: Unsupported value: "Nope": supported values: "NoExecute", "NoSchedule", "None"',
         'spec.devices.requests[0].exactly.tolerations[1].operator: Unsupported value: "In": supported values: "Equal", "Exists"'),
    case("a toleration that does not say how compares", "{requests: [{name: a, exactly: {deviceClassName: c, tolerations: [{key: a, value: b}]}},"
         " {name: b, firstAvailable: [{name: c, deviceClassName: c, tolerations: [{value: a b}]}]}]}",
         f'spec.devices.requests[1].firstAvailable[0].tolerations[0].value: Invalid value: "a b": {VALUE}'),
    case("requests that are not there", f"{{requests: [{GPU}], constraints: [{{requests: [b, gpu/c, a/b/c], matchAttribute: a}}]}}",
         f'spec.devices.constraints[0].requests[0]: Invalid value: "b": {NO_REQUEST}',
         f'spec.devices.constraints[0].requests[1]: Invalid value: "gpu/c": {NO_REQUEST}',
         f'spec.devices.constraints[0].requests[2]: Invalid value: "a/b/c": {NO_REQUEST}',
         'spec.devices.constraints[0].matchAttribute: Invalid value: "a": a fully qualified name must be a domain and a name separated by a slash'),
    case("a constraint of nothing", f"{{requests: [{GPU}], constraints: [{{}}]}}",
         'spec.devices.constraints[0]: Required value: exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'),
    case("parameters that are none", "{config: [{}, {opaque: {driver: '', parameters: [1]}}]}",
         "spec.devices.config[0].opaque: Required value", "spec.devices.config[1].opaque.driver: Required value",
         'spec.devices.config[1].opaque.parameters: Invalid value: "<value omitted>": must be a valid JSON object'),
)  # fmt: skip


@each(CLAIMS)
def test_claims(case: Case) -> None:
    claim = make(RESOURCE_CLAIM, f"spec: {{devices: {case.given}}}")
    assert validate_create(RESOURCE_CLAIM, claim) == violations(*case.want)
    template = make(RESOURCE_CLAIM_TEMPLATE, f"spec: {{spec: {{devices: {case.given}}}}}")
    within = [f"spec.{line}" for line in case.want]
    assert validate_create(RESOURCE_CLAIM_TEMPLATE, template) == violations(*within)


def test_a_claim_and_a_template_keep_their_spec() -> None:
    for kind, text in (
        (RESOURCE_CLAIM, "spec: {devices: {%s}}"),
        (RESOURCE_CLAIM_TEMPLATE, "spec: {spec: {devices: {%s}}}"),
    ):
        old, new = make(kind, text % ""), make(kind, text % f"requests: [{GPU}]")
        [error] = validate_update(kind, new, old)
        assert (error.field, error.detail.endswith("field is immutable")) == ("spec", True)
        assert validate_update(kind, old, old) == []


def test_a_template_gives_its_claims_labels_and_annotations_alone() -> None:
    template = make(RESOURCE_CLAIM_TEMPLATE, "spec: {metadata: {labels: {a: b}, name: c}, spec: {}}")
    assert validate_create(RESOURCE_CLAIM_TEMPLATE, template) == violations(
        "spec.metadata.name: Forbidden: cannot be set"
    )


RESULT = "{request: gpu, driver: d, pool: p, device: x}"
STATUSES = (
    case("allocated and reserved", f"{{allocation: {{devices: {{results: [{RESULT}]}}}}, reservedFor: [{{resource: pods, name: a, uid: u}}]}}"),
    case("reserved and not allocated", "{reservedFor: [{resource: pods, name: a}]}",
         "status.reservedFor[0].uid: Required value",
         "status.reservedFor: Forbidden: may not be specified when `allocated` is not set"),
    case("what is said of a device that is not allocated", "{devices: [{driver: d, pool: p, device: x}]}",
         'status.devices[0]: Invalid value: "d/p/x": must be an allocated device in the claim'),
    case("what cannot be said of a device",
         f"{{allocation: {{devices: {{results: [{RESULT}]}}}}, devices: [{{driver: d, pool: p, device: x, data: [1], networkData: {{ips: [1.2.3.4, 10.0.0.1/8]}}}}]}}",
         'status.devices[0].data: Invalid value: "<value omitted>": must be a valid JSON object',
         'status.devices[0].networkData.ips[0]: Invalid value: "1.2.3.4": must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)'),
    case("results that are none", "{allocation: {devices: {results: [{request: b, driver: d, pool: p/_, device: X, shareID: A}]}}}",
         f'status.allocation.devices.results[0].request: Invalid value: "b": {NO_REQUEST}',
         f'status.allocation.devices.results[0].pool: Invalid value: "_": {SUBDOMAIN}',
         f'status.allocation.devices.results[0].device: Invalid value: "X": {LABEL}',
         'status.allocation.devices.results[0].shareID: Invalid value: "A": uid must be in RFC 4122 normalized form, '
         "`xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters"),
)  # fmt: skip


@each(STATUSES)
def test_statuses_of_claims(case: Case) -> None:
    spec = f"spec: {{devices: {{requests: [{GPU}]}}}}"
    new = make(RESOURCE_CLAIM, f"{spec}\nstatus: {case.given}")
    assert validate_status_update(RESOURCE_CLAIM, new, make(RESOURCE_CLAIM, spec)) == violations(*case.want)


def test_an_allocation_stays_or_goes_whole() -> None:
    text = f"spec: {{devices: {{requests: [{GPU}]}}}}\nstatus: {{allocation: {{devices: {{results: [%s]}}}}}}"
    old, new = make(RESOURCE_CLAIM, text % RESULT), make(RESOURCE_CLAIM, text % RESULT.replace("x}", "z}"))
    [error] = validate_status_update(RESOURCE_CLAIM, new, old)
    assert (error.field, error.detail.endswith("field is immutable")) == ("status.allocation", True)
    new.status.ClearField("allocation")
    assert validate_status_update(RESOURCE_CLAIM, new, old) == []


CLASSES = (
    case("all devices", "{}"),
    case("some", "{selectors: [{cel: {expression: 'device.driver == \"d\"'}}], extendedResourceName: example.com/gpu}"),
    case("wrong ones", "{selectors: [{}], config: [{}], extendedResourceName: cpu}",
         "spec.selectors[0].cel: Required value", "spec.config[0].opaque: Required value",
         'spec.extendedResourceName: Invalid value: "cpu": must be a valid extended resource name'),
)  # fmt: skip


@each(CLASSES)
def test_classes(case: Case) -> None:
    assert validate_create(DEVICE_CLASS, make(DEVICE_CLASS, f"spec: {case.given}")) == violations(*case.want)


POOL = "driver: d, pool: {name: p, resourceSliceCount: 1}"
SLICES = (
    case("a device of a node", f"{{{POOL}, nodeName: n1, devices: [{{name: a, attributes: {{model: {{string: x}}, a.b/c: {{version: 1.2.3-rc.1}}}}}}]}}"),
    case("shared counters", f"{{{POOL}, allNodes: true, sharedCounters: [{{name: a, counters: {{memory: {{value: 1Gi}}}}}}]}}"),
    case("nothing", "{}", "spec.driver: Required value", "spec.pool.name: Required value",
         "spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero", f"spec: Required value: {WHERE}"),
    case("of a node and of all", f"{{{POOL}, nodeName: n1, allNodes: true}}",
         f'spec: Invalid value: "{{`nodeName`, `allNodes`}}": {WHERE}, but multiple fields are set'),
    case("not of all", f"{{{POOL}, allNodes: false}}",
         "spec.allNodes: Invalid value: false: must be either unset or set to true", f"spec: Required value: {WHERE}"),
    case("a device twice", f"{{{POOL}, nodeName: n1, devices: [{{name: a}}, {{name: a}}]}}", 'spec.devices[1]: Duplicate value: "a"'),
    case("attributes that are none",
         f"{{{POOL}, nodeName: n1, devices: [{{name: a, attributes: {{1a: {{string: x}}, b: {{}}, c: {{int: 1, bool: true}}, d: {{version: '1'}}}}}}]}}",
         f'spec.devices[0].attributes: Invalid value: "1a": {IDENTIFIER}',
         'spec.devices[0].attributes[b]: Invalid value: "": exactly one value must be specified',
         'spec.devices[0].attributes[c]: Invalid value: {"int":1,"bool":true}: exactly one value must be specified',
         'spec.devices[0].attributes[d].version: Invalid value: "1": must be a string compatible with semver.org spec 2.0.0'),
    case("amounts that are not set are none at all", f"{{{POOL}, nodeName: n1, devices: [{{name: a, capacity: {{m: {{}}}}, "
         "consumesCounters: [{counterSet: s, counters: {c: {}}}]}]}"),
    case("a capacity that is shared by none", f"{{{POOL}, nodeName: n1, devices: [{{name: a, capacity: {{m: {{value: 1, requestPolicy: {{default: 1}}}}}}}}]}}",
         "spec.devices[0].capacity[m].requestPolicy: Forbidden: allowMultipleAllocations must be true"),
    case("capacities that cannot be asked for",
         f"{{{POOL}, nodeName: n1, devices: [{{name: a, allowMultipleAllocations: true, capacity: {{a: {{value: 4, requestPolicy: {{default: 3, validValues: [2, 1, 5]}}}}, "
         "b: {value: 4, requestPolicy: {default: 3, validRange: {min: 1, max: 4, step: 3}}}}}]}",
         'spec.devices[0].capacity[a].requestPolicy.validValues[1]: Invalid value: "1": values must be sorted in ascending order',
         'spec.devices[0].capacity[a].requestPolicy.validValues[2]: Invalid value: "5": option is larger than capacity value: 4',
         'spec.devices[0].capacity[a].requestPolicy.validValues: Invalid value: "3": default value is not valid according to the requestPolicy',
         'spec.devices[0].capacity[b].requestPolicy.validRange.step: Invalid value: "3": value is not a multiple of a given step (3) from (1)'),
    case("taints that are none", f"{{{POOL}, nodeName: n1, devices: [{{name: a, taints: [{{key: a, effect: Evict}}, {{key: b}}]}}]}}",
         'spec.devices[0].taints[0].effect: Unsupported value: "Evict": supported values: "NoExecute", "NoSchedule", "None"',
         "spec.devices[0].taints[1].effect: Required value"),
    case("nodes by device that are not", f"{{{POOL}, nodeName: n1, devices: [{{name: a, allNodes: true}}]}}",
         "spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec"),
    case("conditions alone", f"{{{POOL}, nodeName: n1, devices: [{{name: a, bindingConditions: [a, a]}}]}}",
         'spec.devices[0].bindingConditions[1]: Duplicate value: "a"',
         "spec.devices[0].bindingFailureConditions: Invalid value: []: bindingFailureConditions are required to use bindingConditions"),
)  # fmt: skip


@each(SLICES)
def test_slices(case: Case) -> None:
    assert validate_create(RESOURCE_SLICE, make(RESOURCE_SLICE, f"spec: {case.given}")) == violations(
        *case.want
    )


def test_a_slice_stays_that_of_its_driver_and_node() -> None:
    old, new = (
        make(
            RESOURCE_SLICE,
            f"spec: {{driver: {name}, pool: {{name: p, resourceSliceCount: 1}}, nodeName: {name}}}",
        )
        for name in ("n1", "n2")
    )
    assert validate_update(RESOURCE_SLICE, new, old) == violations(
        'spec.driver: Invalid value: "n2": field is immutable',
        'spec.nodeName: Invalid value: "n2": field is immutable',
    )


def test_a_slice_has_as_many_devices_as_upstream_takes() -> None:
    many = make(RESOURCE_SLICE, f"spec: {{{POOL}, nodeName: n1}}")
    for number in range(128):
        many.spec.devices.add(name=f"d{number}")
    assert validate_create(RESOURCE_SLICE, many) == []
    many.spec.devices[0].attributes["a"].ints.append(1)
    assert validate_create(RESOURCE_SLICE, many) == violations(
        "spec.devices: Too many: 128: must have at most 64 items"
    )


TAINT = "taint: {key: a, effect: None}"
RULES = (
    case("all devices", "{deviceSelector: {}, taint: {key: a.b/c, value: d, effect: NoExecute}}"),
    case("one device", f"{{deviceSelector: {{driver: d, pool: a/b, device: c}}, {TAINT}}}"),
    case("nothing", "{}", 'spec.taint.key: Invalid value: "": name part must be non-empty',
         f'spec.taint.key: Invalid value: "": {QUALIFIED}', "spec.taint.effect: Required value"),
    case("a selector of nothing", f"{{deviceSelector: {{driver: '', pool: '', device: A}}, {TAINT}}}",
         "spec.deviceSelector.driver: Required value", "spec.deviceSelector.pool: Required value",
         f'spec.deviceSelector.device: Invalid value: "A": {LABEL}'),
    case("a taint that is none", "{taint: {key: a, value: a b, effect: Evict}}",
         f'spec.taint.value: Invalid value: "a b": {VALUE}',
         'spec.taint.effect: Unsupported value: "Evict": supported values: "NoExecute", "NoSchedule", "None"'),
)  # fmt: skip


@each(RULES)
def test_rules_of_taints(case: Case) -> None:
    assert validate_create(DEVICE_TAINT_RULE, make(DEVICE_TAINT_RULE, f"spec: {case.given}")) == violations(
        *case.want
    )


def test_a_rule_of_taints_has_eight_conditions() -> None:
    old, new = (make(DEVICE_TAINT_RULE, f"spec: {{{TAINT}}}") for _ in range(2))
    for number in range(9):
        added = new.status.conditions.add(type=f"c{number}", status="True", reason="A")
        added.last_transition_time.seconds = 1
    new.status.conditions[1].type = "c0"
    assert validate_status_update(DEVICE_TAINT_RULE, new, old) == violations(
        'status.conditions[1].type: Duplicate value: "c0"',
        "status.conditions: Too many: 9: must have at most 8 items",
    )


def test_parameters_that_are_too_deep_are_no_json() -> None:
    claim = make(RESOURCE_CLAIM, "spec: {devices: {config: [{opaque: {driver: d, parameters: {}}}]}}")
    claim.spec.devices.config[0].device_configuration.opaque.parameters.raw = b"[" * 10_000
    [error] = validate_create(RESOURCE_CLAIM, claim)
    assert (error.field, "error parsing data as JSON" in error.detail) == (
        "spec.devices.config[0].opaque.parameters",
        True,
    )


def test_conditions_beyond_number_are_counted_and_not_compared_with_one_another() -> None:
    many = make(RESOURCE_SLICE, f"spec: {{{POOL}, nodeName: n1, devices: [{{name: a}}]}}")
    device = many.spec.devices[0]
    device.binding_conditions.extend(f"a{number}" for number in range(100_000))
    device.binding_failure_conditions.extend(f"b{number}" for number in range(100_000))
    assert validate_create(RESOURCE_SLICE, many) == violations(
        "spec.devices[0].bindingConditions: Too many: 100000: must have at most 4 items",
        "spec.devices[0].bindingFailureConditions: Too many: 100000: must have at most 4 items",
    )


def test_a_deleted_claim_gets_no_new_users_however_many_are_named() -> None:
    text = f"spec: {{devices: {{requests: [{GPU}]}}}}\nstatus: {{allocation: {{devices: {{results: [{RESULT}]}}}}}}"
    old, new = make(RESOURCE_CLAIM, text), make(RESOURCE_CLAIM, text)
    for number in range(256):
        old.status.reserved_for.add(resource="pods", name="a", uid=f"{number}")
    for number in range(100_000):
        new.status.reserved_for.add(resource="pods", name="a", uid=f"{number % 256}")
    for claim in (old, new):
        claim.metadata.deletion_timestamp.seconds = 1
    assert validate_status_update(RESOURCE_CLAIM, new, old) == violations(
        "status.reservedFor: Too many: 100000: must have at most 256 items"
    )
    del new.status.reserved_for[1:]
    new.status.reserved_for[0].name = "b"
    words = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
    assert validate_status_update(RESOURCE_CLAIM, new, old) == violations(
        f"status.reservedFor: Forbidden: {words}"
    )
