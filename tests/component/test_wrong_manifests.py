"""Wrong manifests as people write them, as YAML through ManifestService/Apply of a real apiserver over a real
etcd.

For each one: every violation, whole (type, path, words), in its order, and the code and reason of the call.
The rows of the design's table of bad input are among them; the tables of `tests/unit/apiserver/validation` go
deeper.
"""

import asyncio
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

import grpc
import pytest

from tests.support.apiserver_process import ApiserverProcess
from tests.support.etcd import EtcdServer, wipe
from tests.unit.apiserver.validation.cases import (
    CONFIG_KEY,
    ENV_NAME,
    LABEL,
    PORT,
    QUALIFIED,
    SUBDOMAIN,
    VALUE,
    violations,
)
from vaina.api.core.v1 import manifest_service_pb2 as manifests
from vaina.client.verbs import MANIFEST_SERVICE
from vaina.errors import ApiError
from vaina.serving import status

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

C = "spec.containers[0]"
NEGATIVE = "must be greater than or equal to 0"
NOT_FOR_INIT = "Forbidden: may not be set for init containers without restartPolicy=Always"
NOT_WITH_OWN_USERS = "Forbidden: when `pod.Spec.HostUsers` is false"
NO_MATCH = "`selector` does not match template `labels`"


@dataclass(frozen=True)
class Case:
    """A manifest, and every violation in it."""

    name: str
    manifest: str
    want: tuple[str, ...]


def pod(name: str, spec: str, *want: str, meta: str = "name: web") -> Case:
    """Make a wrong Pod of the lines of its spec; it gets a container where they have none."""
    text = textwrap.dedent(spec).strip()
    if not text.startswith("containers:"):
        text = f"containers: [{{name: main, image: 'busybox:1.37'}}]\n{text}"
    lines = textwrap.indent(text, "  ")
    return Case(name, f"apiVersion: v1\nkind: Pod\nmetadata: {{{meta}}}\nspec:\n{lines}\n", want)


def container(name: str, fields: str, *want: str, spec: str = "") -> Case:
    """Make a wrong Pod of the fields of its container."""
    made = textwrap.indent(textwrap.dedent(fields).strip(), "  ").lstrip()
    return pod(name, f"containers:\n- name: main\n  image: 'busybox:1.37'\n  {made}\n{spec}", *want)


def other(name: str, manifest: str, *want: str) -> Case:
    """Make a wrong object of another kind."""
    return Case(name, textwrap.dedent(manifest).lstrip(), want)


