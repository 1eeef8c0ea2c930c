"""The default roles of the controllers. Pure.

Names and rules are those of upstream's
`plugin/pkg/auth/authorizer/rbac/bootstrappolicy/controller_policy.go`, as far as vaina has the controllers and
resources. They run in one process, under one name; each has its role all the same.
"""

from collections.abc import Mapping
from typing import Final

from apiserver.authorization.rbac.rule_builder import CERTIFICATES, GROUP, STORAGE, Rules, of_kinds, rule
from vaina.kinds import EVENT, KINDS, POD_TRACE

#: kinds whose objects own others, or are owned
_OWNERS: Final = [kind for kind in KINDS if kind not in (EVENT, POD_TRACE)]

#: What each controller asks for besides the informers, which all share; upstream's names, and vaina's own below.
CONTROLLER_ROLES: Final[Mapping[str, Rules]] = {
    "certificate-controller": (
        rule("delete", CERTIFICATES, "certificatesigningrequests"),
        rule("update", CERTIFICATES, "certificatesigningrequests/approval certificatesigningrequests/status"),
        # vaina's controller approves kubelets' serving certificates too, and looks whether a node lives.
        rule(
            "approve", CERTIFICATES, "signers",
            "kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving",
        ),
        rule("get", "coordination.k8s.io", "leases"),
        rule(
            "sign", CERTIFICATES, "signers",
            "kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving",
        ),
    ),
    # Not to escalate, as upstream's may: what it writes is looked at (`apiserver/admission/escalation.py`).
    "clusterrole-aggregation-controller": (rule("update", GROUP, "clusterroles"),),
    "cronjob-controller": (
        rule("get", "batch", "cronjobs"),
        rule("create delete get", "batch", "jobs"),
        rule("update", "batch", "cronjobs/status"),
    ),
    "daemon-set-controller": (
        rule("get", "apps", "daemonsets"),
        rule("update", "apps", "daemonsets/status"),
        rule("create delete get update", "", "pods"),
        rule("create delete get update", "apps", "controllerrevisions"),
    ),
    "deployment-controller": (
        rule("get", "apps", "deployments"),
        rule("update", "apps", "deployments/status"),
        rule("create delete get update", "apps", "replicasets"),
    ),
    "disruption-controller": (
        rule("list", "", "pods"),
        rule("update", "policy", "poddisruptionbudgets/status"),
        rule("update", "", "pods/status"),
    ),
    "ephemeral-volume-controller": (rule("create", "", "persistentvolumeclaims"),),
    "generic-garbage-collector": of_kinds("delete get update", _OWNERS),
    "horizontal-pod-autoscaler": (
        rule("update", "autoscaling", "horizontalpodautoscalers/status"),
        rule("get update", "*", "*/scale"),
        rule("list", "metrics.k8s.io", "pods"),
    ),
    "job-controller": (
        rule("get", "batch", "jobs"),
        rule("update", "batch", "jobs/status"),
        rule("create delete get list patch update", "", "pods"),
    ),
    "namespace-controller": (
        rule("get", "", "namespaces"),
        rule("update", "", "namespaces/finalize namespaces/status"),
        *of_kinds("delete deletecollection", [kind for kind in KINDS if kind.namespaced]),
    ),
    "node-controller": (
        rule("update", "", "nodes"),
        rule("update", "", "nodes/status"),
        rule("update", "", "pods/status"),
        rule("delete", "", "pods"),
        rule("get", "coordination.k8s.io", "leases"),
    ),
    "persistent-volume-binder": (
        rule("get update", "", "persistentvolumes"),
        rule("update", "", "persistentvolumes/status"),
        rule("get update", "", "persistentvolumeclaims"),
        rule("update", "", "persistentvolumeclaims/status"),
    ),
    "pod-garbage-collector": (
        rule("delete", "", "pods"), rule("get", "", "nodes"), rule("update", "", "pods/status"),
    ),
    "pv-protection-controller": (rule("update", "", "persistentvolumes"),),
    "pvc-protection-controller": (
        rule("update", "", "persistentvolumeclaims persistentvolumeclaims/status"), rule("list", "", "pods"),
    ),
    "replicaset-controller": (
        rule("get", "apps", "replicasets"),
        rule("update", "apps", "replicasets/status"),
        rule("create delete get update", "", "pods"),
    ),
    "replication-controller": (
        rule("get", "", "replicationcontrollers"),
        rule("update", "", "replicationcontrollers/status"),
        rule("create delete get update", "", "pods"),
    ),
    "resourcequota-controller": (rule("update", "", "resourcequotas/status"),),
    "root-ca-cert-publisher": (rule("create update", "", "configmaps"),),
    "service-account-controller": (rule("create", "", "serviceaccounts"),),
    "statefulset-controller": (
        rule("get", "apps", "statefulsets"),
        rule("update", "apps", "statefulsets/status"),
        rule("create delete get update", "", "pods"),
        rule("create delete get update", "apps", "controllerrevisions"),
        rule("create update", "", "persistentvolumeclaims"),
    ),
    "ttl-after-finished-controller": (rule("delete get", "batch", "jobs"),),
    # vaina's own
    "local-path-provisioner": (
        rule("get", "", "nodes"),
        rule("create delete update", "", "persistentvolumes"),
        rule("update", "", "persistentvolumeclaims persistentvolumeclaims/status"),
        rule("create", STORAGE, "storageclasses"),
    ),
    "node-ipam-controller": (rule("update", "", "nodes"),),
    # Upstream's is part of system:kube-controller-manager, and makes Secrets too.
    "service-account-token-controller": (
        rule("delete", "", "secrets"), rule("get", "", "serviceaccounts"),
    ),
    "trace-collector": (rule("delete", "trace.vaina.dev", "podtraces"),),
}  # fmt: skip
