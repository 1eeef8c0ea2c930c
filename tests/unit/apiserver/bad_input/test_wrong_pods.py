"""Wrong Pods beyond those of `tests/component/test_wrong_manifests.py`: each one whole answer of the API."""

from tests.support.apiserver import make_apiserver
from tests.unit.apiserver.bad_input.cases import Bad, check_invalid, container, each, pod, refusal
from tests.unit.apiserver.validation.cases import ENV_NAME, IP, LABEL, PORT, QUALIFIED, SUBDOMAIN, VALUE

NEGATIVE = "must be greater than or equal to 0"
ID = "must be between 0 and 2147483647, inclusive"
MODE = "must be a number between 0 and 0777 (octal), both inclusive"
ONE_TYPE = "Forbidden: may not specify more than 1 volume type"
NOT_FOR_EPHEMERAL = "cannot be set for an Ephemeral Container"
DIVISORS = "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the memory resource"

CONTAINERS = (
    container("a message from nowhere", "terminationMessagePolicy: Never",
              '$.terminationMessagePolicy: Unsupported value: "Never": supported values: "File", "FallbackToLogsOnError"'),
    pod("a container's name that is too long", f"containers: [{{name: {'a' * 64}, image: x}}]",
        f'spec.containers[0].name: Invalid value: "{"a" * 64}": must be no more than 63 characters'),
    pod("a container's name with a dot", "containers: [{name: a.b, image: x}]",
        'spec.containers[0].name: Invalid value: "a.b": must not contain dots'),
    pod("an image that ends in a space", "containers: [{name: a, image: 'x '}]",
        'spec.containers[0].image: Invalid value: "x ": must not have leading or trailing whitespace'),
    container("a port's name without a letter", "ports: [{name: '80', containerPort: 80}]",
              '$.ports[0].name: Invalid value: "80": must contain at least one letter (a-z)'),
    container("a port's name with two dashes", "ports: [{name: a--b, containerPort: 80}]",
              '$.ports[0].name: Invalid value: "a--b": must not contain consecutive hyphens'),
    container("a port's name that ends in a dash", "ports: [{name: a-, containerPort: 80}]",
              '$.ports[0].name: Invalid value: "a-": must not begin or end with a hyphen'),
    container("a port's name with capitals", "ports: [{name: A1b, containerPort: 80}]",
              '$.ports[0].name: Invalid value: "A1b": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)'),
    container("a negative host port", "ports: [{containerPort: 80, hostPort: -1}]",
              f"$.ports[0].hostPort: Invalid value: -1: {PORT}"),
    container("a port for the host twice in a container", "ports: [{containerPort: 80, hostPort: 80}, {containerPort: 81, hostPort: 80}]",
              '$.ports[1].hostPort: Duplicate value: "TCP//80"'),
    pod("a host port twice in an init container", """
        containers: [{name: a, image: x}]
        initContainers:
        - {name: i, image: x, ports: [{containerPort: 80, hostPort: 80}, {containerPort: 81, hostPort: 80}]}
        """, 'spec.initContainers[0].ports[1].hostPort: Duplicate value: "TCP//80"'),
    container("a restart rule of no known action", """
              restartPolicy: Never
              restartPolicyRules: [{action: Explode, exitCodes: {operator: Is, values: [1]}}, {action: Restart}]
              """,
              '$.restartPolicyRules[0].action: Unsupported value: "Explode": supported values: "Restart", "RestartAllContainers"',
              '$.restartPolicyRules[0].exitCodes.operator: Unsupported value: "Is": supported values: "In", "NotIn"',
              "$.restartPolicyRules[1].exitCodes: Required value: must be specified"),
    container("too many restart rules", "restartPolicy: Never\nrestartPolicyRules: ["
              + ", ".join(["{action: Restart, exitCodes: {operator: In, values: [1]}}"] * 21) + "]",
              "$.restartPolicyRules: Too many: 21: must have at most 20 items"),
    container("a resize policy for what cannot be resized", "resizePolicy: [{resourceName: a.b/gpu, restartPolicy: Maybe}, {resourceName: "
              "cpu, restartPolicy: NotRequired}, {resourceName: cpu, restartPolicy: NotRequired}]",
              '$.resizePolicy: Unsupported value: "a.b/gpu": supported values: "cpu", "memory"',
              '$.resizePolicy: Unsupported value: "Maybe": supported values: "NotRequired", "RestartContainer"',
              '$.resizePolicy[2]: Duplicate value: "cpu"'),
    pod("a resize that restarts, in a Pod that never restarts",
        "containers: [{name: a, image: x, resizePolicy: [{resourceName: cpu, restartPolicy: RestartContainer}]}]\nrestartPolicy: Never",
        "spec.containers[0].resizePolicy: Invalid value: \"RestartContainer\": must be 'NotRequired' when pod `restartPolicy` is "
        "'Never'"),
    pod("an init container that would restart for its resources", "initContainers: [{name: i, image: x, resizePolicy: [{resourceName: "
        "memory, restartPolicy: RestartContainer}]}]",
        "spec.initContainers[0].resizePolicy[0].restartPolicy: Invalid value: \"RestartContainer\": must not be set to "
        "'RestartContainer' for non-sidecar initContainers"),
    container("a stop signal without a system", "lifecycle: {stopSignal: SIGTERM}",
              "$.lifecycle.stopSignal: Forbidden: may not be set for containers with empty `spec.os.name`"),
    container("a hook without a handler", "lifecycle: {postStart: {}}",
              "$.lifecycle.postStart: Required value: must specify a handler type"),
    container("a hook with two handlers", "lifecycle: {preStop: {exec: {command: [a]}, httpGet: {port: 80}}}",
              "$.lifecycle.preStop.httpGet: Forbidden: may not specify more than 1 handler type"),
    container("a hook that sleeps backwards", "lifecycle: {preStop: {sleep: {seconds: -1}}}",
              "$.lifecycle.preStop.sleep: Invalid value: -1: must be non-negative and less than terminationGracePeriodSeconds (30)"),
    container("a gRPC probe of no port", "livenessProbe: {grpc: {port: 0}}", f"$.livenessProbe.grpc.port: Invalid value: 0: {PORT}"),
    container("a readiness probe with a grace period", "readinessProbe: {tcpSocket: {port: 80}, terminationGracePeriodSeconds: 5}",
              "$.readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: must not be set for readinessProbes"),
    container("a startup probe that must succeed twice", "startupProbe: {tcpSocket: {port: 80}, successThreshold: 2}",
              "$.startupProbe.successThreshold: Invalid value: 2: must be 1"),
    container("a liveness probe of a port that is too high", "livenessProbe: {tcpSocket: {port: 65536}}",
              f"$.livenessProbe.tcpSocket.port: Invalid value: 65536: {PORT}"),
)  # fmt: skip

