"""The RBAC authorizer: roles and bindings as they are stored, compiled, and the answers they give.

Follows `plugin/pkg/auth/authorizer/rbac/rbac.go` and `pkg/registry/rbac/validation/rule.go`. Bindings are
found by subject, and a role is a table from (verb, group, resource) to names, so that an answer costs as much
as the caller has bindings, not as there are. Answers are kept until anything changes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Final, NamedTuple

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import NO_OPINION, Decision, Verdict
from apiserver.authorization.rbac.rules import allows, resources_for
from vaina.errors import Unavailable
from vaina.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING
from vaina.objects.rules import ALL, Rule, rules_of
from vaina.objects.selectors import from_message
from vaina.quoting import go_quote
from vaina.serving.handlers import User

#: characters of the questions whose answers are kept, and _ANSWER for each; beyond them all are found anew
MAX_KEPT: Final = 30_000_000
#: an answer takes as much memory as so many characters
_ANSWER: Final = 250
_GROUP: Final = ROLE.group
#: characters of a question whose answer is kept
MAX_QUESTION: Final = 1_000
DEFAULTS: Final = "defaults"
#: namespace and name; a ClusterRole has no namespace
Key = tuple[str, str]
#: verb, group and resource, perhaps with a sub-resource
Row = tuple[str, str, str]


class _Names(NamedTuple):
    """What a role allows of a resource: everything, or objects by name."""

    everything: bool
    names: frozenset[str]


_EVERYTHING: Final = _Names(True, frozenset())


class _Role:
    """A role, compiled."""

    __slots__ = ("_table", "_urls", "labels", "rules")

    def __init__(self, rules: Sequence[Rule], labels: Mapping[str, str]) -> None:
        self.rules, self.labels = rules, dict(labels)
        self._urls = [rule for rule in rules if rule.urls]
        names: dict[Row, set[str]] = {}
        everything: set[Row] = set()
        for rule in rules:
            for key in product(set(rule.verbs), set(rule.groups), set(rule.resources)):
                names.setdefault(key, set()).update(rule.names)
                if not rule.names:
                    everything.add(key)
        self._table = {key: _Names(key in everything, frozenset(found)) for key, found in names.items()}

    def grants(self, asked: Attributes, rows: Sequence[Row]) -> Sequence[_Names]:
        """Return what the role allows of what is asked, whatever its name. Args: rows: `_rows_of` it."""
        if not asked.resource:
            return [_EVERYTHING] if any(allows(rule, asked) for rule in self._urls) else ()
        table = self._table
        # Of most roles nothing is asked.
        return () if table.keys().isdisjoint(rows) else [table[row] for row in rows if row in table]


def _rows_of(asked: Attributes) -> Sequence[Row]:
    """Return the rows of a role that allow what is asked of a resource."""
    return [
        (verb, group, resource)
        for resource in resources_for(asked)
        for group in (asked.group, ALL)
        for verb in (asked.verb, ALL)
    ]


class _Binding(NamedTuple):
    """One subject of a binding."""

    #: the binding's namespace; empty for a ClusterRoleBinding
    namespace: str
    #: of the role that it refers to
    role: Key
    #: what allows, for the audit log
    reason: str


class _Answer(NamedTuple):
    """What a user may do with a resource in a namespace."""

    #: to every object
    everything: Verdict | None
    #: to objects by name
    names: Mapping[str, Verdict]
    #: to all others
    otherwise: Verdict


class Roles:
    """All roles and bindings, and what they allow. An `Authorizer`; owned by one event loop."""

    def __init__(self) -> None:
        self._roles: dict[Key, _Role] = {}
        #: by binding: the subjects under which it is found
        self._subjects: dict[Key, Sequence[tuple[Key, _Binding]]] = {}
        #: by the binding's namespace and the name of the user or group, which has a sign before it
        self._bindings: dict[Key, dict[Key, _Binding]] = {}
        #: by name and groups of the user: no rule looks at more of it
        self._answers: dict[tuple[str, tuple[str, ...]], dict[tuple[str, ...], _Answer]] = {}
        self._kept = 0
        #: kinds that have not been read yet, and the default roles until they are stored
        self._awaited = {DEFAULTS, ROLE.kind, CLUSTER_ROLE.kind, ROLE_BINDING.kind, CLUSTER_ROLE_BINDING.kind}

    # -- what is stored

    def filled(self, what: str) -> None:
        """All objects of a kind have been put, or the default roles (`DEFAULTS`) are stored."""
        self._awaited.discard(what)
        self._forget()

    def clear(self, *, bindings: bool, namespaced: bool) -> None:
        """Take out all roles, or all bindings, with or without a namespace."""
        keys = [key for key in (self._subjects if bindings else self._roles) if bool(key[0]) is namespaced]
        for key in keys:
            if bindings:
                self.remove_binding(key)
            else:
                self.remove_role(key)

    def put_role(self, role: Any) -> None:
        """Take a Role or a ClusterRole."""
        meta = role.metadata
        self._roles[meta.namespace, meta.name] = _Role(rules_of(role.rules), meta.labels)
        self._forget()

    def remove_role(self, key: Key) -> None:
        self._roles.pop(key, None)
        self._forget()

    def put_binding(self, binding: Any) -> None:
        """Take a RoleBinding or a ClusterRoleBinding."""
        meta, ref = binding.metadata, binding.role_ref
        key = meta.namespace, meta.name
        self.remove_binding(key)
        role = ("" if ref.kind == CLUSTER_ROLE.kind else meta.namespace, ref.name)
        found: list[tuple[Key, _Binding]] = []
        for subject in binding.subjects:
            name = _subject_name(subject, meta.namespace)
            if name and ref.api_group in ("", _GROUP):
                reason = f"RBAC: allowed by {_describe(meta, ref, subject)}"
                found.append(((meta.namespace, name), _Binding(meta.namespace, role, reason)))
        self._subjects[key] = found
        for place, one in found:
            # The first subject of a binding that a name stands for is what allows.
            self._bindings.setdefault(place, {}).setdefault(key, one)
        self._forget()

    def remove_binding(self, key: Key) -> None:
        for place, _ in self._subjects.pop(key, ()):
            bindings = self._bindings.get(place, {})
            bindings.pop(key, None)
            if not bindings:
                self._bindings.pop(place, None)
        self._forget()

    def _forget(self) -> None:
        self._answers, self._kept = {}, 0

    # -- what it allows

    def authorize(self, attributes: Attributes) -> Verdict:
        """Answer a question. Raises Unavailable until all roles and bindings have been read."""
        user, verb, group, resource, subresource, namespace, name, path, *_ = attributes
        answers = self._answers.get((user.name, user.groups))
        key = verb, group, resource, subresource, namespace, path
        answer = None if answers is None else answers.get(key)
        if answer is None:
            answer = self._find(attributes)
            self._keep(user, key, answer)
        return answer.everything or answer.names.get(name, answer.otherwise)

    def _keep(self, user: User, key: tuple[str, ...], answer: _Answer) -> None:
        """Keep an answer, unless its question is so long that somebody might fill the memory with such."""
        question = "".join((user.name, *user.groups, *key))
        # A character that is not ASCII may take four bytes.
        if len(question) > MAX_QUESTION or not question.isascii():
            return
        if self._kept > MAX_KEPT:
            self._forget()
        self._kept += len(question) + _ANSWER
        self._answers.setdefault((user.name, user.groups), {})[key] = answer

    def _find(self, asked: Attributes) -> _Answer:
        self.check_filled()
        names: dict[str, Verdict] = {}
        errors: list[str] = []
        seen: set[Key] = set()
        rows = _rows_of(asked)
        for binding in self._bindings_of(asked.user, asked.namespace):
            if binding.role in seen:
                continue  # the first binding of a role says all that the others would
            seen.add(binding.role)
            role = self._roles.get(binding.role)
            if role is None:
                errors.append(_role_missing(binding.role))
                continue
            for found in role.grants(asked, rows):
                if found.everything:
                    return _Answer(Verdict(Decision.ALLOW, binding.reason, any_name=True), {}, NO_OPINION)
                for name in found.names:
                    names.setdefault(name, Verdict(Decision.ALLOW, binding.reason))
        otherwise = Verdict(Decision.NO_OPINION, f"RBAC: {_joined(errors)}") if errors else NO_OPINION
        return _Answer(None, names, otherwise)

    def rules_for(self, user: User, namespace: str) -> tuple[list[Rule], list[str]]:
        """Return the rules that a user has in a namespace (empty: in the cluster), and what went wrong."""
        self.check_filled()
        rules: list[Rule] = []
        errors: list[str] = []
        for binding in self._bindings_of(user, namespace):
            role = self._roles.get(binding.role)
            if role is None:
                errors.append(_role_missing(binding.role))
            else:
                rules += role.rules
        return rules, errors

    def role(self, key: Key) -> Sequence[Rule] | None:
        """Return the rules of a role, or None."""
        found = self._roles.get(key)
        return None if found is None else found.rules

    def gathered(self, role: Any) -> list[Rule]:
        """Return the rules of the ClusterRoles that a role's aggregation rule selects."""
        selectors = [from_message(one) for one in role.aggregation_rule.cluster_role_selectors]
        return [
            rule
            for (namespace, _), other in self._roles.items()
            if not namespace and any(selector.matches(other.labels) for selector in selectors)
            for rule in other.rules
        ]

    def check_filled(self) -> None:
        """Raise Unavailable until all roles and bindings have been read."""
        if self._awaited:
            raise Unavailable("The roles are not read yet, please try again later.", retry_seconds=1)

    def _bindings_of(self, user: User, namespace: str) -> Iterator[_Binding]:
        subjects = [f"u{user.name}", *(f"g{group}" for group in user.groups)]
        seen: set[Key] = set()
        for place in ("", namespace) if namespace else ("",):
            for subject in subjects:
                for key, binding in self._bindings.get((place, subject), {}).items():
                    if key not in seen:
                        seen.add(key)
                        yield binding


