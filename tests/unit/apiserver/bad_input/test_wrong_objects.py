"""Wrong objects of the other kinds: each one whole answer of the API."""

from tests.support.apiserver import make_apiserver
from tests.unit.apiserver.bad_input.cases import Bad, check_invalid, each, other, refusal
from tests.unit.apiserver.validation.cases import CONFIG_KEY, QUALIFIED, SUBDOMAIN, VALUE

NEGATIVE = "must be greater than or equal to 0"
EFFECTS = 'supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"'
CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def _set(
    spec: str,
    *,
    labels: str = "{app: a}",
    template: str = "",
    pod: str = "containers: [{name: main, image: x}]",
) -> str:
    return (
        f"apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {{name: web}}\nspec:\n  {spec}\n  template:\n"
        f"    metadata: {{labels: {labels}{template}}}\n    spec: {{{pod}}}"
    )


MATCH = "selector: {matchLabels: {app: a}}"
REPLICA_SETS = (
    Bad("negative replicas and seconds", _set(f"replicas: -1\n  minReadySeconds: -1\n  {MATCH}"),
        (f"spec.replicas: Invalid value: -1: {NEGATIVE}", f"spec.minReadySeconds: Invalid value: -1: {NEGATIVE}")),
    Bad("an empty selector", _set("selector: {}"), ("spec.selector: Invalid value: {}: empty selector is invalid for deployment",)),
    Bad("no selector", _set("replicas: 1"),
        ("spec.selector: Required value", 'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`')),
    Bad("a selector for nobody", _set(MATCH, labels="{}"),
        ('spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`',)),
    Bad("a selector of bad labels", _set("selector: {matchLabels: {-a: b}}"),
        (f'spec.selector.matchLabels: Invalid value: "-a": {QUALIFIED}',
         'spec.selector: Invalid value: {"matchLabels":{"-a":"b"}}: invalid label selector')),
    Bad("a template's bad labels", _set(MATCH, labels="{app: a, b: -c}"), (f'spec.template.labels: Invalid value: "-c": {VALUE}',)),
    Bad("a template's bad annotations", _set(MATCH, template=", annotations: {'a b': c}"),
        (f'spec.template.annotations: Invalid value: "a b": {QUALIFIED}',)),
    Bad("a template with a deadline", _set(MATCH, pod="containers: [{name: a, image: x}], activeDeadlineSeconds: 5"),
        ("spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported",)),
    Bad("a template whose Pods end", _set(MATCH, pod="containers: [{name: a, image: x}], restartPolicy: OnFailure"),
        ('spec.template.spec.restartPolicy: Unsupported value: "OnFailure": supported values: "Always"',)),
    Bad("a template with nothing in it", _set(MATCH, pod="containers: []"), ("spec.template.spec.containers: Required value",)),
    Bad("a template with an ephemeral container", _set(MATCH, pod="containers: [{name: a, image: x}], ephemeralContainers: [{name: b, image: x}]"),
        ("spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template",)),
    Bad("a template with another port of the host than its own", _set(MATCH, pod="hostNetwork: true, containers: [{name: a, image: x, ports: "
        "[{containerPort: 80, hostPort: 81}]}]"),
        ("spec.template.spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true",)),
    Bad("a name that is no domain", _set(MATCH).replace("name: web", "name: Web_1"), (f'metadata.name: Invalid value: "Web_1": {SUBDOMAIN}',)),
)  # fmt: skip

CONTROLLERS = (
    other("no template", "apiVersion: v1\nkind: ReplicationController\nmetadata: {name: web}\nspec: {selector: {a: b}}",
          "spec.template: Required value"),
    other("a selector that the template does not have", """
          apiVersion: v1
          kind: ReplicationController
          metadata: {name: web}
          spec: {selector: {a: b}, replicas: -1, minReadySeconds: -2, template: {metadata: {labels: {a: c}}, spec: {containers: [{name: a,
            image: x}], restartPolicy: Never, activeDeadlineSeconds: 1}}}
          """,
          f"spec.minReadySeconds: Invalid value: -2: {NEGATIVE}", f"spec.replicas: Invalid value: -1: {NEGATIVE}",
          'spec.template.metadata.labels: Invalid value: {"a":"c"}: `selector` does not match template `labels`',
          'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
          "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicationController is not Supported"),
)  # fmt: skip


def _node(rest: str) -> str:
    return f"apiVersion: v1\nkind: Node\nmetadata: {{name: n1}}\n{rest}"


NODES = (
    other("a node's name with an underscore", "apiVersion: v1\nkind: Node\nmetadata: {name: n_1}", f'metadata.name: Invalid value: "n_1": {SUBDOMAIN}'),
    other("a taint twice", _node("spec: {taints: [{key: a, value: b, effect: NoExecute}, {key: a, value: c, effect: NoExecute}]}"),
          'metadata.taints[1]: Duplicate value: {"key":"a","value":"c","effect":"NoExecute"}: taints must be unique by key and effect pair'),
    other("a taint of bad words", _node("spec: {taints: [{key: -a, value: -b, effect: Never}]}"),
          f'metadata.taints[0].key: Invalid value: "-a": {QUALIFIED}', f'metadata.taints[0].value: Invalid value: "-b": {VALUE}',
          f'metadata.taints[0].effect: Unsupported value: "Never": {EFFECTS}'),
    other("a capacity below nothing", _node("status: {capacity: {cpu: -1, pods: 500m}}"),
          f'status.capacity.cpu: Invalid value: "-1": {NEGATIVE}', 'status.capacity.pods: Invalid value: "500m": must be an integer',
          f'status.allocatable.cpu: Invalid value: "-1": {NEGATIVE}', 'status.allocatable.pods: Invalid value: "500m": must be an integer'),
    other("networks that are none", _node("spec: {podCIDRs: [a, 10.0.0.0]}"),
          f'spec.podCIDRs[0]: Invalid value: "a": {CIDR}', f'spec.podCIDRs[1]: Invalid value: "10.0.0.0": {CIDR}',
          'spec.podCIDRs: Invalid value: ["a","10.0.0.0"]: may specify no more than one CIDR for each IP family'),
    other("three networks", _node("spec: {podCIDRs: [10.0.0.0/24, 10.0.1.0/24, 10.0.2.0/24]}"),
          'spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.0.1.0/24","10.0.2.0/24"]: may specify no more than one CIDR for each IP family'),
    other("features in no order", _node("status: {declaredFeatures: [B, A]}"),
          'status.declaredFeatures[1]: Invalid value: "A": list must be sorted alphabetically'),
)  # fmt: skip

