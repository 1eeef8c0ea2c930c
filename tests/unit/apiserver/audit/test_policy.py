"""Audit policies: which rule matches what, what is wrong with a file, and what the default policy writes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.audit.policy import Auditing, Level, Policy, PolicyRule, read_policy
from apiserver.authorization.attributes import Attributes
from apiserver.authorization.methods import PER_DOCUMENT, action_of
from tests.support.apiserver import make_apiserver
from vaina.config import ConfigError
from vaina.serving.handlers import User

ROOT = Path(__file__).parents[4]
HEAD = "apiVersion: audit.k8s.io/v1\nkind: Policy\n"
JANE = User("jane", ("dev", "system:authenticated"))
NODE = User("system:node:n1", ("system:nodes", "system:authenticated"))
SCHEDULER = User("system:kube-scheduler", ("system:authenticated",))
MANAGER = User("system:kube-controller-manager", ("system:authenticated",))
PAGE = User("system:vaina-dashboard", ("system:authenticated",))


def read(tmp_path: Path, text: str) -> Policy:
    path = tmp_path / "policy.yaml"
    path.write_text(HEAD + text)
    return read_policy(path)


def asked(user: User = JANE, verb: str = "get", resource: str = "pods", **more: str) -> Attributes:
    plural, _, subresource = resource.partition("/")
    return Attributes(
        user, verb, resource=plural, subresource=subresource, **{"namespace": "default", **more}
    )


@pytest.mark.parametrize(
    ("rule", "question", "matches"),
    [
        ("users: [jane]", asked(), True),
        ("users: [john]", asked(), False),
        ("userGroups: [dev]", asked(), True),
        ("userGroups: [ops]", asked(), False),
        ("verbs: [list, get]", asked(), True),
        ("verbs: [list]", asked(), False),
        ("namespaces: [default]", asked(), True),
        ("namespaces: [other]", asked(), False),
        ("namespaces: ['']", asked(resource="nodes", namespace=""), True),
        ("namespaces: [default]", Attributes(JANE, "get", path="/version"), False),
        ("resources: [{group: ''}]", asked(resource="pods/log"), True),
        ("resources: [{group: apps}]", asked(), False),
        ("resources: [{group: '*', resources: [pods]}]", asked(), True),
        ("resources: [{group: '', resources: [pods]}]", asked(resource="pods/log"), False),
        ("resources: [{group: '', resources: [pods/log]}]", asked(resource="pods/log"), True),
        ("resources: [{group: '', resources: ['pods/*']}]", asked(resource="pods/log"), True),
        ("resources: [{group: '', resources: ['pods/*']}]", asked(), True),
        ("resources: [{group: '', resources: ['*/log']}]", asked(resource="pods/log"), True),
        ("resources: [{group: '', resources: ['*/log']}]", asked(), False),
        ("resources: [{group: '', resources: ['*']}]", asked(resource="pods/log"), True),
        ("resources: [{group: '', resources: [pods], resourceNames: [a]}]", asked(name="a"), True),
        ("resources: [{group: '', resources: [pods], resourceNames: [a]}]", asked(name="b"), False),
        ("nonResourceURLs: ['/ver*']", Attributes(JANE, "get", path="/version"), True),
        ("nonResourceURLs: ['*']", asked(), False),
        ("nonResourceURLs: [/version]", Attributes(JANE, "get", path="/versions"), False),
        ("level: Metadata", asked(), True),
    ],
)  # fmt: skip
def test_a_rule_matches_what_matches_all_that_it_names(
    tmp_path: Path, rule: str, question: Attributes, matches: bool
) -> None:
    policy = read(tmp_path, f"rules: [{{level: Request{'' if 'level' in rule else f', {rule}'}}}]")
    assert policy.of(question).level is (Level.REQUEST if matches else Level.NONE)


def test_the_first_rule_counts_and_stages_and_managed_fields_are_those_of_both(tmp_path: Path) -> None:
    policy = read(
        tmp_path,
        "omitStages: [RequestReceived]\nomitManagedFields: true\nrules:\n"
        "- {level: Metadata, verbs: [get], omitStages: [Panic], omitManagedFields: false}\n"
        "- {level: RequestResponse}\n",
    )
    assert policy.of(asked()) == Auditing(Level.METADATA, frozenset(("RequestReceived", "Panic")), False)
    assert policy.of(asked(verb="list")) == Auditing(
        Level.REQUEST_RESPONSE, frozenset(("RequestReceived",)), True
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rules: []", "loaded illegal policy with 0 rules"),
        ("rules: [{}]", "rules[0].level: Required value"),
        ("rules: [{level: All}]", 'rules[0].level: Unsupported value: "All": supported values: "None", "Metadata", "Request", "RequestResponse"'),
        ("rules: [{level: None, omitStages: [Foo]}]",
         'rules[0].omitStages[0]: Invalid value: "Foo": allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic'),
        ("omitStages: [Foo]\nrules: [{level: None}]",
         'omitStages[0]: Invalid value: "Foo": allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic'),
        ("rules: [{level: None, nonResourceURLs: [a]}]",
         "rules[0].nonResourceURLs[0]: Invalid value: \"a\": non-resource URL rules must begin with a '/' character"),
        ("rules: [{level: None, nonResourceURLs: ['/a*b']}]",
         "rules[0].nonResourceURLs[0]: Invalid value: \"/a*b\": non-resource URL wildcards '*' must be the final character of the rule"),
        ("rules: [{level: None, nonResourceURLs: [/a], namespaces: [b]}]",
         'rules[0].nonResourceURLs: Invalid value: ["/a"]: rules cannot apply to both regular resources and non-resource URLs'),
        ("rules: [{level: None, resources: [{group: '', resourceNames: [a]}]}]",
         'rules[0].resources.resourceNames: Invalid value: ["a"]: using resourceNames requires at least one resource'),
        ("rules: [{level: None, resources: [{group: rbac.authorization.k8s.io/v1}]}]",
         'rules[0].resources.group: Invalid value: "rbac.authorization.k8s.io/v1": a lowercase RFC 1123 subdomain'),
        ("rules: [{level: None, user: [a]}]", "Object contains unknown field `user` - at `$.rules[0]`"),
    ],
)  # fmt: skip
def test_each_violation_is_told_in_upstreams_words(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert words in str(caught.value)


POLICY = read_policy(ROOT / "deploy" / "audit-policy.yaml")


@pytest.mark.parametrize(
    ("question", "level"),
    [
        (asked(JANE, "create"), Level.METADATA),
        (asked(JANE, "list"), Level.METADATA),
        (asked(JANE, "create", "pods/exec"), Level.METADATA),
        (asked(JANE, "get", "secrets"), Level.METADATA),
        (asked(JANE, "create", "roles", group="rbac.authorization.k8s.io"), Level.REQUEST_RESPONSE),
        (asked(NODE, "get", "secrets"), Level.METADATA),
        (asked(NODE, "list"), Level.NONE),
        (asked(NODE, "watch"), Level.NONE),
        (asked(NODE, "update", "nodes/status", namespace=""), Level.NONE),
        (asked(NODE, "update", "nodes", namespace=""), Level.METADATA),
        (asked(NODE, "delete"), Level.METADATA),
        (asked(JANE, "update", "nodes/status", namespace=""), Level.METADATA),
        (asked(NODE, "update", "leases", group="coordination.k8s.io"), Level.NONE),
        (asked(SCHEDULER, "create", "pods/binding"), Level.METADATA),
        (asked(SCHEDULER, "watch"), Level.NONE),
        (asked(MANAGER, "update", "deployments/status", group="apps"), Level.NONE),
        (asked(MANAGER, "delete"), Level.METADATA),
        (asked(MANAGER, "watch", "secrets"), Level.METADATA),
        (asked(JANE, "create", "events"), Level.NONE),
        (asked(PAGE, "watch"), Level.NONE),
        (asked(PAGE, "get", "pods/log"), Level.METADATA),
        (asked(PAGE, "get", "secrets"), Level.METADATA),
        (asked(PAGE, "delete"), Level.METADATA),
        (Attributes(PAGE, "get", path="/machinery"), Level.NONE),
        (Attributes(JANE, "get", path="/machinery"), Level.METADATA),
        (Attributes(JANE, "get", path="/version"), Level.NONE),
    ],
)  # fmt: skip
def test_the_default_policy_writes_who_wrote_what_and_what_people_read(
    question: Attributes, level: Level
) -> None:
    assert POLICY.of(question).level is level


PATHS = sorted(set(make_apiserver().app.handlers) - PER_DOCUMENT)
some = st.sampled_from
RULES = st.builds(
    PolicyRule,
    level=some(("None", "Metadata")),
    users=some(((), ("jane",), ("john",))),
    user_groups=some(((), ("dev",), ("ops",))),
    verbs=some(((), ("get",), ("create", "update"))),
    resources=st.lists(
        st.builds(
            lambda group, resources, named: {"group": group, "resources": resources, "resourceNames": named},
            some(("", "*", "apps")), some(([], ["*"], ["pods"], ["pods/log"], ["*/status"], ["pods/*"])), some(([], ["a"])),
        ),
        max_size=2,
    ).map(lambda items: tuple(map(_resources, items))),
    namespaces=some(((), ("default",))),
)  # fmt: skip


def _resources(item: dict[str, object]) -> object:
    import msgspec

    from apiserver.audit.policy import GroupResources

    return msgspec.convert(item, GroupResources)


@given(
    st.lists(RULES, max_size=5),
    some(PATHS),
    some(("default", "other")),
    some(("a", "b")),
    some(("", "status")),
)
def test_a_call_that_is_said_to_concern_no_rule_is_never_written(
    rules: list[PolicyRule], path: str, namespace: str, name: str, subresource: str
) -> None:
    policy, action = Policy(rules=tuple(rules)), action_of(path)
    verb, group, resource, own, _, other = action
    if verb not in ("get", "patch"):
        subresource = ""
    question = Attributes(JANE, verb, group, resource, own or subresource, namespace, name, other)
    narrow = policy.for_calls_of(action)
    assert narrow.of(question) == policy.of(question)
    if not narrow.may_concern(JANE, action):
        assert policy.of(question).level is Level.NONE
