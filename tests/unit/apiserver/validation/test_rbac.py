"""Roles and bindings: defaults, and what is refused."""

from typing import Any

from apiserver.validation import validate_create, validate_update
from tests.unit.apiserver.validation.cases import SUBDOMAIN, Case, case, each, read_default, violations
from vaina.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING, Kind

GROUP = "rbac.authorization.k8s.io"


def make(kind: Kind[Any], rest: str, name: str = "a") -> Any:
    place = ", namespace: b" if kind.namespaced else ""
    return read_default(
        kind, f"apiVersion: {GROUP}/v1\nkind: {kind.kind}\nmetadata: {{name: '{name}'{place}}}\n{rest}"
    )


ROLES = (
    case("any verb and any resource", "rules: [{verbs: ['*'], apiGroups: ['*'], resources: ['*', '*/scale', a/b]}]"),
    case("no rules", "rules: []"),
    case("names of several resources", "rules: [{verbs: [get], apiGroups: [''], resources: [a, b], resourceNames: [c]}]"),
    case("a rule says something", "rules: [{}]",
         "rules[0].verbs: Required value: verbs must contain at least one value",
         "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
         "rules[0].resources: Required value: resource rules must supply at least one resource"),
    case("each rule by itself", "rules: [{verbs: [get], apiGroups: [''], resources: [a]}, {verbs: [get], resources: [a]}]",
         "rules[1].apiGroups: Required value: resource rules must supply at least one api group"),
)  # fmt: skip


@each(ROLES)
def test_rules(case: Case) -> None:
    for kind in (ROLE, CLUSTER_ROLE):
        assert validate_create(kind, make(kind, case.given)) == violations(*case.want)


URLS = (
    case("URLs alone", "rules: [{verbs: [get], nonResourceURLs: [/a, /b/*]}]"),
    case("not with resources", "rules: [{nonResourceURLs: [/a], resources: [a]}]",
         "rules[0].verbs: Required value: verbs must contain at least one value",
         'rules[0].nonResourceURLs: Invalid value: ["/a"]: rules cannot apply to both regular resources and non-resource URLs'),
    case("gathering nothing", "aggregationRule: {}",
         "aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule "
         "is non-nil"),
    case("a selector that is none", "aggregationRule: {clusterRoleSelectors: [{matchExpressions: [{key: a, operator: In}]}]}",
         "aggregationRule.clusterRoleSelectors[0].matchExpressions[0].values: Required value: must be specified when `operator` "
         "is 'In' or 'NotIn'"),
)  # fmt: skip


@each(URLS)
def test_what_cluster_roles_have_besides(case: Case) -> None:
    assert validate_create(CLUSTER_ROLE, make(CLUSTER_ROLE, case.given)) == violations(*case.want)


def test_a_role_of_a_namespace_has_no_urls() -> None:
    words = (
        'rules[0].nonResourceURLs: Invalid value: ["/a"]: namespaced rules cannot apply to non-resource URLs'
    )
    role = make(ROLE, "rules: [{verbs: [get], nonResourceURLs: [/a]}]")
    assert validate_create(ROLE, role) == violations(words)


def test_names_only_have_to_fit_in_a_path() -> None:
    for kind in (ROLE, CLUSTER_ROLE):
        assert validate_create(kind, make(kind, "rules: []", "system::Some:thing_ else")) == []
        assert validate_create(kind, make(kind, "rules: []", "a/b")) == violations(
            "metadata.name: Invalid value: \"a/b\": may not contain '/'"
        )


REF = "roleRef: {kind: ClusterRole, name: r}\n"
BINDINGS = (
    case("nobody", REF),
    case("users, groups, ServiceAccounts",
         REF + "subjects: [{kind: User, name: 'a b'}, {kind: Group, name: 'x:y'}, {kind: ServiceAccount, name: s, namespace: m}]"),
    case("a role is named", "roleRef: {}",
         'roleRef.kind: Unsupported value: "": supported values: "ClusterRole"', "roleRef.name: Required value"),
    case("a role of this group", "roleRef: {apiGroup: x, kind: ClusterRole, name: a/b}",
         f'roleRef.apiGroup: Unsupported value: "x": supported values: "{GROUP}"',
         "roleRef.name: Invalid value: \"a/b\": may not contain '/'"),
    case("subjects of a known kind, with names", REF + "subjects: [{kind: Dog}, {kind: User}, {kind: Group, apiGroup: x}]",
         "subjects[0].name: Required value",
         'subjects[0].kind: Unsupported value: "Dog": supported values: "ServiceAccount", "User", "Group"',
         "subjects[1].name: Required value",
         'subjects[1].name: Invalid value: "": user name cannot be empty',
         "subjects[2].name: Required value",
         'subjects[2].name: Invalid value: "": group name cannot be empty',
         f'subjects[2].apiGroup: Unsupported value: "x": supported values: "{GROUP}"'),
    case("ServiceAccounts have a namespace, and no group",
         REF + "subjects: [{kind: ServiceAccount, name: A, apiGroup: x}]",
         f'subjects[0].name: Invalid value: "A": {SUBDOMAIN}',
         'subjects[0].apiGroup: Unsupported value: "x": supported values: ""',
         "subjects[0].namespace: Required value"),
)  # fmt: skip


@each(BINDINGS)
def test_bindings(case: Case) -> None:
    assert validate_create(CLUSTER_ROLE_BINDING, make(CLUSTER_ROLE_BINDING, case.given)) == violations(
        *case.want
    )


def test_a_binding_of_a_namespace_may_name_its_roles_and_accounts() -> None:
    binding = make(
        ROLE_BINDING, "roleRef: {kind: Role, name: r}\nsubjects: [{kind: ServiceAccount, name: s}]"
    )
    assert validate_create(ROLE_BINDING, binding) == []
    binding.role_ref.kind = "x"
    assert validate_create(ROLE_BINDING, binding) == violations(
        'roleRef.kind: Unsupported value: "x": supported values: "Role", "ClusterRole"'
    )


def test_the_role_of_a_binding_stays() -> None:
    old, new = (make(ROLE_BINDING, f"roleRef: {{kind: Role, name: {name}}}") for name in "ab")
    for one in (old, new):
        one.metadata.resource_version = "1"
    shown = f'{{"APIGroup":"{GROUP}","Kind":"Role","Name":"b"}}'
    words = f"roleRef: Invalid value: {shown}: cannot change roleRef"
    assert validate_update(ROLE_BINDING, new, old) == violations(words)
    new.role_ref.name = "a"
    new.subjects.add(kind="User", api_group=GROUP, name="jane")
    assert validate_update(ROLE_BINDING, new, old) == []


def test_defaults_name_the_group() -> None:
    made = make(
        CLUSTER_ROLE_BINDING,
        REF + "subjects: [{kind: User, name: a}, {kind: ServiceAccount, name: s, namespace: m}]",
    )
    assert made.role_ref.api_group == GROUP
    assert [subject.api_group for subject in made.subjects] == [GROUP, ""]
