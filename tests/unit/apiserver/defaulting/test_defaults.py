"""What an object means where its manifest says nothing."""

import json
from typing import Any

import pytest

from apiserver.defaulting import default
from tests.unit.apiserver.validation.cases import read, read_default
from vaina.kinds import KINDS, NAMESPACE, NODE, POD, REPLICA_SET, REPLICATION_CONTROLLER, SECRET, Kind
from vaina.objects.defaults import pull_policy
from vaina.objects.manifest import to_dict

FIVE_MINUTES = [
    {
        "key": f"node.kubernetes.io/{what}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 300,
    }
    for what in ("not-ready", "unreachable")
]
CONTAINER = {
    "name": "main",
    "image": "busybox:1.37",
    "imagePullPolicy": "IfNotPresent",
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
SPEC = {
    "containers": [CONTAINER],
    "dnsPolicy": "ClusterFirst",
    "restartPolicy": "Always",
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "terminationGracePeriodSeconds": 30,
}
POD_SPEC = {**SPEC, "enableServiceLinks": True, "tolerations": FIVE_MINUTES}


def filled(kind: Kind[Any], text: str) -> dict[str, Any]:
    return to_dict(kind, read_default(kind, text))


def spec_of(text: str) -> dict[str, Any]:
    if "containers:" not in text.replace("initContainers", ""):
        text += "\ncontainers: [{name: main, image: 'busybox:1.37'}]"
    lines = "\n".join(f"  {line}" for line in text.splitlines())
    spec: dict[str, Any] = filled(POD, f"apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec:\n{lines}")[
        "spec"
    ]
    return spec


def container_of(fields: str, more: str = "") -> dict[str, Any]:
    made: dict[str, Any] = spec_of(f"{more}\ncontainers: [{{name: main, image: 'busybox:1.37', {fields}}}]")[
        "containers"
    ][0]
    return made


def test_a_pod_of_a_name_and_an_image() -> None:
    assert spec_of("") == POD_SPEC


def test_nothing_that_is_given_is_changed() -> None:
    given = {
        "containers": [
            {
                **CONTAINER,
                "imagePullPolicy": "Never",
                "terminationMessagePath": "/x",
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "ports": [{"containerPort": 80, "protocol": "UDP", "hostPort": 81}],
                "env": [{"name": "A", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}],
                "livenessProbe": {
                    "httpGet": {"path": "/a", "port": 80, "scheme": "HTTPS"},
                    "timeoutSeconds": 2, "periodSeconds": 3, "successThreshold": 1, "failureThreshold": 5,
                },
                "resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}},
            }
        ],
        "dnsPolicy": "Default",
        "restartPolicy": "Never",
        "schedulerName": "mine",
        "securityContext": {"runAsUser": 5},
        "terminationGracePeriodSeconds": 0,
        "enableServiceLinks": False,
        "tolerations": [{"operator": "Exists"}],
        "volumes": [{"name": "v", "secret": {"secretName": "s", "defaultMode": 256}}],
    }  # fmt: skip
    text = json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": given})
    assert filled(POD, text)["spec"] == given


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("busybox", "Always"),
        ("busybox:latest", "Always"),
        ("busybox:1.37", "IfNotPresent"),
        ("registry.example:5000/busybox", "Always"),
        ("registry.example:5000/busybox:1", "IfNotPresent"),
        ("busybox@sha256:0123", "IfNotPresent"),
        ("busybox:latest@sha256:0123", "Always"),
        ("", "IfNotPresent"),
    ],
)
def test_the_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


def test_ports_speak_tcp() -> None:
    assert container_of("ports: [{containerPort: 80}]")["ports"] == [{"containerPort": 80, "protocol": "TCP"}]


def test_fields_for_variables_are_of_v1() -> None:
    assert container_of("env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]")["env"] == [
        {"name": "A", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}
    ]


def test_probes_ask_every_ten_seconds() -> None:
    made = container_of(
        "livenessProbe: {httpGet: {port: 80}}, readinessProbe: {grpc: {port: 80}}, startupProbe: {exec: {command: [a]}}"
    )
    times = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
    assert {name: value for name, value in made.items() if name.endswith("Probe")} == {
        "livenessProbe": {"httpGet": {"path": "/", "port": 80, "scheme": "HTTP"}, **times},
        "readinessProbe": {"grpc": {"port": 80, "service": ""}, **times},
        "startupProbe": {"exec": {"command": ["a"]}, **times},
    }