ENVIRONMENT = (
    container("a variable's name with a tab", 'env: [{name: "A\\tB", value: c}]', f'$.env[0].name: Invalid value: "A\\tB": {ENV_NAME}'),
    container("a variable from nothing", "env: [{name: A, valueFrom: {}}]",
              '$.env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, '
              "`secretKeyRef` or `fileKeyRef`"),
    container("a variable from two sources", "env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}, configMapKeyRef: {name: c, "
              "key: k}}}]", '$.env[0].valueFrom: Invalid value: "": may not have more than one field specified at a time'),
    container("a variable from a field without a path", "env: [{name: A, valueFrom: {fieldRef: {}}}]",
              "$.env[0].valueFrom.fieldRef.fieldPath: Required value"),
    container("a variable from a label with a bad key", "env: [{name: A, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['-']\"}}}]",
              f'$.env[0].valueFrom.fieldRef: Invalid value: "-": {QUALIFIED}'),
    container("a variable from a part of a field that has none", "env: [{name: A, valueFrom: {fieldRef: {fieldPath: \"metadata.name['a']\"}}}]",
              '$.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "metadata.name[\'a\']": error converting fieldPath: field label does not '
              "support subscript: metadata.name['a']"),
    container("a variable from an unknown resource", "env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.gpu}}}]",
              '$.env[0].valueFrom.resourceFieldRef.resource: Unsupported value: "limits.gpu": supported values: "limits.cpu", '
              '"limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"'),
    container("memory divided by three", "env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 3}}}]",
              f'$.env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.memory": {DIVISORS}'),
    container("a key of a ConfigMap that is no file", "env: [{name: A, valueFrom: {configMapKeyRef: {name: C_, key: ..}}}]",
              f'$.env[0].valueFrom.configMapKeyRef.name: Invalid value: "C_": {SUBDOMAIN}',
              "$.env[0].valueFrom.configMapKeyRef.key: Invalid value: \"..\": must not be '..'"),
    container("a variable from a file of no volume", "env: [{name: A, valueFrom: {fileKeyRef: {volumeName: v, path: ../e, key: K}}}]",
              "$.env[0].valueFrom.fileKeyRef.path: Invalid value: \"../e\": must not contain '..'",
              '$.env[0].valueFrom.fileKeyRef.volumeName: Not found: "v"'),
    container("a variable from a file that no container writes", "env: [{name: A, valueFrom: {fileKeyRef: {volumeName: v, path: e, key: K}}}]",
              '$.env[0].valueFrom.fileKeyRef.volumeName: Invalid value: "v": referenced volume must be of type emptyDir',
              spec="volumes: [{name: v, secret: {secretName: s}}]"),
    container("a variable from a file without anything", "env: [{name: A, valueFrom: {fileKeyRef: {volumeName: V_, key: a=b}}}]",
              f'$.env[0].valueFrom.fileKeyRef.key: Invalid value: "a=b": {ENV_NAME}',
              f'$.env[0].valueFrom.fileKeyRef.volumeName: Invalid value: "V_": {LABEL}',
              "$.env[0].valueFrom.fileKeyRef.path: Required value",
              '$.env[0].valueFrom.fileKeyRef.volumeName: Not found: "V_"'),
    container("all variables of a Secret without a name", "envFrom: [{secretRef: {}}]", "$.envFrom[0].secretRef.name: Required value"),
    container("all variables of two objects at once", "envFrom: [{secretRef: {name: a}, configMapRef: {name: b}}]",
              '$.envFrom: Invalid value: "": may not have more than one field specified at a time'),
    container("a prefix that is no name", "envFrom: [{prefix: a=, secretRef: {name: a}}]",
              f'$.envFrom[0].prefix: Invalid value: "a=": {ENV_NAME}'),
)  # fmt: skip

