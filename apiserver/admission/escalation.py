"""Nobody grants what they do not have: the escalation check of roles, and the bind check of bindings.

Follows `pkg/registry/rbac/escalation_check.go`, the `policybased` storages beside it, and ConfirmNoEscalation of
`pkg/registry/rbac/validation/rule.go`. The author of a role has all that it allows, or the verb `escalate`; the
author of a binding has all that its role allows, or the verb `bind`. An aggregation rule can gather anything; to
write what it has gathered grants nothing.
"""

from collections.abc import Sequence
from typing import Any, Final

from apiserver import refusals
from apiserver.admission.chain import Attributes, Operation
from apiserver.authorization import attributes as questions
from apiserver.authorization.authorizer import MASTERS, Authorizer
from apiserver.authorization.rbac.roles import Roles
from apiserver.context import Context
from vaina.errors import TooLarge
from vaina.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING, Kind
from vaina.objects.rules import FULL_AUTHORITY, Rule, compact, count_pieces, missing, quoted, rules_of
from vaina.quoting import go_quote
from vaina.serving.handlers import User

_ROLES = (ROLE.kind, CLUSTER_ROLE.kind)
_BINDINGS = (ROLE_BINDING.kind, CLUSTER_ROLE_BINDING.kind)
#: pieces of a role times rules that its author has: 0.15 µs each, in which nothing else is served
_MAX_COMPARISONS: Final = 2_000_000
#: a piece that is compared with nothing costs as much as this many comparisons
_PIECE: Final = 100


class Escalation:
    """The check."""

    ignores_names = True

    def __init__(self, authorizer: Authorizer, roles: Roles) -> None:
        self._authorizer, self._roles = authorizer, roles

    async def admit(self, attributes: Attributes) -> None:
        """Check a new role or binding, and have a changed one checked. Raises Forbidden, NotFound."""
        if attributes.operation is Operation.DELETE or attributes.kind.kind not in (*_ROLES, *_BINDINGS):
            return
        if MASTERS in attributes.context.groups:
            return
        check = self._check_role if attributes.kind.kind in _ROLES else self._check_binding
        if attributes.operation is Operation.CREATE:
            check(attributes, attributes.object, None)
        else:
            attributes.checks.append(
                lambda new, old: None if _is_same(new, old) else check(attributes, new, old)
            )

    def _check_role(self, attributes: Attributes, new: Any, old: Any | None) -> None:
        kind, namespace = attributes.kind, attributes.namespace
        # A new object has no name in its path.
        name = "" if old is None else new.metadata.name
        if self._may(attributes.context, "escalate", kind, namespace, name):
            return
        if old is not None and kind is CLUSTER_ROLE and self._is_gathered(new, old):
            return
        self._confirm(attributes, new, rules_of(new.rules))
        if kind is CLUSTER_ROLE and any(
            role is not None and role.HasField("aggregation_rule") for role in (new, old)
        ):
            held, _ = self._roles.rules_for(_user_of(attributes.context), namespace)
            if missing(held, FULL_AUTHORITY):
                why = "must have cluster-admin privileges to use the aggregationRule"
                raise refusals.forbidden(kind, new.metadata.name, why)

    def _is_gathered(self, new: Any, old: Any) -> bool:
        """Say whether an aggregating role gets nothing but rules of the roles that it selects.

        That is what it is for, so whoever writes it grants nothing. Upstream's controller may `escalate`
        instead, and its key everything with it.
        """
        if not old.HasField("aggregation_rule"):
            return False
        same = type(new)()
        same.CopyFrom(old)
        del same.rules[:]
        same.rules.extend(new.rules)
        return _is_same(new, same) and not _lacking(self._roles.gathered(old), rules_of(new.rules))

    def _check_binding(self, attributes: Attributes, new: Any, _old: Any | None) -> None:
        ref, namespace = new.role_ref, attributes.namespace
        role = CLUSTER_ROLE if ref.kind == CLUSTER_ROLE.kind else ROLE
        if ref.kind in _ROLES and self._may(attributes.context, "bind", role, namespace, ref.name):
            return
        rules = self._roles.role(("" if role is CLUSTER_ROLE else namespace, ref.name))
        if rules is None:
            raise refusals.not_found(role, ref.name)
        self._confirm(attributes, new, rules)

    def _may(self, ctx: Context, verb: str, kind: Kind[Any], namespace: str, name: str) -> bool:
        asked = questions.Attributes(_user_of(ctx), verb, kind.group, kind.plural, "", namespace, name)
        return self._authorizer.authorize(asked).is_allowed

    def _confirm(self, attributes: Attributes, obj: Any, wanted: Sequence[Rule]) -> None:
        """Refuse to grant what the author does not have. Raises Forbidden."""
        user = _user_of(attributes.context)
        held, errors = self._roles.rules_for(user, attributes.namespace)
        lacking = _lacking(held, wanted)
        if not lacking:
            return
        lines = sorted({str(rule) for rule in compact(lacking)})
        why = (
            f"user {go_quote(user.name)} (groups={quoted(user.groups)}) is attempting to grant RBAC permissions not "
            f"currently held:\n{chr(10).join(lines)}"
        )
        if errors:
            why += f"; resolution errors: [{' '.join(errors)}]"
        raise refusals.forbidden(attributes.kind, obj.metadata.name, why)


def _lacking(held: Sequence[Rule], wanted: Sequence[Rule]) -> list[Rule]:
    """Return what of the wanted rules the held ones do not cover.

    Raises TooLarge where it would take long to find out. Upstream has no such bound.
    """
    if sum(map(count_pieces, wanted)) * (_PIECE + len(held)) > _MAX_COMPARISONS:
        raise TooLarge("Request entity too large: the rules name too many verbs, groups, resources and names")
    return missing(held, wanted)


def _user_of(ctx: Context) -> User:
    return User(ctx.user, ctx.groups, ctx.uid, ctx.extra)


def _is_same(new: Any, old: Any) -> bool:
    """Say whether a change is of owners and finalizers alone, as the garbage collector's are."""
    copy = type(new)()
    copy.CopyFrom(new)
    for field in ("owner_references", "finalizers", "managed_fields"):
        copy.metadata.ClearField(field)
        getattr(copy.metadata, field).MergeFrom(getattr(old.metadata, field))
    return bool(copy == old)
