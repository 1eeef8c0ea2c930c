"""The rest of a Pod's spec: what is refused, in which words."""

from apiserver.validation import warnings_for
from apiserver.validation.place import Place
from apiserver.validation.pod_spec import check_pod_spec
from tests.unit.apiserver.validation.cases import (
    IP,
    LABEL,
    QUALIFIED,
    SUBDOMAIN,
    Case,
    case,
    container,
    each,
    pod,
    problems,
    violations,
)
from vaina.api.core.v1 import pod_pb2
from vaina.kinds import POD

SPEC = (
    case(
        "a Pod's restart policy is one of three",
        "restartPolicy: Foo",
        'spec.restartPolicy: Unsupported value: "Foo": supported values: "Always", "OnFailure", "Never"',
    ),
    case(
        "a DNS policy is one of four",
        "dnsPolicy: Foo",
        'spec.dnsPolicy: Unsupported value: "Foo": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"',
    ),
    case(
        "dns none needs a config",
        "dnsPolicy: None",
        "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None",
    ),
    case(
        "dns none needs a server",
        "dnsPolicy: None\ndnsConfig: {}",
        "spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when `dnsPolicy` is None",
    ),
    case(
        "name servers are addresses, searches are domains, options have names",
        "dnsConfig: {nameservers: [a, 1.1.1.1, '::1', 10.0.0.300], searches: [A, ., _a.b., 'x y'], options: [{value: a},{name: b}]}",
        'spec.dnsConfig.nameservers: Invalid value: ["a","1.1.1.1","::1","10.0.0.300"]: must not have more than 3 nameservers',
        f'spec.dnsConfig.nameservers[0]: Invalid value: "a": {IP}',
        f'spec.dnsConfig.nameservers[3]: Invalid value: "10.0.0.300": {IP}',
        "spec.dnsConfig.searches[0]: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')",
        "spec.dnsConfig.searches[3]: Invalid value: \"x y\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')",
        "spec.dnsConfig.options[0]: Required value: must not be empty",
    ),
    case(
        "host aliases are addresses with names",
        "hostAliases: [{ip: a, hostnames: [A, b]},{ip: 1.2.3.4}]",
        f'spec.hostAliases[0].ip: Invalid value: "a": {IP}',
        f'spec.hostAliases[0].hostnames[0]: Invalid value: "A": {SUBDOMAIN}',
    ),
    case(
        "names of hosts, nodes, accounts and classes have their forms",
        "hostname: A\nsubdomain: a.b\nserviceAccountName: A\nnodeName: B_\npriorityClassName: C_\nruntimeClassName: D_",
        f'spec.serviceAccountName: Invalid value: "A": {SUBDOMAIN}',
        f'spec.nodeName: Invalid value: "B_": {SUBDOMAIN}',
        f'spec.hostname: Invalid value: "A": {LABEL}',
        'spec.subdomain: Invalid value: "a.b": must not contain dots',
        f'spec.priorityClassName: Invalid value: "C_": {SUBDOMAIN}',
        f'spec.runtimeClassName: Invalid value: "D_": {SUBDOMAIN}',
    ),
    case(
        "a deadline is not at once",
        "activeDeadlineSeconds: 0",
        "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
    ),
    case(
        "a deadline is a 32-bit number",
        "activeDeadlineSeconds: 2147483648",
        "spec.activeDeadlineSeconds: Invalid value: 2147483648: must be between 1 and 2147483647, inclusive",
    ),
    case(
        "a preemption policy is one of two",
        "preemptionPolicy: Foo",
        'spec.preemptionPolicy: Unsupported value: "Foo": supported values: "PreemptLowerPriority", "Never"',
    ),
    case("a preemption policy is not empty", "preemptionPolicy: ''", "spec.preemptionPolicy: Required value"),
    case(
        "a readiness gate is the name of a condition",
        "readinessGates: [{conditionType: ''},{conditionType: a.b/c}]",
        'spec.readinessGates[0].conditionType: Invalid value: "": name part must be non-empty',
        f'spec.readinessGates[0].conditionType: Invalid value: "": {QUALIFIED}',
    ),
    case(
        "a claim of devices is named, once, and has one source",
        "resourceClaims: [{},{name: a, resourceClaimName: A, resourceClaimTemplateName: B},{name: a, resourceClaimName: x},{name: B_, resourceClaimName: x}]",
        "spec.resourceClaims[0].name: Required value",
        'spec.resourceClaims[0]: Invalid value: {"name":""}: must specify one of: `resourceClaimName`, `resourceClaimTemplateName`',
        'spec.resourceClaims[1]: Invalid value: {"name":"a","resourceClaimName":"A","resourceClaimTemplateName":"B"}: at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified',
        f'spec.resourceClaims[1].resourceClaimName: Invalid value: "A": {SUBDOMAIN}',
        f'spec.resourceClaims[1].resourceClaimTemplateName: Invalid value: "B": {SUBDOMAIN}',
        'spec.resourceClaims[2].name: Duplicate value: "a"',
        f'spec.resourceClaims[3].name: Invalid value: "B_": {LABEL}',
    ),
    case(
        "a host name that overrides excludes the others and is short",
        f"hostnameOverride: {'a' * 65}\nsetHostnameAsFQDN: true\nhostNetwork: true",
        "spec.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN is true",
        "spec.hostnameOverride: Forbidden: may not be specified when hostNetwork is true",
        "spec.hostnameOverride: Too long: may not be more than 64 bytes",
    ),
    case(
        "a host name that overrides is a domain",
        "hostnameOverride: ''",
        f'spec.hostnameOverride: Invalid value: "": {SUBDOMAIN}',
    ),
    case(
        "a scheduling group is named",
        "schedulingGroup: {}",
        "spec.schedulingGroup.podGroupName: Invalid value: null: must specify one of: `podGroupName`",
    ),
    case(
        "a scheduling group's name is one of an object",
        "schedulingGroup: {podGroupName: A}",
        f'spec.schedulingGroup.podGroupName: Invalid value: "A": {SUBDOMAIN}',
    ),
    case(
        "who answers evictions has a name, once, and a priority",
        "evictionResponders: [{},{name: a/b, priority: 1},{name: a/b, priority: 1},{name: -, priority: 2}]",
        "spec.evictionResponders[0].name: Required value",
        "spec.evictionResponders[0].priority: Required value",
        'spec.evictionResponders[2]: Duplicate value: "a/b"',
        f'spec.evictionResponders[3].name: Invalid value: "-": {QUALIFIED}',
    ),
)