VOLUMES = (
    container("a mount without a path", "volumeMounts: [{name: v}]", "$.volumeMounts[0].mountPath: Required value", spec="volumes: [{name: v}]"),
    container("a mount without a name", "volumeMounts: [{mountPath: /a}]", "$.volumeMounts[0].name: Required value",
              '$.volumeMounts[0].name: Not found: ""'),
    container("both forms of a sub path", "volumeMounts: [{name: v, mountPath: /a, subPath: b, subPathExpr: c}]",
              '$.volumeMounts[0].subPathExpr: Invalid value: "c": subPathExpr and subPath are mutually exclusive', spec="volumes: [{name: v}]"),
    container("an expression that leaves the volume", "volumeMounts: [{name: v, mountPath: /a, subPathExpr: ../$(A)}]",
              "$.volumeMounts.subPathExpr: Invalid value: \"../$(A)\": must not contain '..'", spec="volumes: [{name: v}]"),
    container("mounts that spread where they may not", "volumeMounts: [{name: v, mountPath: /a, mountPropagation: Bidirectional}, {name: v, "
              "mountPath: /b, mountPropagation: Both}]",
              "$.volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers",
              '$.volumeMounts.mountPropagation: Unsupported value: "Both": supported values: "Bidirectional", "HostToContainer", "None"',
              spec="volumes: [{name: v}]"),
    container("read only all the way down, and writable", "volumeMounts: [{name: v, mountPath: /a, recursiveReadOnly: Enabled}, {name: v, "
              "mountPath: /b, recursiveReadOnly: Deep}]",
              "$.volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true",
              '$.volumeMounts.recursiveReadOnly: Unsupported value: "Deep": supported values: "Disabled", "Enabled", "IfPossible"',
              spec="volumes: [{name: v}]"),
    container("a device that is no claim", "volumeDevices: [{name: v, devicePath: /dev/x}]",
              '$.volumeDevices[0].name: Invalid value: "v": can only use volume source type of PersistentVolumeClaim or Ephemeral for block '
              "mode", spec="volumes: [{name: v}]"),
    container("a device of no volume, at a path that climbs", "volumeDevices: [{name: v, devicePath: /dev/../x}]",
              '$.volumeDevices[0].name: Not found: "v"',
              "$.volumeDevices[0].devicePath: Invalid value: \"/dev/../x\": can not contain backsteps ('..')"),
    pod("a volume without a name", "volumes: [{emptyDir: {}}]", "spec.volumes[0].name: Required value"),
    pod("three sources", "volumes: [{name: v, emptyDir: {}, secret: {secretName: s}, configMap: {name: c}}]",
        f"spec.volumes[0].secret: {ONE_TYPE}", f"spec.volumes[0].configMap: {ONE_TYPE}"),
    pod("a path of the host that climbs, of no known type", "volumes: [{name: v, hostPath: {path: /a/../b, type: Pipe}}]",
        "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'",
        'spec.volumes[0].hostPath.type: Unsupported value: "Pipe": supported values: "", "BlockDevice", "CharDevice", "Directory", '
        '"DirectoryOrCreate", "File", "FileOrCreate", "Socket"'),
    pod("a path of the host that is empty", "volumes: [{name: v, hostPath: {}}]", "spec.volumes[0].hostPath.path: Required value"),
    pod("items of a Secret without key or path", "volumes: [{name: v, secret: {secretName: s, items: [{mode: 1000}]}}]",
        "spec.volumes[0].secret.items[0].key: Required value", "spec.volumes[0].secret.items[0].path: Required value",
        f"spec.volumes[0].secret.items[0].mode: Invalid value: 1000: {MODE}"),
    pod("a file of the downward API from nowhere", "volumes: [{name: v, downwardAPI: {items: [{path: /a}]}}]",
        'spec.volumes[0].downwardAPI.path: Invalid value: "/a": must be a relative path',
        "spec.volumes[0].downwardAPI: Required value: one of fieldRef and resourceFieldRef is required"),
    pod("a file of a field that files do not know", "volumes: [{name: v, downwardAPI: {items: [{path: a, fieldRef: {fieldPath: status.podIP}}]}}]",
        'spec.volumes[0].downwardAPI.fieldRef.fieldPath: Unsupported value: "status.podIP": supported values: "metadata.annotations", '
        '"metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"'),
    pod("a file of no container's resource", "volumes: [{name: v, downwardAPI: {items: [{path: a, resourceFieldRef: {resource: limits.cpu}}]}}]",
        "spec.volumes[0].downwardAPI.resourceFieldRef.containerName: Required value"),
    pod("two sources that make one file", "volumes: [{name: v, projected: {sources: [{secret: {name: s, items: [{key: a, path: x}]}}, "
        "{configMap: {name: c, items: [{key: b, path: x}]}}]}}]",
        'spec.volumes[0].projected: Invalid value: "c": conflicting duplicate paths'),
    pod("one source that is two", "volumes: [{name: v, projected: {sources: [{secret: {name: s}, configMap: {name: c}}]}}]",
        "spec.volumes[0].projected.sources[0]: Forbidden: may not specify more than 1 volume type per source"),
    pod("a token that hardly lives, of an account", "serviceAccountName: a\nvolumes: [{name: v, projected: {sources: [{serviceAccountToken: "
        "{path: t, expirationSeconds: 10}}]}}]",
        "spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 10: may not specify a duration less "
        "than 10 minutes"),
    pod("a bundle by name and by signer", "volumes: [{name: v, projected: {sources: [{clusterTrustBundle: {path: b}}]}}]",
        "spec.volumes[0].projected.sources[0].clusterTrustBundle: Required value: either name or signerName must be specified"),
    pod("a certificate that is written nowhere", "volumes: [{name: v, projected: {sources: [{podCertificate: {signerName: a.b/c, keyType: "
        "DSA, maxExpirationSeconds: 60}}]}}]",
        'spec.volumes[0].projected.sources[0].podCertificate.keyType: Unsupported value: "DSA": supported values: "RSA3072", "RSA4096", '
        '"ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"',
        "spec.volumes[0].projected.sources[0].podCertificate.maxExpirationSeconds: Invalid value: 60: if provided, maxExpirationSeconds "
        "must be >= 3600",
        "spec.volumes[0].projected.sources[0].podCertificate: Required value: specify at least one of credentialBundlePath, keyPath, and "
        "certificateChainPath"),
    pod("a claim that is not named", "volumes: [{name: v, persistentVolumeClaim: {}}]",
        "spec.volumes[0].persistentVolumeClaim.claimName: Required value"),
    pod("an image that is not named", "volumes: [{name: v, image: {pullPolicy: Never}}]", "spec.volumes[0].image.reference: Required value"),
    pod("files of a server at a relative path", "volumes: [{name: v, nfs: {server: s, path: a}}]",
        'spec.volumes[0].nfs.path: Invalid value: "a": must be an absolute path'),
    pod("a driver that is not named", "volumes: [{name: v, csi: {}}]", "spec.volumes[0].csi.driver: Required value"),
    pod("options of a driver in Kubernetes' domain", "volumes: [{name: v, flexVolume: {driver: a/b, options: {x.k8s.io/a: b}}}]",
        'spec.volumes[0].flexVolume.options[x.k8s.io/a]: Invalid value: "x.k8s.io/a": kubernetes.io and k8s.io namespaces are reserved'),
)  # fmt: skip