def test_a_probe_without_a_handler_gets_its_times_all_the_same() -> None:
    assert container_of("livenessProbe: {}")["livenessProbe"] == {
        "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
    }  # fmt: skip


def test_hooks_ask_the_root() -> None:
    made = container_of("lifecycle: {postStart: {httpGet: {port: 80}}, preStop: {exec: {command: [a]}}}")
    assert made["lifecycle"] == {
        "postStart": {"httpGet": {"path": "/", "port": 80, "scheme": "HTTP"}},
        "preStop": {"exec": {"command": ["a"]}},
    }


def test_init_and_ephemeral_containers_get_the_same() -> None:
    made = spec_of(
        "initContainers: [{name: i, image: a, ports: [{containerPort: 1}]}]\nephemeralContainers: [{name: e, image: a}]"
    )
    common = {**CONTAINER, "image": "a", "imagePullPolicy": "Always"}
    assert made["initContainers"] == [
        {**common, "name": "i", "ports": [{"containerPort": 1, "protocol": "TCP"}]}
    ]
    assert made["ephemeralContainers"] == [{**common, "name": "e"}]


def test_requests_follow_limits_in_a_pod() -> None:
    made = container_of("resources: {limits: {cpu: 2, memory: 1Gi}, requests: {cpu: 1}}")
    assert made["resources"] == {
        "limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"},
    }  # fmt: skip


def test_amounts_are_rounded_up_to_thousandths() -> None:
    made = container_of(
        "resources: {requests: {cpu: 0.0001, memory: 1m, example.com/a: 100u, example.com/b: '1e3'}}"
    )
    assert made["resources"]["requests"] == {
        "cpu": "1m", "memory": "1m", "example.com/a": "1m", "example.com/b": "1e3",
    }  # fmt: skip


def test_an_amount_that_cannot_be_read_is_left_to_validation() -> None:
    pod = read(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, resources: {limits: {cpu: 1}}}]}"
    )
    pod.spec.containers[0].resources.limits["cpu"].string = "a lot."
    default(POD, pod)
    assert pod.spec.containers[0].resources.requests["cpu"].string == "a lot."


@pytest.mark.parametrize(
    ("resources", "limits", "requests"),
    [
        ("{limits: {cpu: 8}}", {"cpu": "8"}, {"cpu": "2500m", "memory": "1Gi"}),
        ("{limits: {cpu: 8, memory: 4Gi, hugepages-2Mi: 4Mi}}", {"cpu": "8", "memory": "4Gi", "hugepages-2Mi": "4Mi"},
         {"cpu": "2500m", "memory": "1Gi", "hugepages-2Mi": "4Mi"}),
        ("{requests: {cpu: 4}}", None, {"cpu": "4"}),
        ("{}", None, None),
    ],
)  # fmt: skip
def test_a_pods_own_resources_follow_those_of_its_containers(
    resources: str, limits: dict[str, str] | None, requests: dict[str, str] | None
) -> None:
    made = spec_of(
        f"resources: {resources}\ncontainers: [{{name: a, image: a, resources: {{requests: {{cpu: 1, memory: 1Gi}}}}}}]\n"
        "initContainers: [{name: s, image: a, restartPolicy: Always, resources: {requests: {cpu: 500m}}}, "
        "{name: i, image: a, resources: {requests: {cpu: 2}}}]"
    )
    given = made.get("resources", {})
    assert (given.get("limits"), given.get("requests")) == (limits, requests)


def test_huge_pages_of_containers_become_limits_of_the_pod() -> None:
    made = spec_of(
        "resources: {requests: {cpu: 1}}\ncontainers: [{name: a, image: a, resources: {limits: {cpu: 1, memory: 1Gi}}}, "
        "{name: b, image: a, resources: {limits: {cpu: 2, hugepages-2Mi: 4Mi}}}]"
    )
    assert made["resources"] == {
        "limits": {"hugepages-2Mi": "4Mi"},
        "requests": {"cpu": "1", "memory": "1Gi", "hugepages-2Mi": "4Mi"},
    }


def test_a_pods_own_limits_follow_when_every_container_has_one() -> None:
    made = spec_of(
        "resources: {requests: {cpu: 1}}\ncontainers: [{name: a, image: a, resources: {limits: {cpu: 1}}}, "
        "{name: b, image: a, resources: {limits: {cpu: 2}}}]"
    )
    assert made["resources"] == {"limits": {"cpu": "3"}, "requests": {"cpu": "1"}}


