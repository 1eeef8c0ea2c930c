"""The check in every handler: made of its method's action, called with what the request names.

A handler calls it once it has read its request, before it does anything else; nothing is read twice. What was
asked and answered stands in the call's context, for the audit log.
"""

from collections.abc import Callable
from typing import Any, Final

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import Authorizer, Verdict
from apiserver.authorization.methods import Action, action_of
from vaina.errors import BadRequest, Forbidden
from vaina.kinds import NAMESPACE, Kind
from vaina.objects import names
from vaina.objects.selectors import SelectorError, parse_field_selector
from vaina.quoting import go_quote
from vaina.serving.handlers import RequestContext

#: verbs for which no namespace means all of them; every other one means `default`
_OF_ALL: Final = frozenset(("list", "watch"))
_DEFAULT: Final = "default"
_NAME: Final = "metadata.name"
#: of HTTP's methods (apiserver `endpoints/request/requestinfo.go`)
_PROXY_VERBS: Final = ("get", "create", "update", "patch", "delete")


class Checks:
    """Makes the checks of handlers, over one authorizer."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def of(self, path: str) -> "Check":
        """Return the check of a method, by its full gRPC path. Raises LookupError for an unknown one."""
        return Check(self._authorizer, action_of(path))

    def proxy(self, path: str) -> Callable[[RequestContext, str, str, str], None]:
        """Return the check of a method whose requests say what they have to be allowed.

        It is called with verb, namespace and name. Raises BadRequest: the verb is none of a proxy; Forbidden.
        """
        action = action_of(path)
        by_verb = {verb: Check(self._authorizer, action._replace(verb=verb)) for verb in _PROXY_VERBS}

        def check(rpc: RequestContext, verb: str, namespace: str, name: str) -> None:
            may = by_verb.get(verb or "get")
            if may is None:
                raise BadRequest(f"{go_quote(verb)} is no verb of a proxy")
            may(rpc, namespace, name)

        return check

    def of_kind(self, kind: Kind[Any], verb: str) -> "Check":
        """Return the check of a verb on a kind, for handlers that learn the kind from the request."""
        return Check(self._authorizer, Action(verb, kind.group, kind.plural, "", kind.namespaced))


class Check:
    """Asks whether the caller of a call may do what a method does."""

    __slots__ = ("_action", "_authorizer", "_default")

    def __init__(self, authorizer: Authorizer, action: Action) -> None:
        self._authorizer, self._action = authorizer, action
        #: the namespace of a request that names none
        self._default = _DEFAULT if action.namespaced and action.verb not in _OF_ALL else ""

    def __call__(
        self,
        rpc: RequestContext,
        namespace: str = "",
        name: str = "",
        *,
        subresource: str = "",
        field_selector: str = "",
        label_selector: str = "",
    ) -> Verdict:
        """Return the verdict that allows it. Raises Forbidden; Unavailable while nobody can know."""
        verb, group, resource, own, namespaced, path = self._action
        if rpc.group is not None:
            group = rpc.group
        if namespaced:
            namespace = namespace or self._default
        else:
            # A Role in a namespace gives nothing of the cluster, whatever a request names; but one on
            # `namespaces` gives its own namespace, as upstream's paths /namespaces/NAME have it. Paths of lists
            # and watches name none, whatever is selected.
            is_namespace = resource == NAMESPACE.plural and not group and verb not in _OF_ALL
            namespace = name if is_namespace else ""
        asked = Attributes(
            rpc.user, verb, group, resource, subresource or own, namespace, name, path, field_selector,
            label_selector,
        )  # fmt: skip
        verdict = self._authorizer.authorize(asked)
        rpc.authorized.append((asked, verdict))
        if not verdict.is_allowed:
            raise forbidden(asked, verdict.reason)
        return verdict

    def selection(
        self, rpc: RequestContext, namespace: str, field_selector: str, label_selector: str = ""
    ) -> Verdict:
        """Check a list, a watch or a deletion of a collection. Raises as a call of the check does."""
        name = "" if self._action.verb not in _OF_ALL else selected_name(field_selector)
        return self(rpc, namespace, name, field_selector=field_selector, label_selector=label_selector)

    def batch(self, rpc: RequestContext) -> Callable[[str, str], None]:
        """Return the check of a batch's items by namespace and name: it asks once for each namespace.

        Only where the verdict hangs on names is each of them asked for. The function raises Forbidden.
        """
        allowed: set[str] = set()

        def check(namespace: str, name: str = "") -> None:
            if self._action.resource == NAMESPACE.plural:
                # Each is a namespace of its own.
                namespace = name
            if namespace not in allowed and self(rpc, namespace, name).any_name:
                allowed.add(namespace)

        return check


def selected_name(field_selector: str) -> str:
    """Return the one name that a field selector selects; empty for all others.

    Follows apiserver `endpoints/request/requestinfo.go` (NewRequestInfo).
    """
    if _NAME not in field_selector:
        return ""
    try:
        name = parse_field_selector(field_selector).exact(_NAME) or ""
    except SelectorError:
        return ""
    return "" if names.path_segment(name) else name


def forbidden(asked: Attributes, reason: str = "") -> Forbidden:
    """Return the refusal, in upstream's words (apiserver `endpoints/handlers/responsewriters/errors.go`)."""
    who = f"User {go_quote(asked.user.name)} cannot {asked.verb}"
    if asked.resource:
        scope = f"in the namespace {go_quote(asked.namespace)}" if asked.namespace else "at the cluster scope"
        why = f"{who} resource {go_quote(asked.combined)} in API group {go_quote(asked.group)} {scope}"
    else:
        why = f"{who} path {go_quote(asked.path)}"
    if reason:
        why = f"{why}: {reason}"
    what = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    if asked.name:
        what = f"{what} {go_quote(asked.name)}"
    message = f"{what} is forbidden: {why}" if what else f"forbidden: {why}"
    return Forbidden(message, group=asked.group, kind=asked.resource, name=asked.name)
