"""Every field of every kind is either reached by a rule, or named with the reason why it has none.

A field counts as reached when some value of it changes what creating, updating or reporting an object is
answered. A field that is added to a message fails the test until it has a rule or a reason.
"""

import textwrap
from collections.abc import Mapping
from typing import Final

import pytest
from google.protobuf.message import Message

from apiserver.defaulting import default
from apiserver.validation import validate_create, validate_status_update, validate_update
from apiserver.validation.unchecked import UNCHECKED
from tests.support.probes import Base, Field, fields_reached
from vaina.kinds import KINDS, POD, Kind
from vaina.objects.manifest import decode_documents
from vaina.testing import builders

_BUILT: Final = {
    "Pod": lambda: builders.make_pod("web"),
    "Node": lambda: builders.make_node("n1"),
    "ReplicaSet": lambda: builders.make_replica_set("web"),
    "ReplicationController": lambda: builders.make_replication_controller("web"),
}
#: objects in which a rule that depends on several fields holds, by kind: without metadata
_OBJECTS: Final[Mapping[str, str]] = {
    "ClusterRole": "rules: [{verbs: [get], nonResourceURLs: [/a]}]",
    "ClusterRoleBinding": """
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: a}
        subjects:
        - {kind: User, name: a, apiGroup: rbac.authorization.k8s.io}
        ---
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: a}
        subjects:
        - {kind: ServiceAccount, name: a, namespace: b}
    """,
    "Pod": """
        spec: {os: {name: windows}, containers: [{name: a, image: x, securityContext: {}}]}
        ---
        spec: {containers: [{name: a, image: x, securityContext: {appArmorProfile: {type: Localhost}}}]}
        ---
        spec: {containers: [{name: a, image: x, securityContext: {allowPrivilegeEscalation: false, capabilities: {}}}]}
        ---
        spec: {containers: [{name: a, image: x, securityContext: {privileged: true}}]}
        ---
        spec: {containers: [{name: a, image: x, restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: In}}]}]}
        ---
        spec: {containers: [{name: a, image: x, env: [{name: A, valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.name}}}]}]}
        ---
        spec: {containers: [{name: a, image: x}], volumes: [{name: a, fc: {targetWWNs: [a]}}]}
        ---
        spec: {containers: [{name: a, image: x}], volumes: [{name: a, flexVolume: {driver: d}}]}
        ---
        spec: {containers: [{name: a, image: x}], volumes: [{name: a, hostPath: {path: /a}}]}
        ---
        spec: {containers: [{name: a, image: x}], volumes: [{name: a, quobyte: {registry: 'a:1', volume: a}}]}
        ---
        spec: {containers: [{name: a, image: x}], volumes: [{name: a, iscsi: {targetPortal: a, iqn: 'iqn.2001-04.com.example:a', lun: 0, chapAuthSession: true}}]}
        ---
        spec: {containers: [{name: a, image: x, resources: {claims: [{name: c}, {name: c, request: '1'}]}}], resourceClaims: [{name: c, resourceClaimName: c}]}
        ---
        spec: {containers: [{name: a, image: x, volumeMounts: [{name: a, mountPath: /a, recursiveReadOnly: Enabled, readOnly: true}]}], volumes: [{name: a, emptyDir: {}}]}
        ---
        metadata: {ownerReferences: [{apiVersion: v1, kind: X, name: a, uid: b}, {apiVersion: v1, kind: X, name: a, uid: c, controller: true}]}
        spec: {containers: [{name: a, image: x}]}
        ---
        spec: {containers: [{name: a, image: x, ports: [{containerPort: 80, hostPort: 81}]}]}
        ---
        spec: {containers: [{name: a, image: x}], volumes: [{name: a, downwardAPI: {items: [{path: a, resourceFieldRef: {resource: limits.cpu}}]}}]}
        ---
        spec: {containers: [{name: a, image: x}], hostUsers: false}
        ---
        spec: {containers: [{name: a, image: x}], hostUsers: true}
        ---
        spec: {containers: [{name: a, image: x, lifecycle: {preStop: {sleep: {seconds: 1}}}}]}
        ---
        spec: {containers: [{name: a, image: x}], hostnameOverride: a}
        ---
        spec: {containers: [{name: a, image: x}], volumes: [{name: a, projected: {sources: [{clusterTrustBundle: {name: a, path: a}}]}}]}
        ---
        spec: {containers: [{name: a, image: x}], volumes: [{name: a, ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}]}
        ---
        spec: {containers: [{name: a, image: x}]}
        status: {phase: Running, containerStatuses: [{name: a, state: {terminated: {exitCode: 0}}}], podIPs: [{ip: 10.0.0.1}], hostIPs: [{ip: 10.0.0.1}]}
        ---
        spec: {containers: [{name: a, image: x, resources: {limits: {example.com/a: '1'}}}]}
        status: {containerStatuses: [{name: a, allocatedResourcesStatus: [{name: example.com/a, resources: [{resourceID: '1'}, {resourceID: '1'}]}]}], extendedResourceClaimStatus: {resourceClaimName: a, requestMappings: [{containerName: a, resourceName: example.com/a, requestName: a}]}}
""",
    "Event": """
        involvedObject: {namespace: default, name: a}
        eventTime: '2026-01-01T00:00:00.000000Z'
        reportingComponent: a/b
        reportingInstance: a
        action: a
        reason: a
        type: Normal
        ---
        involvedObject: {namespace: default, name: a}
        eventTime: '2026-01-01T00:00:00.000000Z'
        reportingComponent: a/b
        reportingInstance: a
        action: a
        reason: a
        type: Normal
        series: {count: 2, lastObservedTime: '2026-01-01T00:00:00.000000Z'}
""",
    "Node": """
        spec: {podCIDRs: [10.0.0.0/24]}
        ---
        spec: {configSource: {configMap: {namespace: a, name: b, kubeletConfigKey: c}}}
        status: {config: {assigned: {configMap: {namespace: a, name: b, kubeletConfigKey: c, uid: d, resourceVersion: '1'}}}}
        ---
        status: {addresses: [{type: Other, address: '1'}, {type: Other, address: '1'}]}
""",
    "StatefulSet": """
        spec:
          updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 1, maxUnavailable: 1}}
          selector: {matchLabels: {a: b}}
          template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: b}]}}
""",
    "HorizontalPodAutoscaler": """
        spec:
          scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: a}
          maxReplicas: 2
          behavior: {scaleUp: {tolerance: '1', policies: [{type: Pods, value: 1, periodSeconds: 1}]}, scaleDown: {}}
          metrics:
          - {type: Object, object: {describedObject: {apiVersion: v1, kind: Pod, name: a}, metric: {name: a}, target: {type: Value, value: '1'}}}
""",
    "Lease": """
        spec: {leaseDurationSeconds: 1, preferredHolder: a, strategy: OldestEmulationVersion}
""",
    "ResourceQuota": """
        spec: {scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: In}]}}
        ---
        spec: {scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: Exists}]}}
""",
    "ConfigMap": """
        data: {a: b}
        immutable: true
        ---
        data: {a: b}
""",
    "Secret": """
        data: {a: Yg==}
        immutable: true
        ---
        type: Opaque
""",
    "Service": """
        spec: {type: ClusterIP, sessionAffinity: ClientIP, ports: [{port: 80}]}
        ---
        spec: {type: LoadBalancer, ports: [{port: 80}], externalTrafficPolicy: Local, loadBalancerClass: a/b}
        status: {loadBalancer: {ingress: [{ip: 10.0.0.1}]}}
        ---
        spec: {type: NodePort, ports: [{port: 80, nodePort: 1}, {port: 81, nodePort: 2}]}
        ---
        spec: {type: ExternalName, externalName: a.b}
""",
    "EndpointSlice": """
        addressType: IPv4
        endpoints: [{addresses: [10.0.0.1], hints: {forZones: [{name: a}], forNodes: [{name: b}]}}]
        ports: [{name: a, port: 80}]
""",
    "Ingress": """
        spec: {rules: [{host: a, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]}}]}
""",
    "NetworkPolicy": """
        spec: {podSelector: {}, ingress: [{ports: [{port: 1, endPort: 2}], from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}]}
""",
    "IngressClass": "spec: {controller: a.b/c, parameters: {kind: a, name: b, scope: Namespace, namespace: c}}",
    "ResourceClaim": """
        spec: {devices: {requests: [{name: a, exactly: {deviceClassName: b, tolerations: [{key: a, operator: Exists}]}}]}}
        status: {allocation: {devices: {results: [{request: a, driver: d, pool: p, device: x, tolerations: [{operator: Equal, value: a}]}]}}, devices: [{driver: d, pool: p, device: x}]}
        ---
        spec: {devices: {requests: [{name: a, firstAvailable: [{name: c, deviceClassName: b}]}], constraints: [{distinctAttribute: a/b}]}}
        ---
        spec: {devices: {requests: [{name: a, exactly: {deviceClassName: b}}], constraints: [{matchAttribute: a/b}]}}
""",
    "ResourceSlice": """
        spec: {driver: d, pool: {name: p, resourceSliceCount: 1}, nodeName: n1, devices: [{name: a, allowMultipleAllocations: true, taints: [{key: a, effect: NoSchedule}], capacity: {a: {value: '1', requestPolicy: {default: '1', validValues: ['1']}}}}]}
        ---
        spec: {driver: d, pool: {name: p, resourceSliceCount: 1}, perDeviceNodeSelection: true, devices: [{name: a, nodeName: n1}]}
        ---
        spec: {driver: d, pool: {name: p, resourceSliceCount: 1}, nodeName: n1, sharedCounters: [{name: a, counters: {b: {value: '1'}}}]}
""",
}  # fmt: skip
#: words of the answer that any change of a Node's or a StatefulSet's spec gets: they show no rule of the field
_ANY_CHANGE: Final = ("updates may only change", "updates to statefulset spec for fields other than")


