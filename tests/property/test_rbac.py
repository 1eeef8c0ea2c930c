"""The RBAC authorizer says what a plain look at every binding and every rule says, whatever was changed before.

The plain look is written after `pkg/registry/rbac/validation/rule.go` and
`pkg/apis/rbac/v1/evaluation_helpers.go`, and knows neither tables nor caches.
"""

from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from apiserver.authorization.attributes import Attributes
from tests.support.rbac import empty_roles
from vaina.api.rbac.v1 import rbac_pb2
from vaina.objects.rules import message_of, missing, pieces, rules_of
from vaina.serving.handlers import User

_VERBS: Final = ("get", "list", "create", "*")
_GROUPS: Final = ("", "apps", "*")
_RESOURCES: Final = ("pods", "pods/log", "deployments/scale", "*/scale", "*/log", "*")
_NAMES: Final = ("a", "b", "")
_URLS: Final = ("/version", "/api/*", "/api*", "*", "/")
_NAMESPACES: Final = ("x", "y")
_USERS: Final = ("jane", "joe", "system:serviceaccount:x:bot", "system:serviceaccount:y:bot")
_USER_GROUPS: Final = ("dev", "ops")


def some(values: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2)


resource_rules = st.builds(
    rbac_pb2.PolicyRule, verbs=some(_VERBS), api_groups=some(_GROUPS), resources=some(_RESOURCES),
    resource_names=st.just([]) | some(_NAMES),
)  # fmt: skip
url_rules = st.builds(rbac_pb2.PolicyRule, verbs=some(_VERBS), non_resource_urls=some(_URLS))
rules = st.lists(resource_rules | url_rules, max_size=3)
subjects = st.lists(
    st.builds(rbac_pb2.Subject, kind=st.just("User"), name=st.sampled_from(_USERS))
    | st.builds(rbac_pb2.Subject, kind=st.just("Group"), name=st.sampled_from(_USER_GROUPS))
    | st.builds(
        rbac_pb2.Subject, kind=st.just("ServiceAccount"), name=st.just("bot"),
        namespace=st.sampled_from((*_NAMESPACES, "")),
    ),
    max_size=3,
)  # fmt: skip
users = st.builds(User, st.sampled_from(_USERS), st.lists(st.sampled_from(_USER_GROUPS)).map(tuple))
requests = st.builds(
    Attributes, users, st.sampled_from(("get", "list", "create", "delete")), st.sampled_from(("", "apps", "batch")),
    st.sampled_from(("pods", "deployments", "jobs")), st.sampled_from(("", "log", "scale")),
    st.sampled_from(("", *_NAMESPACES)), st.sampled_from(_NAMES),
) | st.builds(
    Attributes, users, st.sampled_from(("get", "create")), path=st.sampled_from(("/version", "/api", "/api/v1", "/"))
)  # fmt: skip


@st.composite
def objects(draw: st.DrawFn) -> Any:
    namespace = draw(st.sampled_from(("", *_NAMESPACES)))
    if draw(st.booleans()):
        role: Any = (rbac_pb2.Role if namespace else rbac_pb2.ClusterRole)(rules=draw(rules))
        role.metadata.namespace, role.metadata.name = namespace, draw(st.sampled_from(("r", "s")))
        return role
    binding: Any = (rbac_pb2.RoleBinding if namespace else rbac_pb2.ClusterRoleBinding)(
        subjects=draw(subjects)
    )
    binding.metadata.namespace, binding.metadata.name = namespace, draw(st.sampled_from(("b", "c")))
    binding.role_ref.kind = draw(st.sampled_from(("Role", "ClusterRole"))) if namespace else "ClusterRole"
    binding.role_ref.name = draw(st.sampled_from(("r", "s")))
    return binding


def key_of(obj: Any) -> tuple[str, str, str]:
    return obj.DESCRIPTOR.name, obj.metadata.namespace, obj.metadata.name


def plainly(stored: dict[tuple[str, str, str], Any], asked: Attributes) -> bool:
    for (kind, namespace, _), binding in stored.items():
        if not kind.endswith("Binding") or namespace not in ("", asked.namespace):
            continue
        if not any(is_subject(asked.user, subject, namespace) for subject in binding.subjects):
            continue
        ref = binding.role_ref
        role = stored.get((ref.kind, "" if ref.kind == "ClusterRole" else namespace, ref.name))
        if role is not None and any(rule_allows(rule, asked) for rule in role.rules):
            return True
    return False


def is_subject(user: User, subject: Any, namespace: str) -> bool:
    if subject.kind == "User":
        return user.name == subject.name
    if subject.kind == "Group":
        return subject.name in user.groups
    place = subject.namespace or namespace
    return bool(place) and user.name == f"system:serviceaccount:{place}:{subject.name}"


def rule_allows(rule: Any, asked: Attributes) -> bool:
    if not any(verb in ("*", asked.verb) for verb in rule.verbs):
        return False
    if not asked.resource:
        return any(
            url in ("*", asked.path) or (url.endswith("*") and asked.path.startswith(url.rstrip("*")))
            for url in rule.non_resource_urls
        )
    return (
        any(group in ("*", asked.group) for group in rule.api_groups)
        and any(
            resource in ("*", asked.combined) or (asked.subresource and resource == f"*/{asked.subresource}")
            for resource in rule.resources
        )
        and (not rule.resource_names or asked.name in rule.resource_names)
    )


@given(st.lists(st.tuples(objects(), st.booleans()), max_size=12), st.lists(requests, min_size=1, max_size=8))
def test_decisions_are_those_of_a_plain_evaluator(
    changes: list[tuple[Any, bool]], asked: list[Attributes]
) -> None:
    roles, stored = empty_roles(), dict[tuple[str, str, str], Any]()
    for obj, is_put in changes:
        kind, *key = key_of(obj)
        if is_put:
            stored[key_of(obj)] = obj
            (roles.put_binding if kind.endswith("Binding") else roles.put_role)(obj)
        else:
            stored.pop(key_of(obj), None)
            (roles.remove_binding if kind.endswith("Binding") else roles.remove_role)((key[0], key[1]))
        # Twice: the second answer is a kept one.
        for request in (*asked, *asked):
            verdict = roles.authorize(request)
            assert verdict.is_allowed == plainly(stored, request)
            if verdict.any_name:
                assert all(plainly(stored, request._replace(name=name)) for name in _NAMES)


@given(rules, rules, requests)
def test_what_covers_a_rule_allows_what_it_allows(
    owned: list[rbac_pb2.PolicyRule], wanted: list[rbac_pb2.PolicyRule], asked: Attributes
) -> None:
    lacking = missing(rules_of(owned), rules_of(wanted))
    if any(rule_allows(rule, asked) for rule in wanted):
        given_by = (*owned, *map(message_of, lacking))
        assert any(rule_allows(rule, asked) for rule in given_by)
    assert not missing(rules_of([*owned, *map(message_of, lacking)]), rules_of(wanted))


@given(rules, requests)
def test_the_pieces_of_rules_allow_what_the_rules_allow(
    whole: list[rbac_pb2.PolicyRule], asked: Attributes
) -> None:
    broken = [message_of(piece) for rule in rules_of(whole) for piece in pieces(rule)]
    assert any(rule_allows(rule, asked) for rule in whole) == any(rule_allows(rule, asked) for rule in broken)
