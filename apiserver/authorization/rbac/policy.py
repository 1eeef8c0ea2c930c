"""The default roles and bindings; the controllers' roles are in `controller_policy.py`. Pure.

Names and rules are upstream's (`plugin/pkg/auth/authorizer/rbac/bootstrappolicy`: `policy.go`,
`namespace_policy.go`) as far as vaina has the resources; how they differ, and why, is in docs/security.md.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from apiserver.authorization.rbac.controller_policy import CONTROLLER_ROLES
from apiserver.authorization.rbac.rule_builder import (
    CERTIFICATES,
    DISCOVERY,
    EVENT_GROUPS,
    EVENTS,
    GROUP,
    NETWORKING,
    OWN_EVENTS,
    READ,
    READ_WRITE,
    RESOURCE,
    REVIEWS,
    STORAGE,
    WRITE,
    Rules,
    rule,
    urls,
)
from vaina.api.rbac.v1 import rbac_pb2
from vaina.objects import service_accounts
from vaina.objects.rules import Rule, message_of

AUTO_UPDATE: Final = "rbac.authorization.kubernetes.io/autoupdate"
_BOOTSTRAPPING: Final = ("kubernetes.io/bootstrapping", "rbac-defaults")
_AGGREGATE: Final = "rbac.authorization.k8s.io/aggregate-to-"
SCHEDULER: Final = "system:kube-scheduler"
CONTROLLERS: Final = "system:kube-controller-manager"
DASHBOARD: Final = "system:vaina-dashboard"
_AUTHENTICATED: Final = "system:authenticated"
_UNAUTHENTICATED: Final = "system:unauthenticated"

_HEALTH: Final = "/healthz /livez /readyz /version /version/"

_CLUSTER_ROLES: Final[Mapping[str, Rules]] = {
    "cluster-admin": (Rule(("*",), ("*",), ("*",)), Rule(("*",), urls=("*",))),
    "system:discovery": (urls(f"{_HEALTH} /openapi /openapi/* /api /api/* /apis /apis/*"),),
    "system:public-info-viewer": (urls(_HEALTH),),
    "system:monitoring": (urls("/metrics /metrics/slis /livez /readyz /healthz /livez/* /readyz/* /healthz/*"),),
    "system:basic-user": (
        rule("create", REVIEWS, "selfsubjectaccessreviews selfsubjectrulesreviews"),
        rule("create", "authentication.k8s.io", "selfsubjectreviews"),
    ),
    "system:aggregate-to-admin": (
        rule("create", REVIEWS, "localsubjectaccessreviews"),
        rule(READ_WRITE, GROUP, "roles rolebindings"),
    ),
    "system:aggregate-to-edit": (
        rule(READ, "", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
        rule("impersonate", "", "serviceaccounts"),
        rule(WRITE, "", "pods pods/attach pods/exec pods/portforward pods/proxy"),
        rule("create", "", "pods/eviction"),
        rule(
            WRITE, "",
            "configmaps persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets "
            "serviceaccounts services services/proxy",
        ),
        rule("create", "", "serviceaccounts/token"),
        rule(WRITE, EVENT_GROUPS, "events"),
        rule(
            WRITE, "apps",
            "daemonsets deployments deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale",
        ),
        rule(WRITE, "autoscaling", "horizontalpodautoscalers"),
        rule(WRITE, "batch", "cronjobs jobs"),
        rule(WRITE, "policy", "poddisruptionbudgets"),
        rule(WRITE, NETWORKING, "ingresses networkpolicies"),
        rule(WRITE, RESOURCE, "resourceclaims resourceclaimtemplates"),
        rule(READ_WRITE, "coordination.k8s.io", "leases"),
    ),
    "system:aggregate-to-view": (
        rule(
            READ, "",
            "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers "
            "replicationcontrollers/scale serviceaccounts services services/status",
        ),
        rule(
            READ, "",
            "limitranges namespaces/status pods/log pods/status replicationcontrollers/status "
            "resourcequotas resourcequotas/status",
        ),
        rule(READ, "", "namespaces"),
        rule(READ, EVENT_GROUPS, "events"),
        rule(
            READ, "apps",
            "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status "
            "replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
        ),
        rule(READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
        rule(READ, "batch", "cronjobs cronjobs/status jobs jobs/status"),
        rule(READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
        rule(READ, DISCOVERY, "endpointslices"),
        rule(READ, NETWORKING, "ingresses ingresses/status networkpolicies"),
        rule(READ, RESOURCE, "resourceclaims resourceclaims/status resourceclaimtemplates"),
        # vaina's own: the steps of the Pods that one may see
        rule(READ, "trace.vaina.dev", "podtraces"),
    ),
    # As metrics-server brings it.
    "system:aggregated-metrics-reader": (rule(READ, "metrics.k8s.io", "nodes pods"),),
    "system:auth-delegator": (
        rule("create", "authentication.k8s.io", "tokenreviews"), rule("create", REVIEWS, "subjectaccessreviews"),
    ),
    # How others check tokens of this cluster; no more than what anybody may know of the keys.
    "system:service-account-issuer-discovery": (
        urls("/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/"),
    ),
    "system:persistent-volume-provisioner": (
        rule("create delete get list watch", "", "persistentvolumes"),
        rule("get list update watch", "", "persistentvolumeclaims"),
        rule(READ, STORAGE, "storageclasses"),
        rule("watch", "", "events"),
        EVENTS,
    ),
    "system:node-problem-detector": (
        rule("get", "", "nodes"), rule("patch", "", "nodes/status"), EVENTS,
    ),
    # For nodes the Node authorizer answers; the role has no subjects, as upstream's.
    "system:node": (
        rule("create get list watch", "", "nodes"),
        rule("patch update", "", "nodes/status"),
        rule("patch update", "", "nodes"),
        rule("create patch update", EVENT_GROUPS, "events"),
        rule(READ, "", "pods"),
        rule("create delete", "", "pods"),
        rule("patch update", "", "pods/status"),
        rule("create", "", "pods/eviction"),
        rule(READ, "", "configmaps secrets"),
        rule("get", "", "persistentvolumeclaims persistentvolumes"),
        rule("create get list watch", CERTIFICATES, "certificatesigningrequests"),
        rule("create delete get patch update", "coordination.k8s.io", "leases"),
        rule(READ, "node.k8s.io", "runtimeclasses"),
        rule("create", "", "serviceaccounts/token"),
        rule("create", "trace.vaina.dev", "podtraces/report"),
    ),
    "system:node-bootstrapper": (rule("create get list watch", CERTIFICATES, "certificatesigningrequests"),),
    "system:certificates.k8s.io:certificatesigningrequests:nodeclient": (
        rule("create", CERTIFICATES, "certificatesigningrequests/nodeclient"),
    ),
    "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient": (
        rule("create", CERTIFICATES, "certificatesigningrequests/selfnodeclient"),
    ),
    **{
        f"system:certificates.k8s.io:{signer}-approver": (
            rule("approve", CERTIFICATES, "signers", f"kubernetes.io/{signer}"),
        )
        for signer in (
            "kube-apiserver-client", "kube-apiserver-client-kubelet", "kubelet-serving", "legacy-unknown",
        )
    },
    SCHEDULER: (
        OWN_EVENTS,
        # Who may call its own service.
        rule("create", REVIEWS, "subjectaccessreviews"),
        rule("list watch", "", "namespaces nodes"),
        rule("delete get list watch", "", "pods"),
        rule("create", "", "pods/binding"),
        rule("update", "", "pods/status"),
        rule("list watch", "policy", "poddisruptionbudgets"),
        rule("list watch", STORAGE, "csidrivers csinodes csistoragecapacities volumeattachments"),
        rule("create", "trace.vaina.dev", "podtraces/report"),
    ),
    "system:volume-scheduler": (
        rule("list update watch", "", "persistentvolumeclaims persistentvolumes"),
        rule("list watch", STORAGE, "storageclasses"),
    ),
    # vaina's own: the page, which changes nothing and sees no Secret and no ConfigMap
    # What its views follow, a Pod's node, log and owners with their children: tests/unit/dashboard/test_role.py.
    DASHBOARD: (
        rule("list watch", "", "events namespaces nodes pods"),
        rule("get", "", "nodes persistentvolumeclaims pods/log replicationcontrollers"),
        rule("get", "apps", "daemonsets deployments replicasets statefulsets"),
        rule("get", "batch", "cronjobs jobs"),
        rule("list", "apps", "replicasets"),
        rule("list", "batch", "jobs"),
        rule("list watch", "trace.vaina.dev", "podtraces"),
        Rule(
            ("post",),
            urls=(
                "/vaina.api.controller.v1.ControllerService/ListControllers",
                "/vaina.api.scheduler.v1.SchedulerService/Explain",
                "/vaina.api.scheduler.v1.SchedulerService/ListDecisions",
                "/vaina.api.scheduler.v1.SchedulerService/Overview",
            ),
        ),
        Rule(("get",), urls=("/machinery",)),
    ),
    CONTROLLERS: (
        OWN_EVENTS, rule("list watch", "*", "*"),
        # Who may call their own service.
        rule("create", REVIEWS, "subjectaccessreviews"),
    ),
}  # fmt: skip

_LABELS: Final[Mapping[str, str]] = {
    "edit": "admin", "view": "edit", "system:aggregate-to-admin": "admin", "system:aggregate-to-edit": "edit",
    "system:aggregate-to-view": "view", "system:aggregated-metrics-reader": "view",
}  # fmt: skip

#: role -> its subjects: kind and name
_CLUSTER_BINDINGS: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    "cluster-admin": (("Group", "system:masters"),),
    "system:monitoring": (("Group", "system:monitoring"),),
    "system:discovery": (("Group", _AUTHENTICATED),),
    "system:basic-user": (("Group", _AUTHENTICATED),),
    "system:public-info-viewer": (("Group", _AUTHENTICATED), ("Group", _UNAUTHENTICATED)),
    "system:service-account-issuer-discovery": (("Group", service_accounts.GROUP),),
    SCHEDULER: (("User", SCHEDULER),),
    DASHBOARD: (("User", DASHBOARD),),
    "system:volume-scheduler": (("User", SCHEDULER),),
    CONTROLLERS: (("User", CONTROLLERS),),
    "system:node": (),
    **{f"system:controller:{name}": (("User", CONTROLLERS),) for name in CONTROLLER_ROLES},
}
_SYSTEM, _PUBLIC = "kube-system", "kube-public"


def _lock(name: str) -> Rules:
    """Return what a component needs of its Lease; a create names nothing."""
    group = "coordination.k8s.io"
    return rule("create", group, "leases"), rule("get list update watch", group, "leases", name)


#: namespace, name -> rules
_ROLES: Final[Mapping[tuple[str, str], Rules]] = {
    (_SYSTEM, "extension-apiserver-authentication-reader"): (
        rule(READ, "", "configmaps", "extension-apiserver-authentication"),
    ),
    (_SYSTEM, "system::leader-locking-kube-controller-manager"): _lock("kube-controller-manager"),
    (_SYSTEM, "system::leader-locking-kube-scheduler"): _lock("kube-scheduler"),
    (_SYSTEM, "system:controller:bootstrap-signer"): (rule(READ, "", "secrets"),),
    (_SYSTEM, "system:controller:token-cleaner"): (rule("delete", "", "secrets"),),
    # who leads
    (_SYSTEM, DASHBOARD): (rule("list", "coordination.k8s.io", "leases"),),
    (_PUBLIC, "system:controller:bootstrap-signer"): (
        rule(READ, "", "configmaps"), rule("update", "", "configmaps", "cluster-info"), EVENTS,
    ),
    # vaina's own: which addresses nodes have is kept there
    (_SYSTEM, "system:controller:node-ipam-controller"): (
        rule("create", "", "configmaps"), rule("get update", "", "configmaps", "pod-cidrs"),
    ),
}  # fmt: skip
#: namespace, name -> role, users
_BINDINGS: Final[Mapping[tuple[str, str], tuple[str, Sequence[str]]]] = {
    (_SYSTEM, "system::extension-apiserver-authentication-reader"): (
        "extension-apiserver-authentication-reader", (CONTROLLERS, SCHEDULER),
    ),
    (_SYSTEM, "system::leader-locking-kube-controller-manager"): (
        "system::leader-locking-kube-controller-manager", (CONTROLLERS,),
    ),
    (_SYSTEM, "system::leader-locking-kube-scheduler"): (
        "system::leader-locking-kube-scheduler", (SCHEDULER,),
    ),
    (_SYSTEM, "system:controller:node-ipam-controller"): (
        "system:controller:node-ipam-controller", (CONTROLLERS,),
    ),
    (_SYSTEM, "system:controller:token-cleaner"): ("system:controller:token-cleaner", (CONTROLLERS,)),
    (_SYSTEM, DASHBOARD): (DASHBOARD, (DASHBOARD,)),
}  # fmt: skip


def cluster_roles() -> list[rbac_pb2.ClusterRole]:
    """Return the ClusterRoles. The rules of aggregating ones come from the aggregation controller."""
    rules = dict(_CLUSTER_ROLES) | {f"system:controller:{name}": of for name, of in CONTROLLER_ROLES.items()}
    made = [_role(rbac_pb2.ClusterRole(), name, of) for name, of in rules.items()]
    for name in ("admin", "edit", "view"):
        role = _role(rbac_pb2.ClusterRole(), name, ())
        role.aggregation_rule.cluster_role_selectors.add().match_labels[_AGGREGATE + name] = "true"
        made.append(role)
    for role in made:
        if role.metadata.name in _LABELS:
            role.metadata.labels[_AGGREGATE + _LABELS[role.metadata.name]] = "true"
    return made


def cluster_role_bindings() -> list[rbac_pb2.ClusterRoleBinding]:
    """Return the ClusterRoleBindings."""
    return [_bound(rbac_pb2.ClusterRoleBinding(), role, role, of) for role, of in _CLUSTER_BINDINGS.items()]


def roles() -> list[rbac_pb2.Role]:
    """Return the Roles in namespaces of the system."""
    return [_role(rbac_pb2.Role(), name, of, namespace) for (namespace, name), of in _ROLES.items()]


def role_bindings() -> list[rbac_pb2.RoleBinding]:
    """Return the RoleBindings in namespaces of the system."""
    return [
        _bound(rbac_pb2.RoleBinding(), name, role, [("User", user) for user in users], namespace)
        for (namespace, name), (role, users) in _BINDINGS.items()
    ]


def _named(made: Any, name: str, namespace: str) -> Any:
    made.metadata.name, made.metadata.namespace = name, namespace
    made.metadata.labels[_BOOTSTRAPPING[0]] = _BOOTSTRAPPING[1]
    made.metadata.annotations[AUTO_UPDATE] = "true"
    return made


def _role(made: Any, name: str, rules: Rules, namespace: str = "") -> Any:
    made.rules.extend(map(message_of, rules))
    return _named(made, name, namespace)


def _bound(made: Any, name: str, role: str, subjects: Sequence[tuple[str, str]], namespace: str = "") -> Any:
    made.role_ref.api_group, made.role_ref.name = GROUP, role
    made.role_ref.kind = "Role" if namespace else "ClusterRole"
    for kind, subject in subjects:
        made.subjects.add(kind=kind, api_group=GROUP, name=subject)
    return _named(made, name, namespace)