def test_on_the_hosts_network_ports_are_the_hosts() -> None:
    made = container_of(
        "ports: [{containerPort: 80}, {containerPort: 81, hostPort: 81}]", "hostNetwork: true"
    )
    assert [port["hostPort"] for port in made["ports"]] == [80, 81]


@pytest.mark.parametrize(
    ("given", "added"),
    [
        ("{key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute}", ["node.kubernetes.io/unreachable"]),
        ("{key: node.kubernetes.io/not-ready, operator: Exists, effect: NoSchedule}",
         ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]),
        ("{operator: Exists, effect: NoExecute}", []),
        ("{operator: Exists}", []),
    ],
)  # fmt: skip
def test_a_pod_leaves_a_failed_node_after_five_minutes_unless_it_says_otherwise(
    given: str, added: list[str]
) -> None:
    assert [
        toleration["key"] for toleration in spec_of(f"tolerations: [{given}]")["tolerations"][1:]
    ] == added


@pytest.mark.parametrize("field", ["serviceAccount", "serviceAccountName"])
def test_both_names_of_the_service_account_are_kept_equal(field: str) -> None:
    made = spec_of(f"{field}: builder")
    assert (made["serviceAccount"], made["serviceAccountName"]) == ("builder", "builder")


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ("", {"emptyDir": {}}),
        ("secret: {secretName: s}", {"secret": {"secretName": "s", "defaultMode": 420}}),
        ("configMap: {name: c}", {"configMap": {"name": "c", "defaultMode": 420}}),
        ("downwardAPI: {items: [{path: a, fieldRef: {fieldPath: metadata.name}}]}",
         {"downwardAPI": {"defaultMode": 420, "items": [
             {"path": "a", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}]}}),
        ("projected: {sources: [{downwardAPI: {items: [{path: a, fieldRef: {fieldPath: metadata.name}}]}}, "
         "{serviceAccountToken: {path: t}}, {podCertificate: {signerName: a.io/b, keyType: ED25519}}]}",
         {"projected": {"defaultMode": 420, "sources": [
             {"downwardAPI": {"items": [{"path": "a", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}]}},
             {"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}},
             {"podCertificate": {"signerName": "a.io/b", "keyType": "ED25519", "maxExpirationSeconds": 86400}}]}}),
        ("hostPath: {path: /a}", {"hostPath": {"path": "/a", "type": ""}}),
        ("image: {reference: a}", {"image": {"reference": "a", "pullPolicy": "Always"}}),
        ("ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce]}}}",
         {"ephemeral": {"volumeClaimTemplate": {
             "metadata": {}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {}, "volumeMode": "Filesystem"}}}}),
        ("ephemeral: {}", {"ephemeral": {}}),
        ("iscsi: {targetPortal: a, iqn: b, lun: 0}",
         {"iscsi": {"targetPortal": "a", "iqn": "b", "lun": 0, "iscsiInterface": "default"}}),
        ("rbd: {monitors: [a], image: b}",
         {"rbd": {"monitors": ["a"], "image": "b", "pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"}}),
        ("azureDisk: {diskName: a, diskURI: b}",
         {"azureDisk": {"diskName": "a", "diskURI": "b", "cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4",
                        "readOnly": False}}),
        ("scaleIO: {gateway: a, system: b, secretRef: {name: c}}",
         {"scaleIO": {"gateway": "a", "system": "b", "secretRef": {"name": "c"}, "storageMode": "ThinProvisioned",
                      "fsType": "xfs"}}),
        ("nfs: {server: a, path: /b}", {"nfs": {"server": "a", "path": "/b"}}),
    ],
)  # fmt: skip
def test_volumes(given: str, want: dict[str, Any]) -> None:
    assert spec_of(f"volumes: [{{name: v{', ' + given if given else ''}}}]")["volumes"] == [
        {"name": "v", **want}
    ]


TEMPLATE = "template: {metadata: {labels: {app: a}}, spec: {containers: [{name: main, image: 'busybox:1.37', \
resources: {limits: {cpu: 1}}}]}}"
LIMITED = {**SPEC, "containers": [{**CONTAINER, "resources": {"limits": {"cpu": "1"}}}]}


