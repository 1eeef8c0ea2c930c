"""Containers of all three sorts, their ports and mounts: what is refused, in which words."""

from tests.unit.apiserver.validation.cases import (
    LABEL,
    PORT,
    Case,
    case,
    container,
    each,
    pod,
    problems,
    violations,
)

CONTAINERS = (
    case("a Pod needs a container", "containers: []", "spec.containers: Required value"),
    case(
        "a container needs a name and an image",
        "containers: [{}]",
        "spec.containers[0].name: Required value",
        "spec.containers[0].image: Required value",
    ),
    case(
        "a container's name is a DNS label",
        "containers: [{name: Bad_Name, image: a}, {name: a.b, image: a}]",
        f'spec.containers[0].name: Invalid value: "Bad_Name": {LABEL}',
        'spec.containers[1].name: Invalid value: "a.b": must not contain dots',
    ),
    case(
        "a name of 64 characters is too long",
        f"containers: [{{name: {'a' * 64}, image: a}}]",
        f"""spec.containers[0].name: Invalid value: "{"a" * 64}": must be no more than 63 characters""",
    ),
    case(
        "two containers may not have one name",
        "containers: [{name: a, image: a}, {name: a, image: a}]",
        'spec.containers[1].name: Duplicate value: "a"',
    ),
    case(
        "an init container may not have the name of a regular one",
        "containers: [{name: a, image: a}]\ninitContainers: [{name: a, image: a}]",
        'spec.initContainers[0].name: Duplicate value: "a"',
    ),
    case(
        "two init containers may not have one name",
        "containers: [{name: a, image: a}]\ninitContainers: [{name: b, image: a},{name: b, image: a}]",
        'spec.initContainers[1].name: Duplicate value: "b"',
    ),
    case(
        "an image has no spaces around it",
        "containers: [{name: a, image: ' a'}]\ninitContainers: [{name: b, image: 'b '}]",
        'spec.containers[0].image: Invalid value: " a": must not have leading or trailing whitespace',
        'spec.initContainers[0].image: Invalid value: "b ": must not have leading or trailing whitespace',
    ),
    case(
        "a pull policy is one of three",
        "containers: [{name: a, image: a, imagePullPolicy: Sometimes}]",
        'spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"',
    ),
    case(
        "a policy for termination messages is one of two",
        "containers: [{name: a, image: a, terminationMessagePolicy: X}]",
        'spec.containers[0].terminationMessagePolicy: Unsupported value: "X": supported values: "File", "FallbackToLogsOnError"',
    ),
    case(
        "a container's restart policy is one of three",
        "containers: [{name: a, image: a, restartPolicy: Sometimes}]",
        'spec.containers[0].restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"',
    ),
    case(
        "restart rules need a restart policy beside them",
        "containers: [{name: a, image: a, restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}}]}]",
        "spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used",
    ),
    case(
        "restart rules have a known action and operator",
        "containers: [{name: a, image: a, restartPolicy: Never, restartPolicyRules: [{}, {action: Stop, exitCodes: {operator: X}}]}]",
        'spec.containers[0].restartPolicyRules[0].action: Unsupported value: "": supported values: "Restart", "RestartAllContainers"',
        "spec.containers[0].restartPolicyRules[0].exitCodes: Required value: must be specified",
        'spec.containers[0].restartPolicyRules[1].action: Unsupported value: "Stop": supported values: "Restart", "RestartAllContainers"',
        'spec.containers[0].restartPolicyRules[1].exitCodes.operator: Unsupported value: "X": supported values: "In", "NotIn"',
    ),
    case(
        "there are at most twenty restart rules",
        "containers: [{name: a, image: a, restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [1]}}, {action: Restart, exitCodes: {operator: In, values: [1]}}, {action: Restart, exitCodes: {operator: In, values: [1]}}, {action: Restart, exitCodes: {operator: In, values: [1]}}, {action: Restart, exitCodes: {operator: In, values: [1]}}, {action: Restart, exitCodes: {operator: In, values: [1]}}, {action: Restart, exitCodes: {operator: In, values: [1]}}, {action: Restart, exitCodes: {operator: In, values: [1]}}, {action: Restart, exitCodes: {operator: In, values: [1]}}, {action: Restart, exitCodes: {operator: In, values: [1]}}, {action: Restart, exitCodes: {operator: In, values: [1]}}, {action: Restart, exitCodes: {operator: In, values: [1]}}, {action: Restart, exitCodes: {operator: In, values: [1]}}, {action: Restart, exitCodes: {operator: In, values: [1]}}, {action: Restart, exitCodes: {operator: In, values: [1]}}, {action: Restart, exitCodes: {operator: In, values: [1]}}, {action: Restart, exitCodes: {operator: In, values: [1]}}, {action: Restart, exitCodes: {operator: In, values: [1]}}, {action: Restart, exitCodes: {operator: In, values: [1]}}, {action: Restart, exitCodes: {operator: In, values: [1]}}, {action: Restart, exitCodes: {operator: In, values: [1]}}]}]",
        "spec.containers[0].restartPolicyRules: Too many: 21: must have at most 20 items",
    ),
    case(
        "a restart rule has at most 255 exit codes",
        "containers: [{name: a, image: a, restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 140, 141, 142, 143, 144, 145, 146, 147, 148, 149, 150, 151, 152, 153, 154, 155, 156, 157, 158, 159, 160, 161, 162, 163, 164, 165, 166, 167, 168, 169, 170, 171, 172, 173, 174, 175, 176, 177, 178, 179, 180, 181, 182, 183, 184, 185, 186, 187, 188, 189, 190, 191, 192, 193, 194, 195, 196, 197, 198, 199, 200, 201, 202, 203, 204, 205, 206, 207, 208, 209, 210, 211, 212, 213, 214, 215, 216, 217, 218, 219, 220, 221, 222, 223, 224, 225, 226, 227, 228, 229, 230, 231, 232, 233, 234, 235, 236, 237, 238, 239, 240, 241, 242, 243, 244, 245, 246, 247, 248, 249, 250, 251, 252, 253, 254, 255]}}]}]",
        "spec.containers[0].restartPolicyRules[0].exitCodes.values: Too many: 256: must have at most 255 items",
    ),
    case(
        "an init container that is no sidecar has neither probes nor hooks",
        "containers: [{name: a, image: a}]\ninitContainers: [{name: b, image: a, livenessProbe: {exec: {command: [a]}}, readinessProbe: {exec: {command: [a]}}, startupProbe: {exec: {command: [a]}}, lifecycle: {preStop: {exec: {command: [a]}}}}]",
        "spec.initContainers[0].lifecycle: Forbidden: may not be set for init containers without restartPolicy=Always",
        "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
        "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
        "spec.initContainers[0].startupProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
    ),
    case(
        "a sidecar may have probes and hooks",
        "containers: [{name: a, image: a}]\ninitContainers: [{name: b, image: a, restartPolicy: Always, livenessProbe: {exec: {command: [a]}}, readinessProbe: {exec: {command: [a]}}, startupProbe: {exec: {command: [a]}}, lifecycle: {preStop: {exec: {command: [a]}}}}]",
    ),
    case(
        "host ports of each init container are looked at alone",
        "containers: [{name: a, image: a}]\ninitContainers: [{name: c, image: a}, {name: b, image: a, ports: [{containerPort: 1, hostPort: 1},{containerPort: 2, hostPort: 1}]}]",
        'spec.initContainers[0].ports[1].hostPort: Duplicate value: "TCP//1"',
    ),
    case(
        "two containers may not ask for one host port and protocol",
        "containers: [{name: a, image: a, ports: [{containerPort: 1, hostPort: 80}]},{name: b, image: a, ports: [{containerPort: 2, hostPort: 80},{containerPort: 2, hostPort: 80, protocol: UDP}]}]",
        'spec.containers[1].ports[0].hostPort: Duplicate value: "TCP//80"',
    ),
    case(
        "an ephemeral container has nothing that keeps a Pod alive",
        "containers: [{name: a, image: a}]\ninitContainers: [{name: c, image: a}]\nvolumes: [{name: v}]\nephemeralContainers: [{name: a, image: ' b', targetContainerName: x, ports: [{containerPort: 1}], resources: {limits: {cpu: 1}}, livenessProbe: {exec: {command: [a]}}, lifecycle: {preStop: {exec: {command: [a]}}}, volumeMounts: [{name: v, mountPath: /a, subPath: x},{name: v, mountPath: /b, subPathExpr: x}]}]",
        'spec.ephemeralContainers[0].image: Invalid value: " b": must not have leading or trailing whitespace',
        'spec.ephemeralContainers[0].name: Duplicate value: "a"',
        'spec.ephemeralContainers[0].targetContainerName: Not found: "x"',
        "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container",
        "spec.ephemeralContainers[0].resources: Forbidden: cannot be set for an Ephemeral Container",
        "spec.ephemeralContainers[0].livenessProbe: Forbidden: cannot be set for an Ephemeral Container",
        "spec.ephemeralContainers[0].lifecycle: Forbidden: cannot be set for an Ephemeral Container",
        "spec.ephemeralContainers[0].volumeMounts[0].subPath: Forbidden: cannot be set for an Ephemeral Container",
        "spec.ephemeralContainers[0].volumeMounts[1].subPathExpr: Forbidden: cannot be set for an Ephemeral Container",
        "spec.ephemeralContainers: Forbidden: cannot be set on create",
    ),
    case(
        "an ephemeral container comes by an update only",
        "containers: [{name: a, image: a}]\nephemeralContainers: [{name: b, image: b, targetContainerName: a}]",
        "spec.ephemeralContainers: Forbidden: cannot be set on create",
    ),
    case(
        "resize policies are for cpu and memory, once each",
        "containers: [{name: a, image: a, resizePolicy: [{resourceName: cpu, restartPolicy: NotRequired},{resourceName: cpu, restartPolicy: Foo},{resourceName: disk},{}]}]",
        'spec.containers[0].resizePolicy[1]: Duplicate value: "cpu"',
        'spec.containers[0].resizePolicy: Unsupported value: "Foo": supported values: "NotRequired", "RestartContainer"',
        'spec.containers[0].resizePolicy: Unsupported value: "disk": supported values: "cpu", "memory"',
        "spec.containers[0].resizePolicy: Required value",
    ),
    case(
        "a Pod that never restarts resizes without restarts",
        "restartPolicy: Never\ncontainers: [{name: a, image: a, resizePolicy: [{resourceName: cpu, restartPolicy: RestartContainer}]}]",
        "spec.containers[0].resizePolicy: Invalid value: \"RestartContainer\": must be 'NotRequired' when pod `restartPolicy` is 'Never'",
    ),
    case(
        "an init container is not started again for its resources, a sidecar may be",
        "initContainers: [{name: i, image: a, resizePolicy: [{resourceName: cpu, restartPolicy: RestartContainer}]},{name: s, image: a, restartPolicy: Always, resizePolicy: [{resourceName: cpu, restartPolicy: RestartContainer}]}]",
        "spec.initContainers[0].resizePolicy[0].restartPolicy: Invalid value: \"RestartContainer\": must not be set to 'RestartContainer' for non-sidecar initContainers",
    ),
)