RESOURCES = (
    container("a limit that is negative", "resources: {limits: {memory: -1Gi}}", f'$.resources.limits[memory]: Invalid value: "-1Gi": {NEGATIVE}',
              f'$.resources.requests[memory]: Invalid value: "-1Gi": {NEGATIVE}'),
    container("half a device", "resources: {limits: {a.b/gpu: 500m}}",
              '$.resources.limits[a.b/gpu]: Invalid value: "500m": must be an integer',
              '$.resources.requests[a.b/gpu]: Invalid value: "500m": must be an integer'),
    container("fewer devices asked for than allowed", "resources: {requests: {a.b/gpu: 1}, limits: {a.b/gpu: 2}}",
              '$.resources.requests: Invalid value: "1": must be equal to a.b/gpu limit of 2'),
    container("huge pages of another size than theirs", "resources: {limits: {hugepages-2Mi: 3Mi, memory: 1Gi}}",
              '$.resources.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi',
              '$.resources.requests[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi'),
    container("a claim that the Pod does not have", "resources: {claims: [{name: c}]}",
              '$.resources.claims[0]: Not found: "c": must be one of the names in pod.spec.resourceClaims which is empty'),
    container("a claim of the Pod twice", "resources: {claims: [{name: c}, {name: c}]}", '$.resources.claims[1]: Duplicate value: "c"',
              spec="resourceClaims: [{name: c, resourceClaimName: x}]"),
    pod("claims of nothing", "resourceClaims: [{name: c}, {resourceClaimName: X_}]",
        'spec.resourceClaims[0]: Invalid value: {"name":"c"}: must specify one of: `resourceClaimName`, `resourceClaimTemplateName`',
        "spec.resourceClaims[1].name: Required value", f'spec.resourceClaims[1].resourceClaimName: Invalid value: "X_": {SUBDOMAIN}'),
    pod("a Pod that asks for less than its containers",
        "containers: [{name: a, image: x, resources: {requests: {cpu: 2}}}]\nresources: {requests: {cpu: 1}}",
        'spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container requests of 2'),
    pod("a Pod that limits itself below a container",
        "containers: [{name: a, image: x, resources: {limits: {cpu: 2}}}]\nresources: {limits: {cpu: 1}, requests: {cpu: 1}}",
        'spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container requests of 2',
        'spec.resources.containers[0][cpu].limits: Invalid value: "2": must be less than or equal to pod limits of 1'),
    pod("a Pod that asks for a disk", "resources: {requests: {ephemeral-storage: 1Gi}}",
        'spec.resources.requests[ephemeral-storage]: Unsupported value: "ephemeral-storage": supported values: "cpu", "memory"'),
)  # fmt: skip