CASES = (
    pod("a Pod without containers", "containers: []", "spec.containers: Required value"),
    pod("two containers of one name", "containers: [{name: a, image: x}, {name: a, image: x}]",
        'spec.containers[1].name: Duplicate value: "a"'),
    pod("an init container with the name of a container",
        "containers: [{name: a, image: x}]\ninitContainers: [{name: a, image: x}]",
        'spec.initContainers[0].name: Duplicate value: "a"'),
    pod("a container without a name", "containers: [{image: x}]", f"{C}.name: Required value"),
    pod("a container with a name that is no label", "containers: [{name: My_App, image: x}]",
        f'{C}.name: Invalid value: "My_App": {LABEL}'),
    pod("a Pod with a name that is no subdomain", "", f'metadata.name: Invalid value: "Bad_Name": {SUBDOMAIN}',
        meta="name: Bad_Name"),
    pod("a Pod with a name of 254 characters", "",
        f'metadata.name: Invalid value: "{"a" * 254}": must be no more than 253 characters', meta=f"name: {'a' * 254}"),
    pod("neither a name nor a prefix", "", "metadata.name: Required value: name or generateName is required", meta=""),
    pod("a label of 64 characters", "", f'metadata.labels: Invalid value: "{"v" * 64}": must be no more than 63 bytes',
        meta=f"name: web, labels: {{a: {'v' * 64}}}"),
    pod("a label that begins with a dash", "", f'metadata.labels: Invalid value: "-x": {VALUE}',
        meta="name: web, labels: {a: -x}"),
    pod("a label's key that is no name", "", f'metadata.labels: Invalid value: "-k": {QUALIFIED}',
        meta="name: web, labels: {-k: v}"),
    pod("an annotation's key with a bad domain", "",
        f'metadata.annotations: Invalid value: "a_b/c": prefix part {SUBDOMAIN}',
        meta="name: web, annotations: {a_b/c: v}"),
    pod("a finalizer without a domain", "",
        'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully '
        "qualified", meta="name: web, finalizers: [mine]"),
    pod("a container without an image", "containers: [{name: main}]", f"{C}.image: Required value"),
    pod("an image with a space before it", "containers: [{name: main, image: ' nginx:1'}]",
        f'{C}.image: Invalid value: " nginx:1": must not have leading or trailing whitespace'),
    container("an unknown pull policy", "imagePullPolicy: Sometimes",
              f'{C}.imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"'),
    pod("an unknown restart policy", "restartPolicy: Sometimes",
        'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"'),
    container("restart rules without a policy beside them",
              "restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}}]",
              f"{C}.restartPolicy: Required value: must specify restartPolicy when restart rules are used"),
    container("an unknown restart policy of a container", "restartPolicy: Sometimes",
              f'{C}.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"'),
    pod("an init container with everything that only sidecars have", """
        containers: [{name: main, image: x}]
        initContainers:
        - name: setup
          image: x
          livenessProbe: {exec: {command: [a]}}
          readinessProbe: {exec: {command: [a]}}
          startupProbe: {exec: {command: [a]}}
          lifecycle: {preStop: {exec: {command: [a]}}}
        """,
        f"spec.initContainers[0].lifecycle: {NOT_FOR_INIT}", f"spec.initContainers[0].livenessProbe: {NOT_FOR_INIT}",
        f"spec.initContainers[0].readinessProbe: {NOT_FOR_INIT}", f"spec.initContainers[0].startupProbe: {NOT_FOR_INIT}"),
    container("a probe with two handlers", "livenessProbe: {httpGet: {port: 80}, tcpSocket: {port: 80}}",
              f"{C}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"),
    container("a probe without a handler", "readinessProbe: {periodSeconds: 5}",
              f"{C}.readinessProbe: Required value: must specify a handler type"),
    container("a probe with negative numbers", """
              livenessProbe:
                tcpSocket: {port: 80}
                initialDelaySeconds: -1
                timeoutSeconds: -1
                periodSeconds: -1
                successThreshold: -1
                failureThreshold: -1
              """,
              *(f"{C}.livenessProbe.{field}: Invalid value: -1: {NEGATIVE}" for field in (
                  "initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")),
              f"{C}.livenessProbe.successThreshold: Invalid value: -1: must be 1"),
    container("a probe that gives no time to end", "livenessProbe: {tcpSocket: {port: 80}, terminationGracePeriodSeconds: 0}",
              f"{C}.livenessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0"),
    container("an http probe with a wrong scheme, header and port",
              "livenessProbe: {httpGet: {port: 0, scheme: FTP, httpHeaders: [{name: 'X Y', value: z}]}}",
              f"{C}.livenessProbe.httpGet.port: Invalid value: 0: {PORT}",
              f'{C}.livenessProbe.httpGet.scheme: Unsupported value: "FTP": supported values: "HTTP", "HTTPS"',
              f'{C}.livenessProbe.httpGet.httpHeaders: Invalid value: "X Y": a valid HTTP header must consist of '
              "alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')"),
    container("a probe by a port's name that is none", "livenessProbe: {tcpSocket: {port: '8080'}}",
              f'{C}.livenessProbe.tcpSocket.port: Invalid value: "8080": must contain at least one letter (a-z)'),
    container("an exec probe without a command", "livenessProbe: {exec: {}}",
              f"{C}.livenessProbe.exec.command: Required value"),
    container("a hook that sleeps longer than the Pod's grace", "lifecycle: {preStop: {sleep: {seconds: 31}}}",
              f"{C}.lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than "
              "terminationGracePeriodSeconds (30)"),
    container("ports out of range and without a number", "ports: [{containerPort: 70000}, {name: a}, {containerPort: 1, "
              "hostPort: 70000}]",
              f"{C}.ports[0].containerPort: Invalid value: 70000: {PORT}", f"{C}.ports[1].containerPort: Required value",
              f"{C}.ports[2].hostPort: Invalid value: 70000: {PORT}"),
    container("two ports of one name", "ports: [{name: web, containerPort: 80}, {name: web, containerPort: 81}]",
              f'{C}.ports[1].name: Duplicate value: "web"'),
    container("a port's name that is too long, of an unknown protocol",
              "ports: [{name: a-very-long-name, containerPort: 80, protocol: ICMP}]",
              f'{C}.ports[0].name: Invalid value: "a-very-long-name": must be no more than 15 characters',
              f'{C}.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"'),
    pod("one host port for two containers", """
        containers:
        - {name: a, image: x, ports: [{containerPort: 80, hostPort: 8080}]}
        - {name: b, image: x, ports: [{containerPort: 81, hostPort: 8080}]}
        """, 'spec.containers[1].ports[0].hostPort: Duplicate value: "TCP//8080"'),
    container("another port of the host on its network", "ports: [{containerPort: 80, hostPort: 8080}]",
              f"{C}.ports[0].hostPort: Invalid value: 8080: must match `containerPort` when `hostNetwork` is true",
              spec="hostNetwork: true"),
    container("variables without a name or with a bad one", "env: [{value: a}, {name: '1=A', value: b}]",
              f"{C}.env[0].name: Required value", f'{C}.env[1].name: Invalid value: "1=A": {ENV_NAME}'),
    container("a variable from an unknown field and from one that is for volumes", """
              env:
              - {name: A, valueFrom: {fieldRef: {fieldPath: status.foo}}}
              - {name: B, valueFrom: {fieldRef: {fieldPath: metadata.labels}}}
              """,
              f'{C}.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "status.foo": error converting fieldPath: field '
              "label not supported: status.foo",
              f'{C}.env[1].valueFrom.fieldRef.fieldPath: Unsupported value: "metadata.labels": supported values: '
              '"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", '
              '"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"'),
    container("a variable with a value and a source", "env: [{name: A, value: a, valueFrom: {secretKeyRef: {name: s, key: "
              "k}}}]", f'{C}.env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'),
    container("a variable from a Secret without a key", "env: [{name: A, valueFrom: {secretKeyRef: {name: s}}}]",
              f"{C}.env[0].valueFrom.secretKeyRef.key: Required value"),
    container("all variables of nothing", "envFrom: [{prefix: A_}]",
              f'{C}.envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`'),
    container("a mount of a volume that is not there", "volumeMounts: [{name: x, mountPath: /a}]",
              f'{C}.volumeMounts[0].name: Not found: "x"'),
    container("two mounts at one path", "volumeMounts: [{name: v, mountPath: /a}, {name: v, mountPath: /a}]",
              f'{C}.volumeMounts[1].mountPath: Invalid value: "/a": must be unique', spec="volumes: [{name: v}]"),
    container("paths that leave the volume",
              "volumeMounts: [{name: v, mountPath: /a, subPath: /x}, {name: v, mountPath: /b, subPath: ../x}]",
              f'{C}.volumeMounts.subPath: Invalid value: "/x": must be a relative path',
              f"{C}.volumeMounts.subPath: Invalid value: \"../x\": must not contain '..'", spec="volumes: [{name: v}]"),
    pod("volumes with bad names and two sources", """
        volumes:
        - {name: a}
        - {name: a}
        - {name: B_}
        - {name: c, emptyDir: {}, hostPath: {path: /x}}
        """, 'spec.volumes[1].name: Duplicate value: "a"', f'spec.volumes[2].name: Invalid value: "B_": {LABEL}',
        "spec.volumes[3].hostPath: Forbidden: may not specify more than 1 volume type"),
    pod("volumes of objects that are not named", "volumes: [{name: a, secret: {}}, {name: b, configMap: {}}]",
        "spec.volumes[0].secret.secretName: Required value", "spec.volumes[1].configMap.name: Required value"),
    pod("a file of a ConfigMap outside its volume, for nobody to read", """
        volumes: [{name: a, configMap: {name: c, defaultMode: 512, items: [{key: k, path: ../x}]}}]
        """, "spec.volumes[0].configMap.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both "
        "inclusive", "spec.volumes[0].configMap.items[0].path: Invalid value: \"../x\": must not contain '..'"),
    pod("a negative size of an emptyDir", "volumes: [{name: a, emptyDir: {sizeLimit: -1}}]",
        "spec.volumes[0].emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity"),
    container("negative and unknown resources", "resources: {requests: {cpu: -1, foo: 1, a.b/c: 1}}",
              f"{C}.resources.limits: Required value: Limit must be set for non overcommitable resources",
              f'{C}.resources.requests[cpu]: Invalid value: "-1": {NEGATIVE}',
              f'{C}.resources.requests[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
              f'{C}.resources.requests[foo]: Invalid value: "foo": must be a standard resource for containers'),
    container("a resource with two slashes", "resources: {requests: {a/b/c: 1}}",
              f'{C}.resources.requests[a/b/c]: Invalid value: "a/b/c": '
              f"a valid label key {QUALIFIED.removeprefix('name part ')} with an optional DNS subdomain prefix and '/' "
              "(e.g. 'example.com/MyName')",
              f'{C}.resources.requests[a/b/c]: Invalid value: "a/b/c": doesn\'t follow extended resource name standard',
              f"{C}.resources.limits: Required value: Limit must be set for non overcommitable resources"),
    container("a request above its limit", "resources: {requests: {memory: 2Gi}, limits: {memory: 1024Mi}}",
              f'{C}.resources.requests: Invalid value: "2Gi": must be less than or equal to memory limit of 1Gi'),
    container("huge pages alone", "resources: {limits: {hugepages-2Mi: 4Mi}}",
              f"{C}.resources: Forbidden: HugePages require cpu or memory"),
    pod("a deadline of zero", "activeDeadlineSeconds: 0",
        "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"),
    pod("a deadline of 2^31", "activeDeadlineSeconds: 2147483648",
        "spec.activeDeadlineSeconds: Invalid value: 2147483648: must be between 1 and 2147483647, inclusive"),
    pod("a node selector that is no label", "nodeSelector: {disk: -ssd}",
        f'spec.nodeSelector: Invalid value: "-ssd": {VALUE}'),
    pod("tolerations that contradict themselves", """
        tolerations:
        - {key: a, operator: Foo}
        - {key: a, operator: Exists, value: b}
        - {key: a, operator: Exists, tolerationSeconds: 5}
        - {operator: Equal, value: b}
        - {key: a, operator: Exists, effect: Never}
        """, 'spec.tolerations[0].operator: Unsupported value: "Foo": supported values: "Equal", "Exists"',
        "spec.tolerations[1].operator: Invalid value: \"b\": value must be empty when `operator` is 'Exists'",
        "spec.tolerations[2].effect: Invalid value: \"\": effect must be 'NoExecute' when `tolerationSeconds` is set",
        'spec.tolerations[3].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means '
        '"match all values and all keys"',
        'spec.tolerations[4].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", '
        '"NoExecute"'),
    pod("an affinity for no node", "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {}}}",
        "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must "
        "have at least one node selector term"),
    pod("an affinity to Pods of nowhere, of no weight", """
        affinity:
          podAffinity:
            preferredDuringSchedulingIgnoredDuringExecution:
            - {weight: 101, podAffinityTerm: {topologyKey: zone, labelSelector: {matchExpressions: [{key: a, operator: In}]}}}
        """,
        "spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be "
        "in the range 1-100",
        "spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.labelSelector."
        "matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"),
    pod("a spread over nothing", "topologySpreadConstraints: [{}]",
        "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
        "spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty",
        'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "": supported values: "DoNotSchedule", '
        '"ScheduleAnyway"'),
    container("users that are no numbers of users", "securityContext: {runAsUser: -1}",
              f"{C}.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
              "spec.securityContext.fsGroup: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive",
              spec="securityContext: {fsGroup: 2147483648}"),
    container("a profile of a kind nobody knows", "securityContext: {seccompProfile: {type: Mine}}",
              f'{C}.securityContext.seccompProfile.type: Unsupported value: "Mine": supported values: "Localhost", '
              '"RuntimeDefault", "Unconfined"'),
    pod("users of one's own among the host's namespaces",
        "hostUsers: false\nhostNetwork: true\nhostPID: true\nhostIPC: true",
        f"spec.hostNetwork: {NOT_WITH_OWN_USERS}", f"spec.HostPID: {NOT_WITH_OWN_USERS}",
        f"spec.HostIPC: {NOT_WITH_OWN_USERS}"),
    pod("a kernel parameter twice", "securityContext: {sysctls: [{name: net.a, value: b}, {name: net.a, value: c}]}",
        'spec.securityContext.sysctls[1].name: Duplicate value: "net.a"'),
    pod("a gated Pod on a node", "schedulingGates: [{name: wait}]\nnodeName: n1",
        "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"),
    pod("an ephemeral container from the start", "ephemeralContainers: [{name: debug, image: x}]",
        "spec.ephemeralContainers: Forbidden: cannot be set on create"),
    pod("a DNS policy of nothing, without a server", "dnsPolicy: None",
        "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"),
    pod("an unknown DNS policy", "dnsPolicy: Cluster",
        'spec.dnsPolicy: Unsupported value: "Cluster": supported values: "ClusterFirstWithHostNet", "ClusterFirst", '
        '"Default", "None"'),
    pod("a host alias that is no address", "hostAliases: [{ip: localhost, hostnames: [a]}]",
        'spec.hostAliases[0].ip: Invalid value: "localhost": must be a valid IP address, (e.g. 10.9.8.7 or '
        "2001:db8::ffff)"),
    pod("a host name with a dot", "hostname: a.b", 'spec.hostname: Invalid value: "a.b": must not contain dots'),
    pod("everything at once", """
        containers:
        - {name: a, ports: [{containerPort: -1}], imagePullPolicy: Now}
        restartPolicy: Forever
        activeDeadlineSeconds: -1
        """, f"{C}.image: Required value",
        f"{C}.ports[0].containerPort: Invalid value: -1: {PORT}",
        f'{C}.imagePullPolicy: Unsupported value: "Now": supported values: "Always", "IfNotPresent", "Never"',
        'spec.restartPolicy: Unsupported value: "Forever": supported values: "Always", "OnFailure", "Never"',
        "spec.activeDeadlineSeconds: Invalid value: -1: must be between 1 and 2147483647, inclusive"),
    other("a ReplicaSet that would never find its Pods", """
        apiVersion: apps/v1
        kind: ReplicaSet
        metadata: {name: web}
        spec:
          selector: {matchLabels: {app: a}}
          template: {metadata: {labels: {app: b}}, spec: {containers: [{name: main, image: x}]}}
        """, f'spec.template.metadata.labels: Invalid value: {{"app":"b"}}: {NO_MATCH}'),
    other("a ReplicaSet without a selector, of a negative number", """
        apiVersion: apps/v1
        kind: ReplicaSet
        metadata: {name: web}
        spec:
          replicas: -1
          template: {metadata: {labels: {app: b}}, spec: {containers: [{name: main, image: x}]}}
        """, f"spec.replicas: Invalid value: -1: {NEGATIVE}", "spec.selector: Required value",
          f'spec.template.metadata.labels: Invalid value: {{"app":"b"}}: {NO_MATCH}'),
    other("a ReplicaSet whose Pods end", """
        apiVersion: apps/v1
        kind: ReplicaSet
        metadata: {name: web}
        spec:
          selector: {matchLabels: {app: a}}
          template: {metadata: {labels: {app: a}}, spec: {restartPolicy: Never, containers: [{name: main, image: x}]}}
        """, 'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'),
    other("a ReplicaSet with operators that do not go with their values", """
        apiVersion: apps/v1
        kind: ReplicaSet
        metadata: {name: web}
        spec:
          selector:
            matchExpressions:
            - {key: a, operator: In, values: []}
            - {key: b, operator: Exists, values: [c]}
            - {key: d, operator: Foo}
          template: {metadata: {labels: {app: a}}, spec: {containers: [{name: main, image: x}]}}
        """,
          "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
          "spec.selector.matchExpressions[1].values: Forbidden: may not be specified when `operator` is 'Exists' or "
          "'DoesNotExist'",
          'spec.selector.matchExpressions[2].operator: Invalid value: "Foo": not a valid selector operator',
          'spec.selector: Invalid value: {"matchExpressions":[{"key":"a","operator":"In"},{"key":"b","operator":"Exists",'
          '"values":["c"]},{"key":"d","operator":"Foo"}]}: invalid label selector'),
    other("a ReplicationController without labels", """
        apiVersion: v1
        kind: ReplicationController
        metadata: {name: web}
        spec: {template: {spec: {containers: [{name: main, image: x}]}}}
        """, "spec.selector: Required value"),
    other("a ConfigMap with keys that are no files, and one in both sorts of data", """
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: c}
        data: {a/b: c, d: e}
        binaryData: {d: AAAA}
        """, f'data[a/b]: Invalid value: "a/b": {CONFIG_KEY}',
          'data[d]: Invalid value: "d": duplicate of key present in binaryData'),
    other("a Secret without what its type promises", """
        apiVersion: v1
        kind: Secret
        metadata: {name: s}
        type: kubernetes.io/tls
        """, "data[tls.crt]: Required value", "data[tls.key]: Required value"),
    other("a Namespace with a dot", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a.b}\n",
          'metadata.name: Invalid value: "a.b": must not contain dots'),
    other("a Node with taints that are none", """
        apiVersion: v1
        kind: Node
        metadata: {name: n1}
        spec: {taints: [{key: a, effect: Never}, {key: b}]}
        """, 'metadata.taints[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", '
          '"NoExecute"', "metadata.taints[1].effect: Required value"),
    other("a Lease of no time", """
        apiVersion: coordination.k8s.io/v1
        kind: Lease
        metadata: {name: l}
        spec: {leaseDurationSeconds: 0}
        """, "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"),
)  # fmt: skip