SMALL = (
    other("a namespace with a dot", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a.b}", 'metadata.name: Invalid value: "a.b": must not contain dots'),
    other("a namespace of 64 characters", f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {'a' * 64}}}",
          f'metadata.name: Invalid value: "{"a" * 64}": must be no more than 63 characters',
          f'metadata.labels: Invalid value: "{"a" * 64}": must be no more than 63 bytes'),
    other("a namespace held by nobody's finalizer", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\nspec: {finalizers: [mine]}",
          'spec.finalizers: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified'),
    other("keys that are no files", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {'..': a, '..a': b}\nbinaryData: {'a b': AAAA}",
          "data[..]: Invalid value: \"..\": must not be '..'", "data[..a]: Invalid value: \"..a\": must not start with '..'",
          f'binaryData[a b]: Invalid value: "a b": {CONFIG_KEY}'),
    other("a key of 254 characters", f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{{'k' * 254}: v}}",
          f'data[{"k" * 254}]: Invalid value: "{"k" * 254}": must be no more than 253 characters'),
    other("a token of nobody", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: kubernetes.io/service-account-token",
          "metadata.annotations[kubernetes.io/service-account.name]: Required value"),
    other("a registry's password that is not there", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: kubernetes.io/dockerconfigjson",
          "data[.dockerconfigjson]: Required value"),
    other("a registry's password that is no JSON", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: kubernetes.io/dockercfg\n"
          "stringData: {.dockercfg: ''}",
          'data[.dockercfg]: Invalid value: "<secret contents redacted>": unexpected end of JSON input'),
    other("a login without either half", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: kubernetes.io/basic-auth",
          "data[username]: Required value", "data[password]: Required value"),
    other("a key that is empty", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: kubernetes.io/ssh-auth\nstringData: {ssh-privatekey: ''}",
          "data[ssh-privatekey]: Required value"),
    other("a certificate without its key", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: kubernetes.io/tls\nstringData: {tls.crt: a}",
          "data[tls.key]: Required value"),
    other("a key of a Secret with a slash", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a/b: c}",
          f'data[a/b]: Invalid value: "a/b": {CONFIG_KEY}'),
    other("an event about another namespace", "apiVersion: v1\nkind: Event\nmetadata: {name: e}\ninvolvedObject: {kind: Pod, namespace: other}",
          'involvedObject.namespace: Invalid value: "other": does not match event.namespace'),
    other("a newer event that says nothing", "apiVersion: v1\nkind: Event\nmetadata: {name: e}\neventTime: '2026-01-01T00:00:00.000000Z'\n"
          "involvedObject: {kind: Pod, namespace: default}",
          "reportingComponent: Required value", 'reportingComponent: Invalid value: "": name part must be non-empty',
          f'reportingComponent: Invalid value: "": {QUALIFIED}', "reportingInstance: Required value", "action: Required value",
          "reason: Required value"),
    other("a lease of less than no time", "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: l}\n"
          "spec: {leaseDurationSeconds: -1, leaseTransitions: -1}",
          "spec.leaseDurationSeconds: Invalid value: -1: must be greater than 0", f"spec.leaseTransitions: Invalid value: -1: {NEGATIVE}"),
    other("a lease that prefers without a strategy", "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: l}\n"
          "spec: {preferredHolder: a}", "spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined"),
    other("a lease of an unknown strategy", "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: l}\nspec: {strategy: Best}",
          'spec.strategy.strategy: Unsupported value: "Best": supported values: "OldestEmulationVersion"'),
    other("a trace of nobody", "apiVersion: trace.vaina.dev/v1\nkind: PodTrace\nmetadata: {name: t}",
          "spec.podName: Required value", "spec.podUID: Required value"),
    other("a trace under another name than its Pod's uid",
          "apiVersion: trace.vaina.dev/v1\nkind: PodTrace\nmetadata: {name: t}\nspec: {podName: p, podUID: u}",
          'spec.podUID: Invalid value: "u": must be equal to metadata.name'),
)  # fmt: skip

SUBJECTS = {
    "ReplicaSet": "ReplicaSet.apps",
    "Lease": "Lease.coordination.k8s.io",
    "PodTrace": "PodTrace.trace.vaina.dev",
}
ALL = (*REPLICA_SETS, *CONTROLLERS, *NODES, *SMALL)


@each(ALL)
async def test_every_violation_is_named(case: Bad) -> None:
    api = make_apiserver()
    error = await refusal(api, case.manifest)
    kind = case.manifest.partition("kind: ")[2].partition("\n")[0]
    name = case.manifest.partition("name: ")[2].partition("}")[0]
    check_invalid(error, f'{SUBJECTS.get(kind, kind)} "{name}"', case.want)