@each(CONTAINERS)
def test_containers(case: Case) -> None:
    assert problems(pod(case.given)) == violations(*case.want)


PORTS = (
    case(
        "a port's name is an IANA service name, once",
        "ports: [{name: Web_x, containerPort: 1},{name: '1', containerPort: 2},{name: a--b-, containerPort: 3},{name: abcdefghijklmnop, containerPort: 4},{name: web, containerPort: 5},{name: web, containerPort: 6}]",
        'spec.containers[0].ports[0].name: Invalid value: "Web_x": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
        'spec.containers[0].ports[1].name: Invalid value: "1": must contain at least one letter (a-z)',
        'spec.containers[0].ports[2].name: Invalid value: "a--b-": must not contain consecutive hyphens',
        'spec.containers[0].ports[2].name: Invalid value: "a--b-": must not begin or end with a hyphen',
        'spec.containers[0].ports[3].name: Invalid value: "abcdefghijklmnop": must be no more than 15 characters',
        'spec.containers[0].ports[5].name: Duplicate value: "web"',
    ),
    case(
        "a port is a number from 1 to 65535",
        "ports: [{containerPort: 0},{containerPort: 70000},{containerPort: -1},{containerPort: 1, hostPort: 70000}]",
        "spec.containers[0].ports[0].containerPort: Required value",
        f"spec.containers[0].ports[1].containerPort: Invalid value: 70000: {PORT}",
        f"spec.containers[0].ports[2].containerPort: Invalid value: -1: {PORT}",
        f"spec.containers[0].ports[3].hostPort: Invalid value: 70000: {PORT}",
    ),
    case(
        "a protocol is one of three",
        "ports: [{containerPort: 1, protocol: ICMP}]",
        'spec.containers[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
    ),
    case(
        "on the host's network the host port is the container's",
        "ports: [{containerPort: 80, hostPort: 81}]",
        "spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true",
        spec="hostNetwork: true",
    ),
)