UNREADABLE = (
    pod("a misspelt field", "containers: [{name: a, image: b}]\ncontianers: []",
        'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.contianers"'),
    pod("two misspelt fields, one deep", "containers: [{name: a, image: b, foo: 1}]\nbar: 2",
        'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field '
        '"spec.bar", unknown field "spec.containers[0].foo"'),
    pod("a number for a text", "hostname: 5",
        'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number into Go struct field '
        "PodSpec.spec.hostname of type string"),
    other("a text for a number",
          "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: a}\nspec: {replicas: '3'}\n",
          'ReplicaSet in version "v1" cannot be handled as a ReplicaSet: json: cannot unmarshal string into Go struct field '
          "ReplicaSetSpec.spec.replicas of type int32"),
    other("a kind that nobody knows", "apiVersion: v1\nkind: Pot\nmetadata: {name: a}\n",
          'no matches for kind "Pot" in version "v1"'),
)  # fmt: skip


@pytest.fixture(scope="module")
def server(shared_etcd: EtcdServer) -> Iterator[ApiserverProcess]:
    asyncio.run(wipe(shared_etcd))
    process = ApiserverProcess(shared_etcd.target)
    try:
        asyncio.run(process.start())
        yield process
    finally:
        process.close()


async def apply(server: ApiserverProcess, manifest: str) -> tuple[grpc.StatusCode, ApiError]:
    """Apply a manifest that is refused; return the code and the error."""
    request = manifests.ApplyRequest(manifest=manifest).SerializeToString()
    async with grpc.aio.insecure_channel(server.target) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary(f"/{MANIFEST_SERVICE}/Apply")(request, timeout=20)
    return refused.value.code(), status.from_aio(refused.value)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_every_violation_is_named(server: ApiserverProcess, case: Case) -> None:
    code, error = await apply(server, case.manifest)
    want = violations(*case.want)
    words = ", ".join(case.want)
    assert (code, error.reason, list(error.causes)) == (grpc.StatusCode.INVALID_ARGUMENT, "Invalid", want)
    assert error.message.endswith(f"is invalid: [{words}]" if len(want) > 1 else f"is invalid: {words}")