def _objects(kind: Kind[Message]) -> list[Base]:
    empty = kind.message()
    empty.metadata.name, empty.metadata.namespace = "x", "default"  # type: ignore[attr-defined]  # every kind has metadata
    bases = [Base(empty, as_it_is=False)]
    if kind.kind in _BUILT:
        bases.insert(0, Base(_BUILT[kind.kind](), as_it_is=False))
    for text in textwrap.dedent(_OBJECTS.get(kind.kind, "")).split("---\n"):
        if text.strip():
            [decoded] = decode_documents(f"apiVersion: {kind.api_version}\nkind: {kind.kind}\n{text}")
            default(kind, decoded.message)
            bases.append(Base(decoded.message, as_it_is=True))
    return bases


def _reached(kind: Kind[Message], known: set[Field]) -> set[Field]:
    # Updates of a Pod's spec are refused whole: its creation shows the rules.
    checks = [validate_status_update] if kind is POD else [validate_update, validate_status_update]

    def judge(new: Message, old: Message) -> object:
        found = [validate_create(kind, new)]
        found += [check(kind, *pair) for check in checks for pair in ((new, old), (old, new))]
        return [
            {str(error)[:500] for error in errors if not any(words in str(error) for words in _ANY_CHANGE)}
            for errors in found
        ]

    return fields_reached(kind.message.DESCRIPTOR, _objects(kind), judge, known)


@pytest.mark.timeout(240)  # thousands of objects
def test_every_field_of_every_kind_has_a_rule_or_a_reason_why_it_has_none() -> None:
    reasons = {(message, field) for message, listed in UNCHECKED.items() for field in listed}
    fields: set[Field] = set()
    reached: set[Field] = set()
    for kind in KINDS:
        # What has a reason is tried once, in the first kind that has it.
        tried = fields & reasons
        known = reached | tried
        fields |= _reached(kind, known)
        reached |= known - tried
    assert {
        "without a rule or a reason": sorted(fields - reached - reasons),
        "with a reason, but there is a rule": sorted(reasons & reached),
        "with a reason, but not there": sorted(reasons - fields),
    } == {
        "without a rule or a reason": [],
        "with a reason, but there is a rule": [],
        "with a reason, but not there": [],
    }
