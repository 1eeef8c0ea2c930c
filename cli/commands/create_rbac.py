"""`vaina create role` and its kin, as `kubectl/pkg/cmd/create`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import click

from cli import flags
from cli.commands.create import creates
from cli.failures import Failure
from cli.targets import kind_named
from vaina import kinds
from vaina.api.rbac.v1 import rbac_pb2

_GROUP: Final = kinds.ROLE.group
_VERBS: Final = frozenset((
    "*", "get", "delete", "list", "create", "update", "patch", "watch", "proxy", "deletecollection", "use", "bind",
    "escalate", "impersonate",
))  # fmt: skip
_URL_VERBS: Final = frozenset(("*", "get", "post", "put", "delete", "patch", "head", "options"))
_ROLES: Final = ((_GROUP, "roles"), (_GROUP, "clusterroles"))
#: verbs that are for some resources alone: group and plural
_SPECIAL: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    "use": (("policy", "podsecuritypolicies"), ("extensions", "podsecuritypolicies")),
    "bind": _ROLES,
    "escalate": _ROLES,
    "impersonate": (
        ("", "users"),
        ("", "serviceaccounts"),
        ("", "groups"),
        ("authentication.k8s.io", "userextras"),
    ),
}


def _split(given: Iterable[str]) -> list[str]:
    """Return the words of a flag that may be repeated, and has commas; each once."""
    return list(dict.fromkeys(word for text in given for word in text.split(",")))


def _verbs(given: Sequence[str]) -> list[str]:
    found = _split(given)
    if not found:
        raise Failure("at least one verb must be specified")
    return ["*"] if "*" in found else found


def _resource(text: str, verbs: Sequence[str]) -> tuple[str, str]:
    """Return the group and the resource, with its sub-resource, of pods/log or deploy.apps. Raises Failure."""
    named, slash, subresource = text.partition("/")
    word, _, group = named.partition(".")
    if not word:
        raise Failure("resource must be specified if apiGroup/subresource specified")
    kind = kind_named(named)
    found = (group, word) if kind is None else (kind.group, kind.plural)
    is_special = False
    for verb in verbs:
        if verb in _SPECIAL and word != "*":
            if found not in _SPECIAL[verb]:
                raise Failure(f"can not perform '{verb}' on '{found[1]}' in group '{found[0]}'")
            is_special = True
    if kind is None and word != "*" and not is_special:
        place = f' in group "{group}"' if group else ""
        raise Failure(f'the server doesn\'t have a resource type "{word}"{place}')
    return found[0], f"{found[1]}{slash}{subresource}"


def _rules(
    verbs: Sequence[str], resources: Sequence[str], names: Sequence[str], urls: Sequence[str] = ()
) -> list[rbac_pb2.PolicyRule]:
    """Return a rule for each group, and one for URLs (generateResourcePolicyRules). Raises Failure."""
    by_group: dict[str, list[str]] = {}
    for text in ["*"] if "*" in resources else resources:
        group, resource = _resource(text, verbs)
        if resource not in by_group.setdefault(group, []):
            by_group[group].append(resource)
    rules = [
        rbac_pb2.PolicyRule(
            verbs=verbs, api_groups=[group], resources=by_group[group], resource_names=dict.fromkeys(names)
        )
        for group in sorted(by_group)
    ]
    return [*rules, rbac_pb2.PolicyRule(verbs=verbs, non_resource_urls=urls)] if urls else rules


def _warn_of(verbs: Iterable[str]) -> None:
    shell = flags.shell_of(click.get_current_context())
    for verb in verbs:
        if verb not in _VERBS:
            shell.err(f"Warning: '{verb}' is not a standard resource verb")


def _ruled(command: flags.F) -> flags.F:
    """Add the flags that say what a role allows."""
    for names, text in (
        ("--resource resources", "Resources: pods, deploy.apps, pods/log."),
        ("--resource-name names", "The only objects that it is about."),
        ("--verb verbs", "Verbs: get,list,watch."),
    ):
        command = flags.several(names, text)(command)
    return command


@creates(kinds.ROLE, "role")
@_ruled
def fill_role(
    made: rbac_pb2.Role, *, verbs: Sequence[str], resources: Sequence[str], names: Sequence[str]
) -> None:
    """Create a role: what may be done in a namespace."""
    asked, words = _verbs(verbs), _split(resources)
    _warn_of(asked)
    if not words:
        raise Failure("at least one resource must be specified")
    made.rules.extend(_rules(asked, words, names))


@creates(kinds.CLUSTER_ROLE, "clusterrole")
@_ruled
@flags.several("--non-resource-url urls", "URLs: /version, /api/*.")
@flags.several(
    "--aggregation-rule labels", "Gather the rules of ClusterRoles with these labels.", "KEY=VALUE"
)
def fill_cluster_role(made: rbac_pb2.ClusterRole, *, labels: Sequence[str], **given: Sequence[str]) -> None:
    """Create a cluster role: what may be done in the cluster, or in a namespace that binds it."""
    if labels:
        if any(given.values()):
            raise Failure(
                "aggregation rule must be specified without nonResourceURLs, verbs, resources or resourceNames"
            )
        selector = made.aggregation_rule.cluster_role_selectors.add()
        for label in _split(labels):
            key, _, value = label.partition("=")
            selector.match_labels[key] = value
        return
    verbs, resources, urls = _verbs(given["verbs"]), _split(given["resources"]), _split(given["urls"])
    if not resources and not urls:
        raise Failure("one of resource or nonResourceURL must be specified")
    if resources:
        _warn_of(verbs)
    made.rules.extend(_rules(verbs, resources, given["names"], urls))
    if urls:
        _check_urls(verbs, urls)


def _check_urls(verbs: Iterable[str], urls: Iterable[str]) -> None:
    for verb in verbs:
        if verb not in _URL_VERBS:
            raise Failure(f"invalid verb: '{verb}' for nonResourceURL")
    for url in urls:
        if url != "*" and not url.startswith("/"):
            raise Failure("nonResourceURL should start with /")
        if "*" in url[:-1]:
            raise Failure("nonResourceURL only supports wildcard matches when '*' is at the end")


def _bound(command: flags.F) -> flags.F:
    """Add the flags that say who has a role."""
    for names, text, word in (
        ("--serviceaccount accounts", "A ServiceAccount.", "NAMESPACE:NAME"),
        ("--group groups", "A group.", None),
        ("--user users", "A user.", None),
    ):
        command = flags.several(names, text, word)(command)
    return flags.text("--clusterrole cluster_role", "The ClusterRole that is given.")(command)


def _fill_binding(
    made: Any, kind: str, role: str, users: Sequence[str], groups: Sequence[str], accounts: Sequence[str]
) -> None:
    made.role_ref.api_group, made.role_ref.kind, made.role_ref.name = _GROUP, kind, role
    for what, names in (("User", users), ("Group", groups)):
        for name in names:
            made.subjects.add(kind=what, api_group=_GROUP, name=name)
    for account in accounts:
        namespace, _, name = account.partition(":")
        if not namespace or not name or ":" in name:
            raise Failure("serviceaccount must be <namespace>:<name>")
        made.subjects.add(kind="ServiceAccount", namespace=namespace, name=name)


@creates(kinds.ROLE_BINDING, "rolebinding")
@_bound
@flags.text("--role", "The Role that is given.")
def fill_role_binding(
    made: rbac_pb2.RoleBinding, *, role: str, cluster_role: str, **subjects: Sequence[str]
) -> None:
    """Create a role binding: who has a role, or a cluster role, in a namespace."""
    if bool(role) == bool(cluster_role):
        raise Failure("exactly one of clusterrole or role must be specified")
    _fill_binding(made, "Role" if role else "ClusterRole", role or cluster_role, **subjects)


@creates(kinds.CLUSTER_ROLE_BINDING, "clusterrolebinding")
@_bound
def fill_cluster_role_binding(
    made: rbac_pb2.ClusterRoleBinding, *, cluster_role: str, **subjects: Sequence[str]
) -> None:
    """Create a cluster role binding: who has a cluster role everywhere."""
    if not cluster_role:
        raise Failure('required flag(s) "clusterrole" not set')
    _fill_binding(made, "ClusterRole", cluster_role, **subjects)