def _subject_name(subject: Any, namespace: str) -> str:
    """Return under which name a subject is found; empty for one that nobody is (`appliesToUser`)."""
    match subject.kind:
        case "User":
            return f"u{subject.name}"
        case "Group":
            return f"g{subject.name}"
        case "ServiceAccount" if subject.namespace or namespace:
            return f"usystem:serviceaccount:{subject.namespace or namespace}:{subject.name}"
    return ""


def _describe(meta: Any, ref: Any, subject: Any) -> str:
    """Write what allows, in upstream's words."""
    name = subject.name
    if subject.kind == "ServiceAccount":
        name = f"{name}/{subject.namespace or meta.namespace}"
    binding = f"{meta.name}/{meta.namespace}" if meta.namespace else meta.name
    kind = ROLE_BINDING.kind if meta.namespace else CLUSTER_ROLE_BINDING.kind
    return f"{kind} {go_quote(binding)} of {ref.kind} {go_quote(ref.name)} to {subject.kind} {go_quote(name)}"


def _role_missing(key: Key) -> str:
    kind = ROLE if key[0] else CLUSTER_ROLE
    return f"{kind.singular}.{kind.group} {go_quote(key[1])} not found"


def _joined(errors: Iterable[str]) -> str:
    """Write errors as upstream's aggregates are written: each once."""
    found = list(dict.fromkeys(errors))
    return found[0] if len(found) == 1 else f"[{', '.join(found)}]"
