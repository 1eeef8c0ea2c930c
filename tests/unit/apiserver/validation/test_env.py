"""The environment of containers: what is refused, in which words."""

from tests.unit.apiserver.validation.cases import (
    CONFIG_KEY,
    ENV_NAME,
    QUALIFIED,
    SUBDOMAIN,
    Case,
    case,
    container,
    each,
    problems,
    violations,
)

ENV = (
    case(
        "a variable's name is printable ASCII without an equals sign",
        "env: [{name: ''},{name: '1=A'},{name: 'ä'},{name: '1 a'}]",
        "spec.containers[0].env[0].name: Required value",
        f'spec.containers[0].env[1].name: Invalid value: "1=A": {ENV_NAME}',
        f'spec.containers[0].env[2].name: Invalid value: "ä": {ENV_NAME}',
    ),
    case(
        "a variable from nowhere is refused",
        "env: [{name: a, valueFrom: {}}]",
        'spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
    ),
    case(
        "a variable has one source",
        "env: [{name: a, valueFrom: {fieldRef: {fieldPath: metadata.name}, secretKeyRef: {name: s, key: k}}}]",
        'spec.containers[0].env[0].valueFrom: Invalid value: "": may not have more than one field specified at a time',
    ),
    case(
        "a variable has a value or a source",
        "env: [{name: a, value: b, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]",
        'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
    ),
    case(
        "a field of the Pod is one of those that containers may know",
        "env: [{name: a, valueFrom: {fieldRef: {fieldPath: status.foo}}},{name: a, valueFrom: {fieldRef: {fieldPath: metadata.labels}}},{name: a, valueFrom: {fieldRef: {}}},{name: a, valueFrom: {fieldRef: {apiVersion: v2, fieldPath: metadata.name}}}]",
        'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "status.foo": error converting fieldPath: field label not supported: status.foo',
        'spec.containers[0].env[1].valueFrom.fieldRef.fieldPath: Unsupported value: "metadata.labels": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"',
        "spec.containers[0].env[2].valueFrom.fieldRef.fieldPath: Required value",
        'spec.containers[0].env[3].valueFrom.fieldRef.fieldPath: Invalid value: "metadata.name": error converting fieldPath: unsupported pod version: v2',
    ),
    case(
        "a label or annotation is given by its name, other fields have no parts",
        "env: [{name: a, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['-x']\"}}},{name: a, valueFrom: {fieldRef: {fieldPath: \"metadata.annotations['Ab/Cd']\"}}},{name: a, valueFrom: {fieldRef: {fieldPath: \"metadata.name['x']\"}}}]",
        f'spec.containers[0].env[0].valueFrom.fieldRef: Invalid value: "-x": {QUALIFIED}',
        "spec.containers[0].env[2].valueFrom.fieldRef.fieldPath: Invalid value: \"metadata.name['x']\": error converting fieldPath: field label does not support subscript: metadata.name['x']",
    ),
    case(
        "the old name of spec.nodeName is known",
        "env: [{name: a, valueFrom: {fieldRef: {fieldPath: spec.host}}}]",
    ),
    case(
        "a container's resource is one of those that have limits",
        "env: [{name: a, valueFrom: {resourceFieldRef: {}}},{name: a, valueFrom: {resourceFieldRef: {resource: limits.gpu}}},{name: a, valueFrom: {resourceFieldRef: {resource: limits.hugepages-2Mi}}}]",
        "spec.containers[0].env[0].valueFrom.resourceFieldRef.resource: Required value",
        'spec.containers[0].env[1].valueFrom.resourceFieldRef.resource: Unsupported value: "limits.gpu": supported values: "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"',
    ),
    case(
        "a divisor fits its resource",
        "env: [{name: a, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 10m}}},{name: a, valueFrom: {resourceFieldRef: {resource: requests.memory, divisor: 3}}},{name: a, valueFrom: {resourceFieldRef: {resource: requests.ephemeral-storage, divisor: 3}}},{name: a, valueFrom: {resourceFieldRef: {resource: requests.hugepages-1Gi, divisor: 3}}},{name: a, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}, {name: a, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 0}}}]",
        'spec.containers[0].env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor\'s values 1m and 1 are supported with the cpu resource',
        'spec.containers[0].env[1].valueFrom.resourceFieldRef.divisor: Invalid value: "requests.memory": only divisor\'s values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the memory resource',
        'spec.containers[0].env[2].valueFrom.resourceFieldRef.divisor: Invalid value: "requests.ephemeral-storage": only divisor\'s values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the local ephemeral storage resource',
        'spec.containers[0].env[3].valueFrom.resourceFieldRef.divisor: Invalid value: "requests.hugepages-1Gi": only divisor\'s values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the hugepages resource',
    ),
    case(
        "references to keys have a name and a key",
        "env: [{name: a, valueFrom: {configMapKeyRef: {name: A, key: a/b}}},{name: a, valueFrom: {secretKeyRef: {}}},{name: a, valueFrom: {configMapKeyRef: {name: a, key: ..}}},{name: a, valueFrom: {configMapKeyRef: {name: a, key: ..x}}}]",
        f'spec.containers[0].env[0].valueFrom.configMapKeyRef.name: Invalid value: "A": {SUBDOMAIN}',
        f'spec.containers[0].env[0].valueFrom.configMapKeyRef.key: Invalid value: "a/b": {CONFIG_KEY}',
        f'spec.containers[0].env[1].valueFrom.secretKeyRef.name: Invalid value: "": {SUBDOMAIN}',
        "spec.containers[0].env[1].valueFrom.secretKeyRef.key: Required value",
        "spec.containers[0].env[2].valueFrom.configMapKeyRef.key: Invalid value: \"..\": must not be '..'",
        "spec.containers[0].env[3].valueFrom.configMapKeyRef.key: Invalid value: \"..x\": must not start with '..'",
    ),
    case(
        "references to files have a volume, a path and a key",
        "env: [{name: a, valueFrom: {fileKeyRef: {}}},{name: a, valueFrom: {fileKeyRef: {volumeName: v, key: a=, path: ../x}}},{name: a, valueFrom: {fileKeyRef: {volumeName: w, key: a, path: x}}}]",
        "spec.containers[0].env[0].valueFrom.fileKeyRef.key: Required value",
        "spec.containers[0].env[0].valueFrom.fileKeyRef.volumeName: Required value",
        "spec.containers[0].env[0].valueFrom.fileKeyRef.path: Required value",
        f'spec.containers[0].env[1].valueFrom.fileKeyRef.key: Invalid value: "a=": {ENV_NAME}',
        "spec.containers[0].env[1].valueFrom.fileKeyRef.path: Invalid value: \"../x\": must not contain '..'",
        'spec.containers[0].env[0].valueFrom.fileKeyRef.volumeName: Not found: ""',
        'spec.containers[0].env[1].valueFrom.fileKeyRef.volumeName: Not found: "v"',
        spec="volumes: [{name: w}]",
    ),
    case(
        "a whole source of variables is one ConfigMap or Secret",
        "envFrom: [{},{prefix: 'a=', configMapRef: {}},{secretRef: {name: A}, configMapRef: {name: a-}}]",
        'spec.containers[0].envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`',
        f'spec.containers[0].envFrom[1].prefix: Invalid value: "a=": {ENV_NAME}',
        "spec.containers[0].envFrom[1].configMapRef.name: Required value",
        f'spec.containers[0].envFrom[2].secretRef.name: Invalid value: "A": {SUBDOMAIN}',
        'spec.containers[0].envFrom: Invalid value: "": may not have more than one field specified at a time',
    ),
)


@each(ENV)
def test_environment(case: Case) -> None:
    assert problems(container(case.given, case.spec)) == violations(*case.want)