@each(SPEC)
def test_spec(case: Case) -> None:
    assert problems(pod(case.given)) == violations(*case.want)


def test_searches_are_few_and_short() -> None:
    searches = ["a" * 63] * 33
    shown = "[" + ",".join(f'"{search}"' for search in searches) + "]"
    assert problems(pod(f"dnsConfig: {{searches: {shown}}}")) == violations(
        f"spec.dnsConfig.searches: Invalid value: {shown}: must not have more than 32 search paths",
        f"spec.dnsConfig.searches: Invalid value: {shown}: must not have more than 2048 characters (including spaces) "
        "in the search list",
    )


def test_a_spec_without_defaults_says_what_is_missing() -> None:
    bare = pod_pb2.PodSpec()
    container = bare.containers.add(name="main", image="busybox")
    container.ports.add(container_port=80)
    container.env.add(name="A").value_from.field_ref.field_path = "metadata.name"
    bare.volumes.add(name="data")
    path = Place("spec")
    check_pod_spec(path, bare, pod_name="web", is_pod=True)
    assert path.errors == violations(
        "spec.terminationGracePeriodSeconds: Required value",
        "spec.volumes[0]: Required value: must specify a volume type",
        "spec.containers[0].terminationMessagePolicy: Required value",
        "spec.containers[0].ports[0].protocol: Required value",
        "spec.containers[0].env[0].valueFrom.fieldRef.apiVersion: Required value",
        "spec.containers[0].imagePullPolicy: Required value",
        "spec.restartPolicy: Required value",
        "spec.dnsPolicy: Required value",
    )


def test_a_probe_of_a_port_that_is_neither_number_nor_name_is_a_bug_of_ours() -> None:
    made = container("livenessProbe: {tcpSocket: {port: 80}}")
    made.spec.containers[0].liveness_probe.handler.tcp_socket.port.type = 7
    assert problems(made) == violations(
        "spec.containers[0].livenessProbe.tcpSocket.port: Internal error: unknown type: 7"
    )


def test_amounts_that_cannot_be_read_are_violations_and_nothing_else_trips_over_them() -> None:
    made = pod(
        """
        containers:
        - {name: main, image: busybox, resources: {limits: {cpu: 1}, requests: {cpu: 1}},
           env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}]}
        volumes: [{name: data, emptyDir: {sizeLimit: 1Gi}}]
        resources: {limits: {cpu: 2}}
        """
    )
    first, word = made.spec.containers[0], "much"
    first.resources.limits["cpu"].string = first.resources.requests["memory"].string = word
    first.env[0].value_from.resource_field_ref.divisor.string = word
    made.spec.volumes[0].volume_source.empty_dir.size_limit.string = word
    made.spec.resources.requests["cpu"].string = word
    rule = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    assert problems(made) == violations(
        f'spec.volumes[0].emptyDir.sizeLimit: Invalid value: "much": {rule}',
        f'spec.containers[0].env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "much": {rule}',
        f'spec.containers[0].resources.limits[cpu]: Invalid value: "much": {rule}',
        f'spec.containers[0].resources.requests[memory]: Invalid value: "much": {rule}',
        f'spec.resources.requests[cpu]: Invalid value: "much": {rule}',
    )
    assert [text for text in warnings_for(POD, made) if "fractional" in text] == []