def test_a_grace_below_zero_is_a_second_in_a_pod_and_stays_in_a_template() -> None:
    assert spec_of("terminationGracePeriodSeconds: -5")["terminationGracePeriodSeconds"] == 1
    assert spec_of("terminationGracePeriodSeconds: 0")["terminationGracePeriodSeconds"] == 0
    made = read_default(
        REPLICA_SET,
        "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: web}\nspec: {template: {spec: "
        "{terminationGracePeriodSeconds: -5, containers: [{name: main, image: a}]}}}",
    )
    assert made.spec.template.spec.termination_grace_period_seconds == -5


def test_a_replica_set_makes_one_pod_of_a_template_that_gets_what_any_spec_gets() -> None:
    made = filled(
        REPLICA_SET, f"apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {{name: a}}\nspec: {{{TEMPLATE}}}"
    )
    assert made["spec"] == {
        "replicas": 1,
        "selector": None,
        "template": {"metadata": {"labels": {"app": "a"}}, "spec": LIMITED},
    }


def test_a_replication_controller_takes_selector_and_labels_from_its_template() -> None:
    head = "apiVersion: v1\nkind: ReplicationController\nmetadata: {name: a}\n"
    made = filled(REPLICATION_CONTROLLER, f"{head}spec: {{{TEMPLATE}}}")
    assert (made["metadata"]["labels"], made["spec"]["selector"], made["spec"]["replicas"]) == (
        {"app": "a"}, {"app": "a"}, 1,
    )  # fmt: skip
    assert made["spec"]["template"]["spec"] == LIMITED
    bare = filled(REPLICATION_CONTROLLER, f"{head}spec: {{replicas: 0, selector: {{b: c}}}}")
    assert bare["spec"] == {"replicas": 0, "selector": {"b": "c"}}


def test_a_node_offers_all_that_it_has_where_it_does_not_say() -> None:
    head = "apiVersion: v1\nkind: Node\nmetadata: {name: a}\nstatus: "
    assert read_default(NODE, f"{head}{{capacity: {{cpu: 4}}}}").status.allocatable["cpu"].string == "4"
    assert (
        read_default(NODE, f"{head}{{capacity: {{cpu: 4}}, allocatable: {{cpu: 3}}}}")
        .status.allocatable["cpu"]
        .string
        == "3"
    )


@pytest.mark.parametrize(
    ("given", "one", "listed"),
    [
        ("podCIDR: 10.0.1.0/24", "10.0.1.0/24", ["10.0.1.0/24"]),
        ("podCIDRs: [10.0.1.0/24, 'fd00::/64']", "10.0.1.0/24", ["10.0.1.0/24", "fd00::/64"]),
        ("podCIDR: 10.0.1.0/24, podCIDRs: [10.0.2.0/24, 'fd00::/64']", "10.0.1.0/24", ["10.0.1.0/24"]),
        (
            "podCIDR: 10.0.1.0/24, podCIDRs: [10.0.1.0/24, 'fd00::/64']",
            "10.0.1.0/24",
            ["10.0.1.0/24", "fd00::/64"],
        ),
        ("", "", []),
    ],
)
def test_both_forms_of_a_nodes_network_are_kept_equal(given: str, one: str, listed: list[str]) -> None:
    made = read_default(NODE, f"apiVersion: v1\nkind: Node\nmetadata: {{name: a}}\nspec: {{{given}}}")
    assert (made.spec.pod_cidr, list(made.spec.pod_cidrs)) == (one, listed)


def test_a_namespace_has_its_name_as_a_label_and_is_active() -> None:
    made = read_default(NAMESPACE, "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}")
    assert (dict(made.metadata.labels), made.status.phase) == ({"kubernetes.io/metadata.name": "a"}, "Active")
    assert (
        dict(
            read_default(
                NAMESPACE, "apiVersion: v1\nkind: Namespace\nmetadata: {generateName: a}"
            ).metadata.labels
        )
        == {}
    )


def test_a_secret_is_opaque() -> None:
    assert read_default(SECRET, "apiVersion: v1\nkind: Secret\nmetadata: {name: a}").type == "Opaque"
    assert read_default(SECRET, "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ntype: x/y").type == "x/y"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_defaulting_twice_changes_nothing(kind: Kind[Any]) -> None:
    once = kind.message()
    once.metadata.name = "a"
    if kind is POD:
        once.spec.containers.add(name="a", image="b").resources.limits["cpu"].string = "0.0001"
        once.spec.volumes.add(name="c")
    default(kind, once)
    twice = kind.message()
    twice.CopyFrom(once)
    default(kind, twice)
    assert twice.SerializeToString(deterministic=True) == once.SerializeToString(deterministic=True)