@each(PORTS)
def test_ports(case: Case) -> None:
    assert problems(container(case.given, case.spec)) == violations(*case.want)


MOUNTS = (
    case(
        "a mount names a volume and a path",
        "volumeMounts: [{name: x, mountPath: /a},{}]",
        'spec.containers[0].volumeMounts[0].name: Not found: "x"',
        "spec.containers[0].volumeMounts[1].name: Required value",
        'spec.containers[0].volumeMounts[1].name: Not found: ""',
        "spec.containers[0].volumeMounts[1].mountPath: Required value",
    ),
    case(
        "two mounts may not be at one path",
        "volumeMounts: [{name: v, mountPath: /a},{name: v, mountPath: /a}]",
        'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/a": must be unique',
        spec="volumes: [{name: v}]",
    ),
    case(
        "a path in a volume stays in it",
        "volumeMounts: [{name: v, mountPath: /a, subPath: /x},{name: v, mountPath: /b, subPath: a/../b},{name: v, mountPath: /c, subPath: a, subPathExpr: ../b}]",
        'spec.containers[0].volumeMounts.subPath: Invalid value: "/x": must be a relative path',
        "spec.containers[0].volumeMounts.subPath: Invalid value: \"a/../b\": must not contain '..'",
        'spec.containers[0].volumeMounts[2].subPathExpr: Invalid value: "../b": subPathExpr and subPath are mutually exclusive',
        "spec.containers[0].volumeMounts.subPathExpr: Invalid value: \"../b\": must not contain '..'",
        spec="volumes: [{name: v}]",
    ),
    case(
        "propagation is of a known kind, and both ways for privileged containers only",
        "volumeMounts: [{name: v, mountPath: /a, mountPropagation: X},{name: v, mountPath: /b, mountPropagation: Bidirectional}]",
        'spec.containers[0].volumeMounts.mountPropagation: Unsupported value: "X": supported values: "Bidirectional", "HostToContainer", "None"',
        "spec.containers[0].volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers",
        spec="volumes: [{name: v}]",
    ),
    case(
        "a privileged container may propagate mounts both ways",
        "securityContext: {privileged: true}, volumeMounts: [{name: v, mountPath: /b, mountPropagation: Bidirectional}]",
        spec="volumes: [{name: v}]",
    ),
    case(
        "recursively read-only mounts are read-only and not propagated",
        "volumeMounts: [{name: v, mountPath: /a, recursiveReadOnly: X},{name: v, mountPath: /b, recursiveReadOnly: Enabled, mountPropagation: HostToContainer},{name: v, mountPath: /c, recursiveReadOnly: Disabled},{name: v, mountPath: /d, readOnly: true, recursiveReadOnly: IfPossible}]",
        'spec.containers[0].volumeMounts.recursiveReadOnly: Unsupported value: "X": supported values: "Disabled", "Enabled", "IfPossible"',
        "spec.containers[0].volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true",
        "spec.containers[0].volumeMounts.recursiveReadOnly: Forbidden: may only be specified when mountPropagation is None or not specified",
        spec="volumes: [{name: v}]",
    ),
    case(
        "a part of a volume is named in one way",
        "volumeMounts: [{name: v, mountPath: /a, subPath: x, subPathExpr: why}]",
        'spec.containers[0].volumeMounts[0].subPathExpr: Invalid value: "why": subPathExpr and subPath are mutually exclusive',
        spec="volumes: [{name: v, image: {reference: a}}]",
    ),
    case(
        "devices are claims, at paths of their own",
        "volumeMounts: [{name: c, mountPath: /dev/x}], volumeDevices: [{},{name: c, devicePath: /dev/x},{name: d, devicePath: /dev/../y},{name: v, devicePath: /dev/z},{name: d, devicePath: /dev/z}]",
        'spec.containers[0].volumeMounts[0].name: Invalid value: "c": must not already exist in volumeDevices',
        'spec.containers[0].volumeMounts[0].mountPath: Invalid value: "/dev/x": must not already exist as a path in volumeDevices',
        "spec.containers[0].volumeDevices[0].name: Required value",
        'spec.containers[0].volumeDevices[0].name: Not found: ""',
        "spec.containers[0].volumeDevices[0].devicePath: Required value",
        'spec.containers[0].volumeDevices[1].name: Invalid value: "c": must not already exist in volumeMounts',
        'spec.containers[0].volumeDevices[1].devicePath: Invalid value: "/dev/x": must not already exist as a path in volumeMounts',
        "spec.containers[0].volumeDevices[2].devicePath: Invalid value: \"/dev/../y\": can not contain backsteps ('..')",
        'spec.containers[0].volumeDevices[3].name: Invalid value: "v": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode',
        'spec.containers[0].volumeDevices[4].name: Invalid value: "d": must be unique',
        'spec.containers[0].volumeDevices[4].devicePath: Invalid value: "/dev/z": must be unique',
        spec="volumes: [{name: v},{name: c, persistentVolumeClaim: {claimName: c}},{name: d, persistentVolumeClaim: {claimName: c}}]",
    ),
    case(
        "options of a mount are different",
        "volumeMounts: [{name: v, mountPath: /a, bindMountOptions: [noexec, nosuid, noexec]}]",
        'spec.containers[0].volumeMounts[0].bindMountOptions[2]: Duplicate value: "noexec"',
        spec="volumes: [{name: v}]",
    ),
)


@each(MOUNTS)
def test_mounts(case: Case) -> None:
    assert problems(container(case.given, case.spec)) == violations(*case.want)
