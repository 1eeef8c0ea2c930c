"""Warnings: what is accepted and still worth a word."""

from typing import Any

from apiserver.validation import warnings_for
from apiserver.validation.stored_only import NOTHING_BEHIND
from tests.unit.apiserver.validation.cases import Case, case, container, each, pod, problems, read_default
from vaina.kinds import (
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    KINDS,
    POD,
    REPLICA_SET,
    REPLICATION_CONTROLLER,
    STATEFUL_SET,
)

NOT_YET = "accepted, but vaina does not act on it yet"

PODS = (
    case("a plain Pod gives none", ""),
    case("each feature that is not acted on is named",
         "hostUsers: false\n"
         "schedulingGroup: {podGroupName: g}\nevictionResponders: [{name: a.b/c, priority: 1}]\n"
         "resources: {limits: {cpu: 1}}\nresourceClaims: [{name: a, resourceClaimName: b}]\n"
         "securityContext: {seLinuxOptions: {level: a}, windowsOptions: {}, fsGroupChangePolicy: Always, "
         "supplementalGroupsPolicy: Strict, seLinuxChangePolicy: Recursive}",
         *(f"spec.{field}: {NOT_YET}" for field in (
             "resourceClaims",
             "hostUsers", "schedulingGroup",
             "evictionResponders", "securityContext.supplementalGroupsPolicy", "securityContext.seLinuxOptions",
             "securityContext.windowsOptions",
             "securityContext.seLinuxChangePolicy"))),
    case("another operating system is not acted on", "os: {name: windows}", f"spec.os: {NOT_YET}"),
    case("names and limits of the whole Pod are acted on, and groups of the image that stay",
         "hostnameOverride: a\nresources: {limits: {cpu: 1}}\nsecurityContext: {supplementalGroupsPolicy: Merge}"),
    case("a full name as the host name is acted on", "setHostnameAsFQDN: true"),
    case("affinity of all kinds is acted on",
         "affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: a}]}, podAntiAffinity: "
         "{requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: a}]}}"),
    case("volumes that nothing mounts are named, in upstream's words where it has some",
         "volumes: [{name: a, nfs: {server: s, path: /p}}, {name: b, gitRepo: {repository: r}}, {name: c, image: "
         "{reference: r}}, {name: d, projected: {sources: [{clusterTrustBundle: {name: b, path: p}}]}}, {name: e, "
         "emptyDir: {}}]",
         f"spec.volumes[0].nfs: {NOT_YET}", "spec.volumes[1].gitRepo: deprecated in v1.11",
         f"spec.volumes[3].projected.sources[0].clusterTrustBundle: {NOT_YET}"),
    case("what is not acted on in volumes that are mounted is named",
         "volumes: [{name: a, emptyDir: {medium: HugePages, mode: 511}}, {name: b, emptyDir: {sizeLimit: 1Gi}}, {name: c, "
         "emptyDir: {medium: Memory, sizeLimit: 1Gi}}, {name: d, secret: {secretName: s, defaultUser: 1, items: [{key: k, "
         "path: p}, {key: k, path: q, user: 1}]}}, {name: e, projected: {sources: [{downwardAPI: {items: [{path: p, user: 1, "
         "fieldRef: {fieldPath: metadata.name}}]}}]}}]",
         f"spec.volumes[0].emptyDir.medium: {NOT_YET}", f"spec.volumes[0].emptyDir.mode: {NOT_YET}",
         f"spec.volumes[3].secret.defaultUser: {NOT_YET}",
         f"spec.volumes[3].secret.items[1].user: {NOT_YET}",
         f"spec.volumes[4].projected.sources[0].downwardAPI.items[0].user: {NOT_YET}"),
    case("host aliases and pull secrets are named once, and are named",
         "hostAliases: [{ip: 1.2.3.4}, {ip: 1.2.3.4}]\nimagePullSecrets: [{name: a}, {name: a}, {}]",
         'spec.hostAliases[1].ip: duplicate ip "1.2.3.4"', 'spec.imagePullSecrets[1].name: duplicate name "a"',
         'spec.imagePullSecrets[2].name: invalid empty name ""'),
    case("parts of a byte are no amount", "overhead: {memory: 1m}",
         'spec.overhead[memory]: fractional byte value "1m" is invalid, must be an integer'),
    case("old labels of nodes have new names", "nodeSelector: {beta.kubernetes.io/os: linux}",
         'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead'),
    case("a negative grace is a second by then", "terminationGracePeriodSeconds: -1"),
)  # fmt: skip