@pytest.mark.parametrize("case", UNREADABLE, ids=[case.name for case in UNREADABLE])
async def test_what_cannot_be_read_is_a_bad_request(server: ApiserverProcess, case: Case) -> None:
    code, error = await apply(server, case.manifest)
    assert (code, error.reason, error.message) == (grpc.StatusCode.INVALID_ARGUMENT, "BadRequest", *case.want)


async def test_more_than_an_answer_holds_is_counted(server: ApiserverProcess) -> None:
    names = [f"Bad_{index}" for index in range(40)]
    listed = ", ".join(f"{{name: {name}, image: x}}" for name in names)
    code, error = await apply(
        server, f"apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec: {{containers: [{listed}]}}"
    )
    found = list(error.causes)
    want = violations(
        *(
            f'spec.containers[{index}].name: Invalid value: "{name}": {LABEL}'
            for index, name in enumerate(names)
        )
    )
    assert (code, error.reason, found) == (grpc.StatusCode.INVALID_ARGUMENT, "Invalid", want[: len(found)])
    assert len(found) > 0
    assert error.message.endswith(f", and {40 - len(found)} more]")


async def test_a_change_that_a_pod_does_not_take_is_refused_and_not_stored(server: ApiserverProcess) -> None:
    text = "apiVersion: v1\nkind: Pod\nmetadata: {name: fixed}\nspec: {containers: [{name: a, image: 'b:1'}], hostname: %s}"
    client = server.client()
    try:
        await client.manifests.apply(manifests.ApplyRequest(manifest=text % "one"))
        code, error = await apply(server, text % "two")
        (cause,) = error.causes
        assert (code, error.reason, cause.type, cause.field) == (
            grpc.StatusCode.INVALID_ARGUMENT, "Invalid", "FieldValueForbidden", "spec",
        )  # fmt: skip
        assert cause.detail.startswith(
            "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
        )
        assert cause.detail.endswith("changed: spec.hostname")
        assert (await client.pods.get("fixed", "default")).spec.hostname == "one"
    finally:
        await client.pods.delete("fixed", "default", grace_period_seconds=0)
        await client.close()


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 60