PLACEMENT = (
    pod("an operator that compares two numbers", """
        affinity:
          nodeAffinity:
            requiredDuringSchedulingIgnoredDuringExecution:
              nodeSelectorTerms:
              - matchExpressions: [{key: a, operator: Gt, values: ['1', '2']}, {key: b, operator: Near}]
                matchFields: [{key: metadata.uid, operator: In, values: [a]}, {key: metadata.name, operator: In, values: [a, b]}]
        """,
        *(f"spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].{text}" for text in (
            "matchExpressions[0].values: Required value: must be specified single value when `operator` is 'Lt' or 'Gt'",
            'matchExpressions[1].operator: Invalid value: "Near": not a valid selector operator',
            'matchFields[0].key: Invalid value: "metadata.uid": not a valid field selector key',
            "matchFields[1].values: Required value: must be only one value when `operator` is 'In' or 'NotIn' for node field "
            "selector"))),
    pod("a preference of no weight", """
        affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 0, preference: {matchExpressions: [{key: a,
          operator: Exists, values: [b]}]}}]}}
        """,
        *(f"spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].{text}" for text in (
            "weight: Invalid value: 0: must be in the range 1-100",
            "preference.matchExpressions[0].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))),
    pod("Pods to avoid, nowhere", "affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{namespaces: [A_]}]}}",
        *(f"spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].{text}" for text in (
            f'namespace: Invalid value: "A_": {LABEL}', "topologyKey: Required value: can not be empty",
            'topologyKey: Invalid value: "": name part must be non-empty', f'topologyKey: Invalid value: "": {QUALIFIED}'))),
    pod("keys of labels of no selector", "affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: z, "
        "matchLabelKeys: [a]}]}}",
        "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].matchLabelKeys: Forbidden: must not be specified "
        "when labelSelector is not set"),
    pod("a spread that says the same twice", "topologySpreadConstraints: [{maxSkew: 1, topologyKey: z, whenUnsatisfiable: ScheduleAnyway, "
        "minDomains: 0, nodeAffinityPolicy: Maybe}, {maxSkew: 1, topologyKey: z, whenUnsatisfiable: ScheduleAnyway}]",
        'spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: "{z, ScheduleAnyway}"',
        "spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: must be greater than zero",
        "spec.topologySpreadConstraints[0].minDomains: Invalid value: 0: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not "
        "ScheduleAnyway",
        'spec.topologySpreadConstraints[0].nodeAffinityPolicy: Unsupported value: "Maybe": supported values: "Honor", "Ignore"'),
    pod("a gate twice, and one that is no name", "schedulingGates: [{name: a}, {name: a}, {name: '-'}]",
        'spec.schedulingGates[1]: Duplicate value: "a"', f'spec.schedulingGates[2]: Invalid value: "-": {QUALIFIED}'),
    pod("a readiness gate that is no name", "readinessGates: [{conditionType: '-'}]",
        f'spec.readinessGates[0].conditionType: Invalid value: "-": {QUALIFIED}'),
    pod("a toleration of a bad value", "tolerations: [{key: a, value: -b}, {key: /, operator: Exists}]",
        f'spec.tolerations[0].operator: Invalid value: "-b": {VALUE}',
        'spec.tolerations[1].key: Invalid value: "/": prefix part must be non-empty',
        'spec.tolerations[1].key: Invalid value: "/": name part must be non-empty', f'spec.tolerations[1].key: Invalid value: "/": {QUALIFIED}'),
    pod("a node that cannot be", "nodeName: N_1", f'spec.nodeName: Invalid value: "N_1": {SUBDOMAIN}'),
    pod("a group without a name", "schedulingGroup: {}",
        'spec.schedulingGroup.podGroupName: Invalid value: null: must specify one of: `podGroupName`'),
)  # fmt: skip

REST = (
    container("users below nobody", "securityContext: {runAsUser: -5, runAsGroup: 4294967296}",
              f"$.securityContext.runAsUser: Invalid value: -5: {ID}", f"$.securityContext.runAsGroup: Invalid value: 4294967296: {ID}"),
    container("no escalation, and privileged", "securityContext: {allowPrivilegeEscalation: false, privileged: true}",
              '$.securityContext: Invalid value: {"privileged":true,"allowPrivilegeEscalation":false}: cannot set '
              "`allowPrivilegeEscalation` to false and `privileged` to true"),
    container("a local profile without its file", "securityContext: {seccompProfile: {type: Localhost}}",
              "$.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost"),
    container("a profile without a type", "securityContext: {appArmorProfile: {}}",
              "$.securityContext.appArmorProfile.type: Required value: type is required when appArmorProfile is set"),
    container("a proc of one's own without users of one's own", "securityContext: {procMount: Unmasked}",
              '$.securityContext.procMount: Invalid value: "Unmasked": `hostUsers` must be false to use `Unmasked`'),
    container("options of Windows on Linux", "securityContext: {windowsOptions: {runAsUserName: a}}",
              "$.securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod", spec="os: {name: linux}"),
    pod("an operating system that is neither", "os: {name: plan9}", 'spec.os: Unsupported value: "plan9": supported values: "linux", "windows"'),
    pod("an operating system without a name", "os: {}", "spec.os.name: Required value"),
    pod("policies that are none", "securityContext: {fsGroupChangePolicy: Never, supplementalGroupsPolicy: Add, seLinuxChangePolicy: Off1}",
        'spec.securityContext.fsGroupChangePolicy: Unsupported value: "Never": supported values: "Always", "OnRootMismatch"',
        'spec.securityContext.supplementalGroupsPolicy: Unsupported value: "Add": supported values: "Merge", "Strict"',
        'spec.securityContext.seLinuxChangePolicy: Unsupported value: "Off1": supported values: "MountOption", "Recursive"'),
    pod("a parameter of the host's network", "hostNetwork: true\nsecurityContext: {sysctls: [{name: net.core.somaxconn, value: '1'}, {name: A B}]}",
        "spec.securityContext.sysctls[0].name: Invalid value: \"net.core.somaxconn\": may not be specified when 'hostNetwork' is true",
        'spec.securityContext.sysctls[1].name: Invalid value: "A B": must have at most 253 characters and match regex '
        "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"),
    pod("processes shared with each other and with the host", "hostPID: true\nshareProcessNamespace: true",
        "spec.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled"),
    pod("groups below nobody", "securityContext: {supplementalGroups: [1, -1]}",
        f"spec.securityContext.supplementalGroups[1]: Invalid value: -1: {ID}"),
    pod("four name servers, one of them none", "dnsConfig: {nameservers: [1.1.1.1, 2.2.2.2, 3.3.3.3, x], options: [{value: a}]}",
        'spec.dnsConfig.nameservers: Invalid value: ["1.1.1.1","2.2.2.2","3.3.3.3","x"]: must not have more than 3 nameservers',
        f'spec.dnsConfig.nameservers[3]: Invalid value: "x": {IP}', "spec.dnsConfig.options[0]: Required value: must not be empty"),
    pod("no name server where all is left to the Pod", "dnsPolicy: None\ndnsConfig: {searches: [a]}",
        "spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when `dnsPolicy` is None"),
    pod("an alias of no name", "hostAliases: [{ip: 10.0.0.1, hostnames: [A_]}]",
        f'spec.hostAliases[0].hostnames[0]: Invalid value: "A_": {SUBDOMAIN}'),
    pod("a subdomain that is none", "subdomain: a_b", f'spec.subdomain: Invalid value: "a_b": {LABEL}'),
    pod("a host name over another one", f"hostNetwork: true\nsetHostnameAsFQDN: true\nhostnameOverride: {'a' * 65}",
        "spec.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN is true",
        "spec.hostnameOverride: Forbidden: may not be specified when hostNetwork is true",
        "spec.hostnameOverride: Too long: may not be more than 64 bytes"),
    pod("a service account that cannot be", "serviceAccountName: A_", f'spec.serviceAccountName: Invalid value: "A_": {SUBDOMAIN}'),
    pod("an ephemeral container with everything it may not have", """
        ephemeralContainers: [{name: e, image: x, targetContainerName: nobody, ports: [{containerPort: 1}], livenessProbe: {exec:
          {command: [a]}}}]
        """,
        'spec.ephemeralContainers[0].targetContainerName: Not found: "nobody"',
        f"spec.ephemeralContainers[0].ports: Forbidden: {NOT_FOR_EPHEMERAL}",
        f"spec.ephemeralContainers[0].livenessProbe: Forbidden: {NOT_FOR_EPHEMERAL}",
        "spec.ephemeralContainers: Forbidden: cannot be set on create"),
)  # fmt: skip

META = tuple(
    Bad(name, f"apiVersion: v1\nkind: Pod\nmetadata: {{name: web, {meta}}}\nspec: {{containers: [{{name: a, image: x}}]}}", want)
    for name, meta, want in (
        ("a finalizer that is no name", "finalizers: ['a b/c']", (f'metadata.finalizers: Invalid value: "a b/c": prefix part {SUBDOMAIN}',)),
        ("two finalizers that exclude each other", "finalizers: [orphan, foregroundDeletion]",
         ('metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set',)),
        ("an owner of nothing", "ownerReferences: [{apiVersion: v1}]",
         tuple(f"metadata.ownerReferences[0].{field}: Required value: must not be empty" for field in ("kind", "name", "uid"))),
        ("an owner that is an Event", "ownerReferences: [{apiVersion: v1, kind: Event, name: a, uid: b}]",
         ('metadata.ownerReferences[0]: Invalid value: {"apiVersion":"v1","kind":"Event","name":"a","uid":"b"}: /v1, Kind=Event is disallowed '
          "from being an owner",)),
        ("two controllers", "ownerReferences: [{apiVersion: v1, kind: A, name: a, uid: b, controller: true}, {apiVersion: v1, kind: B, name: "
         "b, uid: c, controller: true}]",
         ('metadata.ownerReferences: Invalid value: [{"apiVersion":"v1","kind":"A","name":"a","uid":"b","controller":true},'
          '{"apiVersion":"v1","kind":"B","name":"b","uid":"c","controller":true}]: Only one reference can have Controller set to true. '
          'Found "true" in references for A/a and B/b',)),
        ("an annotation's key without a name", "annotations: {'a.b/': c}",
         ('metadata.annotations: Invalid value: "a.b/": name part must be non-empty',
          f'metadata.annotations: Invalid value: "a.b/": {QUALIFIED}')),
        ("a cost of deletion that is no number", "annotations: {controller.kubernetes.io/pod-deletion-cost: '1.5'}",
         ('metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "1.5": must be a 32bit integer',)),
        ("a mirror of no node", "annotations: {kubernetes.io/config.mirror: a}",
         ('metadata.annotations[kubernetes.io/config.mirror]: Invalid value: "a": must set spec.nodeName if mirror pod annotation is set',)),
        ("a prefix that cannot begin a name", "generateName: A_", (f'metadata.generateName: Invalid value: "A_": {SUBDOMAIN}',)),
        ("a label's key with two slashes", "labels: {a/b/c: d}",
         ("metadata.labels: Invalid value: \"a/b/c\": a valid label key " + QUALIFIED.removeprefix("name part ")
          + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",)),
    )
)  # fmt: skip


def _claim(name: str, fields: str, *want: str) -> Bad:
    spec = f"accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}, {fields}"
    path = "spec.volumes[0].ephemeral.volumeClaimTemplate.spec"
    return pod(
        name, f"volumes: [{{name: a, ephemeral: {{volumeClaimTemplate: {{spec: {{{spec}}}}}}}}}]",
        *(text.replace("$", path) for text in want),
    )  # fmt: skip


_DEFAULT_GROUP = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
CLAIMS = (
    _claim("a claim filled from nothing", "dataSource: {}", "$.dataSource.name: Required value", "$.dataSource.kind: Required value",
           f'$.dataSource: Invalid value: "": {_DEFAULT_GROUP}'),
    _claim("a claim filled from a Pod", "dataSourceRef: {kind: Pod, name: a}", f'$.dataSourceRef: Invalid value: "Pod": {_DEFAULT_GROUP}'),
    _claim("a claim filled from a wrong group", "dataSource: {apiGroup: A, kind: B, name: c}", f'$.dataSource.apiGroup: Invalid value: "A": {SUBDOMAIN}'),
    _claim("a claim filled from a wrong namespace", "dataSourceRef: {kind: PersistentVolumeClaim, name: a, namespace: B}",
           f'$.dataSourceRef.namespace: Invalid value: "B": {LABEL}'),
    _claim("a claim filled from two things", "dataSource: {kind: PersistentVolumeClaim, name: a}, dataSourceRef: {kind: PersistentVolumeClaim, name: b}",
           '$: Invalid value: "$.dataSource": must match dataSourceRef'),
    _claim("a claim filled from elsewhere, and from here", "dataSource: {kind: PersistentVolumeClaim, name: a}, "
           "dataSourceRef: {kind: PersistentVolumeClaim, name: a, namespace: b}",
           '$: Invalid value: "$.dataSource": may not be specified when dataSourceRef.namespace is specified'),
    _claim("a claim of a wrong class of attributes", "volumeAttributesClassName: A", f'$.volumeAttributesClassName: Invalid value: "A": {SUBDOMAIN}'),
)  # fmt: skip

ALL = (*CONTAINERS, *ENVIRONMENT, *VOLUMES, *CLAIMS, *RESOURCES, *PLACEMENT, *REST, *META)


@each(ALL)
async def test_every_violation_is_named(case: Bad) -> None:
    api = make_apiserver()
    check_invalid(await refusal(api, case.manifest), 'Pod "web"', case.want)
    assert (await api.client.pods.list()).items == []
