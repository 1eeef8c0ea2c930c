"""The default roles and bindings. Pure.

Names and rules are upstream's (`plugin/pkg/auth/authorizer/rbac/bootstrappolicy`: `policy.go`,
`controller_policy.go`, `namespace_policy.go`) as far as vaina has the resources; how they differ, and why, is
in docs/security.md. The controllers run in one process, under one name; each has its role all the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from vaina.api.rbac.v1 import rbac_pb2
from vaina.kinds import EVENT, KINDS, POD_TRACE, Kind
from vaina.objects import service_accounts
from vaina.objects.rules import Rule, message_of

AUTO_UPDATE: Final = "rbac.authorization.kubernetes.io/autoupdate"
_BOOTSTRAPPING: Final = ("kubernetes.io/bootstrapping", "rbac-defaults")
_AGGREGATE: Final = "rbac.authorization.k8s.io/aggregate-to-"
GROUP: Final = "rbac.authorization.k8s.io"
SCHEDULER: Final = "system:kube-scheduler"
CONTROLLERS: Final = "system:kube-controller-manager"
DASHBOARD: Final = "system:vaina-dashboard"
_AUTHENTICATED: Final = "system:authenticated"
_UNAUTHENTICATED: Final = "system:unauthenticated"

_READ: Final = "get list watch"
_WRITE: Final = "create update patch delete deletecollection"
_READ_WRITE: Final = f"{_READ} {_WRITE}"

Rules = Sequence[Rule]


def _rule(verbs: str, group: str | tuple[str, ...], resources: str, names: str = "") -> Rule:
    """Make a rule of words, in the order in which upstream's builder has them; `group` may be several."""
    words = (tuple(sorted(text.split())) for text in (verbs, resources, names))
    sorted_verbs, sorted_resources, sorted_names = words
    groups = (group,) if isinstance(group, str) else group
    return Rule(sorted_verbs, groups, sorted_resources, sorted_names)


def _urls(urls: str) -> Rule:
    return Rule(("get",), urls=tuple(sorted(urls.split())))


def _of_kinds(verbs: str, kinds: Iterable[Kind[Any]]) -> Rules:
    """Make the rules for all objects of some kinds, and for none of their sub-resources."""
    groups: dict[str, list[str]] = {}
    for kind in kinds:
        groups.setdefault(kind.group, []).append(kind.plural)
    return [_rule(verbs, group, " ".join(plurals)) for group, plurals in groups.items()]


#: kinds whose objects own others, or are owned
OWNERS: Final = [kind for kind in KINDS if kind not in (EVENT, POD_TRACE)]
#: Events are asked for under both (`vaina/objects/views/`)
_EVENT_GROUPS: Final = ("", "events.k8s.io")
_EVENTS: Final = _rule("create update patch", _EVENT_GROUPS, "events")
#: of our own components, which patch none
_OWN_EVENTS: Final = _rule("create update", "", "events")
_HEALTH: Final = "/healthz /livez /readyz /version /version/"
_CERTIFICATES: Final = "certificates.k8s.io"
_STORAGE: Final = "storage.k8s.io"
_DISCOVERY: Final = "discovery.k8s.io"
_NETWORKING: Final = "networking.k8s.io"
_RESOURCE: Final = "resource.k8s.io"
_REVIEWS: Final = "authorization.k8s.io"