CONTAINERS = (
    case("features of containers that are not acted on are named",
         "resizePolicy: [{resourceName: cpu, restartPolicy: NotRequired}], restartPolicy: Never, restartPolicyRules: "
         "[{action: Restart, exitCodes: {operator: In, values: [42]}}], securityContext: {seLinuxOptions: {level: a}, "
         "windowsOptions: {}, procMount: Unmasked}, volumeDevices: [{name: c, devicePath: /dev/x}], "
         "resources: {limits: {cpu: 1, ephemeral-storage: 1Gi, hugepages-2Mi: 2Mi}, claims: [{name: d}]}, "
         "env: [{name: A, valueFrom: {fileKeyRef: {volumeName: v, path: p, key: k}}}], volumeMounts: [{name: v, mountPath: "
         "/v, readOnly: true, recursiveReadOnly: IfPossible, bindMountOptions: [noexec]}]",
         f"spec.resourceClaims: {NOT_YET}", f"spec.hostUsers: {NOT_YET}",
         *(f"spec.containers[0].{field}: {NOT_YET}" for field in (
             "volumeDevices", "resources.claims",
             "securityContext.seLinuxOptions", "securityContext.windowsOptions",
             "resources.limits[hugepages-2Mi]", "volumeMounts[0].bindMountOptions")),
         spec="hostUsers: false\nresourceClaims: [{name: d, resourceClaimName: d}]\n"
         "volumes: [{name: c, persistentVolumeClaim: {claimName: c}}, {name: v}]"),
    case("parts of a byte are no amount", "resources: {limits: {memory: 1500m}, requests: {ephemeral-storage: 0.5}}",
         'spec.containers[0].resources.limits[memory]: fractional byte value "1500m" is invalid, must be an integer',
         'spec.containers[0].resources.requests[memory]: fractional byte value "1500m" is invalid, must be an integer',
         'spec.containers[0].resources.requests[ephemeral-storage]: fractional byte value "500m" is invalid, must be an '
         "integer"),
    case("a variable that hides another is told, one that builds on it is not",
         "env: [{name: A, value: a}, {name: A, value: b}, {name: B, value: a}, {name: B, value: $(B)c}, {name: B, value: "
         "$(B)}, {name: B, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]",
         'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
         'spec.containers[0].env[4]: hides previous definition of "B", which may be dropped when using apply',
         'spec.containers[0].env[5]: hides previous definition of "B", which may be dropped when using apply'),
    case("ports that overlap are told",
         "ports: [{containerPort: 80}, {containerPort: 80}, {containerPort: 80, hostPort: 8080}, {containerPort: 80, "
         "protocol: UDP}]",
         "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]",
         "spec.containers[0].ports[2]: overlapping port definition with spec.containers[0].ports[0]",
         "spec.containers[0].ports[2]: overlapping port definition with spec.containers[0].ports[1]"),
    case("on the node's own network a port is the node's by itself", "ports: [{containerPort: 80, hostPort: 80}]",
         spec="hostNetwork: true"),
)  # fmt: skip


@each(PODS)
def test_pods(case: Case) -> None:
    made = pod(case.given)
    assert problems(made) == []
    assert warnings_for(POD, made) == list(case.want)


@each(CONTAINERS)
def test_containers(case: Case) -> None:
    made = container(case.given, case.spec)
    assert problems(made) == []
    assert warnings_for(POD, made) == list(case.want)


def test_spread_constraints_without_a_selector_match_nothing() -> None:
    made = pod(
        "topologySpreadConstraints: [{maxSkew: 1, topologyKey: failure-domain.beta.kubernetes.io/zone, "
        "whenUnsatisfiable: DoNotSchedule}]"
    )
    assert [text for text in warnings_for(POD, made) if NOT_YET not in text] == [
        "spec.topologySpreadConstraints[0].topologyKey: failure-domain.beta.kubernetes.io/zone is deprecated since v1.17; "
        'use "topology.kubernetes.io/zone" instead',
        "spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod",
    ]


def test_annotations_that_do_nothing_any_more() -> None:
    made = pod("", "annotations: {security.alpha.kubernetes.io/sysctls: a}")
    assert warnings_for(POD, made) == [
        'metadata.annotations[security.alpha.kubernetes.io/sysctls]: non-functional in v1.11+; use the "sysctls" field '
        "instead"
    ]


def test_a_name_that_is_no_host_name() -> None:
    made = pod()
    made.metadata.name = "a.b"
    assert warnings_for(POD, made) == [
        "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is "
        "recommended: ['must not contain dots']"
    ]


def test_templates_are_looked_at_as_pods_are() -> None:
    for kind in (REPLICA_SET, REPLICATION_CONTROLLER):
        made: Any = read_default(
            kind,
            f"apiVersion: {kind.api_version}\nkind: {kind.kind}\nmetadata: {{name: a.b}}\n"
            "spec: {template: {spec: {hostUsers: false, terminationGracePeriodSeconds: -1, containers: [{name: a, "
            "image: b}]}}}",
        )
        assert warnings_for(kind, made) == [
            f"spec.template.spec.hostUsers: {NOT_YET}",
            "spec.template.spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be "
            "treated as 1",
        ]


def test_other_kinds_give_none() -> None:
    # Those that make Pods warn of their templates; what a Job is called becomes a host name.
    speaking = (POD, REPLICA_SET, REPLICATION_CONTROLLER, DEPLOYMENT, STATEFUL_SET, DAEMON_SET, JOB, CRON_JOB)
    quiet = [kind for kind in KINDS if kind not in speaking and kind.kind not in NOTHING_BEHIND]
    assert [warnings_for(kind, kind.message()) for kind in quiet] == [[]] * len(quiet)