_CLUSTER_ROLES: Final[Mapping[str, Rules]] = {
    "cluster-admin": (Rule(("*",), ("*",), ("*",)), Rule(("*",), urls=("*",))),
    "system:discovery": (_urls(f"{_HEALTH} /openapi /openapi/* /api /api/* /apis /apis/*"),),
    "system:public-info-viewer": (_urls(_HEALTH),),
    "system:monitoring": (_urls("/metrics /metrics/slis /livez /readyz /healthz /livez/* /readyz/* /healthz/*"),),
    "system:basic-user": (
        _rule("create", _REVIEWS, "selfsubjectaccessreviews selfsubjectrulesreviews"),
        _rule("create", "authentication.k8s.io", "selfsubjectreviews"),
    ),
    "system:aggregate-to-admin": (
        _rule("create", _REVIEWS, "localsubjectaccessreviews"),
        _rule(_READ_WRITE, GROUP, "roles rolebindings"),
    ),
    "system:aggregate-to-edit": (
        _rule(_READ, "", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
        _rule("impersonate", "", "serviceaccounts"),
        _rule(_WRITE, "", "pods pods/attach pods/exec pods/portforward pods/proxy"),
        _rule("create", "", "pods/eviction"),
        _rule(
            _WRITE, "",
            "configmaps persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets "
            "serviceaccounts services services/proxy",
        ),
        _rule("create", "", "serviceaccounts/token"),
        _rule(_WRITE, _EVENT_GROUPS, "events"),
        _rule(
            _WRITE, "apps",
            "daemonsets deployments deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale",
        ),
        _rule(_WRITE, "autoscaling", "horizontalpodautoscalers"),
        _rule(_WRITE, "batch", "cronjobs jobs"),
        _rule(_WRITE, "policy", "poddisruptionbudgets"),
        _rule(_WRITE, _NETWORKING, "ingresses networkpolicies"),
        _rule(_WRITE, _RESOURCE, "resourceclaims resourceclaimtemplates"),
        _rule(_READ_WRITE, "coordination.k8s.io", "leases"),
    ),
    "system:aggregate-to-view": (
        _rule(
            _READ, "",
            "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers "
            "replicationcontrollers/scale serviceaccounts services services/status",
        ),
        _rule(
            _READ, "",
            "limitranges namespaces/status pods/log pods/status replicationcontrollers/status "
            "resourcequotas resourcequotas/status",
        ),
        _rule(_READ, "", "namespaces"),
        _rule(_READ, _EVENT_GROUPS, "events"),
        _rule(
            _READ, "apps",
            "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status "
            "replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
        ),
        _rule(_READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
        _rule(_READ, "batch", "cronjobs cronjobs/status jobs jobs/status"),
        _rule(_READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
        _rule(_READ, _DISCOVERY, "endpointslices"),
        _rule(_READ, _NETWORKING, "ingresses ingresses/status networkpolicies"),
        _rule(_READ, _RESOURCE, "resourceclaims resourceclaims/status resourceclaimtemplates"),
        # vaina's own: the steps of the Pods that one may see
        _rule(_READ, "trace.vaina.dev", "podtraces"),
    ),
    # As metrics-server brings it.
    "system:aggregated-metrics-reader": (_rule(_READ, "metrics.k8s.io", "nodes pods"),),
    "system:auth-delegator": (
        _rule("create", "authentication.k8s.io", "tokenreviews"), _rule("create", _REVIEWS, "subjectaccessreviews"),
    ),
    # How others check tokens of this cluster; no more than what anybody may know of the keys.
    "system:service-account-issuer-discovery": (
        _urls("/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/"),
    ),
    "system:persistent-volume-provisioner": (
        _rule("create delete get list watch", "", "persistentvolumes"),
        _rule("get list update watch", "", "persistentvolumeclaims"),
        _rule(_READ, _STORAGE, "storageclasses"),
        _rule("watch", "", "events"),
        _EVENTS,
    ),
    "system:node-problem-detector": (
        _rule("get", "", "nodes"), _rule("patch", "", "nodes/status"), _EVENTS,
    ),
    # For nodes the Node authorizer answers; the role has no subjects, as upstream's.
    "system:node": (
        _rule("create get list watch", "", "nodes"),
        _rule("patch update", "", "nodes/status"),
        _rule("patch update", "", "nodes"),
        _rule("create patch update", _EVENT_GROUPS, "events"),
        _rule(_READ, "", "pods"),
        _rule("create delete", "", "pods"),
        _rule("patch update", "", "pods/status"),
        _rule("create", "", "pods/eviction"),
        _rule(_READ, "", "configmaps secrets"),
        _rule("get", "", "persistentvolumeclaims persistentvolumes"),
        _rule("create get list watch", _CERTIFICATES, "certificatesigningrequests"),
        _rule("create delete get patch update", "coordination.k8s.io", "leases"),
        _rule(_READ, "node.k8s.io", "runtimeclasses"),
        _rule("create", "", "serviceaccounts/token"),
        _rule("create", "trace.vaina.dev", "podtraces/report"),
    ),
    "system:node-bootstrapper": (_rule("create get list watch", _CERTIFICATES, "certificatesigningrequests"),),
    "system:certificates.k8s.io:certificatesigningrequests:nodeclient": (
        _rule("create", _CERTIFICATES, "certificatesigningrequests/nodeclient"),
    ),
    "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient": (
        _rule("create", _CERTIFICATES, "certificatesigningrequests/selfnodeclient"),
    ),
    **{
        f"system:certificates.k8s.io:{signer}-approver": (
            _rule("approve", _CERTIFICATES, "signers", f"kubernetes.io/{signer}"),
        )
        for signer in (
            "kube-apiserver-client", "kube-apiserver-client-kubelet", "kubelet-serving", "legacy-unknown",
        )
    },
    SCHEDULER: (
        _OWN_EVENTS,
        # Who may call its own service.
        _rule("create", _REVIEWS, "subjectaccessreviews"),
        _rule("list watch", "", "namespaces nodes"),
        _rule("delete get list watch", "", "pods"),
        _rule("create", "", "pods/binding"),
        _rule("update", "", "pods/status"),
        _rule("list watch", "policy", "poddisruptionbudgets"),
        _rule("list watch", _STORAGE, "csidrivers csinodes csistoragecapacities volumeattachments"),
        _rule("create", "trace.vaina.dev", "podtraces/report"),
    ),
    "system:volume-scheduler": (
        _rule("list update watch", "", "persistentvolumeclaims persistentvolumes"),
        _rule("list watch", _STORAGE, "storageclasses"),
    ),
    # vaina's own: the page, which changes nothing and sees no Secret and no ConfigMap
    # What its views follow, a Pod's node, log and owners with their children: tests/unit/dashboard/test_role.py.
    DASHBOARD: (
        _rule("list watch", "", "events namespaces nodes pods"),
        _rule("get", "", "nodes persistentvolumeclaims pods/log replicationcontrollers"),
        _rule("get", "apps", "daemonsets deployments replicasets statefulsets"),
        _rule("get", "batch", "cronjobs jobs"),
        _rule("list", "apps", "replicasets"),
        _rule("list", "batch", "jobs"),
        _rule("list watch", "trace.vaina.dev", "podtraces"),
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
        _OWN_EVENTS, _rule("list watch", "*", "*"),
        # Who may call their own service.
        _rule("create", _REVIEWS, "subjectaccessreviews"),
    ),
}  # fmt: skip

#: What each controller asks for besides the informers, which all share; upstream's names, and vaina's own below.
CONTROLLER_ROLES: Final[Mapping[str, Rules]] = {
    "certificate-controller": (
        _rule("delete", _CERTIFICATES, "certificatesigningrequests"),
        _rule("update", _CERTIFICATES, "certificatesigningrequests/approval certificatesigningrequests/status"),
        # vaina's controller approves kubelets' serving certificates too, and looks whether a node lives.
        _rule(
            "approve", _CERTIFICATES, "signers",
            "kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving",
        ),
        _rule("get", "coordination.k8s.io", "leases"),
        _rule(
            "sign", _CERTIFICATES, "signers",
            "kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving",
        ),
    ),
    # Not to escalate, as upstream's may: what it writes is looked at (`apiserver/admission/escalation.py`).
    "clusterrole-aggregation-controller": (_rule("update", GROUP, "clusterroles"),),
    "cronjob-controller": (
        _rule("get", "batch", "cronjobs"),
        _rule("create delete get", "batch", "jobs"),
        _rule("update", "batch", "cronjobs/status"),
    ),
    "daemon-set-controller": (
        _rule("get", "apps", "daemonsets"),
        _rule("update", "apps", "daemonsets/status"),
        _rule("create delete get update", "", "pods"),
        _rule("create delete get update", "apps", "controllerrevisions"),
    ),
    "deployment-controller": (
        _rule("get", "apps", "deployments"),
        _rule("update", "apps", "deployments/status"),
        _rule("create delete get update", "apps", "replicasets"),
    ),
    "disruption-controller": (
        _rule("list", "", "pods"),
        _rule("update", "policy", "poddisruptionbudgets/status"),
        _rule("update", "", "pods/status"),
    ),
    "ephemeral-volume-controller": (_rule("create", "", "persistentvolumeclaims"),),
    "generic-garbage-collector": _of_kinds("delete get update", OWNERS),
    "horizontal-pod-autoscaler": (
        _rule("update", "autoscaling", "horizontalpodautoscalers/status"),
        _rule("get update", "*", "*/scale"),
        _rule("list", "metrics.k8s.io", "pods"),
    ),
    "job-controller": (
        _rule("get", "batch", "jobs"),
        _rule("update", "batch", "jobs/status"),
        _rule("create delete get list patch update", "", "pods"),
    ),
    "namespace-controller": (
        _rule("get", "", "namespaces"),
        _rule("update", "", "namespaces/finalize namespaces/status"),
        *_of_kinds("delete deletecollection", [kind for kind in KINDS if kind.namespaced]),
    ),
    "node-controller": (
        _rule("update", "", "nodes"),
        _rule("update", "", "nodes/status"),
        _rule("update", "", "pods/status"),
        _rule("delete", "", "pods"),
    ),
    "persistent-volume-binder": (
        _rule("get update", "", "persistentvolumes"),
        _rule("update", "", "persistentvolumes/status"),
        _rule("get update", "", "persistentvolumeclaims"),
        _rule("update", "", "persistentvolumeclaims/status"),
    ),
    "pod-garbage-collector": (
        _rule("delete", "", "pods"), _rule("get", "", "nodes"), _rule("update", "", "pods/status"),
    ),
    "pv-protection-controller": (_rule("update", "", "persistentvolumes"),),
    "pvc-protection-controller": (
        _rule("update", "", "persistentvolumeclaims"), _rule("list", "", "pods"),
    ),
    "replicaset-controller": (
        _rule("get", "apps", "replicasets"),
        _rule("update", "apps", "replicasets/status"),
        _rule("create delete get update", "", "pods"),
    ),
    "replication-controller": (
        _rule("get", "", "replicationcontrollers"),
        _rule("update", "", "replicationcontrollers/status"),
        _rule("create delete get update", "", "pods"),
    ),
    "resourcequota-controller": (_rule("update", "", "resourcequotas/status"),),
    "root-ca-cert-publisher": (_rule("create update", "", "configmaps"),),
    "service-account-controller": (_rule("create", "", "serviceaccounts"),),
    "statefulset-controller": (
        _rule("get", "apps", "statefulsets"),
        _rule("update", "apps", "statefulsets/status"),
        _rule("create delete get update", "", "pods"),
        _rule("create delete get update", "apps", "controllerrevisions"),
        _rule("create update", "", "persistentvolumeclaims"),
    ),
    "ttl-after-finished-controller": (_rule("delete get", "batch", "jobs"),),
    # vaina's own
    "local-path-provisioner": (
        _rule("get", "", "nodes"),
        _rule("create delete update", "", "persistentvolumes"),
        _rule("update", "", "persistentvolumeclaims persistentvolumeclaims/status"),
        _rule("create", _STORAGE, "storageclasses"),
    ),
    "node-ipam-controller": (_rule("update", "", "nodes"),),
    # Upstream's is part of system:kube-controller-manager, and makes Secrets too.
    "service-account-token-controller": (
        _rule("delete", "", "secrets"), _rule("get", "", "serviceaccounts"),
    ),
    "trace-collector": (_rule("delete", "trace.vaina.dev", "podtraces"),),
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
    return _rule("create", group, "leases"), _rule("get list update watch", group, "leases", name)


#: namespace, name -> rules
_ROLES: Final[Mapping[tuple[str, str], Rules]] = {
    (_SYSTEM, "extension-apiserver-authentication-reader"): (
        _rule(_READ, "", "configmaps", "extension-apiserver-authentication"),
    ),
    (_SYSTEM, "system::leader-locking-kube-controller-manager"): _lock("kube-controller-manager"),
    (_SYSTEM, "system::leader-locking-kube-scheduler"): _lock("kube-scheduler"),
    (_SYSTEM, "system:controller:bootstrap-signer"): (_rule(_READ, "", "secrets"),),
    (_SYSTEM, "system:controller:token-cleaner"): (_rule("delete", "", "secrets"),),
    # who leads
    (_SYSTEM, DASHBOARD): (_rule("list", "coordination.k8s.io", "leases"),),
    (_PUBLIC, "system:controller:bootstrap-signer"): (
        _rule(_READ, "", "configmaps"), _rule("update", "", "configmaps", "cluster-info"), _EVENTS,
    ),
    # vaina's own: which addresses nodes have is kept there
    (_SYSTEM, "system:controller:node-ipam-controller"): (
        _rule("create", "", "configmaps"), _rule("get update", "", "configmaps", "pod-cidrs"),
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
